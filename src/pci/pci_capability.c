/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Follows the links, with a bound on the whole walk.
 */
#include "pci/pci_capability.h"

#include <pci22.h>
#include <stdbool.h>
#include <stddef.h>

#define CAPABILITY_POINTER 0x34u
#define CAPABILITY_FIRST 0x40u /* the header is below */
#define CAPABILITY_ALIGN 4u
#define CAPABILITIES_MAX ((PCI_CONFIG_SPACE_BYTES - CAPABILITY_FIRST) / CAPABILITY_ALIGN)
#define PCI_STATUS_CAPABILITY_LIST 0x0010u

static EFI_STATUS has_capability_list(EFI_PCI_IO_PROTOCOL *pci_io, bool *ret_has)
{
    uint16_t pci_status;
    EFI_STATUS status;

    status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, offsetof(PCI_TYPE00, Hdr.Status), 1,
                              &pci_status);
    if (!EFI_ERROR(status))
        *ret_has = pci_status & PCI_STATUS_CAPABILITY_LIST;
    return status;
}

EFI_STATUS pci_capability_next(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t id,
                               struct pci_capability_walk *walk)
{
    uint32_t link = walk->position ? walk->position + 1u : CAPABILITY_POINTER;
    bool has_list;
    EFI_STATUS status;

    status = has_capability_list(pci_io, &has_list);
    if (EFI_ERROR(status))
        return status;
    walk->position = 0;
    while (has_list) {
        uint8_t header[2]; /* identifier, link */
        uint8_t next;

        status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint8, link, 1, &next);
        if (EFI_ERROR(status))
            return status;
        next &= (uint8_t) ~(CAPABILITY_ALIGN - 1u);
        if (next == 0)
            return EFI_SUCCESS;
        /* More steps than capabilities could fit are a loop. */
        if (next < CAPABILITY_FIRST || walk->steps == CAPABILITIES_MAX)
            return EFI_UNSUPPORTED;
        walk->steps++;

        status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint8, next, 2, header);
        if (EFI_ERROR(status))
            return status;
        if (header[0] == id) {
            walk->position = next;
            return EFI_SUCCESS;
        }
        link = next + 1u;
    }
    return EFI_SUCCESS;
}
