/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A queue of a virtio device: a virtqueue with its memory and its doorbell. virtio_device.h
 * says when in the life of a device these functions are called.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include "pci/dma.h"
#include "ring/virtqueue.h"
#include "virtio/virtio_device.h"

struct virtio_queue {
    struct virtqueue ring;
    struct dma memory;
    struct pci_register doorbell;
    bool tells_offset; /* NOTIFICATION_DATA: a doorbell carries the ring's position */
};

/* The size that virtio_queue_init would give to queue `index`; 0: the device has no such
 * queue, or one of impossible size. Errors: those of PciIo. */
EFI_STATUS virtio_queue_size(struct virtio_device *device, uint16_t index, uint16_t size_max,
                             uint16_t *ret_size) __attribute__((warn_unused_result));

/* Allocate queue `index` and hand it to the device: at most `size_max` entries, a power of
 * two (a legacy device imposes its own size), and as many slots of `segments_per_slot`
 * descriptors as fit, up to VIRTQUEUE_SLOTS_MAX.
 * Errors: EFI_UNSUPPORTED, the device has no such queue, or one of impossible size;
 * EFI_BAD_BUFFER_SIZE, it does not keep the size that it was given; EFI_OUT_OF_RESOURCES;
 * those of PciIo. After a failure the device may know the queue's memory: halt it, then call
 * virtio_queue_fini. */
EFI_STATUS virtio_queue_init(struct virtio_queue *queue, struct virtio_device *device,
                             uint16_t index, uint16_t size_max, uint16_t segments_per_slot)
    __attribute__((warn_unused_result));

/* Reset queue `index` and nothing else; RING_RESET was negotiated. Only after success does the
 * device leave the queue's memory alone.
 * Errors: EFI_TIMEOUT, not confirmed within QUEUE_RESET_TIMEOUT_US; EFI_DEVICE_ERROR, the
 * device contradicts itself; those of PciIo. After a failure only a halt helps. */
EFI_STATUS virtio_queue_reset(struct virtio_device *device, uint16_t index)
    __attribute__((warn_unused_result));

/* Hand a queue that was reset to the device again. Its memory is the same, and cleared, so
 * its slots must be described and pushed again. Errors: those of PciIo. */
EFI_STATUS virtio_queue_restart(struct virtio_queue *queue, struct virtio_device *device,
                                uint16_t index) __attribute__((warn_unused_result));

/* Free the queue. The device is halted or cut off. A zeroed object is accepted. */
void virtio_queue_fini(struct virtio_queue *queue);

/* Ring the doorbell: one device access. */
static inline void virtio_queue_ring(const struct virtio_queue *queue)
{
    if (queue->tells_offset)
        pci_register_write32(&queue->doorbell, virtqueue_next_offset(&queue->ring));
    else
        pci_register_write16(&queue->doorbell);
}

/* Show the device what was pushed, and ring the doorbell if the device wants it. */
static inline void virtio_queue_publish(struct virtio_queue *queue)
{
    if (virtqueue_publish(&queue->ring))
        virtio_queue_ring(queue);
}

/* Push, publish, ring. */
static inline void virtio_queue_send(struct virtio_queue *queue, uint16_t slot,
                                     uint32_t last_length_bytes)
{
    virtqueue_push(&queue->ring, slot, last_length_bytes);
    virtio_queue_publish(queue);
}

#endif
