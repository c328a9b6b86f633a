/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_COMPONENT_NAME2_PROTOCOL and its predecessor: the names of the
 * driver and its NICs in `drivers`, `devices` and `devtree`. English only.
 */
#ifndef COMPONENT_NAME_H
#define COMPONENT_NAME_H

#include <efi.h>

struct component_name {
    EFI_COMPONENT_NAME2_PROTOCOL rfc4646; /* language codes such as "en" */
    EFI_COMPONENT_NAME_PROTOCOL iso639;   /* the predecessor; language codes such as "eng" */
    EFI_HANDLE agent;
};

/* Prepare both protocols for installation. `agent` is the driver binding handle, by which
 * the NICs are found. */
void component_name_init(struct component_name *names, EFI_HANDLE agent);

#endif
