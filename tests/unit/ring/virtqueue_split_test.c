/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What holds in the split format only. VIRTIO 1.2, 2.7.
 */
#include "virtqueue_fixture.h"

/* ---- layout ---- */

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

/* ---- descriptors and available ring ---- */

/* Writable segments come last. A shorter chain replaces a longer one; other descriptors stay as
 * they are. */
/* holds: virtio.net.rx_buffers, virtio.legacy.header */
static void set_slot_chains_the_descriptors_of_a_fixed_slot(void **state)
{
    struct ring *ring = *state;
    static const struct virtqueue_segment high = {0x123456789abcdef0, 77, true};
    static const struct virtq_desc high_desc = {0x123456789abcdef0, 77, 2, 0};
    static const struct virtq_desc none;

    ring_init(ring, 16, 5, 3);
    for (uint16_t round = 0; round < 30; round++) {
        uint16_t count = (uint16_t)(3 - round % 3);
        uint16_t writable = (uint16_t)(round / 3 % (count + 1));

        describe(ring, 1, count, writable);
        assert_int_equal(ring->queue.chains[3].writable_bytes,
                         writable_bytes_of(1, count, writable));
        for (uint16_t i = 0; i < count; i++) {
            struct virtqueue_segment segment = segment_of(1, i, i + writable >= count);
            bool is_last = i + 1 == count;

            assert_int_equal(ring->desc[3 + i].addr, segment.device_address);
            assert_int_equal(ring->desc[3 + i].len, segment.length_bytes);
            assert_int_equal(ring->desc[3 + i].flags,
                             (is_last ? 0 : 1) | (segment.device_writable ? 2 : 0));
            assert_int_equal(ring->desc[3 + i].next, is_last ? 0 : 4 + i);
        }
        assert_memory_equal(&ring->desc[2], &none, sizeof(none));
        assert_memory_equal(&ring->desc[6], &none, sizeof(none));
    }
    virtqueue_set_slot(&ring->queue, 2, &high, 1);
    assert_memory_equal(&ring->desc[6], &high_desc, sizeof(high_desc));
}

/* 2.7.5 and 2.7.5.2. A fixed slot's descriptors stay; under IN_ORDER descriptor x is followed by
 * x + 1, and a head by the tail before it. */
/* holds: virtio.in_order.push, virtio.split.publish */
static void push_writes_descriptors_and_available_ring_past_65536(void **state)
{
    struct ring *ring = *state;
    static const uint16_t sizes[] = {1, 2, 4, 8, 256, 1024};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint16_t size = sizes[i];
        uint16_t longest = size < 3 ? size : 3;
        uint16_t slots = virtqueue_slots_max(size, longest, &ring->format);
        uint32_t nth = 0;

        ring_init(ring, size, slots, longest);
        for (uint32_t round = 0; nth < 140000; round++) {
            uint16_t slot = (uint16_t)(round * 5 % slots);
            uint16_t count = (uint16_t)(ring->queue.is_fixed ? longest : round % longest + 1);
            uint16_t writable = (uint16_t)(round / 3 % (count + 1u));
            uint32_t first = ring->queue.is_fixed ? slot * longest : nth;
            struct taken taken;

            describe(ring, slot, count, writable);
            virtqueue_push(&ring->queue, slot, 50 + round % 9);
            (void)virtqueue_publish(&ring->queue);
            assert_int_equal(ring->avail->idx, (uint16_t)(round + 1));
            assert_int_equal(ring->avail->ring[round % size], first % size);
            for (uint16_t j = 0; j + 1 < count; j++)
                assert_int_equal(ring->desc[(first + j) % size].next, (first + j + 1) % size);
            assert_int_equal(ring->desc[(first + count - 1) % size].next, 0);
            take_all(ring, &taken, 1);
            assert_taken(&taken, slot, count, writable, 50 + round % 9);
            use(ring, &taken, 3);
            assert_pop_gives(ring, slot, writable > 0 ? 3 : 0);
            assert_pop_gives_nothing(ring);
            nth += count;
        }
    }
}

/* ---- doorbells and interrupts ---- */

