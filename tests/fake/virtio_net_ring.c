/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The device's side of a virtqueue, and of the split format: VIRTIO 1.2, 2.7. Guest memory is
 * read only at addresses given by the driver, each time anew, through the mappings of the
 * PCI function.
 *
 * A buffer is observed (checked, and marked in flight) as soon as the device looks
 * at the available ring; it stays pending until the device has work for it.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_net_internal.h"

/* The driver is not to blame for addresses that the device may have written. */
void *fake_queue_dma(struct fake_device *device, uint64_t address, uint64_t length,
                     bool device_writes)
{
    if (device->misbehaviour != FAKE_BEHAVES || device->is_tainted)
        return fake_pci_find_dma(device->function, address, length, device_writes);
    return fake_pci_dma(device->function, address, length, device_writes);
}

static struct virtq_avail *avail_of(struct fake_device *device, const struct fake_queue *queue)
{
    return fake_queue_dma(device, queue->driver, 6 + 2 * (uint64_t)queue->size, false);
}

static struct virtq_used *used_of(struct fake_device *device, const struct fake_queue *queue)
{
    return fake_queue_dma(device, queue->device,
                          6 + sizeof(struct virtq_used_elem) * (uint64_t)queue->size, true);
}

static struct virtq_desc *desc_of(struct fake_device *device, const struct fake_queue *queue)
{
    return fake_queue_dma(device, queue->desc, sizeof(struct virtq_desc) * (uint64_t)queue->size,
                          false);
}

static uint16_t *avail_event_of(struct virtq_used *used, uint16_t size)
{
    return (uint16_t *)&used->ring[size];
}

static bool is_reachable(struct fake_device *device, const struct fake_queue *queue)
{
    if (fake_device_is_packed(device))
        return fake_packed_is_reachable(device, queue);
    return desc_of(device, queue) && avail_of(device, queue) && used_of(device, queue);
}

static bool is_empty(struct fake_device *device, const struct fake_queue *queue)
{
    if (fake_device_is_packed(device))
        return fake_packed_unseen(device, queue) == 0;
    return avail_of(device, queue)->idx == 0 && used_of(device, queue)->idx == 0;
}

void fake_queue_enable(struct fake_device *device, unsigned index)
{
    struct fake_queue *queue = &device->queues[index];

    if (queue->size == 0)
        queue->size = fake_device_queue_size_max(device, index);
    if (queue->size == 0 || !is_reachable(device, queue))
        return;
    queue->observed = 0;
    if (!is_empty(device, queue))
        fake_referee(device, "queue %u is enabled with rings that are not empty", index);
    queue->is_enabled = true;
    queue->was_reset = false;
    queue->reset_was_seen = false;
    if (device->misbehaviour != FAKE_QUEUE_RESET_PRETENDED)
        queue->used_index = 0;
    queue->next_head = 0;
    queue->pending_start = 0;
    queue->pending_count = 0;
    free(queue->pending); /* for a queue that was not really reset */
    free(queue->in_flight);
    free(queue->in_flight_was);
    free(queue->buffers);
    queue->pending = calloc(queue->size, sizeof(queue->pending[0]));
    queue->in_flight = calloc(queue->size, sizeof(queue->in_flight[0]));
    queue->in_flight_was = calloc(queue->size, sizeof(queue->in_flight_was[0]));
    queue->buffers = calloc(queue->size, sizeof(queue->buffers[0]));
}

/* Notification counts and the test's settings outlive it. */
void fake_queue_disable(struct fake_queue *queue)
{
    free(queue->pending);
    free(queue->in_flight);
    free(queue->in_flight_was);
    free(queue->buffers);
    *queue = (struct fake_queue){
        .size_max = queue->size_max,
        .notify_after = queue->notify_after,
        .notifications = queue->notifications,
        .needless_notifications = queue->needless_notifications,
    };
}

bool fake_chain_add(struct fake_device *device, struct fake_chain *chain, uint64_t address,
                    uint32_t length, bool is_writable)
{
    struct fake_segment *segment = &chain->segments[chain->count];

    if (length == 0) {
        fake_referee(device, "an empty descriptor");
        return false;
    }
    if (!is_writable && chain->writable_bytes > 0)
        fake_referee(device, "a device-readable descriptor after a device-writable one");
    segment->address = address;
    segment->data = fake_queue_dma(device, address, length, is_writable);
    segment->length = length;
    segment->is_writable = is_writable;
    *(is_writable ? &chain->writable_bytes : &chain->readable_bytes) += length;
    chain->count++;
    return segment->data != NULL;
}

