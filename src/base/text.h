/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Short texts for people, built piece by piece in a buffer of fixed size. A text that
 * does not fit is truncated. It is always terminated.
 */
#ifndef TEXT_H
#define TEXT_H

#include <efi.h>
#include <efipciio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    CHAR16 *buffer;
    size_t capacity; /* characters, the terminator included; at least 1 */
    size_t length;
};

void text_init(struct text *text, CHAR16 *buffer, size_t capacity);
void text_append(struct text *text, const CHAR16 *string);

/* The first `length` characters of `string`, with '?' for control characters. */
void text_append_part(struct text *text, const CHAR16 *string, size_t length);

/* `string`, padded with spaces to `width` characters. */
void text_append_padded(struct text *text, const CHAR16 *string, size_t width);

void text_append_decimal(struct text *text, uint64_t value);

/* `value` in `digits` hexadecimal digits, 1 to 16. */
void text_append_hex(struct text *text, uint64_t value, unsigned digits);

/* 52:54:00:12:34:56 */
void text_append_mac(struct text *text, const uint8_t *mac);

/* The location of a PCI function, 0000:00:03.0, or "?" if PciIo does not tell. */
void text_append_pci_location(struct text *text, EFI_PCI_IO_PROTOCOL *pci_io);

/* The name of a status, or its number. */
void text_append_status(struct text *text, EFI_STATUS status);

/* True when the language code `language` matches `ours`; "en-US" matches "en" (RFC 4646;
 * ISO 639-2 codes have no parts). */
bool text_is_language(const CHAR8 *ours, const CHAR8 *language);

#endif
