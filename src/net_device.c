/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames through two virtqueues and two pools. What a frame means to SNP is
 * snp.c's business.
 */
#include "net_device.h"

#include "copy.h"
#include "random_mac.h"
#include "virtio_spec/core.h"
#include "virtio_spec/net.h"

#define SUPPORTED_FEATURES                                                                         \
    (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_F_ANY_LAYOUT |             \
     VIRTIO_F_EVENT_IDX | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM)

#define QUEUE_SIZE_MAX 256u
#define BUFFER_ALIGN_BYTES 64u              /* no two buffers share a cache line */
#define POOL_BYTES_MAX (4u * 1024u * 1024u) /* what jumbo frames may cost a direction */
#define POOL_BUFFERS_MIN 16u

#define CONFIG(field) offsetof(struct virtio_net_config, field)

static EFI_STATUS read_mac(struct net_device *net)
{
    uint8_t mac[MAC_BYTES];
    EFI_STATUS status;

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_MAC)) {
        status = virtio_device_read_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac);
        if (EFI_ERROR(status))
            return status;
    }
    if (!virtio_device_has(&net->virtio, VIRTIO_NET_F_MAC) || !mac_is_station(mac)) {
        status = random_mac(net->virtio.transport.pci_io, mac);
        if (EFI_ERROR(status)) {
            net->virtio.cause = L"the device has no MAC address, and none could be made up";
            return status;
        }
    }
    __builtin_memcpy(net->permanent_mac, mac, MAC_BYTES);
    __builtin_memcpy(net->station_mac, mac, MAC_BYTES);
    return EFI_SUCCESS;
}

static EFI_STATUS read_mtu(struct net_device *net, uint16_t *ret_mtu)
{
    *ret_mtu = ETHERNET_MTU;
    if (!virtio_device_has(&net->virtio, VIRTIO_NET_F_MTU))
        return EFI_SUCCESS;
    return virtio_device_read_config(&net->virtio, CONFIG(mtu), sizeof(*ret_mtu), sizeof(*ret_mtu),
                                     ret_mtu);
}

static EFI_STATUS read_link(struct net_device *net)
{
    uint16_t link = VIRTIO_NET_S_LINK_UP;

    net->has_link_status = virtio_device_has(&net->virtio, VIRTIO_NET_F_STATUS);
    if (net->has_link_status) {
        EFI_STATUS status = virtio_device_read_config(&net->virtio, CONFIG(status), sizeof(link),
                                                      sizeof(link), &link);
        if (EFI_ERROR(status))
            return status;
    }
    net->is_link_up = link & VIRTIO_NET_S_LINK_UP;
    return EFI_SUCCESS;
}

/* Negotiate, and without MTU where the device's is one that nobody could use. */
static EFI_STATUS negotiate(struct net_device *net)
{
    uint16_t mtu;
    EFI_STATUS status;

    status = virtio_device_negotiate(&net->virtio, SUPPORTED_FEATURES);
    if (EFI_ERROR(status))
        return status;
    status = read_mtu(net, &mtu);
    if (EFI_ERROR(status))
        return status;
    if (mtu < VIRTIO_NET_MTU_MIN) {
        status = virtio_device_negotiate(&net->virtio, SUPPORTED_FEATURES & ~VIRTIO_NET_F_MTU);
        if (EFI_ERROR(status))
            return status;
        mtu = ETHERNET_MTU;
    }
    net->mtu = mtu;
    net->header_bytes = virtio_device_is_legacy(&net->virtio) ? VIRTIO_NET_HDR_LENGTH_LEGACY
                                                              : VIRTIO_NET_HDR_LENGTH;
    return read_link(net);
}

