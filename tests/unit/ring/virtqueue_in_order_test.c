/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * IN_ORDER against VIRTIO 1.2, 2.7.5, 2.7.9 and 2.8.9, in both formats. The test
 * plays the device.
 */
#include "virtqueue_fixture.h"

static const struct virtqueue_format *const formats[] = {&SPLIT_IN_ORDER, &PACKED_IN_ORDER};

/* Use so many of the buffers that were taken, with one entry. */
static void use_first(struct ring *ring, const struct taken *taken, uint16_t count,
                      uint32_t length_bytes)
{
    unsigned descriptors = 0;

    for (uint16_t i = 0; i < count; i++)
        descriptors += taken[i].count;
    use_batch(ring, count, descriptors, taken[count - 1].id, length_bytes);
}

/* All that the device could write into a slot of `count` segments, the last `writable` writable. */
static uint32_t writable_bytes_of(uint16_t slot, uint16_t count, uint16_t writable)
{
    uint32_t bytes = 0;

    for (uint16_t i = (uint16_t)(count - writable); i < count; i++)
        bytes += segment_of(slot, i, true).length_bytes;
    return bytes;
}

/* ---- init and push ---- */

static void init_asks_for_no_interrupt(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, &SPLIT_IN_ORDER, 8, 8, 1);
    assert_int_equal(ring.avail->flags, 1);
    assert_int_equal(ring.avail->ring[8], 0xffff); /* used_event */
    ring_fini(&ring);
    ring_init(&ring, &PACKED_IN_ORDER, 8, 8, 1);
    assert_int_equal(ring.driver_event->flags, 1);
    ring_fini(&ring);
}

/* 2.7.5 and 2.7.5.2: x + 1, and 0 behind the last; the head follows the tail before it. */
/* holds: virtio.in_order.push */
static void push_writes_split_descriptors_in_ring_order_past_65536(void **state)
{
    static const uint16_t sizes[] = {1, 2, 4, 8, 256, 1024};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint16_t size = sizes[i];
        uint16_t longest = size < 3 ? size : 3;
        uint16_t slots = virtqueue_slots_max(size, longest, &SPLIT_IN_ORDER);
        uint32_t nth = 0;

        ring_init(&ring, &SPLIT_IN_ORDER, size, slots, longest);
        for (uint32_t round = 0; nth < 140000; round++) {
            uint16_t slot = (uint16_t)(round * 3 % slots);
            uint16_t count = (uint16_t)(round % longest + 1);
            uint16_t writable = (uint16_t)(round / 3 % (count + 1u));
            struct taken taken;

            describe(&ring, slot, count, writable);
            virtqueue_push(&ring.queue, slot, 50 + round % 9);
            assert_false(take(&ring, &taken));
            (void)virtqueue_publish(&ring.queue);
            assert_int_equal(ring.avail->idx, (uint16_t)(round + 1));
            assert_int_equal(ring.avail->ring[round % size], nth % size);
            for (uint16_t j = 0; j < count; j++, nth++) {
                struct virtqueue_segment segment = segment_of(slot, j, j + writable >= count);
                const struct virtq_desc *desc = &ring.desc[nth % size];
                bool is_last = j + 1 == count;

                assert_int_equal(desc->addr, segment.device_address);
                assert_int_equal(desc->len, is_last ? 50 + round % 9 : segment.length_bytes);
                assert_int_equal(desc->flags,
                                 (is_last ? 0 : 1) | (segment.device_writable ? 2 : 0));
                if (!is_last)
                    assert_int_equal(desc->next, (nth + 1) % size);
            }
            take_all(&ring, &taken, 1);
            use(&ring, &taken, 3);
            assert_pop_gives(&ring, slot, writable > 0 ? 3 : 0);
            assert_pop_gives_nothing(&ring);
        }
        ring_fini(&ring);
    }
}

