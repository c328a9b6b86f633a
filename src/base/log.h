/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Console messages, one line each, about one NIC or one option. Only src/driver logs;
 * the layers below return statuses and causes. One exception: a wait that lasts seconds
 * says what it waits for.
 */
#ifndef LOG_H
#define LOG_H

#include <efi.h>
#include <efipciio.h>
#include <stddef.h>

/* "virtio-net 0000:00:03.0: WHAT". `name`, unless NULL, follows WHAT. */
void log_nic(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *name);

/* "virtio-net 0000:00:03.0: WHAT: CAUSE (STATUS)". */
void log_failure(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *cause,
                 EFI_STATUS status);

/* "virtio-net: SOURCE: ignored ITEM: WHY"; `item` has `length` characters; 0 stands
 * for the whole source. */
void log_option(const CHAR16 *source, const CHAR16 *item, size_t length, const CHAR16 *why);

#endif
