/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The contents of the status page: its form in IFR, its texts, and the block of bytes
 * that holds the editable fields. Source: UEFI 2.10, 33.
 */
#ifndef STATUS_FORM_H
#define STATUS_FORM_H

#include <efi.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/options.h"
#include "uefi_ext/hii.h"

#define STATUS_FORM_LANGUAGE "en-US"
#define STATUS_FORM_BLOCK "VirtioNetOptions" /* under variable_guid */

/* Enough for the longest list of addresses without segments; the maximum in IFR. */
#define STATUS_FIELD_CHARS 255u

enum status_question {
    QUESTION_TAKEOVER = 1,
    QUESTION_VERBOSITY,
    QUESTION_STACK,
    QUESTION_ONLY,
    QUESTION_SKIP,
    QUESTION_REFRESH, /* not a field; the only question with a callback */
};

struct adapter;

/* The block of the fields: the first STATUS_FIELDS_BYTES of it. */
struct status_fields {
    uint8_t takeover;
    uint8_t verbosity;
    CHAR16 only[STATUS_FIELD_CHARS]; /* terminated if there is room */
    CHAR16 skip[STATUS_FIELD_CHARS];
    uint8_t stack; /* last, because the lists are aligned */
};

#define STATUS_FIELDS_BYTES (offsetof(struct status_fields, stack) + 1)

_Static_assert(STATUS_FIELDS_BYTES == 3 + 4 * STATUS_FIELD_CHARS, "without gaps");

/* Make the package list for the page of `adapter`, in pool memory that the caller frees. */
EFI_STATUS status_form_create(const struct adapter *adapter,
                              EFI_HII_PACKAGE_LIST_HEADER **ret_packages)
    __attribute__((warn_unused_result));

/* Write the state of `adapter` into the texts of `packages`. Accesses no register. */
void status_form_refresh(const struct adapter *adapter, const EFI_HII_STRING_PROTOCOL *strings,
                         EFI_HII_HANDLE packages);

#endif
