/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Lines on the console, each about one NIC or one option. Only the boundary to the
 * firmware logs; what lies below returns statuses and causes. One exception: a wait of
 * seconds says what it is for while it lasts.
 */
#ifndef LOG_H
#define LOG_H

#include <efi.h>
#include <efipciio.h>
#include <stddef.h>

/* "virtio-net 0000:00:03.0: WHAT". `name` follows WHAT unless it is NULL. */
void log_nic(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *name);

/* "virtio-net 0000:00:03.0: WHAT: CAUSE (STATUS)". */
void log_failure(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *cause,
                 EFI_STATUS status);

/* "virtio-net: SOURCE: ignored ITEM: WHY"; `item` is `length` characters long, 0 for
 * all of the source. */
void log_option(const CHAR16 *source, const CHAR16 *item, size_t length, const CHAR16 *why);

#endif
