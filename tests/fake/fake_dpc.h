/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_DPC_PROTOCOL as edk2's DpcDxe has it: a queue of procedures for each TPL, which
 * DispatchDpc empties from the highest TPL down to the caller's.
 */
#ifndef FAKE_DPC_H
#define FAKE_DPC_H

#include "firmware.h"
#include "uefi_ext/dpc.h"

#define FAKE_DPC_QUEUE_MAX 256u

struct fake_dpc_entry {
    EFI_TPL tpl;
    VOID(EFIAPI *procedure)(VOID *context);
    void *context;
};

struct fake_dpc {
    EFI_DPC_PROTOCOL protocol; /* first */
    struct fake_firmware *firmware;
    EFI_HANDLE handle;
    unsigned dispatch_calls;
    unsigned dispatch_depth; /* of DispatchDpc calls under way */
    unsigned dispatch_depth_max;
    unsigned procedures_run;
    unsigned queued;
    struct fake_dpc_entry queue[FAKE_DPC_QUEUE_MAX]; /* oldest first */
};

/* Installed on `handle`, or on one of its own with NULL. Lives as long as the firmware. */
struct fake_dpc *fake_dpc_new(struct fake_firmware *firmware, EFI_HANDLE handle);

#endif
