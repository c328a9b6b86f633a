/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames through two virtqueues and two pools. What a frame means to SNP is
 * snp.c's business.
 */
#include "net/net_device.h"

#include "base/copy.h"
#include "base/hot_path.h"
#include "net/random_mac.h"
#include "virtio_spec/core.h"
#include "virtio_spec/net.h"

#define SUPPORTED_FEATURES                                                                         \
    (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX |       \
     VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA |                    \
     VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_F_ANY_LAYOUT |              \
     VIRTIO_F_EVENT_IDX | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM |                     \
     VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_F_NOTIFICATION_DATA |                       \
     VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_RING_RESET)

#define QUEUE_SIZE_MAX 256u
#define BUFFER_ALIGN_BYTES 64u              /* no two buffers share a cache line */
#define POOL_BYTES_MAX (4u * 1024u * 1024u) /* what jumbo frames may cost a direction */

#define SPEED_UNKNOWN UINT32_MAX

#define CONFIG(field) offsetof(struct virtio_net_config, field)

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

static EFI_STATUS read_mac(struct net_device *net)
{
    uint8_t mac[MAC_BYTES] = {0}; /* no station's */
    EFI_STATUS status;

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_MAC)) {
        status = virtio_device_read_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac);
        if (EFI_ERROR(status))
            return status;
    }
    net->is_mac_made_up = !mac_is_station(mac);
    if (net->is_mac_made_up) {
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

/* The status field; without one the link is up for good. */
static EFI_STATUS read_link(struct net_device *net, bool *ret_wants_announcement)
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
    *ret_wants_announcement = (link & VIRTIO_NET_S_ANNOUNCE) &&
                              virtio_device_has(&net->virtio, VIRTIO_NET_F_GUEST_ANNOUNCE);
    return EFI_SUCCESS;
}

static EFI_STATUS read_speed(struct net_device *net)
{
    uint32_t speed = SPEED_UNKNOWN;

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_SPEED_DUPLEX)) {
        EFI_STATUS status = virtio_device_read_config(&net->virtio, CONFIG(speed), sizeof(speed),
                                                      sizeof(speed), &speed);
        if (EFI_ERROR(status))
            return status;
    }
    net->speed_mbps = speed > INT32_MAX ? 0 : speed; /* 5.1.4: what is above is unknown */
    return EFI_SUCCESS;
}

/* Negotiated features that nobody could use: an MTU that is none, a control queue
 * without room for a command. */
static EFI_STATUS find_useless(struct net_device *net, uint64_t *ret_features)
{
    uint64_t features = 0;
    bool has_room;
    uint16_t mtu;
    EFI_STATUS status;

    status = read_mtu(net, &mtu);
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
    net->mtu = mtu;
    *ret_features = features;
    return EFI_SUCCESS;
}

