/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The device model: creation, its PCI configuration, and the controls for tests.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio_net_internal.h"

#define DEFAULT_QUEUE_SIZE 256u
#define DEFAULT_MTU 1500u
#define DEFAULT_MODERN_BAR 4u
#define NOTIFY_BAR 2u
#define MSIX_BAR 1u
#define PAGE 0x1000u

#define MSIX_CAPABILITY 0x98u
#define WINDOW_CAPABILITY 0xb0u
#define FIRST_CAPABILITY 0x40u
#define CAPABILITIES_POINTER 0x34u

static const uint8_t default_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static bool is_modern(const struct fake_device *device)
{
    return device->options.transport != FAKE_LEGACY;
}

void fake_referee(const struct fake_device *device, const char *format, ...)
{
    char message[512];
    va_list arguments;

    if (device->misbehaviour != FAKE_BEHAVES || device->is_tainted)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    fake_report("virtio: %s", message);
}

/* BARs as in QEMU: legacy registers 0, MSI-X 1, modern registers 4. */
void fake_device_describe(struct fake_device *device, struct fake_pci_options *pci)
{
    const struct fake_device_options *options = &device->options;
    unsigned modern_bar = options->modern_bar ? options->modern_bar : DEFAULT_MODERN_BAR;
    unsigned notify_bar = options->notify_in_own_bar ? NOTIFY_BAR : modern_bar;
    uint64_t unique = (uint64_t)pci->device_number << 20;

    if (options->transport != FAKE_MODERN)
        pci->bars[VIRTIO_PCI_LEGACY_BAR] =
            (struct fake_bar){.base = 0x6000 + (unique >> 12), .size = 0x40, .is_io = true};
    pci->bars[MSIX_BAR] = (struct fake_bar){.base = 0x80000000 + unique, .size = PAGE};
    if (!is_modern(device))
        return;

    device->common = (struct fake_region){
        modern_bar, 0,
        options->common_bytes ? options->common_bytes : sizeof(struct virtio_pci_common_cfg)};
    device->isr = (struct fake_region){modern_bar, PAGE, 1};
    device->config = (struct fake_region){modern_bar, 2 * PAGE, sizeof(struct virtio_net_config)};
    device->notify =
        (struct fake_region){notify_bar, notify_bar == modern_bar ? 3 * PAGE : 0, PAGE};
    pci->bars[modern_bar] = (struct fake_bar){
        .base = options->modern_bar_is_io      ? (pci->device_number % 2 ? 0xc000 : 0x8000)
                : options->modern_bar_is_32bit ? 0x90000000 + unique
                                               : UINT64_C(0x800000000) + unique,
        .size = 4 * PAGE,
        .is_io = options->modern_bar_is_io,
        .is_64bit = !options->modern_bar_is_io && !options->modern_bar_is_32bit,
        .is_prefetchable = !options->modern_bar_is_io,
        .way = options->modern_bar_way,
    };
    if (options->notify_in_own_bar)
        pci->bars[NOTIFY_BAR] = (struct fake_bar){
            .base = 0x88000000 + unique, .size = PAGE, .way = options->notify_bar_way};
}

/* Appends capabilities; each `add` links the one before to itself. */
struct capability_list {
    uint8_t *config;
    uint8_t link; /* the byte that points to the next capability */
    uint8_t next; /* free space */
};

static uint8_t add_capability(struct capability_list *list, const void *capability, size_t length)
{
    uint8_t position = list->next;

    memcpy(&list->config[position], capability, length);
    list->config[position + 1] = 0;
    list->config[list->link] = position;
    list->link = (uint8_t)(position + 1);
    list->next = (uint8_t)(position + ((length + 3) & ~(size_t)3));
    return position;
}

static uint8_t add_region(struct capability_list *list, enum virtio_pci_cfg_type type,
                          const struct fake_region *region, uint8_t length)
{
    const struct virtio_pci_cap cap = {
        .cap_vndr = VIRTIO_PCI_CAP_ID,
        .cap_len = length,
        .cfg_type = (uint8_t)type,
        .bar = (uint8_t)region->bar,
        .offset = region->offset,
        .length = region->length,
    };
    uint8_t bytes[64] = {0};

    memcpy(bytes, &cap, sizeof(cap));
    return add_capability(list, bytes, length);
}

