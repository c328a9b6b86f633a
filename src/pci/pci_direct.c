/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the firmware says of an address, and the accesses themselves.
 */
#include "pci/pci_direct.h"

#include <efilib.h>

#include "base/guids.h"
#include "uefi_ext/dxe_services.h"

static const DXE_SERVICES *dxe_services(void)
{
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &ST->ConfigurationTable[i];

        if (__builtin_memcmp(&entry->VendorGuid, &dxe_services_guid, sizeof(EFI_GUID)) == 0) {
            const DXE_SERVICES *services = entry->VendorTable;

            return services->Hdr.Signature == DXE_SERVICES_SIGNATURE ? services : NULL;
        }
    }
    return NULL;
}

static bool contains(uint64_t outer, uint64_t outer_bytes, uint64_t inner, uint64_t inner_bytes)
{
    return inner >= outer && inner_bytes <= outer_bytes &&
           inner - outer <= outer_bytes - inner_bytes;
}

/* Only x86 processors have I/O ports. */
static bool is_port_range(const DXE_SERVICES *services, uint64_t start, uint64_t length_bytes)
{
    GCD_IO_SPACE_DESCRIPTOR io;

    return PCI_HAS_PORTS && contains(0, PCI_PORTS, start, length_bytes) &&
           !EFI_ERROR(services->GetIoSpaceDescriptor(start, &io)) &&
           io.GcdIoType == EfiGcdIoTypeIo &&
           contains(io.BaseAddress, io.Length, start, length_bytes);
}

static bool is_register_range(const DXE_SERVICES *services, uint64_t start, uint64_t length_bytes)
{
    GCD_MEMORY_SPACE_DESCRIPTOR memory;

    return contains(0, UINTPTR_MAX, start, length_bytes) &&
           !EFI_ERROR(services->GetMemorySpaceDescriptor(start, &memory)) &&
           memory.GcdMemoryType == EfiGcdMemoryTypeMemoryMappedIo &&
           (memory.Attributes & EFI_MEMORY_UC) && /* without it, possibly nothing is mapped there */
           contains(memory.BaseAddress, memory.Length, start, length_bytes);
}

bool pci_direct_is_mapped(const struct pci_region *region)
{
    const DXE_SERVICES *services = dxe_services();

    if (!services || region->bar_bytes == 0) /* not reached through a BAR */
        return false;
    return pci_region_is_io(region)
               ? is_port_range(services, region->bar_address, region->bar_bytes)
               : is_register_range(services, region->bar_address, region->bar_bytes);
}

/* Registers are addresses, not C objects. */
static void *pointer_of(uint64_t address)
{
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

uint8_t pci_direct_read8(const struct pci_region *region, uint64_t offset)
{
    uint64_t address = region->bar_address + region->offset + offset;

    if (pci_region_is_io(region))
        return pci_port_read8((uint16_t)address);
    return *(const volatile uint8_t *)pointer_of(address);
}

void pci_direct_adopt(const struct pci_region *region, struct pci_register *reg)
{
    uint64_t address = region->bar_address + reg->offset;

    if (reg->bar_index != region->bar_index || reg->write != region->access->Write)
        return;
    if (pci_region_is_io(region))
        reg->port = (uint16_t)address;
    else
        reg->memory = pointer_of(address);
}
