/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The capability list of a PCI function, as far as it can be believed.
 */
#ifndef PCI_CAPABILITY_H
#define PCI_CAPABILITY_H

#include <efi.h>
#include <efipciio.h>
#include <stdint.h>

#define PCI_CONFIG_SPACE_BYTES 256u /* what PCI 3.0 has; PCI Express adds no virtio capability */

/* A walk over the list; zeroed before its first step. */
struct pci_capability_walk {
    uint8_t position; /* of a capability in configuration space; 0 at the end */
    uint8_t steps;    /* links followed so far */
};

/* Go on to the next capability `id`, or to the end.
 * Errors: EFI_UNSUPPORTED, the list loops or leaves configuration space; what PciIo
 * answers. Source: PCI Local Bus 3.0, 6.7. */
EFI_STATUS pci_capability_next(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t id,
                               struct pci_capability_walk *walk)
    __attribute__((warn_unused_result));

#endif