/* What a driver must skip: a reserved type, a reserved BAR, another vendor's id. */
static void add_odd_capabilities(struct capability_list *list)
{
    const struct fake_region nowhere = {.bar = 7, .offset = 0xfffffff0, .length = 0xffffffff};

    add_capability(list, (uint8_t[]){0x01, 0, 0x03, 0, 0, 0, 0, 0}, 8);
    add_region(list, VIRTIO_PCI_CAP_COMMON_CFG, &nowhere, sizeof(struct virtio_pci_cap));
    add_region(list, 0x77, &nowhere, sizeof(struct virtio_pci_cap));
}

/* A 64-bit capability (4.1.4.7) that ends long after the last address. */
static void add_shared_memory_without_end(struct capability_list *list)
{
    uint8_t bytes[24];

    memset(bytes, 0xff, sizeof(bytes));
    bytes[0] = VIRTIO_PCI_CAP_ID;
    bytes[2] = sizeof(bytes);
    bytes[3] = VIRTIO_PCI_CAP_SHARED_MEMORY_CFG;
    bytes[4] = VIRTIO_PCI_BAR_MAX;
    add_capability(list, bytes, sizeof(bytes));
}

/* The list begins with a capability whose last bytes are the first bytes of another. */
static void overlap_first_capability(struct capability_list *list, uint8_t first)
{
    uint8_t second = (uint8_t)(first + 8); /* the first one's offset and length */

    list->config[first + 1] = second;
    list->config[second] = VIRTIO_PCI_CAP_ID;
    list->config[second + 1] = (uint8_t)(first + sizeof(struct virtio_pci_cap));
    list->config[second + 2] = sizeof(struct virtio_pci_cap);
    list->config[second + 3] = VIRTIO_PCI_CAP_COMMON_CFG;
}

static void add_modern_capabilities(struct fake_device *device, struct capability_list *list)
{
    const struct fake_device_options *options = &device->options;
    uint32_t multiplier = options->notify_multiplier ? options->notify_multiplier : 4;
    struct fake_region common = device->common;
    struct fake_region notify = device->notify;
    struct fake_region second = {.bar = device->common.bar, .offset = 0x800, .length = 56};
    uint8_t common_position;
    uint8_t notify_position;

    switch (device->misbehaviour) {
    case FAKE_CAPABILITY_BAR_6:
        common.bar = 6;
        break;
    case FAKE_CAPABILITY_BAR_MISSING:
        common.bar = 3;
        break;
    case FAKE_CAPABILITY_OUTSIDE_BAR:
        common.offset = 4 * PAGE - 8;
        break;
    case FAKE_CAPABILITY_OFFSET_OVERFLOWS:
        common.offset = 0xfffff000;
        common.length = 0x2000;
        break;
    case FAKE_CAPABILITY_EMPTY:
        common.length = 0;
        break;
    case FAKE_CAPABILITY_64BIT_OVERFLOWS:
        add_shared_memory_without_end(list);
        break;
    case FAKE_REGIONS_OVERLAP:
        notify.bar = common.bar;
        notify.offset = common.offset;
        break;
    default:
        break;
    }
    if (device->misbehaviour == FAKE_NOTIFY_OFFSET_OVERFLOWS)
        multiplier = UINT32_MAX;
    if (options->single_doorbell)
        multiplier = 0;

    if (options->odd_capabilities)
        add_odd_capabilities(list);
    common_position =
        add_region(list, VIRTIO_PCI_CAP_COMMON_CFG, &common, sizeof(struct virtio_pci_cap));
    if (options->odd_capabilities)
        add_region(list, VIRTIO_PCI_CAP_COMMON_CFG, &second, sizeof(struct virtio_pci_cap));
    add_region(list, VIRTIO_PCI_CAP_ISR_CFG, &device->isr, sizeof(struct virtio_pci_cap));
    notify_position =
        add_region(list, VIRTIO_PCI_CAP_NOTIFY_CFG, &notify, sizeof(struct virtio_pci_notify_cap));
    memcpy(&list->config[notify_position + sizeof(struct virtio_pci_cap)], &multiplier, 4);
    if (!options->no_device_cfg)
        add_region(list, VIRTIO_PCI_CAP_DEVICE_CFG, &device->config,
                   options->odd_capabilities ? 24 : sizeof(struct virtio_pci_cap));

    if (device->misbehaviour == FAKE_CAPABILITIES_OVERLAP)
        overlap_first_capability(list, common_position);
    if (device->misbehaviour == FAKE_CAPABILITY_OUTSIDE_CONFIG) {
        list->config[0xf8] = VIRTIO_PCI_CAP_ID;
        list->config[0xfa] = sizeof(struct virtio_pci_cap);
        list->config[0xfb] = VIRTIO_PCI_CAP_COMMON_CFG;
        list->config[CAPABILITIES_POINTER] = 0xf8;
    }
}

