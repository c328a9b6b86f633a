/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtqueue as pure memory: no firmware, no registers. Split or packed, with or
 * without IN_ORDER, behind one interface.
 *
 * Life cycle: virtqueue_init, virtqueue_set_slot for each slot, then any
 * number of push, publish and pop. A slot is a chain of one to three descriptors
 * over memory that need not move. In a split ring its descriptors stay where they
 * are (the slots are fixed), so giving a buffer to the device is one store to the
 * available ring. In a packed ring, and in a split ring with IN_ORDER, slots move:
 * each push writes their descriptors anew, in ring order.
 *
 * Everything that the device writes is copied once and checked against private
 * shadows; descriptors are never read back. Source: VIRTIO 1.2, sections 2.7 and 2.8.
 */
#ifndef VIRTQUEUE_H
#define VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio_spec/ring.h"

#define VIRTQUEUE_SLOTS_MAX 256u
#define VIRTQUEUE_SEGMENTS_MAX 3u
#define VIRTQUEUE_MOVING_MAX 256u /* descriptors of all slots, where slots move */

/* What was negotiated for all queues of a device. */
struct virtqueue_format {
    bool is_packed;     /* RING_PACKED */
    bool is_in_order;   /* IN_ORDER */
    bool has_event_idx; /* EVENT_IDX */
};

/* Offsets and size in bytes of one queue's memory; the descriptors come first. The split
 * layout satisfies the legacy rules (used ring on its own page), which are valid for modern
 * devices too. */
struct virtqueue_layout {
    size_t driver_offset; /* available ring, or the driver's event structure */
    size_t device_offset; /* used ring, or the device's event structure */
    size_t size_bytes;
};

struct virtqueue_segment {
    uint64_t device_address;
    uint32_t length_bytes;
    bool device_writable;
};

struct virtqueue_completion {
    uint16_t slot;
    uint32_t length_bytes; /* written by the device; never more than it could write */
};

/* The private state of a slot. Its index is the slot number times segments_per_slot: the
 * first descriptor of a fixed slot, the buffer id in a packed ring. */
struct virtqueue_chain {
    uint32_t writable_bytes;
    uint16_t slot;
    uint8_t segment_count;
    bool is_in_flight; /* never set for an index inside a chain */
};

/* A buffer in flight, in the order of pushes. */
struct virtqueue_turn {
    uint16_t slot;
    uint16_t id; /* by which the device names it */
};

/* Where the device shows that it used something: a word of the ring, its value under `mask`,
 * and what to compare it with. In a split ring there is news while the used index differs from
 * `value`; in a packed ring, while the flags of the next used descriptor equal it. */
struct virtqueue_watch {
    const volatile uint16_t *word;
    uint16_t mask;
    uint16_t value;
};

struct virtqueue {
    union {
        struct { /* split */
            volatile struct virtq_desc *desc;
            volatile struct virtq_avail *avail;
            const volatile struct virtq_used *used;
            volatile uint16_t *used_event;
            const volatile uint16_t *avail_event;
        };
        struct {
            volatile struct virtq_packed_desc *ring;
            volatile struct virtq_packed_event *driver_event;
            const volatile struct virtq_packed_event *device_event;
        } packed;
    };
    struct virtqueue_watch watch;

    uint16_t size; /* entries, a power of two */
    uint16_t slot_count;
    uint16_t segments_per_slot;
    uint16_t chained_count; /* descriptors that belong to slots, from the first on */
    struct virtqueue_format format;
    bool is_fixed;  /* slots never move: split, without IN_ORDER */
    bool is_broken; /* the device broke the ring; stays set until the next init */

    /* Counters modulo 65,536: of entries in the available and the used ring, or of
     * descriptors in a packed ring, whose wrap counter is the bit of `size`, inverted. */
    uint16_t avail_next; /* the next to be made available */
    uint16_t avail_rung; /* avail_next at the last doorbell; at most `size` back */
    uint16_t used_next;  /* the next that the device will use */

    uint16_t in_flight_count; /* slots; 0 as well once the ring is broken */
    struct virtqueue_chain chains[VIRTQUEUE_SLOTS_MAX * VIRTQUEUE_SEGMENTS_MAX];

    /* Slots that move */
    uint16_t desc_next;   /* split: the next descriptor to write */
    uint16_t avail_shown; /* packed: the first descriptor that the device must not see yet */
    uint16_t shown_flags; /* the flags that will show it, and the descriptors after it */
    struct virtqueue_segment segments[VIRTQUEUE_MOVING_MAX];