static EFI_STATUS negotiate(struct net_device *net)
{
    uint64_t useless = 0;
    bool unused;
    EFI_STATUS status;

    status = negotiate_features(net, SUPPORTED_FEATURES);
    if (!EFI_ERROR(status))
        status = find_useless(net, &useless);
    if (!EFI_ERROR(status) && useless)
        status = negotiate_features(net, SUPPORTED_FEATURES & ~useless);
    if (EFI_ERROR(status))
        return status;
    net->header_bytes = virtio_device_is_legacy(&net->virtio) ? VIRTIO_NET_HDR_LENGTH_LEGACY
                                                              : VIRTIO_NET_HDR_LENGTH;
    status = read_speed(net);
    return EFI_ERROR(status) ? status : read_link(net, &unused);
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
        struct virtqueue_segment parts[] = {whole, whole};

        if (queue->queue.ring.segments_per_slot == 2) {
            parts[0].length_bytes = net->header_bytes;
            parts[1].length_bytes = queue->frame_bytes;
            parts[1].device_address = start + net->header_bytes;
        }
        virtqueue_set_slot(&queue->queue.ring, slot, parts, queue->queue.ring.segments_per_slot);
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

static OUT_OF_LINE void rx_give_back(struct net_device *net)
{
    net->rx_was_dry |= !virtqueue_is_busy(&net->rx.queue.ring);
    virtqueue_push_all(&net->rx.queue.ring, net->rx_kept, net->rx_kept_count);
    net->rx_kept_count = 0;
    virtio_queue_publish(&net->rx.queue);
}

/* A quarter of the buffers at once: the device never runs dry, and the price of
 * publishing is shared. Until then the device must not name them. */
static inline void rx_return(struct net_device *net, uint16_t slot)
{
    uint16_t count = net->rx_kept_count;

    net->rx_kept[count++] = slot;
    net->rx_kept_count = count;
    if (count >= net->rx_kept_max)
        rx_give_back(net);
}

/* Every buffer is the device's to fill, or free to be sent. */
static void fill_queues(struct net_device *net)
{
    for (uint16_t slot = 0; slot < net->rx.count; slot++)
        net->rx_kept[slot] = slot;
    virtqueue_push_all(&net->rx.queue.ring, net->rx_kept, net->rx.count);
    for (uint16_t slot = 0; slot < net->tx.count; slot++)
        net->tx_free[slot] = (uint16_t)(net->tx.count - 1 - slot);
    net->tx_free_count = net->tx.count;
    net->rx_kept_count = 0;
    net->rx_kept_max = (uint16_t)((net->rx.count + 3u) / 4u);
    net->rx_was_dry = false;
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

    fill_queues(net);
    return virtio_device_ready(&net->virtio);
}

/* Tell the device its address, where it can be told. One that cannot is made
 * promiscuous instead, or, without CTRL_RX, passes every frame by itself: that is
 * the filter's part. */
static EFI_STATUS program_mac(struct net_device *net, const uint8_t *mac)
{
    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
        net->was_told_mac = true;
        return net_control_set_mac(&net->control, mac);
    }
    if (virtio_device_is_legacy(&net->virtio))
        return virtio_device_write_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac);
    return EFI_SUCCESS;
}

/* Whether the station's address is the device's by birth. */
static bool is_native_address(const struct net_device *net)
{
    return !net->is_mac_made_up && mac_is_equal(net->station_mac, net->permanent_mac);
}

/* Whether the device filters by the station's address. A legacy one is told it by a write,
 * which it may ignore; without the MAC feature there is nothing to be read back. */
static bool knows_address(struct net_device *net)
{
    uint8_t mac[MAC_BYTES];

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_CTRL_MAC_ADDR) || is_native_address(net))
        return true;
    return virtio_device_is_legacy(&net->virtio) &&
           virtio_device_has(&net->virtio, VIRTIO_NET_F_MAC) &&
           !EFI_ERROR(virtio_device_read_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac)) &&
           mac_is_equal(mac, net->station_mac);
}

static EFI_STATUS program_filter(struct net_device *net)
{
    return net_control_set_filter(&net->control, &net->virtio, &net->filter, knows_address(net));
}

/* What a reset made the device forget, or what it may remember of another time. Its
 * filter was opened by the reset, so one that cannot be programmed costs nothing but
 * work. */
static EFI_STATUS restore(struct net_device *net)
{
    EFI_STATUS status = EFI_SUCCESS;

    if (net->was_told_mac || !is_native_address(net))
        status = program_mac(net, net->station_mac);
    if (!EFI_ERROR(status))
        status = program_filter(net);
    return status;
}

/* Let frames flow. */
static void open_gates(struct net_device *net)
{
    net->is_running = true;
    net->is_parked = false;
    net->is_down = false;
    net->is_tend_due = false;
    virtio_queue_publish(&net->rx.queue);
}

