/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The packed format: one ring that both sides write. VIRTIO 1.2, section 2.8.
 *
 * The device answers by overwriting descriptors, so what a slot is made of is kept in
 * `segments` and written anew at each push. All counters of descriptors run through
 * 65,536, a multiple of two laps: the low bits are the offset, the bit above them tells
 * the lap.
 */
#include "base/container_of.h"
#include "base/hot_path.h"
#include "ring/barrier.h"
#include "ring/virtqueue_formats.h"

/* VIRTIO 1.2, 2.8.1: wrap counters start at 1. */
static inline bool wrap_of(const struct virtqueue *queue, unsigned counter)
{
    return !(counter & queue->size);
}

static inline volatile struct virtq_packed_desc *desc_at(const struct virtqueue *queue,
                                                         unsigned counter)
{
    return &queue->packed.ring[counter & (queue->size - 1u)];
}

struct virtqueue_layout virtqueue_packed_layout(uint16_t size)
{
    struct virtqueue_layout layout;

    layout.driver_offset = size * sizeof(struct virtq_packed_desc);
    layout.device_offset = layout.driver_offset + sizeof(struct virtq_packed_event);
    layout.size_bytes = layout.device_offset + sizeof(struct virtq_packed_event);
    return layout;
}

/* Compare both bits: a descriptor that a chain or batch left behind in the last lap has one
 * of them. */
static inline void watch_next(struct virtqueue *queue)
{
    queue->watch.word = &desc_at(queue, queue->used_next)->flags;
    queue->watch.value = wrap_of(queue, queue->used_next) ? VIRTQ_PACKED_DESC_F_BOTH : 0;
}

void virtqueue_packed_init(struct virtqueue *queue, void *memory)
{
    struct virtqueue_layout layout = virtqueue_packed_layout(queue->size);
    uint8_t *base = memory;

    queue->packed.ring = memory;
    queue->packed.driver_event = (void *)(base + layout.driver_offset);
    queue->packed.device_event = (const void *)(base + layout.device_offset);
    queue->packed.driver_event->flags = VIRTQ_PACKED_EVENT_F_DISABLE;
    queue->watch.mask = VIRTQ_PACKED_DESC_F_BOTH;
    watch_next(queue);
}

/* The device reads in ring order, so the first descriptor written hides the others until its
 * flags are stored. */
static inline void write_desc(struct virtqueue *queue, unsigned next, uint16_t id,
                              const struct virtqueue_segment *segment, uint32_t length_bytes,
                              unsigned flags)
{
    volatile struct virtq_packed_desc *desc = desc_at(queue, next);

    flags |= segment->device_writable ? VIRTQ_DESC_F_WRITE : 0;
    flags |= wrap_of(queue, next) ? VIRTQ_PACKED_DESC_F_AVAIL : VIRTQ_PACKED_DESC_F_USED;
    desc->addr = segment->device_address;
    desc->len = length_bytes;
    desc->id = id;
    if ((uint16_t)next == queue->avail_shown)
        queue->shown_flags = (uint16_t)flags;
    else
        desc->flags = (uint16_t)flags;
}

static OUT_OF_LINE void write_chain(struct virtqueue *queue, unsigned first,
                                    uint32_t last_length_bytes)
{
    const struct virtqueue_segment *segment = &queue->segments[first];
    unsigned left = queue->chains[first].segment_count;
    unsigned next = queue->avail_next;

    for (; left > 1; left--, segment++)
        write_desc(queue, next++, (uint16_t)first, segment, segment->length_bytes,
                   VIRTQ_DESC_F_NEXT);
    write_desc(queue, next++, (uint16_t)first, segment, last_length_bytes, 0);
    queue->avail_next = (uint16_t)next;
}

