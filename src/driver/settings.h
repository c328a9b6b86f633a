/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The sources of the options: the NV variable, then the image's load option, which
 * overrides it. Errors in either are reported on the console and do not keep the driver
 * from loading.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <efi.h>

#include "driver/options.h"

/* The variable, under variable_guid. Both sources hold text as described in options.h,
 * in UCS-2 (`setvar … =L"…"`) or in ASCII (`setvar … =S"…"`, efibootmgr). */
#define SETTINGS_VARIABLE L"VirtioNetOptions"

/* Read the options for `image`, the driver's own image. */
void settings_load(EFI_HANDLE image, struct options *ret_options);

/* Read the options of the variable alone. Prints nothing. At TPL_CALLBACK or below, like
 * settings_save. */
void settings_load_variable(struct options *ret_options);

/* Replace the variable, which the driver reads when it next starts. Errors: those of the
 * variable services. The old variable can then be lost only if its attributes had to
 * change. */
EFI_STATUS settings_save(const struct options *options) __attribute__((warn_unused_result));

#endif