static EFI_STATUS restart_queues(struct net_device *net)
{
    EFI_STATUS status;

    status = virtio_queue_restart(&net->rx.queue, &net->virtio, VIRTIO_NET_QUEUE_RX);
    if (EFI_ERROR(status))
        return status;
    describe_buffers(net, &net->rx, true);
    status = virtio_queue_restart(&net->tx.queue, &net->virtio, VIRTIO_NET_QUEUE_TX);
    if (EFI_ERROR(status))
        return status;
    describe_buffers(net, &net->tx, false);
    status = net_control_restart(&net->control, &net->virtio);
    if (EFI_ERROR(status))
        return status;
    fill_queues(net);
    return EFI_SUCCESS;
}

/* What may have changed meanwhile: not the MTU, which is settled by negotiation (5.1.4.1). */
static EFI_STATUS read_again(struct net_device *net)
{
    bool unused; /* a wish for an announcement stays until tend sees it */
    EFI_STATUS status = read_speed(net);

    return EFI_ERROR(status) ? status : read_link(net, &unused);
}

/* Go on where park stopped. Whatever fails, a start from the reset on may not. */
static EFI_STATUS resume(struct net_device *net)
{
    bool is_ready;
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

/* No frame flows any more, and then there is no link either. */
static void go_down(struct net_device *net)
{
    net->is_down = true;
    net->is_link_up = false;
}

EFI_STATUS net_device_start(struct net_device *net)
{
    EFI_STATUS status;

    if (net->is_parked) {
        if (!EFI_ERROR(resume(net)))
            return EFI_SUCCESS;
        if (!net_device_stop(net))
            return EFI_TIMEOUT;
    }
    net->is_running = true; /* from here on stop has something to do */
    net->was_told_mac = false;
    status = negotiate(net);
    if (!EFI_ERROR(status))
        status = set_up_queues(net);
    if (!EFI_ERROR(status))
        status = restore(net);
    if (EFI_ERROR(status)) {
        virtio_device_fail(&net->virtio);
        net_device_stop(net);
        go_down(net);
        return status;
    }
    open_gates(net);
    return EFI_SUCCESS;
}

/* A legacy device may keep an address that was written, also for the next driver. */
static void forget_mac(struct net_device *net)
{
    if (!net->virtio.is_halted && virtio_device_is_legacy(&net->virtio) &&
        !mac_is_equal(net->station_mac, net->permanent_mac))
        (void)program_mac(net, net->permanent_mac); /* the device is given up either way */
}

/* A command under way, a broken ring, a device in need of a reset: those want one. */
static bool can_be_parked(const struct net_device *net)
{
    return net->is_running && !net->is_down &&
           virtio_device_has(&net->virtio, VIRTIO_F_RING_RESET) &&
           (net->control.is_usable || !virtio_device_has(&net->virtio, VIRTIO_NET_F_CTRL_VQ));
}

static EFI_STATUS reset_queues(struct net_device *net)
{
    EFI_STATUS status;

    status = virtio_queue_reset(&net->virtio, VIRTIO_NET_QUEUE_RX);
    if (!EFI_ERROR(status))
        status = virtio_queue_reset(&net->virtio, VIRTIO_NET_QUEUE_TX);
    if (!EFI_ERROR(status) && net->control.is_usable)
        status = virtio_queue_reset(&net->virtio, VIRTIO_NET_QUEUE_CTRL);
    return status;
}

void net_device_park(struct net_device *net)
{
    if (!can_be_parked(net) || EFI_ERROR(reset_queues(net))) {
        net_device_stop(net);
        return;
    }
    net->is_down = true;
    net->is_running = false;
    net->is_parked = true;
    net->has_waiting = false;
}

/* Leave the memory to a device that may go on writing to it: fini then finds none. */
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
    const CHAR16 *cause = net->virtio.cause;

    if (!net->is_running && !net->is_parked)
        return true;
    net->is_down = true;
    forget_mac(net);
    virtio_device_halt(&net->virtio);
    if (net->virtio.is_out_of_control)
        abandon_memory(net);
    net_control_fini(&net->control);
    net_queue_fini(&net->tx);
    net_queue_fini(&net->rx);
    net->is_running = false;
    net->is_parked = false;
    net->has_waiting = false;
    if (net->virtio.is_reset_pending) {
        go_down(net);
        return false;
    }
    net->virtio.cause = cause;
    return true;
}