/* At the end of the list, so that everything before it keeps its place. */
static void add_window(struct fake_device *device, struct capability_list *list)
{
    const struct fake_region nowhere = {0};
    uint8_t link = list->link;
    uint8_t outside = FAKE_PCI_CONFIG_SIZE - sizeof(struct virtio_pci_cap);

    if (list->next <= WINDOW_CAPABILITY)
        list->next = WINDOW_CAPABILITY;
    device->window =
        add_region(list, VIRTIO_PCI_CAP_PCI_CFG, &nowhere, sizeof(struct virtio_pci_cfg_cap));
    if (device->misbehaviour == FAKE_WINDOW_TOO_SHORT)
        list->config[device->window + 2] = sizeof(struct virtio_pci_cap);
    if (device->misbehaviour == FAKE_WINDOW_OUTSIDE_CONFIG) {
        memcpy(&list->config[outside], &list->config[device->window], 4);
        list->config[link] = outside;
    }
}

static void put16(uint8_t *config, unsigned offset, unsigned value)
{
    config[offset] = (uint8_t)value;
    config[offset + 1] = (uint8_t)(value >> 8);
}

void fake_device_fill_config_space(struct fake_device *device)
{
    uint8_t *config = device->function->config;
    struct capability_list list = {config, CAPABILITIES_POINTER, FIRST_CAPABILITY};
    uint8_t msix[12] = {0x11, 0, 2, 0, MSIX_BAR};
    bool is_new = device->options.transport == FAKE_MODERN;
    uint8_t last_link;

    memset(&config[FIRST_CAPABILITY], 0, FAKE_PCI_CONFIG_SIZE - FIRST_CAPABILITY);
    config[CAPABILITIES_POINTER] = 0;
    put16(config, 0x00, VIRTIO_PCI_VENDOR_ID);
    put16(config, 0x02,
          is_new ? VIRTIO_PCI_DEVICE_ID_NET_MODERN : VIRTIO_PCI_DEVICE_ID_NET_TRANSITIONAL);
    put16(config, 0x06, 0x10); /* has a capability list */
    config[0x08] = is_new ? 1 : 0;
    config[0x0b] = 0x02; /* network controller */
    put16(config, 0x2c, VIRTIO_PCI_VENDOR_ID);
    put16(config, 0x2e, is_new ? 0x1100 : VIRTIO_PCI_SUBSYSTEM_ID_NET);
    put16(msix, 2, device->options.msix_is_enabled ? 0x8002 : 0x0002);
    if (is_modern(device))
        add_modern_capabilities(device, &list);
    last_link = list.link;
    if (list.next <= MSIX_CAPABILITY)
        list.next = MSIX_CAPABILITY;
    add_capability(&list, msix, sizeof(msix));
    if (is_modern(device) && !device->options.no_window)
        add_window(device, &list);
    if (is_modern(device) && device->misbehaviour == FAKE_CAPABILITY_LIST_LOOPS)
        config[last_link] = FIRST_CAPABILITY;
}

static void apply_options(struct fake_device *device)
{
    const struct fake_device_options *options = &device->options;

    device->offered = options->features ? options->features : FAKE_DEVICE_FEATURES;
    if (is_modern(device))
        device->offered |= VIRTIO_F_VERSION_1;
    device->offered &= ~options->removed_features;
    memcpy(device->mac, options->mac[0] | options->mac[5] ? options->mac : default_mac, 6);
    device->filter.promiscuous = true;
    device->mtu = options->mtu ? options->mtu : DEFAULT_MTU;
    device->link_status = (uint16_t)(options->is_link_down ? 0 : VIRTIO_NET_S_LINK_UP);
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        device->queues[i].size_max =
            options->queue_size[i] ? options->queue_size[i] : DEFAULT_QUEUE_SIZE;
    if (options->no_control_queue || !(device->offered & VIRTIO_NET_F_CTRL_VQ))
        device->queues[VIRTIO_NET_QUEUE_CTRL].size_max = 0;
}

