/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers of a BAR without PciIo. A write through PciIo crosses three layers of
 * firmware to execute one store. For a doorbell, which may ring for every frame, it pays
 * to find the address of that store.
 *
 * GetBarAttributes gives the address. The DXE services confirm that a device is mapped
 * there; without them PciIo is used. The caller must confirm that it is this device, by
 * reading a register both ways.
 */
#ifndef PCI_DIRECT_H
#define PCI_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "pci/pci_region.h"

/* True if the firmware maps the whole BAR of `region` for access by the CPU. The other two
 * functions may be called only in this case. */
bool pci_direct_is_mapped(const struct pci_region *region);

/* Read the 8-bit register at `offset`, which must lie within `region`. */
uint8_t pci_direct_read8(const struct pci_region *region, uint64_t offset);

/* From now on write `reg` without PciIo, if it lies in the BAR of `region`. */
void pci_direct_adopt(const struct pci_region *region, struct pci_register *reg);

#endif
