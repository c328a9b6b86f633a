/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The location of a PCI function.
 */
#ifndef PCI_ADDRESS_H
#define PCI_ADDRESS_H

#include <efi.h>
#include <efipciio.h>
#include <stdbool.h>
#include <stdint.h>

struct pci_address {
    uint16_t segment;
    uint8_t bus;
    uint8_t device;
    uint8_t function;
};

static inline bool pci_address_is_equal(const struct pci_address *a, const struct pci_address *b)
{
    return a->segment == b->segment && a->bus == b->bus && a->device == b->device &&
           a->function == b->function;
}

/* Errors: those of GetLocation. Source: UEFI 2.10, 14.4. */
static inline EFI_STATUS pci_address_get(EFI_PCI_IO_PROTOCOL *pci_io,
                                         struct pci_address *ret_address)
{
    UINTN segment;
    UINTN bus;
    UINTN device;
    UINTN function;
    EFI_STATUS status;

    status = pci_io->GetLocation(pci_io, &segment, &bus, &device, &function);
    if (!EFI_ERROR(status))
        *ret_address = (struct pci_address){(uint16_t)segment, (uint8_t)bus, (uint8_t)device,
                                            (uint8_t)function};
    return status;
}

#endif
