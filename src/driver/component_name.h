/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_COMPONENT_NAME2_PROTOCOL and its predecessor: the names of a
 * driver binding and its controllers in `drivers`, `devices` and `devtree`. English only.
 */
#ifndef COMPONENT_NAME_H
#define COMPONENT_NAME_H

#include <efi.h>

/* The name of a controller of `agent`, or of a child of it; `child` may be NULL. Errors:
 * EFI_INVALID_PARAMETER, one of them is not a handle; EFI_UNSUPPORTED, `agent` does not have
 * them. */
typedef EFI_STATUS component_name_finder(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child,
                                         CHAR16 **ret_name);

struct component_name {
    EFI_COMPONENT_NAME2_PROTOCOL rfc4646; /* language codes such as "en" */
    EFI_COMPONENT_NAME_PROTOCOL iso639;   /* the predecessor; language codes such as "eng" */
    const EFI_HANDLE *agent; /* where the driver binding handle is, once it is installed */
    CHAR16 *driver;          /* the binding's name */
    component_name_finder *find;
};

/* Prepare both protocols for installation. The names live as long as the protocols. */
void component_name_init(struct component_name *names, const EFI_HANDLE *agent, CHAR16 *driver,
                         component_name_finder *find);

#endif
