/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * IN_ORDER: a device that uses buffers in the order in which it got them, and may
 * answer for many with one used entry. VIRTIO 1.2, sections 2.7.9 and 2.8.9 for what
 * it means, 2.7.5 for the order that it asks of a split queue's descriptors.
 */
#include "base/hot_path.h"
#include "ring/barrier.h"
#include "ring/virtqueue_formats.h"

static const struct virtqueue_turn *turn_at(const struct virtqueue *queue, unsigned nth)
{
    return &queue->turns[(queue->turn_popped + nth) % VIRTQUEUE_SLOTS_MAX];
}

static const struct virtqueue_chain *chain_of(const struct virtqueue *queue, uint16_t slot)
{
    return &queue->chains[slot * queue->segments_per_slot];
}

void virtqueue_in_order_note(struct virtqueue *queue, uint16_t slot, uint16_t id)
{
    queue->turns[queue->turn_pushed++ % VIRTQUEUE_SLOTS_MAX] =
        (struct virtqueue_turn){.slot = slot, .id = id};
}

void virtqueue_in_order_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    const struct virtqueue_segment *segments = &queue->segments[slot * queue->segments_per_slot];
    unsigned count = chain_of(queue, slot)->segment_count;
    unsigned mask = queue->size - 1u;
    uint16_t first = (uint16_t)(queue->desc_next & mask);

    for (unsigned i = 0; i < count; i++, queue->desc_next++) {
        volatile struct virtq_desc *desc = &queue->desc[queue->desc_next & mask];
        bool is_last = i + 1 == count;

        desc->addr = segments[i].device_address;
        desc->len = is_last ? last_length_bytes : segments[i].length_bytes;
        desc->flags = (uint16_t)((is_last ? 0 : VIRTQ_DESC_F_NEXT) |
                                 (segments[i].device_writable ? VIRTQ_DESC_F_WRITE : 0));
        desc->next = is_last ? 0 : (uint16_t)((queue->desc_next + 1u) & mask);
    }
    queue->avail->ring[queue->avail_next++ & mask] = first;
    queue->in_flight_count++;
    queue->chains[slot * queue->segments_per_slot].is_in_flight = true;
    virtqueue_in_order_note(queue, slot, first);
}

uint16_t virtqueue_in_order_batch(const struct virtqueue *queue, uint16_t nth, uint32_t id)
{
    for (unsigned i = nth; i < queue->in_flight_count; i++) {
        if (turn_at(queue, i)->id == id)
            return (uint16_t)(i - nth + 1);
    }
    return 0;
}

uint16_t virtqueue_in_order_segments(const struct virtqueue *queue, uint16_t nth, uint16_t count)
{
    uint16_t segments = 0;

    for (unsigned i = 0; i < count; i++)
        segments += chain_of(queue, turn_at(queue, nth + i)->slot)->segment_count;
    return segments;
}

/* The next used ring entry, and how many entries the device says it has used. */
static bool read_used(const struct virtqueue *queue, uint32_t *ret_id, uint32_t *ret_length_bytes,
                      uint16_t *ret_waiting)
{
    uint16_t waiting = (uint16_t)(queue->used->idx - queue->used_next);
    const volatile struct virtq_used_elem *elem;

    if (waiting == 0)
        return false;
    barrier_read(); /* pairs with the device writing the entry, then the index */
    elem = &queue->used->ring[queue->used_next & (queue->size - 1u)];
    *ret_id = elem->id;
    *ret_length_bytes = elem->len;
    *ret_waiting = waiting;
    return true;
}

/* Begin a batch. False: there is none, or the device claims an impossible one. */
static bool take_batch(struct virtqueue *queue)
{
    uint16_t waiting = queue->in_flight_count;
    uint32_t length_bytes;
    uint16_t batch;
    uint32_t id;
    bool is_there = queue->format.is_packed ? virtqueue_packed_read_used(queue, &id, &length_bytes)
                                            : read_used(queue, &id, &length_bytes, &waiting);

    if (!is_there)
        return false;
    batch = virtqueue_in_order_batch(queue, 0, id);
    if (batch == 0 || batch > waiting || waiting > queue->in_flight_count)
        return virtqueue_break(queue);
    if (!virtqueue_check_length(chain_of(queue, turn_at(queue, batch - 1u)->slot), &length_bytes))
        return virtqueue_break(queue);

    if (queue->format.is_packed)
        queue->desc_next =
            (uint16_t)(queue->desc_next + virtqueue_in_order_segments(queue, 0, batch));
    queue->batch_left = batch;
    queue->batch_length_bytes = length_bytes;
    return true;
}

/* VIRTIO 1.2, 2.7.9: buffers that the device skips were read or written completely. */
OUT_OF_LINE bool virtqueue_in_order_pop(struct virtqueue *queue,
                                        struct virtqueue_completion *ret_completion)
{
    struct virtqueue_chain *chain;
    uint16_t slot;

    if (queue->is_broken || (queue->batch_left == 0 && !take_batch(queue)))
        return false;
    slot = turn_at(queue, 0)->slot;
    chain = &queue->chains[slot * queue->segments_per_slot];
    chain->is_in_flight = false;
    queue->in_flight_count--;
    queue->turn_popped++;
    queue->batch_left--;
    if (queue->format.is_packed)
        virtqueue_packed_watch(queue);
    else
        queue->used_next++;
    ret_completion->slot = slot;
    ret_completion->length_bytes =
        queue->batch_left == 0 ? queue->batch_length_bytes : chain->writable_bytes;
    return true;
}
