/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The packed virtqueue against VIRTIO 1.2, 2.8. The test plays the device.
 */
#include "virtqueue_fixture.h"

static const uint16_t sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};

/* ---- memory ---- */

/* holds: virtio.packed.alignment */
static void layout_is_aligned_and_disjoint_at_every_size(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= VIRTQ_SIZE_MAX; size *= 2) {
        struct virtqueue_layout layout = virtqueue_layout((uint16_t)size, true);

        assert_int_equal(layout.driver_offset, 16 * size);
        assert_int_equal(layout.device_offset, 16 * size + 4);
        assert_int_equal(layout.size_bytes, 16 * size + 8);
    }
}

static void init_clears_its_memory_and_nothing_beside_it(void **state)
{
    struct ring ring;

    (void)state;
    for (uint32_t size = 1; size <= VIRTQ_SIZE_MAX; size *= 2) {
        ring_init(&ring, &PACKED, (uint16_t)size, 1, 1);
        ring.driver_event->flags = 0;
        for (size_t i = 0; i < ring.length_bytes; i++)
            assert_int_equal(ring.base[i], 0);
        ring_fini(&ring);
    }
}

/* 2.8.10: 1 is RING_EVENT_FLAGS_DISABLE. */
/* holds: virtio.packed.interrupts */
static void init_asks_for_no_interrupt_with_and_without_event_idx(void **state)
{
    struct ring ring;

    (void)state;
    for (int has_event_idx = 0; has_event_idx <= 1; has_event_idx++) {
        ring_init(&ring,
                  &(struct virtqueue_format){.is_packed = true, .has_event_idx = has_event_idx}, 8,
                  8, 1);
        assert_int_equal(ring.driver_event->flags, 1);
        assert_int_equal(ring.driver_event->off_wrap, 0);
        assert_int_equal(ring.device_event->flags, 0);
        virtqueue_push_all(&ring.queue, (const uint16_t[]){0, 1}, 0);
        virtqueue_suppress_interrupts(&ring.queue);
        assert_int_equal(ring.driver_event->flags, 1);
        assert_int_equal(ring.driver_event->off_wrap, 0);
        ring_fini(&ring);
    }
}

static void slots_max_keeps_within_the_ring_and_the_descriptors_that_move(void **state)
{
    static const struct {
        uint16_t size;
        uint16_t segments;
        uint16_t slots;
    } cases[] = {{1, 1, 1},     {1, 2, 0},     {2, 3, 0},       {8, 1, 8},
                 {8, 3, 2},     {128, 2, 64},  {256, 1, 256},   {256, 3, 85},
                 {512, 1, 256}, {512, 2, 128}, {32768, 1, 256}, {32768, 3, 85}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(virtqueue_slots_max(cases[i].size, cases[i].segments, &PACKED),
                         cases[i].slots);
        assert_int_equal(virtqueue_slots_max(cases[i].size, cases[i].segments, &SPLIT_IN_ORDER),
                         cases[i].slots);
    }
    assert_int_equal(virtqueue_slots_max(512, 2, &(struct virtqueue_format){0}), 256);
}

/* ---- push ---- */

/* The descriptor that the nth made available must be: 2.8.1, 2.8.13. */
static void assert_desc(const struct ring *ring, uint32_t nth,
                        const struct virtqueue_segment *segment, uint32_t length_bytes,
                        bool has_next)
{
    const struct virtq_packed_desc *desc = &ring->packed[nth % ring->size];
    bool wrap = nth / ring->size % 2 == 0; /* begins with 1 */

    assert_int_equal(desc->addr, segment->device_address);
    assert_int_equal(desc->len, length_bytes);
    assert_int_equal(desc->flags, (has_next ? 1 : 0) | (segment->device_writable ? 2 : 0) |
                                      (wrap ? 0x80 : 0x8000));
}

static void assert_chain(const struct ring *ring, uint32_t nth, uint16_t slot, uint16_t count,
                         uint16_t writable, uint32_t last_length_bytes)
{
    for (uint16_t i = 0; i < count; i++) {
        struct virtqueue_segment segment = segment_of(slot, i, i + writable >= count);
        bool is_last = i + 1 == count;

        assert_desc(ring, nth + i, &segment, is_last ? last_length_bytes : segment.length_bytes,
                    !is_last);
    }
}

