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

    queue->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    *queue->used_event = (uint16_t)-1;
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
    queue->slots[slot].writable_bytes = writable_bytes;
}

void virtqueue_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes)
{
    uint16_t first = (uint16_t)(slot * queue->segments_per_slot);

    queue->desc[first + queue->segments_per_slot - 1].len = last_length_bytes;
    queue->avail->ring[queue->avail_next & (queue->size - 1)] = first;
    queue->avail_next++;
    queue->in_flight_count++;
    queue->slots[slot].in_flight = true;
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

bool virtqueue_publish(struct virtqueue *queue)
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

/* A used id names the first descriptor of a chain, hence a slot. */
static bool slot_of_id(const struct virtqueue *queue, uint32_t id, uint16_t *ret_slot)
{
    uint32_t slot = queue->segments_per_slot == 1 ? id : id / queue->segments_per_slot;

    if (slot >= queue->slot_count || slot * queue->segments_per_slot != id)
        return false;
    *ret_slot = (uint16_t)slot;
    return true;
}

bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion)
{
    uint16_t waiting = (uint16_t)(queue->used->idx - queue->used_next);
    const volatile struct virtq_used_elem *elem;
    uint32_t id;
    uint32_t length_bytes;
    uint16_t slot;

    if (waiting == 0 || queue->is_broken)
        return false;
    if (waiting > queue->in_flight_count)
        goto broken;

    barrier_read(); /* the index before the entry that it announces */
    elem = &queue->used->ring[queue->used_next & (queue->size - 1)];
    id = elem->id;
    length_bytes = elem->len;

    if (!slot_of_id(queue, id, &slot) || !queue->slots[slot].in_flight)
        goto broken;
    if (queue->slots[slot].writable_bytes == 0)
        length_bytes = 0; /* nothing to write: legacy devices put anything here (2.7.8.1) */
    if (length_bytes > queue->slots[slot].writable_bytes)
        goto broken;

    queue->slots[slot].in_flight = false;
    queue->in_flight_count--;
    queue->used_next++;
    /* With EVENT_IDX the flag above is ignored: keep the event one lap away. */
    *queue->used_event = (uint16_t)(queue->used_next - 1);
    *ret_completion = (struct virtqueue_completion){.slot = slot, .length_bytes = length_bytes};
    return true;

broken:
    queue->is_broken = true;
    return false;
}
