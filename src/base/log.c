/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Lines on the firmware's console.
 */
#include "base/log.h"

#include <efilib.h>

#include "base/text.h"

#define LINE_CHARS_MAX 160u
#define ITEM_CHARS_MAX 64u /* leaves room for the reason after it */

struct line {
    struct text text;
    CHAR16 buffer[LINE_CHARS_MAX];
};

static void begin(struct line *line)
{
    text_init(&line->text, line->buffer, LINE_CHARS_MAX - 2); /* room for the end */
    text_append(&line->text, L"virtio-net");
}

static void begin_nic(struct line *line, EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what)
{
    begin(line);
    text_append(&line->text, L" ");
    text_append_pci_location(&line->text, pci_io);
    text_append(&line->text, L": ");
    text_append(&line->text, what);
}

static void end(struct line *line)
{
    line->text.capacity = LINE_CHARS_MAX;
    text_append(&line->text, L"\r\n");
    /* There is no second console on which to report a failure of the first. */
    if (ST->ConOut)
        (void)ST->ConOut->OutputString(ST->ConOut, line->buffer);
}

void log_nic(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *name)
{
    struct line line;

    begin_nic(&line, pci_io, what);
    if (name)
        text_append(&line.text, name);
    end(&line);
}

void log_failure(EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 *what, const CHAR16 *cause,
                 EFI_STATUS status)
{
    struct line line;

    begin_nic(&line, pci_io, what);
    text_append(&line.text, L": ");
    text_append(&line.text, cause);
    text_append(&line.text, L" (");
    text_append_status(&line.text, status);
    text_append(&line.text, L")");
    end(&line);
}

void log_option(const CHAR16 *source, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    struct line line;

    begin(&line);
    text_append(&line.text, L": ");
    text_append(&line.text, source);
    text_append(&line.text, length > 0 ? L": ignored " : L": ignored");
    text_append_part(&line.text, item, length < ITEM_CHARS_MAX ? length : ITEM_CHARS_MAX);
    text_append(&line.text, L": ");
    text_append(&line.text, why);
    end(&line);
}
