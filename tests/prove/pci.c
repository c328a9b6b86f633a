/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Configuration space, BARs and registers, whatever the device answers: each read gives any value.
 * PciIo is a referee: it refuses calls at random, and claims that accesses are inside configuration
 * space, inside the region that was asked for, and of a register's own alignment.
 *
 * A region is inside the BAR that the firmware described: from its start to at most its end, where
 * no sum wraps. So is the rest of it, a tail, and so are accesses inside it. That these follow is
 * arithmetic, which is left to the reader: a solver needs very long for such sums of 64 bits.
 *
 * Assumed: the firmware tells the truth of where a BAR is and how long; that its descriptor is in
 * memory; and what pci_region.h asks of callers.
 */
#include <efi.h>
#include <efilib.h>

#include "pci/pci_capability.h"
#include "pci/pci_region.h"
#include "uefi_ext/pci_bar.h"
#include "virtio/pci_config_window.h"

static EFI_PCI_IO_PROTOCOL pci_io;
static EFI_BOOT_SERVICES services;
EFI_BOOT_SERVICES *BS = &services;

/* By the index that PciIo uses. A region through the window is as long as it claims. */
static uint64_t bar_bytes[6];
static uint64_t bar_addresses[6];

/* The region that is accessed, and where in it the next access must be. */
static struct pci_region accessed;
static uint64_t next_offset;

static EFI_STATUS any_status(void)
{
    return nondet_bool() ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}

static void claim_config_access(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                uint32_t offset, size_t count, const void *bytes)
{
    claim(this == &pci_io && width <= EfiPciIoWidthUint32, "PciIo's own arguments");
    claim(offset < PCI_CONFIG_SPACE_BYTES && count <= 2 &&
              (count << width) <= PCI_CONFIG_SPACE_BYTES - offset,
          "an access inside configuration space");
    claim(offset % (1u << width) == 0, "an aligned access");
    claim(__CPROVER_r_ok(bytes, count << width), "memory for what is accessed");
}

static EFI_STATUS EFIAPI config_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN count, VOID *bytes)
{
    claim_config_access(this, width, offset, count, bytes);
    for (size_t i = 0; i < 8; i++) {
        if (i < count << width)
            ((uint8_t *)bytes)[i] = nondet_uint8();
    }
    return any_status();
}

static EFI_STATUS EFIAPI config_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                      UINT32 offset, UINTN count, VOID *bytes)
{
    claim_config_access(this, width, offset, count, bytes);
    return any_status();
}

static void claim_access(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width, UINT8 bar,
                         UINT64 offset, UINTN count, VOID *value)
{
    uint64_t width_bytes = UINT64_C(1) << width;

    claim(this == &pci_io && bar < 6 && width <= EfiPciIoWidthUint32 && count == 1,
          "PciIo's own arguments");
    claim(bar == accessed.bar_index && offset == accessed.offset + next_offset,
          "an access where it was asked for");
    claim(next_offset < accessed.length_bytes && width_bytes <= accessed.length_bytes - next_offset,
          "an access inside the region");
    next_offset += width_bytes;
    claim((offset & (width_bytes - 1)) == 0, "an aligned access");
    claim(__CPROVER_w_ok(value, width_bytes), "memory for what is accessed");
}

static EFI_STATUS EFIAPI bar_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                  UINT8 bar, UINT64 offset, UINTN count, VOID *value)
{
    claim_access(this, width, bar, offset, count, value);
    return any_status();
}

static EFI_STATUS EFIAPI bar_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                   UINT8 bar, UINT64 offset, UINTN count, VOID *value)
{
    claim_access(this, width, bar, offset, count, value);
    return any_status();
}

/* Any descriptor, or none. What it says of address and length is the truth. At most one is
 * allocated at a time. */
static struct acpi_qword_address_space descriptor;
static bool is_allocated;

