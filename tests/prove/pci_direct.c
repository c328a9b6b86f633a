/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers without PciIo. The DXE services give any answer about an address, and the system table
 * has any tables. A type that is not wanted is
 * Reserved. Sums are of 128
 * bits here, which do not wrap.
 *
 * Assumed: what the DXE services say of an address is true; a region is inside its BAR, and a
 * register that pci_region_resolve returned inside its region, as pci.c proves; a doorbell has 16
 * or 32 bits.
 */
#include "pci/pci_direct.h"

#include <efilib.h>

#include "base/guids.h"
#include "uefi_ext/dxe_services.h"

#define TABLES_MAX 2u

typedef unsigned __int128 wide;

EFI_GUID dxe_services_guid = PI_DXE_SERVICES_TABLE_GUID;

static EFI_PCI_IO_PROTOCOL pci_io;
static struct pci_region region;
static GCD_MEMORY_SPACE_DESCRIPTOR memory_space;
static GCD_IO_SPACE_DESCRIPTOR io_space;
static bool is_asked;

static bool is_io;

bool pci_region_is_io(const struct pci_region *of)
{
    claim(of == &region, "the region is the caller's");
    return is_io;
}

static EFI_STATUS any_status(void)
{
    return nondet_bool() ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI get_memory_space(EFI_PHYSICAL_ADDRESS address,
                                          GCD_MEMORY_SPACE_DESCRIPTOR *ret_space)
{
    claim(address == region.bar_address && !is_io, "it is asked where the BAR is");
    is_asked = true;
    *ret_space = memory_space;
    return any_status();
}

static EFI_STATUS EFIAPI get_io_space(EFI_PHYSICAL_ADDRESS address,
                                      GCD_IO_SPACE_DESCRIPTOR *ret_space)
{
    claim(address == region.bar_address && is_io, "it is asked where the BAR is");
    is_asked = true;
    *ret_space = io_space;
    return any_status();
}

static DXE_SERVICES services = {.GetMemorySpaceDescriptor = get_memory_space,
                                .GetIoSpaceDescriptor = get_io_space};
static EFI_CONFIGURATION_TABLE tables[TABLES_MAX];
static EFI_SYSTEM_TABLE system_table = {.ConfigurationTable = tables};
EFI_SYSTEM_TABLE *ST = &system_table;

int memcmp(const void *a, const void *b, size_t size)
{
    claim(__CPROVER_r_ok(a, size) && __CPROVER_r_ok(b, size), "what is compared is in memory");
    return nondet_bool();
}

static void any_region(void)
{
    __CPROVER_havoc_object(&region);
    region.pci_io = &pci_io;
    region.access = nondet_bool() ? &pci_io.Mem : &pci_io.Io;
    is_io = region.access == &pci_io.Io;
}

/* What is mapped is the whole BAR, as registers or ports, and no address in it wraps. */
void prove_pci_direct_mapped(void)
{
    wide end;

    any_region();
    __CPROVER_havoc_object(&memory_space);
    __CPROVER_havoc_object(&io_space);
    memory_space.GcdMemoryType =
        nondet_bool() ? EfiGcdMemoryTypeMemoryMappedIo : EfiGcdMemoryTypeReserved;
    io_space.GcdIoType = nondet_bool() ? EfiGcdIoTypeIo : EfiGcdIoTypeReserved;
    services.Hdr.Signature = nondet_uint64();
    system_table.NumberOfTableEntries = nondet_size();
    assume(system_table.NumberOfTableEntries <= TABLES_MAX);
    for (unsigned i = 0; i < TABLES_MAX; i++)
        tables[i].VendorTable = &services;
    if (!pci_direct_is_mapped(&region))
        return;
    end = (wide)region.bar_address + region.bar_bytes;
    claim(is_asked && services.Hdr.Signature == DXE_SERVICES_SIGNATURE, "the DXE services say so");
    claim(region.bar_bytes > 0, "a BAR has a length");
    if (is_io) {
        claim(io_space.GcdIoType == EfiGcdIoTypeIo, "ports are mapped");
        claim(region.bar_address >= io_space.BaseAddress &&
                  end <= (wide)io_space.BaseAddress + io_space.Length && end <= PCI_PORTS,
              "at all of the BAR");
        return;
    }
    claim(memory_space.GcdMemoryType == EfiGcdMemoryTypeMemoryMappedIo &&
              (memory_space.Attributes & EFI_MEMORY_UC),
          "registers are mapped");
    claim(region.bar_address >= memory_space.BaseAddress &&
              end <= (wide)memory_space.BaseAddress + memory_space.Length && end <= UINTPTR_MAX,
          "at all of the BAR");
}

/* A register gets an address only from its own BAR, and that address is in the BAR. */
void prove_pci_direct_adopt(void)
{
    struct pci_register reg;
    struct pci_register before;

    any_region();
    reg.memory = NULL;
    reg.port = 0;
    assume(region.bar_bytes >= 2 && region.bar_address <= UINT64_MAX - region.bar_bytes);
    assume(!is_io || region.bar_address + region.bar_bytes <= PCI_PORTS);
    assume(reg.bar_index != region.bar_index || reg.write != region.access->Write ||
           reg.offset <= region.bar_bytes - 2);
    before = reg;
    pci_direct_adopt(&region, &reg);
    claim(reg.offset == before.offset && reg.bar_index == before.bar_index &&
              reg.write == before.write && reg.value == before.value,
          "its place and its value stay");
    if (!reg.memory && !reg.port)
        return;
    claim(reg.bar_index == region.bar_index && reg.write == region.access->Write,
          "it is in this BAR");
    claim(is_io ? !reg.memory : !reg.port, "a port or an address");
    claim(is_io ? (uint64_t)reg.port == region.bar_address + reg.offset
                : (uint64_t)(uintptr_t)reg.memory == region.bar_address + reg.offset,
          "where PciIo would write");
}
