/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The virtqueue: slots in, completions out. This file keeps the books of what is in
 * flight, and it alone decides whether to believe what the device says it used. How
 * a ring looks in memory is its format's business: virtqueue_split.c, virtqueue_packed.c.
 * Allocation, addresses and doorbells are virtio_queue.c's.
 *
 * Functions on the path of a frame are `inline` here: when the driver is linked, they
 * become part of their callers in other files.
 */
#include "ring/virtqueue.h"

#include "base/hot_path.h"
#include "ring/virtqueue_formats.h"

#define NO_SLOT UINT16_MAX

struct virtqueue_layout virtqueue_layout(uint16_t size, bool is_packed)
{
    return is_packed ? virtqueue_packed_layout(size) : virtqueue_split_layout(size);
}

uint16_t virtqueue_slots_max(uint16_t size, uint16_t segments_per_slot,
                             const struct virtqueue_format *format)
{
    bool is_moving = format->is_packed || format->is_in_order;
    uint16_t descriptors = is_moving && size > VIRTQUEUE_MOVING_MAX ? VIRTQUEUE_MOVING_MAX : size;
    uint16_t slots = descriptors / segments_per_slot;

    return slots > VIRTQUEUE_SLOTS_MAX ? VIRTQUEUE_SLOTS_MAX : slots;
}

void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t size, uint16_t slot_count,
                    uint16_t segments_per_slot, const struct virtqueue_format *format)
{
    __builtin_memset(memory, 0, virtqueue_layout(size, format->is_packed).size_bytes);
    __builtin_memset(queue, 0, sizeof(*queue));
    queue->size = size;
    queue->slot_count = slot_count;
    queue->segments_per_slot = segments_per_slot;
    queue->format = *format;
    queue->is_fixed = !format->is_packed && !format->is_in_order;
    queue->chained_count = (uint16_t)(slot_count * segments_per_slot);
    if (format->is_packed)
        virtqueue_packed_init(queue, memory);
    else
        virtqueue_split_init(queue, memory);
}

/* ---- slots in ---- */

void virtqueue_set_slot(struct virtqueue *queue, uint16_t slot,
                        const struct virtqueue_segment *segments, uint16_t count)
{
    unsigned first = slot * queue->segments_per_slot;
    struct virtqueue_chain chain = {.slot = slot, .segment_count = (uint8_t)count};

    for (unsigned i = 0; i < count; i++) {
        if (segments[i].device_writable)
            chain.writable_bytes += segments[i].length_bytes;
        if (!queue->is_fixed)
            queue->segments[first + i] = segments[i];
    }
    if (queue->is_fixed)
        virtqueue_split_describe(queue, first, segments, count);
    queue->chains[first] = chain;
}

static inline void note_turn(struct virtqueue *queue, uint16_t slot, uint16_t id)
{
    queue->turns[queue->turn_pushed++ % VIRTQUEUE_SLOTS_MAX] =
        (struct virtqueue_turn){.slot = slot, .id = id};
}

static OUT_OF_LINE void push_moving(struct virtqueue *queue, uint16_t slot,
                                    uint32_t last_length_bytes)
{
    bool is_packed = queue->format.is_packed;
    unsigned first = slot * queue->segments_per_slot;

    queue->chains[first].is_in_flight = true;
    queue->in_flight_count++;
    if (queue->format.is_in_order)
        note_turn(queue, slot, is_packed ? (uint16_t)first : virtqueue_split_next_id(queue));
    if (is_packed)
        virtqueue_packed_write(queue, first, last_length_bytes);
    else
        virtqueue_split_write(queue, first, last_length_bytes);
}

inline void virtqueue_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    unsigned first = slot * queue->segments_per_slot;

    if (!queue->is_fixed) {
        push_moving(queue, slot, last_length_bytes);
        return;
    }
    queue->desc[first + queue->segments_per_slot - 1].len = last_length_bytes;
    virtqueue_split_offer(queue, first);
    queue->chains[first].is_in_flight = true;
    queue->in_flight_count++;
}