static EFI_STATUS EFIAPI bar_attributes(EFI_PCI_IO_PROTOCOL *this, UINT8 bar, UINT64 *supports,
                                        VOID **resources)
{
    claim(this == &pci_io && !supports && bar < 6, "PciIo's own arguments");
    claim(!is_allocated, "a descriptor is freed before the next one");
    if (nondet_bool())
        return nondet_bool() ? EFI_UNSUPPORTED : EFI_OUT_OF_RESOURCES;
    if (nondet_bool()) {
        *resources = NULL;
        return EFI_SUCCESS;
    }
    __CPROVER_havoc_object(&descriptor);
    bar_bytes[bar] = descriptor.range_length;
    bar_addresses[bar] = descriptor.range_min;
    is_allocated = true;
    *resources = &descriptor;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(VOID *memory)
{
    claim(memory == &descriptor && is_allocated, "what is freed was allocated");
    is_allocated = false;
    return EFI_SUCCESS;
}

static void power_on(void)
{
    pci_io.Pci.Read = config_read;
    pci_io.Pci.Write = config_write;
    pci_io.Mem.Read = pci_io.Io.Read = bar_read;
    pci_io.Mem.Write = pci_io.Io.Write = bar_write;
    pci_io.GetBarAttributes = bar_attributes;
    services.FreePool = free_pool;
}

/* Any walk that a walk can become: it stays one, each step counts, and there are at most 48. */
void prove_pci_capability(void)
{
    struct pci_capability_walk walk = {.position = nondet_uint8(), .steps = nondet_uint8()};
    uint8_t steps = walk.steps;
    EFI_STATUS status;

    power_on();
    assume(walk.steps <= 48 && walk.position % 4 == 0);
    assume(walk.position == 0 || walk.position >= 0x40);
    status = pci_capability_next(&pci_io, nondet_uint8(), &walk);
    claim(walk.steps <= 48, "a walk ends");
    claim(walk.position % 4 == 0 && (walk.position == 0 || walk.position >= 0x40),
          "a position in configuration space");
    if (!EFI_ERROR(status) && walk.position != 0)
        claim(walk.steps > steps, "a step counts");
}

/* Every operation on a region of any length, in three parts, because a solver is much faster with
 * each of them than with all at once. */
static void read_region(const struct pci_region *region, uint64_t offset)
{
    uint32_t value;

    switch (nondet_uint8()) {
    case 0:
        (void)pci_region_read8(region, offset, (uint8_t *)&value);
        break;
    case 1:
        (void)pci_region_read16(region, offset, (uint16_t *)&value);
        break;
    default:
        (void)pci_region_read32(region, offset, &value);
    }
}

static void write_region(const struct pci_region *region, uint64_t offset)
{
    struct pci_register reg;

    switch (nondet_uint8()) {
    case 0:
        (void)pci_region_write8(region, offset, nondet_uint8());
        break;
    case 1:
        (void)pci_region_write16(region, offset, nondet_uint16());
        break;
    case 2:
        (void)pci_region_write32(region, offset, nondet_uint32());
        break;
    case 3:
        (void)pci_region_write64(region, offset, nondet_uint64());
        break;
    case 4:
        if (!EFI_ERROR(pci_region_register16(region, offset, 0, &reg))) {
            reg.memory = NULL;
            pci_register_write16(&reg);
        }
        break;
    default:
        if (!EFI_ERROR(pci_region_register32(region, offset, 0, &reg)))
            pci_register_write32(&reg, nondet_uint16());
    }
}

/* Up to two registers of a width that is a constant for the solver. */
static void access_several(const struct pci_region *region, uint64_t offset, uint32_t width_bytes)
{
    uint32_t length_bytes = nondet_bool() ? 2 * width_bytes : nondet_bool() ? width_bytes : 0;
    uint32_t value[2];

    if (nondet_bool())
        (void)pci_region_read(region, offset, width_bytes, length_bytes, value);
    else
        (void)pci_region_write(region, offset, width_bytes, length_bytes, value);
}

static void access_any_width(const struct pci_region *region, uint64_t offset)
{
    switch (nondet_uint8()) {
    case 0:
        access_several(region, offset, 1);
        break;
    case 1:
        access_several(region, offset, 2);
        break;
    default:
        access_several(region, offset, 4);
    }
}

static bool is_inside_bar(const struct pci_region *region)
{
    return region->pci_io == &pci_io &&
           (region->access == &pci_io.Mem || region->access == &pci_io.Io) &&
           region->bar_index < 6 && region->length_bytes > 0 &&
           region->bar_bytes == bar_bytes[region->bar_index] &&
           region->bar_address == bar_addresses[region->bar_index] &&
           region->offset < region->bar_bytes &&
           region->length_bytes <= region->bar_bytes - region->offset;
}

void prove_pci_bar(void)
{
    struct pci_region region;
    uint64_t offset = nondet_uint64();
    uint64_t length_bytes = nondet_uint64();
    uint8_t bar = nondet_uint8();
    bool is_whole = nondet_bool();
    EFI_STATUS status;

    power_on();
    assume(bar < 6);
    status = is_whole ? pci_region_init_whole(&region, &pci_io, bar)
                      : pci_region_init(&region, &pci_io, bar, offset, length_bytes);
    claim(!is_allocated, "a descriptor is freed");
    if (EFI_ERROR(status))
        return;
    claim(is_inside_bar(&region), "a region is inside its BAR");
    claim(is_whole || (region.offset == offset && region.length_bytes == length_bytes),
          "a region is where it was asked for");
    claim(region.bar_index <= bar, "PciIo counts no BAR twice");
}

/* Any region, which a tail is as well. */
static struct pci_region any_region(void)
{
    struct pci_region region = {.pci_io = &pci_io, .bar_index = nondet_uint8()};

    power_on();
    region.access = nondet_bool() ? &pci_io.Mem : &pci_io.Io;
    region.offset = nondet_uint64();
    region.length_bytes = nondet_uint64();
    assume(region.bar_index < 6);
    return region;
}

void prove_pci_tail(void)
{
    struct pci_region region = any_region();
    struct pci_region tail;
    uint64_t offset = nondet_uint64();

    if (!EFI_ERROR(pci_region_tail(&region, offset, &tail)))
        claim(offset < region.length_bytes && tail.offset == region.offset + offset &&
                  tail.length_bytes == region.length_bytes - offset &&
                  tail.pci_io == region.pci_io && tail.access == region.access &&
                  tail.bar_index == region.bar_index,
              "a tail is the rest of a region");
}

void prove_pci_read(void)
{
    accessed = any_region();
    next_offset = nondet_uint64();
    read_region(&accessed, next_offset);
}

void prove_pci_write(void)
{
    accessed = any_region();
    next_offset = nondet_uint64();
    write_region(&accessed, next_offset);
}

void prove_pci_several(void)
{
    accessed = any_region();
    next_offset = nondet_uint64();
    access_any_width(&accessed, next_offset);
}

/* The window is in configuration space, and names no register outside the region. */
void prove_pci_window(void)
{
    struct pci_config_window window;
    struct pci_region region;
    uint64_t offset = nondet_uint64();
    uint64_t length_bytes = nondet_uint64();
    uint8_t position = nondet_uint8();

    power_on();
    assume(position % 4 == 0); /* prove_pci_capability */
    if (EFI_ERROR(pci_config_window_init(&window, &pci_io, position, nondet_uint8())) ||
        EFI_ERROR(pci_config_window_region(&window, nondet_uint8(), offset, length_bytes, &region)))
        return;
    claim(length_bytes > 0 && offset + length_bytes <= UINT64_C(1) << 32 &&
              offset < offset + length_bytes,
          "a region ends within 32 bits");
    offset = nondet_uint64();
    switch (nondet_uint8()) {
    case 0:
        read_region(&region, offset);
        break;
    case 1:
        write_region(&region, offset);
        break;
    default:
        access_any_width(&region, offset);
    }
}
