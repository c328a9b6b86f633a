/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_COMPONENT_NAME2_PROTOCOL and its predecessor: what `drivers`, `devices` and
 * `devtree` call the driver and its NICs. English alone.
 */
#ifndef COMPONENT_NAME_H
#define COMPONENT_NAME_H

#include <efi.h>

struct component_name {
    EFI_COMPONENT_NAME2_PROTOCOL rfc4646; /* language codes as "en" */
    EFI_COMPONENT_NAME_PROTOCOL iso639;   /* the predecessor; language codes as "eng" */
    EFI_HANDLE agent;
};

/* Make both protocols ready to be installed. `agent` is the driver binding
 * handle, by which the NICs are found. */
void component_name_init(struct component_name *names, EFI_HANDLE agent);

#endif
