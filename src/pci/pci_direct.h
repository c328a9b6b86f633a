/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers of a BAR without PciIo. A write through PciIo passes three layers of
 * firmware on its way to one instruction; a doorbell that is rung for every frame is
 * worth finding that instruction's address.
 *
 * PciIo tells the address (GetBarAttributes), the firmware's map of addresses tells
 * that devices lie there (the DXE services; where there are none, PciIo it is), and
 * that it is this device is for the caller to see: by reading a register both ways.
 */
#ifndef PCI_DIRECT_H
#define PCI_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "pci/pci_region.h"

/* True when the firmware maps all of the BAR of `region` for access by the CPU. Then,
 * and only then, the other two may be called. */
bool pci_direct_is_mapped(const struct pci_region *region);

/* Read the 8-bit register at `offset` of `region`, an offset that it contains. */
uint8_t pci_direct_read8(const struct pci_region *region, uint64_t offset);

/* Let `reg` be written without PciIo from now on, if it lies in the BAR of `region`. */
void pci_direct_adopt(const struct pci_region *region, struct pci_register *reg);

#endif
