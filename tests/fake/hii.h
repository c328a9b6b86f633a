/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A HII database and its strings. Parses package lists more strictly than firmware does,
 * reports (report.h) errors in them, and keeps the forms for tests to examine. Source: UEFI 2.10,
 * 33 and 34.
 */
#ifndef FAKE_HII_H
#define FAKE_HII_H

#include "firmware.h"
#include "uefi_ext/hii.h"

#define FAKE_STATEMENTS_MAX 64u
#define FAKE_CHOICES_MAX 4u

/* A text, an action or a question, in the order of the form. */
struct fake_statement {
    uint8_t opcode;
    EFI_STRING_ID prompt;
    EFI_STRING_ID help;
    EFI_STRING_ID value; /* of a text */
    EFI_QUESTION_ID question;
    EFI_VARSTORE_ID store; /* 0: none */
    uint16_t offset;
    uint16_t width; /* bytes in the store */
    uint8_t flags;
    uint8_t standard;                        /* of a checkbox or a one-of: its default */
    EFI_STRING_ID choices[FAKE_CHOICES_MAX]; /* of a one-of, by value; 0: no such value */
};

/* A package list in the database. */
struct fake_form {
    EFI_HANDLE driver;
    EFI_GUID guid;
    EFI_GUID class;
    EFI_STRING_ID title;
    EFI_GUID store_guid;
    EFI_VARSTORE_ID store;
    uint16_t store_size;
    char store_name[64];
    struct fake_statement statements[FAKE_STATEMENTS_MAX];
    unsigned statement_count;
    unsigned string_count; /* ids are 1 to string_count */
};

struct fake_hii;

/* Install the two protocols on a handle of `firmware`, which owns the result. */
struct fake_hii *fake_hii_new(struct fake_firmware *firmware);

unsigned fake_hii_form_count(const struct fake_hii *hii);

/* The form whose driver is `driver`; NULL: none. Valid until it is removed. */
const struct fake_form *fake_hii_find_form(const struct fake_hii *hii, EFI_HANDLE driver);

/* A text of a form in ASCII, with '?' for other characters; "" if there is no such id. */
const char *fake_hii_string(const struct fake_form *form, EFI_STRING_ID id);

/* The statement with this prompt; NULL: none. */
const struct fake_statement *fake_hii_find_statement(const struct fake_form *form,
                                                     const char *prompt);

/* How often SetString was called. */
unsigned fake_hii_set_count(const struct fake_hii *hii);

/* Check a package list without a database. Reports errors. */
void fake_hii_check(const void *packages);

#endif
