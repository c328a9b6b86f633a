/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "net/net_report.h"

#include "virtio_spec/core.h"

const CHAR16 *net_report_transport(const struct net_device *net)
{
    return virtio_device_transport_name(&net->virtio);
}

bool net_report_is_packed(const struct net_device *net)
{
    return net->virtio.offered & VIRTIO_F_RING_PACKED;
}

bool net_report_uses_window(const struct net_device *net)
{
    return virtio_device_uses_window(&net->virtio);
}

uint64_t net_report_features_offered(const struct net_device *net)
{
    return net->virtio.offered;
}

uint64_t net_report_features_negotiated(const struct net_device *net)
{
    return net->virtio.negotiated;
}

const CHAR16 *net_report_last_failure(const struct net_device *net)
{
    return net->virtio.cause;
}

struct net_queue_report net_report_queue(const struct net_queue *queue)
{
    const struct virtqueue *ring = &queue->queue.ring;

    return (struct net_queue_report){
        .buffer_bytes = queue->stride_bytes,
        .entries = ring->size,
        .buffers = queue->count,
        .in_flight = ring->in_flight_count,
        .is_sound = virtqueue_is_sound(ring),
    };
}

bool net_report_is_sending(const struct net_device *net)
{
    return virtqueue_is_busy(&net->tx.queue.ring);
}

bool net_report_is_well(struct net_device *net)
{
    bool needs_reset = true;

    return !EFI_ERROR(virtio_device_needs_reset(&net->virtio, &needs_reset)) && !needs_reset;
}

bool net_report_has_confirmed_reset(const struct net_device *net)
{
    return !virtio_device_is_reset_pending(&net->virtio);
}

bool net_report_offers_the_same(struct net_device *net)
{
    uint64_t offered;

    return !EFI_ERROR(virtio_device_read_offer(&net->virtio, &offered)) &&
           offered == net->virtio.offered;
}
