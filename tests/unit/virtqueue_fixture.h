/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtqueue of any format with a page of canaries on each side of its memory, and a
 * device that works on that memory as VIRTIO 1.2, 2.7 and 2.8, says, at offsets
 * computed here. Nothing of src/ but virtqueue.h's interface. run_properties runs each test
 * in every format that it is for, and names it after the format.
 */
#ifndef VIRTQUEUE_FIXTURE_H
#define VIRTQUEUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/virtqueue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE ((size_t)4096)
#define CANARY 0xc5

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

/* Set the queue up, for the first time or again. The device has been reset. */
static inline void ring_set_up(struct ring *ring, uint16_t slot_count, uint16_t segments_per_slot)
{
    virtqueue_init(&ring->queue, ring->base, ring->size, slot_count, segments_per_slot,
                   &ring->format);
    ring->avail_seen = ring->take_offset = ring->use_offset = 0;
    ring->take_wrap = ring->use_wrap = true;
}

/* Check the canaries and free the memory. The format stays. */
static inline void ring_fini(struct ring *ring)
{
    for (size_t i = 0; i < ring->block_bytes; i++)
        if (i < PAGE || i >= PAGE + ring->length_bytes)
            assert_int_equal(ring->block[i], CANARY);
    free(ring->block);
    *ring = (struct ring){.format = ring->format};
}

/* Set up a ring of `ring->format` in new memory. */
static inline void ring_init(struct ring *ring, uint16_t size, uint16_t slot_count,
                             uint16_t segments_per_slot)
{
    bool is_packed = ring->format.is_packed;
    size_t driver = 16 * (size_t)size;
    size_t device = is_packed ? driver + 4 : (driver + 6 + 2 * (size_t)size + 4095) & ~(size_t)4095;

    ring_fini(ring);
    ring->size = size;
    ring->length_bytes = device + (is_packed ? 4 : 6 + 8 * (size_t)size);
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
    ring_set_up(ring, slot_count, segments_per_slot);
}

/* Slots of `count` segments, all device-writable. */
static inline void ring_init_slots(struct ring *ring, uint16_t size, uint16_t slot_count,
                                   uint16_t count)
{
    ring_init(ring, size, slot_count, count);
    for (uint16_t slot = 0; slot < slot_count; slot++)
        describe(ring, slot, count, count);
}

/* The ring of a property, with slots as above. */
static inline struct ring *ring_of(void **state, uint16_t size, uint16_t slot_count, uint16_t count)
{
    struct ring *ring = *state;

    ring_init_slots(ring, size, slot_count, count);
    return ring;
}

static inline uint32_t length_of(uint16_t slot, uint16_t count)
{
    return segment_of(slot, (uint16_t)(count - 1), true).length_bytes;
}

/* All that the device can write into a slot of `count` segments, the last `writable` of them
 * device-writable. */
