/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The virtqueue, whatever the device writes to it at any time: each load of the ring gives any
 * value. The ring's memory is an object of exactly its layout's size.
 *
 * is_sane is what the driver's own records always fulfil. prove_ring_init shows that it holds
 * after virtqueue_init and virtqueue_set_slot. Each other proof begins with any records that fulfil
 * it, lets one operation happen, and shows that it holds again: so it holds after any number of
 * them, and no access is outside.
 *
 * Assumed: what virtqueue.h asks of callers. A slot that is pushed or described exists and is not
 * in flight, unless the ring is broken; a slot has 1 to segments_per_slot segments; a size is a
 * power of two. The arrays of the queue have room for four or eight slots here instead of 256, of
 * which the proofs use as many as the ring's size allows. ring_any_size.c has all of them.
 */
#ifndef RING_SIZE_LOG2_MAX
#define RING_SIZE_LOG2_MAX 2u
#endif
#include "ring_state.h"

#define SLOTS_MAX (1u << RING_SIZE_LOG2_MAX)
#define CHAINS_MAX (SLOTS_MAX * VIRTQUEUE_SEGMENTS_MAX)

static bool is_chain_sane(unsigned slot)
{
    unsigned first = first_of(slot);

    return queue.chains[first].slot == slot && queue.chains[first].segment_count >= 1 &&
           queue.chains[first].segment_count <= queue.segments_per_slot;
}

static unsigned flying(void)
{
    unsigned count = 0;

    for (unsigned slot = 0; slot < SLOTS_MAX; slot++)
        count += slot < queue.slot_count && queue.chains[first_of(slot)].is_in_flight;
    return count;
}

/* Only the first index of a chain can be in flight. */
static bool is_inside_silent(void)
{
    for (unsigned i = 0; i < CHAINS_MAX; i++) {
        if (queue.chains[i].is_in_flight &&
            (i >= (unsigned)queue.slot_count * queue.segments_per_slot ||
             i % queue.segments_per_slot != 0))
            return false;
    }
    return true;
}

static uint16_t slot_of_turn(unsigned nth)
{
    return queue.turns[(uint16_t)(queue.turn_popped + nth) % VIRTQUEUE_SLOTS_MAX].slot;
}

/* The turns are the slots in flight, each once. What the device said of a batch fits its last. */
static bool are_turns_sane(void)
{
    bool is_seen[SLOTS_MAX] = {false};

    if ((uint16_t)(queue.turn_pushed - queue.turn_popped) != queue.in_flight_count ||
        queue.batch_left > queue.in_flight_count)
        return false;
    for (unsigned nth = 0; nth < SLOTS_MAX; nth++) {
        uint16_t slot = slot_of_turn(nth);

        if (nth >= queue.in_flight_count)
            break;
        if (slot >= queue.slot_count || is_seen[slot] || !queue.chains[first_of(slot)].is_in_flight)
            return false;
        is_seen[slot] = true;
    }
    return queue.batch_left == 0 ||
           queue.batch_length_bytes <=
               queue.chains[first_of(slot_of_turn(queue.batch_left - 1u))].writable_bytes;
}

static bool is_sane(void)
{
    for (unsigned slot = 0; slot < SLOTS_MAX; slot++) {
        if (slot < queue.slot_count && !is_chain_sane(slot))
            return false;
    }
    if (!is_inside_silent() || !is_watch_sane())
        return false;
    if (queue.is_broken)
        return queue.chained_count == 0;
    return queue.chained_count == queue.slot_count * queue.segments_per_slot &&
           queue.in_flight_count == flying() && (!queue.format.is_in_order || are_turns_sane());
}

/* A queue with any records that are sane. */
static void any_queue(struct virtqueue_format format)
{
    any_records(format);
    assume(is_sane());
}

static uint16_t any_idle_slot(void)
{
    uint16_t slot = nondet_uint16();

    assume(slot < queue.slot_count);
    assume(queue.is_broken || !queue.chains[first_of(slot)].is_in_flight);
    return slot;
}