/* 2.7.10: with EVENT_IDX the flags say nothing. */
/* holds: virtio.suppression.flags */
static void publish_honours_no_notify_without_event_idx_and_no_other_flag(void **state)
{
    struct ring *ring = *state;
    static const struct {
        uint16_t flags;
        uint16_t event;
        bool wants_doorbell[2]; /* with EVENT_IDX */
    } cases[] = {{0, 7, {true, false}},       {1, 7, {false, false}}, {0xfffe, 7, {true, false}},
                 {0xffff, 7, {false, false}}, {0, 0, {true, true}},   {1, 0, {false, true}}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init_slots(ring, 8, 8, 1);
        ring->used->flags = cases[i].flags;
        wish_for(ring, cases[i].event);
        virtqueue_push(&ring->queue, 0, 1);
        assert_int_equal(virtqueue_publish(&ring->queue),
                         cases[i].wants_doorbell[ring->format.has_event_idx]);
    }
}

/* Entries a whole ring back are settled. */
/* holds: virtio.suppression.event_idx */
static void publish_wants_a_doorbell_exactly_when_the_event_is_crossed(void **state)
{
    struct ring *ring = ring_of(state, 256, 256, 1);
    static const uint16_t olds[] = {0, 1, 254, 0x7fff, 0x8000, 0xff80, 0xfffe, 0xffff};
    static const uint16_t counts[] = {0, 1, 2, 255, 256, 257, 0x8000, 0xffff};

    for (size_t i = 0; i < COUNT(olds) * COUNT(counts); i++) {
        uint16_t rung = olds[i / COUNT(counts)];
        uint16_t new = (uint16_t)(rung + counts[i % COUNT(counts)]);
        uint16_t old = (uint16_t)(new - rung) > 256 ? (uint16_t)(new - 256) : rung;

        for (uint32_t event = 0; event <= UINT16_MAX; event++) {
            ring->queue.avail_rung = rung;
            ring->queue.avail_next = new;
            wish_for(ring, (uint16_t)event);
            if (virtqueue_publish(&ring->queue) != vring_need_event((uint16_t)event, new, old))
                fail_msg("event %#x, rung %#x, new %#x", event, rung, new);
        }
    }
}

static void no_used_entry_ever_crosses_the_used_event(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);
    uint16_t popped = 0;

    for (uint32_t lap = 0; lap < 9000; lap++) {
        struct taken taken[8];

        push_and_take(ring, taken, 8);
        if (lap % 8000 == 0) /* 64,000 completions with one call */
            virtqueue_suppress_interrupts(&ring->queue);
        for (uint16_t slot = 0; slot < 8; slot++) {
            for (uint16_t used = 1; used <= 8; used++)
                assert_false(
                    vring_need_event(ring->avail->ring[8], (uint16_t)(popped + used), popped));
            use(ring, &taken[slot], 0);
            assert_pop_gives(ring, slot, 0);
            popped++;
        }
    }
}

static void push_all_keeps_the_used_event_a_lap_away(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);
    static const uint16_t slot = 0;
    struct taken taken;

    for (uint32_t popped = 0; popped < 70000; popped++) {
        virtqueue_push_all(&ring->queue, &slot, 1);
        assert_int_equal(ring->avail->ring[8], (uint16_t)(popped - 1));
        (void)virtqueue_publish(&ring->queue);
        take_all(ring, &taken, 1);
        use(ring, &taken, 0);
        assert_pop_gives(ring, 0, 0);
    }
}

/* ---- used ring ---- */

static void pop_rejects_an_id_of_more_than_16_bits(void **state)
{
    struct ring *ring = *state;
    static const uint32_t ids[] = {0x10000,    0x10001,        0x10002,   0x20000,
                                   0x80000000, UINT32_MAX - 1, UINT32_MAX};

    for (size_t i = 0; i < COUNT(ids); i++) {
        ring_init_slots(ring, 8, 3, 2);
        push(ring, 0, 2);
        use_batch(ring, 2, 4, ids[i], 0);
        assert_pop_breaks(ring);
    }
}

/* holds: virtio.broken.memory */
static void pop_rejects_a_used_index_ahead_of_what_is_in_flight(void **state)
{
    struct ring *ring = *state;
    static const struct {
        uint16_t in_flight;
        uint16_t used_idx;
    } cases[] = {{0, 1}, {1, 2}, {1, 9}, {7, 8}, {8, 9}, {8, 0x8000}, {1, 0xffff}, {8, 0xfff8}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init_slots(ring, 8, 8, 1);
        push(ring, 0, cases[i].in_flight);
        ring->used->idx = cases[i].used_idx;
        assert_true(virtqueue_has_news(&ring->queue));
        assert_false(virtqueue_is_sound(&ring->queue));
        assert_pop_breaks(ring);
    }
}

