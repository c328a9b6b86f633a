/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The virtqueue at every size, up to the largest that VIRTIO has, with as many slots as the driver
 * takes. ring.c proves more of small rings.
 *
 * What the records fulfil is stated of one place at a time here: for an index of `chains`, and for
 * a turn of IN_ORDER. An operation is proven from the places that it uses; of any other place, it
 * is shown that it fulfils this afterwards if it did before. So all of them do, always.
 *
 * An operation knows only when it runs which place it uses. The proof guesses one before, and what
 * happens when it has guessed wrong is no part of it: every run has a right guess.
 *
 * Assumed: as in ring.c. And when one slot is not in flight, fewer are than there are: this is
 * counting, which is hard for a solver. The count itself is shown to change by one, with the slot.
 */
#define RING_SIZE_LOG2_MAX 15u
#include "ring_state.h"

#define CHAINS (VIRTQUEUE_SLOTS_MAX * VIRTQUEUE_SEGMENTS_MAX)

static unsigned index_count(void)
{
    return (unsigned)queue.slot_count * queue.segments_per_slot;
}

/* The first index of a slot has its records; no other can be in flight. */
static bool is_index_sane(unsigned index)
{
    const struct virtqueue_chain chain = queue.chains[index];

    if (index >= index_count() || index % queue.segments_per_slot != 0)
        return !chain.is_in_flight;
    return first_of(chain.slot) == index && chain.segment_count >= 1 &&
           chain.segment_count <= queue.segments_per_slot;
}

/* The turn in which a slot was pushed: a record of the proof. No two turns have the same slot. */
static uint16_t turn_of[VIRTQUEUE_SLOTS_MAX];

static uint16_t slot_of(unsigned nth)
{
    return queue.turns[(uint16_t)(queue.turn_popped + nth) % VIRTQUEUE_SLOTS_MAX].slot;
}

/* The nth oldest turn has a slot in flight, which has no other turn. */
static bool is_turn_sane(unsigned nth)
{
    uint16_t slot = slot_of(nth);

    return slot < queue.slot_count && queue.chains[first_of(slot)].is_in_flight &&
           turn_of[slot] == (uint16_t)(queue.turn_popped + nth) && is_index_sane(first_of(slot));
}

/* The last buffer of a batch that is under way is in flight, and holds what the device said. */
static bool is_batch_sane(void)
{
    return queue.batch_left == 0 ||
           (queue.batch_left <= queue.in_flight_count && is_turn_sane(queue.batch_left - 1u) &&
            queue.batch_length_bytes <=
                queue.chains[first_of(slot_of(queue.batch_left - 1u))].writable_bytes);
}

/* What is no array. */
static bool is_frame_sane(void)
{
    if (!is_watch_sane() || queue.chained_count != (queue.is_broken ? 0 : index_count()))
        return false;
    if (queue.is_broken)
        return true;
    return queue.in_flight_count <= queue.slot_count &&
           (!queue.format.is_in_order ||
            (uint16_t)(queue.turn_pushed - queue.turn_popped) == queue.in_flight_count);
}

static bool has_turns(void)
{
    return queue.format.is_in_order && !queue.is_broken;
}

/* ---- the places that an operation does not use ---- */

static struct virtqueue before;
static uint16_t other_index;
static uint16_t other_turn; /* counted as turn_popped is */

static bool is_in_flight(uint16_t turn)
{
    return (uint16_t)(turn - queue.turn_popped) < queue.in_flight_count;
}

static struct virtqueue_format any_format(void)
{
    return (struct virtqueue_format){.is_packed = nondet_bool(), .is_in_order = nondet_bool()};
}

static void any_queue(struct virtqueue_format format)
{
    any_records(format);
    assume(is_frame_sane());
    other_index = nondet_uint16();
    assume(other_index < CHAINS && is_index_sane(other_index));
    if (has_turns()) {
        other_turn = nondet_uint16();
        assume(!is_in_flight(other_turn) ||
               is_turn_sane((uint16_t)(other_turn - queue.turn_popped)));
        assume(is_batch_sane());
    }
    before = queue;
}

