/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What a ring's format supplies to virtqueue.c, which keeps the books and decides what
 * to believe. A format lays out the ring, writes to it and reads from it.
 *
 *   layout     where the parts are
 *   init       point at them; the memory is cleared
 *   write      the descriptors of a slot, in ring order
 *   publish    show the device what was written; true: it wants a doorbell
 *   read_used  copy the next used entry, unchecked
 *   advance    pop has taken a buffer of so many descriptors
 *
 * `first` is the slot's index in `chains` and `segments`, and the id by which the device names
 * the slot; but a split ring's moving slots are named by where their descriptors are. For slots
 * that do not move a split ring has `describe`, which writes the descriptors once, and `offer`,
 * which gives them to the device.
 */
#ifndef VIRTQUEUE_FORMATS_H
#define VIRTQUEUE_FORMATS_H

#include "ring/virtqueue.h"

/* A used entry as the device wrote it: nothing in it is true until virtqueue.c has checked it. */
struct virtqueue_used {
    uint32_t id;
    uint32_t length_bytes;
    uint16_t claimed; /* buffers that the device says it used, this one included */
};

struct virtqueue_layout virtqueue_split_layout(uint16_t size);
void virtqueue_split_init(struct virtqueue *queue, void *memory);
void virtqueue_split_write(struct virtqueue *queue, unsigned first, uint32_t last_length_bytes);
bool virtqueue_split_publish(struct virtqueue *queue);
bool virtqueue_split_read_used(const struct virtqueue *queue, struct virtqueue_used *ret_used);
void virtqueue_split_advance(struct virtqueue *queue);

/* The id of the slot that is written next. */
static inline uint16_t virtqueue_split_next_id(const struct virtqueue *queue)
{
    return (uint16_t)(queue->desc_next & (queue->size - 1u));
}

void virtqueue_split_describe(struct virtqueue *queue, unsigned first,
                              const struct virtqueue_segment *segments, unsigned count);
void virtqueue_split_offer(struct virtqueue *queue, unsigned first);

struct virtqueue_layout virtqueue_packed_layout(uint16_t size);
void virtqueue_packed_init(struct virtqueue *queue, void *memory);
void virtqueue_packed_write(struct virtqueue *queue, unsigned first, uint32_t last_length_bytes);
bool virtqueue_packed_publish(struct virtqueue *queue);
bool virtqueue_packed_read_used(const struct virtqueue *queue, struct virtqueue_used *ret_used);
void virtqueue_packed_advance(struct virtqueue *queue, unsigned descriptors);

/* A packed ring does not count what was used, so is_busy looks ahead. True when the descriptor
 * `counter` is used; `ret_id` is the id in it. */
bool virtqueue_packed_peek(const struct virtqueue *queue, unsigned counter, uint32_t *ret_id);

/* VIRTIO 1.2, 2.7.10: true when the device wants to hear that entry `event` is available.
 * Tested for all entries since the last doorbell, not only for those published now. A
 * sleeping device has at most `size` entries before it, so older ones are settled. */
static inline bool virtqueue_is_event_crossed(struct virtqueue *queue, uint16_t event)
{
    uint16_t next = queue->avail_next;

    if ((uint16_t)(next - queue->avail_rung) > queue->size)
        queue->avail_rung = (uint16_t)(next - queue->size);
    if ((uint16_t)(next - event - 1) >= (uint16_t)(next - queue->avail_rung))
        return false;
    queue->avail_rung = next;
    return true;
}

#endif
