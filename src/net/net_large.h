/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The way of received frames while the device is UP_LARGE. A frame may lie in several buffers
 * (MRG_RXBUF) and be larger than the MTU. It is put together in private memory, in one pass over
 * what the device wrote; everything is checked, and the checksum finished, there.
 * Source: VIRTIO 1.2, 5.1.6.4.
 */
#ifndef NET_LARGE_H
#define NET_LARGE_H

#include "net/net_device.h"
#include "virtio_spec/net.h"

/* Of the offered features, those that let the device hand over large frames; 0: it cannot, because
 * one is missing that the others need. */
uint64_t net_large_features(uint64_t features, bool is_legacy);

/* What net_large_features may contain. */
#define NET_LARGE_FEATURES                                                                         \
    (VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |                 \
     VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_MRG_RXBUF)

/* Get and free the memory in which frames are put together. Errors of init: EFI_OUT_OF_RESOURCES.
 * fini accepts a zeroed object, and may be repeated. */
EFI_STATUS net_large_init(struct net_device *net) __attribute__((warn_unused_result));
void net_large_fini(struct net_device *net);

/* The size in bytes of one of `count` receive buffers, 1 to VIRTQUEUE_SLOTS_MAX, header included:
 * so that the buffers that the device has at the least hold the longest frame. */
uint32_t net_large_buffer_bytes(uint16_t count);

/* The slow half of net_device_peek, for a device that is not UP: see to it that net->waiting is a
 * frame for the caller. One that is larger than the MTU allows is dropped and counted unless
 * `takes_large`. Looks at one lap of the ring at most. Errors: EFI_NOT_READY, there is none;
 * EFI_DEVICE_ERROR, net_device_is_down, or the device has just broken the ring. */
EFI_STATUS net_large_find(struct net_device *net, bool takes_large)
    __attribute__((warn_unused_result));

#endif
