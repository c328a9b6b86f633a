/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_DRIVER_DIAGNOSTICS2_PROTOCOL, which gnu-efi lacks. Source: UEFI 2.10, 11.4.
 */
#ifndef UEFI_EXT_DRIVER_DIAGNOSTICS2_H
#define UEFI_EXT_DRIVER_DIAGNOSTICS2_H

#include <efi.h>

#define EFI_DRIVER_DIAGNOSTICS2_PROTOCOL_GUID                                                      \
    {                                                                                              \
        0x4d330321, 0x025f, 0x4aac,                                                                \
        {                                                                                          \
            0x90, 0xd8, 0x5e, 0xd9, 0x00, 0x17, 0x3b, 0x63                                         \
        }                                                                                          \
    }

typedef enum {
    EfiDriverDiagnosticTypeStandard = 0,
    EfiDriverDiagnosticTypeExtended = 1,
    EfiDriverDiagnosticTypeManufacturing = 2,
    EfiDriverDiagnosticTypeCancel = 3,
} EFI_DRIVER_DIAGNOSTIC_TYPE;

typedef struct _EFI_DRIVER_DIAGNOSTICS2_PROTOCOL EFI_DRIVER_DIAGNOSTICS2_PROTOCOL;

struct _EFI_DRIVER_DIAGNOSTICS2_PROTOCOL {
    EFI_STATUS(EFIAPI *RunDiagnostics)
    (EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *This, EFI_HANDLE ControllerHandle, EFI_HANDLE ChildHandle,
     EFI_DRIVER_DIAGNOSTIC_TYPE DiagnosticType, CHAR8 *Language, EFI_GUID **ErrorType,
     UINTN *BufferSize, CHAR16 **Buffer);
    CHAR8 *SupportedLanguages;
};

#endif