/* Nothing that describes a slot changes. */
static void push_one(void)
{
    uint16_t slot = any_idle_slot();
    uint16_t other = nondet_uint16();
    struct virtqueue before = queue;

    virtqueue_push(&queue, slot, nondet_uint32());
    assume(other < queue.slot_count);
    claim(queue.chains[first_of(slot)].is_in_flight, "it is in flight");
    claim(other == slot || queue.chains[first_of(other)].is_in_flight ==
                               before.chains[first_of(other)].is_in_flight,
          "no other slot is pushed");
    claim(queue.chains[first_of(other)].segment_count ==
              before.chains[first_of(other)].segment_count,
          "the slots are as they were described");
    claim(queue.is_fixed || written_since(&before) == before.chains[first_of(slot)].segment_count,
          "as many descriptors as it has segments");
}

static void push_some(void)
{
    uint16_t slots[2];
    uint16_t count = nondet_uint16();

    assume(count <= 2);
    for (unsigned i = 0; i < count; i++)
        slots[i] = any_idle_slot();
    assume(count < 2 || slots[0] != slots[1]);
    virtqueue_push_all(&queue, slots, count);
}

/* What is completed was in flight, is so no longer, and holds as many bytes. */
static void pop_one(void)
{
    struct virtqueue_completion completion;
    struct virtqueue before = queue;
    uint16_t other = nondet_uint16();
    unsigned first;

    if (!virtqueue_pop(&queue, &completion))
        return;
    claim(!before.is_broken && completion.slot < queue.slot_count, "a slot that exists");
    first = first_of(completion.slot);
    claim(before.chains[first].is_in_flight, "a slot that was in flight");
    claim(completion.length_bytes <= before.chains[first].writable_bytes, "a length that fits");
    claim(!queue.chains[first].is_in_flight, "it is completed once");
    assume(other < queue.slot_count && other != completion.slot);
    claim(queue.chains[first_of(other)].is_in_flight == before.chains[first_of(other)].is_in_flight,
          "no other slot is completed");
    if (queue.format.is_in_order)
        claim(completion.slot == before.turns[before.turn_popped % VIRTQUEUE_SLOTS_MAX].slot,
              "the oldest comes first");
}

static void look_all(void)
{
    (void)virtqueue_is_busy(&queue);
    look();
}

static void operate(struct virtqueue_format format)
{
    any_queue(format);
    switch (nondet_uint8()) {
    case 0:
        set_any_slot(any_idle_slot());
        break;
    case 1:
        push_one();
        break;
    case 2:
        push_some();
        break;
    case 3:
        (void)virtqueue_publish(&queue);
        break;
    case 4:
        pop_one();
        break;
    case 5:
        (void)virtqueue_break(&queue);
        break;
    case 6:
        virtqueue_suppress_interrupts(&queue);
        break;
    default:
        look_all();
    }
    claim(is_sane(), "the records are sane");
}

void prove_ring_split(void)
{
    operate((struct virtqueue_format){0});
}

void prove_ring_split_in_order(void)
{
    operate((struct virtqueue_format){.is_in_order = true});
}

/* One operation for each proof of a packed ring: all of them are too much at once. */
#define PROVE_PACKED(operation, ...)                                                               \
    void prove_ring_packed_##operation(void)                                                       \
    {                                                                                              \
        any_queue((struct virtqueue_format){.is_packed = true});                                   \
        __VA_ARGS__;                                                                               \
        claim(is_sane(), "the records are sane");                                                  \
    }                                                                                              \
    void prove_ring_packed_in_order_##operation(void)                                              \
    {                                                                                              \
        any_queue((struct virtqueue_format){.is_packed = true, .is_in_order = true});              \
        __VA_ARGS__;                                                                               \
        claim(is_sane(), "the records are sane");                                                  \
    }

PROVE_PACKED(set_slot, set_any_slot(any_idle_slot()))
PROVE_PACKED(push, push_one())
PROVE_PACKED(push_all, push_some())
PROVE_PACKED(publish, (void)virtqueue_publish(&queue))
PROVE_PACKED(pop, pop_one())
PROVE_PACKED(look, look_all())
PROVE_PACKED(break, (void)virtqueue_break(&queue); virtqueue_suppress_interrupts(&queue))

/* After init, all slots are described once, in any way. */
void prove_ring_init(void)
{
    struct shape shape = any_shape(
        (struct virtqueue_format){.is_packed = nondet_bool(), .is_in_order = nondet_bool()});

    virtqueue_init(&queue, shape.memory, shape.size, shape.slot_count, shape.segments_per_slot,
                   &shape.format);
    for (uint16_t slot = 0; slot < queue.slot_count; slot++)
        set_any_slot(slot);
    claim(is_sane() && !queue.is_broken && queue.in_flight_count == 0, "the records are sane");
}