static bool add_segment(struct fake_device *device, struct fake_chain *chain,
                        const struct virtq_desc *desc)
{
    return fake_chain_add(device, chain, desc->addr, desc->len, desc->flags & VIRTQ_DESC_F_WRITE);
}

static bool add_indirect(struct fake_device *device, struct fake_chain *chain,
                         const struct virtq_desc *desc)
{
    size_t count = desc->len / sizeof(struct virtq_desc);
    const struct virtq_desc *table = fake_queue_dma(device, desc->addr, desc->len, false);
    size_t next = 0;

    if (!fake_device_has(device, VIRTIO_F_INDIRECT_DESC) || (desc->flags & VIRTQ_DESC_F_NEXT) ||
        count == 0 || desc->len % sizeof(struct virtq_desc))
        fake_referee(device, "an indirect descriptor, not negotiated or malformed");
    if (!table || count == 0)
        return false;
    for (size_t i = 0; i < count && chain->count < FAKE_CHAIN_MAX; i++) {
        struct virtq_desc each = table[next];

        if (!add_segment(device, chain, &each))
            return false;
        if (!(each.flags & VIRTQ_DESC_F_NEXT))
            return true;
        if (each.next >= count)
            break;
        next = each.next;
    }
    fake_referee(device, "an indirect table that does not end");
    return false;
}

/* Take one descriptor of a chain. A new one is marked in flight; an old one must be unchanged. */
static bool read_descriptor(struct fake_device *device, struct fake_queue *queue, uint16_t index,
                            bool is_new, struct virtq_desc *ret_desc)
{
    const struct virtq_desc *table = desc_of(device, queue);

    if (!table)
        return false;
    if (index >= queue->size) {
        fake_referee(device, "descriptor %u in a queue of %u", index, queue->size);
        return false;
    }
    if (is_new && queue->in_flight[index]) {
        fake_referee(device, "descriptor %u is used again while in flight", index);
        return false;
    }
    *ret_desc = table[index];
    if (!is_new && memcmp(ret_desc, &queue->in_flight_was[index], sizeof(*ret_desc)) != 0)
        fake_referee(device, "descriptor %u changed while in flight", index);
    queue->in_flight[index] = true;
    queue->in_flight_was[index] = *ret_desc;
    return true;
}

static bool walk(struct fake_device *device, struct fake_queue *queue, uint16_t head, bool is_new,
                 struct fake_chain *chain)
{
    struct virtq_desc desc = {.next = head};

    *chain = (struct fake_chain){.head = head};
    while (chain->count < FAKE_CHAIN_MAX) {
        if (!read_descriptor(device, queue, desc.next, is_new, &desc))
            return false;
        if (desc.flags & VIRTQ_DESC_F_INDIRECT)
            return add_indirect(device, chain, &desc);
        if (!add_segment(device, chain, &desc))
            return false;
        if (!(desc.flags & VIRTQ_DESC_F_NEXT))
            return true;
    }
    fake_referee(device, "a chain of more than %u descriptors", FAKE_CHAIN_MAX);
    return false;
}

static bool is_working(const struct fake_device *device, const struct fake_queue *queue)
{
    return queue->is_enabled && fake_device_is_live(device) && !device->function->is_unplugged &&
           !(device->status & VIRTIO_STATUS_NEEDS_RESET);
}

/* 2.7.5: with IN_ORDER, descriptors are used in ring order. */
static void check_order(struct fake_device *device, struct fake_queue *queue, uint16_t head,
                        const struct fake_chain *chain)
{
    if (!fake_device_has(device, VIRTIO_F_IN_ORDER))
        return;
    if (head != queue->next_head)
        fake_referee(device, "descriptor %u is made available, %u is next", head, queue->next_head);
    for (uint16_t i = 0; i + 1u < chain->count; i++) {
        uint16_t at = (uint16_t)((head + i) % queue->size);

        if (queue->in_flight_was[at].next != (at + 1u) % queue->size)
            fake_referee(device, "descriptor %u is followed by %u", at,
                         queue->in_flight_was[at].next);
    }
    queue->next_head = (uint16_t)((head + chain->count) % queue->size);
}

