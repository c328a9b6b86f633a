/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * One line to the console about one NIC. Only the boundary to the firmware logs;
 * what lies below returns statuses and causes.
 */
#ifndef LOG_H
#define LOG_H

#include <efi.h>
#include <efipciio.h>

/* "virtio-net 0000:00:03.0: WHAT: CAUSE (STATUS)". */
void log_failure(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *cause,
                 EFI_STATUS status);

#endif
