/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the options come from: the NV variable first, then the image's load
 * option, which so has the last word. What is wrong with either is said on the
 * console, and the driver loads all the same.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <efi.h>

#include "driver/options.h"

/* The variable, under variable_guid. Both sources hold text as options.h describes
 * it, in UCS-2 (`setvar … =L"…"`) or in ASCII (`setvar … =S"…"`, efibootmgr). */
#define SETTINGS_VARIABLE L"VirtioNetOptions"

/* Read the options of the image `image`. */
void settings_load(EFI_HANDLE image, struct options *ret_options);

/* Read the options of the variable alone. Prints nothing. At TPL_CALLBACK or below, like
 * settings_save. */
void settings_load_variable(struct options *ret_options);

/* Replace the variable; the next start of the driver reads it. Errors: what the variable
 * services answer. Only where attributes had to change can the old variable then be gone. */
EFI_STATUS settings_save(const struct options *options) __attribute__((warn_unused_result));

#endif