static OUT_OF_LINE void push_all_moving(struct virtqueue *queue, const uint16_t *slots,
                                        uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        unsigned first = slots[i] * queue->segments_per_slot;
        unsigned last = first + queue->chains[first].segment_count - 1u;

        push_moving(queue, slots[i], queue->segments[last].length_bytes);
    }
}

inline void virtqueue_push_all(struct virtqueue *queue, const uint16_t *slots, uint16_t count)
{
    if (!queue->is_fixed) {
        push_all_moving(queue, slots, count);
    } else {
        for (unsigned i = 0; i < count; i++) {
            unsigned first = slots[i] * queue->segments_per_slot;

            virtqueue_split_offer(queue, first);
            queue->chains[first].is_in_flight = true;
        }
        queue->in_flight_count += count;
    }
    virtqueue_suppress_interrupts(queue);
}

inline bool virtqueue_publish(struct virtqueue *queue)
{
    return queue->format.is_packed ? virtqueue_packed_publish(queue)
                                   : virtqueue_split_publish(queue);
}

uint16_t virtqueue_next_offset(const struct virtqueue *queue)
{
    uint16_t next = queue->avail_next;

    if (!queue->format.is_packed)
        return next;
    return (uint16_t)((next & (queue->size - 1u)) |
                      (next & queue->size ? 0 : VIRTQ_PACKED_EVENT_WRAP));
}

/* ---- IN_ORDER: who is next ----
 *
 * The device uses buffers in the order in which it got them, and may answer for many with one
 * used entry, which names the last of them. VIRTIO 1.2, 2.7.9 and 2.8.9. */

static const struct virtqueue_turn *turn_at(const struct virtqueue *queue, unsigned nth)
{
    return &queue->turns[(queue->turn_popped + nth) % VIRTQUEUE_SLOTS_MAX];
}

/* The index of its chain. */
static unsigned first_of_turn(const struct virtqueue *queue, unsigned nth)
{
    return turn_at(queue, nth)->slot * (unsigned)queue->segments_per_slot;
}

/* How many buffers in flight, from the nth oldest on, a used entry for `id` completes. 0:
 * none of them has that id. */
static uint16_t batch_of(const struct virtqueue *queue, unsigned nth, uint32_t id)
{
    for (unsigned i = nth; i < queue->in_flight_count; i++) {
        if (turn_at(queue, i)->id == id)
            return (uint16_t)(i - nth + 1);
    }
    return 0;
}

/* ---- completions out ---- */

static ALWAYS_INLINE bool read_used(const struct virtqueue *queue, bool is_packed,
                                    struct virtqueue_used *ret_used)
{
    return is_packed ? virtqueue_packed_read_used(queue, ret_used)
                     : virtqueue_split_read_used(queue, ret_used);
}

/* Decide whether to believe a used entry that completes `count` buffers, the last of them
 * `chain`. Only buffers in flight can be used, and the device writes no more than a buffer
 * holds. Legacy devices put any length where they could not write (VIRTIO 1.2, 2.7.8.1); it reads
 * as 0. */
static ALWAYS_INLINE bool believe(const struct virtqueue *queue, struct virtqueue_used *used,
                                  uint16_t count, const struct virtqueue_chain *chain)
{
    if (count > used->claimed || used->claimed > queue->in_flight_count)
        return false;
    if (!chain->is_in_flight)
        return false;
    if (used->length_bytes > chain->writable_bytes) {
        if (chain->writable_bytes != 0)
            return false;
        used->length_bytes = 0;
    }
    return true;
}

static ALWAYS_INLINE void retire(struct virtqueue *queue, bool is_packed,
                                 struct virtqueue_chain *chain)
{
    chain->is_in_flight = false;
    queue->in_flight_count--;
    if (is_packed)
        virtqueue_packed_advance(queue, chain->segment_count);
    else
        virtqueue_split_advance(queue);
}

/* For every format but IN_ORDER: a used entry names one buffer, by the index of its chain. */
static ALWAYS_INLINE bool pop_any(struct virtqueue *queue, bool is_packed,
                                  struct virtqueue_completion *ret_completion)
{
    struct virtqueue_chain *chain;
    struct virtqueue_used used;

