/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_DRIVER_BINDING_PROTOCOL: which controllers are ours, and the handles, opens
 * and device path of each. Source: UEFI 2.10, 11.1.
 *
 * A controller is held by opening its PciIo BY_DRIVER | EXCLUSIVE; its one child
 * opens it BY_CHILD_CONTROLLER. Nothing about a controller is kept here: PciIo's
 * list of openers is the record.
 */
#ifndef DRIVER_BINDING_H
#define DRIVER_BINDING_H

#include <efi.h>
#include <stdbool.h>

#include "driver/options.h"

/* Higher than any driver that comes with a firmware or an option ROM, so that ours is asked
 * first (UEFI 2.10, 11.1, Version: an IHV may use the whole range). */
#define DRIVER_BINDING_VERSION 0x20000000u

/* Install the driver's protocols on its image handle, and its Unload. `options` are copied.
 * Errors: those of the firmware; nothing is then installed. */
EFI_STATUS driver_binding_install(EFI_HANDLE image, const struct options *options)
    __attribute__((warn_unused_result));

/* Release every NIC, uninstall the protocols, and let the firmware connect the NICs to any
 * other driver that wants them. Error: a client does not let go of a NIC or a protocol; the
 * driver then remains installed and intact. */
EFI_STATUS driver_binding_uninstall(void) __attribute__((warn_unused_result));

/* While paused, Supported and Start return ALREADY_STARTED, so that firmware that
 * reconnects during a disconnection does not come back to us. */
void driver_binding_pause(bool is_paused);

/* From here on, until the next call, a Start of `controller` takes it over from the driver named
 * `from`, and is recorded so. NULL: no takeover goes on. */
void driver_binding_take(EFI_HANDLE controller, const CHAR16 *from);

/* The handle under which we open protocols. */
EFI_HANDLE driver_binding_agent(void);

/* True when `controller` is a NIC that this driver holds. */
bool driver_binding_holds(EFI_HANDLE controller);

#endif
