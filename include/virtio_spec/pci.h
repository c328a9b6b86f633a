/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The PCI transport: identities, vendor capabilities and register layouts.
 * Source: VIRTIO 1.2, section 4.1; 4.1.4.10 and 4.1.5 for legacy devices.
 */
#ifndef VIRTIO_SPEC_PCI_H
#define VIRTIO_SPEC_PCI_H

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_PCI_VENDOR_ID 0x1af4u
#define VIRTIO_PCI_DEVICE_ID_NET_TRANSITIONAL 0x1000u
#define VIRTIO_PCI_DEVICE_ID_NET_MODERN 0x1041u
#define VIRTIO_PCI_SUBSYSTEM_ID_NET 1u /* tells transitional devices apart */

/* The vendor-specific capability (4.1.4). */
#define VIRTIO_PCI_CAP_ID 0x09u
#define VIRTIO_PCI_BAR_MAX 5u /* higher values are reserved: skip the capability */

struct virtio_pci_cap {
    uint8_t cap_vndr;
    uint8_t cap_next;
    uint8_t cap_len;
    uint8_t cfg_type;
    uint8_t bar;
    uint8_t id;
    uint8_t padding[2];
    uint32_t offset;
    uint32_t length;
};

struct virtio_pci_notify_cap {
    struct virtio_pci_cap cap;
    uint32_t notify_off_multiplier;
};

/* The window of 4.1.4.9: the first cap.length bytes of pci_cfg_data stand for the register
 * that cap.bar, cap.offset and cap.length (1, 2 or 4) select. */
struct virtio_pci_cfg_cap {
    struct virtio_pci_cap cap;
    uint8_t pci_cfg_data[4];
};

enum virtio_pci_cfg_type {
    VIRTIO_PCI_CAP_COMMON_CFG = 1,
    VIRTIO_PCI_CAP_NOTIFY_CFG = 2,
    VIRTIO_PCI_CAP_ISR_CFG = 3,
    VIRTIO_PCI_CAP_DEVICE_CFG = 4,
    VIRTIO_PCI_CAP_PCI_CFG = 5,
    VIRTIO_PCI_CAP_SHARED_MEMORY_CFG = 8,
};

/* Common configuration (4.1.4.3). VIRTIO 1.2 added the last two fields; a device without
 * them has a shorter capability. */
struct virtio_pci_common_cfg {
    uint32_t device_feature_select;
    uint32_t device_feature;
    uint32_t driver_feature_select;
    uint32_t driver_feature;
    uint16_t config_msix_vector;
    uint16_t num_queues;
    uint8_t device_status;
    uint8_t config_generation;

    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_msix_vector;
    uint16_t queue_enable;
    uint16_t queue_notify_off;
    uint64_t queue_desc;
    uint64_t queue_driver;
    uint64_t queue_device;

    uint16_t queue_notify_data;
    uint16_t queue_reset;
};

#define VIRTIO_PCI_COMMON_CFG_MIN_LENGTH 56u
#define VIRTIO_PCI_NO_VECTOR 0xffffu

/* Legacy registers in I/O BAR 0 (4.1.4.10), as byte offsets. */
#define VIRTIO_PCI_LEGACY_BAR 0u
#define VIRTIO_PCI_LEGACY_DEVICE_FEATURES 0x00u /* 32 bits, read-only */
#define VIRTIO_PCI_LEGACY_DRIVER_FEATURES 0x04u /* 32 bits */
#define VIRTIO_PCI_LEGACY_QUEUE_ADDRESS 0x08u   /* 32 bits, a page number */
#define VIRTIO_PCI_LEGACY_QUEUE_SIZE 0x0cu      /* 16 bits, read-only */
#define VIRTIO_PCI_LEGACY_QUEUE_SELECT 0x0eu    /* 16 bits */
#define VIRTIO_PCI_LEGACY_QUEUE_NOTIFY 0x10u    /* 16 bits */
#define VIRTIO_PCI_LEGACY_DEVICE_STATUS 0x12u   /* 8 bits */
#define VIRTIO_PCI_LEGACY_ISR_STATUS 0x13u      /* 8 bits, reading clears */
#define VIRTIO_PCI_LEGACY_CONFIG 0x14u          /* device configuration, MSI-X off */
#define VIRTIO_PCI_LEGACY_CONFIG_MSIX 0x18u     /* device configuration, MSI-X on */
#define VIRTIO_PCI_LEGACY_PAGE_SHIFT 12u

_Static_assert(sizeof(struct virtio_pci_cap) == 16, "VIRTIO 1.2, 4.1.4");
_Static_assert(sizeof(struct virtio_pci_notify_cap) == 20, "VIRTIO 1.2, 4.1.4.4");
_Static_assert(sizeof(struct virtio_pci_cfg_cap) == 20, "VIRTIO 1.2, 4.1.4.9");
_Static_assert(offsetof(struct virtio_pci_common_cfg, device_status) == 20, "VIRTIO 1.2, 4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_desc) == 32, "VIRTIO 1.2, 4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_reset) == 58, "VIRTIO 1.2, 4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_notify_data) ==
                   VIRTIO_PCI_COMMON_CFG_MIN_LENGTH,
               "VIRTIO 1.2, 4.1.4.3");

#endif