static void push_all_queues_each_slot_as_it_was_described_last(void **state)
{
    static const uint16_t slots[] = {2, 0, 1};
    struct taken taken[3];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init_slots(&ring, formats[i], 8, 3, 2);
        describe(&ring, 0, 1, 1);
        virtqueue_push(&ring.queue, 2, 1); /* for this time alone */
        (void)virtqueue_publish(&ring.queue);
        take_all(&ring, taken, 1);
        use(&ring, taken, 1);
        assert_pop_gives(&ring, 2, 1);
        virtqueue_push_all(&ring.queue, slots, 3);
        (void)virtqueue_publish(&ring.queue);
        take_all(&ring, taken, 3);
        for (uint16_t j = 0; j < 3; j++) {
            uint16_t count = slots[j] == 0 ? 1 : 2;

            assert_int_equal(taken[j].count, count);
            for (uint16_t k = 0; k < count; k++) {
                struct virtqueue_segment segment = segment_of(slots[j], k, true);

                assert_memory_equal(&taken[j].segments[k].device_address, &segment.device_address,
                                    8);
                assert_int_equal(taken[j].segments[k].length_bytes, segment.length_bytes);
            }
        }
        ring_fini(&ring);
    }
}

static void descriptors_are_written_anew_and_never_read_back(void **state)
{
    struct taken taken[4];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init_slots(&ring, formats[i], 8, 4, 2);
        for (unsigned lap = 0; lap < 20; lap++) {
            push(&ring, 0, 4);
            take_all(&ring, taken, 4);
            for (uint16_t slot = 0; slot < 4; slot++) {
                assert_int_equal(taken[slot].count, 2);
                assert_int_equal(taken[slot].segments[0].device_address,
                                 segment_of(slot, 0, true).device_address);
                assert_int_equal(taken[slot].segments[1].length_bytes, length_of(slot, 2));
            }
            for (uint16_t j = 0; j < 8; j++) {
                memset(&ring.desc[j], 0xff, 14); /* split: all but next; packed: all but flags */
                if (!ring.format.is_packed)
                    ring.desc[j].next = 0xffff;
            }
            if (!ring.format.is_packed)
                memset(ring.avail->ring, 0xff, 16);
            use_first(&ring, taken, 4, 9);
            for (uint16_t slot = 0; slot < 4; slot++)
                assert_pop_gives(&ring, slot, slot == 3 ? 9 : writable_bytes_of(slot, 2, 2));
        }
        ring_fini(&ring);
    }
}

/* ---- batches ---- */

/* holds: virtio.in_order.batch */
static void a_batch_of_any_size_completes_all_before_its_last_with_all_their_bytes(void **state)
{
    struct taken taken[8];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init(&ring, formats[i], 16, 8, 2);
        for (uint32_t round = 0; round < 30000; round++) {
            uint16_t pushed = (uint16_t)(round % 8 + 1);
            uint16_t first = 0;

            for (uint16_t slot = 0; slot < pushed; slot++)
                describe(&ring, slot, slot % 2 + 1, slot % 3 % 2);
            push(&ring, 0, pushed);
            take_all(&ring, taken, pushed);
            for (uint16_t batch = (uint16_t)(round / 8 % 4 + 1); first < pushed; first += batch) {
                if (batch > pushed - first)
                    batch = (uint16_t)(pushed - first);
                assert_pop_gives_nothing(&ring);
                use_first(&ring, &taken[first], batch, 0);
                for (uint16_t slot = first; slot < first + batch; slot++)
                    assert_pop_gives(&ring, slot,
                                     slot + 1 == first + batch
                                         ? 0
                                         : writable_bytes_of(slot, slot % 2 + 1, slot % 3 % 2));
            }
            assert_pop_gives_nothing(&ring);
        }
        ring_fini(&ring);
    }
}

static void a_full_ring_in_one_batch_survives_the_wrap_past_65536(void **state)
{
    static const uint16_t sizes[] = {1, 2, 4, 16, 256};
    static struct taken taken[256];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats) * COUNT(sizes); i++) {
        uint16_t size = sizes[i / COUNT(formats)];

        ring_init_slots(&ring, formats[i % COUNT(formats)], size, size, 1);
        for (uint32_t lap = 0; lap < 66000u / size + 2; lap++) {
            push(&ring, 0, size);
            take_all(&ring, taken, size);
            use_first(&ring, taken, size, 1);
            for (uint16_t slot = 0; slot < size; slot++)
                assert_pop_gives(&ring, slot, slot + 1 == size ? 1 : length_of(slot, 1));
            assert_pop_gives_nothing(&ring);
        }
        ring_fini(&ring);
    }
}

