/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The transport of VIRTIO 1.0 and later: registers in regions that vendor
 * capabilities point at. Source: VIRTIO 1.2, 4.1.4.
 */
#include <efi.h>
#include <stddef.h>

#include "pci/pci_capability.h"
#include "virtio/virtio_pci.h"
#include "virtio_spec/core.h"
#include "virtio_spec/pci.h"

#define CONFIG_READ_TRIES 16u
#define CAPABILITY_HEADER_BYTES 4u /* up to cfg_type */
#define FIELD_BYTES_MAX 8u

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

static EFI_STATUS read_status(const struct virtio_transport *transport, uint8_t *ret_status)
{
    return pci_region_read8(&transport->common, COMMON(device_status), ret_status);
}

static EFI_STATUS write_status(const struct virtio_transport *transport, uint8_t status)
{
    return pci_region_write8(&transport->common, COMMON(device_status), status);
}

static EFI_STATUS read_features(const struct virtio_transport *transport, uint64_t *ret_features)
{
    uint32_t half[2];

    for (uint32_t i = 0; i < 2; i++) {
        EFI_STATUS status;

        status = pci_region_write32(&transport->common, COMMON(device_feature_select), i);
        if (EFI_ERROR(status))
            return status;
        status = pci_region_read32(&transport->common, COMMON(device_feature), &half[i]);
        if (EFI_ERROR(status))
            return status;
    }
    *ret_features = (uint64_t)half[1] << 32 | half[0];
    return EFI_SUCCESS;
}

static EFI_STATUS write_features(const struct virtio_transport *transport, uint64_t features)
{
    for (uint32_t i = 0; i < 2; i++) {
        EFI_STATUS status;

        status = pci_region_write32(&transport->common, COMMON(driver_feature_select), i);
        if (EFI_ERROR(status))
            return status;
        status = pci_region_write32(&transport->common, COMMON(driver_feature),
                                    (uint32_t)(features >> (32 * i)));
        if (EFI_ERROR(status))
            return status;
    }
    return EFI_SUCCESS;
}

/* VIRTIO 1.2, 4.1.4.3.1: fields are consistent if the generation is the same before and after. */
static EFI_STATUS read_config(const struct virtio_transport *transport, uint32_t offset,
                              uint32_t width_bytes, uint32_t length_bytes, void *ret_field)
{
    uint8_t reading[FIELD_BYTES_MAX];

    if (length_bytes > FIELD_BYTES_MAX)
        return EFI_UNSUPPORTED;
    for (unsigned i = 0; i < CONFIG_READ_TRIES; i++) {
        uint8_t before;
        uint8_t after;
        EFI_STATUS status;

        status = pci_region_read8(&transport->common, COMMON(config_generation), &before);
        if (EFI_ERROR(status))
            return status;
        status = pci_region_read(&transport->config, offset, width_bytes, length_bytes, reading);
        if (EFI_ERROR(status))
            return status;
        status = pci_region_read8(&transport->common, COMMON(config_generation), &after);
        if (EFI_ERROR(status))
            return status;
        if (before == after) {
            __builtin_memcpy(ret_field, reading, length_bytes);
            return EFI_SUCCESS;
        }
    }
    return EFI_TIMEOUT;
}

static EFI_STATUS select_queue(const struct virtio_transport *transport, uint16_t index,
                               uint16_t *ret_size_max)
{
    EFI_STATUS status = pci_region_write16(&transport->common, COMMON(queue_select), index);

    if (EFI_ERROR(status))
        return status;
    return pci_region_read16(&transport->common, COMMON(queue_size), ret_size_max);
}

static EFI_STATUS write_addresses(const struct pci_region *common,
                                  const struct virtio_queue_addresses *addresses)
{
    EFI_STATUS status;

    status = pci_region_write64(common, COMMON(queue_desc), addresses->desc);
    if (EFI_ERROR(status))
        return status;
    status = pci_region_write64(common, COMMON(queue_driver), addresses->driver);
    if (EFI_ERROR(status))
        return status;
    return pci_region_write64(common, COMMON(queue_device), addresses->device);
}

/* VIRTIO 1.2, 4.1.5.2: what a doorbell writes, where, and how wide. */
static EFI_STATUS find_doorbell(const struct virtio_transport *transport, uint64_t features,
                                uint16_t index, struct pci_register *ret_doorbell)
{
    uint16_t notify_off;
    uint16_t name = index;
    uint64_t offset;
    EFI_STATUS status;

    status = pci_region_read16(&transport->common, COMMON(queue_notify_off), &notify_off);
    if (!EFI_ERROR(status) && (features & VIRTIO_F_NOTIF_CONFIG_DATA))
        status = pci_region_read16(&transport->common, COMMON(queue_notify_data), &name);
    if (EFI_ERROR(status))
        return status;
    offset = (uint64_t)notify_off * transport->notify_multiplier;
    if (features & VIRTIO_F_NOTIFICATION_DATA)
        return pci_region_register32(&transport->notify, offset, name, ret_doorbell);
    return pci_region_register16(&transport->notify, offset, name, ret_doorbell);
}

