/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtqueue of any format with a page of canaries on each side of its memory, and a
 * device that works on that memory as VIRTIO 1.2, 2.7 and 2.8, says, at offsets
 * computed here. Nothing of src/ but virtqueue.h's interface.
 */
#ifndef VIRTQUEUE_FIXTURE_H
#define VIRTQUEUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/virtqueue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE ((size_t)4096)
#define CANARY 0xc5

static const struct virtqueue_format PACKED = {.is_packed = true};
static const struct virtqueue_format PACKED_IN_ORDER = {.is_packed = true, .is_in_order = true};
static const struct virtqueue_format SPLIT_IN_ORDER = {.is_in_order = true};

struct ring {
    struct virtqueue queue;
    struct virtqueue_format format;
    uint16_t size;
    uint8_t *base;       /* the queue's memory */
    size_t length_bytes; /* of it */
    uint8_t *block;      /* with the canaries */
    size_t block_bytes;

    struct virtq_desc *desc; /* split */
    struct virtq_avail *avail;
    struct virtq_used *used;
    struct virtq_packed_desc *packed;
    struct virtq_packed_event *driver_event;
    struct virtq_packed_event *device_event;

    /* The device: what it takes and what it uses next. */
    uint16_t avail_seen; /* split */
    uint16_t take_offset;
    uint16_t use_offset;
    bool take_wrap;
    bool use_wrap;
};

/* A buffer as the device sees it. */
struct taken {
    uint16_t id;
    uint16_t count;
    struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS_MAX];
};

/* Segment `nth` of a slot: no two have the same address or length. */
static inline struct virtqueue_segment segment_of(uint16_t slot, uint16_t nth, bool is_writable)
{
    return (struct virtqueue_segment){.device_address = 0x100000000u + 0x10000u * slot + nth,
                                      .length_bytes = 64u + 4u * slot + nth,
                                      .device_writable = is_writable};
}

/* `count` segments, the last `writable` of them device-writable. */
static inline void describe(struct ring *ring, uint16_t slot, uint16_t count, uint16_t writable)
{
    struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS_MAX];

    for (uint16_t i = 0; i < count; i++)
        segments[i] = segment_of(slot, i, i + writable >= count);
    virtqueue_set_slot(&ring->queue, slot, segments, count);
}

static inline void ring_init(struct ring *ring, const struct virtqueue_format *format,
                             uint16_t size, uint16_t slot_count, uint16_t segments_per_slot)
{
    size_t driver = 16 * (size_t)size;
    size_t device =
        format->is_packed ? driver + 4 : (driver + 6 + 2 * (size_t)size + 4095) & ~(size_t)4095;

    *ring = (struct ring){.format = *format, .size = size, .take_wrap = true, .use_wrap = true};
    ring->length_bytes = device + (format->is_packed ? 4 : 6 + 8 * (size_t)size);
    ring->block_bytes = PAGE + ((ring->length_bytes + PAGE - 1) & ~(PAGE - 1)) + PAGE;
    ring->block = aligned_alloc(PAGE, ring->block_bytes);
    memset(ring->block, CANARY, ring->block_bytes);
    ring->base = ring->block + PAGE;
    ring->desc = (void *)ring->base;
    ring->avail = (void *)(ring->base + driver);
    ring->used = (void *)(ring->base + device);
    ring->packed = (void *)ring->base;
    ring->driver_event = (void *)(ring->base + driver);
    ring->device_event = (void *)(ring->base + device);
    virtqueue_init(&ring->queue, ring->base, size, slot_count, segments_per_slot, format);
}

/* Slots of `count` segments, all device-writable. */
static inline void ring_init_slots(struct ring *ring, const struct virtqueue_format *format,
                                   uint16_t size, uint16_t slot_count, uint16_t count)
{
    ring_init(ring, format, size, slot_count, count);
    for (uint16_t slot = 0; slot < slot_count; slot++)
        describe(ring, slot, count, count);
}

static inline void ring_fini(struct ring *ring)
{
    for (size_t i = 0; i < ring->block_bytes; i++)
        if (i < PAGE || i >= PAGE + ring->length_bytes)
            assert_int_equal(ring->block[i], CANARY);
    free(ring->block);
}

static inline uint32_t length_of(uint16_t slot, uint16_t count)
{
    return segment_of(slot, (uint16_t)(count - 1), true).length_bytes;
}

static inline void push(struct ring *ring, uint16_t first_slot, uint16_t slots)
{
    for (uint16_t i = 0; i < slots; i++) {
        uint16_t slot = (uint16_t)(first_slot + i);

        virtqueue_push(&ring->queue, slot, length_of(slot, ring->queue.segments_per_slot));
    }
    (void)virtqueue_publish(&ring->queue);
}

static inline void assert_pop_gives(struct ring *ring, uint16_t slot, uint32_t length_bytes)
{
    struct virtqueue_completion completion;

    assert_true(virtqueue_has_news(&ring->queue));
    assert_true(virtqueue_pop(&ring->queue, &completion));
    assert_int_equal(completion.slot, slot);
    assert_int_equal(completion.length_bytes, length_bytes);
}

