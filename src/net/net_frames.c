/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The path of a frame: from the caller's buffer into a slot of the TX ring, and from a
 * slot of the RX ring to the caller. Neither way allocates, maps or calls firmware.
 */
#include "net/net_frames.h"

#include "base/copy.h"
#include "base/hot_path.h"
#include "net/net_large.h"
#include "virtio_spec/net.h"

/* One descriptor covers header and frame; a legacy device without ANY_LAYOUT requires two. */
void net_frames_describe(struct net_device *net, struct net_queue *queue, bool device_writable)
{
    for (uint16_t slot = 0; slot < queue->count; slot++) {
        uint64_t start = queue->pool.device_address + (uint64_t)slot * queue->stride_bytes;
        struct virtqueue_segment whole = {
            .device_address = start,
            .length_bytes = net->header_bytes + queue->frame_bytes,
            .device_writable = device_writable,
        };
        struct virtqueue_segment parts[] = {whole, whole};

        if (queue->queue.ring.segments_per_slot == 2) {
            parts[0].length_bytes = net->header_bytes;
            parts[1].length_bytes = queue->frame_bytes;
            parts[1].device_address = start + net->header_bytes;
        }
        virtqueue_set_slot(&queue->queue.ring, slot, parts, queue->queue.ring.segments_per_slot);
    }
}

/* The length of a slot's last segment, for a frame of `frame_bytes`. */
static uint32_t last_segment_bytes(const struct net_device *net, uint32_t frame_bytes,
                                   const struct net_queue *queue)
{
    return queue->queue.ring.segments_per_slot == 2 ? frame_bytes : net->header_bytes + frame_bytes;
}

static OUT_OF_LINE void rx_give_back(struct net_device *net)
{
    net->rx_was_dry |= !virtqueue_is_busy(&net->rx.queue.ring);
    virtqueue_push_all(&net->rx.queue.ring, net->rx_kept, net->rx_kept_count);
    net->rx_kept_count = 0;
    virtio_queue_publish(&net->rx.queue);
}

/* Buffers are returned a quarter of the ring at a time: the device never runs dry, and the
 * cost of publishing is shared. Until then the device must not name them. */
ALWAYS_INLINE void net_frames_return(struct net_device *net, uint16_t slot)
{
    uint16_t count = net->rx_kept_count;

    net->rx_kept[count++] = slot;
    net->rx_kept_count = count;
    if (count >= net->rx_kept_max)
        rx_give_back(net);
}

/* Every RX buffer goes to the device, every TX buffer is free. */
void net_frames_fill(struct net_device *net)
{
    for (uint16_t slot = 0; slot < net->rx.count; slot++)
        net->rx_kept[slot] = slot;
    virtqueue_push_all(&net->rx.queue.ring, net->rx_kept, net->rx.count);
    for (uint16_t slot = 0; slot < net->tx.count; slot++)
        net->tx_free[slot] = (uint16_t)(net->tx.count - 1 - slot);
    net->tx_free_count = net->tx.count;
    net->rx_kept_count = 0;
    net->rx_kept_max = net_frames_kept_max(net->rx.count);
    net->rx_was_dry = false;
}

/* A doorbell can be lost when the platform does not keep barriers: QEMU 7.2 drops the
 * guest's when it emulates a single CPU. An extra doorbell does no harm. */
void net_frames_wake(struct net_device *net)
{
    if (virtqueue_is_busy(&net->tx.queue.ring))
        virtio_queue_ring(&net->tx.queue);
    if (net->rx_was_dry)
        virtio_queue_ring(&net->rx.queue);
    net->rx_was_dry = false;
}

static inline void count_good(struct net_traffic *traffic, const uint8_t *frame,
                              size_t length_bytes)
{
    traffic->good_bytes += length_bytes;
    if (!mac_is_group(frame))
        traffic->unicast++;
    else if (mac_is_broadcast(frame))
        traffic->broadcast++;
    else
        traffic->multicast++;
}

void net_frames_count_bad(struct net_traffic *traffic, uint64_t *cause, size_t length_bytes)
{
    traffic->bad_bytes += length_bytes;
    (*cause)++;
}

OUT_OF_LINE EFI_STATUS net_frames_ring_error(struct net_device *net)
{
    net->counters.ring_errors++;
    net_frames_shut(net);
    return EFI_DEVICE_ERROR;
}

/* The list of free slots is empty. Refill it with completed ones. */
static OUT_OF_LINE EFI_STATUS tx_reclaim(struct net_device *net)
{
    struct virtqueue *ring = &net->tx.queue.ring;
    struct virtqueue_completion completion;

    uint16_t count = 0;

    while (count < net->tx.count && virtqueue_pop(ring, &completion))
        net->tx_free[count++] = completion.slot;
    net->tx_free_count = count;
    virtqueue_suppress_interrupts(ring);
    if (ring->is_broken)
        return net_frames_ring_error(net);
    return count > 0 ? EFI_SUCCESS : EFI_NOT_READY;
}

/* A free slot, the last of the list: the caller takes it out. Errors: as net_device_transmit. */
static ALWAYS_INLINE EFI_STATUS tx_claim(struct net_device *net, uint16_t *ret_slot)
{
    if (net_device_is_down(net))
        return EFI_DEVICE_ERROR;
    if (net->tx_free_count == 0) {
        EFI_STATUS status = tx_reclaim(net);

        if (EFI_ERROR(status))
            return status;
    }
    *ret_slot = net->tx_free[net->tx_free_count - 1];
    return EFI_SUCCESS;
}