/* holds: virtio.packed.wrap */
static void push_writes_descriptors_as_the_wrap_counter_says_past_65536(void **state)
{
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint16_t longest = sizes[i] < 3 ? sizes[i] : 3;
        uint16_t slots = sizes[i] / longest;
        uint32_t nth = 0;

        ring_init(&ring, &PACKED, sizes[i], slots, longest);
        for (uint32_t round = 0; nth < 140000; round++) {
            uint16_t slot = (uint16_t)(round % slots);
            uint16_t count = (uint16_t)(round % longest + 1);
            uint16_t writable = (uint16_t)(round / 3 % (count + 1u));
            uint32_t length = segment_of(slot, (uint16_t)(count - 1), true).length_bytes;
            struct taken taken;

            describe(&ring, slot, count, writable);
            virtqueue_push(&ring.queue, slot, length - round % 7);
            (void)virtqueue_publish(&ring.queue);
            assert_chain(&ring, nth, slot, count, writable, length - round % 7);
            take_all(&ring, &taken, 1);
            assert_int_equal(taken.id, slot * longest);
            assert_int_equal(taken.count, count);
            assert_pop_gives_nothing(&ring);
            use(&ring, &taken, writable > 0 ? 5 : 0);
            assert_pop_gives(&ring, slot, writable > 0 ? 5 : 0);
            assert_pop_gives_nothing(&ring);
            nth += count;
        }
        ring_fini(&ring);
    }
}

/* holds: virtio.packed.wrap */
static void a_full_ring_survives_the_wrap_past_65536(void **state)
{
    static struct taken taken[256];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint16_t size = sizes[i];

        ring_init_slots(&ring, &PACKED, size, size, 1);
        for (uint32_t lap = 0; lap < 66000u / size + 2; lap++) {
            push(&ring, 0, size);
            take_all(&ring, taken, size);
            for (uint16_t slot = size; slot-- > 0;)
                use(&ring, &taken[slot], slot % 64);
            for (uint16_t slot = size; slot-- > 0;)
                assert_pop_gives(&ring, slot, slot % 64);
            assert_pop_gives_nothing(&ring);
        }
        ring_fini(&ring);
    }
}

/* Whatever is pushed, wherever the ring stands: the one store of publish shows it. */
/* holds: virtio.packed.publish */
static void push_shows_nothing_before_publish_writes_the_first_flags(void **state)
{
    struct virtq_packed_desc before[8];
    struct taken taken[3];
    struct ring ring;

    (void)state;
    ring_init(&ring, &PACKED, 8, 2, 3);
    for (uint32_t round = 0; round < 100; round++) {
        uint16_t count = (uint16_t)(round % 3 + 1);
        uint16_t first = ring.take_offset;

        describe(&ring, 0, count, 1);
        describe(&ring, 1, (uint16_t)(4 - count), 1);
        virtqueue_push(&ring.queue, 0, 60);
        virtqueue_push(&ring.queue, 1, 70);
        assert_false(take(&ring, &taken[0]));
        memcpy(before, ring.packed, sizeof(before));
        (void)virtqueue_publish(&ring.queue);
        for (uint16_t i = 0; i < 8; i++) {
            if (i == first)
                before[i].flags = ring.packed[i].flags;
            assert_memory_equal(&before[i], &ring.packed[i], sizeof(before[i]));
        }
        take_all(&ring, taken, 2);
        assert_int_equal(taken[0].count, count);
        assert_int_equal(taken[1].segments[taken[1].count - 1].length_bytes, 70);
        use(&ring, &taken[1], 2);
        use(&ring, &taken[0], 1);
        assert_pop_gives(&ring, 1, 2);
        assert_pop_gives(&ring, 0, 1);
        assert_pop_gives_nothing(&ring);
    }
    ring_fini(&ring);
}