void fake_queue_observe(struct fake_device *device, unsigned index)
{
    struct fake_queue *queue = &device->queues[index];
    struct virtq_avail *avail;
    uint16_t published;

    if (!is_working(device, queue))
        return;
    if (fake_device_is_packed(device)) {
        fake_packed_observe(device, index);
        return;
    }
    avail = avail_of(device, queue);
    if (!avail)
        return;
    published = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
    if ((uint16_t)(published - queue->observed) > queue->size) {
        fake_referee(device, "available index of queue %u jumps from %u to %u", index,
                     queue->observed, published);
        return;
    }
    for (; queue->observed != published; queue->observed++) {
        uint16_t head = avail->ring[queue->observed % queue->size];
        struct fake_chain chain;

        if (!walk(device, queue, head, true, &chain))
            continue;
        check_order(device, queue, head, &chain);
        fake_device_check_buffer(device, index, &chain);
        queue->pending[(queue->pending_start + queue->pending_count++) % queue->size] = head;
    }
}

/* Buffers that the driver has published and the device has not looked at. */
static unsigned unseen(struct fake_device *device, const struct fake_queue *queue)
{
    const struct virtq_avail *avail;

    if (fake_device_is_packed(device))
        return fake_packed_unseen(device, queue);
    avail = avail_of(device, queue);
    return avail ? (uint16_t)(__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) - queue->observed) : 0;
}

static bool needs_doorbell(struct fake_device *device, const struct fake_queue *queue)
{
    return queue->wants_doorbell &&
           unseen(device, queue) >
               (fake_device_has(device, VIRTIO_F_EVENT_IDX) ? queue->notify_after : 0);
}

bool fake_queue_is_at(struct fake_device *device, unsigned index, uint16_t offset)
{
    const struct fake_queue *queue = &device->queues[index];
    const struct virtq_avail *avail;

    if (!is_working(device, queue))
        return true;
    if (fake_device_is_packed(device))
        return fake_packed_next_offset(device, queue) == offset;
    avail = avail_of(device, queue);
    return !avail || __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) == offset;
}

void fake_queue_check_wakeup(struct fake_device *device, unsigned index)
{
    const struct fake_queue *queue = &device->queues[index];

    if (!device->function->lost_a_write && is_working(device, queue) &&
        needs_doorbell(device, queue))
        fake_referee(device, "lost wakeup: queue %u has new buffers, but no doorbell rang", index);
}

void fake_queue_ask_for_doorbell(struct fake_device *device, unsigned index, bool wants)
{
    struct fake_queue *queue = &device->queues[index];
    struct virtq_used *used;

    if (!queue->is_enabled)
        return;
    if (fake_device_is_packed(device)) {
        queue->wants_doorbell = wants;
        fake_packed_ask_for_doorbell(device, queue);
        return;
    }
    used = used_of(device, queue);
    if (!used)
        return;
    queue->wants_doorbell = wants;
    if (!fake_device_has(device, VIRTIO_F_EVENT_IDX))
        used->flags = (uint16_t)(wants ? 0 : VIRTQ_USED_F_NO_NOTIFY);
    else if (wants)
        *avail_event_of(used, queue->size) = (uint16_t)(queue->observed + queue->notify_after);
    else
        *avail_event_of(used, queue->size) = (uint16_t)(queue->observed - 1);
}

/* A receive queue needs no doorbell while it has buffers; the others always do. */
static void go_to_sleep(struct fake_device *device, unsigned index)
{
    bool has_work = index == VIRTIO_NET_QUEUE_RX && device->queues[index].pending_count > 0;

    fake_queue_ask_for_doorbell(device, index, !device->polls && !has_work);
}

static void work(struct fake_device *device, unsigned index)
{
    fake_queue_observe(device, index);
    fake_device_work(device, index);
    if (is_working(device, &device->queues[index]))
        go_to_sleep(device, index);
}

void fake_queue_notify(struct fake_device *device, unsigned index)
{
    struct fake_queue *queue = &device->queues[index];

    if (index >= FAKE_DEVICE_QUEUES || !queue->is_enabled || !fake_device_is_live(device)) {
        fake_referee(device, "doorbell of queue %u with status %#x", index, device->status);
        return;
    }
    queue->notifications++;
    if (!is_working(device, queue))
        return;
    if (!needs_doorbell(device, queue))
        queue->needless_notifications++;
    if (!device->is_stalled) {
        work(device, index);
        return;
    }
    fake_queue_observe(device, index);
    if (fake_device_has(device, VIRTIO_F_EVENT_IDX))
        queue->wants_doorbell = false; /* the driver is past avail_event now */
}

void fake_device_process(struct fake_device *device)
{
    fake_device_change_num_buffers(device);
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++) {
        fake_queue_check_wakeup(device, i);
        if (is_working(device, &device->queues[i]))
            work(device, i);
    }
}

