/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers, modern and legacy: VIRTIO 1.2, 4.1.4 and 4.1.4.10. Checks the order of
 * initialization (3.1.1), the features and the widths of accesses (4.1.3.1).
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_net_internal.h"

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

static bool has_status(const struct fake_device *device, unsigned bits)
{
    return (device->status & bits) == bits;
}

static bool is_awake(const struct fake_device *device)
{
    return device->reset_reads_left == 0 && device->reset_was_seen;
}

/* The address of queue `queue`'s doorbell within the notify region. */
static uint64_t doorbell_offset(const struct fake_device *device, unsigned queue)
{
    uint64_t multiplier = device->options.notify_multiplier ? device->options.notify_multiplier : 4;

    return device->options.single_doorbell ? 0 : queue * multiplier;
}

/* The value of queue_notify_data, which cannot be mistaken for a queue's number. */
static uint16_t notify_data(const struct fake_device *device, unsigned queue)
{
    return (uint16_t)(0xa500 + 0x11 * queue + device->notify_data_readings);
}

static unsigned queue_of_doorbell(const struct fake_device *device, uint16_t value)
{
    if (!fake_device_has(device, VIRTIO_F_NOTIF_CONFIG_DATA))
        return value;
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        if (value == notify_data(device, i))
            return i;
    return FAKE_DEVICE_QUEUES;
}

uint16_t fake_device_queue_size_max(const struct fake_device *device, unsigned queue)
{
    if (queue >= FAKE_DEVICE_QUEUES || device->queues[queue].size_max == 0)
        return 0;
    switch (device->misbehaviour) {
    case FAKE_QUEUE_SIZE_ZERO:
        return 0;
    case FAKE_QUEUE_SIZE_NOT_POWER_OF_TWO:
        return 100;
    case FAKE_QUEUE_SIZE_32768:
        return VIRTQ_SIZE_MAX;
    default:
        return device->queues[queue].size_max;
    }
}

void fake_device_reset(struct fake_device *device)
{
    uint32_t delay = device->misbehaviour == FAKE_RESET_NEVER_SETTLES ? FAKE_DEVICE_RESET_NEVER
                                                                      : device->reset_delay;

    device->resets++;
    device->function->lost_a_write = false;
    device->status_before_reset = device->status ? device->status : VIRTIO_STATUS_ACKNOWLEDGE;
    device->reset_reads_left = delay;
    if (delay == FAKE_DEVICE_RESET_NEVER)
        return;

    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        fake_queue_disable(&device->queues[i]);
    device->status = 0;
    device->accepted = 0;
    device->offered_select = 0;
    device->accepted_select = 0;
    device->queue_select = 0;
    device->isr_status = 0;
    device->was_reset = true;
    device->reset_was_seen = false;
    device->features_ok_was_seen = false;
    device->has_chosen = false;
    device->filter = (struct fake_device_filter){.promiscuous = true};
    device->has_unanswered = false;
    device->changing_header = 0;
    if (device->mac_was_commanded)
        memcpy(device->mac, device->burned_mac, 6);
    device->mac_was_commanded = false;
    device->is_tainted = device->misbehaviour != FAKE_BEHAVES;
}

void fake_device_reset_by_others(struct fake_device *device)
{
    fake_device_reset(device);
    device->is_tainted = true;
}

static uint8_t read_status(struct fake_device *device)
{
    if (device->reset_reads_left > 0) {
        if (device->reset_reads_left != FAKE_DEVICE_RESET_NEVER)
            device->reset_reads_left--;
        return device->status_before_reset;
    }
    if (device->status == 0)
        device->reset_was_seen = true;
    if (device->status & VIRTIO_STATUS_FEATURES_OK) {
        if (device->misbehaviour == FAKE_FEATURES_OK_REVOKED && device->features_ok_was_seen)
            device->status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
        device->features_ok_was_seen = true;
    }
    return device->status;
}

