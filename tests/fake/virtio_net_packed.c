/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The device's side of a packed virtqueue: VIRTIO 1.2, 2.8. Positions are counted in
 * descriptors and run through 65,536; a queue's sizes here are powers of two.
 */
#include <string.h>

#include "virtio_net_internal.h"

#define FLAGS_BOTH (VIRTQ_PACKED_DESC_F_AVAIL | VIRTQ_PACKED_DESC_F_USED)
#define BUFFER_DESCRIPTORS_MAX 4u

static struct virtq_packed_desc *ring_of(struct fake_device *device, const struct fake_queue *queue)
{
    return fake_queue_dma(device, queue->desc,
                          sizeof(struct virtq_packed_desc) * (uint64_t)queue->size, true);
}

static const struct virtq_packed_event *driver_event_of(struct fake_device *device,
                                                        const struct fake_queue *queue)
{
    return fake_queue_dma(device, queue->driver, sizeof(struct virtq_packed_event), false);
}

static struct virtq_packed_event *device_event_of(struct fake_device *device,
                                                  const struct fake_queue *queue)
{
    return fake_queue_dma(device, queue->device, sizeof(struct virtq_packed_event), true);
}

bool fake_packed_is_reachable(struct fake_device *device, const struct fake_queue *queue)
{
    return ring_of(device, queue) && driver_event_of(device, queue) &&
           device_event_of(device, queue);
}

/* The wrap counter of a position: 1 in the first lap. */
static unsigned wrap_of(const struct fake_queue *queue, uint16_t position)
{
    return (position / queue->size) % 2 == 0;
}

static bool is_available(const struct fake_queue *queue, const struct virtq_packed_desc *ring,
                         uint16_t position)
{
    uint16_t flags = __atomic_load_n(&ring[position % queue->size].flags, __ATOMIC_ACQUIRE);

    return (flags & FLAGS_BOTH) ==
           (wrap_of(queue, position) ? VIRTQ_PACKED_DESC_F_AVAIL : VIRTQ_PACKED_DESC_F_USED);
}

unsigned fake_packed_unseen(struct fake_device *device, const struct fake_queue *queue)
{
    const struct virtq_packed_desc *ring = ring_of(device, queue);
    unsigned count = 0;

    while (ring && count < queue->size &&
           is_available(queue, ring, (uint16_t)(queue->observed + count)))
        count++;
    return count;
}

/* Where the driver writes next, as a doorbell reports it (2.9). */
uint16_t fake_packed_next_offset(struct fake_device *device, const struct fake_queue *queue)
{
    uint16_t position = (uint16_t)(queue->observed + fake_packed_unseen(device, queue));

    return (uint16_t)(position % queue->size |
                      (wrap_of(queue, position) ? VIRTQ_PACKED_EVENT_WRAP : 0));
}

static unsigned descriptors_in_flight(const struct fake_queue *queue)
{
    return (uint16_t)(queue->observed - queue->used_index);
}

static void check_id(struct fake_device *device, const struct fake_queue *queue, uint16_t id)
{
    for (unsigned i = 0; i < queue->size; i++)
        if (queue->buffers[i].is_in_flight && queue->buffers[i].id == id)
            fake_referee(device, "buffer id %u is used again while in flight", id);
}

/* Copy the chain at the position observed last. False: there is none, or it is invalid. */
static bool read_buffer(struct fake_device *device, struct fake_queue *queue,
                        const struct virtq_packed_desc *ring, struct fake_packed_buffer *buffer)
{
    *buffer = (struct fake_packed_buffer){.is_in_flight = true};
    do {
        uint16_t position = (uint16_t)(queue->observed + buffer->count);

        if (buffer->count == BUFFER_DESCRIPTORS_MAX ||
            descriptors_in_flight(queue) + buffer->count >= queue->size) {
            fake_referee(device, "a chain of more descriptors than there are");
            return false;
        }
        if (!is_available(queue, ring, position)) {
            if (buffer->count > 0)
                fake_referee(device, "the rest of a chain is not available");
            return false;
        }
        buffer->desc[buffer->count++] = ring[position % queue->size];
    } while (buffer->desc[buffer->count - 1].flags & VIRTQ_DESC_F_NEXT);
    buffer->id = buffer->desc[buffer->count - 1].id;
    return true;
}

