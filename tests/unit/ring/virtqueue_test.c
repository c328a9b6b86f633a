/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The split virtqueue against VIRTIO 1.2, 2.7. The test plays the device, at
 * offsets that it computes from the specification itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/virtqueue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE ((size_t)4096)
#define CANARY 0xc5

/* A queue and the device's view of its memory, which has a page of canaries on each side. */
struct ring {
    struct virtqueue queue;
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    struct virtq_used *used;
    uint16_t *used_event;
    uint16_t *avail_event;
    uint16_t size;
    uint8_t *block;
    size_t length_bytes; /* of the queue's own memory */
    size_t block_bytes;
};

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static void ring_init(struct ring *ring, uint16_t size, uint16_t slot_count,
                      uint16_t segments_per_slot, bool has_event_idx)
{
    size_t avail = sizeof(struct virtq_desc) * size;
    size_t used = round_up(avail + 6 + 2u * (size_t)size, PAGE);
    uint8_t *base;

    ring->size = size;
    ring->length_bytes = used + 6 + 8u * (size_t)size;
    ring->block_bytes = PAGE + round_up(ring->length_bytes, PAGE) + PAGE;
    ring->block = aligned_alloc(PAGE, ring->block_bytes);
    memset(ring->block, CANARY, ring->block_bytes);
    base = ring->block + PAGE;
    ring->desc = (void *)base;
    ring->avail = (void *)(base + avail);
    ring->used = (void *)(base + used);
    ring->used_event = &ring->avail->ring[size];
    ring->avail_event = (void *)&ring->used->ring[size];
    virtqueue_init(&ring->queue, base, size, slot_count, segments_per_slot,
                   &(struct virtqueue_format){.has_event_idx = has_event_idx});
}

static void assert_canaries(const struct ring *ring)
{
    for (size_t i = 0; i < ring->block_bytes; i++)
        if (i < PAGE || i >= PAGE + ring->length_bytes)
            assert_int_equal(ring->block[i], CANARY);
}

static void ring_fini(struct ring *ring)
{
    assert_canaries(ring);
    free(ring->block);
}

static const struct virtqueue_segment readable = {.device_address = 0x1000, .length_bytes = 1514};
static const struct virtqueue_segment writable = {
    .device_address = 0x1000, .length_bytes = 1526, .device_writable = true};

/* Slots of one segment, all alike. */
static void ring_init_slots(struct ring *ring, uint16_t size, const struct virtqueue_segment *kind)
{
    ring_init(ring, size, size, 1, false);
    for (uint16_t slot = 0; slot < size; slot++)
        virtqueue_set_slot(&ring->queue, slot, kind, 1);
}

static void push(struct ring *ring, uint16_t first_slot, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++)
        virtqueue_push(&ring->queue, (uint16_t)(first_slot + i), 1526);
    (void)virtqueue_publish(&ring->queue);
}

/* The device gives a buffer back. */
static void complete(struct ring *ring, uint32_t id, uint32_t length_bytes)
{
    ring->used->ring[ring->used->idx % ring->size] = (struct virtq_used_elem){id, length_bytes};
    ring->used->idx++;
}

static void assert_pop_gives(struct ring *ring, uint16_t slot, uint32_t length_bytes)
{
    struct virtqueue_completion completion;

    assert_true(virtqueue_pop(&ring->queue, &completion));
    assert_int_equal(completion.slot, slot);
    assert_int_equal(completion.length_bytes, length_bytes);
}

static void assert_pop_breaks(struct ring *ring)
{
    const struct virtqueue_completion untouched = {.slot = 0x1234, .length_bytes = 0x56789abc};
    struct virtqueue_completion completion = untouched;

    assert_false(virtqueue_pop(&ring->queue, &completion));
    assert_true(ring->queue.is_broken);
    assert_int_equal(completion.slot, untouched.slot);
    assert_int_equal(completion.length_bytes, untouched.length_bytes);
}

/* ---- memory ---- */

