/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers without PciIo: whether they may be touched, and that it is they.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dxe_services.h"
#include "fixture.h"
#include "pci/pci_direct.h"

#define BAR_BYTES 4096u

struct bench {
    struct fake_fixture fixture;
    struct pci_region region; /* the second half of the BAR */
    uint8_t bar[BAR_BYTES];
};

static unsigned pci_io_writes;

static EFI_STATUS EFIAPI count_write(EFI_PCI_IO_PROTOCOL *pci_io, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT8 bar, UINT64 offset, UINTN count, VOID *value)
{
    (void)pci_io, (void)width, (void)bar, (void)offset, (void)count, (void)value;
    pci_io_writes++;
    return EFI_SUCCESS;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    EFI_PCI_IO_PROTOCOL *pci_io;

    fake_fixture_init(&bench->fixture, 1, NULL);
    pci_io = &fake_device_pci(bench->fixture.device)->protocol;
    pci_io->Mem.Write = count_write;
    pci_io_writes = 0;
    bench->region = (struct pci_region){
        .pci_io = pci_io,
        .access = &pci_io->Mem,
        .bar_index = 1,
        .offset = BAR_BYTES / 2,
        .length_bytes = BAR_BYTES / 2,
        .bar_address = (uintptr_t)bench->bar,
        .bar_bytes = BAR_BYTES,
    };
    fake_dxe_services_install((uintptr_t)bench->bar, BAR_BYTES);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    fake_fixture_fini(&bench->fixture);
    free(bench);
    return 0;
}

static void bar_that_the_firmware_maps_for_devices_is_mapped(void **state)
{
    struct bench *bench = *state;

    assert_true(pci_direct_is_mapped(&bench->region));
    fake_memory_range.BaseAddress -= BAR_BYTES;
    fake_memory_range.Length *= 3;
    assert_true(pci_direct_is_mapped(&bench->region));
}

static void nothing_is_mapped_without_dxe_services(void **state)
{
    struct bench *bench = *state;

    ST->NumberOfTableEntries = 1;
    assert_false(pci_direct_is_mapped(&bench->region));
    ST->NumberOfTableEntries = 2;
    fake_dxe_services.Hdr.Signature ^= 1;
    assert_false(pci_direct_is_mapped(&bench->region));
}

static void address_that_is_not_a_devices_is_not_mapped(void **state)
{
    const GCD_MEMORY_TYPE types[] = {EfiGcdMemoryTypeNonExistent, EfiGcdMemoryTypeReserved,
                                     EfiGcdMemoryTypeSystemMemory};
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        fake_memory_range.GcdMemoryType = types[i];
        assert_false(pci_direct_is_mapped(&bench->region));
    }
}

static void address_without_an_attribute_is_not_mapped(void **state)
{
    struct bench *bench = *state;

    fake_memory_range.Attributes = 0;
    assert_false(pci_direct_is_mapped(&bench->region));
}

static void all_of_the_bar_has_to_be_mapped(void **state)
{
    struct bench *bench = *state;

    fake_memory_range.Length = BAR_BYTES - 1;
    assert_false(pci_direct_is_mapped(&bench->region));
    fake_memory_range.Length = BAR_BYTES;
    fake_memory_range.BaseAddress++;
    assert_false(pci_direct_is_mapped(&bench->region));
    bench->region.bar_address = UINT64_MAX - 1;
    fake_memory_range.BaseAddress = UINT64_MAX - 15;
    fake_memory_range.Length = 15;
    assert_false(pci_direct_is_mapped(&bench->region));
}

/* Nor where the firmware says that it maps it: half the BAR would be at address 0. */
/* holds: virtio.discovery.no_address */
static void bar_that_ends_beyond_the_last_address_is_not_mapped(void **state)
{
    struct bench *bench = *state;

    bench->region.bar_address = UINTPTR_MAX - BAR_BYTES / 2;
    fake_memory_range.BaseAddress = bench->region.bar_address;
    fake_memory_range.Length = BAR_BYTES;
    assert_false(pci_direct_is_mapped(&bench->region));
}

