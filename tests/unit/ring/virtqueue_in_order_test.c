/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * IN_ORDER in both formats: one used entry for many buffers. VIRTIO 1.2, 2.7.9 and 2.8.9.
 */
#include "virtqueue_fixture.h"

/* holds: virtio.in_order.batch */
static void a_batch_of_any_size_completes_all_before_its_last_with_all_their_bytes(void **state)
{
    struct ring *ring = ring_of(state, 16, 8, 2);
    struct taken taken[8];

    for (uint32_t round = 0; round < 30000; round++) {
        uint16_t pushed = (uint16_t)(round % 8 + 1);
        uint16_t first = 0;

        for (uint16_t slot = 0; slot < pushed; slot++)
            describe(ring, slot, slot % 2 + 1, slot % 3 % 2);
        push_and_take(ring, taken, pushed);
        scribble_over_buffers(ring);
        for (uint16_t batch = (uint16_t)(round / 8 % 4 + 1); first < pushed; first += batch) {
            if (batch > pushed - first)
                batch = (uint16_t)(pushed - first);
            assert_pop_gives_nothing(ring);
            use_first(ring, &taken[first], batch, 0);
            for (uint16_t slot = first; slot < first + batch; slot++)
                assert_pop_gives(ring, slot,
                                 slot + 1 == first + batch
                                     ? 0
                                     : writable_bytes_of(slot, slot % 2 + 1, slot % 3 % 2));
        }
        assert_pop_gives_nothing(ring);
    }
}

static void a_full_ring_in_one_batch_survives_the_wrap_past_65536(void **state)
{
    struct ring *ring = *state;
    static const uint16_t sizes[] = {1, 2, 4, 16, 256};
    static struct taken taken[256];

    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint16_t size = sizes[i];

        ring_init_slots(ring, size, size, 1);
        for (uint32_t lap = 0; lap < 66000u / size + 2; lap++) {
            push_and_take(ring, taken, size);
            use_first(ring, taken, size, 1);
            for (uint16_t slot = 0; slot < size; slot++)
                assert_pop_gives(ring, slot, slot + 1 == size ? 1 : length_of(slot, 1));
            assert_pop_gives_nothing(ring);
        }
    }
}

static void slots_that_a_batch_has_freed_are_queued_again_before_its_end(void **state)
{
    struct ring *ring = ring_of(state, 4, 4, 1);
    struct taken taken[4];

    push(ring, 0, 4);
    for (unsigned lap = 0; lap < 40; lap++) {
        take_all(ring, taken, 4);
        use_first(ring, taken, 4, 2);
        for (uint16_t slot = 0; slot < 4; slot++) {
            assert_pop_gives(ring, slot, slot == 3 ? 2 : length_of(slot, 1));
            push(ring, slot, 1);
        }
        assert_pop_gives_nothing(ring);
    }
}

static void a_queue_is_busy_until_the_last_batch_is_used(void **state)
{
    struct ring *ring = ring_of(state, 16, 6, 2);
    struct taken taken[6];

    for (unsigned lap = 0; lap < 40; lap++) {
        for (uint16_t slot = 0; slot < 6; slot++)
            describe(ring, slot, slot % 2 + 1, 1);
        assert_false(virtqueue_is_busy(&ring->queue));
        virtqueue_push(&ring->queue, 0, length_of(0, 1));
        assert_false(virtqueue_is_busy(&ring->queue));
        push(ring, 1, 5);
        take_all(ring, taken, 6);
        assert_true(virtqueue_is_busy(&ring->queue));
        use_first(ring, taken, 2, 7);
        assert_true(virtqueue_is_busy(&ring->queue));
        use_first(ring, &taken[2], 3, 8);
        assert_true(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, 0, segment_of(0, 0, true).length_bytes);
        assert_true(virtqueue_is_busy(&ring->queue));
        use_first(ring, &taken[5], 1, 9);
        assert_false(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, 1, 7);
        assert_pop_gives(ring, 2, segment_of(2, 0, true).length_bytes);
        assert_false(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, 3, segment_of(3, 1, true).length_bytes);
        assert_pop_gives(ring, 4, 8);
        assert_pop_gives(ring, 5, 9);
    }
}

/* Looked at within a batch, and not again before the next is used. */
static void progress_changes_when_a_batch_follows_one_that_was_seen_half_taken(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 1);
    struct taken taken[4];
    uint16_t seen;

    push_and_take(ring, taken, 4);
    seen = virtqueue_progress(&ring->queue);
    use_first(ring, taken, 3, 0);
    assert_int_not_equal(virtqueue_progress(&ring->queue), seen);
    assert_pop_gives(ring, 0, length_of(0, 1));
    seen = virtqueue_progress(&ring->queue);
    assert_pop_gives(ring, 1, length_of(1, 1));
    assert_pop_gives(ring, 2, 0);
    use(ring, &taken[3], 0);
    assert_int_not_equal(virtqueue_progress(&ring->queue), seen);
}

static void pop_rejects_an_id_that_a_batch_has_completed(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 1);
    struct taken taken[3];

    push_and_take(ring, taken, 3);
    use_first(ring, taken, 2, 1);
    use(ring, &taken[1], 1);
    assert_pop_gives(ring, 0, length_of(0, 1));
    assert_pop_gives(ring, 1, 1);
    assert_pop_breaks(ring);
}

static void pop_checks_the_length_against_the_last_buffer_of_the_batch(void **state)
{
    struct ring *ring = *state;
    static const struct {
        uint16_t writable;
        uint32_t more; /* than it could write */
        bool is_accepted;
    } cases[] = {{2, 0, true},  {2, 1, false},          {1, 0, true},
                 {1, 1, false}, {1, 0x80000000, false}, {0, 0, true},
                 {0, 1, true},  {0, 65536, true},       {0, UINT32_MAX, true}};
    struct taken taken[2];

    /* Any length of one that the device only reads reads as 0. */
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint16_t writable = cases[i].writable;
        uint32_t length = writable_bytes_of(1, 2, writable);

        ring_init(ring, 8, 3, 2);
        describe(ring, 0, 2, 0);
        describe(ring, 1, 2, writable);
        push_and_take(ring, taken, 2);
        use_first(ring, taken, 2, length + cases[i].more);
        if (cases[i].is_accepted) {
            assert_pop_gives(ring, 0, 0);
            assert_pop_gives(ring, 1, length);
        } else {
            assert_pop_breaks(ring);
        }
    }
}

int main(void)
{
    static const struct property properties[] = {
        PROPERTY(a_batch_of_any_size_completes_all_before_its_last_with_all_their_bytes,
                 IF_IN_ORDER),
        PROPERTY(a_full_ring_in_one_batch_survives_the_wrap_past_65536, IF_IN_ORDER),
        PROPERTY(slots_that_a_batch_has_freed_are_queued_again_before_its_end, IF_IN_ORDER),
        PROPERTY(a_queue_is_busy_until_the_last_batch_is_used, IF_IN_ORDER),
        PROPERTY(progress_changes_when_a_batch_follows_one_that_was_seen_half_taken, IF_IN_ORDER),
        PROPERTY(pop_rejects_an_id_that_a_batch_has_completed, IF_IN_ORDER),
        PROPERTY(pop_checks_the_length_against_the_last_buffer_of_the_batch, IF_IN_ORDER),
    };

    return run_properties("virtqueue_in_order", properties, COUNT(properties));
}