/* 2.7.9: a batch of three is entry 0 of the used ring, and the next begins with entry 3. */
/* holds: virtio.in_order.batch */
static void a_split_used_entry_stands_where_its_batch_begins(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &SPLIT_IN_ORDER, 8, 4, 1);
    push(&ring, 0, 4);
    memset(ring.used->ring, 0xff, 64);
    ring.used->ring[0] = (struct virtq_used_elem){2, 20};
    ring.used->ring[3] = (struct virtq_used_elem){3, 30};
    ring.used->idx = 4;
    assert_pop_gives(&ring, 0, length_of(0, 1));
    assert_pop_gives(&ring, 1, length_of(1, 1));
    assert_pop_gives(&ring, 2, 20);
    assert_pop_gives(&ring, 3, 30);
    assert_pop_gives_nothing(&ring);
    ring_fini(&ring);
}

/* 2.8.9: behind all descriptors of the batch. */
/* holds: virtio.in_order.batch */
static void a_packed_used_descriptor_stands_where_its_batch_begins(void **state)
{
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED_IN_ORDER, 16, 4, 3);
    push(&ring, 0, 4);
    ring.packed[0] = (struct virtq_packed_desc){.id = 6, .len = 20, .flags = 0x8080};
    ring.packed[9] = (struct virtq_packed_desc){.id = 9, .len = 30, .flags = 0x8080};
    assert_pop_gives(&ring, 0, writable_bytes_of(0, 3, 3));
    assert_pop_gives(&ring, 1, writable_bytes_of(1, 3, 3));
    assert_pop_gives(&ring, 2, 20);
    assert_pop_gives(&ring, 3, 30);
    assert_pop_gives_nothing(&ring);
    ring_fini(&ring);
}

static void slots_that_a_batch_has_freed_are_queued_again_before_its_end(void **state)
{
    struct taken taken[4];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init_slots(&ring, formats[i], 4, 4, 1);
        push(&ring, 0, 4);
        for (unsigned lap = 0; lap < 40; lap++) {
            take_all(&ring, taken, 4);
            use_first(&ring, taken, 4, 2);
            for (uint16_t slot = 0; slot < 4; slot++) {
                assert_pop_gives(&ring, slot, slot == 3 ? 2 : length_of(slot, 1));
                push(&ring, slot, 1);
            }
            assert_pop_gives_nothing(&ring);
        }
        ring_fini(&ring);
    }
}

static void a_queue_is_busy_until_the_last_batch_is_used(void **state)
{
    struct taken taken[6];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init(&ring, formats[i], 16, 6, 2);
        for (unsigned lap = 0; lap < 40; lap++) {
            for (uint16_t slot = 0; slot < 6; slot++)
                describe(&ring, slot, slot % 2 + 1, 1);
            assert_false(virtqueue_is_busy(&ring.queue));
            virtqueue_push(&ring.queue, 0, length_of(0, 1));
            assert_false(virtqueue_is_busy(&ring.queue));
            push(&ring, 1, 5);
            take_all(&ring, taken, 6);
            assert_true(virtqueue_is_busy(&ring.queue));
            use_first(&ring, taken, 2, 7);
            assert_true(virtqueue_is_busy(&ring.queue));
            use_first(&ring, &taken[2], 3, 8);
            assert_true(virtqueue_is_busy(&ring.queue));
            assert_pop_gives(&ring, 0, segment_of(0, 0, true).length_bytes);
            assert_true(virtqueue_is_busy(&ring.queue));
            use_first(&ring, &taken[5], 1, 9);
            assert_false(virtqueue_is_busy(&ring.queue));
            assert_pop_gives(&ring, 1, 7);
            assert_pop_gives(&ring, 2, segment_of(2, 0, true).length_bytes);
            assert_false(virtqueue_is_busy(&ring.queue));
            assert_pop_gives(&ring, 3, segment_of(3, 1, true).length_bytes);
            assert_pop_gives(&ring, 4, 8);
            assert_pop_gives(&ring, 5, 9);
        }
        ring_fini(&ring);
    }
}

