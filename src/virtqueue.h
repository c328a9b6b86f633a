/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A split virtqueue as pure memory: no firmware, no registers.
 *
 * Life cycle: virtqueue_init, virtqueue_set_slot for each slot, then any
 * number of push, publish and pop. A slot is a chain of one to three descriptors
 * over memory that need not move, so giving a buffer to the device is one store
 * to the available ring. Everything that the device writes is
 * copied once and checked against private shadows; descriptors are never read
 * back. Source: VIRTIO 1.2, section 2.7.
 */
#ifndef VIRTQUEUE_H
#define VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio_spec/ring.h"

#define VIRTQUEUE_SLOTS_MAX 256u
#define VIRTQUEUE_SEGMENTS_MAX 3u

/* Offsets and size in bytes of one queue's memory. It satisfies the legacy
 * layout (used ring on its own page), which is also a valid modern one. */
struct virtqueue_layout {
    size_t avail_offset;
    size_t used_offset;
    size_t size_bytes;
};

struct virtqueue_segment {
    uint64_t device_address;
    uint32_t length_bytes;
    bool device_writable;
};

struct virtqueue_completion {
    uint16_t slot;
    uint32_t length_bytes; /* written by the device; at most what it could write */
};

/* What is private of a chain, found by the descriptor that it starts with. */
struct virtqueue_chain {
    uint32_t writable_bytes;
    uint16_t slot;
    bool is_in_flight; /* never for a descriptor inside a chain */
};

struct virtqueue {
    volatile struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    const volatile struct virtq_used *used;
    volatile uint16_t *used_event;
    const volatile uint16_t *avail_event;

    uint16_t size; /* entries, a power of two */
    uint16_t slot_count;
    uint16_t segments_per_slot;
    bool has_event_idx;
    bool is_broken; /* the device broke the ring; stays set until the next init */

    uint16_t avail_next; /* index of the next available entry */
    uint16_t avail_rung; /* that at the last doorbell, or `size` entries back if that is later */
    uint16_t used_next;  /* index of the next completion */
    uint16_t in_flight_count; /* 0 as well once the ring is broken */
    uint16_t chained_count;   /* descriptors that belong to slots, from the first on */
    struct virtqueue_chain chains[VIRTQUEUE_SLOTS_MAX * VIRTQUEUE_SEGMENTS_MAX];
};

/* The layout of a queue of `size` entries, a power of two up to VIRTQ_SIZE_MAX. */
struct virtqueue_layout virtqueue_layout(uint16_t size);

/* Take over `memory`, page-aligned and `layout.size_bytes` long, which stays the
 * caller's to free, and clear it. `slot_count` slots of `segments_per_slot`
 * descriptors must fit into `size` entries. `has_event_idx`: EVENT_IDX was
 * negotiated. The device is asked for no interrupt, ever. */
void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t size, uint16_t slot_count,
                    uint16_t segments_per_slot, bool has_event_idx);

/* Describe `slot`, which is not in flight, from now on: `count` segments, at most
 * `segments_per_slot`, device-readable ones first. */
void virtqueue_set_slot(struct virtqueue *queue, uint16_t slot,
                        const struct virtqueue_segment *segments, uint16_t count);

/* Queue a slot that is not in flight; the last of its `segments_per_slot` segments
 * is `last_length_bytes` long this time. The device sees it at the next publish. */
void virtqueue_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes);

/* Queue `count` slots that are not in flight, each as it was described last. */
void virtqueue_push_all(struct virtqueue *queue, const uint16_t *slots, uint16_t count);

/* Show the device what was pushed. True when it wants a doorbell for that, or
 * wanted one since the last: a wish that came too late for its own publish is
 * found by the next. */
bool virtqueue_publish(struct virtqueue *queue);

/* True while the device has not used everything that was published. A device that
 * overwrites the index gains a doorbell by it, or loses one. */
static inline bool virtqueue_is_busy(const struct virtqueue *queue)
{
    return queue->used->idx != queue->avail->idx;
}

/* True while the device says that it used something which pop has not taken. */
static inline bool virtqueue_has_news(const struct virtqueue *queue)
{
    return queue->used->idx != queue->used_next;
}

/* Take the next completion; the slot is the caller's again. False when there is
 * none, or when the device broke the ring; is_broken then stays set. */
bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion);

/* What a doorbell tells under NOTIFICATION_DATA: where the next buffer will stand in the
 * available ring, as 16 bits (VIRTIO 1.2, 2.9). */
static inline uint16_t virtqueue_next_offset(const struct virtqueue *queue)
{
    return queue->avail_next;
}

/* Ask for no interrupt for the next 65,535 completions. Once after each batch of pops
 * is enough; init and push_all do it too. */
static inline void virtqueue_suppress_interrupts(struct virtqueue *queue)
{
    /* With EVENT_IDX the flag is ignored: keep the event a lap of the index away. */
    *queue->used_event = (uint16_t)(queue->used_next - 1);
}

#endif