/* A frame is usually one descriptor, which needs neither the loop nor its registers. */
inline void virtqueue_packed_write(struct virtqueue *queue, unsigned first,
                                   uint32_t last_length_bytes)
{
    if (queue->chains[first].segment_count > 1) {
        write_chain(queue, first, last_length_bytes);
        return;
    }
    write_desc(queue, queue->avail_next, (uint16_t)first, &queue->segments[first],
               last_length_bytes, 0);
    queue->avail_next++;
}

/* The value of avail_next that the device's event structure means: in this lap or the one
 * before. */
static uint16_t event_of(const struct virtqueue *queue, uint16_t off_wrap)
{
    unsigned lap = queue->avail_next & ~(queue->size - 1u);
    unsigned offset = off_wrap & (VIRTQ_PACKED_EVENT_WRAP - 1u);

    if (!(off_wrap & VIRTQ_PACKED_EVENT_WRAP) == wrap_of(queue, queue->avail_next))
        lap -= queue->size;
    return (uint16_t)(lap + offset);
}

/* One load, because the two halves belong together. */
static struct virtq_packed_event read_event(const volatile struct virtq_packed_event *event)
{
    uint32_t both = *(const volatile uint32_t *)(const volatile void *)event;

    return (struct virtq_packed_event){.off_wrap = (uint16_t)both, .flags = (uint16_t)(both >> 16)};
}

OUT_OF_LINE bool virtqueue_packed_publish(struct virtqueue *queue)
{
    struct virtq_packed_event event;

    if (queue->avail_shown != queue->avail_next) {
        /* Pairs with the device reading the flags, then the descriptors: everything else is
         * in memory first. */
        barrier_write();
        desc_at(queue, queue->avail_shown)->flags = queue->shown_flags;
        queue->avail_shown = queue->avail_next;
    }

    /* The flags are stored before the device's wish is loaded, as in the split format. */
    barrier_full();
    event = read_event(queue->packed.device_event);
    if ((event.flags & VIRTQ_PACKED_EVENT_F_MASK) == VIRTQ_PACKED_EVENT_F_DISABLE)
        return false;
    if ((event.flags & VIRTQ_PACKED_EVENT_F_MASK) == VIRTQ_PACKED_EVENT_F_DESC &&
        queue->format.has_event_idx)
        return virtqueue_is_event_crossed(queue, event_of(queue, event.off_wrap));
    queue->avail_rung = queue->avail_next;
    return true;
}

inline bool virtqueue_packed_read_used(const struct virtqueue *queue,
                                       struct virtqueue_used *ret_used)
{
    const volatile struct virtq_packed_desc *desc =
        container_of(queue->watch.word, const volatile struct virtq_packed_desc, flags);

    if ((desc->flags & VIRTQ_PACKED_DESC_F_BOTH) != queue->watch.value)
        return false;
    barrier_read(); /* pairs with the device writing the descriptor, then its flags */
    ret_used->id = desc->id;
    ret_used->length_bytes = desc->len;
    ret_used->claimed = queue->in_flight_count; /* the ring does not say: as many as there are */
    return true;
}

inline void virtqueue_packed_advance(struct virtqueue *queue, unsigned descriptors)
{
    queue->used_next = (uint16_t)(queue->used_next + descriptors);
    watch_next(queue);
    if (!queue->format.is_in_order)
        return;
    /* The rest of a batch is news whatever the ring says by now: its descriptors may have been
     * written anew. */
    queue->watch.mask = queue->batch_left > 0 ? 0 : VIRTQ_PACKED_DESC_F_BOTH;
    queue->watch.value &= queue->watch.mask;
}

bool virtqueue_packed_peek(const struct virtqueue *queue, unsigned counter, uint32_t *ret_id)
{
    const volatile struct virtq_packed_desc *desc = desc_at(queue, counter);

    *ret_id = desc->id;
    return (desc->flags & VIRTQ_PACKED_DESC_F_BOTH) ==
           (wrap_of(queue, counter) ? VIRTQ_PACKED_DESC_F_BOTH : 0);
}