EFI_STATUS net_device_init(struct net_device *net, EFI_PCI_IO_PROTOCOL *pci_io)
{
    EFI_STATUS status;

    __builtin_memset(net, 0, sizeof(*net));
    status = virtio_device_init(&net->virtio, pci_io);
    if (EFI_ERROR(status))
        return status;

    status = negotiate(net);
    if (!EFI_ERROR(status))
        status = read_mac(net);
    if (EFI_ERROR(status)) {
        virtio_device_fail(&net->virtio);
        virtio_device_fini(&net->virtio);
        return status;
    }
    virtio_device_halt(&net->virtio);
    net->is_down = true;
    return EFI_SUCCESS;
}

void net_device_fini(struct net_device *net)
{
    net_device_stop(net);
    virtio_device_fini(&net->virtio);
}

const CHAR16 *net_device_cause(const struct net_device *net)
{
    return net->virtio.cause ? net->virtio.cause : L"no cause is known";
}

static uint8_t *buffer_of(const struct net_queue *queue, uint16_t slot)
{
    return queue->pool.address + (size_t)slot * queue->stride_bytes;
}

/* One descriptor over header and frame, or two where a legacy device insists. */
static void describe_buffers(struct net_device *net, struct net_queue *queue, bool device_writable)
{
    for (uint16_t slot = 0; slot < queue->count; slot++) {
        uint64_t start = queue->pool.device_address + (uint64_t)slot * queue->stride_bytes;
        struct virtqueue_segment whole = {
            .device_address = start,
            .length_bytes = net->header_bytes + queue->frame_bytes,
            .device_writable = device_writable,
        };
        struct virtqueue_segment parts[VIRTQUEUE_SEGMENTS_MAX] = {whole, whole};

        if (queue->queue.ring.segments_per_slot == 2) {
            parts[0].length_bytes = net->header_bytes;
            parts[1].length_bytes = queue->frame_bytes;
            parts[1].device_address = start + net->header_bytes;
        }
        virtqueue_set_slot(&queue->queue.ring, slot, parts);
    }
}

static EFI_STATUS net_queue_init(struct net_device *net, struct net_queue *queue, uint16_t index)
{
    bool is_split = virtio_device_is_legacy(&net->virtio) &&
                    !virtio_device_has(&net->virtio, VIRTIO_F_ANY_LAYOUT);
    uint32_t bytes = net->header_bytes + ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + net->mtu;
    uint32_t count_max;
    EFI_STATUS status;

    status =
        virtio_queue_init(&queue->queue, &net->virtio, index, QUEUE_SIZE_MAX, is_split ? 2 : 1);
    if (EFI_ERROR(status))
        return status;

    if (bytes < VIRTIO_NET_RX_BUFFER_MIN)
        bytes = VIRTIO_NET_RX_BUFFER_MIN;
    queue->stride_bytes =
        (bytes + BUFFER_ALIGN_BYTES - 1) / BUFFER_ALIGN_BYTES * BUFFER_ALIGN_BYTES;
    queue->frame_bytes = queue->stride_bytes - net->header_bytes;
    count_max = POOL_BYTES_MAX / queue->stride_bytes;
    if (count_max < POOL_BUFFERS_MIN)
        count_max = POOL_BUFFERS_MIN;
    queue->count = queue->queue.ring.slot_count;
    if (queue->count > count_max)
        queue->count = (uint16_t)count_max;

    status = dma_init(&queue->pool, net->virtio.transport.pci_io,
                      (size_t)queue->count * queue->stride_bytes);
    if (EFI_ERROR(status)) {
        net->virtio.cause = L"no memory for frame buffers";
        return status;
    }
    describe_buffers(net, queue, index == VIRTIO_NET_QUEUE_RX);
    return EFI_SUCCESS;
}

static void net_queue_fini(struct net_queue *queue)
{
    virtio_queue_fini(&queue->queue);
    dma_fini(&queue->pool);
}

/* The length of a queue's last segment when all of a buffer is used. */
static uint32_t last_segment_bytes(const struct net_device *net, uint32_t frame_bytes,
                                   const struct net_queue *queue)
{
    return queue->queue.ring.segments_per_slot == 2 ? frame_bytes : net->header_bytes + frame_bytes;
}