static inline uint32_t writable_bytes_of(uint16_t slot, uint16_t count, uint16_t writable)
{
    uint32_t bytes = 0;

    for (uint16_t i = (uint16_t)(count - writable); i < count; i++)
        bytes += segment_of(slot, i, true).length_bytes;
    return bytes;
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

/* Give back the first `count` of the buffers that were taken, with one entry. */
static inline void use_first(struct ring *ring, const struct taken *taken, uint16_t count,
                             uint32_t length_bytes)
{
    unsigned descriptors = 0;

    for (uint16_t i = 0; i < count; i++)
        descriptors += taken[i].count;
    use_batch(ring, count, descriptors, taken[count - 1].id, length_bytes);
}

/* Take so many buffers, and no more are there. */
static inline void take_all(struct ring *ring, struct taken *ret_taken, uint16_t count)
{
    struct taken none;

    for (uint16_t i = 0; i < count; i++)
        assert_true(take(ring, &ret_taken[i]));
    assert_false(take(ring, &none));
}

/* Overwrite what the driver wrote about buffers, except the flags of a packed ring. */
static inline void scribble_over_buffers(struct ring *ring)
{
    for (uint16_t i = 0; i < ring->size; i++)
        memset(&ring->desc[i], 0xff, ring->format.is_packed ? 14 : 16);
    if (!ring->format.is_packed)
        memset(ring->avail->ring, 0xff, 2 * (size_t)ring->size);
}

/* Push `slots` slots, the first of them 0. The device takes them. */
static inline void push_and_take(struct ring *ring, struct taken *ret_taken, uint16_t slots)
{
    push(ring, 0, slots);
    take_all(ring, ret_taken, slots);
}

/* Push slot 0 alone, use it and pop it. */
static inline void round_trip(struct ring *ring, uint32_t used_bytes, uint32_t popped_bytes)
{
    struct taken taken;

    push_and_take(ring, &taken, 1);
    use(ring, &taken, used_bytes);
    assert_pop_gives(ring, 0, popped_bytes);
}

/* The device took `slot` as `describe` described it, with this length of its last segment. */
static inline void assert_taken(const struct taken *taken, uint16_t slot, uint16_t count,
                                uint16_t writable, uint32_t last_length_bytes)
{
    assert_int_equal(taken->count, count);
    for (uint16_t i = 0; i < count; i++) {
        struct virtqueue_segment segment = segment_of(slot, i, i + writable >= count);

        if (i + 1 == count)
            segment.length_bytes = last_length_bytes;
        assert_int_equal(taken->segments[i].device_address, segment.device_address);
        assert_int_equal(taken->segments[i].length_bytes, segment.length_bytes);
        assert_int_equal(taken->segments[i].device_writable, segment.device_writable);
    }
}

/* 2.7.10 and 2.8.10: the device wants a doorbell for entry `nth`, counted from 0; in a packed
 * ring, for that descriptor. */
static inline void wish_for(struct ring *ring, uint16_t nth)
{
    if (ring->format.is_packed)
        *ring->device_event = (struct virtq_packed_event){
            (uint16_t)(nth % ring->size | (nth / ring->size % 2 == 0 ? 0x8000 : 0)), 2};
    else
        memcpy(&ring->used->ring[ring->size], &nth, sizeof(nth));
}

/* VIRTIO 1.2, 2.7.10.1, retyped. */
static inline bool vring_need_event(uint16_t event_idx, uint16_t new_idx, uint16_t old_idx)
{
    return (uint16_t)(new_idx - event_idx - 1) < (uint16_t)(new_idx - old_idx);
}

/* ---- properties ---- */

/* Bits 0, 1 and 2 of a format's number are RING_PACKED, IN_ORDER and EVENT_IDX. A set of formats
 * has bit n for format n. */
#define FORMATS 8u
enum format_set {
    IN_EVERY_FORMAT = 0xff,
    IF_SPLIT = 0x55,
    IF_PACKED = 0xaa,
    IF_ANY_ORDER = 0x33,
    IF_IN_ORDER = 0xcc,
    IF_SLOTS_MOVE = IF_PACKED | IF_IN_ORDER,
    IF_EVENT_IDX = 0xf0,
    IF_NO_EVENT_IDX = 0x0f,
};

/* A claim, and the formats that it is made for. The test finds a ring in `*state`, with nothing
 * set but its format. */
struct property {
    const char *name;
    CMUnitTestFunction test;
    unsigned formats;
};

#define PROPERTIES_MAX 32u
#define PROPERTY(test, formats)                                                                    \
    {                                                                                              \
#test, test, formats                                                                       \
    }

static inline int property_set_up(void **state)
{
    struct ring *ring = calloc(1, sizeof(*ring));

    ring->format = *(const struct virtqueue_format *)*state;
    *state = ring;
    return 0;
}

static inline int property_tear_down(void **state)
{
    ring_fini(*state);
    free(*state);
    return 0;
}

/* Run each property in each of its formats, as a test of its own that is named after both. */
static inline int run_properties(const char *group, const struct property *properties, size_t count)
{
    static struct virtqueue_format formats[FORMATS];
    static struct CMUnitTest tests[PROPERTIES_MAX * FORMATS]; /* cmocka skips what stays zero */
    static char names[PROPERTIES_MAX * FORMATS][120];

    if (count > PROPERTIES_MAX)
        abort();
    for (unsigned i = 0; i < FORMATS; i++)
        formats[i] = (struct virtqueue_format){i & 1, i & 2, i & 4};
    for (size_t i = 0; i < count * FORMATS; i++) {
        const struct property *property = &properties[i / FORMATS];
        struct virtqueue_format *format = &formats[i % FORMATS];

        if (!(property->formats >> i % FORMATS & 1))
            continue;
        (void)snprintf(names[i], sizeof(names[i]), "%s (%s%s%s)", property->name,
                       format->is_packed ? "packed" : "split",
                       format->is_in_order ? ", IN_ORDER" : "",
                       format->has_event_idx ? ", EVENT_IDX" : "");
        tests[i] = (struct CMUnitTest){names[i], property->test, property_set_up,
                                       property_tear_down, format};
    }
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}

#endif
