/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A MAC address for a NIC that has none.
 */
#ifndef RANDOM_MAC_H
#define RANDOM_MAC_H

#include <efi.h>
#include <efipciio.h>
#include <stdint.h>

/* Make up a locally administered unicast address, 6 bytes, for the function behind `pci_io`.
 * It stays the same until the machine is reset, even across an unload, because its seed is
 * in a volatile variable. If the variable cannot be written, each call makes up another one.
 * Errors: those of GetLocation. */
EFI_STATUS random_mac(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t *ret_mac)
    __attribute__((warn_unused_result));

#endif