static void rx_push(struct net_device *net, uint16_t slot)
{
    virtqueue_push(&net->rx.queue.ring, slot,
                   last_segment_bytes(net, net->rx.frame_bytes, &net->rx));
}

/* A quarter of the buffers at once: the device never runs dry, and the price of
 * publishing is shared. Until then the device must not name them. */
static void rx_return(struct net_device *net, uint16_t slot)
{
    net->rx_kept[net->rx_kept_count++] = slot;
    if (net->rx_kept_count * 4u < net->rx.count)
        return;
    net->rx_was_dry |= !virtqueue_is_busy(&net->rx.queue.ring);
    while (net->rx_kept_count > 0)
        rx_push(net, net->rx_kept[--net->rx_kept_count]);
    virtio_queue_publish(&net->rx.queue);
}

static EFI_STATUS set_up_queues(struct net_device *net)
{
    EFI_STATUS status;

    status = net_queue_init(net, &net->rx, VIRTIO_NET_QUEUE_RX);
    if (EFI_ERROR(status))
        return status;
    status = net_queue_init(net, &net->tx, VIRTIO_NET_QUEUE_TX);
    if (EFI_ERROR(status))
        return status;

    for (uint16_t slot = 0; slot < net->rx.count; slot++)
        rx_push(net, slot);
    for (uint16_t slot = 0; slot < net->tx.count; slot++)
        net->tx_free[slot] = (uint16_t)(net->tx.count - 1 - slot);
    net->tx_free_count = net->tx.count;
    net->rx_kept_count = 0;
    net->rx_was_dry = false;
    return virtio_device_ready(&net->virtio);
}

EFI_STATUS net_device_start(struct net_device *net)
{
    EFI_STATUS status;

    net->is_running = true; /* from here on stop has something to do */
    status = negotiate(net);
    if (!EFI_ERROR(status))
        status = set_up_queues(net);
    if (EFI_ERROR(status)) {
        virtio_device_fail(&net->virtio);
        net_device_stop(net);
        return status;
    }
    net->is_down = false;
    virtio_queue_publish(&net->rx.queue);
    return EFI_SUCCESS;
}

void net_device_stop(struct net_device *net)
{
    const CHAR16 *cause = net->virtio.cause;

    if (!net->is_running)
        return;
    net->is_down = true;
    virtio_device_halt(&net->virtio);
    net_queue_fini(&net->tx);
    net_queue_fini(&net->rx);
    net->is_running = false;
    net->has_waiting = false;
    net->virtio.cause = cause;
}

void net_device_quiesce(struct net_device *net)
{
    net->is_down = true;
    if (net->is_running)
        virtio_device_halt(&net->virtio);
}

/* A barrier that the platform does not keep can cost a doorbell: QEMU 7.2 drops
 * the guest's barriers when it emulates a single CPU. One more does no harm. */
static void wake(struct net_device *net)
{
    if (virtqueue_is_busy(&net->tx.queue.ring))
        pci_register16_write(&net->tx.queue.doorbell);
    if (net->rx_was_dry)
        pci_register16_write(&net->rx.queue.doorbell);
    net->rx_was_dry = false;
}

void net_device_tend(struct net_device *net)
{
    bool needs_reset = false;

    if (net->is_down)
        return;
    if (EFI_ERROR(virtio_device_needs_reset(&net->virtio, &needs_reset)) || needs_reset ||
        EFI_ERROR(read_link(net)))
        net->is_down = true;
    else
        wake(net);
}

/* The device broke a ring: believe nothing more of what it says. */
static EFI_STATUS ring_error(struct net_device *net)
{
    if (!net->is_down)
        net->counters.ring_errors++;
    net->is_down = true;
    return EFI_DEVICE_ERROR;
}

