/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The name of the driver that has a PCI function. */
#ifndef DRIVER_NAMES_H
#define DRIVER_NAMES_H

#include <efi.h>
#include <efilib.h>
#include <efipciio.h>

static inline const CHAR16 *driver_name(EFI_HANDLE agent)
{
    EFI_COMPONENT_NAME2_PROTOCOL *names;
    CHAR8 english[] = "en";
    CHAR16 *name;

    if (EFI_ERROR(BS->HandleProtocol(agent, &gEfiComponentName2ProtocolGuid, (void **)&names)) ||
        EFI_ERROR(names->GetDriverName(names, english, &name)))
        return L"a driver without a name";
    return name;
}

/* NULL if there is none. */
static inline const CHAR16 *driver_of(EFI_HANDLE function)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *openers;
    const CHAR16 *name = NULL;
    UINTN count;

    if (EFI_ERROR(BS->OpenProtocolInformation(function, &gEfiPciIoProtocolGuid, &openers, &count)))
        return NULL;
    for (UINTN i = 0; i < count; i++) {
        if (openers[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER)
            name = driver_name(openers[i].AgentHandle);
    }
    (void)BS->FreePool(openers);
    return name;
}

#endif
