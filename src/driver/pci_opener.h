/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The openers of a controller's PciIo: the firmware's own record of the controller's
 * driver and children.
 */
#ifndef PCI_OPENER_H
#define PCI_OPENER_H

#include <efi.h>

/* Find an open of `controller`'s PciIo by `agent` (NULL: by anyone) that has
 * `attribute` set, an EFI_OPEN_PROTOCOL_BY_… bit.
 * Errors: EFI_NOT_FOUND, there is none; any other comes from the firmware.
 * Source: UEFI 2.10, 7.3.11. */
EFI_STATUS pci_opener_find(EFI_HANDLE controller, EFI_HANDLE agent, UINT32 attribute,
                           EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *ret_opener)
    __attribute__((warn_unused_result));

#endif
