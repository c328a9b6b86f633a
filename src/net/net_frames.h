/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * How net_device.c sets up the path of a frame. The path itself is declared in
 * net_device.h: net_device_transmit, net_device_peek and net_device_take.
 */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include "net/net_device.h"

/* Describe every buffer of `queue` to its ring, which is empty. One descriptor covers header
 * and frame; a legacy device without ANY_LAYOUT needs two. */
void net_frames_describe(struct net_device *net, struct net_queue *queue, bool device_writable);

/* Push every RX buffer, without publishing it, and mark every TX buffer free. Both rings are
 * empty. */
void net_frames_fill(struct net_device *net);

/* Ring a doorbell again if it may have been lost. The device is UP. */
void net_frames_wake(struct net_device *net);

/* Stop the flow of frames and report the link as down. The device was UP. */
static inline void net_frames_shut(struct net_device *net)
{
    net->state = NET_DOWN;
    net->is_link_up = false;
}

#endif