/* Looked at within a batch, and not again before the next is used. */
static void progress_changes_when_a_batch_follows_one_that_was_seen_half_taken(void **state)
{
    struct taken taken[4];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        uint16_t seen;

        ring_init_slots(&ring, formats[i], 8, 4, 1);
        push(&ring, 0, 4);
        take_all(&ring, taken, 4);
        seen = virtqueue_progress(&ring.queue);
        use_first(&ring, taken, 3, 0);
        assert_int_not_equal(virtqueue_progress(&ring.queue), seen);
        assert_pop_gives(&ring, 0, length_of(0, 1));
        seen = virtqueue_progress(&ring.queue);
        assert_pop_gives(&ring, 1, length_of(1, 1));
        assert_pop_gives(&ring, 2, 0);
        use(&ring, &taken[3], 0);
        assert_int_not_equal(virtqueue_progress(&ring.queue), seen);
        ring_fini(&ring);
    }
}

static void is_busy_believes_no_id_that_is_not_in_flight(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &PACKED_IN_ORDER, 4, 2, 2);
    push(&ring, 0, 2);
    take_all(&ring, taken, 2);
    use_batch(&ring, 2, 4, 1, 0);
    assert_true(virtqueue_is_busy(&ring.queue));
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

/* ---- what breaks a ring ---- */

