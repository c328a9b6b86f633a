/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The split format: descriptor table, available ring, used ring. VIRTIO 1.2, section 2.7.
 *
 * Functions on the path of a frame are `inline` here: when the driver is linked, they
 * become part of their callers in other files.
 */
#include "base/hot_path.h"
#include "ring/barrier.h"
#include "ring/virtqueue_formats.h"

struct virtqueue_layout virtqueue_split_layout(uint16_t size)
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

void virtqueue_split_init(struct virtqueue *queue, void *memory)
{
    struct virtqueue_layout layout = virtqueue_split_layout(queue->size);
    uint8_t *base = memory;

    queue->desc = memory;
    queue->avail = (void *)(base + layout.driver_offset);
    queue->used = (const void *)(base + layout.device_offset);
    queue->used_event = &queue->avail->ring[queue->size];
    queue->avail_event = (const volatile void *)&queue->used->ring[queue->size];
    queue->watch = (struct virtqueue_watch){.word = &queue->used->idx, .mask = UINT16_MAX};
    queue->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    virtqueue_suppress_interrupts(queue);
}

/* One descriptor of a chain, whose others are at the indices after it. VIRTIO 1.2, 2.7.5 requires
 * that of IN_ORDER. */
static void write_desc(struct virtqueue *queue, unsigned index,
                       const struct virtqueue_segment *segment, uint32_t length_bytes, bool is_last)
{
    volatile struct virtq_desc *desc = &queue->desc[index & (queue->size - 1u)];

    desc->addr = segment->device_address;
    desc->len = length_bytes;
    desc->flags = (uint16_t)((is_last ? 0 : VIRTQ_DESC_F_NEXT) |
                             (segment->device_writable ? VIRTQ_DESC_F_WRITE : 0));
    desc->next = is_last ? 0 : (uint16_t)((index + 1) & (queue->size - 1u));
}

void virtqueue_split_describe(struct virtqueue *queue, unsigned first,
                              const struct virtqueue_segment *segments, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        write_desc(queue, first + i, &segments[i], segments[i].length_bytes, i + 1 == count);
}

inline void virtqueue_split_offer(struct virtqueue *queue, unsigned first)
{
    queue->avail->ring[queue->avail_next & (queue->size - 1)] = (uint16_t)first;
    queue->avail_next++;
}

OUT_OF_LINE void virtqueue_split_write(struct virtqueue *queue, unsigned first,
                                       uint32_t last_length_bytes)
{
    const struct virtqueue_segment *segment = &queue->segments[first];
    uint16_t head = virtqueue_split_next_id(queue);

    for (unsigned left = queue->chains[first].segment_count; left > 1; left--, segment++)
        write_desc(queue, queue->desc_next++, segment, segment->length_bytes, false);
    write_desc(queue, queue->desc_next++, segment, last_length_bytes, true);
    virtqueue_split_offer(queue, head);
}

inline bool virtqueue_split_publish(struct virtqueue *queue)
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

inline bool virtqueue_split_read_used(const struct virtqueue *queue,
                                      struct virtqueue_used *ret_used)
{
    uint16_t next = queue->used_next;
    uint16_t claimed = (uint16_t)(queue->used->idx - next);
    const volatile struct virtq_used_elem *elem;

    if (claimed == 0)
        return false;
    barrier_read(); /* pairs with the device writing the entry, then the index */
    elem = &queue->used->ring[next & (queue->size - 1)];
    ret_used->id = elem->id;
    ret_used->length_bytes = elem->len;
    ret_used->claimed = claimed;
    return true;
}

inline void virtqueue_split_advance(struct virtqueue *queue)
{
    queue->watch.value = ++queue->used_next;
}
