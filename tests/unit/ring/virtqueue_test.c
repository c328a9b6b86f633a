/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What holds for a virtqueue in every format: split and packed, with and without IN_ORDER,
 * with and without EVENT_IDX. The test plays the device. virtqueue_split_test.c and
 * virtqueue_packed_test.c have what holds in one format only, virtqueue_in_order_test.c has
 * batches.
 */
#include "virtqueue_fixture.h"

/* Which of `count` buffers the device uses as its nth: the last one first, unless it must use them
 * in order. */
static uint16_t nth_used(const struct ring *ring, uint16_t nth, uint16_t count)
{
    return ring->format.is_in_order ? nth : (uint16_t)(count - 1 - nth);
}

/* The number of descriptors that a slot has this time. A fixed slot always has the most; a moving
 * one has one more each round. */
static uint16_t chain_length(const struct ring *ring, uint32_t round)
{
    uint16_t most = ring->queue.segments_per_slot;

    return (uint16_t)(ring->queue.is_fixed ? most : round % most + 1);
}

/* ---- init ---- */

/* 2.7.7: NO_INTERRUPT, or an event a lap away. 2.8.10: DISABLE. */
static void assert_no_interrupt_is_wanted(const struct ring *ring)
{
    if (ring->format.is_packed) {
        assert_int_equal(ring->driver_event->flags, 1);
        assert_int_equal(ring->driver_event->off_wrap, 0);
    } else {
        assert_int_equal(ring->avail->flags, 1);
        assert_int_equal(ring->avail->ring[ring->size], 0xffff);
    }
}

/* holds: virtio.packed.interrupts */
static void init_asks_for_no_interrupt(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    assert_no_interrupt_is_wanted(ring);
    virtqueue_push_all(&ring->queue, (const uint16_t[]){0, 1}, 0);
    assert_no_interrupt_is_wanted(ring);
    virtqueue_suppress_interrupts(&ring->queue);
    assert_no_interrupt_is_wanted(ring);
}

static void init_clears_its_memory_and_nothing_beside_it(void **state)
{
    struct ring *ring = *state;

    for (uint32_t size = 1; size <= VIRTQ_SIZE_MAX; size *= 2) {
        ring_init(ring, (uint16_t)size, 1, 1);
        assert_no_interrupt_is_wanted(ring);
        if (ring->format.is_packed)
            ring->driver_event->flags = 0;
        else
            ring->avail->flags = ring->avail->ring[size] = 0;
        for (size_t i = 0; i < ring->length_bytes; i++)
            assert_int_equal(ring->base[i], 0);
    }
}

static void slots_max_keeps_within_the_ring_and_the_descriptors_that_move(void **state)
{
    static const struct {
        uint16_t size;
        uint16_t segments;
        uint16_t moving;
        uint16_t fixed;
    } cases[] = {{1, 1, 1, 1},         {1, 2, 0, 0},       {2, 3, 0, 0},       {8, 1, 8, 8},
                 {8, 3, 2, 2},         {128, 2, 64, 64},   {256, 1, 256, 256}, {256, 3, 85, 85},
                 {512, 1, 256, 256},   {512, 2, 128, 256}, {1024, 3, 85, 256}, {512, 3, 85, 170},
                 {32768, 1, 256, 256}, {32768, 3, 85, 256}};
    const struct ring *ring = *state;
    bool is_fixed = !ring->format.is_packed && !ring->format.is_in_order;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(virtqueue_slots_max(cases[i].size, cases[i].segments, &ring->format),
                         is_fixed ? cases[i].fixed : cases[i].moving);
}

/* ---- push and publish ---- */

