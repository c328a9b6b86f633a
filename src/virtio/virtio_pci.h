/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Finds the virtio transport of a PCI function. A transitional device is driven as
 * modern where its modern registers can be reached. Source: VIRTIO 1.2, 4.1.
 */
#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include "virtio/virtio_transport.h"

/* True in *ret_is_net when the function is a virtio network device of any
 * revision, told by its PCI identity alone; the device is not touched. */
EFI_STATUS virtio_pci_is_net(EFI_PCI_IO_PROTOCOL *pci_io, bool *ret_is_net)
    __attribute__((warn_unused_result));

/* Enable the function's registers (its attributes are saved) and find them; bus mastering
 * is off afterwards. A transitional device (1000) has two sets. The legacy one serves when
 * no capability names the modern one, or there is no way to it: no address in a BAR,
 * accesses that PciIo refuses, and no window. It does not serve in place of a capability
 * that is malformed, or when the firmware fails, which says nothing of the device. A device
 * of the modern id (1041) has no legacy registers, whatever is in its BAR 0.
 * Errors: EFI_UNSUPPORTED, neither transport is there, a capability is malformed, or
 * its BAR cannot be reached and configuration space is no window to it; what PciIo answers. On
 * failure the attributes are as before. */
EFI_STATUS virtio_pci_init(struct virtio_transport *transport, EFI_PCI_IO_PROTOCOL *pci_io)
    __attribute__((warn_unused_result));

/* Put the function's attributes back, but for the bus mastering of a function that was cut
 * off. A zeroed object is accepted. */
void virtio_pci_fini(struct virtio_transport *transport);

/* Allow the function to access memory; only a device that was reset may. */
EFI_STATUS virtio_pci_allow_dma(struct virtio_transport *transport)
    __attribute__((warn_unused_result));

/* Cut the function off from memory until virtio_pci_allow_dma: the last resort against a
 * device that does not stop. Errors: what PciIo answers; the device then goes on. */
EFI_STATUS virtio_pci_forbid_dma(struct virtio_transport *transport)
    __attribute__((warn_unused_result));

/* True when some of the registers are reached through PCI configuration space. */
bool virtio_pci_uses_window(const struct virtio_transport *transport);

/* The two transports, modern first. Each fills in ops and regions.
 * Errors: EFI_NOT_FOUND, the device has no such transport; EFI_NO_MAPPING, modern only,
 * there is no way to a region; EFI_UNSUPPORTED; what PciIo answers. */
EFI_STATUS virtio_pci_modern_init(struct virtio_transport *transport)
    __attribute__((warn_unused_result));
EFI_STATUS virtio_pci_legacy_init(struct virtio_transport *transport)
    __attribute__((warn_unused_result));

#endif
