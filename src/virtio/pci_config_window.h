/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Access to a virtio device's registers through PCI configuration space, for a BAR that
 * the firmware does not map. A capability is the window: the driver writes which register
 * it means, then reads or writes the register in the capability's data field. One access
 * becomes four, so this is the last resort. Source: VIRTIO 1.2, 4.1.4.9.
 */
#ifndef PCI_CONFIG_WINDOW_H
#define PCI_CONFIG_WINDOW_H

#include "pci/pci_region.h"

/* A PciIo that has Mem and nothing else. It takes one register at a time, and numbers BARs
 * the way configuration space does. All regions share one window, so each access moves it:
 * the caller must exclude other accesses from the first write to the last, as for every
 * access that calls the firmware (exclusion.h). */
struct pci_config_window {
    EFI_PCI_IO_PROTOCOL protocol; /* first, so that the This of Mem is the window */
    EFI_PCI_IO_PROTOCOL *pci_io;  /* whose configuration space it is; NULL: no window */
    uint8_t position;             /* of the capability */
};

/* Use the capability at `position`, which claims to be `length_bytes` long.
 * Errors: EFI_UNSUPPORTED, it is too short or extends beyond configuration space. */
EFI_STATUS pci_config_window_init(struct pci_config_window *window, EFI_PCI_IO_PROTOCOL *pci_io,
                                  uint8_t position, uint8_t length_bytes)
    __attribute__((warn_unused_result));

/* Like pci_region_init, through the window. The BAR's size is unknown, so the region's own
 * bounds are the limit. The object must not move while the region is in use.
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
