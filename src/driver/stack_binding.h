/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The second driver binding of this image: the Managed Network service (src/mnp) on the child
 * handles of the first. It holds SNP BY_DRIVER, as the firmware's own service does, and is asked
 * before it, so the plain driver model decides: an application that opens SNP EXCLUSIVE stops
 * the service, and connecting the handle brings it back.
 */
#ifndef STACK_BINDING_H
#define STACK_BINDING_H

#include <efi.h>

/* Install the binding on a handle of its own. `image` is the driver's. Errors: those of the
 * firmware; nothing is then installed. */
EFI_STATUS stack_binding_install(EFI_HANDLE image) __attribute__((warn_unused_result));

/* Uninstall it. No NIC is bound any more, or it never was installed. Error: EFI_ACCESS_DENIED, a
 * client still has a packet, and would call code of this image when it recycles it; or those of
 * the firmware. The binding is then still installed. */
EFI_STATUS stack_binding_uninstall(void) __attribute__((warn_unused_result));

#endif