struct fake_device *fake_device_new(struct fake_firmware *firmware,
                                    const struct fake_device_options *options)
{
    struct fake_device *device = calloc(1, sizeof(*device));

    if (options)
        device->options = *options;
    if (device->options.pci.device_number == 0) {
        device->options.pci.device_number =
            3 + fake_firmware_count_handles(firmware, &gEfiPciIoProtocolGuid);
        if (!options || (options->mac[0] | options->mac[5]) == 0) {
            memcpy(device->options.mac, default_mac, 6);
            device->options.mac[5] =
                (uint8_t)(default_mac[5] + device->options.pci.device_number - 3);
        }
    }
    apply_options(device);
    fake_device_describe(device, &device->options.pci);
    device->function =
        fake_pci_function_new(firmware, &device->options.pci, &fake_device_operations, device);
    fake_device_fill_config_space(device);
    return device;
}

struct fake_pci_function *fake_device_pci(struct fake_device *device)
{
    return device->function;
}

EFI_HANDLE fake_device_handle(struct fake_device *device)
{
    return device->function->handle;
}

unsigned fake_device_access_count(struct fake_device *device)
{
    return fake_pci_access_count(device->function) - device->function->accesses[FAKE_ACCESS_CONFIG];
}

void fake_device_clear_access_counts(struct fake_device *device)
{
    fake_pci_clear_access_counts(device->function);
}

uint8_t fake_device_status(const struct fake_device *device)
{
    return device->status;
}

bool fake_device_is_live(const struct fake_device *device)
{
    return (device->status & VIRTIO_STATUS_DRIVER_OK) != 0;
}

uint64_t fake_device_accepted_features(const struct fake_device *device)
{
    return device->accepted;
}

uint16_t fake_device_queue_size(const struct fake_device *device, unsigned queue)
{
    return fake_queue_seems_enabled(device, queue) ? device->queues[queue].size : 0;
}

unsigned fake_device_reset_count(const struct fake_device *device)
{
    return device->resets;
}

unsigned fake_device_queue_reset_count(const struct fake_device *device)
{
    return device->queue_resets;
}

unsigned fake_device_notification_count(const struct fake_device *device, unsigned queue)
{
    return device->queues[queue].notifications;
}

unsigned fake_device_needless_notification_count(const struct fake_device *device, unsigned queue)
{
    return device->queues[queue].needless_notifications;
}

unsigned fake_device_interrupt_count(const struct fake_device *device)
{
    return device->interrupts;
}

void fake_device_stall(struct fake_device *device, bool is_stalled)
{
    device->is_stalled = is_stalled;
}

void fake_device_complete_in_reverse(struct fake_device *device, bool is_reversed)
{
    device->completes_in_reverse = is_reversed;
}

void fake_device_use_one_by_one(struct fake_device *device, bool is_one_by_one)
{
    device->uses_one_by_one = is_one_by_one;
}

static void configuration_changed(struct fake_device *device)
{
    device->generation++;
    device->isr_status |= 2;
}

void fake_device_set_link(struct fake_device *device, bool is_up)
{
    device->link_status = (uint16_t)(is_up ? VIRTIO_NET_S_LINK_UP : 0);
    configuration_changed(device);
}

void fake_device_set_mtu(struct fake_device *device, uint16_t mtu)
{
    device->mtu = mtu;
    configuration_changed(device);
}

void fake_device_change_mac_while_read(struct fake_device *device, const uint8_t mac[6])
{
    memcpy(device->next_mac, mac, 6);
    device->mac_changes_in_read = true;
}

const uint8_t *fake_device_mac(const struct fake_device *device)
{
    return device->mac;
}

void fake_device_ask_for_announcement(struct fake_device *device)
{
    device->link_status |= VIRTIO_NET_S_ANNOUNCE;
    configuration_changed(device);
}

void fake_device_need_reset(struct fake_device *device)
{
    device->status |= VIRTIO_STATUS_NEEDS_RESET;
    configuration_changed(device);
}

void fake_device_delay_reset(struct fake_device *device, uint32_t reads)
{
    device->reset_delay = reads;
}

void fake_device_delay_queue_reset(struct fake_device *device, uint32_t reads)
{
    device->queue_reset_delay = reads;
}

void fake_device_unplug(struct fake_device *device)
{
    fake_device_misbehave(device, FAKE_ALL_ONES);
}

