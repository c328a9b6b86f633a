/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The part of the DXE services table that tells what is mapped at an address. It is a
 * configuration table of firmware that follows the Platform Initialization specification;
 * UEFI does not require it. Source: PI 1.7, volume 2, 7.2. gnu-efi 4.0 declares part of it
 * under the specification's names. The names here differ, so that every release works.
 */
#ifndef UEFI_EXT_DXE_SERVICES_H
#define UEFI_EXT_DXE_SERVICES_H

#include <efi.h>

#define PI_DXE_SERVICES_TABLE_GUID                                                                 \
    {                                                                                              \
        0x05ad34ba, 0x6f02, 0x4214,                                                                \
        {                                                                                          \
            0x95, 0x2e, 0x4d, 0xa0, 0x39, 0x8e, 0x2b, 0xb9                                         \
        }                                                                                          \
    }
#define DXE_SERVICES_SIGNATURE 0x565245535f455844ull /* "DXE_SERV" */

typedef enum {
    EfiGcdMemoryTypeNonExistent,
    EfiGcdMemoryTypeReserved,
    EfiGcdMemoryTypeSystemMemory,
    EfiGcdMemoryTypeMemoryMappedIo,
} GCD_MEMORY_TYPE;

typedef enum {
    EfiGcdIoTypeNonExistent,
    EfiGcdIoTypeReserved,
    EfiGcdIoTypeIo,
} GCD_IO_TYPE;

typedef struct {
    EFI_PHYSICAL_ADDRESS BaseAddress;
    UINT64 Length;
    UINT64 Capabilities;
    UINT64 Attributes;
    GCD_MEMORY_TYPE GcdMemoryType;
    EFI_HANDLE ImageHandle;
    EFI_HANDLE DeviceHandle;
} GCD_MEMORY_SPACE_DESCRIPTOR;

typedef struct {
    EFI_PHYSICAL_ADDRESS BaseAddress;
    UINT64 Length;
    GCD_IO_TYPE GcdIoType;
    EFI_HANDLE ImageHandle;
    EFI_HANDLE DeviceHandle;
} GCD_IO_SPACE_DESCRIPTOR;

/* Members that this driver does not call have no type; the rest is omitted. */
typedef struct {
    EFI_TABLE_HEADER Hdr;
    VOID *AddMemorySpace;
    VOID *AllocateMemorySpace;
    VOID *FreeMemorySpace;
    VOID *RemoveMemorySpace;
    EFI_STATUS(EFIAPI *GetMemorySpaceDescriptor)
    (EFI_PHYSICAL_ADDRESS BaseAddress, GCD_MEMORY_SPACE_DESCRIPTOR *Descriptor);
    VOID *SetMemorySpaceAttributes;
    VOID *GetMemorySpaceMap;
    VOID *AddIoSpace;
    VOID *AllocateIoSpace;
    VOID *FreeIoSpace;
    VOID *RemoveIoSpace;
    EFI_STATUS(EFIAPI *GetIoSpaceDescriptor)
    (EFI_PHYSICAL_ADDRESS BaseAddress, GCD_IO_SPACE_DESCRIPTOR *Descriptor);
} DXE_SERVICES;

#endif
