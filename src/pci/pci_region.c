/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Finds a BAR the way PciIo counts it and keeps every access inside its region.
 */
#include "pci/pci_region.h"

#include <efilib.h>
#include <pci22.h>

#include "uefi_ext/pci_bar.h"

#define BAR_COUNT 6u
#define BAR_IO_BIT 0x1u
#define BAR_IO_ADDRESS_MASK 0xfffffffcu
#define BAR_MEMORY_TYPE_MASK 0x6u
#define BAR_MEMORY_TYPE_64 0x4u
#define BAR_MEMORY_ADDRESS_MASK 0xfffffff0u

struct bar_resource {
    uint8_t type; /* ACPI_ADDRESS_SPACE_... */
    uint64_t bus_address;
    uint64_t host_address;
    uint64_t length_bytes;
};

/* A BAR reads as 0 until it is assigned an address. Only I/O on CPUs without ports may
 * really start at 0: AAVMF puts the first I/O BAR there. */
static bool is_nowhere(uint64_t address, uint8_t type)
{
    return address == 0 && (PCI_HAS_PORTS || type != ACPI_ADDRESS_SPACE_IO);
}

/* Read the BAR register itself. length_bytes is the most that fits at its address.
 * EFI_NO_MAPPING: it holds no address. Memory that would end at the very top is a BAR left
 * in the middle of sizing, which reads as ones. */
static EFI_STATUS read_bar_register(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t bar,
                                    struct bar_resource *ret_resource)
{
    uint32_t offset = (uint32_t)(offsetof(PCI_TYPE00, Device.Bar) + bar * sizeof(uint32_t));
    uint32_t bars[2]; /* the second is the upper half of a 64-bit BAR */
    uint8_t type = ACPI_ADDRESS_SPACE_MEMORY;
    uint64_t address;
    uint64_t limit = UINT32_MAX;
    EFI_STATUS status;

    status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint32, offset, 2, bars);
    if (EFI_ERROR(status))
        return status;

    address = bars[0] & BAR_MEMORY_ADDRESS_MASK;
    if (bars[0] & BAR_IO_BIT) {
        type = ACPI_ADDRESS_SPACE_IO;
        address = bars[0] & BAR_IO_ADDRESS_MASK;
        if (PCI_HAS_PORTS)
            limit = PCI_PORTS;
    } else if ((bars[0] & BAR_MEMORY_TYPE_MASK) == BAR_MEMORY_TYPE_64) {
        if (bar + 1u == BAR_COUNT)
            return EFI_NO_MAPPING;
        address |= (uint64_t)bars[1] << 32;
        limit = UINT64_MAX;
    }
    if (is_nowhere(address, type) || address >= limit)
        return EFI_NO_MAPPING;
    *ret_resource = (struct bar_resource){
        .type = type, .bus_address = address, .length_bytes = limit - address};
    return EFI_SUCCESS;
}

/* Read what PciIo says of its BAR `index`, from the first descriptor only. EFI_UNSUPPORTED:
 * no descriptor, one of another kind, or one without an address. */
static EFI_STATUS read_pci_io_bar(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t index,
                                  struct bar_resource *ret_resource)
{
    const struct acpi_qword_address_space *descriptor;
    void *resources = NULL;
    EFI_STATUS status;

    status = pci_io->GetBarAttributes(pci_io, index, NULL, &resources);
    if (EFI_ERROR(status))
        return status;
    if (!resources)
        return EFI_UNSUPPORTED;

    descriptor = resources;
    if (descriptor->tag == ACPI_QWORD_ADDRESS_SPACE_TAG &&
        descriptor->length >= ACPI_QWORD_ADDRESS_SPACE_LENGTH &&
        !is_nowhere(descriptor->range_min, descriptor->resource_type))
        *ret_resource = (struct bar_resource){
            .type = descriptor->resource_type,
            .bus_address = descriptor->range_min + descriptor->translation_offset,
            .host_address = descriptor->range_min,
            .length_bytes = descriptor->range_length,
        };
    else
        status = EFI_UNSUPPORTED;
    (void)BS->FreePool(resources); /* was allocated for us a moment ago */
    return status;
}

/* edk2 numbers BARs by their order, so a BAR after a 64-bit one has a lower index than in
 * configuration space. Match by address, not by number. */