void fake_device_poll_rings(struct fake_device *device, bool polls)
{
    device->polls = polls;
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        if (is_working(device, &device->queues[i]))
            go_to_sleep(device, i);
}

void fake_device_notify_after(struct fake_device *device, unsigned queue, uint16_t buffers)
{
    device->queues[queue].notify_after = buffers;
    if (is_working(device, &device->queues[queue]))
        go_to_sleep(device, queue);
}

unsigned fake_device_pending_count(struct fake_device *device, unsigned queue)
{
    fake_queue_check_wakeup(device, queue);
    fake_queue_observe(device, queue);
    return device->queues[queue].pending_count;
}

bool fake_queue_take(struct fake_device *device, unsigned index, struct fake_chain *ret_chain)
{
    struct fake_queue *queue = &device->queues[index];
    uint16_t head;

    if (!is_working(device, queue) || queue->pending_count == 0)
        return false;
    head = queue->pending[queue->pending_start];
    queue->pending_start = (uint16_t)((queue->pending_start + 1) % queue->size);
    queue->pending_count--;
    if (fake_device_is_packed(device))
        return fake_packed_take(device, queue, head, ret_chain);
    return walk(device, queue, head, false, ret_chain);
}

void fake_queue_put_back(struct fake_queue *queue, uint16_t count)
{
    if (count == 0) /* of a queue that may not be enabled */
        return;
    queue->pending_start = (uint16_t)((queue->pending_start + queue->size - count) % queue->size);
    queue->pending_count = (uint16_t)(queue->pending_count + count);
}

static void release_descriptors(struct fake_queue *queue, uint16_t head)
{
    uint16_t index = head;

    while (index < queue->size && queue->in_flight[index]) {
        const struct virtq_desc *desc = &queue->in_flight_was[index];

        queue->in_flight[index] = false;
        if (!(desc->flags & VIRTQ_DESC_F_NEXT) || (desc->flags & VIRTQ_DESC_F_INDIRECT))
            break;
        index = desc->next;
    }
}

static uint16_t find_idle_descriptor(const struct fake_queue *queue, uint16_t otherwise)
{
    for (uint16_t i = 0; i < queue->size; i++)
        if (!queue->in_flight[i])
            return i;
    return otherwise;
}

static void raise_interrupt(struct fake_device *device, struct fake_queue *queue, uint16_t old)
{
    const struct virtq_avail *avail = avail_of(device, queue);
    uint16_t event;

    if (!avail)
        return;
    event = avail->ring[queue->size];
    if (fake_device_has(device, VIRTIO_F_EVENT_IDX)
            ? (uint16_t)(queue->used_index - event - 1) >= (uint16_t)(queue->used_index - old)
            : (avail->flags & VIRTQ_AVAIL_F_NO_INTERRUPT) != 0)
        return;
    device->isr_status |= 1;
    device->interrupts++;
}

/* Adds the used elements that the misbehaviour produces; returns their number. */
static unsigned distort(struct fake_device *device, const struct fake_queue *queue,
                        const struct fake_chain *chain, struct virtq_used_elem elements[2])
{
    switch (device->misbehaviour) {
    case FAKE_USED_ID_OUT_OF_RANGE:
        elements[0].id = queue->size;
        return 1;
    case FAKE_USED_ID_MAX:
        elements[0].id = UINT32_MAX;
        return 1;
    case FAKE_USED_ID_NOT_IN_FLIGHT:
        elements[1] = elements[0];
        elements[0].id = find_idle_descriptor(queue, (uint16_t)elements[0].id);
        return elements[0].id == elements[1].id ? 2 : 1;
    case FAKE_USED_ID_TWICE:
        elements[1] = elements[0];
        return 2;
    case FAKE_USED_LENGTH_BELOW_HEADER:
        elements[0].len = (uint32_t)fake_device_header_length(device) - 1;
        return 1;
    case FAKE_USED_LENGTH_ABOVE_BUFFER:
        elements[0].len = (uint32_t)(chain->writable_bytes + chain->readable_bytes + 1);
        return 1;
    case FAKE_USED_LENGTH_MAX:
        elements[0].len = UINT32_MAX;
        return 1;
    default:
        return 1;
    }
}

static void rewrite_descriptors(struct fake_device *device, const struct fake_queue *queue,
                                uint16_t head)
{
    struct virtq_desc *table = desc_of(device, queue);

    if (table)
        table[head] = (struct virtq_desc){UINT64_MAX - 7, UINT32_MAX,
                                          VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, UINT16_MAX};
}

