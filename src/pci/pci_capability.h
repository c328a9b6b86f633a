/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A bounded walk over the capability list of a PCI function.
 */
#ifndef PCI_CAPABILITY_H
#define PCI_CAPABILITY_H

#include <efi.h>
#include <efipciio.h>
#include <stdint.h>

/* PCI 3.0. The rest of PCI Express's configuration space holds no virtio capability. */
#define PCI_CONFIG_SPACE_BYTES 256u

/* A walk over the list. Zero it before the first step. */
struct pci_capability_walk {
    uint8_t position; /* of the capability in configuration space; 0 at the end */
    uint8_t steps;    /* links followed so far */
};

/* Advance to the next capability `id`, or to the end.
 * Errors: EFI_UNSUPPORTED, the list loops or leaves configuration space; those of PciIo.
 * Source: PCI Local Bus 3.0, 6.7. */
EFI_STATUS pci_capability_next(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t id,
                               struct pci_capability_walk *walk)
    __attribute__((warn_unused_result));

#endif
