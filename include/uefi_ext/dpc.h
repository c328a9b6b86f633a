/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_DPC_PROTOCOL: deferred procedure calls, by which EDK2's network drivers leave the
 * function that an event called. No specification has it; source: EDK2, which keeps the
 * interface for all drivers.
 */
#ifndef UEFI_EXT_DPC_H
#define UEFI_EXT_DPC_H

#include <efi.h>

#define EFI_DPC_PROTOCOL_GUID                                                                      \
    {                                                                                              \
        0x480f8ae9, 0x0c46, 0x4aa9,                                                                \
        {                                                                                          \
            0xbc, 0x89, 0xdb, 0x9f, 0xba, 0x61, 0x98, 0x06                                         \
        }                                                                                          \
    }

typedef struct _EFI_DPC_PROTOCOL EFI_DPC_PROTOCOL;

struct _EFI_DPC_PROTOCOL {
    EFI_STATUS(EFIAPI *QueueDpc)
    (EFI_DPC_PROTOCOL *This, EFI_TPL DpcTpl, VOID(EFIAPI *DpcProcedure)(VOID *DpcContext),
     VOID *DpcContext);
    EFI_STATUS(EFIAPI *DispatchDpc)(EFI_DPC_PROTOCOL *This); /* NOT_FOUND: there was none */
};

#endif
