/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * How virtio_device.c reaches a device: one table of operations, implemented by
 * virtio_pci_modern.c and virtio_pci_legacy.c. An operation is a plain sequence of
 * register accesses; the caller is responsible for order, bounds and meaning.
 *
 * When an access fails, every operation returns PciIo's error.
 */
#ifndef VIRTIO_TRANSPORT_H
#define VIRTIO_TRANSPORT_H

#include <efi.h>
#include <efipciio.h>
#include <stdbool.h>
#include <stdint.h>

#include "pci/pci_region.h"
#include "virtio/pci_config_window.h"

struct virtio_transport;

/* Device addresses of the three parts of a virtqueue (VIRTIO 1.2, 2.6). */
struct virtio_queue_addresses {
    uint64_t desc;
    uint64_t driver; /* available ring, or the driver's event structure */
    uint64_t device; /* used ring, or the device's event structure */
};

struct virtio_transport_ops {
    const CHAR16 *name; /* for people: "modern", "legacy" */
    bool is_legacy;
    uint32_t status_offset; /* of the device status, in `common` */

    EFI_STATUS (*read_status)(const struct virtio_transport *transport, uint8_t *ret_status);
    EFI_STATUS (*write_status)(const struct virtio_transport *transport, uint8_t status);
    EFI_STATUS (*read_features)(const struct virtio_transport *transport, uint64_t *ret_features);
    EFI_STATUS (*write_features)(const struct virtio_transport *transport, uint64_t features);

    /* Copy `length_bytes` of device configuration in accesses of `width_bytes`, which is the
     * field's own width (1, 2 or 4). All bytes come from one generation of the configuration.
     * EFI_TIMEOUT: it kept changing. EFI_UNSUPPORTED: there is no such field. */
    EFI_STATUS(*read_config)
    (const struct virtio_transport *transport, uint32_t offset, uint32_t width_bytes,
     uint32_t length_bytes, void *ret_field);

    /* Write `length_bytes` of device configuration, likewise. NULL if a driver must not
     * write device configuration. */
    EFI_STATUS(*write_config)
    (const struct virtio_transport *transport, uint32_t offset, uint32_t width_bytes,
     uint32_t length_bytes, const void *field);

    /* Select queue `index` and read its largest size in entries; 0: no such queue. */
    EFI_STATUS(*select_queue)
    (const struct virtio_transport *transport, uint16_t index, uint16_t *ret_size_max);

    /* Set up the queue selected last with `size` entries and enable it. `features` are the
     * negotiated ones: they decide how a doorbell is rung.
     * EFI_UNSUPPORTED: the transport cannot express an address, or the device puts the
     * doorbell outside its region. EFI_BAD_BUFFER_SIZE: the device does not keep the size
     * that it was given. */
    EFI_STATUS(*enable_queue)
    (const struct virtio_transport *transport, uint64_t features, uint16_t index, uint16_t size,
     const struct virtio_queue_addresses *addresses, struct pci_register *ret_doorbell);

    /* Begin the reset of queue `index`; ask whether the reset of the queue selected last is
     * complete. RING_RESET was negotiated. NULL if the transport does not have the feature.
     * EFI_DEVICE_ERROR: the answer is neither yes nor no. */
    EFI_STATUS (*begin_queue_reset)(const struct virtio_transport *transport, uint16_t index);
    EFI_STATUS (*is_queue_reset)(const struct virtio_transport *transport, bool *ret_is_reset);

    /* Enable queue `index` again after its reset. Its doorbell is the same as before. */
    EFI_STATUS(*reenable_queue)
    (const struct virtio_transport *transport, uint16_t index, uint16_t size,
     const struct virtio_queue_addresses *addresses);
};

struct virtio_transport {
    const struct virtio_transport_ops *ops;
    EFI_PCI_IO_PROTOCOL *pci_io;
    uint64_t saved_attributes;
    bool is_cut_off; /* keep bus mastering off, whatever was saved */

    struct pci_region common; /* common configuration, or all legacy registers */
    struct pci_region notify; /* modern only */
    struct pci_region config; /* device configuration; empty if there is none */
    uint32_t notify_multiplier;
    struct pci_config_window window; /* modern only; reaches regions in other BARs */
    uint64_t missing;                /* features that need a register that the device lacks */
};

#endif