static void claim_sane(void)
{
    claim(is_frame_sane(), "the records are sane");
    claim(is_index_sane(other_index), "each index is sane");
    if (!has_turns())
        return;
    claim(!is_in_flight(other_turn) || is_turn_sane((uint16_t)(other_turn - queue.turn_popped)),
          "each turn is sane");
    claim(is_batch_sane(), "what the device said of a batch fits its last buffer");
}

/* The slots in flight are those of before, and `more`: at `index`, and perhaps at `second`. */
static void claim_count_of_two(unsigned index, unsigned second, int more)
{
    claim(queue.in_flight_count == (uint16_t)(before.in_flight_count + more),
          "the slots in flight are counted");
    claim(other_index == index || other_index == second ||
              queue.chains[other_index].is_in_flight == before.chains[other_index].is_in_flight,
          "no other slot changes");
}

static void claim_count(unsigned index, int more)
{
    claim_count_of_two(index, index, more);
}

/* ---- the operations ---- */

static uint16_t any_idle_slot(void)
{
    uint16_t slot = nondet_uint16();

    assume(slot < queue.slot_count);
    assume(queue.is_broken || (!queue.chains[first_of(slot)].is_in_flight &&
                               queue.in_flight_count < queue.slot_count));
    return slot;
}

static uint16_t any_described_slot(void)
{
    uint16_t slot = any_idle_slot();

    assume(is_index_sane(first_of(slot)));
    if (!queue.is_fixed)
        claim(first_of(slot) + queue.chains[first_of(slot)].segment_count <= VIRTQUEUE_MOVING_MAX,
              "its segments are in their array");
    return slot;
}

/* Whether or not it was described before. */
void prove_ring_any_set_slot(void)
{
    uint16_t slot;

    any_queue(any_format());
    slot = any_idle_slot();
    set_any_slot(slot);
    claim_sane();
    claim(is_index_sane(first_of(slot)), "the slot is sane");
    claim_count(first_of(slot), 0);
}

static void push_one(struct virtqueue_format format)
{
    uint16_t slot;

    any_queue(format);
    slot = any_described_slot();
    turn_of[slot] = queue.turn_pushed;
    virtqueue_push(&queue, slot, nondet_uint32());
    claim_sane();
    claim_count(first_of(slot), 1);
    claim(queue.chains[first_of(slot)].is_in_flight, "it is in flight");
    claim(queue.is_fixed || written_since(&before) == before.chains[first_of(slot)].segment_count,
          "as many descriptors as it has segments");
}

void prove_ring_any_push(void)
{
    push_one((struct virtqueue_format){0});
}

void prove_ring_any_push_in_order(void)
{
    push_one((struct virtqueue_format){.is_in_order = true});
}

void prove_ring_any_push_packed(void)
{
    push_one((struct virtqueue_format){.is_packed = true});
}

void prove_ring_any_push_packed_in_order(void)
{
    push_one((struct virtqueue_format){.is_packed = true, .is_in_order = true});
}

/* Of slots that do not move: up to two. Of others virtqueue_push_all does as virtqueue_push. */
void prove_ring_any_push_all(void)
{
    uint16_t slots[2];
    uint16_t count = nondet_uint16();

    any_queue((struct virtqueue_format){0});
    assume(count <= 2);
    slots[0] = any_described_slot();
    slots[1] = any_described_slot();
    assume(slots[0] != slots[1] &&
           (queue.is_broken || queue.in_flight_count + count <= queue.slot_count));
    virtqueue_push_all(&queue, slots, count);
    claim_sane();
    claim_count_of_two(count > 0 ? first_of(slots[0]) : CHAINS,
                       count > 1 ? first_of(slots[1]) : CHAINS, count);
}

void prove_ring_any_publish(void)
{
    any_queue(any_format());
    (void)virtqueue_publish(&queue);
    claim_sane();
    claim_count(CHAINS, 0);
}

void prove_ring_any_look(void)
{
    any_queue(any_format());
    if (!has_turns())
        (void)virtqueue_is_busy(&queue);
    look();
    claim_sane();
    claim_count(CHAINS, 0);
}

void prove_ring_any_break(void)
{
    any_queue(any_format());
    (void)virtqueue_break(&queue);
    virtqueue_suppress_interrupts(&queue);
    claim_sane();
}

