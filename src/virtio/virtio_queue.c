/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A queue's memory, its place in the device, and its doorbell.
 */
#include "virtio/virtio_queue.h"

#include <efilib.h>

#include "pci/pci_direct.h"
#include "ring/barrier.h"
#include "virtio_spec/core.h"

#define QUEUE_RESET_TIMEOUT_US 500000u /* after that the whole device is reset */
#define QUEUE_RESET_POLL_US 100u

/* A driver may shrink the queue of a modern device to a power of two, but not that of a
 * legacy device. */
static uint16_t choose_size(const struct virtio_device *device, uint16_t device_max,
                            uint16_t size_max)
{
    uint16_t size = VIRTQ_SIZE_MAX;

    if (virtio_device_is_legacy(device))
        return (device_max & (device_max - 1)) || device_max > VIRTQ_SIZE_MAX ? 0 : device_max;
    while (size > device_max || size > size_max)
        size /= 2;
    return size;
}

/* The device addresses of the ring's parts. */
static struct virtio_queue_addresses addresses_of(const struct virtio_queue *queue, uint16_t size)
{
    struct virtqueue_layout layout = virtqueue_layout(size, queue->ring.format.is_packed);
    uint64_t start = queue->memory.device_address;

    return (struct virtio_queue_addresses){
        .desc = start,
        .driver = start + layout.driver_offset,
        .device = start + layout.device_offset,
    };
}

static EFI_STATUS hand_over(struct virtio_queue *queue, struct virtio_device *device,
                            uint16_t index, uint16_t size)
{
    const struct virtio_transport *transport = &device->transport;
    struct virtio_queue_addresses addresses = addresses_of(queue, size);
    EFI_STATUS status;

    status = transport->ops->enable_queue(transport, device->negotiated, index, size, &addresses,
                                          &queue->doorbell);
    if (status == EFI_BAD_BUFFER_SIZE)
        return virtio_device_fault(device, status,
                                   L"the device does not keep the size given to a queue");
    if (EFI_ERROR(status))
        return virtio_device_fault(device, status, L"a queue could not be enabled");
    queue->tells_offset = virtio_device_has(device, VIRTIO_F_NOTIFICATION_DATA);
    if (device->is_direct)
        pci_direct_adopt(&transport->common, &queue->doorbell);
    return EFI_SUCCESS;
}

EFI_STATUS virtio_queue_size(struct virtio_device *device, uint16_t index, uint16_t size_max,
                             uint16_t *ret_size)
{
    const struct virtio_transport *transport = &device->transport;
    uint16_t device_max;
    EFI_STATUS status;

    status = transport->ops->select_queue(transport, index, &device_max);
    if (EFI_ERROR(status))
        return virtio_device_access_fault(device, status);
    *ret_size = choose_size(device, device_max, size_max);
    return EFI_SUCCESS;
}

EFI_STATUS virtio_queue_init(struct virtio_queue *queue, struct virtio_device *device,
                             uint16_t index, uint16_t size_max, uint16_t segments_per_slot)
{
    const struct virtqueue_format format = {
        .is_packed = virtio_device_has(device, VIRTIO_F_RING_PACKED),
        .is_in_order = virtio_device_has(device, VIRTIO_F_IN_ORDER),
        .has_event_idx = virtio_device_has(device, VIRTIO_F_EVENT_IDX),
    };
    uint16_t size;
    uint16_t slot_count;
    EFI_STATUS status;

    status = virtio_queue_size(device, index, size_max, &size);
    if (EFI_ERROR(status))
        return status;
    slot_count = virtqueue_slots_max(size, segments_per_slot, &format);
    if (slot_count == 0)
        return virtio_device_fault(device, EFI_UNSUPPORTED,
                                   L"a queue is missing or has an impossible size");

    status = dma_init(&queue->memory, device->transport.pci_io,
                      virtqueue_layout(size, format.is_packed).size_bytes);
    if (EFI_ERROR(status))
        return virtio_device_fault(device, status, L"no memory for a queue");
    virtqueue_init(&queue->ring, queue->memory.address, size, slot_count, segments_per_slot,
                   &format);

    return hand_over(queue, device, index, size);
}

EFI_STATUS virtio_queue_reset(struct virtio_device *device, uint16_t index)
{
    const struct virtio_transport *transport = &device->transport;
    EFI_STATUS status;

    status = transport->ops->begin_queue_reset(transport, index);
    if (EFI_ERROR(status))
        return virtio_device_access_fault(device, status);
    for (unsigned waited_us = 0; waited_us <= QUEUE_RESET_TIMEOUT_US;
         waited_us += QUEUE_RESET_POLL_US) {
        bool is_reset;

        status = transport->ops->is_queue_reset(transport, &is_reset);
        if (EFI_ERROR(status))
            return virtio_device_fault(device, status,
                                       L"the state of a queue's reset could not be read");
        if (is_reset)
            return EFI_SUCCESS;
        BS->Stall(QUEUE_RESET_POLL_US);
    }
    return virtio_device_fault(device, EFI_TIMEOUT,
                               L"the device does not confirm the reset of a queue");
}

EFI_STATUS virtio_queue_restart(struct virtio_queue *queue, struct virtio_device *device,
                                uint16_t index)
{
    const struct virtio_transport *transport = &device->transport;
    uint16_t size = queue->ring.size;
    struct virtio_queue_addresses addresses = addresses_of(queue, size);
    struct virtqueue_format format = queue->ring.format;
    EFI_STATUS status;

    virtqueue_init(&queue->ring, queue->memory.address, size, queue->ring.slot_count,
                   queue->ring.segments_per_slot, &format);
    barrier_write(); /* DRIVER_OK is set: the ring must be empty before the device sees it */
    status = transport->ops->reenable_queue(transport, index, size, &addresses);
    return EFI_ERROR(status) ? virtio_device_access_fault(device, status) : EFI_SUCCESS;
}

void virtio_queue_fini(struct virtio_queue *queue)
{
    dma_fini(&queue->memory);
}