static void push_all_queues_each_slot_as_it_was_described_last(void **state)
{
    static const uint16_t slots[] = {3, 0, 2, 1};
    struct taken taken[4];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 4, 2);
    describe(&ring, 2, 1, 0);
    virtqueue_push(&ring.queue, 3, 1); /* for this time alone */
    (void)virtqueue_publish(&ring.queue);
    take_all(&ring, taken, 1);
    use(&ring, taken, 0);
    assert_pop_gives(&ring, 3, 0);
    virtqueue_push_all(&ring.queue, slots, 4);
    assert_false(take(&ring, taken));
    (void)virtqueue_publish(&ring.queue);
    take_all(&ring, taken, 4);
    for (uint16_t i = 0; i < 4; i++)
        assert_int_equal(taken[i].id, 2 * slots[i]);
    assert_chain(&ring, 2, 3, 2, 2, length_of(3, 2));
    assert_chain(&ring, 4, 0, 2, 2, length_of(0, 2));
    assert_chain(&ring, 6, 2, 1, 0, length_of(2, 1));
    assert_chain(&ring, 7, 1, 2, 2, length_of(1, 2));
    ring_fini(&ring);
}

static void descriptors_are_written_anew_and_never_read_back(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 4, 2, 2);
    for (uint32_t nth = 0; nth < 64; nth += 4) {
        push(&ring, 0, 2);
        assert_chain(&ring, nth, 0, 2, 2, length_of(0, 2));
        assert_chain(&ring, nth + 2, 1, 2, 2, length_of(1, 2));
        take_all(&ring, taken, 2);
        for (uint16_t i = 0; i < 4; i++) {
            ring.packed[i].addr = UINT64_MAX;
            ring.packed[i].len = UINT32_MAX;
            ring.packed[i].id = UINT16_MAX;
        }
        *ring.driver_event = (struct virtq_packed_event){0xffff, 0xffff};
        use(&ring, &taken[1], 10);
        use(&ring, &taken[0], 20);
        assert_pop_gives(&ring, 1, 10);
        assert_pop_gives(&ring, 0, 20);
    }
    ring_fini(&ring);
}

/* ---- publish ---- */

/* 2.8.10; DESC without EVENT_IDX is the device's mistake, and costs a doorbell. */
/* holds: virtio.packed.event */
static void publish_honours_the_device_event_flags(void **state)
{
    static const struct {
        bool has_event_idx;
        uint16_t flags;
        uint16_t off_wrap;
        bool wants_doorbell;
    } cases[] = {
        {false, 0, 0x8000, true}, {false, 1, 0x8000, false},      {false, 2, 0x8005, true},
        {false, 0xfffc, 0, true}, {false, 0xfffd, 0x8000, false}, {true, 0, 0x8005, true},
        {true, 1, 0x8000, false}, {true, 2, 0x8000, true},        {true, 2, 0x8001, false},
        {true, 2, 0x0000, false}, {true, 0xfffe, 0x8000, true},   {true, 0xfffe, 0x8001, false},
        {true, 0xfffd, 0, false}, {true, 0xfffc, 0x8005, true},
    };
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct virtqueue_format format = {.is_packed = true,
                                          .has_event_idx = cases[i].has_event_idx};

        ring_init_slots(&ring, &format, 8, 8, 1);
        *ring.device_event = (struct virtq_packed_event){cases[i].off_wrap, cases[i].flags};
        virtqueue_push(&ring.queue, 0, 1);
        assert_int_equal(virtqueue_publish(&ring.queue), cases[i].wants_doorbell);
        ring_fini(&ring);
    }
}

static const struct virtqueue_format EVENTS = {.is_packed = true, .has_event_idx = true};

/* A ring where `rung` descriptors were rung for and `next` are available. */
static void stand_at(struct ring *ring, uint32_t rung, uint32_t next)
{
    ring->queue.avail_rung = (uint16_t)rung;
    ring->queue.avail_next = (uint16_t)next;
    ring->queue.avail_shown = (uint16_t)next;
}

/* VIRTIO 1.2, 2.7.10.1, retyped. */
static bool vring_need_event(uint16_t event_idx, uint16_t new_idx, uint16_t old_idx)
{
    return (uint16_t)(new_idx - event_idx - 1) < (uint16_t)(new_idx - old_idx);
}

/* 2.8.10: the event is one descriptor, by its offset and the wrap counter that makes it available.
 * Said twice: as 2.7.10.1's formula over offsets, and as what it means. */