/* holds: virtio.split.alignment */
static void layout_is_aligned_and_disjoint_at_every_size(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= VIRTQ_SIZE_MAX; size *= 2) {
        struct virtqueue_layout layout = virtqueue_layout((uint16_t)size, false);

        assert_int_equal(layout.driver_offset, 16 * size);
        assert_int_equal(layout.device_offset % VIRTQ_LEGACY_ALIGN, 0);
        assert_true(layout.device_offset >= layout.driver_offset + 6 + 2 * size);
        assert_true(layout.device_offset - (layout.driver_offset + 6 + 2 * size) < PAGE);
        assert_int_equal(layout.size_bytes, layout.device_offset + 6 + 8 * size);
    }
}

/* holds: virtio.split.legacy */
static void layout_of_256_entries_is_the_one_legacy_devices_expect(void **state)
{
    struct virtqueue_layout layout = virtqueue_layout(256, false);

    (void)state;
    assert_int_equal(layout.driver_offset, 4096);
    assert_int_equal(layout.device_offset, 8192);
    assert_int_equal(layout.size_bytes, 8192 + 2054);
}

static void init_clears_its_memory_and_nothing_beside_it(void **state)
{
    struct ring ring;

    (void)state;
    for (uint32_t size = 1; size <= VIRTQ_SIZE_MAX; size *= 2) {
        ring_init(&ring, (uint16_t)size, 1, 1, false);
        ring.avail->flags = 0;
        *ring.used_event = 0;
        for (size_t i = 0; i < ring.length_bytes; i++)
            assert_int_equal(ring.block[PAGE + i], 0);
        ring_fini(&ring);
    }
}

static void init_suppresses_interrupts_with_and_without_event_idx(void **state)
{
    struct ring ring;

    (void)state;
    for (int has_event_idx = 0; has_event_idx <= 1; has_event_idx++) {
        ring_init(&ring, 8, 8, 1, has_event_idx);
        assert_int_equal(ring.avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
        assert_int_equal(*ring.used_event, 0xffff);
        assert_int_equal(ring.avail->idx, 0);
        ring_fini(&ring);
    }
}

/* ---- slots ---- */

static void assert_desc(const struct virtq_desc *desc, uint64_t addr, uint32_t len, uint16_t flags,
                        uint16_t next)
{
    assert_int_equal(desc->addr, addr);
    assert_int_equal(desc->len, len);
    assert_int_equal(desc->flags, flags);
    assert_int_equal(desc->next, next);
}

static void set_slot_describes_one_segment_in_one_descriptor(void **state)
{
    const struct virtqueue_segment high = {
        .device_address = 0x123456789abcdef0, .length_bytes = 77, .device_writable = true};
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 8, 1, false);
    virtqueue_set_slot(&ring.queue, 3, &high, 1);
    virtqueue_set_slot(&ring.queue, 5, &readable, 1);
    assert_desc(&ring.desc[3], 0x123456789abcdef0, 77, VIRTQ_DESC_F_WRITE, 0);
    assert_desc(&ring.desc[5], 0x1000, 1514, 0, 0);
    assert_desc(&ring.desc[4], 0, 0, 0, 0);
    ring_fini(&ring);
}

/* holds: virtio.net.rx_buffers, virtio.legacy.header */
static void set_slot_chains_two_segments_the_writable_one_last(void **state)
{
    const struct virtqueue_segment segments[] = {
        {.device_address = 0xa000, .length_bytes = 10},
        {.device_address = 0xb000, .length_bytes = 1514, .device_writable = true},
    };
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 4, 2, false);
    virtqueue_set_slot(&ring.queue, 3, segments, 2);
    assert_desc(&ring.desc[6], 0xa000, 10, VIRTQ_DESC_F_NEXT, 7);
    assert_desc(&ring.desc[7], 0xb000, 1514, VIRTQ_DESC_F_WRITE, 0);
    ring_fini(&ring);
}

