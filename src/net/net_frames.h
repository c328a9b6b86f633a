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

/* For net_large.c, which receives while the device is UP_LARGE. */
static inline uint8_t *net_frames_buffer(const struct net_queue *queue, uint16_t slot)
{
    return queue->pool.address + (size_t)slot * queue->stride_bytes;
}

/* How many of `count` receive buffers go back to the device at once; until then they are kept. */
static inline uint16_t net_frames_kept_max(uint16_t count)
{
    return (uint16_t)((count + 3u) / 4u);
}

/* The longest frame that the MTU allows, in bytes: its tag does not count. */
static inline uint32_t net_frames_length_max(const struct net_device *net)
{
    return ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + net->mtu;
}

/* The buffer of a received frame is not needed any more. */
void net_frames_return(struct net_device *net, uint16_t slot);

void net_frames_count_bad(struct net_traffic *traffic, uint64_t *cause, size_t length_bytes);

/* The device broke a ring. Nothing that it says is believed from here on. */
EFI_STATUS net_frames_ring_error(struct net_device *net);

#endif