static void pop_rejects_a_used_index_that_runs_backwards(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    push(ring, 0, 8);
    use_batch(ring, 1, 1, 0, 0);
    use_batch(ring, 1, 1, 1, 0);
    assert_pop_gives(ring, 0, 0);
    ring->used->idx = 0;
    assert_pop_breaks(ring);
}

/* 2.7.9: a batch of three is entry 0 of the used ring, and the next begins with entry 3. */
/* holds: virtio.in_order.batch */
static void a_used_entry_stands_where_its_batch_begins(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 1);

    push(ring, 0, 4);
    memset(ring->used->ring, 0xff, 64);
    ring->used->ring[0] = (struct virtq_used_elem){2, 20};
    ring->used->ring[3] = (struct virtq_used_elem){3, 30};
    ring->used->idx = 4;
    assert_pop_gives(ring, 0, length_of(0, 1));
    assert_pop_gives(ring, 1, length_of(1, 1));
    assert_pop_gives(ring, 2, 20);
    assert_pop_gives(ring, 3, 30);
    assert_pop_gives_nothing(ring);
}

/* holds: virtio.in_order.batch */
static void pop_rejects_a_batch_larger_than_the_used_index_announces(void **state)
{
    struct ring *ring = *state;
    struct taken taken[4];

    for (uint16_t announced = 1; announced <= 4; announced++) {
        ring_init_slots(ring, 8, 4, 1);
        push_and_take(ring, taken, 4);
        use_batch(ring, announced, announced, taken[2].id, 5);
        if (announced < 3)
            assert_pop_breaks(ring);
        else
            assert_pop_gives(ring, 0, length_of(0, 1));
    }
}

static void a_used_index_that_moves_within_a_batch_changes_nothing_of_it(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);
    struct taken taken[3];

    push_and_take(ring, taken, 3);
    use_first(ring, taken, 3, 4);
    assert_pop_gives(ring, 0, length_of(0, 1));
    ring->used->idx = 0x8000;
    ring->used->ring[0] = (struct virtq_used_elem){0xffffffff, 0xffffffff};
    assert_pop_gives(ring, 1, length_of(1, 1));
    assert_pop_gives(ring, 2, 4);
    assert_pop_breaks(ring);
}

int main(void)
{
    static const struct property properties[] = {
        PROPERTY(layout_is_aligned_and_disjoint_at_every_size, IF_SPLIT & IF_ANY_ORDER),
        PROPERTY(layout_of_256_entries_is_the_one_legacy_devices_expect, IF_SPLIT & IF_ANY_ORDER),
        PROPERTY(set_slot_chains_the_descriptors_of_a_fixed_slot, IF_SPLIT & IF_ANY_ORDER),
        PROPERTY(push_writes_descriptors_and_available_ring_past_65536, IF_SPLIT & IF_NO_EVENT_IDX),
        PROPERTY(publish_honours_no_notify_without_event_idx_and_no_other_flag, IF_SPLIT),
        PROPERTY(publish_wants_a_doorbell_exactly_when_the_event_is_crossed,
                 IF_SPLIT & IF_EVENT_IDX),
        PROPERTY(no_used_entry_ever_crosses_the_used_event, IF_SPLIT),
        PROPERTY(push_all_keeps_the_used_event_a_lap_away, IF_SPLIT),
        PROPERTY(pop_rejects_an_id_of_more_than_16_bits, IF_SPLIT),
        PROPERTY(pop_rejects_a_used_index_ahead_of_what_is_in_flight, IF_SPLIT),
        PROPERTY(pop_rejects_a_used_index_that_runs_backwards, IF_SPLIT),
        PROPERTY(a_used_entry_stands_where_its_batch_begins, IF_SPLIT & IF_IN_ORDER),
        PROPERTY(pop_rejects_a_batch_larger_than_the_used_index_announces, IF_SPLIT & IF_IN_ORDER),
        PROPERTY(a_used_index_that_moves_within_a_batch_changes_nothing_of_it,
                 IF_SPLIT & IF_IN_ORDER),
    };

    return run_properties("virtqueue_split", properties, COUNT(properties));
}