/* holds: virtio.split.publish, virtio.packed.publish */
static void push_shows_nothing_before_the_one_store_of_publish(void **state)
{
    struct ring *ring = ring_of(state, 8, 2, 3);
    static uint8_t before[2 * PAGE];
    struct taken taken[2];

    for (uint32_t round = 0; round < 100; round++) {
        uint16_t counts[2] = {chain_length(ring, round), chain_length(ring, 2 - round % 3)};
        const uint16_t *shown =
            ring->format.is_packed ? &ring->packed[ring->take_offset].flags : &ring->avail->idx;

        for (uint16_t slot = 0; slot < 2; slot++)
            describe(ring, slot, counts[slot], 1);
        virtqueue_push(&ring->queue, 1, 70);
        virtqueue_push(&ring->queue, 0, 60);
        assert_false(take(ring, taken));
        memcpy(before, ring->base, ring->length_bytes);
        (void)virtqueue_publish(&ring->queue);
        assert_memory_not_equal(before, ring->base, ring->length_bytes);
        memcpy(before + ((const uint8_t *)shown - ring->base), shown, sizeof(*shown));
        assert_memory_equal(before, ring->base, ring->length_bytes);

        take_all(ring, taken, 2);
        assert_taken(&taken[0], 1, counts[1], 1, 70);
        assert_taken(&taken[1], 0, counts[0], 1, 60);
        for (uint16_t i = 0; i < 2; i++) {
            use(ring, &taken[nth_used(ring, i, 2)], i);
            assert_pop_gives(ring, 1 - nth_used(ring, i, 2), i);
        }
    }
}

static void push_all_queues_each_slot_as_it_was_described(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 2);
    static const uint16_t slots[] = {3, 0, 2, 1};
    struct taken taken[4];

    describe(ring, 2, 1, 0);
    for (unsigned lap = 0; lap < 20; lap++) {
        virtqueue_push_all(&ring->queue, slots, 4);
        assert_false(take(ring, taken));
        (void)virtqueue_publish(&ring->queue);
        take_all(ring, taken, 4);
        for (uint16_t i = 0; i < 4; i++) {
            uint16_t count = slots[i] == 2 ? 1 : 2;

            assert_taken(&taken[i], slots[i], count, slots[i] == 2 ? 0 : 2,
                         length_of(slots[i], count));
        }
        for (uint16_t i = 0; i < 4; i++) {
            uint16_t used = nth_used(ring, i, 4);

            use(ring, &taken[used], 0);
            assert_pop_gives(ring, slots[used], 0);
        }
        assert_pop_gives_nothing(ring);
    }
}

static void push_changes_the_length_of_the_last_segment_for_this_time_alone(void **state)
{
    struct ring *ring = ring_of(state, 8, 2, 2);
    static const uint16_t slot = 1;
    struct taken taken;

    for (uint32_t length = 1; length < 20; length++) {
        virtqueue_push(&ring->queue, slot, length);
        (void)virtqueue_publish(&ring->queue);
        take_all(ring, &taken, 1);
        assert_taken(&taken, slot, 2, 2, length);
        use(ring, &taken, writable_bytes_of(slot, 2, 2)); /* set_slot's */
        assert_pop_gives(ring, slot, writable_bytes_of(slot, 2, 2));

        virtqueue_push_all(&ring->queue, &slot, 1);
        (void)virtqueue_publish(&ring->queue);
        take_all(ring, &taken, 1);
        assert_taken(&taken, slot, 2, 2, length_of(slot, 2));
        use(ring, &taken, 0);
        assert_pop_gives(ring, slot, 0);
    }
}

/* The driver reads nothing of what push wrote. Where slots move, each push writes all of it anew.
 */
static void descriptors_are_never_read_back(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 2);
    struct taken taken[4];

    for (unsigned lap = 0; lap < 20; lap++) {
        push_and_take(ring, taken, 4);
        for (uint16_t slot = 0; slot < 4; slot++)
            assert_taken(&taken[slot], slot, 2, 2, length_of(slot, 2));
        scribble_over_buffers(ring);
        if (ring->format.is_packed)
            *ring->driver_event = (struct virtq_packed_event){0xffff, 0xffff};
        for (uint16_t i = 0; i < 4; i++)
            use(ring, &taken[nth_used(ring, i, 4)], i);
        for (uint16_t i = 0; i < 4; i++) {
            assert_pop_gives(ring, nth_used(ring, i, 4), i);
            if (ring->queue.is_fixed) /* written once */
                describe(ring, nth_used(ring, i, 4), 2, 2);
        }
    }
}