static EFI_STATUS find_pci_io_bar(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t bar, uint8_t *ret_index,
                                  struct bar_resource *ret_resource)
{
    struct bar_resource wanted;
    EFI_STATUS status;

    status = read_bar_register(pci_io, bar, &wanted);
    if (EFI_ERROR(status))
        return status;

    for (uint8_t index = 0; index <= bar; index++) {
        struct bar_resource seen;

        status = read_pci_io_bar(pci_io, (uint8_t)(bar - index), &seen);
        if (status == EFI_OUT_OF_RESOURCES)
            return status; /* an error of the access, not of the BAR */
        if (EFI_ERROR(status) || seen.length_bytes == 0 ||
            seen.length_bytes > wanted.length_bytes || seen.type != wanted.type ||
            seen.bus_address != wanted.bus_address)
            continue;
        *ret_index = (uint8_t)(bar - index);
        *ret_resource = seen;
        return EFI_SUCCESS;
    }
    return EFI_NO_MAPPING;
}

static struct pci_region region_of_bar(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t index,
                                       const struct bar_resource *resource)
{
    return (struct pci_region){
        .pci_io = pci_io,
        .access = resource->type == ACPI_ADDRESS_SPACE_IO ? &pci_io->Io : &pci_io->Mem,
        .bar_index = index,
        .length_bytes = resource->length_bytes,
        .bar_address = resource->host_address,
        .bar_bytes = resource->length_bytes,
    };
}

EFI_STATUS pci_region_init(struct pci_region *region, EFI_PCI_IO_PROTOCOL *pci_io, uint8_t bar,
                           uint64_t offset, uint64_t length_bytes)
{
    struct bar_resource resource;
    uint8_t index;
    EFI_STATUS status;

    status = find_pci_io_bar(pci_io, bar, &index, &resource);
    if (EFI_ERROR(status))
        return status;
    if (length_bytes == 0 || offset > resource.length_bytes ||
        length_bytes > resource.length_bytes - offset)
        return EFI_UNSUPPORTED;

    *region = region_of_bar(pci_io, index, &resource);
    region->offset = offset;
    region->length_bytes = length_bytes;
    return EFI_SUCCESS;
}

EFI_STATUS pci_region_init_whole(struct pci_region *region, EFI_PCI_IO_PROTOCOL *pci_io,
                                 uint8_t bar)
{
    struct bar_resource resource;
    uint8_t index;
    EFI_STATUS status;

    status = find_pci_io_bar(pci_io, bar, &index, &resource);
    if (!EFI_ERROR(status))
        *region = region_of_bar(pci_io, index, &resource);
    return status;
}

bool pci_region_is_io(const struct pci_region *region)
{
    return region->access == &region->pci_io->Io;
}

EFI_STATUS pci_region_tail(const struct pci_region *region, uint64_t offset,
                           struct pci_region *ret_tail)
{
    if (offset >= region->length_bytes)
        return EFI_UNSUPPORTED;
    *ret_tail = *region;
    ret_tail->offset += offset;
    ret_tail->length_bytes -= offset;
    return EFI_SUCCESS;
}

static bool contains(const struct pci_region *region, uint64_t offset, uint64_t width_bytes)
{
    return offset < region->length_bytes && width_bytes <= region->length_bytes - offset &&
           ((region->offset + offset) & (width_bytes - 1)) == 0; /* a power of two */
}

static EFI_STATUS region_read(const struct pci_region *region, EFI_PCI_IO_PROTOCOL_WIDTH width,
                              uint64_t offset, void *ret_value)
{
    if (!contains(region, offset, UINT64_C(1) << width))
        return EFI_UNSUPPORTED;
    return region->access->Read(region->pci_io, width, region->bar_index, region->offset + offset,
                                1, ret_value);
}

static EFI_STATUS region_write(const struct pci_region *region, EFI_PCI_IO_PROTOCOL_WIDTH width,
                               uint64_t offset, void *value)
{
    if (!contains(region, offset, UINT64_C(1) << width))
        return EFI_UNSUPPORTED;
    return region->access->Write(region->pci_io, width, region->bar_index, region->offset + offset,
                                 1, value);
}

_Static_assert(EfiPciIoWidthUint8 == 0 && EfiPciIoWidthUint16 == 1 && EfiPciIoWidthUint32 == 2,
               "a width is the logarithm of its bytes");

EFI_STATUS pci_region_read8(const struct pci_region *region, uint64_t offset, uint8_t *ret_value)
{
    return region_read(region, EfiPciIoWidthUint8, offset, ret_value);
}

