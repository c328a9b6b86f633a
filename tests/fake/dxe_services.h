/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The firmware's map of addresses: one range of memory and one of ports, in a configuration
 * table that the system table points to until the fixture ends. Include it in one file of a
 * test program.
 */
#ifndef FAKE_DXE_SERVICES_H
#define FAKE_DXE_SERVICES_H

#include <efi.h>
#include <efilib.h>
#include <string.h>

#include <uefi_ext/dxe_services.h>

static GCD_MEMORY_SPACE_DESCRIPTOR fake_memory_range;
static GCD_IO_SPACE_DESCRIPTOR fake_port_range;

static EFI_STATUS EFIAPI fake_get_memory_range(EFI_PHYSICAL_ADDRESS address,
                                               GCD_MEMORY_SPACE_DESCRIPTOR *ret_range)
{
    if (address - fake_memory_range.BaseAddress >= fake_memory_range.Length)
        return EFI_NOT_FOUND;
    *ret_range = fake_memory_range;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_get_port_range(EFI_PHYSICAL_ADDRESS address,
                                             GCD_IO_SPACE_DESCRIPTOR *ret_range)
{
    if (address - fake_port_range.BaseAddress >= fake_port_range.Length)
        return EFI_NOT_FOUND;
    *ret_range = fake_port_range;
    return EFI_SUCCESS;
}

static DXE_SERVICES fake_dxe_services;
static EFI_CONFIGURATION_TABLE fake_tables[2];

/* Registers of a device at `start`, `bytes` long, mapped uncached. No ports. */
static inline void fake_dxe_services_install(uint64_t start, uint64_t bytes)
{
    static const EFI_GUID guid = PI_DXE_SERVICES_TABLE_GUID;

    fake_memory_range = (GCD_MEMORY_SPACE_DESCRIPTOR){
        .BaseAddress = start,
        .Length = bytes,
        .Attributes = EFI_MEMORY_UC,
        .GcdMemoryType = EfiGcdMemoryTypeMemoryMappedIo,
    };
    fake_port_range = (GCD_IO_SPACE_DESCRIPTOR){0};
    fake_dxe_services = (DXE_SERVICES){
        .Hdr.Signature = DXE_SERVICES_SIGNATURE,
        .GetMemorySpaceDescriptor = fake_get_memory_range,
        .GetIoSpaceDescriptor = fake_get_port_range,
    };
    memset(&fake_tables[0], 0x5a, sizeof(fake_tables[0])); /* another table comes first */
    fake_tables[1] =
        (EFI_CONFIGURATION_TABLE){.VendorGuid = guid, .VendorTable = &fake_dxe_services};
    ST->ConfigurationTable = fake_tables;
    ST->NumberOfTableEntries = 2;
}

#endif