static bool push_and_publish(struct ring *ring, uint16_t slot)
{
    virtqueue_push(&ring->queue, slot, 1);
    return virtqueue_publish(&ring->queue);
}

static void publish_asks_for_one_doorbell_per_event(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    wish_for(ring, 1);
    assert_false(push_and_publish(ring, 0));
    assert_true(push_and_publish(ring, 1));
    assert_false(push_and_publish(ring, 2));
    assert_false(virtqueue_publish(&ring->queue));
}

/* holds: virtio.split.event, virtio.packed.event */
static void publish_finds_a_wish_that_came_too_late_for_its_own_entry(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    wish_for(ring, 7);
    assert_false(push_and_publish(ring, 0));
    assert_false(push_and_publish(ring, 1));
    wish_for(ring, 0);
    assert_true(push_and_publish(ring, 2));
    wish_for(ring, 2); /* rung for already */
    assert_false(push_and_publish(ring, 3));
    wish_for(ring, 3);
    assert_true(virtqueue_publish(&ring->queue)); /* of nothing new */
    assert_false(virtqueue_publish(&ring->queue));
}

/* 2.9: the index in the available ring, or the offset with the wrap counter on top. */
/* holds: virtio.registers.data */
static void next_offset_is_where_the_next_buffer_goes(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    for (uint32_t nth = 0; nth < 70000; nth++) {
        uint32_t offset = nth % 8 + (nth / 8 % 2 == 0 ? 0x8000 : 0);

        assert_int_equal(virtqueue_next_offset(&ring->queue),
                         ring->format.is_packed ? offset : nth % 65536);
        round_trip(ring, 0, 0);
    }
}

/* ---- is_busy, has_news, progress ---- */

static void a_queue_is_busy_from_publish_until_the_device_has_used_all(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);
    const uint16_t order[] = {nth_used(ring, 0, 3), nth_used(ring, 1, 3), nth_used(ring, 2, 3)};
    struct taken taken[3];

    for (unsigned lap = 0; lap < 20; lap++) {
        assert_false(virtqueue_is_busy(&ring->queue));
        virtqueue_push(&ring->queue, 0, 1);
        assert_false(virtqueue_is_busy(&ring->queue));
        push(ring, 1, 2);
        take_all(ring, taken, 3);
        assert_true(virtqueue_is_busy(&ring->queue));
        use(ring, &taken[order[0]], 0);
        assert_true(virtqueue_is_busy(&ring->queue));
        use(ring, &taken[order[1]], 0);
        assert_true(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, order[0], 0);
        assert_true(virtqueue_is_busy(&ring->queue));
        use(ring, &taken[order[2]], 0);
        assert_false(virtqueue_is_busy(&ring->queue));
        assert_pop_gives(ring, order[1], 0);
        assert_pop_gives(ring, order[2], 0);
    }
}

/* In a packed ring the device writes the first descriptor of a chain alone; the others still say
 * "available". */
/* holds: virtio.split.used, virtio.packed.used */
static void each_use_changes_progress_and_is_news_exactly_until_pop(void **state)
{
    struct ring *ring = ring_of(state, 8, 2, 3);
    struct taken taken;

    for (unsigned round = 0; round < 64; round++) {
        uint16_t seen = virtqueue_progress(&ring->queue);

        describe(ring, 0, chain_length(ring, round), 1);
        assert_pop_gives_nothing(ring);
        push(ring, 0, 1);
        assert_pop_gives_nothing(ring);
        take_all(ring, &taken, 1);
        assert_pop_gives_nothing(ring);
        assert_int_equal(virtqueue_progress(&ring->queue), seen);
        use(ring, &taken, 1);
        assert_int_not_equal(virtqueue_progress(&ring->queue), seen);
        assert_true(virtqueue_is_sound(&ring->queue));
        assert_pop_gives(ring, 0, 1);
    }
}