static void set_slot_chains_as_many_segments_as_it_is_given(void **state)
{
    const struct virtqueue_segment segments[] = {
        {.device_address = 0xa000, .length_bytes = 2},
        {.device_address = 0xb000, .length_bytes = 6},
        {.device_address = 0xc000, .length_bytes = 1, .device_writable = true},
    };
    struct ring ring;

    (void)state;
    ring_init(&ring, 16, 5, 3, false);
    virtqueue_set_slot(&ring.queue, 1, segments, 3);
    assert_desc(&ring.desc[3], 0xa000, 2, VIRTQ_DESC_F_NEXT, 4);
    assert_desc(&ring.desc[4], 0xb000, 6, VIRTQ_DESC_F_NEXT, 5);
    assert_desc(&ring.desc[5], 0xc000, 1, VIRTQ_DESC_F_WRITE, 0);
    assert_int_equal(1, ring.queue.chains[3].writable_bytes);

    virtqueue_set_slot(&ring.queue, 1, &segments[1], 2); /* a shorter one in its place */
    assert_desc(&ring.desc[3], 0xb000, 6, VIRTQ_DESC_F_NEXT, 4);
    assert_desc(&ring.desc[4], 0xc000, 1, VIRTQ_DESC_F_WRITE, 0);
    virtqueue_set_slot(&ring.queue, 1, segments, 1);
    assert_desc(&ring.desc[3], 0xa000, 2, 0, 0);
    assert_int_equal(0, ring.queue.chains[3].writable_bytes);
    ring_fini(&ring);
}

static void set_slot_chains_two_writable_segments(void **state)
{
    const struct virtqueue_segment segments[] = {
        {.device_address = 0xa000, .length_bytes = 10, .device_writable = true},
        {.device_address = 0xb000, .length_bytes = 1514, .device_writable = true},
    };
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 4, 2, false);
    virtqueue_set_slot(&ring.queue, 0, segments, 2);
    assert_desc(&ring.desc[0], 0xa000, 10, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
    assert_desc(&ring.desc[1], 0xb000, 1514, VIRTQ_DESC_F_WRITE, 0);
    ring_fini(&ring);
}

/* ---- push and publish ---- */

/* holds: virtio.split.publish */
static void push_shows_nothing_before_publish(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    virtqueue_push(&ring.queue, 4, 1526);
    virtqueue_push(&ring.queue, 2, 1526);
    assert_int_equal(ring.avail->idx, 0);
    (void)virtqueue_publish(&ring.queue);
    assert_int_equal(ring.avail->idx, 2);
    assert_int_equal(ring.avail->ring[0], 4);
    assert_int_equal(ring.avail->ring[1], 2);
    ring_fini(&ring);
}

static void push_names_the_first_descriptor_and_sizes_the_last(void **state)
{
    const struct virtqueue_segment segments[] = {readable, readable};
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 4, 2, false);
    virtqueue_set_slot(&ring.queue, 2, segments, 2);
    virtqueue_push(&ring.queue, 2, 60);
    assert_int_equal(ring.avail->ring[0], 4);
    assert_desc(&ring.desc[4], 0x1000, 1514, VIRTQ_DESC_F_NEXT, 5);
    assert_desc(&ring.desc[5], 0x1000, 60, 0, 0);
    ring_fini(&ring);
}

/* holds: virtio.suppression.flags */
static void publish_honours_no_notify_and_no_other_flag(void **state)
{
    static const struct {
        uint16_t used_flags;
        bool wants_doorbell;
    } cases[] = {{0, true}, {VIRTQ_USED_F_NO_NOTIFY, false}, {0xfffe, true}, {0xffff, false}};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init_slots(&ring, 8, &writable);
        ring.used->flags = cases[i].used_flags;
        *ring.avail_event = 0x7000; /* nothing to look at without EVENT_IDX */
        virtqueue_push(&ring.queue, 0, 1526);
        assert_int_equal(virtqueue_publish(&ring.queue), cases[i].wants_doorbell);
        ring_fini(&ring);
    }
}

/* VIRTIO 1.2, 2.7.10.1, retyped. */
static bool vring_need_event(uint16_t event_idx, uint16_t new_idx, uint16_t old_idx)
{
    return (uint16_t)(new_idx - event_idx - 1) < (uint16_t)(new_idx - old_idx);
}