bool net_device_is_self_contained(const struct net_device *net)
{
    return virtio_device_has_direct_doorbells(&net->virtio);
}

void net_device_quiesce(struct net_device *net)
{
    net->is_down = true;
    if (net->is_running || net->is_parked)
        virtio_device_halt_quickly(&net->virtio);
}

/* A barrier that the platform does not keep can cost a doorbell: QEMU 7.2 drops
 * the guest's barriers when it emulates a single CPU. One more does no harm. */
static void wake(struct net_device *net)
{
    if (virtqueue_is_busy(&net->tx.queue.ring))
        virtio_queue_ring(&net->tx.queue);
    if (net->rx_was_dry)
        virtio_queue_ring(&net->rx.queue);
    net->rx_was_dry = false;
}

EFI_STATUS net_device_set_filter(struct net_device *net, const struct net_filter *filter)
{
    struct net_filter before = net->filter;
    EFI_STATUS status;

    net->filter = *filter;
    status = net->is_down ? EFI_SUCCESS : program_filter(net);
    if (EFI_ERROR(status))
        net->filter = before;
    return status;
}

EFI_STATUS net_device_set_mac(struct net_device *net, const uint8_t *mac)
{
    uint8_t before[MAC_BYTES];
    EFI_STATUS status;

    if (net->is_down || EFI_ERROR(program_mac(net, mac)))
        return EFI_DEVICE_ERROR;
    __builtin_memcpy(before, net->station_mac, MAC_BYTES);
    __builtin_memcpy(net->station_mac, mac, MAC_BYTES);
    status = program_filter(net);
    if (EFI_ERROR(status)) {
        __builtin_memcpy(net->station_mac, before, MAC_BYTES);
        (void)program_mac(net, before); /* refused again: the caller knows that something is */
    }
    return status;
}

/* What is announced is the clients' to know; that it was seen is ours to say. A device
 * decides how often it wants that said and how long each answer takes, so all of it
 * together gets a twentieth of the time: 5 ms a tick. */
static void acknowledge_announcement(struct net_device *net)
{
    if (net->ticks - net->announced_at < net->announcement_pause)
        return;
    net->counters.announcements++;
    (void)net_control_acknowledge_announce(&net->control); /* a refusal is counted there */
    net->announced_at = net->ticks;
    net->announcement_pause = 1 + net->control.waited_us / (NET_DEVICE_TICK_US / 20u);
}

void net_device_tend(struct net_device *net)
{
    bool is_ready = false;
    bool wants_announcement = false;

    net->is_tend_due = false;
    if (net->is_down)
        return;
    if (EFI_ERROR(virtio_device_is_ready(&net->virtio, &is_ready)) || !is_ready ||
        EFI_ERROR(read_link(net, &wants_announcement))) {
        go_down(net);
        return;
    }
    if (wants_announcement)
        acknowledge_announcement(net);
    wake(net);
}

static inline void count_good(struct net_traffic *traffic, const uint8_t *frame,
                              size_t length_bytes)
{
    traffic->good_bytes += length_bytes;
    if (!mac_is_group(frame))
        traffic->unicast++;
    else if (mac_is_broadcast(frame))
        traffic->broadcast++;
    else
        traffic->multicast++;
}

static void count_bad(struct net_traffic *traffic, uint64_t *cause, size_t length_bytes)
{
    traffic->bad_bytes += length_bytes;
    (*cause)++;
}

/* The device broke a ring: believe nothing more of what it says. */
static OUT_OF_LINE EFI_STATUS ring_error(struct net_device *net)
{
    if (!net->is_down)
        net->counters.ring_errors++;
    go_down(net);
    return EFI_DEVICE_ERROR;
}