static void ports_are_mapped_below_64_kib_where_the_firmware_says_so(void **state)
{
    struct bench *bench = *state;

    bench->region.access = &bench->region.pci_io->Io;
    bench->region.bar_address = 0xffc0;
    bench->region.bar_bytes = 0x40;
    assert_false(pci_direct_is_mapped(&bench->region));
    fake_port_range = (GCD_IO_SPACE_DESCRIPTOR){0, 0x20000, EfiGcdIoTypeIo, NULL, NULL};
    assert_int_equal(PCI_HAS_PORTS, pci_direct_is_mapped(&bench->region));
    bench->region.bar_bytes = 0x80;
    assert_false(pci_direct_is_mapped(&bench->region));
    bench->region.bar_address = 0x1000;
    fake_port_range.Length = 0x1040;
    assert_false(pci_direct_is_mapped(&bench->region));
    fake_port_range.Length = 0x1080;
    fake_port_range.GcdIoType = EfiGcdIoTypeReserved;
    assert_false(pci_direct_is_mapped(&bench->region));
}

static void register_is_read_where_the_region_lies(void **state)
{
    struct bench *bench = *state;

    bench->bar[BAR_BYTES / 2 + 20] = 0x5a;
    assert_int_equal(0x5a, pci_direct_read8(&bench->region, 20));
}

static void adopted_register_is_written_without_pci_io(void **state)
{
    struct bench *bench = *state;
    struct pci_register doorbell;
    uint16_t seen;

    assert_int_equal(pci_region_register16(&bench->region, 6, 0xabcd, &doorbell), EFI_SUCCESS);
    assert_false(pci_register_is_direct(&doorbell));
    pci_register_write16(&doorbell);
    assert_int_equal(1, pci_io_writes);

    pci_direct_adopt(&bench->region, &doorbell);
    assert_true(pci_register_is_direct(&doorbell));
    pci_register_write16(&doorbell);
    memcpy(&seen, bench->bar + BAR_BYTES / 2 + 6, sizeof(seen));
    assert_int_equal(0xabcd, seen);
    assert_int_equal(1, pci_io_writes);
}

/* holds: virtio.registers.data */
static void adopted_pair_is_written_without_pci_io(void **state)
{
    struct bench *bench = *state;
    struct pci_register doorbell;
    uint32_t seen[2];

    memset(bench->bar, 0xee, sizeof(bench->bar));
    assert_int_equal(pci_region_register32(&bench->region, 8, 0xabcd, &doorbell), EFI_SUCCESS);
    pci_direct_adopt(&bench->region, &doorbell);
    pci_register_write32(&doorbell, 0x1234);
    memcpy(seen, bench->bar + BAR_BYTES / 2 + 8, sizeof(seen));
    assert_int_equal(0x1234abcd, seen[0]);
    assert_int_equal(0xeeeeeeee, seen[1]);
    assert_int_equal(0, pci_io_writes);
}

static void register_of_another_bar_is_not_adopted(void **state)
{
    struct bench *bench = *state;
    struct pci_region other = bench->region;
    struct pci_register doorbell;

    assert_int_equal(pci_region_register16(&bench->region, 6, 1, &doorbell), EFI_SUCCESS);
    other.bar_index = 2;
    pci_direct_adopt(&other, &doorbell);
    assert_false(pci_register_is_direct(&doorbell));
    other = bench->region;
    other.access = &other.pci_io->Io;
    pci_direct_adopt(&other, &doorbell);
    assert_false(pci_register_is_direct(&doorbell));
}

static void port_is_adopted_as_a_port(void **state)
{
    struct bench *bench = *state;
    struct pci_register doorbell;

    bench->region.access = &bench->region.pci_io->Io;
    bench->region.bar_address = 0xc000;
    bench->region.offset = 0;
    assert_int_equal(pci_region_register16(&bench->region, 16, 1, &doorbell), EFI_SUCCESS);
    pci_direct_adopt(&bench->region, &doorbell);
    assert_int_equal(0xc010, doorbell.port);
    assert_true(doorbell.memory == NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bar_that_the_firmware_maps_for_devices_is_mapped),
        TEST(nothing_is_mapped_without_dxe_services),
        TEST(address_that_is_not_a_devices_is_not_mapped),
        TEST(address_without_an_attribute_is_not_mapped),
        TEST(all_of_the_bar_has_to_be_mapped),
        TEST(bar_that_ends_beyond_the_last_address_is_not_mapped),
        TEST(ports_are_mapped_below_64_kib_where_the_firmware_says_so),
        TEST(register_is_read_where_the_region_lies),
        TEST(adopted_register_is_written_without_pci_io),
        TEST(adopted_pair_is_written_without_pci_io),
        TEST(register_of_another_bar_is_not_adopted),
        TEST(port_is_adopted_as_a_port),
    };

    return cmocka_run_group_tests_name("pci_direct", tests, NULL, NULL);
}
