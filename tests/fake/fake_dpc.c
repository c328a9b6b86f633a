/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Deferred procedure calls.
 */
#include "fake_dpc.h"

#include "firmware_internal.h"

#include <string.h>

static const EFI_GUID dpc_guid = EFI_DPC_PROTOCOL_GUID;

static EFI_STATUS EFIAPI queue_dpc(EFI_DPC_PROTOCOL *this, EFI_TPL tpl,
                                   VOID(EFIAPI *procedure)(VOID *context), VOID *context)
{
    struct fake_dpc *dpc = (struct fake_dpc *)this;

    if (tpl < TPL_APPLICATION || tpl >= TPL_HIGH_LEVEL || !procedure) {
        fake_report("QueueDpc: TPL %u", (unsigned)tpl);
        return EFI_INVALID_PARAMETER;
    }
    if (dpc->queued == FAKE_DPC_QUEUE_MAX) {
        fake_report("QueueDpc: %u procedures wait already", FAKE_DPC_QUEUE_MAX);
        return EFI_OUT_OF_RESOURCES;
    }
    dpc->queue[dpc->queued++] = (struct fake_dpc_entry){tpl, procedure, context};
    return EFI_SUCCESS;
}

/* False: there is none for the caller's TPL or above. */
static bool take(struct fake_dpc *dpc, struct fake_dpc_entry *ret_entry)
{
    unsigned best = dpc->queued;

    for (unsigned i = 0; i < dpc->queued; i++) {
        if (dpc->queue[i].tpl < fake_firmware_tpl(dpc->firmware))
            continue;
        if (best == dpc->queued || dpc->queue[i].tpl > dpc->queue[best].tpl)
            best = i;
    }
    if (best == dpc->queued)
        return false;
    *ret_entry = dpc->queue[best];
    dpc->queued--;
    memmove(&dpc->queue[best], &dpc->queue[best + 1], (dpc->queued - best) * sizeof(dpc->queue[0]));
    return true;
}

static EFI_STATUS EFIAPI dispatch_dpc(EFI_DPC_PROTOCOL *this)
{
    struct fake_dpc *dpc = (struct fake_dpc *)this;
    EFI_STATUS status = EFI_NOT_FOUND;
    struct fake_dpc_entry entry;

    dpc->dispatch_calls++;
    if (++dpc->dispatch_depth > dpc->dispatch_depth_max)
        dpc->dispatch_depth_max = dpc->dispatch_depth;
    while (take(dpc, &entry)) {
        EFI_TPL tpl = BS->RaiseTPL(entry.tpl);

        entry.procedure(entry.context);
        BS->RestoreTPL(tpl);
        dpc->procedures_run++;
        status = EFI_SUCCESS;
    }
    dpc->dispatch_depth--;
    return status;
}

struct fake_dpc *fake_dpc_new(struct fake_firmware *firmware, EFI_HANDLE handle)
{
    struct fake_dpc *dpc = fake_owned_new(firmware, sizeof(*dpc));

    *dpc = (struct fake_dpc){.protocol = {queue_dpc, dispatch_dpc}, .firmware = firmware};
    dpc->handle = handle;
    if (handle)
        fake_firmware_install(firmware, handle, &dpc_guid, dpc);
    else
        dpc->handle = fake_firmware_new_handle(firmware, &dpc_guid, dpc);
    return dpc;
}
