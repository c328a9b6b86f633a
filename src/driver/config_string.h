/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The configuration strings that a form browser and a driver exchange, for a single
 * block of bytes: a header that identifies the block, and elements that are parts of it. Source:
 * UEFI 2.10, 35.2.1.
 *
 *   GUID=…&NAME=…&PATH=…                      header
 *   &OFFSET=0000&WIDTH=0001                   element of a request
 *   &OFFSET=0000&WIDTH=0001&VALUE=01          element of an answer
 *
 * A value is a number, so the last byte of its part comes first.
 */
#ifndef CONFIG_STRING_H
#define CONFIG_STRING_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct config_element {
    const CHAR16 *text; /* as in the string, from its '&' on */
    size_t length;      /* of the text, without the value */
    uint16_t offset;
    uint16_t width;
    const CHAR16 *digits; /* of the value */
    size_t digit_count;
};

/* Length of the header of block `name` at `path` in characters, the terminator included. */
size_t config_header_chars(const CHAR16 *name, const EFI_DEVICE_PATH *path);

void config_header_append(struct text *text, const EFI_GUID *guid, const CHAR16 *name,
                          const EFI_DEVICE_PATH *path);

/* Returns the part of `string` after `header`, or NULL if it begins with another header. */
const CHAR16 *config_header_skip(const CHAR16 *string, const CHAR16 *header);

/* Read the element at *at, of a block of `block_bytes`, and move *at past it. False if there
 * is none, or it is malformed or outside the block; *at is then unchanged. */
bool config_element_next(const CHAR16 **at, size_t block_bytes, bool has_value,
                         struct config_element *ret_element);

/* Copy the element's value into the block. */
void config_element_get(const struct config_element *element, uint8_t *block);

/* Append the element as it was requested, followed by its value from the block. */
void config_element_append(const struct config_element *element, const uint8_t *block,
                           struct text *text);

/* Characters that config_element_append needs. */
size_t config_element_chars(const struct config_element *element);

#endif
