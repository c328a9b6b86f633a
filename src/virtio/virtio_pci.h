/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Finds the virtio transport of a PCI function. A transitional device is driven as
 * modern where its modern registers can be reached. Source: VIRTIO 1.2, 4.1.
 */
#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include "virtio/virtio_transport.h"

/* *ret_is_net: whether the function is a virtio network device of any revision, by its PCI
 * identity alone. The device is not touched. */
EFI_STATUS virtio_pci_is_net(EFI_PCI_IO_PROTOCOL *pci_io, bool *ret_is_net)
    __attribute__((warn_unused_result));

/* Save the function's attributes, enable its registers and find them. Bus mastering is off
 * afterwards. A transitional device (1000) has two sets of registers. The legacy set is used
 * if no capability names the modern one, or if the modern one cannot be reached: its BAR has
 * no address, or PciIo refuses the access, and there is no window. The legacy set does not
 * stand in for a malformed capability, or for firmware that fails, which says nothing about
 * the device. A device with the modern id (1041) has no legacy registers, whatever its BAR 0
 * holds.
 * Errors: EFI_UNSUPPORTED, there is neither transport, a capability is malformed, or its BAR
 * can be reached neither directly nor through a window; those of PciIo. On failure the
 * attributes are as before. */
EFI_STATUS virtio_pci_init(struct virtio_transport *transport, EFI_PCI_IO_PROTOCOL *pci_io)
    __attribute__((warn_unused_result));

/* Restore the function's attributes; a function that was cut off stays without bus
 * mastering. A zeroed object is accepted. */
void virtio_pci_fini(struct virtio_transport *transport);

/* Allow the function to access memory. The device was reset. */
EFI_STATUS virtio_pci_allow_dma(struct virtio_transport *transport)
    __attribute__((warn_unused_result));

/* Cut the function off from memory until virtio_pci_allow_dma: the last resort against a
 * device that does not stop. Errors: those of PciIo; the device then goes on. */
EFI_STATUS virtio_pci_forbid_dma(struct virtio_transport *transport)
    __attribute__((warn_unused_result));

/* True when some of the registers are reached through PCI configuration space. */
bool virtio_pci_uses_window(const struct virtio_transport *transport);

/* The two transports; modern is tried first. Each fills in ops and regions.
 * Errors: EFI_NOT_FOUND, the device has no such transport; EFI_NO_MAPPING, modern only, a
 * region cannot be reached; EFI_UNSUPPORTED; those of PciIo. */
EFI_STATUS virtio_pci_modern_init(struct virtio_transport *transport)
    __attribute__((warn_unused_result));
EFI_STATUS virtio_pci_legacy_init(struct virtio_transport *transport)
    __attribute__((warn_unused_result));

#endif