/* holds: virtio.suppression.event_idx */
static void publish_wants_a_doorbell_exactly_when_the_event_is_crossed(void **state)
{
    static const uint16_t olds[] = {0, 1, 254, 0x7fff, 0x8000, 0xff80, 0xfffe, 0xffff};
    static const uint16_t counts[] = {0, 1, 2, 255, 256, 257, 0x8000, 0xffff};
    struct ring ring;

    (void)state;
    ring_init(&ring, 256, 256, 1, true);
    for (size_t i = 0; i < COUNT(olds) * COUNT(counts); i++) {
        uint16_t rung = olds[i / COUNT(counts)];
        uint16_t new = (uint16_t)(rung + counts[i % COUNT(counts)]);
        /* Entries a whole ring back are settled. */
        uint16_t old = (uint16_t)(new - rung) > 256 ? (uint16_t)(new - 256) : rung;

        for (uint32_t event = 0; event <= UINT16_MAX; event++) {
            ring.queue.avail_rung = rung;
            ring.queue.avail_next = new;
            *ring.avail_event = (uint16_t)event;
            if (virtqueue_publish(&ring.queue) != vring_need_event((uint16_t)event, new, old))
                fail_msg("event %#x, rung %#x, new %#x", event, rung, new);
        }
    }
    ring_fini(&ring);
}

static bool push_and_publish(struct ring *ring, uint16_t slot)
{
    virtqueue_push(&ring->queue, slot, 1);
    return virtqueue_publish(&ring->queue);
}

static void publish_asks_for_one_doorbell_per_event(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 8, 1, true);
    *ring.avail_event = 1;
    assert_false(push_and_publish(&ring, 0));
    assert_true(push_and_publish(&ring, 1));
    assert_false(push_and_publish(&ring, 2));
    assert_false(virtqueue_publish(&ring.queue));
    ring_fini(&ring);
}

/* holds: virtio.split.event */
static void publish_finds_a_wish_that_came_too_late_for_its_own_entry(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 8, 1, true);
    *ring.avail_event = 0x7000;
    assert_false(push_and_publish(&ring, 0));
    assert_false(push_and_publish(&ring, 1));
    *ring.avail_event = 0;
    assert_true(push_and_publish(&ring, 2));
    *ring.avail_event = 2; /* rung for already */
    assert_false(push_and_publish(&ring, 3));
    ring_fini(&ring);
}

static void publish_of_nothing_new_finds_a_late_wish_too(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 8, 1, true);
    *ring.avail_event = 0x7000;
    assert_false(push_and_publish(&ring, 0));
    *ring.avail_event = 0;
    assert_true(virtqueue_publish(&ring.queue));
    assert_false(virtqueue_publish(&ring.queue));
    ring_fini(&ring);
}

static void a_queue_is_busy_from_publish_until_the_device_has_used_all(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    virtqueue_push(&ring.queue, 0, 1);
    assert_false(virtqueue_is_busy(&ring.queue));
    push(&ring, 1, 1);
    assert_true(virtqueue_is_busy(&ring.queue));
    complete(&ring, 1, 0);
    assert_true(virtqueue_is_busy(&ring.queue));
    complete(&ring, 0, 0);
    assert_false(virtqueue_is_busy(&ring.queue));
    ring_fini(&ring);
}

static void publish_with_event_idx_ignores_no_notify(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 8, 1, true);
    ring.used->flags = VIRTQ_USED_F_NO_NOTIFY;
    *ring.avail_event = 0;
    virtqueue_push(&ring.queue, 0, 1);
    assert_true(virtqueue_publish(&ring.queue));
    ring_fini(&ring);
}

/* ---- pop ---- */

/* holds: virtio.split.used */
static void pop_gives_nothing_while_nothing_is_used(void **state)
{
    struct virtqueue_completion completion;
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 8);
    assert_false(virtqueue_has_news(&ring.queue));
    assert_false(virtqueue_pop(&ring.queue, &completion));
    assert_false(ring.queue.is_broken);
    ring_fini(&ring);
}

static void pop_follows_the_order_of_the_used_ring(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 3);
    complete(&ring, 2, 100);
    complete(&ring, 0, 200);
    complete(&ring, 1, 300);
    assert_true(virtqueue_has_news(&ring.queue));
    assert_pop_gives(&ring, 2, 100);
    assert_pop_gives(&ring, 0, 200);
    assert_pop_gives(&ring, 1, 300);
    assert_false(virtqueue_has_news(&ring.queue));
    ring_fini(&ring);
}

static void pop_names_the_slot_of_a_chain(void **state)
{
    const struct virtqueue_segment segments[] = {readable, writable};
    struct ring ring;

    (void)state;
    ring_init(&ring, 8, 4, 2, false);
    for (uint16_t slot = 0; slot < 4; slot++)
        virtqueue_set_slot(&ring.queue, slot, segments, 2);
    push(&ring, 0, 4);
    complete(&ring, 6, 1526);
    complete(&ring, 0, 0);
    assert_pop_gives(&ring, 3, 1526);
    assert_pop_gives(&ring, 0, 0);
    ring_fini(&ring);
}

