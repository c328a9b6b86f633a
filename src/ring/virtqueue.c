/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The virtqueue: slots in, completions out, nothing of the device's believed. The
 * split format whose slots stay where they are is here, and what the formats share.
 * Allocation, addresses and doorbells are virtio_queue.c's.
 */
#include "ring/virtqueue.h"

#include "base/hot_path.h"
#include "ring/barrier.h"
#include "ring/virtqueue_formats.h"

#define NO_SLOT UINT16_MAX

static struct virtqueue_layout split_layout(uint16_t size)
{
    struct virtqueue_layout layout;
    size_t used_bytes =
        sizeof(struct virtq_used) + size * sizeof(struct virtq_used_elem) + sizeof(uint16_t);

    layout.driver_offset = size * sizeof(struct virtq_desc);
    layout.device_offset = layout.driver_offset + sizeof(struct virtq_avail) +
                           size * sizeof(uint16_t) + sizeof(uint16_t);
    layout.device_offset += VIRTQ_LEGACY_ALIGN - 1;
    layout.device_offset -= layout.device_offset % VIRTQ_LEGACY_ALIGN;
    layout.size_bytes = layout.device_offset + used_bytes;
    return layout;
}

struct virtqueue_layout virtqueue_layout(uint16_t size, bool is_packed)
{
    return is_packed ? virtqueue_packed_layout(size) : split_layout(size);
}

uint16_t virtqueue_slots_max(uint16_t size, uint16_t segments_per_slot,
                             const struct virtqueue_format *format)
{
    bool is_moving = format->is_packed || format->is_in_order;
    uint16_t descriptors = is_moving && size > VIRTQUEUE_MOVING_MAX ? VIRTQUEUE_MOVING_MAX : size;
    uint16_t slots = descriptors / segments_per_slot;

    return slots > VIRTQUEUE_SLOTS_MAX ? VIRTQUEUE_SLOTS_MAX : slots;
}

static void split_init(struct virtqueue *queue, void *memory)
{
    struct virtqueue_layout layout = split_layout(queue->size);
    uint8_t *base = memory;

    queue->desc = memory;
    queue->avail = (void *)(base + layout.driver_offset);
    queue->used = (const void *)(base + layout.device_offset);
    queue->used_event = &queue->avail->ring[queue->size];
    queue->avail_event = (const volatile void *)&queue->used->ring[queue->size];
    queue->news = &queue->used->idx;
    queue->news_mask = UINT16_MAX;
    queue->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    virtqueue_suppress_interrupts(queue);
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
        split_init(queue, memory);
}

/* Write the descriptors of a fixed slot. */
static void write_chain(struct virtqueue *queue, uint16_t first,
                        const struct virtqueue_segment *segments, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        volatile struct virtq_desc *desc = &queue->desc[first + i];
        bool is_last = i + 1 == count;

        desc->addr = segments[i].device_address;
        desc->len = segments[i].length_bytes;
        desc->flags = (uint16_t)((is_last ? 0 : VIRTQ_DESC_F_NEXT) |
                                 (segments[i].device_writable ? VIRTQ_DESC_F_WRITE : 0));
        desc->next = is_last ? 0 : (uint16_t)(first + i + 1);
    }
}

void virtqueue_set_slot(struct virtqueue *queue, uint16_t slot,
                        const struct virtqueue_segment *segments, uint16_t count)
{
    uint16_t first = (uint16_t)(slot * queue->segments_per_slot);
    struct virtqueue_chain chain = {.slot = slot, .segment_count = (uint8_t)count};

    for (uint16_t i = 0; i < count; i++) {
        if (segments[i].device_writable)
            chain.writable_bytes += segments[i].length_bytes;
        if (!queue->is_fixed)
            queue->segments[first + i] = segments[i];
    }
    if (queue->is_fixed)
        write_chain(queue, first, segments, count);
    queue->chains[first] = chain;
}

/* For every format but the fixed one. */
static inline void push_moving(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    if (queue->format.is_packed)
        virtqueue_packed_push(queue, slot, last_length_bytes);
    else
        virtqueue_in_order_push(queue, slot, last_length_bytes);
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

/* Functions on the path of a frame are `inline` here: when the driver is linked, they
 * become part of their callers in other files. */
inline void virtqueue_push_fixed(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    unsigned first = slot * queue->segments_per_slot;

    queue->desc[first + queue->segments_per_slot - 1].len = last_length_bytes;
    queue->avail->ring[queue->avail_next & (queue->size - 1)] = (uint16_t)first;
    queue->avail_next++;
    queue->in_flight_count++;
    queue->chains[first].is_in_flight = true;
}

void virtqueue_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    if (queue->is_fixed)
        virtqueue_push_fixed(queue, slot, last_length_bytes);
    else
        push_moving(queue, slot, last_length_bytes);
}

