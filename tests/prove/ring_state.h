/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtqueue for a proof: any shape that virtqueue.h allows, any records of the driver. What the
 * records always fulfil is the proof's matter. The ring's memory is an object of exactly its
 * layout's size.
 *
 * Before this is included, RING_SIZE_LOG2_MAX is the binary logarithm of the largest size.
 */
#ifndef RING_STATE_H
#define RING_STATE_H

#include "ring/virtqueue_formats.h"

static struct virtqueue queue;

static unsigned first_of(unsigned slot)
{
    return slot * queue.segments_per_slot;
}

void prove_memset(void *to, int value, size_t size)
{
    claim(value == 0 && __CPROVER_w_ok(to, size), "memory that is cleared is writable");
    if (to == &queue) {
        claim(size == sizeof(queue), "the whole queue is cleared");
        queue = (struct virtqueue){0};
    }
}

/* What virtqueue_init is called with. */
struct shape {
    void *memory;
    uint16_t size;
    uint16_t slot_count;
    uint16_t segments_per_slot;
    struct virtqueue_format format;
};

static struct shape any_shape(struct virtqueue_format format)
{
    struct shape shape = {.format = format};
    uint8_t exponent = nondet_uint8();

    assume(exponent <= RING_SIZE_LOG2_MAX);
    shape.size = (uint16_t)(1u << exponent);
    shape.format.has_event_idx = nondet_bool();
    shape.segments_per_slot = nondet_uint16();
    assume(shape.segments_per_slot >= 1 && shape.segments_per_slot <= VIRTQUEUE_SEGMENTS_MAX);
    shape.slot_count = nondet_uint16();
    assume(shape.slot_count >= 1 &&
           shape.slot_count <=
               virtqueue_slots_max(shape.size, shape.segments_per_slot, &shape.format));
    shape.memory = malloc(virtqueue_layout(shape.size, format.is_packed).size_bytes);
    assume(shape.memory != NULL);
    return shape;
}

/* A queue of any shape with any records, among them the word that it watches. */
static void any_records(struct virtqueue_format format)
{
    struct shape shape = any_shape(format);
    struct virtqueue_watch watch;
    uint16_t used_next;

    __CPROVER_havoc_object(&queue);
    queue.size = shape.size;
    queue.slot_count = shape.slot_count;
    queue.segments_per_slot = shape.segments_per_slot;
    queue.format = shape.format;
    queue.is_fixed = !format.is_packed && !format.is_in_order;
    watch = queue.watch;
    used_next = queue.used_next;
    if (format.is_packed) {
        virtqueue_packed_init(&queue, shape.memory);
        watch.word = &queue.packed.ring[used_next % queue.size].flags;
    } else {
        virtqueue_split_init(&queue, shape.memory);
        watch.word = &queue.used->idx;
    }
    queue.watch = watch;
}

static bool is_watch_sane(void)
{
    uint16_t next = queue.used_next;
    bool is_owed = queue.format.is_in_order && queue.batch_left > 0;

    if (!queue.format.is_packed)
        return queue.watch.word == &queue.used->idx && queue.watch.mask == UINT16_MAX &&
               queue.watch.value == next;
    return queue.watch.word == &queue.packed.ring[next % queue.size].flags &&
           queue.watch.mask == (is_owed ? 0 : VIRTQ_PACKED_DESC_F_BOTH) &&
           queue.watch.value == (is_owed || next & queue.size ? 0 : VIRTQ_PACKED_DESC_F_BOTH);
}

/* Descriptors that were written: of a ring whose slots move, since `before`. */
static uint16_t written_since(const struct virtqueue *before)
{
    return queue.format.is_packed ? (uint16_t)(queue.avail_next - before->avail_next)
                                  : (uint16_t)(queue.desc_next - before->desc_next);
}

static void set_any_slot(uint16_t slot)
{
    struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS_MAX];
    uint16_t count = nondet_uint16();

    assume(count >= 1 && count <= queue.segments_per_slot);
    virtqueue_set_slot(&queue, slot, segments, count);
}

static void look(void)
{
    (void)virtqueue_has_news(&queue);
    (void)virtqueue_progress(&queue);
    (void)virtqueue_is_sound(&queue);
    (void)virtqueue_next_offset(&queue);
}

#endif
