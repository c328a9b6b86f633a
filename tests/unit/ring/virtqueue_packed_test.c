/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What holds in the packed format only. VIRTIO 1.2, 2.8.
 */
#include "virtqueue_fixture.h"

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

/* ---- descriptors ---- */

/* 2.8.1, 2.8.13: AVAIL is the wrap counter, which begins with 1, and USED its opposite. */
/* holds: virtio.packed.wrap */
static void push_writes_descriptors_as_the_wrap_counter_says_past_65536(void **state)
{
    struct ring *ring = *state;

    for (uint16_t size = 1; size <= 256; size *= 2) {
        uint16_t longest = size < 3 ? size : 3;
        uint16_t slots = size / longest;
        uint32_t nth = 0;

        ring_init(ring, size, slots, longest);
        for (uint32_t round = 0; nth < 140000; round++) {
            uint16_t slot = (uint16_t)(round % slots);
            uint16_t count = (uint16_t)(round % longest + 1);
            uint16_t writable = (uint16_t)(round / 3 % (count + 1u));
            uint32_t length = length_of(slot, count) - round % 7;
            struct taken taken;

            describe(ring, slot, count, writable);
            virtqueue_push(&ring->queue, slot, length);
            (void)virtqueue_publish(&ring->queue);
            for (uint16_t i = 0; i < count; i++, nth++)
                assert_int_equal(ring->packed[nth % size].flags,
                                 (i + 1 < count ? 1 : 0) | (i + writable >= count ? 2 : 0) |
                                     (nth / size % 2 == 0 ? 0x80 : 0x8000));
            take_all(ring, &taken, 1);
            assert_int_equal(taken.id, slot * longest);
            assert_taken(&taken, slot, count, writable, length);
            assert_pop_gives_nothing(ring);
            use(ring, &taken, writable > 0 ? 5 : 0);
            assert_pop_gives(ring, slot, writable > 0 ? 5 : 0);
            assert_pop_gives_nothing(ring);
        }
    }
}

/* ---- doorbells ---- */