    /* IN_ORDER */
    uint16_t turn_pushed;        /* of the next push; runs through 65,536 */
    uint16_t turn_popped;        /* of the next pop, likewise */
    uint16_t batch_left;         /* completions of one used entry that pop has not given yet */
    uint32_t batch_length_bytes; /* of the last of them */
    struct virtqueue_turn turns[VIRTQUEUE_SLOTS_MAX];
};

/* The layout of a queue of `size` entries, a power of two up to VIRTQ_SIZE_MAX. */
struct virtqueue_layout virtqueue_layout(uint16_t size, bool is_packed);

/* The number of slots of `segments_per_slot` descriptors that a queue can have; 0: none. */
uint16_t virtqueue_slots_max(uint16_t size, uint16_t segments_per_slot,
                             const struct virtqueue_format *format);

/* Clear `memory` and use it. It is page-aligned and `layout.size_bytes` long; the caller
 * frees it. `slot_count` is at most virtqueue_slots_max. The device is asked for no
 * interrupt, ever. */
void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t size, uint16_t slot_count,
                    uint16_t segments_per_slot, const struct virtqueue_format *format);

/* Describe `slot`, which is not in flight: `count` segments, at most `segments_per_slot`,
 * device-readable ones first. Valid until the next call. */
void virtqueue_set_slot(struct virtqueue *queue, uint16_t slot,
                        const struct virtqueue_segment *segments, uint16_t count);

/* Push a slot that is not in flight. Its last segment (of a fixed slot, the last of
 * `segments_per_slot`) is `last_length_bytes` long this time. Completions are checked
 * against what set_slot described. The device sees the slot at the next publish. */
void virtqueue_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes);

/* Push `count` slots that are not in flight, each as it was described last. Not for slots that
 * virtqueue_push was used for: a fixed slot keeps the length that it was given there. */
void virtqueue_push_all(struct virtqueue *queue, const uint16_t *slots, uint16_t count);

/* Show the device what was pushed. True when it wants a doorbell for that, or wanted one
 * since the last doorbell: a wish that arrived too late for its own publish is found by the
 * next. */
bool virtqueue_publish(struct virtqueue *queue);

/* True while the device has not used everything that was published; in a packed ring of
 * chains, until pop has taken it all. Between push and publish a full packed ring is busy
 * too. A broken ring is never busy. A device that tampers with the memory read here only gains
 * or loses a doorbell. */
bool virtqueue_is_busy(const struct virtqueue *queue);

/* True while the device shows something that pop has not taken. */
static inline bool virtqueue_has_news(const struct virtqueue *queue)
{
    const struct virtqueue_watch *watch = &queue->watch;
    bool is_equal = (*watch->word & watch->mask) == watch->value;

    return is_equal == queue->format.is_packed;
}

/* A number that changes when the device uses something: each time in a split ring; in a packed
 * ring if pop had taken everything before. There it may change with a pop as well. */
static inline uint16_t virtqueue_progress(const struct virtqueue *queue)
{
    if (queue->format.is_packed)
        return (uint16_t)(queue->used_next + virtqueue_has_news(queue));
    return *queue->watch.word;
}

/* Take the next completion; its slot is the caller's again. False when there is none, or
 * when the device broke the ring. */
bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion);

/* The device broke the ring. Nothing more is taken from it, and is_broken stays set until
 * the next init. Called by the ring itself, and by a caller for whom a completion makes no
 * sense. Always returns false, so that pop can return it. */
static inline bool virtqueue_break(struct virtqueue *queue)
{
    queue->is_broken = true;
    queue->in_flight_count = 0;
    queue->chained_count = 0; /* no id is valid any more, also if the caller pushes again */
    return false;
}

/* The value of a doorbell under NOTIFICATION_DATA: the position of the next buffer in the
 * available ring, 16 bits; in a packed ring with the wrap counter on top (VIRTIO 1.2, 2.9). */
uint16_t virtqueue_next_offset(const struct virtqueue *queue);

/* False when the ring is broken, or when the device claims to have used more than it has. */
bool virtqueue_is_sound(const struct virtqueue *queue);

/* Suppress interrupts for the next 65,535 completions. Once after each batch of pops is
 * enough; init and push_all call it too. A packed ring needs it once, in init. */
static inline void virtqueue_suppress_interrupts(struct virtqueue *queue)
{
    /* With EVENT_IDX the flag is ignored, so the event index is kept a full lap away. */
    if (!queue->format.is_packed)
        *queue->used_event = (uint16_t)(queue->used_next - 1);
}

#endif
