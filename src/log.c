/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Lines on the firmware's console.
 */
#include "log.h"

#include <efilib.h>

#include "text.h"

#define LINE_MAX 160u

void log_failure(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *cause,
                 EFI_STATUS status)
{
    CHAR16 buffer[LINE_MAX];
    struct text line;

    if (!ST->ConOut)
        return;
    text_init(&line, buffer, LINE_MAX);
    text_append(&line, L"virtio-net ");
    text_append_pci_location(&line, pci_io);
    text_append(&line, L": ");
    text_append(&line, what);
    text_append(&line, L": ");
    text_append(&line, cause);
    text_append(&line, L" (");
    text_append_status(&line, status);
    text_append(&line, L")\r\n");
    /* There is no second console to complain about the first. */
    (void)ST->ConOut->OutputString(ST->ConOut, buffer);
}
