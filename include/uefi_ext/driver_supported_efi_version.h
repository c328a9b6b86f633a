/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL, which gnu-efi lacks.
 * Source: UEFI 2.10, 11.7.
 */
#ifndef UEFI_EXT_DRIVER_SUPPORTED_EFI_VERSION_H
#define UEFI_EXT_DRIVER_SUPPORTED_EFI_VERSION_H

#include <efi.h>

#define EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL_GUID                                             \
    {                                                                                              \
        0x5c198761, 0x16a8, 0x4e69,                                                                \
        {                                                                                          \
            0x97, 0x2c, 0x89, 0xd6, 0x79, 0x54, 0xf8, 0x1d                                         \
        }                                                                                          \
    }

typedef struct {
    UINT32 Length;
    UINT32 FirmwareVersion; /* as in EFI_TABLE_HEADER.Revision: 2.10 is 0x00020064 */
} EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL;

#endif