/* 2.8.10; DESC without EVENT_IDX is the device's mistake, and costs a doorbell. */
/* holds: virtio.packed.event */
static void publish_honours_the_device_event_flags(void **state)
{
    struct ring *ring = *state;
    static const struct {
        uint16_t flags;
        uint16_t off_wrap;
        bool wants_doorbell[2]; /* with EVENT_IDX */
    } cases[] = {
        {0, 0x8000, {true, true}},       {0, 0x8005, {true, true}},
        {1, 0x8000, {false, false}},     {2, 0x8005, {true, false}},
        {2, 0x8000, {true, true}},       {2, 0x8001, {true, false}},
        {2, 0x0000, {true, false}},      {0xfffc, 0, {true, true}},
        {0xfffc, 0x8005, {true, true}},  {0xfffd, 0x8000, {false, false}},
        {0xfffd, 0, {false, false}},     {0xfffe, 0x8000, {true, true}},
        {0xfffe, 0x8001, {true, false}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init_slots(ring, 8, 8, 1);
        *ring->device_event = (struct virtq_packed_event){cases[i].off_wrap, cases[i].flags};
        virtqueue_push(&ring->queue, 0, 1);
        assert_int_equal(virtqueue_publish(&ring->queue),
                         cases[i].wants_doorbell[ring->format.has_event_idx]);
    }
}

/* 2.8.10: the event is one descriptor, by its offset and the wrap counter that makes it available.
 * Said twice: as 2.7.10.1's formula over offsets, and as what it means. */
/* holds: virtio.packed.event */
static void publish_wants_a_doorbell_exactly_when_the_event_is_crossed(void **state)
{
    struct ring *ring = *state;
    static const uint16_t tried[] = {1, 4, 256};
    static const uint32_t laps[] = {0, 1, 2, 3, 65536};
    static const uint16_t few[] = {0, 1, 2, 3, 255, 256};
    static bool is_made[65536];

    for (size_t i = 0; i < COUNT(tried) * COUNT(laps) * COUNT(few); i++) {
        size_t near = i % COUNT(few);
        uint16_t size = tried[i / COUNT(few) / COUNT(laps)];
        uint32_t next = laps[i / COUNT(few) % COUNT(laps)] * size + (uint32_t)near * 5 % 8 % size;
        uint32_t count = few[near] < size ? few[near] : size;
        uint32_t rung = next - (count < next ? count : next);
        uint16_t offset = (uint16_t)(next % size);
        bool wrap = next / size % 2 == 0;

        ring_init(ring, size, size, 1);
        memset(is_made, 0, sizeof(is_made));
        for (uint32_t nth = rung; nth < next; nth++)
            is_made[nth % size | (nth / size % 2 == 0 ? 0x8000 : 0)] = true;
        ring->device_event->flags = 2;
        for (uint32_t event = 0; event <= UINT16_MAX; event++) {
            uint16_t index = (uint16_t)((event & 0x7fff) - (wrap != event >> 15 ? size : 0u));
            bool is_wanted;

            ring->queue.avail_rung = (uint16_t)rung;
            ring->queue.avail_next = ring->queue.avail_shown = (uint16_t)next;
            ring->device_event->off_wrap = (uint16_t)event;
            is_wanted = virtqueue_publish(&ring->queue);
            assert_int_equal(is_wanted,
                             vring_need_event(index, offset, (uint16_t)(offset - (next - rung))));
            if ((event & 0x7fff) < size)
                assert_int_equal(is_wanted, is_made[event]);
        }
    }
}

static void publish_forgets_a_wish_that_an_enabled_doorbell_has_answered(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    ring->device_event->flags = 0;
    virtqueue_push(&ring->queue, 0, 1);
    assert_true(virtqueue_publish(&ring->queue));
    wish_for(ring, 0);
    virtqueue_push(&ring->queue, 1, 1);
    assert_false(virtqueue_publish(&ring->queue));
}

/* ---- is_busy ---- */

/* The ring does not count what was used: is_busy can only look at the last descriptor shown. */
static void a_ring_of_chains_is_busy_until_pop_has_taken_all(void **state)
{
    struct ring *ring = ring_of(state, 8, 2, 3);
    struct taken taken[2];

    for (unsigned lap = 0; lap < 20; lap++) {
        push_and_take(ring, taken, 2);
        use(ring, &taken[0], 0);
        use(ring, &taken[1], 0);
        assert_true(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, 0, 0);
        assert_true(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, 1, 0);
        assert_false(virtqueue_is_busy(&ring->queue));
    }
}

static void a_broken_ring_is_not_busy(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    push(ring, 0, 2);
    use_batch(ring, 1, 1, 5, 0);
    assert_true(virtqueue_is_busy(&ring->queue));
    assert_pop_breaks(ring);
    assert_false(virtqueue_is_busy(&ring->queue));
}

static void is_busy_believes_no_id_that_is_not_in_flight(void **state)
{
    struct ring *ring = ring_of(state, 4, 2, 2);

    push(ring, 0, 2);
    use_batch(ring, 2, 4, 1, 0);
    assert_true(virtqueue_is_busy(&ring->queue));
    assert_pop_breaks(ring);
}

/* ---- batches ---- */

/* 2.8.9: the next stands after all descriptors of the batch. */
/* holds: virtio.in_order.batch */
static void a_used_descriptor_stands_where_its_batch_begins(void **state)
{
    struct ring *ring = ring_of(state, 16, 4, 3);

    push(ring, 0, 4);
    ring->packed[0] = (struct virtq_packed_desc){.id = 6, .len = 20, .flags = 0x8080};
    ring->packed[9] = (struct virtq_packed_desc){.id = 9, .len = 30, .flags = 0x8080};
    assert_pop_gives(ring, 0, writable_bytes_of(0, 3, 3));
    assert_pop_gives(ring, 1, writable_bytes_of(1, 3, 3));
    assert_pop_gives(ring, 2, 20);
    assert_pop_gives(ring, 3, 30);
    assert_pop_gives_nothing(ring);
}

int main(void)
{
    static const struct property properties[] = {
        PROPERTY(layout_is_aligned_and_disjoint_at_every_size, IF_PACKED & IF_ANY_ORDER),
        PROPERTY(push_writes_descriptors_as_the_wrap_counter_says_past_65536,
                 IF_PACKED & IF_NO_EVENT_IDX),
        PROPERTY(publish_honours_the_device_event_flags, IF_PACKED),
        PROPERTY(publish_wants_a_doorbell_exactly_when_the_event_is_crossed,
                 IF_PACKED & IF_EVENT_IDX),
        PROPERTY(publish_forgets_a_wish_that_an_enabled_doorbell_has_answered,
                 IF_PACKED & IF_EVENT_IDX),
        PROPERTY(a_ring_of_chains_is_busy_until_pop_has_taken_all, IF_PACKED & IF_ANY_ORDER),
        PROPERTY(a_broken_ring_is_not_busy, IF_PACKED & IF_ANY_ORDER),
        PROPERTY(is_busy_believes_no_id_that_is_not_in_flight, IF_PACKED & IF_IN_ORDER),
        PROPERTY(a_used_descriptor_stands_where_its_batch_begins, IF_PACKED & IF_IN_ORDER),
    };

    return run_properties("virtqueue_packed", properties, COUNT(properties));
}