EFI_STATUS pci_region_read16(const struct pci_region *region, uint64_t offset, uint16_t *ret_value)
{
    return region_read(region, EfiPciIoWidthUint16, offset, ret_value);
}

EFI_STATUS pci_region_read32(const struct pci_region *region, uint64_t offset, uint32_t *ret_value)
{
    return region_read(region, EfiPciIoWidthUint32, offset, ret_value);
}

EFI_STATUS pci_region_write8(const struct pci_region *region, uint64_t offset, uint8_t value)
{
    return region_write(region, EfiPciIoWidthUint8, offset, &value);
}

EFI_STATUS pci_region_write16(const struct pci_region *region, uint64_t offset, uint16_t value)
{
    return region_write(region, EfiPciIoWidthUint16, offset, &value);
}

EFI_STATUS pci_region_write32(const struct pci_region *region, uint64_t offset, uint32_t value)
{
    return region_write(region, EfiPciIoWidthUint32, offset, &value);
}

EFI_STATUS pci_region_write64(const struct pci_region *region, uint64_t offset, uint64_t value)
{
    EFI_STATUS status;

    if (!contains(region, offset + 4, sizeof(uint32_t)))
        return EFI_UNSUPPORTED; /* half a register cannot be accessed */
    status = pci_region_write32(region, offset, (uint32_t)value);
    if (EFI_ERROR(status))
        return status;
    return pci_region_write32(region, offset + 4, (uint32_t)(value >> 32));
}

static EFI_PCI_IO_PROTOCOL_WIDTH width_of(uint32_t width_bytes)
{
    if (width_bytes == 4)
        return EfiPciIoWidthUint32;
    return width_bytes == 2 ? EfiPciIoWidthUint16 : EfiPciIoWidthUint8;
}

EFI_STATUS pci_region_read(const struct pci_region *region, uint64_t offset, uint32_t width_bytes,
                           uint32_t length_bytes, void *ret_bytes)
{
    uint8_t *bytes = ret_bytes;

    for (uint32_t done = 0; done < length_bytes; done += width_bytes) {
        EFI_STATUS status = region_read(region, width_of(width_bytes), offset + done, bytes + done);

        if (EFI_ERROR(status))
            return status;
    }
    return EFI_SUCCESS;
}

EFI_STATUS pci_region_write(const struct pci_region *region, uint64_t offset, uint32_t width_bytes,
                            uint32_t length_bytes, const void *bytes)
{
    const uint8_t *from = bytes;

    for (uint32_t done = 0; done < length_bytes; done += width_bytes) {
        uint32_t value = 0; /* PciIo's Write takes no const pointer */
        EFI_STATUS status;

        __builtin_memcpy(&value, from + done, width_bytes);
        status = region_write(region, width_of(width_bytes), offset + done, &value);
        if (EFI_ERROR(status))
            return status;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS resolve(const struct pci_region *region, uint64_t offset, uint64_t width_bytes,
                          uint16_t value, struct pci_register *ret_register)
{
    if (!contains(region, offset, width_bytes))
        return EFI_UNSUPPORTED;
    *ret_register = (struct pci_register){
        .pci_io = region->pci_io,
        .write = region->access->Write,
        .offset = region->offset + offset,
        .value = value,
        .bar_index = region->bar_index,
    };
    return EFI_SUCCESS;
}

EFI_STATUS pci_region_register16(const struct pci_region *region, uint64_t offset, uint16_t value,
                                 struct pci_register *ret_register)
{
    return resolve(region, offset, sizeof(uint16_t), value, ret_register);
}

EFI_STATUS pci_region_register32(const struct pci_region *region, uint64_t offset, uint16_t value,
                                 struct pci_register *ret_register)
{
    return resolve(region, offset, sizeof(uint32_t), value, ret_register);
}

void pci_register_write32(const struct pci_register *reg, uint16_t upper)
{
    uint32_t value = (uint32_t)upper << 16 | reg->value;

    if (reg->memory)
        *(volatile uint32_t *)(volatile void *)reg->memory = value; /* resolved as aligned */
    else if (PCI_HAS_PORTS && reg->port)
        pci_port_write32(reg->port, value);
    else
        (void)reg->write(reg->pci_io, EfiPciIoWidthUint32, reg->bar_index, reg->offset, 1, &value);
}
