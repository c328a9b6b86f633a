/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers of a virtio device through its PCI configuration space, for a BAR that the
 * firmware gives no way to. A capability is the window: the driver writes there which
 * register it means, and finds the register in the data field. Four accesses for one, so
 * only where nothing else works. Source: VIRTIO 1.2, 4.1.4.9.
 */
#ifndef PCI_CONFIG_WINDOW_H
#define PCI_CONFIG_WINDOW_H

#include "pci/pci_region.h"

/* A PciIo of which Mem alone is there; it takes one register at a time, and counts BARs
 * as configuration space does. All regions share the one place that the window is set
 * to, so each access sets it anew: the caller keeps others out from the first write to
 * the last, as for every access that calls the firmware (exclusion.h). */
struct pci_config_window {
    EFI_PCI_IO_PROTOCOL protocol; /* first: Mem's This is the window */
    EFI_PCI_IO_PROTOCOL *pci_io;  /* whose configuration space it is; NULL: no window */
    uint8_t position;             /* of the capability */
};

/* Use the capability at `position`, `length_bytes` long by its own account.
 * Errors: EFI_UNSUPPORTED, it is too short or leaves configuration space. */
EFI_STATUS pci_config_window_init(struct pci_config_window *window, EFI_PCI_IO_PROTOCOL *pci_io,
                                  uint8_t position, uint8_t length_bytes)
    __attribute__((warn_unused_result));

/* Like pci_region_init, through the window. The BAR's size is not known: the region's
 * own bounds are the limit. The window must stay where it is.
 * Errors: EFI_UNSUPPORTED, the region is empty or ends beyond 4 GiB; EFI_NO_MAPPING, the
 * window does not keep what is written to it; what PciIo answers. */
EFI_STATUS pci_config_window_region(struct pci_config_window *window, uint8_t bar, uint64_t offset,
                                    uint64_t length_bytes, struct pci_region *ret_region)
    __attribute__((warn_unused_result));

static inline bool pci_config_window_serves(const struct pci_config_window *window,
                                            const struct pci_region *region)
{
    return region->access == &window->protocol.Mem;
}

#endif
