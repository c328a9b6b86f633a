/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Searches the list of openers.
 */
#include "driver/pci_opener.h"

#include <efilib.h>

#include "base/guids.h"

EFI_STATUS pci_opener_find(EFI_HANDLE controller, EFI_HANDLE agent, UINT32 attribute,
                           EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *ret_opener)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *openers;
    EFI_STATUS result = EFI_NOT_FOUND;
    UINTN count;
    EFI_STATUS status;

    status = BS->OpenProtocolInformation(controller, &pci_io_guid, &openers, &count);
    if (EFI_ERROR(status))
        return status;
    for (UINTN i = 0; i < count; i++) {
        if ((agent && openers[i].AgentHandle != agent) || !(openers[i].Attributes & attribute))
            continue;
        *ret_opener = openers[i];
        result = EFI_SUCCESS;
    }
    (void)BS->FreePool(openers); /* was allocated for us a moment ago */
    return result;
}
