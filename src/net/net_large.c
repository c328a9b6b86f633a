/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "net/net_large.h"

#include <efilib.h>

#include "base/copy.h"
#include "base/hot_path.h"
#include "net/net_frames.h"
#include "net/net_offload.h"

#define BUFFER_BYTES 4096u /* docs/PERFORMANCE.md has the measurement */

/* The frame begins at 2 modulo 8: what follows its Ethernet header is aligned. */
#define FRAME_OFFSET 2u

/* The longest frame, which is not a large one, but a tagged one at the largest MTU. */
#define FRAME_BYTES_MAX (ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + UINT16_MAX)
#define ROOM_BYTES (VIRTIO_NET_HDR_LENGTH + FRAME_BYTES_MAX) /* in all buffers that are needed */

_Static_assert(ROOM_BYTES >= VIRTIO_NET_RX_BUFFER_MIN_LARGE, "VIRTIO 1.2, 5.1.6.3.1");
_Static_assert(FRAME_BYTES_MAX >= NET_LARGE_FRAME_MAX, "a large frame fits as well");

uint64_t net_large_features(uint64_t features, bool is_legacy)
{
    uint64_t needed = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MRG_RXBUF;

    if (is_legacy)
        needed |= VIRTIO_F_ANY_LAYOUT; /* or the header would need a buffer of its own */
    if ((features & needed) != needed ||
        !(features & (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)))
        return 0;
    return features & NET_LARGE_FEATURES;
}

EFI_STATUS net_large_init(struct net_device *net)
{
    void *memory;
    EFI_STATUS status =
        BS->AllocatePool(EfiBootServicesData, FRAME_OFFSET + FRAME_BYTES_MAX, &memory);

    if (EFI_ERROR(status))
        return status;
    net->large_frame = (uint8_t *)memory + FRAME_OFFSET;
    return EFI_SUCCESS;
}

void net_large_fini(struct net_device *net)
{
    if (net->large_frame)
        (void)BS->FreePool(net->large_frame - FRAME_OFFSET); /* ours: cannot fail */
    net->large_frame = NULL;
}

uint32_t net_large_buffer_bytes(uint16_t count)
{
    uint32_t count_min = count - (net_frames_kept_max(count) - 1u);
    uint32_t bytes = (ROOM_BYTES + count_min - 1) / count_min;

    return bytes > BUFFER_BYTES ? bytes : BUFFER_BYTES;
}

/* Append what a buffer holds. A frame that becomes too large keeps its length, not its bytes. */
static void append(struct net_device *net, struct net_frame *frame, const uint8_t *bytes,
                   uint32_t length_bytes)
{
    if (length_bytes <= FRAME_BYTES_MAX && frame->length_bytes <= FRAME_BYTES_MAX - length_bytes)
        copy_bytes(net->large_frame + frame->length_bytes, bytes, length_bytes);
    frame->length_bytes += length_bytes;
}

/* Put the frame together that begins in the buffer `part`. All buffers but this first one, which
 * is ret_frame->slot, go back to the device. False: the device broke the ring. */
static bool gather(struct net_device *net, struct virtqueue_completion part,
                   struct net_frame *ret_frame, struct virtio_net_hdr *ret_header)
{
    struct virtqueue *ring = &net->rx.queue.ring;
    const uint8_t *bytes = net_frames_buffer(&net->rx, part.slot);

    if (part.length_bytes < sizeof(*ret_header))
        return virtqueue_break(ring);
    copy_bytes(ret_header, bytes, sizeof(*ret_header)); /* once: the device can still change it */
    if (ret_header->num_buffers - 1u > ring->in_flight_count) /* or 0 */
        return virtqueue_break(ring);

    *ret_frame = (struct net_frame){.bytes = net->large_frame, .slot = part.slot};
    append(net, ret_frame, bytes + sizeof(*ret_header),
           part.length_bytes - (uint32_t)sizeof(*ret_header));
    for (unsigned left = ret_header->num_buffers - 1u; left > 0; left--) {
        /* All buffers of a frame are used at once, and none of them for nothing. */
        if (!virtqueue_pop(ring, &part) || part.length_bytes == 0)
            return virtqueue_break(ring);
        append(net, ret_frame, net_frames_buffer(&net->rx, part.slot), part.length_bytes);
        net_frames_return(net, part.slot);
    }
    return true;
}

/* Decide about a frame in private memory, and count one that is rejected under the first check that
 * it fails. */
static bool judge(struct net_device *net, const struct net_frame *frame,
                  const struct virtio_net_hdr *header, bool takes_large)
{
    struct net_traffic *rx = &net->counters.rx;
    uint32_t bytes_max = takes_large && net_offload_is_large(header) ? NET_LARGE_FRAME_MAX
                                                                     : net_frames_length_max(net);

    if (frame->length_bytes < ETHERNET_HEADER_BYTES) {
        net_frames_count_bad(rx, &rx->undersize, frame->length_bytes);
    } else if (frame->length_bytes > bytes_max) {
        net_frames_count_bad(rx, &rx->oversize, frame->length_bytes);
    } else if (!net_filter_admits(&net->filter, net->station_mac, frame->bytes)) {
        net->counters.rx_filtered++;
    } else if (!net_offload_finish(net->large_frame, frame->length_bytes, header,
                                   net->virtio.negotiated)) {
        net_frames_count_bad(rx, &rx->dropped, frame->length_bytes);
    } else {
        net->counters.rx_large += net_offload_is_large(header);
        return true;
    }
    return false;
}

/* Find the next frame that passes. At most one lap of the ring, however fast the device uses the
 * buffers that it gets back meanwhile. */
static EFI_STATUS advance(struct net_device *net, bool takes_large)
{
    struct virtqueue *ring = &net->rx.queue.ring;
    struct virtio_net_hdr header = {0}; /* gather fills it in */

    for (unsigned taken = 0; taken < net->rx.count; taken += header.num_buffers) {
        struct virtqueue_completion completion;
        struct net_frame frame;

        if (!virtqueue_pop(ring, &completion))
            return ring->is_broken ? net_frames_ring_error(net) : EFI_NOT_READY;
        if (!gather(net, completion, &frame, &header))
            return net_frames_ring_error(net);
        if (judge(net, &frame, &header, takes_large)) {
            net->waiting = frame;
            net->has_waiting = true;
            net->has_made_sum = header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
            return EFI_SUCCESS;
        }
        net_frames_return(net, frame.slot);
    }
    return EFI_NOT_READY;
}

OUT_OF_LINE EFI_STATUS net_large_find(struct net_device *net, bool takes_large)
{
    struct net_traffic *rx = &net->counters.rx;

    if (net->state != NET_UP_LARGE)
        return EFI_DEVICE_ERROR;
    if (net->has_waiting) {
        if (takes_large || net->waiting.length_bytes <= net_frames_length_max(net))
            return EFI_SUCCESS;
        net_frames_count_bad(rx, &rx->oversize, net->waiting.length_bytes);
        net->has_waiting = false;
        net_frames_return(net, net->waiting.slot);
    }
    return advance(net, takes_large);
}