static ALWAYS_INLINE void tx_send(struct net_device *net, uint16_t slot, uint8_t *frame,
                                  const uint8_t *destination, size_t length_bytes)
{
    while (length_bytes < ETHERNET_FRAME_MIN_BYTES)
        frame[length_bytes++] = 0;

    virtio_queue_send(&net->tx.queue, slot,
                      last_segment_bytes(net, (uint32_t)length_bytes, &net->tx));
    count_good(&net->counters.tx, destination, length_bytes);
}

ALWAYS_INLINE EFI_STATUS net_device_transmit(struct net_device *net, const void *frame,
                                             size_t length_bytes)
{
    uint16_t slot;
    uint8_t *to;
    EFI_STATUS status;

    status = tx_claim(net, &slot);
    if (EFI_ERROR(status))
        return status;
    net->tx_free_count--;
    to = net_frames_buffer(&net->tx, slot) + net->header_bytes;
    copy_bytes(to, frame, length_bytes);
    tx_send(net, slot, to, frame, length_bytes);
    return EFI_SUCCESS;
}

EFI_STATUS net_device_claim(struct net_device *net, uint8_t **ret_frame)
{
    uint16_t slot;
    EFI_STATUS status;

    status = tx_claim(net, &slot);
    if (!EFI_ERROR(status))
        *ret_frame = net_frames_buffer(&net->tx, slot) + net->header_bytes;
    return status;
}

void net_device_send(struct net_device *net, const uint8_t *destination, size_t length_bytes)
{
    uint16_t slot = net->tx_free[--net->tx_free_count];

    tx_send(net, slot, net_frames_buffer(&net->tx, slot) + net->header_bytes, destination,
            length_bytes);
}

static inline bool is_length_plausible(const struct net_device *net, uint32_t frame_bytes)
{
    return frame_bytes >= ETHERNET_HEADER_BYTES && frame_bytes <= net_frames_length_max(net);
}

/* True when the frame needs no offload. No offload was negotiated, so anything else is a lie. */
static inline bool is_plain(const struct net_device *net, const struct net_frame *frame)
{
    const volatile struct virtio_net_hdr *header =
        (const volatile void *)(frame->bytes - net->header_bytes);

    return header->gso_type == VIRTIO_NET_HDR_GSO_NONE &&
           !(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

/* Count a rejected frame under the first check it fails, and return its buffer to the device. */
static OUT_OF_LINE void drop(struct net_device *net, const struct net_frame *frame)
{
    struct net_traffic *rx = &net->counters.rx;

    if (frame->length_bytes < ETHERNET_HEADER_BYTES)
        net_frames_count_bad(rx, &rx->undersize, frame->length_bytes);
    else if (!is_length_plausible(net, frame->length_bytes))
        net_frames_count_bad(rx, &rx->oversize, frame->length_bytes);
    else if (!is_plain(net, frame))
        net_frames_count_bad(rx, &rx->dropped, frame->length_bytes);
    else
        net->counters.rx_filtered++;
    net_frames_return(net, frame->slot);
}

/* Find the next frame that passes. At most one lap of the ring, so that a flood of frames
 * for other stations cannot hold the caller. */
static ALWAYS_INLINE EFI_STATUS rx_advance(struct net_device *net)
{
    struct virtqueue *ring = &net->rx.queue.ring;

    for (uint16_t i = 0; i < net->rx.count; i++) {
        struct virtqueue_completion completion;
        struct net_frame frame;

        if (!virtqueue_pop(ring, &completion))
            return ring->is_broken ? net_frames_ring_error(net) : EFI_NOT_READY;
        if (completion.length_bytes < net->header_bytes) {
            (void)virtqueue_break(ring);
            return net_frames_ring_error(net);
        }
        frame.bytes = net_frames_buffer(&net->rx, completion.slot) + net->header_bytes;
        frame.length_bytes = completion.length_bytes - net->header_bytes;
        frame.slot = completion.slot;
        if (is_length_plausible(net, frame.length_bytes) && is_plain(net, &frame) &&
            net_filter_admits(&net->filter, net->station_mac, frame.bytes)) {
            net->waiting = frame;
            net->has_waiting = true;
            return EFI_SUCCESS;
        }
        drop(net, &frame);
    }
    return EFI_NOT_READY;
}

/* See to it that `waiting` is a frame for the caller. */
static ALWAYS_INLINE EFI_STATUS find_frame(struct net_device *net, bool takes_large)
{
    if (net->state != NET_UP)
        return net_large_find(net, takes_large);
    return net->has_waiting ? EFI_SUCCESS : rx_advance(net);
}

static ALWAYS_INLINE EFI_STATUS show_frame(struct net_device *net, bool takes_large,
                                           const uint8_t **ret_frame, size_t *ret_length_bytes)
{
    EFI_STATUS status = find_frame(net, takes_large);

    if (EFI_ERROR(status))
        return status;
    *ret_frame = net->waiting.bytes;
    *ret_length_bytes = net->waiting.length_bytes;
    return EFI_SUCCESS;
}

ALWAYS_INLINE EFI_STATUS net_device_peek(struct net_device *net, const uint8_t **ret_frame,
                                         size_t *ret_length_bytes)
{
    return show_frame(net, false, ret_frame, ret_length_bytes);
}

EFI_STATUS net_device_peek_large(struct net_device *net, const uint8_t **ret_frame,
                                 size_t *ret_length_bytes)
{
    return show_frame(net, true, ret_frame, ret_length_bytes);
}

inline void net_device_take(struct net_device *net)
{
    net->has_waiting = false;
    count_good(&net->counters.rx, net->waiting.bytes, net->waiting.length_bytes);
    net_frames_return(net, net->waiting.slot);
}