static void pop_rejects_an_id_that_is_not_in_flight(void **state)
{
    static const uint32_t ids[] = {1, 3, 4, 5, 6, 7, 8, 255, 256, 768, 0x7fff, 0xffff};
    struct taken taken[2];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats) * COUNT(ids); i++) { /* 0 and 2 are */
        ring_init_slots(&ring, formats[i % COUNT(formats)], 8, 3, 2);
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use_batch(&ring, 2, 4, ids[i / COUNT(formats)], 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_a_split_id_of_more_than_16_bits(void **state)
{
    static const uint32_t ids[] = {0x10000, 0x10002, 0x80000000, UINT32_MAX};
    struct taken taken[2];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        ring_init_slots(&ring, &SPLIT_IN_ORDER, 8, 3, 2);
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use_batch(&ring, 2, 4, ids[i], 0);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_an_id_that_comes_twice(void **state)
{
    struct taken taken[3];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init_slots(&ring, formats[i], 8, 4, 1);
        push(&ring, 0, 3);
        take_all(&ring, taken, 3);
        use_first(&ring, taken, 2, 1);
        use(&ring, &taken[1], 1);
        assert_pop_gives(&ring, 0, length_of(0, 1));
        assert_pop_gives(&ring, 1, 1);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void pop_rejects_what_is_used_while_nothing_is_in_flight(void **state)
{
    struct taken taken;
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init_slots(&ring, formats[i], 4, 4, 1);
        assert_true(virtqueue_is_sound(&ring.queue));
        use_batch(&ring, 1, 1, 0, 0);
        assert_true(virtqueue_has_news(&ring.queue));
        assert_false(virtqueue_is_sound(&ring.queue));
        assert_pop_breaks(&ring);
        ring_fini(&ring);

        ring_init_slots(&ring, formats[i], 4, 4, 1);
        push(&ring, 0, 1);
        take_all(&ring, &taken, 1);
        use(&ring, &taken, 3);
        assert_pop_gives(&ring, 0, 3);
        use(&ring, &taken, 3);
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

/* holds: virtio.in_order.batch */
static void pop_rejects_a_batch_larger_than_the_used_index_announces(void **state)
{
    struct taken taken[4];
    struct ring ring;

    (void)state;
    for (uint16_t announced = 1; announced <= 4; announced++) {
        ring_init_slots(&ring, &SPLIT_IN_ORDER, 8, 4, 1);
        push(&ring, 0, 4);
        take_all(&ring, taken, 4);
        use_batch(&ring, announced, announced, taken[2].id, 5);
        if (announced < 3)
            assert_pop_breaks(&ring);
        else
            assert_pop_gives(&ring, 0, length_of(0, 1));
        ring_fini(&ring);
    }
}

static void pop_rejects_a_used_index_ahead_of_what_is_in_flight(void **state)
{
    static const struct {
        uint16_t in_flight;
        uint16_t used_idx;
    } cases[] = {{1, 2}, {1, 9}, {7, 8}, {8, 9}, {8, 0x8000}, {1, 0xffff}, {8, 0xfff8}};
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ring_init_slots(&ring, &SPLIT_IN_ORDER, 8, 8, 1);
        push(&ring, 0, cases[i].in_flight);
        ring.used->idx = cases[i].used_idx;
        assert_true(virtqueue_has_news(&ring.queue));
        assert_pop_breaks(&ring);
        ring_fini(&ring);
    }
}

static void a_used_index_that_moves_within_a_batch_changes_nothing_of_it(void **state)
{
    struct taken taken[3];
    struct ring ring;

    (void)state;
    ring_init_slots(&ring, &SPLIT_IN_ORDER, 8, 8, 1);
    push(&ring, 0, 3);
    take_all(&ring, taken, 3);
    use_first(&ring, taken, 3, 4);
    assert_pop_gives(&ring, 0, length_of(0, 1));
    ring.used->idx = 0x8000;
    ring.used->ring[0] = (struct virtq_used_elem){0xffffffff, 0xffffffff};
    assert_pop_gives(&ring, 1, length_of(1, 1));
    assert_pop_gives(&ring, 2, 4);
    assert_pop_breaks(&ring);
    ring_fini(&ring);
}

static void pop_checks_the_length_against_the_last_buffer_of_the_batch(void **state)
{
    static const struct {
        uint16_t writable;
        uint32_t more; /* than it could write */
        bool is_accepted;
    } cases[] = {{2, 0, true}, {2, 1, false}, {1, 0, true}, {1, 1, false}, {1, 0x80000000, false}};
    struct taken taken[2];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats) * COUNT(cases); i++) {
        uint16_t writable = cases[i / COUNT(formats)].writable;
        uint32_t length = writable_bytes_of(1, 2, writable);

        ring_init(&ring, formats[i % COUNT(formats)], 8, 3, 2);
        describe(&ring, 0, 2, 0);
        describe(&ring, 1, 2, writable);
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use_first(&ring, taken, 2, length + cases[i / COUNT(formats)].more);
        if (cases[i / COUNT(formats)].is_accepted) {
            assert_pop_gives(&ring, 0, 0);
            assert_pop_gives(&ring, 1, length);
        } else {
            assert_pop_breaks(&ring);
        }
        ring_fini(&ring);
    }
}

static void pop_takes_any_length_of_a_slot_that_the_device_only_reads(void **state)
{
    static const uint32_t lengths[] = {0, 1, 65536, UINT32_MAX};
    struct taken taken[2];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats) * COUNT(lengths); i++) {
        ring_init(&ring, formats[i % COUNT(formats)], 4, 2, 1);
        describe(&ring, 0, 1, 0);
        describe(&ring, 1, 1, 0);
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use_first(&ring, taken, 2, lengths[i / COUNT(formats)]);
        assert_pop_gives(&ring, 0, 0);
        assert_pop_gives(&ring, 1, 0);
        ring_fini(&ring);
    }
}

