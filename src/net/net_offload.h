/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What a device may leave undone in a frame that it hands over, and what it says about that in
 * the virtio header. Pure memory code over bytes that the device and the network can write.
 * Source: VIRTIO 1.2, 5.1.6.4.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio_spec/net.h"

/* True when `header` says that the frame is a whole segment of several. */
static inline bool net_offload_is_large(const struct virtio_net_hdr *header)
{
    return header->gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

/* Finish the frame, `length_bytes` of private memory, by what a private copy of its header says:
 * with NEEDS_CSUM the checksum field has the sum of the pseudo header, and is completed.
 * `features` are the negotiated ones. gso_size and hdr_len are hints, and not read.
 * False: the frame must be dropped, and is as it was. Its type was not negotiated or is not what
 * the frame is, or the checksum fields do not fit the headers of the frame. */
bool net_offload_finish(uint8_t *frame, size_t length_bytes, const struct virtio_net_hdr *header,
                        uint64_t features) __attribute__((warn_unused_result));

#endif
