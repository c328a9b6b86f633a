/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What virtqueue.c does itself only for the split format without IN_ORDER, and what
 * the formats share. Contracts are those of virtqueue.h.
 */
#ifndef VIRTQUEUE_FORMATS_H
#define VIRTQUEUE_FORMATS_H

#include "ring/virtqueue.h"

struct virtqueue_layout virtqueue_packed_layout(uint16_t size);
void virtqueue_packed_init(struct virtqueue *queue, void *memory);
void virtqueue_packed_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes);
bool virtqueue_packed_publish(struct virtqueue *queue);
bool virtqueue_packed_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion);

/* Split, with descriptors in ring order. */
void virtqueue_in_order_push(struct virtqueue *queue, uint16_t slot, uint32_t last_length_bytes);

/* IN_ORDER in either format. */
void virtqueue_in_order_note(struct virtqueue *queue, uint16_t slot, uint16_t id);
bool virtqueue_in_order_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion);

/* How many buffers in flight, from the nth oldest on, a used entry for `id` completes. 0:
 * none of them has that id. */
uint16_t virtqueue_in_order_batch(const struct virtqueue *queue, uint16_t nth, uint32_t id);

/* The number of descriptors of `count` buffers, from the nth oldest on. */
uint16_t virtqueue_in_order_segments(const struct virtqueue *queue, uint16_t nth, uint16_t count);

/* Make has_news watch the next used descriptor, or the batch under way. */
void virtqueue_packed_watch(struct virtqueue *queue);

/* Read the next used descriptor. False: there is none yet. */
bool virtqueue_packed_read_used(const struct virtqueue *queue, uint32_t *ret_id,
                                uint32_t *ret_length_bytes);

/* True when the device wants a doorbell for `event`, a value of avail_next. */
bool virtqueue_is_event_crossed(struct virtqueue *queue, uint16_t event);

/* False when `*length_bytes` is more than the device could write into the chain. */
static inline bool virtqueue_check_length(const struct virtqueue_chain *chain,
                                          uint32_t *length_bytes)
{
    if (*length_bytes > chain->writable_bytes) {
        if (chain->writable_bytes != 0)
            return false;
        *length_bytes = 0; /* legacy devices put any length here (2.7.8.1) */
    }
    return true;
}

#endif
