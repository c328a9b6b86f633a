/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_DRIVER_DIAGNOSTICS2_PROTOCOL: what `drvdiag` runs and prints. The standard
 * test looks at registers, rings and link and sends nothing. The extended one also
 * resets the device, sends one frame through every transmit slot and programs the
 * filter over the control queue. Source: UEFI 2.10, 11.4.
 */
#ifndef DIAGNOSTICS_H
#define DIAGNOSTICS_H

#include "uefi_ext/driver_diagnostics2.h"

struct diagnostics {
    EFI_DRIVER_DIAGNOSTICS2_PROTOCOL protocol;
    EFI_HANDLE agent;
};

/* Make `diagnostics->protocol` ready to be installed. `agent` is the driver
 * binding handle, by which the NICs are found. */
void diagnostics_init(struct diagnostics *diagnostics, EFI_HANDLE agent);

#endif