/* Applies to the queue selected last. The queue is enabled after everything else is set. */
static EFI_STATUS switch_on(const struct pci_region *common, uint16_t size,
                            const struct virtio_queue_addresses *addresses)
{
    uint16_t size_kept;
    EFI_STATUS status;

    status = pci_region_write16(common, COMMON(queue_size), size);
    if (!EFI_ERROR(status))
        status = pci_region_read16(common, COMMON(queue_size), &size_kept);
    if (EFI_ERROR(status))
        return status;
    /* With a larger size the device would use memory beyond the end of our ring. */
    if (size_kept != size)
        return EFI_BAD_BUFFER_SIZE;
    status = write_addresses(common, addresses);
    if (EFI_ERROR(status))
        return status;
    return pci_region_write16(common, COMMON(queue_enable), 1);
}

static EFI_STATUS enable_queue(const struct virtio_transport *transport, uint64_t features,
                               uint16_t index, uint16_t size,
                               const struct virtio_queue_addresses *addresses,
                               struct pci_register *ret_doorbell)
{
    struct pci_register doorbell;
    EFI_STATUS status;

    status = find_doorbell(transport, features, index, &doorbell);
    if (EFI_ERROR(status))
        return status;
    status = switch_on(&transport->common, size, addresses);
    if (EFI_ERROR(status))
        return status;

    *ret_doorbell = doorbell;
    return EFI_SUCCESS;
}

static EFI_STATUS reenable_queue(const struct virtio_transport *transport, uint16_t index,
                                 uint16_t size, const struct virtio_queue_addresses *addresses)
{
    EFI_STATUS status = pci_region_write16(&transport->common, COMMON(queue_select), index);

    return EFI_ERROR(status) ? status : switch_on(&transport->common, size, addresses);
}

static EFI_STATUS begin_queue_reset(const struct virtio_transport *transport, uint16_t index)
{
    EFI_STATUS status = pci_region_write16(&transport->common, COMMON(queue_select), index);

    if (EFI_ERROR(status))
        return status;
    return pci_region_write16(&transport->common, COMMON(queue_reset), 1);
}

/* VIRTIO 1.2, 4.1.4.3.1: queue_reset reads 1 during the reset; afterwards it and
 * queue_enable read 0. */
static EFI_STATUS is_queue_reset(const struct virtio_transport *transport, bool *ret_is_reset)
{
    uint16_t is_under_way;
    uint16_t is_enabled = 0;
    EFI_STATUS status;

    status = pci_region_read16(&transport->common, COMMON(queue_reset), &is_under_way);
    if (!EFI_ERROR(status) && !is_under_way)
        status = pci_region_read16(&transport->common, COMMON(queue_enable), &is_enabled);
    if (EFI_ERROR(status))
        return status;
    if (is_under_way > 1 || is_enabled)
        return EFI_DEVICE_ERROR;
    *ret_is_reset = !is_under_way;
    return EFI_SUCCESS;
}

static const struct virtio_transport_ops modern_ops = {
    .name = L"modern",
    .status_offset = COMMON(device_status),
    .read_status = read_status,
    .write_status = write_status,
    .read_features = read_features,
    .write_features = write_features,
    .read_config = read_config,
    .select_queue = select_queue,
    .enable_queue = enable_queue,
    .begin_queue_reset = begin_queue_reset,
    .is_queue_reset = is_queue_reset,
    .reenable_queue = reenable_queue,
};

/* Read the capability at `position`, `bytes` long. */
static EFI_STATUS read_capability(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t position, UINTN bytes,
                                  struct virtio_pci_notify_cap *ret_cap)
{
    *ret_cap = (struct virtio_pci_notify_cap){0};
    if (position + bytes > PCI_CONFIG_SPACE_BYTES)
        return EFI_UNSUPPORTED;
    return pci_io->Pci.Read(pci_io, EfiPciIoWidthUint8, position, bytes, ret_cap);
}

/* Where a capability says that a region is. A length of 0 counts as a claim. */
struct place {
    bool is_named;
    uint8_t bar;
    uint32_t offset;
    uint32_t length_bytes;
};

/* What the capability list says, before any of it is believed. The window to a region may
 * come after the region in the list. */
struct places {
    struct place common;
    struct place notify;
    struct place config;
};

/* Where the place of a capability type is stored; NULL for a type that is not used. */
static struct place *place_of_type(struct places *places, uint8_t cfg_type)
{
    switch (cfg_type) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        return &places->common;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        return &places->notify;
    case VIRTIO_PCI_CAP_DEVICE_CFG:
        return &places->config;
    default:
        return NULL; /* ISR: interrupts stay off. Others are reserved */
    }
}

/* Use the capability at `position` if it is the first usable one of its type. One that is
 * not used may have any length: vendor data has 8 bytes (4.1.4.8). */