static EFI_STATUS tx_reclaim(struct net_device *net)
{
    struct virtqueue *ring = &net->tx.queue.ring;
    struct virtqueue_completion completion;

    while (net->tx_free_count < net->tx.count && virtqueue_pop(ring, &completion))
        net->tx_free[net->tx_free_count++] = completion.slot;
    if (ring->is_broken)
        return ring_error(net);
    return net->tx_free_count > 0 ? EFI_SUCCESS : EFI_NOT_READY;
}

EFI_STATUS net_device_transmit(struct net_device *net, const void *frame, size_t length_bytes)
{
    uint16_t slot;
    uint8_t *to;

    if (net->is_down)
        return EFI_DEVICE_ERROR;
    if (net->tx_free_count == 0) {
        EFI_STATUS status = tx_reclaim(net);

        if (EFI_ERROR(status))
            return status;
    }

    slot = net->tx_free[--net->tx_free_count];
    to = buffer_of(&net->tx, slot) + net->header_bytes;
    copy_bytes(to, frame, length_bytes);
    while (length_bytes < ETHERNET_FRAME_MIN_BYTES)
        to[length_bytes++] = 0;

    virtqueue_push(&net->tx.queue.ring, slot,
                   last_segment_bytes(net, (uint32_t)length_bytes, &net->tx));
    virtio_queue_publish(&net->tx.queue);
    return EFI_SUCCESS;
}

/* A frame as a station may receive it, from a device that was offered no
 * offload; else it is dropped. */
static bool is_well_formed(const struct net_device *net, const uint8_t *buffer,
                           uint32_t frame_bytes)
{
    const volatile struct virtio_net_hdr *header = (const volatile void *)buffer;

    return frame_bytes >= ETHERNET_HEADER_BYTES &&
           frame_bytes <= ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + net->mtu &&
           header->gso_type == VIRTIO_NET_HDR_GSO_NONE &&
           !(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

static bool admits(struct net_device *net, const struct virtqueue_completion *completion)
{
    const uint8_t *buffer = buffer_of(&net->rx, completion->slot);

    if (!is_well_formed(net, buffer, completion->length_bytes - net->header_bytes)) {
        net->counters.rx_malformed++;
        return false;
    }
    if (!net_filter_admits(&net->filter, net->station_mac, buffer + net->header_bytes)) {
        net->counters.rx_filtered++;
        return false;
    }
    return true;
}

/* Find the next frame to show. One lap of the ring at the most, so that a flood
 * of frames for others cannot hold the caller. */
static EFI_STATUS rx_advance(struct net_device *net)
{
    struct virtqueue *ring = &net->rx.queue.ring;

    for (uint16_t i = 0; i < net->rx.count; i++) {
        struct virtqueue_completion completion;

        if (!virtqueue_pop(ring, &completion))
            return ring->is_broken ? ring_error(net) : EFI_NOT_READY;
        if (completion.length_bytes < net->header_bytes) {
            ring->is_broken = true;
            return ring_error(net);
        }
        if (admits(net, &completion)) {
            net->waiting = completion;
            net->has_waiting = true;
            return EFI_SUCCESS;
        }
        rx_return(net, completion.slot);
    }
    return EFI_NOT_READY;
}

EFI_STATUS net_device_peek(struct net_device *net, const uint8_t **ret_frame,
                           size_t *ret_length_bytes)
{
    if (net->is_down)
        return EFI_DEVICE_ERROR;
    if (!net->has_waiting) {
        EFI_STATUS status = rx_advance(net);

        if (EFI_ERROR(status))
            return status;
    }
    *ret_frame = buffer_of(&net->rx, net->waiting.slot) + net->header_bytes;
    *ret_length_bytes = net->waiting.length_bytes - net->header_bytes;
    return EFI_SUCCESS;
}

void net_device_take(struct net_device *net)
{
    net->has_waiting = false;
    rx_return(net, net->waiting.slot);
}