/* holds: virtio.packed.event */
static void publish_wants_a_doorbell_exactly_when_the_event_is_crossed(void **state)
{
    static const uint16_t tried[] = {1, 4, 256};
    static const uint32_t laps[] = {0, 1, 2, 3, 65536};
    static bool is_made[65536];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(tried) * COUNT(laps); i++) {
        uint16_t size = tried[i / COUNT(laps)];
        uint32_t edge = laps[i % COUNT(laps)] * size;

        ring_init(&ring, &EVENTS, size, size, 1);
        for (uint32_t near = 0; near < 6; near++) {
            static const uint16_t few[] = {0, 1, 2, 3, 255, 256};
            uint32_t count = few[near] < size ? few[near] : size;
            uint32_t next = edge + (near * 5) % 8 % size;
            uint32_t rung = next - (count < next ? count : next);
            uint16_t offset = (uint16_t)(next % size);
            bool wrap = next / size % 2 == 0;

            memset(is_made, 0, sizeof(is_made));
            for (uint32_t nth = rung; nth < next; nth++)
                is_made[nth % size | (nth / size % 2 == 0 ? 0x8000 : 0)] = true;
            ring.device_event->flags = 2;
            for (uint32_t event = 0; event <= UINT16_MAX; event++) {
                uint16_t index = (uint16_t)(event & 0x7fff);
                bool is_wanted;

                stand_at(&ring, rung, next);
                ring.device_event->off_wrap = (uint16_t)event;
                is_wanted = virtqueue_publish(&ring.queue);
                if (wrap != (event >> 15))
                    index = (uint16_t)(index - size);
                assert_int_equal(
                    is_wanted, vring_need_event(index, offset, (uint16_t)(offset - (next - rung))));
                if ((event & 0x7fff) < size)
                    assert_int_equal(is_wanted, is_made[event]);
            }
        }
        ring_fini(&ring);
    }
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
    ring_init_slots(&ring, &EVENTS, 8, 8, 1);
    *ring.device_event = (struct virtq_packed_event){0x8001, 2};
    assert_false(push_and_publish(&ring, 0));
    assert_true(push_and_publish(&ring, 1));
    assert_false(push_and_publish(&ring, 2));
    ring_fini(&ring);
}

/* holds: virtio.packed.event */
static void publish_finds_a_wish_that_came_too_late_for_its_own_descriptor(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &EVENTS, 8, 8, 1);
    *ring.device_event = (struct virtq_packed_event){0x8007, 2};
    assert_false(push_and_publish(&ring, 0));
    assert_false(push_and_publish(&ring, 1));
    ring.device_event->off_wrap = 0x8000;
    assert_true(push_and_publish(&ring, 2));
    ring.device_event->off_wrap = 0x8002; /* rung for already */
    assert_false(push_and_publish(&ring, 3));
    ring.device_event->off_wrap = 0x8003;
    assert_true(virtqueue_publish(&ring.queue)); /* of nothing new */
    assert_false(virtqueue_publish(&ring.queue));
    ring_fini(&ring);
}

static void publish_forgets_a_wish_that_an_enabled_doorbell_has_answered(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &EVENTS, 8, 8, 1);
    ring.device_event->flags = 0;
    assert_true(push_and_publish(&ring, 0));
    *ring.device_event = (struct virtq_packed_event){0x8000, 2};
    assert_false(push_and_publish(&ring, 1));
    ring_fini(&ring);
}

/* ---- is_busy and has_news ---- */

static void a_queue_is_busy_from_publish_until_the_device_has_used_all(void **state)
{
    struct taken taken[8];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 8, 1);
    for (unsigned lap = 0; lap < 20; lap++) {
        assert_false(virtqueue_is_busy(&ring.queue));
        virtqueue_push(&ring.queue, 0, 1);
        assert_false(virtqueue_is_busy(&ring.queue));
        push(&ring, 1, 2);
        take_all(&ring, taken, 3);
        assert_true(virtqueue_is_busy(&ring.queue));
        use(&ring, &taken[1], 0);
        assert_true(virtqueue_is_busy(&ring.queue));
        use(&ring, &taken[2], 0);
        assert_true(virtqueue_is_busy(&ring.queue));
        assert_pop_gives(&ring, 1, 0);
        assert_true(virtqueue_is_busy(&ring.queue));
        use(&ring, &taken[0], 0);
        assert_false(virtqueue_is_busy(&ring.queue));
        assert_pop_gives(&ring, 2, 0);
        assert_pop_gives(&ring, 0, 0);
    }
    ring_fini(&ring);
}

