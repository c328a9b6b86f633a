/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The split virtqueue: slots in, completions out, nothing of the device's
 * believed. Allocation, addresses and doorbells are virtio_device.c's.
 */
#include "virtqueue.h"

#include "barrier.h"

struct virtqueue_layout virtqueue_layout(uint16_t size)
{
    struct virtqueue_layout layout;
    size_t used_bytes =
        sizeof(struct virtq_used) + size * sizeof(struct virtq_used_elem) + sizeof(uint16_t);

    layout.avail_offset = size * sizeof(struct virtq_desc);
    layout.used_offset = layout.avail_offset + sizeof(struct virtq_avail) +
                         size * sizeof(uint16_t) + sizeof(uint16_t);
    layout.used_offset += VIRTQ_LEGACY_ALIGN - 1;
    layout.used_offset -= layout.used_offset % VIRTQ_LEGACY_ALIGN;
    layout.size_bytes = layout.used_offset + used_bytes;
    return layout;
}

void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t size, uint16_t slot_count,
                    uint16_t segments_per_slot, bool has_event_idx)
{
    struct virtqueue_layout layout = virtqueue_layout(size);
    uint8_t *base = memory;

    __builtin_memset(memory, 0, layout.size_bytes);
    __builtin_memset(queue, 0, sizeof(*queue));
    queue->desc = memory;
    queue->avail = (void *)(base + layout.avail_offset);
    queue->used = (const void *)(base + layout.used_offset);
    queue->used_event = &queue->avail->ring[size];
    queue->avail_event = (const volatile void *)&queue->used->ring[size];
    queue->size = size;
    queue->slot_count = slot_count;
    queue->segments_per_slot = segments_per_slot;
    queue->has_event_idx = has_event_idx;
    queue->chained_count = (uint16_t)(slot_count * segments_per_slot);

    queue->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    virtqueue_suppress_interrupts(queue);
}

void virtqueue_set_slot(struct virtqueue *queue, uint16_t slot,
                        const struct virtqueue_segment *segments, uint16_t count)
{
    uint16_t first = (uint16_t)(slot * queue->segments_per_slot);
    uint32_t writable_bytes = 0;

    for (uint16_t i = 0; i < count; i++) {
        volatile struct virtq_desc *desc = &queue->desc[first + i];
        bool is_last = i + 1 == count;

        desc->addr = segments[i].device_address;
        desc->len = segments[i].length_bytes;
        desc->flags = (uint16_t)((is_last ? 0 : VIRTQ_DESC_F_NEXT) |
                                 (segments[i].device_writable ? VIRTQ_DESC_F_WRITE : 0));
        desc->next = is_last ? 0 : (uint16_t)(first + i + 1);
        if (segments[i].device_writable)
            writable_bytes += segments[i].length_bytes;
    }
    queue->chains[first] = (struct virtqueue_chain){.writable_bytes = writable_bytes, .slot = slot};
}

/* What a frame passes through is `inline` here, and so becomes a part of its callers
 * in other files when the driver is linked. */
inline void virtqueue_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    unsigned first = slot * queue->segments_per_slot;

    queue->desc[first + queue->segments_per_slot - 1].len = last_length_bytes;
    queue->avail->ring[queue->avail_next & (queue->size - 1)] = (uint16_t)first;
    queue->avail_next++;
    queue->in_flight_count++;
    queue->chains[first].is_in_flight = true;
}

inline void virtqueue_push_all(struct virtqueue *queue, const uint16_t *slots, uint16_t count)
{
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
    virtqueue_suppress_interrupts(queue);
}

/* 2.7.10: the device wants to hear when entry `event` becomes available. Asked of
 * all entries since the last doorbell, not only of those published now. A device
 * that sleeps has at most `size` entries before it, so older ones are settled. */
static bool is_event_crossed(struct virtqueue *queue)
{
    uint16_t next = queue->avail_next;

    if ((uint16_t)(next - queue->avail_rung) > queue->size)
        queue->avail_rung = (uint16_t)(next - queue->size);
    if ((uint16_t)(next - *queue->avail_event - 1) >= (uint16_t)(next - queue->avail_rung))
        return false;
    queue->avail_rung = next;
    return true;
}

inline bool virtqueue_publish(struct virtqueue *queue)
{
    /* Descriptors and ring entries before the index: the device may read them
     * as soon as it sees it. */
    barrier_write();
    queue->avail->idx = queue->avail_next;

    /* The index before the device's wish: else it could go to sleep between
     * our load and our store, and nobody would wake it. */
    barrier_full();
    if (queue->has_event_idx)
        return is_event_crossed(queue);
    return !(queue->used->flags & VIRTQ_USED_F_NO_NOTIFY);
}

inline bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion)
{
    uint16_t next = queue->used_next;
    uint16_t waiting = (uint16_t)(queue->used->idx - next);
    const volatile struct virtq_used_elem *elem;
    struct virtqueue_chain *chain;
    uint32_t id;
    uint32_t length_bytes;

    if (waiting == 0)
        return false;
    if (waiting > queue->in_flight_count)
        goto broken;

    barrier_read(); /* the index before the entry that it announces */
    elem = &queue->used->ring[next & (queue->size - 1)];
    id = elem->id;
    length_bytes = elem->len;

    /* A used id names the first descriptor of a chain. */
    if (id >= queue->chained_count)
        goto broken;
    chain = &queue->chains[id];
    if (!chain->is_in_flight)
        goto broken;
    if (length_bytes > chain->writable_bytes) {
        if (chain->writable_bytes != 0)
            goto broken;
        length_bytes = 0; /* nothing to write: legacy devices put anything here (2.7.8.1) */
    }

    chain->is_in_flight = false;
    queue->in_flight_count--;
    queue->used_next = (uint16_t)(next + 1);
    ret_completion->slot = chain->slot;
    ret_completion->length_bytes = length_bytes;
    return true;

broken:
    queue->is_broken = true;
    queue->in_flight_count = 0; /* so that nothing more is taken */
    return false;
}