/* ---- pop ---- */

/* holds: virtio.packed.used */
static void pop_follows_the_order_in_which_the_device_used(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 2);
    static const uint16_t any_order[] = {3, 0, 2, 1};
    static const uint16_t in_order[] = {0, 1, 2, 3};
    const uint16_t *order = ring->format.is_in_order ? in_order : any_order;
    struct taken taken[4];

    for (unsigned lap = 0; lap < 20; lap++) {
        for (uint16_t slot = 0; slot < 4; slot++)
            describe(ring, slot, chain_length(ring, slot), 1);
        push_and_take(ring, taken, 4);
        use(ring, &taken[order[0]], 30);
        use(ring, &taken[order[1]], 0);
        assert_pop_gives(ring, order[0], 30);
        use(ring, &taken[order[2]], 20);
        use(ring, &taken[order[3]], 10);
        assert_pop_gives(ring, order[1], 0);
        assert_pop_gives(ring, order[2], 20);
        assert_pop_gives(ring, order[3], 10);
        assert_pop_gives_nothing(ring);
    }
}

/* Slots 0 and 1 are in flight, 2 and 3 are not, and there are no more. */
/* holds: virtio.packed.checks, virtio.broken.memory */
static void pop_rejects_an_id_that_is_not_in_flight(void **state)
{
    struct ring *ring = *state;
    static const uint16_t ids[] = {1,   2,      3,      4,      5,      6,      7,      8,
                                   9,   11,     12,     15,     16,     255,    256,    767,
                                   768, 0x7fff, 0x8000, 0x8001, 0x8002, 0x8003, 0xfffe, 0xffff};
    struct taken taken[2];

    for (uint16_t count = 1; count <= VIRTQUEUE_SEGMENTS_MAX; count++) {
        for (size_t i = 0; i < COUNT(ids); i++) {
            if (ids[i] == count) /* slot 1 */
                continue;
            ring_init_slots(ring, 16, 4, count);
            push_and_take(ring, taken, 2);
            use_batch(ring, 2, 2u * count, ids[i], 0);
            assert_pop_breaks(ring);
        }
    }
}

static void pop_rejects_the_id_after_the_last_slot_there_can_be(void **state)
{
    struct ring *ring = *state;
    struct taken taken;

    for (uint16_t count = 1; count <= VIRTQUEUE_SEGMENTS_MAX; count++) {
        uint16_t slots = virtqueue_slots_max(1024, count, &ring->format);
        uint8_t *chains = (uint8_t *)&ring->queue + offsetof(struct virtqueue, chains);

        ring_init_slots(ring, 1024, slots, count);
        push_and_take(ring, &taken, 1);
        /* What lies there looks like a chain in flight: only the bound tells. */
        memset(chains + (size_t)slots * count * sizeof(struct virtqueue_chain), 1,
               sizeof(struct virtqueue_chain));
        use_batch(ring, 1, count, (uint32_t)(slots * count), 0);
        assert_pop_breaks(ring);
    }
}

static void pop_rejects_an_id_that_comes_twice(void **state)
{
    struct ring *ring = ring_of(state, 8, 4, 2);
    struct taken taken[2];

    push_and_take(ring, taken, 2);
    use(ring, &taken[nth_used(ring, 0, 2)], 10);
    use(ring, &taken[nth_used(ring, 0, 2)], 10);
    assert_pop_gives(ring, nth_used(ring, 0, 2), 10);
    assert_pop_breaks(ring);
}