static bool resolve(struct fake_device *device, const struct fake_packed_buffer *buffer,
                    uint16_t head, struct fake_chain *chain)
{
    *chain = (struct fake_chain){.head = head};
    for (unsigned i = 0; i < buffer->count; i++) {
        const struct virtq_packed_desc *desc = &buffer->desc[i];

        if (desc->flags & VIRTQ_DESC_F_INDIRECT)
            fake_referee(device, "an indirect descriptor in a packed ring");
        if (!fake_chain_add(device, chain, desc->addr, desc->len, desc->flags & VIRTQ_DESC_F_WRITE))
            return false;
    }
    return true;
}

void fake_packed_observe(struct fake_device *device, unsigned index)
{
    struct fake_queue *queue = &device->queues[index];
    const struct virtq_packed_desc *ring = ring_of(device, queue);
    struct fake_packed_buffer buffer;

    while (ring && descriptors_in_flight(queue) < queue->size &&
           read_buffer(device, queue, ring, &buffer)) {
        uint16_t head = (uint16_t)(queue->observed % queue->size);
        struct fake_chain chain;

        check_id(device, queue, buffer.id);
        queue->buffers[head] = buffer;
        queue->observed = (uint16_t)(queue->observed + buffer.count);
        if (!resolve(device, &buffer, head, &chain))
            continue;
        fake_device_check_buffer(device, index, &chain);
        queue->pending[(queue->pending_start + queue->pending_count++) % queue->size] = head;
    }
}

bool fake_packed_take(struct fake_device *device, struct fake_queue *queue, uint16_t head,
                      struct fake_chain *ret_chain)
{
    const struct fake_packed_buffer *buffer = &queue->buffers[head];
    const struct virtq_packed_desc *ring = ring_of(device, queue);

    if (!ring)
        return false;
    for (unsigned i = 0; i < buffer->count; i++)
        if (memcmp(&ring[(head + i) % queue->size], &buffer->desc[i], sizeof(*ring)) != 0)
            fake_referee(device, "descriptor %u changed while in flight", head + i);
    return resolve(device, buffer, head, ret_chain);
}

void fake_packed_ask_for_doorbell(struct fake_device *device, struct fake_queue *queue)
{
    struct virtq_packed_event *event = device_event_of(device, queue);
    uint16_t position = (uint16_t)(queue->observed + queue->notify_after);

    if (!event)
        return;
    if (!queue->wants_doorbell) {
        event->flags = VIRTQ_PACKED_EVENT_F_DISABLE;
    } else if (fake_device_has(device, VIRTIO_F_EVENT_IDX)) {
        event->off_wrap = (uint16_t)(position % queue->size |
                                     (wrap_of(queue, position) ? VIRTQ_PACKED_EVENT_WRAP : 0));
        event->flags = VIRTQ_PACKED_EVENT_F_DESC;
    } else {
        event->flags = VIRTQ_PACKED_EVENT_F_ENABLE;
    }
}

static uint16_t idle_id(const struct fake_queue *queue, uint16_t otherwise)
{
    for (uint16_t id = 0; id < queue->size; id++) {
        bool is_idle = true;

        for (unsigned i = 0; i < queue->size; i++)
            is_idle &= !queue->buffers[i].is_in_flight || queue->buffers[i].id != id;
        if (is_idle)
            return id;
    }
    return otherwise;
}

static void write_used(const struct fake_queue *queue, struct virtq_packed_desc *ring,
                       uint16_t position, uint16_t id, uint32_t written_bytes, bool is_writable)
{
    struct virtq_packed_desc *desc = &ring[position % queue->size];

    desc->id = id;
    desc->len = written_bytes;
    __atomic_store_n(&desc->flags,
                     (uint16_t)((wrap_of(queue, position) ? FLAGS_BOTH : 0) |
                                (is_writable ? VIRTQ_DESC_F_WRITE : 0)),
                     __ATOMIC_RELEASE);
}