void fake_device_misbehave(struct fake_device *device, enum fake_device_misbehaviour which)
{
    device->is_tainted |= which != FAKE_BEHAVES || device->misbehaviour != FAKE_BEHAVES;
    device->accesses_left = 0;
    device->feature_readings = 0;
    device->notify_data_readings = 0;
    device->misbehaviour = which;
    device->function->is_unplugged = which == FAKE_ALL_ONES;
    if (which == FAKE_NEEDS_RESET)
        fake_device_need_reset(device);
    fake_device_fill_config_space(device);
}

void fake_device_misbehave_from(struct fake_device *device, enum fake_device_misbehaviour which,
                                unsigned nth_access)
{
    device->next_misbehaviour = which;
    device->accesses_left = nth_access;
}

bool fake_device_misbehaves(const struct fake_device *device)
{
    return device->misbehaviour != FAKE_BEHAVES;
}

const char *fake_misbehaviour_name(enum fake_device_misbehaviour which)
{
    static const char *const names[FAKE_MISBEHAVIOURS] = {
        [FAKE_BEHAVES] = "behaves",
        [FAKE_USED_ID_OUT_OF_RANGE] = "used id out of range",
        [FAKE_USED_ID_MAX] = "used id 2^32-1",
        [FAKE_USED_ID_NOT_IN_FLIGHT] = "used id not in flight",
        [FAKE_USED_ID_TWICE] = "used id twice",
        [FAKE_USED_LENGTH_BELOW_HEADER] = "used length below the header",
        [FAKE_USED_LENGTH_ABOVE_BUFFER] = "used length above the buffer",
        [FAKE_USED_LENGTH_MAX] = "used length 2^32-1",
        [FAKE_USED_INDEX_JUMPS] = "used index jumps",
        [FAKE_USED_INDEX_RUNS_BACKWARDS] = "used index runs backwards",
        [FAKE_USED_INDEX_WRAPS] = "used index wraps",
        [FAKE_AVAILABLE_RING_REWRITTEN] = "available ring rewritten",
        [FAKE_DESCRIPTORS_REWRITTEN] = "descriptors rewritten",
        [FAKE_GSO_TYPE_SET] = "gso type set",
        [FAKE_NEEDS_CSUM_SET] = "NEEDS_CSUM set",
        [FAKE_RESET_NEVER_SETTLES] = "reset never settles",
        [FAKE_FEATURES_OK_DROPPED] = "FEATURES_OK dropped",
        [FAKE_FEATURES_OK_REVOKED] = "FEATURES_OK revoked",
        [FAKE_FEATURES_NONE] = "no features",
        [FAKE_FEATURES_ALL] = "all features",
        [FAKE_FEATURES_CHANGE] = "features change between readings",
        [FAKE_QUEUE_SIZE_ZERO] = "queue size 0",
        [FAKE_QUEUE_SIZE_NOT_POWER_OF_TWO] = "queue size 100",
        [FAKE_QUEUE_SIZE_32768] = "queue size 32768",
        [FAKE_QUEUE_SIZE_READ_ONLY] = "queue size cannot be written",
        [FAKE_NOTIFY_OFFSET_OVERFLOWS] = "notify offset overflows",
        [FAKE_NOTIFY_DATA_CHANGES] = "notify data changes",
        [FAKE_QUEUE_RESET_NEVER_SETTLES] = "queue reset never settles",
        [FAKE_QUEUE_RESET_IGNORED] = "queue reset ignored",
        [FAKE_QUEUE_RESET_PRETENDED] = "queue reset pretended",
        [FAKE_GENERATION_NEVER_SETTLES] = "config generation never settles",
        [FAKE_MAC_READ_ONLY] = "MAC cannot be written",
        [FAKE_MTU_BELOW_68] = "MTU below 68",
        [FAKE_NEEDS_RESET] = "NEEDS_RESET",
        [FAKE_ALL_ONES] = "all ones",
        [FAKE_CAPABILITY_LIST_LOOPS] = "capability list loops",
        [FAKE_CAPABILITY_OUTSIDE_CONFIG] = "capability outside configuration space",
        [FAKE_CAPABILITY_BAR_6] = "capability in BAR 6",
        [FAKE_CAPABILITY_BAR_MISSING] = "capability in a missing BAR",
        [FAKE_CAPABILITY_OUTSIDE_BAR] = "capability outside its BAR",
        [FAKE_CAPABILITY_OFFSET_OVERFLOWS] = "capability offset overflows",
        [FAKE_CAPABILITY_64BIT_OVERFLOWS] = "64-bit capability overflows",
        [FAKE_CAPABILITY_EMPTY] = "empty capability",
        [FAKE_CAPABILITIES_OVERLAP] = "capabilities overlap",
        [FAKE_REGIONS_OVERLAP] = "regions overlap",
        [FAKE_CONTROL_NEVER_ACKS] = "control queue never acks",
        [FAKE_CONTROL_ACKS_GARBAGE] = "control queue acks with garbage",
        [FAKE_CONTROL_ACKS_LATE] = "control queue acks late",
        [FAKE_CONTROL_REFUSES] = "control queue refuses",
        [FAKE_WINDOW_TOO_SHORT] = "window too short",
        [FAKE_WINDOW_OUTSIDE_CONFIG] = "window outside configuration space",
        [FAKE_WINDOW_PLACE_READ_ONLY] = "window cannot be set",
        [FAKE_WINDOW_DATA_READ_ONLY] = "window ignores writes",
        [FAKE_WINDOW_DATA_ALL_ONES] = "window reads all ones",
        [FAKE_NUM_BUFFERS_ZERO] = "num_buffers 0",
        [FAKE_NUM_BUFFERS_ABOVE_USED] = "num_buffers above what was used",
        [FAKE_NUM_BUFFERS_BELOW_USED] = "num_buffers below what was used",
        [FAKE_NUM_BUFFERS_ABOVE_QUEUE] = "num_buffers above the queue size",
        [FAKE_NUM_BUFFERS_CHANGES] = "num_buffers changes",
        [FAKE_LAST_BUFFER_MISSING] = "last buffer of a frame not used",
        [FAKE_LAST_LENGTH_ABOVE_BUFFER] = "used length above the last buffer of a frame",
        [FAKE_MIDDLE_LENGTH_ZERO] = "used length 0 within a frame",
        [FAKE_MIDDLE_LENGTH_SHORT] = "buffer within a frame not full",
        [FAKE_MIDDLE_LENGTH_ABOVE_BUFFER] = "used length above a buffer within a frame",
        [FAKE_MIDDLE_HEADER] = "header within a frame",
        [FAKE_FRAME_TOO_LONG] = "frame of 65536 bytes",
        [FAKE_CSUM_START_OUTSIDE] = "csum_start outside the frame",
        [FAKE_CSUM_OFFSET_OUTSIDE] = "csum_offset outside the frame",
        [FAKE_CSUM_OFFSET_WRAPS] = "csum_offset wraps",
        [FAKE_GSO_TYPE_NOT_NEGOTIATED] = "gso type not negotiated",
        [FAKE_GSO_TYPE_UNKNOWN] = "gso type unknown",
        [FAKE_GSO_WITHOUT_CSUM] = "gso type without NEEDS_CSUM",
        [FAKE_GSO_ECN_ALONE] = "ECN without a gso type",
        [FAKE_GSO_HINTS_LIE] = "hdr_len and gso_size lie",
        [FAKE_OFFLOAD_UNJUDGED] = "offload not judged",
    };

    return names[which];
}

uint64_t fake_misbehaviour_needs(enum fake_device_misbehaviour which)
{
    if (which >= FAKE_NUM_BUFFERS_ZERO && which <= FAKE_FRAME_TOO_LONG)
        return VIRTIO_NET_F_MRG_RXBUF;
    if (which >= FAKE_CSUM_START_OUTSIDE && which <= FAKE_OFFLOAD_UNJUDGED)
        return VIRTIO_NET_F_GUEST_CSUM;
    return 0;
}

const struct fake_control_command *fake_device_command(const struct fake_device *device,
                                                       unsigned index)
{
    return index < device->command_count ? &device->commands[index] : NULL;
}

unsigned fake_device_command_count(const struct fake_device *device)
{
    return device->command_count;
}

void fake_device_forget_commands(struct fake_device *device)
{
    device->command_count = 0;
}

void fake_device_fail_command(struct fake_device *device, unsigned nth,
                              enum fake_device_misbehaviour how)
{
    device->failing_command = nth;
    device->command_failure = how;
}

void fake_device_filter_frames(struct fake_device *device, bool filters)
{
    device->filters_frames = filters;
}

const struct fake_device_filter *fake_device_filter(const struct fake_device *device)
{
    return &device->filter;
}
