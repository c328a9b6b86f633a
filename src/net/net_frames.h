/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What net_device.c needs of the path of a frame: buffers, and how it begins. The path
 * itself is declared in net_device.h: net_device_transmit, _peek and _take.
 */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include "net/net_device.h"

/* Describe every buffer of `queue` to its ring, which is empty: one descriptor over header
 * and frame, or two where a legacy device insists. */
void net_frames_describe(struct net_device *net, struct net_queue *queue, bool device_writable);

/* Give every RX buffer to the ring, which is not published yet, and mark every TX buffer
 * free. Both rings are empty. */
void net_frames_fill(struct net_device *net);

/* Ring again where a doorbell may have been lost. The device is running. */
void net_frames_wake(struct net_device *net);

/* No frame flows from here on, and then there is no link either. The device was UP. */
static inline void net_frames_shut(struct net_device *net)
{
    net->state = NET_DOWN;
    net->is_link_up = false;
}

#endif
