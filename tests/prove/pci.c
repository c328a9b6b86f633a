/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Configuration space, BARs and registers, whatever the device answers: each read gives any value.
 * PciIo is a referee: it refuses calls at random, and claims that accesses are inside configuration
 * space, inside the BAR that the firmware described, and of a register's own alignment.
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
    claim(offset < bar_bytes[bar] && width_bytes <= bar_bytes[bar] - offset,
          "an access inside the BAR");
    claim(offset % width_bytes == 0, "an aligned access");
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

/* Any descriptor, or none. What it says of address and length is the truth. */
static EFI_STATUS EFIAPI bar_attributes(EFI_PCI_IO_PROTOCOL *this, UINT8 bar, UINT64 *supports,
                                        VOID **resources)
{
    struct acpi_qword_address_space *descriptor = malloc(sizeof(*descriptor));

    claim(this == &pci_io && !supports && bar < 6, "PciIo's own arguments");
    if (nondet_bool())
        return EFI_UNSUPPORTED;
    assume(descriptor != NULL);
    bar_bytes[bar] = descriptor->range_length;
    bar_addresses[bar] = descriptor->range_min;
    *resources = nondet_bool() ? descriptor : NULL;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(VOID *memory)
{
    claim(__CPROVER_r_ok(memory, 1), "what is freed was allocated");
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

/* Every operation on a region, for a BAR of any length. */
static void access_region(const struct pci_region *region)
{
    uint32_t width_bytes = UINT32_C(1) << (nondet_uint8() % 3);
    uint32_t length_bytes = nondet_uint8() % 3 * width_bytes;
    uint64_t offset = nondet_uint64();
    struct pci_register reg;
    uint32_t value[4];

    switch (nondet_uint8()) {
    case 0:
        (void)pci_region_read8(region, offset, (uint8_t *)value);
        break;
    case 1:
        (void)pci_region_read16(region, offset, (uint16_t *)value);
        break;
    case 2:
        (void)pci_region_read32(region, offset, value);
        break;
    case 3:
        (void)pci_region_write8(region, offset, nondet_uint8());
        break;
    case 4:
        (void)pci_region_write16(region, offset, nondet_uint16());
        break;
    case 5:
        (void)pci_region_write32(region, offset, nondet_uint32());
        break;
    case 6:
        (void)pci_region_write64(region, offset, nondet_uint64());
        break;
    case 7:
        (void)pci_region_read(region, offset, width_bytes, length_bytes, value);
        break;
    case 8:
        (void)pci_region_write(region, offset, width_bytes, length_bytes, value);
        break;
    case 9:
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

void prove_pci_region(void)
{
    struct pci_region region;
    struct pci_region tail;
    uint64_t offset = nondet_uint64();
    uint64_t length_bytes = nondet_uint64();
    uint8_t bar = nondet_uint8();
    bool is_whole = nondet_bool();

    power_on();
    assume(bar < 6);
    if (EFI_ERROR(is_whole ? pci_region_init_whole(&region, &pci_io, bar)
                           : pci_region_init(&region, &pci_io, bar, offset, length_bytes)))
        return;
    claim(region.length_bytes > 0 && region.offset < bar_bytes[region.bar_index] &&
              region.length_bytes <= bar_bytes[region.bar_index] - region.offset,
          "a region is inside its BAR");
    claim(region.bar_address == bar_addresses[region.bar_index], "the BAR's address is PciIo's");
    if (nondet_bool() && !EFI_ERROR(pci_region_tail(&region, nondet_uint64(), &tail)))
        region = tail;
    access_region(&region);
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
    access_region(&region);
}