    if (!read_used(queue, is_packed, &used))
        return false;
    if (used.id >= queue->chained_count)
        return virtqueue_break(queue);
    chain = &queue->chains[used.id];
    if (!believe(queue, &used, 1, chain))
        return virtqueue_break(queue);
    retire(queue, is_packed, chain);
    ret_completion->slot = chain->slot;
    ret_completion->length_bytes = used.length_bytes;
    return true;
}

/* Begin a batch. False: there is none, or the device claims an impossible one. */
static bool take_batch(struct virtqueue *queue)
{
    struct virtqueue_used used;
    uint16_t count;

    if (!read_used(queue, queue->format.is_packed, &used))
        return false;
    count = batch_of(queue, 0, used.id);
    if (count == 0)
        return virtqueue_break(queue);
    if (!believe(queue, &used, count, &queue->chains[first_of_turn(queue, count - 1u)]))
        return virtqueue_break(queue);
    queue->batch_left = count;
    queue->batch_length_bytes = used.length_bytes;
    return true;
}

/* VIRTIO 1.2, 2.7.9: buffers that the device skips were read or written completely. */
static OUT_OF_LINE bool pop_in_order(struct virtqueue *queue,
                                     struct virtqueue_completion *ret_completion)
{
    struct virtqueue_chain *chain;

    if (queue->batch_left == 0 && !take_batch(queue))
        return false;
    chain = &queue->chains[first_of_turn(queue, 0)];
    queue->turn_popped++;
    queue->batch_left--;
    retire(queue, queue->format.is_packed, chain);
    ret_completion->slot = chain->slot;
    ret_completion->length_bytes =
        queue->batch_left == 0 ? queue->batch_length_bytes : chain->writable_bytes;
    return true;
}

/* Returned by value, so that the caller's completion can stay in registers. */
static OUT_OF_LINE struct virtqueue_completion pop_moving(struct virtqueue *queue)
{
    struct virtqueue_completion completion;
    bool is_there =
        !queue->is_broken && (queue->format.is_in_order ? pop_in_order(queue, &completion)
                                                        : pop_any(queue, true, &completion));

    return is_there ? completion : (struct virtqueue_completion){.slot = NO_SLOT};
}

inline bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion)
{
    if (UNLIKELY(!queue->is_fixed)) {
        struct virtqueue_completion completion = pop_moving(queue);

        if (completion.slot == NO_SLOT)
            return false;
        *ret_completion = completion;
        return true;
    }
    return pop_any(queue, false, ret_completion);
}

bool virtqueue_is_sound(const struct virtqueue *queue)
{
    if (queue->is_broken)
        return false;
    if (queue->format.is_packed)
        return queue->in_flight_count > 0 || !virtqueue_has_news(queue);
    return (uint16_t)(queue->used->idx - queue->used_next) <= queue->in_flight_count;
}

/* Look ahead over batches that pop has not taken. Each used descriptor stands where its batch
 * begins. */
static bool packed_in_order_is_busy(const struct virtqueue *queue)
{
    uint16_t counter = queue->used_next;
    unsigned count = queue->batch_left; /* the first batch is under way */
    unsigned nth = 0;
    uint32_t id;

    for (;;) {
        for (unsigned end = nth + count; nth < end; nth++)
            counter += queue->chains[first_of_turn(queue, nth)].segment_count;
        if (nth >= queue->in_flight_count || !virtqueue_packed_peek(queue, counter, &id))
            return counter != queue->avail_shown;
        count = batch_of(queue, nth, id);
        if (count == 0)
            return true; /* pop decides whether it is valid */
    }
}

OUT_OF_LINE bool virtqueue_is_busy(const struct virtqueue *queue)
{
    uint32_t id;

    if (queue->is_broken)
        return false;
    if (!queue->format.is_packed)
        return queue->used->idx != queue->avail->idx;
    if (queue->format.is_in_order)
        return packed_in_order_is_busy(queue);
    return queue->in_flight_count > 0 &&
           !virtqueue_packed_peek(queue, queue->avail_shown - 1u, &id);
}
