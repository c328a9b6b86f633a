/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What a device may leave undone in a frame. The frame has any content and is an object of exactly
 * its length; header and features are any. Assumed: what net_offload.h asks of callers, that both
 * are private copies, which nobody changes meanwhile.
 *
 * The sum of bytes is proven in inet_sum.c. Here it may be any, and what is summed up must be in
 * the frame.
 */
#include "net/net_offload.h"
#include "base/inet_sum.h"

#define FRAME_MAX 0x20000u
#define GSO (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)

uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    (void)sum;
    claim(length_bytes == 0 || __CPROVER_r_ok(bytes, length_bytes),
          "summed bytes are in the frame");
    return nondet_uint16();
}

/* Nothing outside is read or written, and inside only the checksum. A frame passes with work left,
 * or as a large one, only if that was negotiated. */
void prove_offload(void)
{
    struct virtio_net_hdr header = {.flags = nondet_uint8(),
                                    .gso_type = nondet_uint8(),
                                    .csum_start = nondet_uint16(),
                                    .csum_offset = nondet_uint16()};
    uint64_t features = nondet_uint64();
    size_t length_bytes = nondet_size();
    size_t at = nondet_size();
    uint8_t *frame;
    uint8_t before;
    size_t field;

    assume(length_bytes > 0 && length_bytes <= FRAME_MAX && at < length_bytes);
    frame = malloc(length_bytes);
    assume(frame != NULL);
    before = frame[at];
    field = (size_t)header.csum_start + header.csum_offset;

    if (!net_offload_finish(frame, length_bytes, &header, features)) {
        claim(frame[at] == before, "a frame that is refused is as it was");
        return;
    }
    claim(frame[at] == before ||
              ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && (at == field || at == field + 1)),
          "only the checksum is written, where the header says");
    if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        claim((features & VIRTIO_NET_F_GUEST_CSUM) && field + 2 <= length_bytes,
              "a checksum is finished only if negotiated, and in the frame");
    if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        claim((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && (features & GSO),
              "a large frame was negotiated, and has a checksum to finish");
}