static void claim_completion(const struct virtqueue_completion *completion, uint16_t index)
{
    claim(!before.is_broken && completion->slot < queue.slot_count, "a slot that exists");
    claim(first_of(completion->slot) == index, "the slot that is named");
    claim(before.chains[index].is_in_flight, "a slot that was in flight");
    claim(completion->length_bytes <= before.chains[index].writable_bytes, "a length that fits");
    claim(!queue.chains[index].is_in_flight, "it is completed once");
}

/* The guess takes for granted that the slot was in flight: ring_split and ring_packed_pop, of small
 * rings, prove that. */
void prove_ring_any_pop(void)
{
    struct virtqueue_completion completion;
    uint16_t index = nondet_uint16();

    any_queue((struct virtqueue_format){.is_packed = nondet_bool()});
    assume(index < CHAINS && is_index_sane(index));
    if (!virtqueue_pop(&queue, &completion)) {
        claim_sane();
        return;
    }
    assume(before.chains[index].is_in_flight && !queue.chains[index].is_in_flight);
    claim_completion(&completion, index);
    claim_sane();
    claim(is_index_sane(index), "the slot is sane");
    claim_count(index, -1);
}
#ifndef OWN_BATCH
/* In a proof of its own the driver's function is not static. */
uint16_t batch_of(const struct virtqueue *asked, unsigned nth, uint32_t id);

/* Any id, any records, and any turns in flight. A buffer more is a pass of the loop more. */
void prove_ring_batch(void)
{
    uint32_t id = nondet_uint32();
    uint16_t nth = nondet_uint16();
    uint16_t count;

    __CPROVER_havoc_object(&queue);
    assume(queue.in_flight_count <= VIRTQUEUE_SLOTS_MAX);
    count = batch_of(&queue, nth, id);
    claim(count == 0 || nth + count <= queue.in_flight_count, "a batch is of turns in flight");
    claim(count == 0 ||
              queue.turns[(queue.turn_popped + nth + count - 1u) % VIRTQUEUE_SLOTS_MAX].id == id,
          "the last of them has the id");
}
#else
/* What prove_ring_batch allows. */
uint16_t batch_of(const struct virtqueue *asked, unsigned nth, uint32_t id)
{
    uint16_t count = nondet_uint16();

    (void)id;
    claim(asked == &queue && nth == 0, "it is asked of all turns");
    assume(count <= queue.in_flight_count);
    assume(count == 0 || is_turn_sane(count - 1u));
    return count;
}

void prove_ring_any_pop_in_order(void)
{
    struct virtqueue_completion completion;
    uint16_t index;

    any_queue((struct virtqueue_format){.is_packed = nondet_bool(), .is_in_order = true});
    assume(queue.is_broken || queue.in_flight_count == 0 || is_turn_sane(0));
    index = (uint16_t)first_of(slot_of(0));
    if (virtqueue_pop(&queue, &completion)) {
        claim_completion(&completion, index);
        claim_count(index, -1);
    }
    claim_sane();
}
#endif

/* Before any slot is described: nothing is in flight. */
void prove_ring_any_init(void)
{
    struct shape shape = any_shape(any_format());

    other_index = nondet_uint16();
    assume(other_index < CHAINS);
    virtqueue_init(&queue, shape.memory, shape.size, shape.slot_count, shape.segments_per_slot,
                   &shape.format);
    claim(is_frame_sane() && !queue.is_broken, "the records are sane");
    claim(!queue.chains[other_index].is_in_flight && queue.in_flight_count == 0 &&
              queue.batch_left == 0,
          "nothing is in flight");
}

/* So many slots have their descriptors in the ring, and their records in the queue's arrays. */
void prove_ring_any_slots(void)
{
    uint16_t size = nondet_uint16();
    uint16_t segments = nondet_uint16();
    struct virtqueue_format format = any_format();
    uint16_t slots;

    assume(segments >= 1);
    slots = virtqueue_slots_max(size, segments, &format);
    claim(slots * segments <= size, "the ring has room for their descriptors");
    claim(slots <= VIRTQUEUE_SLOTS_MAX, "the queue has room for their chains");
    claim((!format.is_packed && !format.is_in_order) || slots * segments <= VIRTQUEUE_MOVING_MAX,
          "and for the segments of those that move");
}
