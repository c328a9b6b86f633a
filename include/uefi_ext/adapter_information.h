/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_ADAPTER_INFORMATION_PROTOCOL and the types of information for NICs, which
 * gnu-efi lacks. Source: UEFI 2.10, 11.12.
 */
#ifndef UEFI_EXT_ADAPTER_INFORMATION_H
#define UEFI_EXT_ADAPTER_INFORMATION_H

#include <efi.h>

#define EFI_ADAPTER_INFORMATION_PROTOCOL_GUID                                                      \
    {                                                                                              \
        0xe5dd1403, 0xd622, 0xc24e,                                                                \
        {                                                                                          \
            0x84, 0x88, 0xc7, 0x1b, 0x17, 0xf5, 0xe8, 0x02                                         \
        }                                                                                          \
    }
#define EFI_ADAPTER_INFO_MEDIA_STATE_GUID                                                          \
    {                                                                                              \
        0xd7c74207, 0xa831, 0x4a26,                                                                \
        {                                                                                          \
            0xb1, 0xf5, 0xd1, 0x93, 0x06, 0x5c, 0xe8, 0xb6                                         \
        }                                                                                          \
    }
#define EFI_ADAPTER_INFO_NETWORK_BOOT_GUID                                                         \
    {                                                                                              \
        0x1fbd2960, 0x4130, 0x41e5,                                                                \
        {                                                                                          \
            0x94, 0xac, 0xd2, 0xcf, 0x03, 0x7f, 0xb3, 0x7c                                         \
        }                                                                                          \
    }
#define EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT_GUID                                                    \
    {                                                                                              \
        0x4bd56be3, 0x4975, 0x4d8a,                                                                \
        {                                                                                          \
            0xa0, 0xad, 0xc4, 0x91, 0x20, 0x4b, 0x5d, 0x4d                                         \
        }                                                                                          \
    }

typedef struct _EFI_ADAPTER_INFORMATION_PROTOCOL EFI_ADAPTER_INFORMATION_PROTOCOL;

struct _EFI_ADAPTER_INFORMATION_PROTOCOL {
    EFI_STATUS(EFIAPI *GetInformation)
    (EFI_ADAPTER_INFORMATION_PROTOCOL *This, EFI_GUID *InformationType, VOID **InformationBlock,
     UINTN *InformationBlockSize);
    EFI_STATUS(EFIAPI *SetInformation)
    (EFI_ADAPTER_INFORMATION_PROTOCOL *This, EFI_GUID *InformationType, VOID *InformationBlock,
     UINTN InformationBlockSize);
    EFI_STATUS(EFIAPI *GetSupportedTypes)
    (EFI_ADAPTER_INFORMATION_PROTOCOL *This, EFI_GUID **InfoTypesBuffer,
     UINTN *InfoTypesBufferCount);
};

/* SUCCESS: media present; NO_MEDIA: none; NOT_READY: unplugged and plugged in again. */
typedef struct {
    EFI_STATUS MediaState;
} EFI_ADAPTER_INFO_MEDIA_STATE;

typedef struct {
    BOOLEAN iScsiIpv4BootCapablity;
    BOOLEAN iScsiIpv6BootCapablity;
    BOOLEAN FCoeBootCapablity;
    BOOLEAN OffloadCapability;
    BOOLEAN iScsiMpioCapability;
    BOOLEAN iScsiIpv4Boot;
    BOOLEAN iScsiIpv6Boot;
    BOOLEAN FCoeBoot;
} EFI_ADAPTER_INFO_NETWORK_BOOT;

typedef struct {
    BOOLEAN Ipv6Support;
} EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT;

#endif