/* The misbehaviour's effect on id and length. */
static void distort(struct fake_device *device, const struct fake_queue *queue,
                    const struct fake_chain *chain, uint16_t *id, uint32_t *written_bytes)
{
    switch (device->misbehaviour) {
    case FAKE_USED_ID_OUT_OF_RANGE:
        *id = queue->size;
        break;
    case FAKE_USED_ID_MAX:
        *id = UINT16_MAX;
        break;
    case FAKE_USED_ID_NOT_IN_FLIGHT:
        *id = idle_id(queue, *id);
        break;
    case FAKE_USED_LENGTH_BELOW_HEADER:
        *written_bytes = (uint32_t)fake_device_header_length(device) - 1;
        break;
    case FAKE_USED_LENGTH_ABOVE_BUFFER:
        *written_bytes = (uint32_t)(chain->writable_bytes + chain->readable_bytes + 1);
        break;
    case FAKE_USED_LENGTH_MAX:
        *written_bytes = UINT32_MAX;
        break;
    default:
        break;
    }
}

/* After a buffer was used: garbage where a well-behaved device writes nothing. */
static void vandalize(struct fake_device *device, const struct fake_queue *queue,
                      struct virtq_packed_desc *ring, uint16_t position)
{
    struct virtq_packed_desc *desc = &ring[position % queue->size];

    if (device->misbehaviour == FAKE_DESCRIPTORS_REWRITTEN) {
        desc->addr = UINT64_MAX - 7;
        desc->flags |= VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_INDIRECT;
    }
    if (device->misbehaviour == FAKE_AVAILABLE_RING_REWRITTEN) {
        uint8_t *event =
            fake_queue_dma(device, queue->driver, sizeof(struct virtq_packed_event), false);

        if (event)
            memset(event, 0xff, sizeof(struct virtq_packed_event));
    }
}

static void raise_interrupt(struct fake_device *device, const struct fake_queue *queue)
{
    const struct virtq_packed_event *event = driver_event_of(device, queue);

    if (!event || (event->flags & VIRTQ_PACKED_EVENT_F_MASK) == VIRTQ_PACKED_EVENT_F_DISABLE)
        return;
    device->isr_status |= 1;
    device->interrupts++;
}

void fake_packed_complete(struct fake_device *device, struct fake_queue *queue,
                          const struct fake_chain *chains, unsigned count, uint32_t written_bytes)
{
    const struct fake_chain *last = &chains[count - 1];
    struct virtq_packed_desc *ring = ring_of(device, queue);
    uint16_t position = queue->used_index;
    uint16_t id = queue->buffers[last->head].id;
    bool is_writable = last->writable_bytes > 0;

    if (!ring)
        return;
    distort(device, queue, last, &id, &written_bytes);
    for (unsigned i = 0; i < count; i++) {
        queue->used_index = (uint16_t)(queue->used_index + queue->buffers[chains[i].head].count);
        queue->buffers[chains[i].head].is_in_flight = false;
    }
    /* Written elsewhere, or a lap early, so the driver does not see it. */
    if (device->misbehaviour == FAKE_USED_INDEX_RUNS_BACKWARDS)
        position--;
    if (device->misbehaviour == FAKE_USED_INDEX_JUMPS)
        position = (uint16_t)(position + queue->buffers[last->head].count);
    if (device->misbehaviour == FAKE_USED_INDEX_WRAPS)
        position = (uint16_t)(position + queue->size);
    write_used(queue, ring, position, id, written_bytes, is_writable);
    if (device->misbehaviour == FAKE_USED_ID_TWICE ||
        (device->misbehaviour == FAKE_USED_ID_NOT_IN_FLIGHT &&
         id == queue->buffers[last->head].id)) {
        write_used(queue, ring, queue->used_index, id, written_bytes, is_writable);
        queue->used_index++;
    }
    vandalize(device, queue, ring, position);
    raise_interrupt(device, queue);
}