static void pop_does_not_read_descriptors_and_available_ring_back(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 3, 1);
    memset(ring.desc, 0xff, sizeof(*ring.desc) * 8);
    memset(ring.avail->ring, 0xff, sizeof(ring.avail->ring[0]) * 8);
    complete(&ring, 3, 1526);
    assert_pop_gives(&ring, 3, 1526);
    ring_fini(&ring);
}

/* holds: virtio.broken.memory */
static void pop_rejects_an_id_that_names_no_slot(void **state)
{
    static const uint32_t ids[] = {4, 7, 8, 255, 0x10000, 0x10001, 0x80000000, UINT32_MAX};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        ring_init(&ring, 8, 4, 1, false);
        for (uint16_t slot = 0; slot < 4; slot++)
            virtqueue_set_slot(&ring.queue, slot, &writable, 1);
        push(&ring, 0, 4);
        complete(&ring, ids[i], 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_an_id_in_the_middle_of_a_chain_or_behind_the_last(void **state)
{
    static const uint32_t ids[] = {1, 3, 5, 6, 7, 8, 0x10000, 0x20000, UINT32_MAX - 1, UINT32_MAX};
    const struct virtqueue_segment segments[] = {readable, writable};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        ring_init(&ring, 8, 3, 2, false);
        for (uint16_t slot = 0; slot < 3; slot++)
            virtqueue_set_slot(&ring.queue, slot, segments, 2);
        push(&ring, 0, 3);
        complete(&ring, ids[i], 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_the_id_behind_the_last_slot_there_can_be(void **state)
{
    const struct virtqueue_segment segments[] = {writable, writable, writable};
    struct ring ring;

    (void)state;
    for (uint16_t count = 1; count <= VIRTQUEUE_SEGMENTS_MAX; count++) {
        size_t end = offsetof(struct virtqueue, chains) +
                     VIRTQUEUE_SLOTS_MAX * count * sizeof(struct virtqueue_chain);

        ring_init(&ring, 1024, VIRTQUEUE_SLOTS_MAX, count, false);
        virtqueue_set_slot(&ring.queue, 0, segments, count);
        /* What lies there looks like a chain in flight: only the bound tells. */
        memset((uint8_t *)&ring.queue + end, 1, sizeof(struct virtqueue_chain));
        push(&ring, 0, 1);
        complete(&ring, VIRTQUEUE_SLOTS_MAX * count, 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

/* holds: virtio.broken.memory */
static void pop_rejects_id_that_was_never_pushed(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 2);
    complete(&ring, 2, 0);
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

static void pop_rejects_id_that_comes_twice(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 2);
    complete(&ring, 1, 10);
    complete(&ring, 1, 10);
    assert_pop_gives(&ring, 1, 10);
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

/* holds: virtio.broken.memory */
static void pop_checks_the_length_against_the_writable_bytes(void **state)
{
    static const struct {
        struct virtqueue_segment segments[2];
        uint32_t length_bytes;
        bool is_accepted;
    } cases[] = {
        {{{0x1000, 10, false}, {0x2000, 1514, true}}, 1514, true},
        {{{0x1000, 10, false}, {0x2000, 1514, true}}, 1515, false},
        {{{0x1000, 10, false}, {0x2000, 1514, true}}, UINT32_MAX, false},
        {{{0x1000, 12, true}, {0x2000, 1514, true}}, 1526, true},
        {{{0x1000, 12, true}, {0x2000, 1514, true}}, 1527, false},
        {{{0x1000, 12, true}, {0x2000, 1514, true}}, 0, true},
    };
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init(&ring, 8, 4, 2, false);
        virtqueue_set_slot(&ring.queue, 0, cases[i].segments, 2);
        virtqueue_push(&ring.queue, 0, 1514);
        complete(&ring, 0, cases[i].length_bytes);
        if (cases[i].is_accepted)
            assert_pop_gives(&ring, 0, cases[i].length_bytes);
        else
            assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

/* holds: virtio.legacy.used_length */
static void pop_takes_any_length_of_a_slot_that_the_device_only_reads(void **state)
{
    static const uint32_t lengths[] = {0, 1, 1514, 65536, UINT32_MAX};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        ring_init_slots(&ring, 8, &readable);
        push(&ring, 0, 1);
        complete(&ring, 0, lengths[i]);
        assert_pop_gives(&ring, 0, 0);
        ring_fini(&ring);
    }
}

/* holds: virtio.broken.memory */
static void pop_rejects_an_index_ahead_of_what_is_in_flight(void **state)
{
    static const struct {
        uint16_t in_flight;
        uint16_t used_idx;
    } cases[] = {{0, 1}, {1, 2}, {1, 9}, {7, 8}, {8, 9}, {8, 0x8000}, {1, 0xffff}, {8, 0xfff8}};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init_slots(&ring, 8, &writable);
        push(&ring, 0, cases[i].in_flight);
        ring.used->idx = cases[i].used_idx;
        assert_true(virtqueue_has_news(&ring.queue));
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_an_index_that_runs_backwards(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 8);
    complete(&ring, 0, 0);
    complete(&ring, 1, 0);
    assert_pop_gives(&ring, 0, 0);
    ring.used->idx = 0;
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

/* holds: virtio.broken.counted */
static void a_broken_ring_stays_broken_when_the_device_mends_its_ways(void **state)
{
    struct virtqueue_completion completion;
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 2);
    complete(&ring, 5, 0);
    assert_pop_breaks(&ring);
    ring.used->ring[0] = (struct virtq_used_elem){0, 10};
    assert_false(virtqueue_pop(&ring.queue, &completion));
    ring.used->idx = 0;
    assert_false(virtqueue_pop(&ring.queue, &completion));
    assert_true(ring.queue.is_broken);
    assert_int_equal(0, ring.queue.in_flight_count);
    ring_fini(&ring);
}

/* holds: virtio.broken.recovery */
static void init_recovers_a_broken_ring(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    push(&ring, 0, 8);
    complete(&ring, 8, 0);
    assert_pop_breaks(&ring);
    virtqueue_init(&ring.queue, ring.block + PAGE, 8, 8, 1, &(struct virtqueue_format){0});
    assert_false(ring.queue.is_broken);
    assert_false(virtqueue_has_news(&ring.queue));
    virtqueue_set_slot(&ring.queue, 0, &writable, 1);
    push(&ring, 0, 1);
    assert_int_equal(ring.avail->idx, 1);
    complete(&ring, 0, 99);
    assert_pop_gives(&ring, 0, 99);
    ring_fini(&ring);
}

/* ---- long runs ---- */

static void both_rings_wrap_past_65536_entries(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 8, &writable);
    for (uint32_t round = 0; round < 70000; round++) {
        uint16_t slot = (uint16_t)(round * 5 % 8);

        push(&ring, slot, 1);
        assert_int_equal(ring.avail->idx, (uint16_t)(round + 1));
        assert_int_equal(ring.avail->ring[round % 8], slot);
        complete(&ring, slot, round % 1527);
        assert_pop_gives(&ring, slot, round % 1527);
    }
    ring_fini(&ring);
}

static void a_full_ring_survives_the_wrap_of_the_index(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, 256, &writable);
    for (uint32_t lap = 0; lap < 300; lap++) {
        push(&ring, 0, 256);
        for (uint16_t slot = 256; slot-- > 0;)
            complete(&ring, slot, slot);
        for (uint16_t slot = 256; slot-- > 0;)
            assert_pop_gives(&ring, slot, slot);
    }
    assert_false(ring.queue.is_broken);
    ring_fini(&ring);
}

static void no_used_entry_ever_crosses_the_used_event(void **state)
{
    struct ring ring;
    uint16_t popped = 0;

    (void)state;
    ring_init(&ring, 8, 8, 1, true);
    for (uint16_t slot = 0; slot < 8; slot++)
        virtqueue_set_slot(&ring.queue, slot, &writable, 1);
    for (uint32_t lap = 0; lap < 9000; lap++) {
        push(&ring, 0, 8);
        if (lap % 8000 == 0) /* 64,000 completions with one call */
            virtqueue_suppress_interrupts(&ring.queue);
        for (uint16_t slot = 0; slot < 8; slot++) {
            for (uint16_t used = 1; used <= 8; used++)
                assert_false(vring_need_event(*ring.used_event, (uint16_t)(popped + used), popped));
            complete(&ring, slot, 0);
            assert_pop_gives(&ring, slot, 0);
            popped++;
        }
    }
    ring_fini(&ring);
}

static void nothing_but_the_queue_memory_is_written_at_the_largest_size(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, VIRTQ_SIZE_MAX, VIRTQUEUE_SLOTS_MAX, 2, true);
    for (uint16_t slot = 0; slot < VIRTQUEUE_SLOTS_MAX; slot++)
        virtqueue_set_slot(&ring.queue, slot,
                           (const struct virtqueue_segment[]){readable, writable}, 2);
    for (uint32_t lap = 0; lap < VIRTQ_SIZE_MAX / VIRTQUEUE_SLOTS_MAX + 1; lap++) {
        push(&ring, 0, VIRTQUEUE_SLOTS_MAX);
        for (uint16_t slot = 0; slot < VIRTQUEUE_SLOTS_MAX; slot++) {
            complete(&ring, 2u * slot, 1526);
            assert_pop_gives(&ring, slot, 1526);
        }
    }
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_aligned_and_disjoint_at_every_size),
        cmocka_unit_test(layout_of_256_entries_is_the_one_legacy_devices_expect),
        cmocka_unit_test(init_clears_its_memory_and_nothing_beside_it),
        cmocka_unit_test(init_suppresses_interrupts_with_and_without_event_idx),
        cmocka_unit_test(set_slot_describes_one_segment_in_one_descriptor),
        cmocka_unit_test(set_slot_chains_two_segments_the_writable_one_last),
        cmocka_unit_test(set_slot_chains_as_many_segments_as_it_is_given),
        cmocka_unit_test(set_slot_chains_two_writable_segments),
        cmocka_unit_test(push_shows_nothing_before_publish),
        cmocka_unit_test(push_names_the_first_descriptor_and_sizes_the_last),
        cmocka_unit_test(publish_honours_no_notify_and_no_other_flag),
        cmocka_unit_test(publish_wants_a_doorbell_exactly_when_the_event_is_crossed),
        cmocka_unit_test(publish_asks_for_one_doorbell_per_event),
        cmocka_unit_test(publish_finds_a_wish_that_came_too_late_for_its_own_entry),
        cmocka_unit_test(publish_of_nothing_new_finds_a_late_wish_too),
        cmocka_unit_test(a_queue_is_busy_from_publish_until_the_device_has_used_all),
        cmocka_unit_test(publish_with_event_idx_ignores_no_notify),
        cmocka_unit_test(pop_gives_nothing_while_nothing_is_used),
        cmocka_unit_test(pop_follows_the_order_of_the_used_ring),
        cmocka_unit_test(pop_names_the_slot_of_a_chain),
        cmocka_unit_test(pop_does_not_read_descriptors_and_available_ring_back),
        cmocka_unit_test(pop_rejects_an_id_that_names_no_slot),
        cmocka_unit_test(pop_rejects_an_id_in_the_middle_of_a_chain_or_behind_the_last),
        cmocka_unit_test(pop_rejects_the_id_behind_the_last_slot_there_can_be),
        cmocka_unit_test(pop_rejects_id_that_was_never_pushed),
        cmocka_unit_test(pop_rejects_id_that_comes_twice),
        cmocka_unit_test(pop_checks_the_length_against_the_writable_bytes),
        cmocka_unit_test(pop_takes_any_length_of_a_slot_that_the_device_only_reads),
        cmocka_unit_test(pop_rejects_an_index_ahead_of_what_is_in_flight),
        cmocka_unit_test(pop_rejects_an_index_that_runs_backwards),
        cmocka_unit_test(a_broken_ring_stays_broken_when_the_device_mends_its_ways),
        cmocka_unit_test(init_recovers_a_broken_ring),
        cmocka_unit_test(both_rings_wrap_past_65536_entries),
        cmocka_unit_test(a_full_ring_survives_the_wrap_of_the_index),
        cmocka_unit_test(no_used_entry_ever_crosses_the_used_event),
        cmocka_unit_test(nothing_but_the_queue_memory_is_written_at_the_largest_size),
    };

    return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