/* holds: virtio.packed.checks, virtio.broken.memory */
static void pop_rejects_what_is_used_while_nothing_is_in_flight(void **state)
{
    struct ring *ring = *state;

    for (int trips = 0; trips <= 1; trips++) {
        ring_init_slots(ring, 4, 4, 1);
        if (trips > 0)
            round_trip(ring, 3, 3);
        assert_true(virtqueue_is_sound(&ring->queue));
        use_batch(ring, 1, 1, 0, 3);
        assert_true(virtqueue_has_news(&ring->queue));
        assert_false(virtqueue_is_sound(&ring->queue));
        assert_pop_breaks(ring);
    }
}

/* holds: virtio.packed.checks, virtio.broken.memory */
static void pop_checks_the_length_against_the_writable_bytes(void **state)
{
    struct ring *ring = *state;
    static const struct {
        bool is_writable[2];
        uint32_t length_bytes;
        bool is_accepted;
    } cases[] = {
        {{false, true}, 1514, true},        {{false, true}, 1515, false},
        {{false, true}, UINT32_MAX, false}, {{true, true}, 1526, true},
        {{true, true}, 1527, false},        {{true, true}, 0, true},
        {{true, true}, 65536, false},
    };
    struct taken taken;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct virtqueue_segment segments[] = {{0x1000, 12, cases[i].is_writable[0]},
                                                     {0x2000, 1514, cases[i].is_writable[1]}};

        ring_init(ring, 8, 4, 2);
        virtqueue_set_slot(&ring->queue, 0, segments, 2);
        virtqueue_push(&ring->queue, 0, 1514);
        (void)virtqueue_publish(&ring->queue);
        take_all(ring, &taken, 1);
        use(ring, &taken, cases[i].length_bytes);
        if (cases[i].is_accepted)
            assert_pop_gives(ring, 0, cases[i].length_bytes);
        else
            assert_pop_breaks(ring);
    }
}

/* holds: virtio.legacy.used_length */
static void pop_takes_any_length_of_a_slot_that_the_device_only_reads(void **state)
{
    struct ring *ring = *state;
    static const uint32_t lengths[] = {0, 1, 1514, 65536, UINT32_MAX};

    for (uint16_t count = 1; count <= VIRTQUEUE_SEGMENTS_MAX; count++) {
        ring_init(ring, 4, 1, count);
        describe(ring, 0, count, 0);
        for (size_t i = 0; i < COUNT(lengths); i++)
            round_trip(ring, lengths[i], 0);
    }
}

/* ---- broken ---- */

/* holds: virtio.broken.counted */
static void a_broken_ring_stays_broken_when_the_device_mends_its_ways(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);
    struct taken taken[2];

    push_and_take(ring, taken, 2);
    use_batch(ring, 1, 1, 5, 0);
    assert_pop_breaks(ring);
    assert_int_equal(ring->queue.in_flight_count, 0);
    if (ring->format.is_packed)
        ring->packed[0].id = taken[0].id;
    else
        ring->used->ring[0].id = taken[0].id;
    assert_pop_fails(ring);
    use(ring, &taken[1], 0);
    assert_pop_fails(ring);
    if (ring->format.is_packed)
        ring->packed[0].flags = 0x80;
    else
        ring->used->idx = 0;
    assert_pop_fails(ring);

    ring->use_offset = 0; /* and when its owner goes on */
    push(ring, 2, 1);
    take_all(ring, taken, 1);
    assert_false(virtqueue_is_busy(&ring->queue));
    use(ring, taken, 0);
    assert_pop_fails(ring);
    assert_true(ring->queue.is_broken);
    assert_false(virtqueue_is_sound(&ring->queue));
}

static void a_ring_that_its_owner_breaks_is_broken(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);
    struct taken taken;

    push_and_take(ring, &taken, 1);
    use(ring, &taken, 1);
    assert_false(virtqueue_break(&ring->queue));
    assert_true(ring->queue.is_broken);
    assert_int_equal(ring->queue.in_flight_count, 0);
    assert_pop_fails(ring);
    assert_false(virtqueue_is_sound(&ring->queue));
}