inline void virtqueue_push_all(struct virtqueue *queue, const uint16_t *slots, uint16_t count)
{
    if (queue->is_fixed) {
        volatile uint16_t *ring = queue->avail->ring;
        unsigned next = queue->avail_next;
        unsigned mask = queue->size - 1u;
        unsigned segments = queue->segments_per_slot;

        for (unsigned i = 0; i < count; i++) {
            unsigned first = slots[i] * segments;

            ring[next++ & mask] = (uint16_t)first;
            queue->chains[first].is_in_flight = true;
        }
        queue->avail_next = (uint16_t)next;
        queue->in_flight_count += count;
    } else {
        push_all_moving(queue, slots, count);
    }
    virtqueue_suppress_interrupts(queue);
}

/* VIRTIO 1.2, 2.7.10: true when the device wants to hear that entry `event` is available.
 * Tested for all entries since the last doorbell, not only for those published now. A
 * sleeping device has at most `size` entries before it, so older ones are settled. */
inline bool virtqueue_is_event_crossed(struct virtqueue *queue, uint16_t event)
{
    uint16_t next = queue->avail_next;

    if ((uint16_t)(next - queue->avail_rung) > queue->size)
        queue->avail_rung = (uint16_t)(next - queue->size);
    if ((uint16_t)(next - event - 1) >= (uint16_t)(next - queue->avail_rung))
        return false;
    queue->avail_rung = next;
    return true;
}

inline bool virtqueue_publish_split(struct virtqueue *queue)
{
    /* Pairs with the device reading the index, then what it announces: descriptors and ring
     * entries are in memory first. */
    barrier_write();
    queue->avail->idx = queue->avail_next;

    /* The index is stored before the device's wish is loaded. Otherwise the device could go
     * to sleep between our load and our store, and nothing would wake it. */
    barrier_full();
    if (queue->format.has_event_idx)
        return virtqueue_is_event_crossed(queue, *queue->avail_event);
    return !(queue->used->flags & VIRTQ_USED_F_NO_NOTIFY);
}

bool virtqueue_publish(struct virtqueue *queue)
{
    return queue->format.is_packed ? virtqueue_packed_publish(queue)
                                   : virtqueue_publish_split(queue);
}

uint16_t virtqueue_next_offset(const struct virtqueue *queue)
{
    uint16_t next = queue->avail_next;

    if (!queue->format.is_packed)
        return next;
    return (uint16_t)((next & (queue->size - 1u)) |
                      (next & queue->size ? 0 : VIRTQ_PACKED_EVENT_WRAP));
}

bool virtqueue_is_sound(const struct virtqueue *queue)
{
    if (queue->is_broken)
        return false;
    if (queue->format.is_packed)
        return queue->in_flight_count > 0 || !virtqueue_has_news(queue);
    return (uint16_t)(queue->used->idx - queue->used_next) <= queue->in_flight_count;
}

/* Returned by value, so that the caller's completion can stay in registers. */
static OUT_OF_LINE struct virtqueue_completion pop_moving(struct virtqueue *queue)
{
    struct virtqueue_completion completion;
    bool is_there = queue->format.is_in_order ? virtqueue_in_order_pop(queue, &completion)
                                              : virtqueue_packed_pop(queue, &completion);

    return is_there ? completion : (struct virtqueue_completion){.slot = NO_SLOT};
}

inline bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion)
{
    uint16_t next = queue->used_next;
    const volatile struct virtq_used_elem *elem;
    struct virtqueue_chain *chain;
    uint16_t waiting;
    uint32_t id;
    uint32_t length_bytes;

    if (!queue->is_fixed) {
        struct virtqueue_completion completion = pop_moving(queue);

        if (completion.slot == NO_SLOT)
            return false;
        *ret_completion = completion;
        return true;
    }
    waiting = (uint16_t)(queue->used->idx - next);
    if (waiting == 0)
        return false;
    if (waiting > queue->in_flight_count)
        return virtqueue_break(queue);

    barrier_read(); /* pairs with the device writing the entry, then the index */
    elem = &queue->used->ring[next & (queue->size - 1)];
    id = elem->id;
    length_bytes = elem->len;

    /* VIRTIO 1.2, 2.7.8: a used id names the first descriptor of a chain. */
    if (id >= queue->chained_count)
        return virtqueue_break(queue);
    chain = &queue->chains[id];
    if (!chain->is_in_flight || !virtqueue_check_length(chain, &length_bytes))
        return virtqueue_break(queue);

    chain->is_in_flight = false;
    queue->in_flight_count--;
    queue->used_next = (uint16_t)(next + 1);
    ret_completion->slot = chain->slot;
    ret_completion->length_bytes = length_bytes;
    return true;
}
