/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The life of a virtio network device: negotiate, set up queues and buffers, park, stop,
 * and look after it meanwhile. net_config.c reads what the device says, net_frames.c
 * moves frames.
 */
#include "net/net_device.h"

#include "net/net_config.h"
#include "net/net_frames.h"
#include "net/net_large.h"
#include "virtio_spec/net.h"

#define SUPPORTED_FEATURES                                                                         \
    (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX |       \
     VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA |                    \
     VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_F_ANY_LAYOUT |              \
     VIRTIO_DEVICE_FEATURES)

#define QUEUE_SIZE_MAX 256u
#define BUFFER_ALIGN_BYTES 64u              /* no two buffers share a cache line */
#define POOL_BYTES_MAX (4u * 1024u * 1024u) /* upper bound per direction, for jumbo frames */

/* VIRTIO 1.2, 5.1.3.1. */
static const struct virtio_feature_need feature_needs[] = {
    {VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX},
    {VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_STATUS},
};

static EFI_STATUS negotiate_features(struct net_device *net, uint64_t wanted)
{
    return virtio_device_negotiate(&net->virtio, wanted, feature_needs,
                                   sizeof(feature_needs) / sizeof(feature_needs[0]));
}

/* True when large frames were negotiated. */
static bool is_large(const struct net_device *net)
{
    return virtio_device_has(&net->virtio, VIRTIO_NET_F_MRG_RXBUF);
}

static uint64_t large_features(const struct net_device *net, uint64_t features)
{
    return net_large_features(features, virtio_device_is_legacy(&net->virtio));
}

/* Find negotiated features that are unusable: an MTU that is not valid, a control queue too
 * small for a command, offloads of which one is missing. */
static EFI_STATUS find_useless(struct net_device *net, uint64_t *ret_features)
{
    uint64_t features = 0;
    bool has_room;
    uint16_t mtu;
    EFI_STATUS status;

    status = net_config_read_mtu(net, &mtu);
    if (EFI_ERROR(status))
        return status;
    status = net_control_has_room(&net->virtio, &has_room);
    if (EFI_ERROR(status))
        return status;
    if (mtu < VIRTIO_NET_MTU_MIN) {
        features |= VIRTIO_NET_F_MTU;
        mtu = ETHERNET_MTU;
    }
    if (!has_room)
        features |= VIRTIO_NET_F_CTRL_VQ;
    if ((net->virtio.negotiated & NET_LARGE_FEATURES) !=
        large_features(net, net->virtio.negotiated))
        features |= NET_LARGE_FEATURES; /* the offer has changed since it was read */
    net->mtu = mtu;
    *ret_features = features;
    return EFI_SUCCESS;
}