/* holds: virtio.broken.recovery */
static void init_recovers_a_broken_ring(void **state)
{
    struct ring *ring = ring_of(state, 8, 8, 1);

    push(ring, 0, 8);
    use_batch(ring, 1, 1, 8, 0);
    assert_pop_breaks(ring);
    ring_set_up(ring, 8, 1);
    assert_false(ring->queue.is_broken);
    assert_pop_gives_nothing(ring);
    describe(ring, 0, 1, 1);
    round_trip(ring, 9, 9);
    assert_pop_gives_nothing(ring);
}

static unsigned next_random(unsigned *random)
{
    *random = *random * 1103515245u + 12345u;
    return *random;
}

/* The device overwrites whatever it can. Half of the rounds stay close to the truth. */
static void scribble(struct ring *ring, unsigned nth, unsigned round, unsigned random)
{
    uint16_t id = (uint16_t)(random >> 16 & (round & 4 ? 0xffff : 3));
    uint32_t length = random >> (round & 8 ? 4 : 24);

    if (ring->format.is_packed) {
        ring->packed[nth % 4].flags ^= (uint16_t)(random >> 16 & 0x8083);
        ring->packed[nth % 4].id = (uint16_t)(random >> 8 & (round & 4 ? 0xffff : 3));
        ring->packed[nth % 4].len = length;
        ring->device_event->off_wrap = (uint16_t)(random >> 3);
        ring->device_event->flags = (uint16_t)(random >> 9);
        ring->driver_event->flags = (uint16_t)(random >> 5);
    } else {
        memset(ring->desc, (int)(random >> 24), 64);
        ring->used->ring[nth % 4] = (struct virtq_used_elem){id, length};
        ring->used->idx += (uint16_t)((random >> 9) % (round & 16 ? 65536 : 3));
        ring->used->flags = (uint16_t)(random >> 5);
        wish_for(ring, (uint16_t)(random >> 3));
    }
}

/* Whatever the device writes over everything, pop gives slots that are in flight, each once, with a
 * length that fits, and in order if that was agreed; or it breaks. Nothing outside is touched. */
/* holds: virtio.packed.checks, virtio.broken.memory */
static void scribbling_over_the_ring_gives_no_wrong_slot(void **state)
{
    struct ring *ring = ring_of(state, 4, 2, 2);
    unsigned random = 1;

    for (unsigned round = 0; round < 20000; round++) {
        struct virtqueue_completion completion;
        bool is_in_flight[2] = {true, true};

        ring_set_up(ring, 2, 2);
        for (uint16_t slot = 0; slot < 2; slot++)
            describe(ring, slot, 2, 2);
        push(ring, 0, 2);
        for (unsigned i = 0; i < 6; i++) {
            scribble(ring, i, round, next_random(&random));
            (void)virtqueue_publish(&ring->queue);
            (void)virtqueue_is_busy(&ring->queue);
            while (virtqueue_pop(&ring->queue, &completion)) {
                assert_true(completion.slot < 2);
                assert_true(is_in_flight[completion.slot]);
                is_in_flight[completion.slot] = false;
                assert_true(completion.length_bytes <= writable_bytes_of(completion.slot, 2, 2));
                if (ring->format.is_in_order && completion.slot == 1)
                    assert_false(is_in_flight[0]);
            }
        }
    }
}

/* ---- long runs ---- */

/* holds: virtio.packed.wrap */
static void a_full_ring_survives_the_wrap_past_65536(void **state)
{
    struct ring *ring = *state;
    static struct taken taken[256];

    for (uint16_t size = 1; size <= 256; size *= 2) {
        ring_init_slots(ring, size, size, 1);
        for (uint32_t lap = 0; lap < 66000u / size + 2; lap++) {
            push_and_take(ring, taken, size);
            assert_pop_gives_nothing(ring);
            for (uint16_t i = 0; i < size; i++)
                use(ring, &taken[nth_used(ring, i, size)], i % 64);
            for (uint16_t i = 0; i < size; i++)
                assert_pop_gives(ring, nth_used(ring, i, size), i % 64);
            assert_pop_gives_nothing(ring);
        }
    }
}

