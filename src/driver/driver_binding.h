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

/* Above every driver that a firmware or an option ROM brings along, so that ours
 * is asked first (UEFI 2.10, 11.1, Version: an IHV may use all of the range). */
#define DRIVER_BINDING_VERSION 0x20000000u

/* Install the protocols of a driver on its image handle, and its Unload; `options`
 * are copied. Errors: what the firmware answers; nothing is then installed. */
EFI_STATUS driver_binding_install(EFI_HANDLE image, const struct options *options)
    __attribute__((warn_unused_result));

/* Let go of every NIC, take the protocols off again, and let the firmware connect
 * the NICs to whoever else wants them. Error: somebody does not let go of a NIC or
 * of a protocol; the driver then stays installed and whole. */
EFI_STATUS driver_binding_uninstall(void) __attribute__((warn_unused_result));

/* While it is paused the driver answers ALREADY_STARTED to Supported and Start,
 * so that a firmware that reconnects behind a disconnect does not come to us. */
void driver_binding_pause(bool is_paused);

/* The handle that our opens are made by. */
EFI_HANDLE driver_binding_agent(void);

/* True when `controller` is a NIC of ours. */
bool driver_binding_holds(EFI_HANDLE controller);

#endif