static void rewrite_available_ring(struct fake_device *device, const struct fake_queue *queue)
{
    struct virtq_avail *avail = avail_of(device, queue);

    if (avail)
        memset(avail, 0xff, 6 + 2 * (size_t)queue->size);
}

/* One used entry, for the last of `count` chains, stands for them all. */
static void complete_split(struct fake_device *device, struct fake_queue *queue,
                           const struct fake_chain *chains, unsigned count, uint32_t written_bytes)
{
    const struct fake_chain *last = &chains[count - 1];
    struct virtq_used *used = used_of(device, queue);
    struct virtq_used_elem elements[2] = {{.id = last->head, .len = written_bytes}};
    uint16_t old = queue->used_index;
    unsigned entries;

    if (!used)
        return;
    if (device->misbehaviour == FAKE_DESCRIPTORS_REWRITTEN)
        rewrite_descriptors(device, queue, last->head);
    if (device->misbehaviour == FAKE_AVAILABLE_RING_REWRITTEN)
        rewrite_available_ring(device, queue);
    entries = distort(device, queue, last, elements);
    for (unsigned i = 0; i < entries; i++)
        used->ring[queue->used_index++ % queue->size] = elements[i];
    queue->used_index = (uint16_t)(queue->used_index + count - 1);
    if (device->misbehaviour == FAKE_USED_INDEX_JUMPS)
        queue->used_index = (uint16_t)(queue->used_index + queue->size);
    if (device->misbehaviour == FAKE_USED_INDEX_RUNS_BACKWARDS)
        queue->used_index = (uint16_t)(old - 1);
    if (device->misbehaviour == FAKE_USED_INDEX_WRAPS)
        queue->used_index = old;
    for (unsigned i = 0; i < count; i++)
        release_descriptors(queue, chains[i].head);
    __atomic_store_n(&used->idx, queue->used_index, __ATOMIC_RELEASE);
    raise_interrupt(device, queue, old);
}

static void complete(struct fake_device *device, unsigned index, const struct fake_chain *chains,
                     unsigned count, uint32_t written_bytes)
{
    struct fake_queue *queue = &device->queues[index];

    if (!queue->is_enabled)
        return;
    if (fake_device_is_packed(device))
        fake_packed_complete(device, queue, chains, count, written_bytes);
    else
        complete_split(device, queue, chains, count, written_bytes);
}

void fake_queue_complete(struct fake_device *device, unsigned index, const struct fake_chain *chain,
                         uint32_t written_bytes)
{
    complete(device, index, chain, 1, written_bytes);
}

void fake_queue_complete_batch(struct fake_device *device, unsigned index,
                               const struct fake_chain *chains, unsigned count)
{
    if (count == 0)
        return;
    if (fake_device_has(device, VIRTIO_F_IN_ORDER)) {
        complete(device, index, chains, count, 0);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        complete(device, index, &chains[device->completes_in_reverse ? count - 1 - i : i], 1, 0);
}

void fake_queue_complete_frame(struct fake_device *device, unsigned index,
                               const struct fake_chain *chains, const uint32_t *written_bytes,
                               unsigned count, bool has_each_its_own)
{
    if (fake_device_has(device, VIRTIO_F_IN_ORDER) && !has_each_its_own) {
        complete(device, index, chains, count, written_bytes[count - 1]);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        complete(device, index, &chains[i], 1, written_bytes[i]);
}

size_t fake_chain_read(const struct fake_chain *chain, size_t offset, void *data, size_t length)
{
    uint8_t *to = data;
    size_t done = 0;

    for (size_t i = 0; i < chain->count && done < length; i++) {
        const struct fake_segment *segment = &chain->segments[i];
        size_t part;

        if (segment->is_writable)
            break;
        if (offset >= segment->length) {
            offset -= segment->length;
            continue;
        }
        part = segment->length - offset;
        if (part > length - done)
            part = length - done;
        memcpy(to + done, segment->data + offset, part);
        done += part;
        offset = 0;
    }
    return done;
}

size_t fake_chain_write(const struct fake_chain *chain, size_t offset, const void *data,
                        size_t length)
{
    const uint8_t *from = data;
    size_t done = 0;

    for (size_t i = 0; i < chain->count && done < length; i++) {
        const struct fake_segment *segment = &chain->segments[i];
        size_t part;

        if (!segment->is_writable)
            continue;
        if (offset >= segment->length) {
            offset -= segment->length;
            continue;
        }
        part = segment->length - offset;
        if (part > length - done)
            part = length - done;
        memcpy(segment->data + offset, from + done, part);
        done += part;
        offset = 0;
    }
    return done;
}