static EFI_STATUS negotiate(struct net_device *net)
{
    uint64_t wanted = SUPPORTED_FEATURES;
    uint64_t useless = 0;
    bool unused;
    EFI_STATUS status;

    if (net->takes_large)
        wanted |= large_features(net, net->virtio.offered); /* as it was at init */
    status = negotiate_features(net, wanted);
    if (!EFI_ERROR(status))
        status = find_useless(net, &useless);
    if (!EFI_ERROR(status) && useless)
        status = negotiate_features(net, wanted & ~useless);
    if (EFI_ERROR(status))
        return status;
    net->header_bytes = virtio_device_is_legacy(&net->virtio) && !is_large(net)
                            ? VIRTIO_NET_HDR_LENGTH_LEGACY
                            : VIRTIO_NET_HDR_LENGTH;
    status = net_config_read_speed(net);
    return EFI_ERROR(status) ? status : net_config_read_link(net, &unused);
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
        status = net_config_read_mac(net);
    if (EFI_ERROR(status)) {
        virtio_device_fail(&net->virtio);
        virtio_device_fini(&net->virtio);
        return status;
    }
    virtio_device_halt(&net->virtio);
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

/* The size of a buffer of queue `index`, header included. */
static uint32_t buffer_bytes(const struct net_device *net, uint16_t index, uint16_t count)
{
    uint32_t bytes = net->header_bytes + net_frames_length_max(net);

    if (index == VIRTIO_NET_QUEUE_RX && is_large(net))
        return net_large_buffer_bytes(count);
    return bytes < VIRTIO_NET_RX_BUFFER_MIN ? VIRTIO_NET_RX_BUFFER_MIN : bytes;
}

static EFI_STATUS net_queue_init(struct net_device *net, struct net_queue *queue, uint16_t index)
{
    bool is_split = virtio_device_is_legacy(&net->virtio) &&
                    !virtio_device_has(&net->virtio, VIRTIO_F_ANY_LAYOUT);
    uint32_t bytes;
    uint32_t count_max;
    EFI_STATUS status;

    status =
        virtio_queue_init(&queue->queue, &net->virtio, index, QUEUE_SIZE_MAX, is_split ? 2 : 1);
    if (EFI_ERROR(status))
        return status;

    bytes = buffer_bytes(net, index, queue->queue.ring.slot_count);
    queue->stride_bytes =
        (bytes + BUFFER_ALIGN_BYTES - 1) / BUFFER_ALIGN_BYTES * BUFFER_ALIGN_BYTES;
    queue->frame_bytes = queue->stride_bytes - net->header_bytes;
    count_max = POOL_BYTES_MAX / queue->stride_bytes;
    queue->count = queue->queue.ring.slot_count;
    if (queue->count > count_max)
        queue->count = (uint16_t)count_max;

    status = dma_init(&queue->pool, net->virtio.transport.pci_io,
                      (size_t)queue->count * queue->stride_bytes);
    if (EFI_ERROR(status)) {
        net->virtio.cause = L"no memory for frame buffers";
        return status;
    }
    net_frames_describe(net, queue, index == VIRTIO_NET_QUEUE_RX);
    return EFI_SUCCESS;
}

static void net_queue_fini(struct net_queue *queue)
{
    virtio_queue_fini(&queue->queue);
    dma_fini(&queue->pool);
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

    status = net_control_init(&net->control, &net->virtio);
    if (EFI_ERROR(status))
        return status;

    if (is_large(net)) {
        status = net_large_init(net);
        if (EFI_ERROR(status))
            return virtio_device_fault(&net->virtio, status, L"no memory for a large frame");
    }

    net_frames_fill(net);
    return virtio_device_ready(&net->virtio);
}

static EFI_STATUS program_filter(struct net_device *net)
{
    return net_control_set_filter(&net->control, &net->virtio, &net->filter,
                                  net_config_knows_address(net));
}

/* Program what the reset made the device forget, or what it remembers from another owner.
 * The reset opened its filter, so a filter that cannot be programmed costs only work. */
static EFI_STATUS restore(struct net_device *net)
{
    EFI_STATUS status = EFI_SUCCESS;

    if (net->was_told_mac || !net_config_is_native_address(net))
        status = net_config_program_mac(net, net->station_mac);
    if (!EFI_ERROR(status))
        status = program_filter(net);
    return status;
}

/* Let frames flow. */
static void open_gates(struct net_device *net)
{
    net->attention = is_large(net) ? NET_UP_LARGE : NET_UP; /* clears is_tend_due as well */
    virtio_queue_publish(&net->rx.queue);
}

static EFI_STATUS restart_queues(struct net_device *net)
{
    EFI_STATUS status;

    status = virtio_queue_restart(&net->rx.queue, &net->virtio, VIRTIO_NET_QUEUE_RX);
    if (EFI_ERROR(status))
        return status;
    net_frames_describe(net, &net->rx, true);
    status = virtio_queue_restart(&net->tx.queue, &net->virtio, VIRTIO_NET_QUEUE_TX);
    if (EFI_ERROR(status))
        return status;
    net_frames_describe(net, &net->tx, false);
    status = net_control_restart(&net->control, &net->virtio);
    if (EFI_ERROR(status))
        return status;
    net_frames_fill(net);
    return EFI_SUCCESS;
}

/* Read what may have changed meanwhile. The MTU may not: it is settled by negotiation (5.1.4.1). */
static EFI_STATUS read_again(struct net_device *net)
{
    bool unused; /* a request for an announcement stays until net_device_tend sees it */
    EFI_STATUS status = net_config_read_speed(net);

    return EFI_ERROR(status) ? status : net_config_read_link(net, &unused);
}

/* Continue where park stopped. If this fails, a start from the reset on may still succeed. */
static EFI_STATUS resume(struct net_device *net)
{
    bool is_ready = false;
    EFI_STATUS status;

    status = virtio_device_is_ready(&net->virtio, &is_ready);
    if (!EFI_ERROR(status) && !is_ready)
        status = EFI_DEVICE_ERROR;
    if (!EFI_ERROR(status))
        status = read_again(net);
    if (!EFI_ERROR(status))
        status = restart_queues(net);
    if (!EFI_ERROR(status))
        status = restore(net);
    if (!EFI_ERROR(status))
        open_gates(net);
    return status;
}

EFI_STATUS net_device_start(struct net_device *net, bool takes_large)
{
    EFI_STATUS status;

    if (net->state == NET_PARKED) {
        /* Resetting the queues cannot change what was negotiated. */
        if (net->takes_large == takes_large && !EFI_ERROR(resume(net)))
            return EFI_SUCCESS;
        if (!net_device_stop(net))
            return EFI_TIMEOUT;
    }
    net->state = NET_DOWN; /* from here on net_device_stop has something to undo */
    net->was_told_mac = false;
    net->takes_large = takes_large;
    status = negotiate(net);
    if (!EFI_ERROR(status))
        status = set_up_queues(net);
    if (!EFI_ERROR(status))
        status = restore(net);
    if (EFI_ERROR(status)) {
        virtio_device_fail(&net->virtio);
        net_device_stop(net);
        net->is_link_up = false;
        return status;
    }
    open_gates(net);
    return EFI_SUCCESS;
}

/* A legacy device may keep an address that was written to it, so that the next driver would
 * read it. Restore the original. */
static void forget_mac(struct net_device *net)
{
    if (net->virtio.state == VIRTIO_DEVICE_LIVE && virtio_device_is_legacy(&net->virtio) &&
        !mac_is_equal(net->station_mac, net->permanent_mac))
        (void)net_config_program_mac(net, net->permanent_mac); /* given up either way */
}

/* A command under way, a broken ring and a device in need of a reset rule it out: they
 * require a full reset. */
static bool can_be_parked(const struct net_device *net)
{
    return !net_device_is_down(net) && virtio_device_has(&net->virtio, VIRTIO_F_RING_RESET) &&
           net->control.state != NET_CONTROL_OVERDUE;
}

static EFI_STATUS reset_queues(struct net_device *net)
{
    EFI_STATUS status;

    status = virtio_queue_reset(&net->virtio, VIRTIO_NET_QUEUE_RX);
    if (!EFI_ERROR(status))
        status = virtio_queue_reset(&net->virtio, VIRTIO_NET_QUEUE_TX);
    if (!EFI_ERROR(status) && net->control.state == NET_CONTROL_READY)
        status = virtio_queue_reset(&net->virtio, VIRTIO_NET_QUEUE_CTRL);
    return status;
}

void net_device_park(struct net_device *net)
{
    if (!can_be_parked(net) || EFI_ERROR(reset_queues(net))) {
        net_device_stop(net);
        return;
    }
    net->state = NET_PARKED;
    net->has_waiting = false;
}

/* Leak the memory, because the device may go on writing to it. The fini functions then find
 * nothing to free. */
static void abandon_memory(struct net_device *net)
{
    struct dma *parts[] = {&net->rx.queue.memory,      &net->rx.pool,
                           &net->tx.queue.memory,      &net->tx.pool,
                           &net->control.queue.memory, &net->control.buffer};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        *parts[i] = (struct dma){0};
}

bool net_device_stop(struct net_device *net)
{
    if (net->state == NET_STOPPED)
        return true;
    net->state = NET_DOWN;
    forget_mac(net);
    virtio_device_halt(&net->virtio);
    if (net->virtio.state == VIRTIO_DEVICE_OUT_OF_CONTROL)
        abandon_memory(net);
    net_control_fini(&net->control);
    net_queue_fini(&net->tx);
    net_queue_fini(&net->rx);
    net_large_fini(net);
    net->state = NET_STOPPED;
    net->has_waiting = false;
    if (!virtio_device_is_reset_pending(&net->virtio))
        return true;
    net->is_link_up = false;
    return false;
}

bool net_device_is_self_contained(const struct net_device *net)
{
    return virtio_device_has_direct_doorbells(&net->virtio);
}

void net_device_quiesce(struct net_device *net)
{
    if (net->state == NET_STOPPED)
        return;
    net->state = NET_DOWN;
    virtio_device_halt_quickly(&net->virtio);
}

EFI_STATUS net_device_set_filter(struct net_device *net, const struct net_filter *filter)
{
    struct net_filter before = net->filter;
    EFI_STATUS status;

    net->filter = *filter;
    status = net_device_is_down(net) ? EFI_SUCCESS : program_filter(net);
    if (EFI_ERROR(status))
        net->filter = before;
    return status;
}

EFI_STATUS net_device_set_mac(struct net_device *net, const uint8_t *mac)
{
    uint8_t before[MAC_BYTES];
    EFI_STATUS status;

    if (net_device_is_down(net) || EFI_ERROR(net_config_program_mac(net, mac)))
        return EFI_DEVICE_ERROR;
    __builtin_memcpy(before, net->station_mac, MAC_BYTES);
    __builtin_memcpy(net->station_mac, mac, MAC_BYTES);
    status = program_filter(net);
    if (EFI_ERROR(status)) {
        __builtin_memcpy(net->station_mac, before, MAC_BYTES);
        (void)net_config_program_mac(net, before); /* the caller gets an error either way */
    }
    return status;
}

/* The announcement itself is the clients' business; the driver only acknowledges it. A
 * device decides how often it asks and how long each answer takes, so all of it together
 * gets a twentieth of the time: 5 ms per tick. */
static void acknowledge_announcement(struct net_device *net)
{
    if (net->ticks - net->announced_at < net->announcement_pause)
        return;
    net->counters.announcements++;
    (void)net_control_acknowledge_announce(&net->control); /* net_control counts a refusal */
    net->announced_at = net->ticks;
    net->announcement_pause = 1 + net->control.waited_us / (NET_DEVICE_TICK_US / 20u);
}

void net_device_tend(struct net_device *net)
{
    bool is_ready = false;
    bool wants_announcement = false;

    net->is_tend_due = false;
    if (net_device_is_down(net))
        return;
    if (EFI_ERROR(virtio_device_is_ready(&net->virtio, &is_ready)) || !is_ready ||
        EFI_ERROR(net_config_read_link(net, &wants_announcement))) {
        net_frames_shut(net);
        return;
    }
    if (wants_announcement)
        acknowledge_announcement(net);
    net_frames_wake(net);
}