static void a_ring_of_chains_is_busy_until_pop_has_taken_all(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 2, 3);
    for (unsigned lap = 0; lap < 20; lap++) {
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use(&ring, &taken[0], 0);
        use(&ring, &taken[1], 0);
        assert_true(virtqueue_is_busy(&ring.queue));
        assert_pop_gives(&ring, 0, 0);
        assert_true(virtqueue_is_busy(&ring.queue));
        assert_pop_gives(&ring, 1, 0);
        assert_false(virtqueue_is_busy(&ring.queue));
    }
    ring_fini(&ring);
}

/* The device writes the first descriptor of a chain; the others still say "available". */
/* holds: virtio.packed.used */
static void has_news_takes_what_a_chain_leaves_behind_for_no_news(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 2, 3);
    for (unsigned round = 0; round < 64; round++) {
        describe(&ring, 0, (uint16_t)(round % 3 + 1), 1);
        push(&ring, 0, 1);
        take_all(&ring, taken, 1);
        assert_pop_gives_nothing(&ring);
        use(&ring, taken, 1);
        assert_pop_gives(&ring, 0, 1);
        assert_pop_gives_nothing(&ring);
    }
    ring_fini(&ring);
}

/* ---- pop ---- */

/* holds: virtio.packed.used */
static void pop_follows_the_order_of_the_used_descriptors(void **state)
{
    struct taken taken[4];
    struct ring ring;

    (void)state;
    ring_init(&ring, &PACKED, 8, 4, 2);
    for (unsigned lap = 0; lap < 20; lap++) {
        for (uint16_t slot = 0; slot < 4; slot++)
            describe(&ring, slot, slot % 2 + 1, 1); /* 1, 2, 1, 2 descriptors */
        push(&ring, 0, 4);
        take_all(&ring, taken, 4);
        use(&ring, &taken[3], 30);
        use(&ring, &taken[0], 0);
        assert_pop_gives(&ring, 3, 30);
        use(&ring, &taken[2], 20);
        use(&ring, &taken[1], 10);
        assert_pop_gives(&ring, 0, 0);
        assert_pop_gives(&ring, 2, 20);
        assert_pop_gives(&ring, 1, 10);
        assert_pop_gives_nothing(&ring);
    }
    ring_fini(&ring);
}