static void nothing_but_the_queue_memory_is_written_at_the_largest_size(void **state)
{
    struct ring *ring = *state;
    uint16_t slots = virtqueue_slots_max(VIRTQ_SIZE_MAX, 3, &ring->format);
    static struct taken taken[VIRTQUEUE_SLOTS_MAX];

    ring_init_slots(ring, VIRTQ_SIZE_MAX, slots, 3);
    for (uint32_t nth = 0; nth < 2 * VIRTQ_SIZE_MAX + 3u * slots; nth += 3u * slots) {
        push_and_take(ring, taken, slots);
        for (uint16_t i = 0; i < slots; i++) {
            use(ring, &taken[nth_used(ring, i, slots)], 7);
            assert_pop_gives(ring, nth_used(ring, i, slots), 7);
        }
        assert_pop_gives_nothing(ring);
    }
}

int main(void)
{
    static const struct property properties[] = {
        PROPERTY(init_asks_for_no_interrupt, IN_EVERY_FORMAT),
        PROPERTY(init_clears_its_memory_and_nothing_beside_it, IN_EVERY_FORMAT),
        PROPERTY(slots_max_keeps_within_the_ring_and_the_descriptors_that_move, IN_EVERY_FORMAT),
        PROPERTY(push_shows_nothing_before_the_one_store_of_publish, IN_EVERY_FORMAT),
        PROPERTY(push_all_queues_each_slot_as_it_was_described, IN_EVERY_FORMAT),
        PROPERTY(push_changes_the_length_of_the_last_segment_for_this_time_alone, IF_SLOTS_MOVE),
        PROPERTY(descriptors_are_never_read_back, IN_EVERY_FORMAT),
        PROPERTY(publish_asks_for_one_doorbell_per_event, IF_EVENT_IDX),
        PROPERTY(publish_finds_a_wish_that_came_too_late_for_its_own_entry, IF_EVENT_IDX),
        PROPERTY(next_offset_is_where_the_next_buffer_goes, IF_NO_EVENT_IDX),
        PROPERTY(a_queue_is_busy_from_publish_until_the_device_has_used_all, IN_EVERY_FORMAT),
        PROPERTY(each_use_changes_progress_and_is_news_exactly_until_pop, IN_EVERY_FORMAT),
        PROPERTY(pop_follows_the_order_in_which_the_device_used, IN_EVERY_FORMAT),
        PROPERTY(pop_rejects_an_id_that_is_not_in_flight, IN_EVERY_FORMAT),
        PROPERTY(pop_rejects_the_id_after_the_last_slot_there_can_be, IN_EVERY_FORMAT),
        PROPERTY(pop_rejects_an_id_that_comes_twice, IN_EVERY_FORMAT),
        PROPERTY(pop_rejects_what_is_used_while_nothing_is_in_flight, IN_EVERY_FORMAT),
        PROPERTY(pop_checks_the_length_against_the_writable_bytes, IN_EVERY_FORMAT),
        PROPERTY(pop_takes_any_length_of_a_slot_that_the_device_only_reads, IN_EVERY_FORMAT),
        PROPERTY(a_broken_ring_stays_broken_when_the_device_mends_its_ways, IN_EVERY_FORMAT),
        PROPERTY(a_ring_that_its_owner_breaks_is_broken, IN_EVERY_FORMAT),
        PROPERTY(init_recovers_a_broken_ring, IN_EVERY_FORMAT),
        PROPERTY(scribbling_over_the_ring_gives_no_wrong_slot, IN_EVERY_FORMAT),
        PROPERTY(a_full_ring_survives_the_wrap_past_65536, IF_NO_EVENT_IDX),
        PROPERTY(nothing_but_the_queue_memory_is_written_at_the_largest_size, IN_EVERY_FORMAT),
    };

    return run_properties("virtqueue", properties, COUNT(properties));
}
