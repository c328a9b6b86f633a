/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * An address for a NIC that has none.
 */
#ifndef RANDOM_MAC_H
#define RANDOM_MAC_H

#include <efi.h>
#include <efipciio.h>
#include <stdint.h>

/* Make up a locally administered unicast address for the function behind
 * `pci_io`, 6 bytes. It is the same until the machine is reset, also after an
 * unload: its seed lives in a volatile variable. If that cannot be kept, it is another one
 * each time.
 * Errors: what GetLocation answers. */
EFI_STATUS random_mac(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t *ret_mac)
    __attribute__((warn_unused_result));

#endif
