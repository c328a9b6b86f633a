/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Who has the PciIo of a controller open: the firmware's own record of who drives
 * it, and of its children.
 */
#ifndef PCI_OPENER_H
#define PCI_OPENER_H

#include <efi.h>

/* Find an open of `controller`'s PciIo by `agent` (NULL: by anyone) that has
 * `attribute` set, an EFI_OPEN_PROTOCOL_BY_… bit.
 * Errors: EFI_NOT_FOUND, there is none; else the firmware does not tell.
 * Source: UEFI 2.10, 7.3.11. */
EFI_STATUS pci_opener_find(EFI_HANDLE controller, EFI_HANDLE agent, UINT32 attribute,
                           EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *ret_opener)
    __attribute__((warn_unused_result));

#endif