/* The list of free slots is empty: fill it. */
static OUT_OF_LINE EFI_STATUS tx_reclaim(struct net_device *net)
{
    struct virtqueue *ring = &net->tx.queue.ring;
    struct virtqueue_completion completion;

    uint16_t count = 0;

    while (count < net->tx.count && virtqueue_pop(ring, &completion))
        net->tx_free[count++] = completion.slot;
    net->tx_free_count = count;
    virtqueue_suppress_interrupts(ring);
    if (ring->is_broken)
        return ring_error(net);
    return count > 0 ? EFI_SUCCESS : EFI_NOT_READY;
}

inline EFI_STATUS net_device_transmit(struct net_device *net, const void *frame,
                                      size_t length_bytes)
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

    virtio_queue_send(&net->tx.queue, slot,
                      last_segment_bytes(net, (uint32_t)length_bytes, &net->tx));
    count_good(&net->counters.tx, frame, length_bytes);
    return EFI_SUCCESS;
}

static inline bool is_length_plausible(const struct net_device *net, uint32_t frame_bytes)
{
    return frame_bytes - ETHERNET_HEADER_BYTES <= ETHERNET_VLAN_BYTES + net->mtu;
}

/* Whether a station may receive the frame from a device that was offered no offload. */
static inline bool is_plain(const struct net_device *net, const struct net_frame *frame)
{
    const volatile struct virtio_net_hdr *header =
        (const volatile void *)(frame->bytes - net->header_bytes);

    return header->gso_type == VIRTIO_NET_HDR_GSO_NONE &&
           !(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

/* Count a frame that is not shown by what it fails first, and let the device have its
 * buffer again. */
static OUT_OF_LINE void drop(struct net_device *net, const struct net_frame *frame)
{
    struct net_traffic *rx = &net->counters.rx;

    if (frame->length_bytes < ETHERNET_HEADER_BYTES)
        count_bad(rx, &rx->undersize, frame->length_bytes);
    else if (!is_length_plausible(net, frame->length_bytes))
        count_bad(rx, &rx->oversize, frame->length_bytes);
    else if (!is_plain(net, frame))
        count_bad(rx, &rx->dropped, frame->length_bytes);
    else
        net->counters.rx_filtered++;
    rx_return(net, frame->slot);
}

/* Find the next frame to show. One lap of the ring at the most, so that a flood
 * of frames for others cannot hold the caller. */
static ALWAYS_INLINE EFI_STATUS rx_advance(struct net_device *net)
{
    struct virtqueue *ring = &net->rx.queue.ring;

    for (uint16_t i = 0; i < net->rx.count; i++) {
        struct virtqueue_completion completion;
        struct net_frame frame;

        if (!virtqueue_pop(ring, &completion))
            return ring->is_broken ? ring_error(net) : EFI_NOT_READY;
        if (completion.length_bytes < net->header_bytes) {
            ring->is_broken = true;
            return ring_error(net);
        }
        frame.bytes = buffer_of(&net->rx, completion.slot) + net->header_bytes;
        frame.length_bytes = completion.length_bytes - net->header_bytes;
        frame.slot = completion.slot;
        if (is_length_plausible(net, frame.length_bytes) && is_plain(net, &frame) &&
            net_filter_admits(&net->filter, net->station_mac, frame.bytes)) {
            net->waiting = frame;
            net->has_waiting = true;
            return EFI_SUCCESS;
        }
        drop(net, &frame);
    }
    return EFI_NOT_READY;
}

ALWAYS_INLINE EFI_STATUS net_device_peek(struct net_device *net, const uint8_t **ret_frame,
                                         size_t *ret_length_bytes)
{
    if (net->is_down)
        return EFI_DEVICE_ERROR;
    if (!net->has_waiting) {
        EFI_STATUS status = rx_advance(net);

        if (EFI_ERROR(status))
            return status;
    }
    *ret_frame = net->waiting.bytes;
    *ret_length_bytes = net->waiting.length_bytes;
    return EFI_SUCCESS;
}

inline void net_device_take(struct net_device *net)
{
    net->has_waiting = false;
    count_good(&net->counters.rx, net->waiting.bytes, net->waiting.length_bytes);
    rx_return(net, net->waiting.slot);
}