static inline void assert_pop_fails(struct ring *ring)
{
    const struct virtqueue_completion untouched = {.slot = 0x1234, .length_bytes = 0x56789abc};
    struct virtqueue_completion completion = untouched;

    assert_false(virtqueue_pop(&ring->queue, &completion));
    assert_int_equal(completion.slot, untouched.slot);
    assert_int_equal(completion.length_bytes, untouched.length_bytes);
}

static inline void assert_pop_gives_nothing(struct ring *ring)
{
    assert_false(virtqueue_has_news(&ring->queue));
    assert_pop_fails(ring);
    assert_true(virtqueue_is_sound(&ring->queue));
}

static inline void assert_pop_breaks(struct ring *ring)
{
    assert_false(ring->queue.is_broken);
    assert_pop_fails(ring);
    assert_true(ring->queue.is_broken);
    assert_pop_fails(ring); /* and again */
    assert_true(ring->queue.is_broken);
    assert_false(virtqueue_is_sound(&ring->queue));
}

/* ---- the device ---- */

/* 2.8.1: forward in a packed ring, whose wrap counter changes behind the last descriptor. */
static inline void advance(const struct ring *ring, uint16_t *offset, bool *wrap, unsigned count)
{
    for (; count > 0; count--) {
        if (++*offset == ring->size) {
            *offset = 0;
            *wrap = !*wrap;
        }
    }
}

/* 2.8.1: AVAIL is the wrap counter, USED its inverse. */
static inline bool is_available(const struct ring *ring, uint16_t offset, bool wrap)
{
    bool avail = ring->packed[offset].flags & 0x80;
    bool used = ring->packed[offset].flags & 0x8000;

    return avail == wrap && used != wrap;
}

static inline bool take_packed(struct ring *ring, struct taken *ret_taken)
{
    const struct virtq_packed_desc *desc;

    if (!is_available(ring, ring->take_offset, ring->take_wrap))
        return false;
    ret_taken->count = 0;
    do {
        assert_true(ret_taken->count < VIRTQUEUE_SEGMENTS_MAX);
        assert_true(is_available(ring, ring->take_offset, ring->take_wrap));
        desc = &ring->packed[ring->take_offset];
        ret_taken->segments[ret_taken->count++] =
            (struct virtqueue_segment){.device_address = desc->addr,
                                       .length_bytes = desc->len,
                                       .device_writable = desc->flags & 2};
        advance(ring, &ring->take_offset, &ring->take_wrap, 1);
    } while (desc->flags & 1);
    ret_taken->id = desc->id; /* 2.8.6: that of the last */
    return true;
}

static inline bool take_split(struct ring *ring, struct taken *ret_taken)
{
    const struct virtq_desc *desc;
    uint16_t index;

    if (ring->avail->idx == ring->avail_seen)
        return false;
    index = ring->avail->ring[ring->avail_seen++ % ring->size];
    ret_taken->id = index;
    ret_taken->count = 0;
    do {
        assert_true(ret_taken->count < VIRTQUEUE_SEGMENTS_MAX);
        assert_true(index < ring->size);
        desc = &ring->desc[index];
        ret_taken->segments[ret_taken->count++] =
            (struct virtqueue_segment){.device_address = desc->addr,
                                       .length_bytes = desc->len,
                                       .device_writable = desc->flags & 2};
        index = desc->next;
    } while (desc->flags & 1);
    return true;
}

/* The next buffer that is available; false: none. */
static inline bool take(struct ring *ring, struct taken *ret_taken)
{
    return ring->format.is_packed ? take_packed(ring, ret_taken) : take_split(ring, ret_taken);
}

/* Give back `buffers` buffers of `descriptors` descriptors in all, the last of them `id`. */
static inline void use_batch(struct ring *ring, uint16_t buffers, unsigned descriptors, uint32_t id,
                             uint32_t length_bytes)
{
    if (ring->format.is_packed) {
        struct virtq_packed_desc *desc = &ring->packed[ring->use_offset];

        desc->id = (uint16_t)id;
        desc->len = length_bytes;
        desc->flags = ring->use_wrap ? 0x8080 : 0;
        advance(ring, &ring->use_offset, &ring->use_wrap, descriptors);
    } else {
        ring->used->ring[ring->used->idx % ring->size] = (struct virtq_used_elem){id, length_bytes};
        ring->used->idx = (uint16_t)(ring->used->idx + buffers);
    }
}

static inline void use(struct ring *ring, const struct taken *taken, uint32_t length_bytes)
{
    use_batch(ring, 1, taken->count, taken->id, length_bytes);
}

/* Take so many buffers, and no more are there. */
static inline void take_all(struct ring *ring, struct taken *ret_taken, uint16_t count)
{
    struct taken none;

    for (uint16_t i = 0; i < count; i++)
        assert_true(take(ring, &ret_taken[i]));
    assert_false(take(ring, &none));
}

#endif
