/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The transport of virtio 0.9.5: fixed registers in I/O BAR 0, 32 feature bits,
 * queues by page number. Source: VIRTIO 1.2, 4.1.4.10 and 4.1.5.
 */
#include <efi.h>
#include <pci22.h>
#include <stddef.h>

#include "pci/pci_capability.h"
#include "virtio/virtio_pci.h"
#include "virtio_spec/pci.h"
#include "virtio_spec/ring.h"

#define CONFIG_READ_TRIES 16u
#define FIELD_BYTES_MAX 8u
#define PCI_CAP_ID_MSIX 0x11u
#define MSIX_CONTROL_OFFSET 2u
#define MSIX_CONTROL_ENABLE 0x8000u

static EFI_STATUS read_status(const struct virtio_transport *transport, uint8_t *ret_status)
{
    return pci_region_read8(&transport->common, VIRTIO_PCI_LEGACY_DEVICE_STATUS, ret_status);
}

static EFI_STATUS write_status(const struct virtio_transport *transport, uint8_t status)
{
    return pci_region_write8(&transport->common, VIRTIO_PCI_LEGACY_DEVICE_STATUS, status);
}

static EFI_STATUS read_features(const struct virtio_transport *transport, uint64_t *ret_features)
{
    uint32_t features;
    EFI_STATUS status;

    status = pci_region_read32(&transport->common, VIRTIO_PCI_LEGACY_DEVICE_FEATURES, &features);
    if (!EFI_ERROR(status))
        *ret_features = features;
    return status;
}

static EFI_STATUS write_features(const struct virtio_transport *transport, uint64_t features)
{
    return pci_region_write32(&transport->common, VIRTIO_PCI_LEGACY_DRIVER_FEATURES,
                              (uint32_t)features);
}

/* Legacy devices have no generation counter: read until two readings agree (2.5.4). */
static EFI_STATUS read_config(const struct virtio_transport *transport, uint32_t offset,
                              uint32_t width_bytes, uint32_t length_bytes, void *ret_field)
{
    uint8_t reading[2][FIELD_BYTES_MAX];
    EFI_STATUS status;

    if (length_bytes > FIELD_BYTES_MAX)
        return EFI_UNSUPPORTED;
    status = pci_region_read(&transport->config, offset, width_bytes, length_bytes, reading[0]);
    if (EFI_ERROR(status))
        return status;
    for (unsigned i = 1; i < CONFIG_READ_TRIES; i++) {
        uint8_t *now = reading[i % 2];
        uint8_t *before = reading[(i + 1) % 2];

        status = pci_region_read(&transport->config, offset, width_bytes, length_bytes, now);
        if (EFI_ERROR(status))
            return status;
        if (__builtin_memcmp(now, before, length_bytes) == 0) {
            __builtin_memcpy(ret_field, now, length_bytes);
            return EFI_SUCCESS;
        }
    }
    return EFI_TIMEOUT;
}

static EFI_STATUS write_config(const struct virtio_transport *transport, uint32_t offset,
                               uint32_t width_bytes, uint32_t length_bytes, const void *field)
{
    return pci_region_write(&transport->config, offset, width_bytes, length_bytes, field);
}

static EFI_STATUS select_queue(const struct virtio_transport *transport, uint16_t index,
                               uint16_t *ret_size_max)
{
    EFI_STATUS status;

    status = pci_region_write16(&transport->common, VIRTIO_PCI_LEGACY_QUEUE_SELECT, index);
    if (EFI_ERROR(status))
        return status;
    return pci_region_read16(&transport->common, VIRTIO_PCI_LEGACY_QUEUE_SIZE, ret_size_max);
}

/* The device determines the size, and the addresses of the other two parts follow from the
 * first. */
static EFI_STATUS enable_queue(const struct virtio_transport *transport, uint64_t features,
                               uint16_t index, uint16_t size,
                               const struct virtio_queue_addresses *addresses,
                               struct pci_register *ret_doorbell)
{
    uint64_t page = addresses->desc >> VIRTIO_PCI_LEGACY_PAGE_SHIFT;
    struct pci_register doorbell;
    EFI_STATUS status;

    (void)features; /* a doorbell always writes its queue's number */
    (void)size;
    if (page > UINT32_MAX || addresses->desc % VIRTQ_LEGACY_ALIGN != 0)
        return EFI_UNSUPPORTED;
    status =
        pci_region_register16(&transport->common, VIRTIO_PCI_LEGACY_QUEUE_NOTIFY, index, &doorbell);
    if (EFI_ERROR(status))
        return status;
    status =
        pci_region_write32(&transport->common, VIRTIO_PCI_LEGACY_QUEUE_ADDRESS, (uint32_t)page);
    if (EFI_ERROR(status))
        return status;

    *ret_doorbell = doorbell;
    return EFI_SUCCESS;
}

static const struct virtio_transport_ops legacy_ops = {
    .name = L"legacy",
    .is_legacy = true,
    .status_offset = VIRTIO_PCI_LEGACY_DEVICE_STATUS,
    .read_status = read_status,
    .write_status = write_status,
    .read_features = read_features,
    .write_features = write_features,
    .read_config = read_config,
    .write_config = write_config,
    .select_queue = select_queue,
    .enable_queue = enable_queue,
};

/* While MSI-X is enabled, two vector registers precede the device configuration. */
static EFI_STATUS is_msix_enabled(EFI_PCI_IO_PROTOCOL *pci_io, bool *ret_is_enabled)
{
    struct pci_capability_walk walk = {0};
    uint16_t control;
    EFI_STATUS status;

    status = pci_capability_next(pci_io, PCI_CAP_ID_MSIX, &walk);
    if (EFI_ERROR(status))
        return status;
    *ret_is_enabled = false;
    if (walk.position == 0)
        return EFI_SUCCESS;

    status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, walk.position + MSIX_CONTROL_OFFSET, 1,
                              &control);
    if (!EFI_ERROR(status))
        *ret_is_enabled = control & MSIX_CONTROL_ENABLE;
    return status;
}

EFI_STATUS virtio_pci_legacy_init(struct virtio_transport *transport)
{
    EFI_PCI_IO_PROTOCOL *pci_io = transport->pci_io;
    struct pci_region registers;
    struct pci_region config;
    uint16_t device_id;
    bool has_msix;
    EFI_STATUS status;

    status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, offsetof(PCI_TYPE00, Hdr.DeviceId), 1,
                              &device_id);
    if (EFI_ERROR(status))
        return status;
    if (device_id != VIRTIO_PCI_DEVICE_ID_NET_TRANSITIONAL)
        return EFI_NOT_FOUND;
    status = pci_region_init_whole(&registers, pci_io, VIRTIO_PCI_LEGACY_BAR);
    if (status == EFI_NO_MAPPING)
        return EFI_NOT_FOUND;
    if (EFI_ERROR(status))
        return status;
    if (!pci_region_is_io(&registers))
        return EFI_NOT_FOUND;

    status = is_msix_enabled(pci_io, &has_msix);
    if (EFI_ERROR(status))
        return status;
    status = pci_region_tail(
        &registers, has_msix ? VIRTIO_PCI_LEGACY_CONFIG_MSIX : VIRTIO_PCI_LEGACY_CONFIG, &config);
    if (EFI_ERROR(status))
        return status;

    transport->common = registers;
    transport->config = config;
    transport->ops = &legacy_ops;
    return EFI_SUCCESS;
}