static EFI_STATUS take_capability(struct virtio_transport *transport, struct places *places,
                                  uint8_t position)
{
    struct virtio_pci_notify_cap cap;
    struct place *place;
    UINTN bytes;
    EFI_STATUS status;

    status = read_capability(transport->pci_io, position, CAPABILITY_HEADER_BYTES, &cap);
    if (EFI_ERROR(status))
        return status;
    /* A malformed window is treated as missing: hardly any device needs one. */
    if (cap.cap.cfg_type == VIRTIO_PCI_CAP_PCI_CFG && !transport->window.pci_io)
        (void)pci_config_window_init(&transport->window, transport->pci_io, position,
                                     cap.cap.cap_len);
    place = place_of_type(places, cap.cap.cfg_type);
    if (!place || place->is_named)
        return EFI_SUCCESS;

    bytes = place == &places->notify ? sizeof(cap) : sizeof(cap.cap);
    if (cap.cap.cap_len < bytes)
        return EFI_UNSUPPORTED;
    status = read_capability(transport->pci_io, position, bytes, &cap);
    if (EFI_ERROR(status))
        return status;
    if (cap.cap.bar > VIRTIO_PCI_BAR_MAX)
        return EFI_SUCCESS;

    *place = (struct place){true, cap.cap.bar, cap.cap.offset, cap.cap.length};
    if (place == &places->notify)
        transport->notify_multiplier = cap.notify_off_multiplier;
    return EFI_SUCCESS;
}

/* VIRTIO 1.2 added two registers at the end of the common configuration. */
static uint64_t missing_features(const struct virtio_transport *transport)
{
    static const struct {
        uint64_t feature;
        uint32_t offset; /* of the 16-bit register that the feature needs */
    } needs[] = {
        {VIRTIO_F_NOTIF_CONFIG_DATA, COMMON(queue_notify_data)},
        {VIRTIO_F_RING_RESET, COMMON(queue_reset)},
    };
    uint64_t missing = 0;

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if (transport->common.length_bytes < needs[i].offset + sizeof(uint16_t))
            missing |= needs[i].feature;
    }
    return missing;
}

static EFI_STATUS take_capabilities(struct virtio_transport *transport, struct places *places)
{
    struct pci_capability_walk walk = {0};

    for (;;) {
        EFI_STATUS status;

        status = pci_capability_next(transport->pci_io, VIRTIO_PCI_CAP_ID, &walk);
        if (EFI_ERROR(status) || walk.position == 0)
            return status;
        status = take_capability(transport, places, walk.position);
        if (EFI_ERROR(status))
            return status;
    }
}

/* True when the firmware lets the BAR of a region be accessed. Only an access can tell, and
 * one register speaks for its whole BAR. A doorbell is 16 bits wide before features are
 * negotiated. Device configuration has no register that is always present. */
static bool is_accessible(const struct virtio_transport *transport, const struct places *places,
                          const struct place *place, const struct pci_region *region)
{
    uint8_t unused;
    uint16_t unused_doorbell;

    if (place == &places->common)
        return !EFI_ERROR(pci_region_read8(region, COMMON(device_status), &unused));
    if (place->bar == places->common.bar)
        return !pci_config_window_serves(&transport->window, &transport->common);
    return place == &places->config || !EFI_ERROR(pci_region_read16(region, 0, &unused_doorbell));
}

/* Find the region at `place`. The common configuration comes first. */
static EFI_STATUS find_region(struct virtio_transport *transport, const struct places *places,
                              const struct place *place, struct pci_region *ret_region)
{
    struct pci_config_window *window = &transport->window;
    struct pci_region region;
    EFI_STATUS status;

    status =
        pci_region_init(&region, transport->pci_io, place->bar, place->offset, place->length_bytes);
    if (!EFI_ERROR(status) && !is_accessible(transport, places, place, &region))
        status = EFI_NO_MAPPING;
    if (status == EFI_NO_MAPPING && window->pci_io)
        status = pci_config_window_region(window, place->bar, place->offset, place->length_bytes,
                                          &region);
    if (EFI_ERROR(status))
        return status;
    *ret_region = region;
    return EFI_SUCCESS;
}

EFI_STATUS virtio_pci_modern_init(struct virtio_transport *transport)
{
    struct places places = {0};
    EFI_STATUS status;

    status = take_capabilities(transport, &places);
    if (EFI_ERROR(status))
        return status;
    if (!places.common.is_named && !places.notify.is_named)
        return EFI_NOT_FOUND;
    if (!places.notify.is_named || places.common.length_bytes < VIRTIO_PCI_COMMON_CFG_MIN_LENGTH)
        return EFI_UNSUPPORTED;

    status = find_region(transport, &places, &places.common, &transport->common);
    if (EFI_ERROR(status))
        return status;
    if (places.config.is_named) {
        status = find_region(transport, &places, &places.config, &transport->config);
        if (EFI_ERROR(status))
            return status;
    }
    /* Must be last: it stays empty when the device falls back to its legacy registers. */
    status = find_region(transport, &places, &places.notify, &transport->notify);
    if (EFI_ERROR(status))
        return status;
    transport->missing = missing_features(transport);
    transport->ops = &modern_ops;
    return EFI_SUCCESS;
}