static void a_broken_ring_stays_broken_until_init(void **state)
{
    struct taken taken[2];
    struct ring ring;

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        ring_init_slots(&ring, formats[i], 8, 8, 1);
        push(&ring, 0, 2);
        take_all(&ring, taken, 2);
        use_batch(&ring, 1, 1, 5, 0);
        assert_pop_breaks(&ring);
        if (ring.format.is_packed)
            ring.packed[0].id = 0;
        else
            ring.used->ring[0].id = 0;
        assert_pop_fails(&ring);
        push(&ring, 2, 1);
        assert_pop_fails(&ring);
        assert_true(ring.queue.is_broken);

        virtqueue_init(&ring.queue, ring.base, 8, 8, 1, formats[i]);
        ring.use_offset = ring.take_offset = ring.avail_seen = 0;
        assert_pop_gives_nothing(&ring);
        describe(&ring, 0, 1, 1);
        push(&ring, 0, 1);
        take_all(&ring, taken, 1);
        use(&ring, taken, 9);
        assert_pop_gives(&ring, 0, 9);
        ring_fini(&ring);
    }
}

/* Whatever the device writes over its entries, pop gives the slots in the order of their push or
 * breaks. */
static void scribbling_over_the_used_entries_gives_no_wrong_slot(void **state)
{
    unsigned random = 1;
    struct ring ring;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct virtqueue_completion completion;
        uint16_t next = 0;

        ring_init_slots(&ring, &SPLIT_IN_ORDER, 4, 2, 2);
        push(&ring, 0, 2);
        for (unsigned i = 0; i < 4; i++) {
            random = random * 1103515245u + 12345u;
            memset(ring.desc, (int)(random >> 24), 64);
            ring.used->ring[i % 4] = (struct virtq_used_elem){
                random >> 16 & (round & 4 ? 0xffff : 3), random >> (round & 8 ? 4 : 24)};
            ring.used->idx = (uint16_t)(ring.used->idx + (random >> 9) % (round & 16 ? 65536 : 3));
            while (virtqueue_pop(&ring.queue, &completion)) {
                assert_int_equal(completion.slot, next);
                assert_true(completion.length_bytes <= writable_bytes_of(next, 2, 2));
                next++;
            }
        }
        assert_true(next <= 2);
        ring_fini(&ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_asks_for_no_interrupt),
        cmocka_unit_test(push_writes_split_descriptors_in_ring_order_past_65536),
        cmocka_unit_test(push_all_queues_each_slot_as_it_was_described_last),
        cmocka_unit_test(descriptors_are_written_anew_and_never_read_back),
        cmocka_unit_test(a_batch_of_any_size_completes_all_before_its_last_with_all_their_bytes),
        cmocka_unit_test(a_full_ring_in_one_batch_survives_the_wrap_past_65536),
        cmocka_unit_test(a_split_used_entry_stands_where_its_batch_begins),
        cmocka_unit_test(a_packed_used_descriptor_stands_where_its_batch_begins),
        cmocka_unit_test(slots_that_a_batch_has_freed_are_queued_again_before_its_end),
        cmocka_unit_test(a_queue_is_busy_until_the_last_batch_is_used),
        cmocka_unit_test(progress_changes_when_a_batch_follows_one_that_was_seen_half_taken),
        cmocka_unit_test(is_busy_believes_no_id_that_is_not_in_flight),
        cmocka_unit_test(pop_rejects_an_id_that_is_not_in_flight),
        cmocka_unit_test(pop_rejects_a_split_id_of_more_than_16_bits),
        cmocka_unit_test(pop_rejects_an_id_that_comes_twice),
        cmocka_unit_test(pop_rejects_what_is_used_while_nothing_is_in_flight),
        cmocka_unit_test(pop_rejects_a_batch_larger_than_the_used_index_announces),
        cmocka_unit_test(pop_rejects_a_used_index_ahead_of_what_is_in_flight),
        cmocka_unit_test(a_used_index_that_moves_within_a_batch_changes_nothing_of_it),
        cmocka_unit_test(pop_checks_the_length_against_the_last_buffer_of_the_batch),
        cmocka_unit_test(pop_takes_any_length_of_a_slot_that_the_device_only_reads),
        cmocka_unit_test(a_broken_ring_stays_broken_until_init),
        cmocka_unit_test(scribbling_over_the_used_entries_gives_no_wrong_slot),
    };

    return cmocka_run_group_tests_name("virtqueue_in_order", tests, NULL, NULL);
}