/* 5.1.3.1 and 6.1: a feature without any of those that it requires. */
static uint64_t find_unsupported_feature(uint64_t accepted)
{
    static const struct {
        uint64_t feature;
        uint64_t needs_one_of;
    } rules[] = {
        {VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6},
        {VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6},
        {VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if ((accepted & rules[i].feature) && !(accepted & rules[i].needs_one_of))
            return rules[i].feature;
    return 0;
}

static bool features_are_valid(struct fake_device *device)
{
    uint64_t offers = device->misbehaviour == FAKE_FEATURES_ALL ? UINT64_MAX : device->offered;
    uint64_t offered = device->uses_legacy ? (uint32_t)offers : offers;
    uint64_t lonely = find_unsupported_feature(device->accepted);

    if (device->accepted & ~offered)
        fake_referee(device, "accepted features %#llx were not offered",
                     (unsigned long long)(device->accepted & ~offered));
    else if (lonely)
        fake_referee(device, "accepted feature %#llx without the one it needs",
                     (unsigned long long)lonely);
    else if ((offered & VIRTIO_F_VERSION_1) && !fake_device_has(device, VIRTIO_F_VERSION_1))
        fake_referee(device, "VERSION_1 was offered, but not accepted");
    else
        return true;
    return false;
}

static void check_status_order(struct fake_device *device, uint8_t added)
{
    if (added & (added - 1))
        fake_referee(device, "status bits %#x set at once", added);
    if (added == VIRTIO_STATUS_ACKNOWLEDGE && !device->was_reset)
        fake_referee(device, "ACKNOWLEDGE without a reset before it");
    if (added == VIRTIO_STATUS_DRIVER && !has_status(device, VIRTIO_STATUS_ACKNOWLEDGE))
        fake_referee(device, "DRIVER before ACKNOWLEDGE");
    if (added == VIRTIO_STATUS_FEATURES_OK && !has_status(device, VIRTIO_STATUS_DRIVER))
        fake_referee(device, "FEATURES_OK before DRIVER");
    if (added == VIRTIO_STATUS_FEATURES_OK && device->uses_legacy)
        fake_referee(device, "FEATURES_OK on a legacy device");
    if (added != VIRTIO_STATUS_DRIVER_OK)
        return;
    if (!has_status(device, VIRTIO_STATUS_DRIVER))
        fake_referee(device, "DRIVER_OK before DRIVER");
    if (!device->uses_legacy && !device->features_ok_was_seen)
        fake_referee(device, "DRIVER_OK, but FEATURES_OK was not set and read back");
    if (device->uses_legacy)
        (void)features_are_valid(device);
}

static void start_queues(struct fake_device *device)
{
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        if (device->queues[i].is_enabled)
            fake_queue_ask_for_doorbell(device, i, !device->polls);
    if (device->misbehaviour == FAKE_NEEDS_RESET)
        fake_device_need_reset(device);
}

static void write_status(struct fake_device *device, uint8_t value)
{
    const uint8_t own =
        VIRTIO_STATUS_NEEDS_RESET; /* set by the device; the driver cannot change it */
    uint8_t added = (uint8_t)(value & ~device->status & ~own);

    if (value == 0) {
        fake_device_reset(device);
        return;
    }
    if (added & VIRTIO_STATUS_FAILED) { /* 3.1.1: a driver may give up at any time */
        device->status |= VIRTIO_STATUS_FAILED;
        return;
    }
    if (device->resets > 0 && !is_awake(device))
        fake_referee(device, "status %#x written before the reset was seen to end", value);
    if ((value & device->status & ~own) != (device->status & ~own))
        fake_referee(device, "status %#x clears bits of %#x", value, device->status);
    check_status_order(device, added);
    if (added == VIRTIO_STATUS_ACKNOWLEDGE)
        device->was_reset = false;
    if (added == VIRTIO_STATUS_FEATURES_OK &&
        (device->misbehaviour == FAKE_FEATURES_OK_DROPPED || !features_are_valid(device)))
        return;
    device->status |= (uint8_t)(value & ~own);
    if (added == VIRTIO_STATUS_DRIVER_OK)
        start_queues(device);
}

static uint32_t offered_half(struct fake_device *device, uint32_t select)
{
    uint64_t offered = device->offered;

    if (select == 0)
        device->feature_readings++;
    if (device->misbehaviour == FAKE_FEATURES_CHANGE && device->feature_readings % 2)
        offered ^= VIRTIO_NET_F_MAC | VIRTIO_NET_F_CTRL_RX | VIRTIO_F_EVENT_IDX;
    if (device->misbehaviour == FAKE_FEATURES_NONE)
        offered = 0;
    if (device->misbehaviour == FAKE_FEATURES_ALL)
        offered = UINT64_MAX;
    return select < 2 ? (uint32_t)(offered >> (32 * select)) : 0;
}

static void accept_half(struct fake_device *device, uint32_t select, uint32_t value)
{
    unsigned shift = 32 * select;

    if (!has_status(device, VIRTIO_STATUS_DRIVER) || has_status(device, VIRTIO_STATUS_FEATURES_OK))
        fake_referee(device, "features written with status %#x", device->status);
    if (select > 1) {
        if (value)
            fake_referee(device, "unknown features accepted");
        return;
    }
    device->accepted &= ~((uint64_t)UINT32_MAX << shift);
    device->accepted |= (uint64_t)value << shift;
}

/* The feature that a byte of the configuration depends on. */
static uint64_t feature_of_config(uint64_t offset)
{
    if (offset < offsetof(struct virtio_net_config, status))
        return VIRTIO_NET_F_MAC;
    if (offset < offsetof(struct virtio_net_config, max_virtqueue_pairs))
        return VIRTIO_NET_F_STATUS;
    if (offset < offsetof(struct virtio_net_config, mtu))
        return VIRTIO_NET_F_MQ;
    if (offset < offsetof(struct virtio_net_config, speed))
        return VIRTIO_NET_F_MTU;
    return VIRTIO_NET_F_SPEED_DUPLEX;
}

static bool is_config_field(uint64_t offset, unsigned width)
{
    switch (offset) {
    case offsetof(struct virtio_net_config, status):
    case offsetof(struct virtio_net_config, max_virtqueue_pairs):
    case offsetof(struct virtio_net_config, mtu):
        return width == 2;
    case offsetof(struct virtio_net_config, speed):
        return width == 4;
    default:
        return width == 1;
    }
}

static void check_config_access(struct fake_device *device, uint64_t offset, unsigned width)
{
    uint64_t feature = feature_of_config(offset);
    bool is_settled = has_status(device, device->uses_legacy ? VIRTIO_STATUS_DRIVER_OK
                                                             : VIRTIO_STATUS_FEATURES_OK);

    if (!is_config_field(offset, width))
        fake_referee(device, "configuration at %#llx accessed with %u bytes",
                     (unsigned long long)offset, width);
    if (!((is_settled ? device->accepted : device->offered) & feature))
        fake_referee(device, "configuration at %#llx read without its feature",
                     (unsigned long long)offset);
}

static uint64_t read_config(struct fake_device *device, uint64_t offset, unsigned width)
{
    struct virtio_net_config config = {
        .status = device->link_status,
        .max_virtqueue_pairs = 1,
        .mtu = device->misbehaviour == FAKE_MTU_BELOW_68 ? VIRTIO_NET_MTU_MIN - 1 : device->mtu,
        .speed = device->options.speed_mbps ? device->options.speed_mbps : 1000,
        .duplex = 1,
    };
    uint64_t value = 0;

    check_config_access(device, offset, width);
    if (device->mac_changes_in_read && offset == 3) {
        device->mac_changes_in_read = false;
        memcpy(device->mac, device->next_mac, 6);
        device->generation++;
    }
    if (device->misbehaviour == FAKE_GENERATION_NEVER_SETTLES && offset < 6)
        device->mac[5]++;
    memcpy(config.mac, device->mac, 6);
    if (offset + width <= sizeof(config))
        memcpy(&value, (const uint8_t *)&config + offset, width);
    return value;
}

static void write_config(struct fake_device *device, uint64_t offset, unsigned width,
                         uint64_t value)
{
    if (!device->uses_legacy || offset >= 6 || width != 1 ||
        fake_device_has(device, VIRTIO_NET_F_CTRL_MAC_ADDR))
        fake_referee(device, "configuration at %#llx written", (unsigned long long)offset);
    else if (device->misbehaviour != FAKE_MAC_READ_ONLY)
        device->mac[offset] = (uint8_t)value;
}

/* The driver must keep to the interface through which it first set the status. Reading the other
 * one before that is no choice. */
static void choose_interface(struct fake_device *device, bool is_legacy, bool sets_status)
{
    if (device->has_chosen && device->uses_legacy != is_legacy)
        fake_referee(device, "legacy and modern registers used together");
    if (sets_status || !device->has_chosen)
        device->uses_legacy = is_legacy;
    device->has_chosen |= sets_status;
}

static void check_queue_setup(struct fake_device *device, const struct fake_queue *queue)
{
    unsigned needed = device->uses_legacy ? VIRTIO_STATUS_DRIVER : VIRTIO_STATUS_FEATURES_OK;

    if (!has_status(device, needed) ||
        (has_status(device, VIRTIO_STATUS_DRIVER_OK) && !queue->was_reset))
        fake_referee(device, "queue set up with status %#x", device->status);
    if (queue->was_reset && !queue->reset_was_seen)
        fake_referee(device, "queue %u set up before its reset was seen to end",
                     device->queue_select);
    if (queue->size_max == 0)
        fake_referee(device, "queue %u, which does not exist, is set up", device->queue_select);
    if (queue->is_enabled)
        fake_referee(device, "queue %u set up while it is enabled", device->queue_select);
}

static void write_queue_size(struct fake_device *device, struct fake_queue *queue, uint16_t size)
{
    check_queue_setup(device, queue);
    if (size == 0 || (size & (size - 1)) || size > queue->size_max)
        fake_referee(device, "queue size %u, the device allows %u", size, queue->size_max);
    if (device->misbehaviour != FAKE_QUEUE_SIZE_READ_ONLY)
        queue->size = size;
}

static void write_queue_enable(struct fake_device *device, struct fake_queue *queue, uint16_t value)
{
    check_queue_setup(device, queue);
    if (value != 1)
        fake_referee(device, "queue_enable written as %u", value);
    else if (queue->desc % VIRTQ_DESC_ALIGN || queue->driver % VIRTQ_AVAIL_ALIGN ||
             queue->device % VIRTQ_USED_ALIGN)
        fake_referee(device, "queue %u is not aligned", device->queue_select);
    else
        fake_queue_enable(device, device->queue_select);
    if (queue->is_enabled && has_status(device, VIRTIO_STATUS_DRIVER_OK))
        fake_queue_ask_for_doorbell(device, device->queue_select, !device->polls);
}

static struct fake_queue *selected_queue(struct fake_device *device)
{
    static struct fake_queue missing;

    if (device->queue_select < FAKE_DEVICE_QUEUES)
        return &device->queues[device->queue_select];
    missing = (struct fake_queue){0};
    return &missing;
}

static unsigned common_field_width(uint64_t offset)
{
    if (offset == COMMON(device_status) || offset == COMMON(config_generation))
        return 1;
    if (offset < COMMON(config_msix_vector) ||
        (offset >= COMMON(queue_desc) && offset < COMMON(queue_notify_data)))
        return 4;
    return 2;
}

static uint64_t read_notify_data(struct fake_device *device)
{
    if (!fake_device_has(device, VIRTIO_F_NOTIF_CONFIG_DATA))
        fake_referee(device, "queue_notify_data read without its feature");
    if (device->misbehaviour == FAKE_NOTIFY_DATA_CHANGES)
        device->notify_data_readings++;
    return notify_data(device, device->queue_select);
}

bool fake_queue_seems_enabled(const struct fake_device *device, unsigned index)
{
    const struct fake_queue *queue = &device->queues[index];

    return queue->is_enabled &&
           !(queue->was_reset && device->misbehaviour == FAKE_QUEUE_RESET_PRETENDED);
}

/* 2.6.1: the queue alone, until it is enabled again. */
static void write_queue_reset(struct fake_device *device, struct fake_queue *queue, uint16_t value)
{
    unsigned index = device->queue_select;

    if (!fake_device_has(device, VIRTIO_F_RING_RESET))
        fake_referee(device, "queue_reset written without its feature");
    if (value != 1)
        fake_referee(device, "queue_reset written as %u", value);
    if (!queue->is_enabled)
        fake_referee(device, "queue %u, which is not enabled, is reset", index);
    if (index >= FAKE_DEVICE_QUEUES)
        return;
    device->queue_resets++;
    if (device->misbehaviour == FAKE_QUEUE_RESET_NEVER_SETTLES)
        queue->reset_reads_left = FAKE_DEVICE_RESET_NEVER;
    else if (device->misbehaviour != FAKE_QUEUE_RESET_IGNORED &&
             device->misbehaviour != FAKE_QUEUE_RESET_PRETENDED) {
        fake_queue_disable(queue);
        queue->reset_reads_left = device->queue_reset_delay;
    }
    queue->was_reset = true;
}

static uint64_t read_queue_reset(struct fake_device *device, struct fake_queue *queue)
{
    if (!fake_device_has(device, VIRTIO_F_RING_RESET))
        fake_referee(device, "queue_reset read without its feature");
    if (queue->reset_reads_left > 0) {
        if (queue->reset_reads_left != FAKE_DEVICE_RESET_NEVER)
            queue->reset_reads_left--;
        return 1;
    }
    queue->reset_was_seen = true;
    return 0;
}

static uint64_t read_common(struct fake_device *device, uint64_t offset)
{
    struct fake_queue *queue = selected_queue(device);
    bool overflows = device->misbehaviour == FAKE_NOTIFY_OFFSET_OVERFLOWS;

    switch (offset) {
    case COMMON(device_feature_select):
        return device->offered_select;
    case COMMON(device_feature):
        return offered_half(device, device->offered_select);
    case COMMON(driver_feature_select):
        return device->accepted_select;
    case COMMON(driver_feature):
        return device->accepted_select < 2
                   ? (uint32_t)(device->accepted >> (32 * device->accepted_select))
                   : 0;
    case COMMON(config_msix_vector):
    case COMMON(queue_msix_vector):
        return VIRTIO_PCI_NO_VECTOR;
    case COMMON(num_queues):
        return device->queues[VIRTIO_NET_QUEUE_CTRL].size_max ? 3 : 2;
    case COMMON(device_status):
        return read_status(device);
    case COMMON(config_generation):
        if (device->misbehaviour == FAKE_GENERATION_NEVER_SETTLES)
            device->generation++;
        return device->generation;
    case COMMON(queue_select):
        return device->queue_select;
    case COMMON(queue_size):
        return queue->size ? queue->size : fake_device_queue_size_max(device, device->queue_select);
    case COMMON(queue_enable):
        return device->queue_select < FAKE_DEVICE_QUEUES &&
               fake_queue_seems_enabled(device, device->queue_select);
    case COMMON(queue_notify_off):
        return overflows ? UINT16_MAX : device->queue_select;
    case COMMON(queue_notify_data):
        return read_notify_data(device);
    case COMMON(queue_reset):
        return read_queue_reset(device, queue);
    default:
        return 0;
    }
}

static void write_half(struct fake_device *device, struct fake_queue *queue, uint64_t *address,
                       bool is_high, uint64_t value)
{
    check_queue_setup(device, queue);
    *address = is_high ? (*address & UINT32_MAX) | value << 32
                       : (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void write_common(struct fake_device *device, uint64_t offset, uint64_t value)
{
    struct fake_queue *queue = selected_queue(device);

    switch (offset) {
    case COMMON(device_feature_select):
        device->offered_select = (uint32_t)value;
        break;
    case COMMON(driver_feature_select):
        device->accepted_select = (uint32_t)value;
        break;
    case COMMON(driver_feature):
        accept_half(device, device->accepted_select, (uint32_t)value);
        break;
    case COMMON(config_msix_vector):
    case COMMON(queue_msix_vector):
        break;
    case COMMON(device_status):
        write_status(device, (uint8_t)value);
        break;
    case COMMON(queue_select):
        device->queue_select = (uint16_t)value;
        break;
    case COMMON(queue_size):
        write_queue_size(device, queue, (uint16_t)value);
        break;
    case COMMON(queue_enable):
        write_queue_enable(device, queue, (uint16_t)value);
        break;
    case COMMON(queue_reset):
        write_queue_reset(device, queue, (uint16_t)value);
        break;
    case COMMON(queue_desc):
    case COMMON(queue_desc) + 4:
        write_half(device, queue, &queue->desc, offset != COMMON(queue_desc), value);
        break;
    case COMMON(queue_driver):
    case COMMON(queue_driver) + 4:
        write_half(device, queue, &queue->driver, offset != COMMON(queue_driver), value);
        break;
    case COMMON(queue_device):
    case COMMON(queue_device) + 4:
        write_half(device, queue, &queue->device, offset != COMMON(queue_device), value);
        break;
    default:
        fake_referee(device, "common configuration at %#llx is read-only",
                     (unsigned long long)offset);
    }
}

static bool check_common_access(struct fake_device *device, uint64_t offset, unsigned width,
                                bool is_write)
{
    bool is_status = offset == COMMON(device_status);

    choose_interface(device, false, is_status && is_write);
    if (width != common_field_width(offset)) {
        fake_referee(device, "common configuration at %#llx accessed with %u bytes",
                     (unsigned long long)offset, width);
        return false;
    }
    if (!is_status && device->resets > 0 && !is_awake(device))
        fake_referee(device, "registers accessed before the reset was seen to end");
    return true;
}

/* 2.7.2: the three parts of a legacy queue follow each other. */
static void write_legacy_address(struct fake_device *device, uint32_t page)
{
    struct fake_queue *queue = selected_queue(device);
    uint64_t start = (uint64_t)page << VIRTIO_PCI_LEGACY_PAGE_SHIFT;
    uint16_t size = fake_device_queue_size_max(device, device->queue_select);
    uint64_t available_end = sizeof(struct virtq_desc) * size + 2 * (3u + size);

    if (page == 0) {
        fake_queue_disable(queue);
        return;
    }
    check_queue_setup(device, queue);
    queue->size = size;
    queue->desc = start;
    queue->driver = start + sizeof(struct virtq_desc) * size;
    queue->device =
        start + ((available_end + VIRTQ_LEGACY_ALIGN - 1) & ~(uint64_t)(VIRTQ_LEGACY_ALIGN - 1));
    fake_queue_enable(device, device->queue_select);
}

static uint64_t legacy_config_start(const struct fake_device *device)
{
    return device->options.msix_is_enabled ? VIRTIO_PCI_LEGACY_CONFIG_MSIX
                                           : VIRTIO_PCI_LEGACY_CONFIG;
}

static unsigned legacy_width(uint64_t offset)
{
    switch (offset) {
    case VIRTIO_PCI_LEGACY_DEVICE_STATUS:
    case VIRTIO_PCI_LEGACY_ISR_STATUS:
        return 1;
    case VIRTIO_PCI_LEGACY_QUEUE_SIZE:
    case VIRTIO_PCI_LEGACY_QUEUE_SELECT:
    case VIRTIO_PCI_LEGACY_QUEUE_NOTIFY:
        return 2;
    default:
        return offset < VIRTIO_PCI_LEGACY_QUEUE_SIZE ? 4 : 2;
    }
}

static bool check_legacy_access(struct fake_device *device, uint64_t offset, unsigned width,
                                bool is_write)
{
    bool is_status = offset == VIRTIO_PCI_LEGACY_DEVICE_STATUS;

    choose_interface(device, true, is_status && is_write);
    if (width != legacy_width(offset)) {
        fake_referee(device, "legacy register %#llx accessed with %u bytes",
                     (unsigned long long)offset, width);
        return false;
    }
    if (!is_status && device->resets > 0 && !is_awake(device))
        fake_referee(device, "registers accessed before the reset was seen to end");
    return true;
}

static uint64_t read_isr(struct fake_device *device)
{
    uint8_t value = device->isr_status;

    device->isr_status = 0;
    return value;
}

static uint64_t read_legacy(struct fake_device *device, uint64_t offset, unsigned width)
{
    const struct fake_queue *queue = selected_queue(device);

    if (offset >= legacy_config_start(device)) {
        choose_interface(device, true, false);
        return read_config(device, offset - legacy_config_start(device), width);
    }
    if (!check_legacy_access(device, offset, width, false))
        return 0;
    switch (offset) {
    case VIRTIO_PCI_LEGACY_DEVICE_FEATURES:
        return offered_half(device, 0);
    case VIRTIO_PCI_LEGACY_DRIVER_FEATURES:
        return (uint32_t)device->accepted;
    case VIRTIO_PCI_LEGACY_QUEUE_ADDRESS:
        return queue->is_enabled ? queue->desc >> VIRTIO_PCI_LEGACY_PAGE_SHIFT : 0;
    case VIRTIO_PCI_LEGACY_QUEUE_SIZE:
        return fake_device_queue_size_max(device, device->queue_select);
    case VIRTIO_PCI_LEGACY_QUEUE_SELECT:
        return device->queue_select;
    case VIRTIO_PCI_LEGACY_DEVICE_STATUS:
        return read_status(device);
    case VIRTIO_PCI_LEGACY_ISR_STATUS:
        return read_isr(device);
    default:
        return 0;
    }
}

static void write_legacy(struct fake_device *device, uint64_t offset, unsigned width,
                         uint64_t value)
{
    if (offset >= legacy_config_start(device)) {
        choose_interface(device, true, false);
        write_config(device, offset - legacy_config_start(device), width, value);
        return;
    }
    if (!check_legacy_access(device, offset, width, true))
        return;
    switch (offset) {
    case VIRTIO_PCI_LEGACY_DRIVER_FEATURES:
        accept_half(device, 0, (uint32_t)value);
        break;
    case VIRTIO_PCI_LEGACY_QUEUE_ADDRESS:
        write_legacy_address(device, (uint32_t)value);
        break;
    case VIRTIO_PCI_LEGACY_QUEUE_SELECT:
        device->queue_select = (uint16_t)value;
        break;
    case VIRTIO_PCI_LEGACY_QUEUE_NOTIFY:
        fake_queue_notify(device, (unsigned)value);
        break;
    case VIRTIO_PCI_LEGACY_DEVICE_STATUS:
        write_status(device, (uint8_t)value);
        break;
    default:
        fake_referee(device, "legacy register %#llx written", (unsigned long long)offset);
    }
}

static bool is_in(const struct fake_region *region, unsigned bar, uint64_t offset)
{
    return region->length > 0 && region->bar == bar && offset >= region->offset &&
           offset < (uint64_t)region->offset + region->length;
}

/* Effects of the access itself, whatever the register. */
static void do_what_is_due(struct fake_device *device)
{
    uint64_t now_us = fake_firmware_now_us(device->function->firmware);

    if (device->accesses_left > 0 && --device->accesses_left == 0)
        fake_device_misbehave(device, device->next_misbehaviour);
    fake_device_change_num_buffers(device);
    if (device->misbehaviour == FAKE_CONTROL_ACKS_LATE &&
        now_us - device->unanswered_since_us >= FAKE_LATE_ACK_US)
        fake_device_answer_late(device);
}

static enum fake_access_kind count_access(struct fake_device *device, unsigned bar, uint64_t offset)
{
    enum fake_access_kind kind = FAKE_ACCESS_OTHER;

    do_what_is_due(device);
    if (device->options.transport != FAKE_MODERN && bar == VIRTIO_PCI_LEGACY_BAR)
        kind = offset == VIRTIO_PCI_LEGACY_QUEUE_NOTIFY ? FAKE_ACCESS_NOTIFY : FAKE_ACCESS_LEGACY;
    else if (is_in(&device->common, bar, offset))
        kind = FAKE_ACCESS_COMMON_CFG;
    else if (is_in(&device->config, bar, offset))
        kind = FAKE_ACCESS_DEVICE_CFG;
    else if (is_in(&device->notify, bar, offset))
        kind = FAKE_ACCESS_NOTIFY;
    else if (is_in(&device->isr, bar, offset))
        kind = FAKE_ACCESS_ISR;
    device->function->accesses[kind]++;
    return kind;
}

/* 4.1.5.2: 16 bits, under NOTIFICATION_DATA 32. */
static unsigned doorbell_width(const struct fake_device *device)
{
    return fake_device_has(device, VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
}

static uint64_t bar_read(void *context, unsigned bar, uint64_t offset, unsigned width)
{
    struct fake_device *device = context;
    enum fake_access_kind kind = count_access(device, bar, offset);

    if (device->function->is_unplugged)
        return UINT64_MAX;
    if (bar == VIRTIO_PCI_LEGACY_BAR && device->options.transport != FAKE_MODERN)
        return read_legacy(device, offset, width);
    switch (kind) {
    case FAKE_ACCESS_COMMON_CFG:
        offset -= device->common.offset;
        return check_common_access(device, offset, width, false) ? read_common(device, offset) : 0;
    case FAKE_ACCESS_DEVICE_CFG:
        choose_interface(device, false, false);
        return read_config(device, offset - device->config.offset, width);
    case FAKE_ACCESS_ISR:
        if (width != 1)
            fake_referee(device, "ISR status read with %u bytes", width);
        return read_isr(device);
    case FAKE_ACCESS_NOTIFY: /* useless, but not forbidden */
        if (width != doorbell_width(device))
            fake_referee(device, "doorbell read with %u bytes", width);
        return 0;
    default:
        fake_referee(device, "BAR %u is read at %#llx, where no register is", bar,
                     (unsigned long long)offset);
        return 0;
    }
}

/* 4.1.5.2: the queue, and under NOTIFICATION_DATA what is available in it. */
static void ring_doorbell(struct fake_device *device, uint64_t offset, unsigned width,
                          uint64_t value)
{
    bool has_data = fake_device_has(device, VIRTIO_F_NOTIFICATION_DATA);
    unsigned queue = queue_of_doorbell(device, (uint16_t)value);

    if (width != doorbell_width(device) || queue >= FAKE_DEVICE_QUEUES ||
        offset != doorbell_offset(device, queue))
        fake_referee(device, "doorbell at %#llx: %u bytes, value %#llx", (unsigned long long)offset,
                     width, (unsigned long long)value);
    else if (has_data && !fake_queue_is_at(device, queue, (uint16_t)(value >> 16)))
        fake_referee(device, "doorbell of queue %u tells the wrong offset %#x", queue,
                     (unsigned)(value >> 16));
    else
        fake_queue_notify(device, queue);
}

static void bar_write(void *context, unsigned bar, uint64_t offset, unsigned width, uint64_t value)
{
    struct fake_device *device = context;
    enum fake_access_kind kind = count_access(device, bar, offset);

    if (device->function->is_unplugged)
        return;
    if (bar == VIRTIO_PCI_LEGACY_BAR && device->options.transport != FAKE_MODERN) {
        write_legacy(device, offset, width, value);
        return;
    }
    switch (kind) {
    case FAKE_ACCESS_COMMON_CFG:
        offset -= device->common.offset;
        if (check_common_access(device, offset, width, true))
            write_common(device, offset, value);
        break;
    case FAKE_ACCESS_DEVICE_CFG:
        write_config(device, offset - device->config.offset, width, value);
        break;
    case FAKE_ACCESS_NOTIFY:
        ring_doorbell(device, offset - device->notify.offset, width, value);
        break;
    default:
        fake_referee(device, "BAR %u is written at %#llx, where no register is", bar,
                     (unsigned long long)offset);
    }
}

static bool reaches(uint64_t start, uint64_t length, uint64_t address)
{
    return address >= start && address - start < length;
}

/* The driver must have reset the device, or at least stopped its DMA. */
static void unmapping(void *context, uint64_t address, uint64_t length)
{
    struct fake_device *device = context;

    if (!fake_device_is_live(device) || device->function->is_unplugged ||
        !(device->function->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER))
        return;
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++) {
        const struct fake_queue *queue = &device->queues[i];

        if (!queue->is_enabled)
            continue;
        if (reaches(address, length, queue->desc) || reaches(address, length, queue->driver) ||
            reaches(address, length, queue->device))
            fake_report("virtio: queue %u is unmapped while the device uses it", i);
        for (unsigned j = 0; j < queue->size; j++)
            if (queue->in_flight[j] && reaches(address, length, queue->in_flight_was[j].addr))
                fake_report("virtio: a buffer of queue %u is unmapped while in flight", i);
    }
}

static void boot_services_exited(void *context)
{
    const struct fake_device *device = context;

    if (fake_device_is_live(device) && !device->function->is_unplugged &&
        (device->function->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER))
        fake_report("virtio: the device can still write to memory after ExitBootServices");
}

static void device_free(void *context)
{
    struct fake_device *device = context;

    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        fake_queue_disable(&device->queues[i]);
    fake_device_free_frames(device);
    free(device);
}

const struct fake_pci_operations fake_device_operations = {
    .read = bar_read,
    .write = bar_write,
    .access_config = fake_device_access_config,
    .unmapping = unmapping,
    .boot_services_exited = boot_services_exited,
    .free = device_free,
};