/* holds: virtio.packed.checks */
static void pop_rejects_an_id_that_names_no_slot_in_flight(void **state)
{
    static const uint16_t ids[] = {1,   3,   4,   5,      6,      7,      8,     255,
                                   256, 767, 768, 0x7fff, 0x8000, 0x8002, 0xffff};
    struct taken taken[2];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(ids);
         i++) { /* 0 and 2 are in flight, 4 is not, 6 and 7 are none */
        ring_init_slots(&ring, &PACKED, 8, 3, 2);
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use_batch(&ring, 1, 2, ids[i], 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_the_id_behind_the_last_slot_there_can_be(void **state)
{
    struct taken taken;
    struct ring ring;

    (void)state;
    for (uint16_t count = 1; count <= VIRTQUEUE_SEGMENTS_MAX; count++) {
        uint16_t slots = virtqueue_slots_max(1024, count, &PACKED);
        uint8_t *chains = (uint8_t *)&ring.queue + offsetof(struct virtqueue, chains);

        ring_init_slots(&ring, &PACKED, 1024, slots, count);
        /* What lies there looks like a chain in flight: only the bound tells. */
        memset(chains + (size_t)slots * count * sizeof(struct virtqueue_chain), 1,
               sizeof(struct virtqueue_chain));
        push(&ring, 0, 1);
        take_all(&ring, &taken, 1);
        use_batch(&ring, 1, count, (uint32_t)(slots * count), 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_an_id_that_comes_twice(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 4, 2);
    push(&ring, 0, 2);
    take_all(&ring, taken, 2);
    use(&ring, &taken[1], 10);
    use(&ring, &taken[1], 10);
    assert_pop_gives(&ring, 1, 10);
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

/* holds: virtio.packed.checks */
static void pop_rejects_a_used_descriptor_while_nothing_is_in_flight(void **state)
{
    struct taken taken;
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 4, 4, 1);
    assert_true(virtqueue_is_sound(&ring.queue));
    use_batch(&ring, 1, 1, 0, 0);
    assert_true(virtqueue_has_news(&ring.queue));
    assert_false(virtqueue_is_sound(&ring.queue));
    assert_pop_breaks(&ring);
    ring_fini(&ring);

    ring_init_slots(&ring, &PACKED, 4, 4, 1);
    push(&ring, 0, 1);
    take_all(&ring, &taken, 1);
    use(&ring, &taken, 3);
    assert_pop_gives(&ring, 0, 3);
    use(&ring, &taken, 3);
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

/* holds: virtio.packed.checks, virtio.broken.memory */
static void pop_checks_the_length_against_the_writable_bytes(void **state)
{
    static const struct {
        bool is_writable[2];
        uint32_t length_bytes;
        bool is_accepted;
    } cases[] = {
        {{false, true}, 1514, true},        {{false, true}, 1515, false},
        {{false, true}, UINT32_MAX, false}, {{true, true}, 1526, true},
        {{true, true}, 1527, false},        {{true, true}, 0, true},
    };
    struct taken taken;
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct virtqueue_segment segments[] = {{0x1000, 12, cases[i].is_writable[0]},
                                                     {0x2000, 1514, cases[i].is_writable[1]}};

        ring_init(&ring, &PACKED, 8, 4, 2);
        virtqueue_set_slot(&ring.queue, 0, segments, 2);
        virtqueue_push(&ring.queue, 0, 1514);
        (void)virtqueue_publish(&ring.queue);
        take_all(&ring, &taken, 1);
        use(&ring, &taken, cases[i].length_bytes);
        if (cases[i].is_accepted)
            assert_pop_gives(&ring, 0, cases[i].length_bytes);
        else
            assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_takes_any_length_of_a_slot_that_the_device_only_reads(void **state)
{
    static const uint32_t lengths[] = {0, 1, 1514, 65536, UINT32_MAX};
    struct taken taken;
    struct ring ring;

    (void)state;
    ring_init(&ring, &PACKED, 4, 1, 3);
    describe(&ring, 0, 3, 0);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        push(&ring, 0, 1);
        take_all(&ring, &taken, 1);
        use(&ring, &taken, lengths[i]);
        assert_pop_gives(&ring, 0, 0);
    }
    ring_fini(&ring);
}

/* holds: virtio.broken.counted */
static void a_broken_ring_stays_broken_when_the_device_mends_its_ways(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 8, 1);
    push(&ring, 0, 2);
    take_all(&ring, taken, 2);
    use_batch(&ring, 1, 1, 5, 0);
    assert_pop_breaks(&ring);
    ring.packed[0].id = 0;
    assert_pop_fails(&ring);
    ring.packed[0].flags = 0x80;
    assert_pop_fails(&ring);
    assert_true(ring.queue.is_broken);
    assert_int_equal(0, ring.queue.in_flight_count);
    assert_false(virtqueue_is_busy(&ring.queue));
    push(&ring, 2, 1);
    ring.packed[0] = (struct virtq_packed_desc){.id = 2, .flags = 0x8080};
    assert_pop_fails(&ring);
    ring_fini(&ring);
}

/* holds: virtio.broken.recovery */
static void init_recovers_a_broken_ring(void **state)
{
    struct taken taken;
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, 8, 8, 1);
    push(&ring, 0, 8);
    use_batch(&ring, 1, 1, 8, 0);
    assert_pop_breaks(&ring);
    virtqueue_init(&ring.queue, ring.base, 8, 8, 1, &PACKED);
    ring.use_offset = 0;
    assert_pop_gives_nothing(&ring);
    describe(&ring, 0, 1, 1);
    push(&ring, 0, 1);
    take_all(&ring, &taken, 1);
    use(&ring, &taken, 9);
    assert_pop_gives(&ring, 0, 9);
    ring_fini(&ring);
}

/* Whatever the device writes over everything, pop gives slots that are in flight, each once, with a
 * length that fits, or breaks; and nothing outside the ring is touched. */
/* holds: virtio.packed.checks */
static void scribbling_over_the_ring_gives_no_wrong_slot(void **state)
{
    unsigned random = 1;
    struct ring ring;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct virtqueue_format format = {
            .is_packed = true, .is_in_order = round & 1, .has_event_idx = round & 2};
        struct virtqueue_completion completion;
        bool is_in_flight[2] = {true, true};

        ring_init_slots(&ring, &format, 4, 2, 2);
        push(&ring, 0, 2);
        for (unsigned i = 0; i < 6; i++) {
            random = random * 1103515245u + 12345u;
            ring.packed[i % 4].flags ^= (uint16_t)(random >> 16 & 0x8083);
            ring.packed[i % 4].id = (uint16_t)(random >> 8 & (round & 4 ? 0xffff : 3));
            ring.packed[i % 4].len = random >> (round & 8 ? 4 : 24);
            ring.device_event->off_wrap = (uint16_t)(random >> 3);
            ring.device_event->flags = (uint16_t)(random >> 9);
            ring.driver_event->flags = (uint16_t)(random >> 5);
            (void)virtqueue_publish(&ring.queue);
            (void)virtqueue_is_busy(&ring.queue);
            while (virtqueue_pop(&ring.queue, &completion)) {
                assert_true(completion.slot < 2);
                assert_true(is_in_flight[completion.slot]);
                assert_true(completion.length_bytes <=
                            ring.queue.chains[completion.slot * 2].writable_bytes);
                is_in_flight[completion.slot] = false;
            }
        }
        ring_fini(&ring);
    }
}

static void nothing_but_the_queue_memory_is_written_at_the_largest_size(void **state)
{
    static struct taken taken[85];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED, VIRTQ_SIZE_MAX, 85, 3);
    for (uint32_t nth = 0; nth < 2 * VIRTQ_SIZE_MAX + 255; nth += 255) {
        push(&ring, 0, 85);
        take_all(&ring, taken, 85);
        for (uint16_t slot = 85; slot-- > 0;) {
            use(&ring, &taken[slot], 7);
            assert_pop_gives(&ring, slot, 7);
        }
        assert_pop_gives_nothing(&ring);
    }
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_aligned_and_disjoint_at_every_size),
        cmocka_unit_test(init_clears_its_memory_and_nothing_beside_it),
        cmocka_unit_test(init_asks_for_no_interrupt_with_and_without_event_idx),
        cmocka_unit_test(slots_max_keeps_within_the_ring_and_the_descriptors_that_move),
        cmocka_unit_test(push_writes_descriptors_as_the_wrap_counter_says_past_65536),
        cmocka_unit_test(a_full_ring_survives_the_wrap_past_65536),
        cmocka_unit_test(push_shows_nothing_before_publish_writes_the_first_flags),
        cmocka_unit_test(push_all_queues_each_slot_as_it_was_described_last),
        cmocka_unit_test(descriptors_are_written_anew_and_never_read_back),
        cmocka_unit_test(publish_honours_the_device_event_flags),
        cmocka_unit_test(publish_wants_a_doorbell_exactly_when_the_event_is_crossed),
        cmocka_unit_test(publish_asks_for_one_doorbell_per_event),
        cmocka_unit_test(publish_finds_a_wish_that_came_too_late_for_its_own_descriptor),
        cmocka_unit_test(publish_forgets_a_wish_that_an_enabled_doorbell_has_answered),
        cmocka_unit_test(a_queue_is_busy_from_publish_until_the_device_has_used_all),
        cmocka_unit_test(a_ring_of_chains_is_busy_until_pop_has_taken_all),
        cmocka_unit_test(has_news_takes_what_a_chain_leaves_behind_for_no_news),
        cmocka_unit_test(pop_follows_the_order_of_the_used_descriptors),
        cmocka_unit_test(pop_rejects_an_id_that_names_no_slot_in_flight),
        cmocka_unit_test(pop_rejects_the_id_behind_the_last_slot_there_can_be),
        cmocka_unit_test(pop_rejects_an_id_that_comes_twice),
        cmocka_unit_test(pop_rejects_a_used_descriptor_while_nothing_is_in_flight),
        cmocka_unit_test(pop_checks_the_length_against_the_writable_bytes),
        cmocka_unit_test(pop_takes_any_length_of_a_slot_that_the_device_only_reads),
        cmocka_unit_test(a_broken_ring_stays_broken_when_the_device_mends_its_ways),
        cmocka_unit_test(init_recovers_a_broken_ring),
        cmocka_unit_test(scribbling_over_the_ring_gives_no_wrong_slot),
        cmocka_unit_test(nothing_but_the_queue_memory_is_written_at_the_largest_size),
    };

    return cmocka_run_group_tests_name("virtqueue_packed", tests, NULL, NULL);
}
