/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Finds the virtio transport of a PCI function. A transitional device is driven as
 * modern where its modern registers can be reached. Source: VIRTIO 1.2, 4.1.
 */
#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include "virtio_transport.h"

/* True in *ret_is_net when the function is a virtio network device of any
 * revision, told by its PCI identity alone; the device is not touched. */
EFI_STATUS virtio_pci_is_net(EFI_PCI_IO_PROTOCOL *pci_io, bool *ret_is_net)
    __attribute__((warn_unused_result));

/* Enable the function's registers (its attributes are saved) and find them. A
 * transitional device (1000) has two sets. It falls back to the legacy set when no
 * capability names the modern one, or when that is out of reach: a BAR has no address or
 * PciIo refuses accesses to it, and no window leads there. It does not fall back from a
 * malformed capability, nor when a firmware call fails: that says nothing about the
 * device. A device of the modern id (1041) never falls back.
 * Errors: EFI_UNSUPPORTED, neither transport is there, a capability is malformed, or
 * its BAR cannot be reached and configuration space is no window to it; what PciIo answers. On
 * failure the attributes are as before. */
EFI_STATUS virtio_pci_init(struct virtio_transport *transport, EFI_PCI_IO_PROTOCOL *pci_io)
    __attribute__((warn_unused_result));

/* Put the function's attributes back. A zeroed object is accepted. */
void virtio_pci_fini(struct virtio_transport *transport);

/* Allow the function to access memory; only a device that was reset may. */
EFI_STATUS virtio_pci_allow_dma(const struct virtio_transport *transport)
    __attribute__((warn_unused_result));

/* Cut the function off from memory: the last resort against a device that does
 * not stop, so there is nothing to do about a failure. */
void virtio_pci_forbid_dma(const struct virtio_transport *transport);

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
