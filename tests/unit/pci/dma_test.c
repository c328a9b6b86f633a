/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Memory shared with a device: what it is when it is there, and that nothing is
 * left when it is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "pci/dma.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static EFI_PCI_IO_PROTOCOL *pci_io_of(struct fake_fixture *fixture)
{
    return &fake_device_pci(fixture->device)->protocol;
}

static void assert_is_zeroed(const struct dma *dma)
{
    static const struct dma zeroed;

    assert_memory_equal(dma, &zeroed, sizeof(zeroed));
}

/* holds: virtio.net.zeroed */
static void memory_is_whole_pages_zeroed_and_page_aligned(void **state)
{
    static const struct {
        size_t length_bytes;
        size_t pages;
    } cases[] = {{1, 1}, {4095, 1}, {4096, 1}, {4097, 2}, {40 * 4096, 40}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dma dma;

        assert_int_equal(dma_init(&dma, pci_io_of(*state), cases[i].length_bytes), EFI_SUCCESS);
        assert_int_equal(dma.pages, cases[i].pages);
        assert_int_equal((uintptr_t)dma.address % EFI_PAGE_SIZE, 0);
        for (size_t byte = 0; byte < cases[i].pages * EFI_PAGE_SIZE; byte++)
            assert_int_equal(dma.address[byte], 0);
        dma_fini(&dma);
    }
}

static EFI_PCI_IO_PROTOCOL_MAP map_of_firmware;

static EFI_STATUS EFIAPI map_what_is_clear(EFI_PCI_IO_PROTOCOL *this,
                                           EFI_PCI_IO_PROTOCOL_OPERATION operation, VOID *address,
                                           UINTN *bytes, EFI_PHYSICAL_ADDRESS *ret_device_address,
                                           VOID **ret_mapping)
{
    for (UINTN i = 0; i < *bytes; i++)
        assert_int_equal(((uint8_t *)address)[i], 0);
    return map_of_firmware(this, operation, address, bytes, ret_device_address, ret_mapping);
}

/* Behind an IOMMU the device sees it from Map on. */
static void memory_is_clear_before_it_is_mapped(void **state)
{
    EFI_PCI_IO_PROTOCOL *pci_io = pci_io_of(*state);
    struct dma dma;

    map_of_firmware = pci_io->Map;
    pci_io->Map = map_what_is_clear;
    assert_int_equal(dma_init(&dma, pci_io, 4097), EFI_SUCCESS);
    pci_io->Map = map_of_firmware;
    dma_fini(&dma);
}

static void the_device_reaches_all_of_it_at_the_device_address(void **state)
{
    struct fake_fixture *fixture = *state;
    struct fake_pci_function *function = fake_device_pci(fixture->device);
    struct dma dma;

    function->attributes |= EFI_PCI_IO_ATTRIBUTE_BUS_MASTER;
    assert_int_equal(dma_init(&dma, &function->protocol, 4097), EFI_SUCCESS);
    assert_int_not_equal(dma.device_address, (uintptr_t)dma.address);
    for (int device_writes = 0; device_writes <= 1; device_writes++)
        assert_ptr_equal(fake_pci_dma(function, dma.device_address, 8192, device_writes),
                         dma.address);
    dma_fini(&dma);
}

static void fini_gives_everything_back(void **state)
{
    struct fake_fixture *fixture = *state;
    struct dma dma;

    assert_int_equal(dma_init(&dma, pci_io_of(fixture), 10000), EFI_SUCCESS);
    dma_fini(&dma);
    assert_is_zeroed(&dma);
    fake_firmware_assert_nothing_leaked(fixture->firmware);
}

static void fini_accepts_what_is_already_gone(void **state)
{
    struct dma dma = {0};

    (void)state;
    dma_fini(&dma);
    assert_is_zeroed(&dma);
}

static void a_mapping_in_pieces_is_refused_and_undone(void **state)
{
    static const size_t limits[] = {1, 4096, 8191};

    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++) {
        const struct fake_device_options options = {.pci.map_limit_bytes = limits[i]};
        struct fake_fixture fixture;
        struct dma dma;

        fake_fixture_init(&fixture, 1, &options);
        assert_int_equal(dma_init(&dma, pci_io_of(&fixture), 8192), EFI_OUT_OF_RESOURCES);
        assert_is_zeroed(&dma);
        fake_firmware_assert_nothing_leaked(fixture.firmware);
        fake_fixture_fini(&fixture);
    }
}

static void a_failure_at_any_step_leaves_nothing(void **state)
{
    struct fake_fixture *fixture = *state;
    unsigned nth = 0;

    for (;;) {
        struct dma dma;
        EFI_STATUS status;

        fake_firmware_fail_nth(fixture->firmware, ++nth);
        status = dma_init(&dma, pci_io_of(fixture), 8192);
        if (!fake_firmware_has_failed(fixture->firmware)) {
            dma_fini(&dma);
            break;
        }
        assert_int_equal(status, EFI_OUT_OF_RESOURCES);
        fake_firmware_assert_nothing_leaked(fixture->firmware);
        dma_fini(&dma); /* has nothing left to do */
    }
    assert_int_equal(nth, 3); /* AllocateBuffer and Map have failed */
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DEVICE(memory_is_whole_pages_zeroed_and_page_aligned),
        WITH_DEVICE(memory_is_clear_before_it_is_mapped),
        WITH_DEVICE(the_device_reaches_all_of_it_at_the_device_address),
        WITH_DEVICE(fini_gives_everything_back),
        cmocka_unit_test(fini_accepts_what_is_already_gone),
        cmocka_unit_test(a_mapping_in_pieces_is_refused_and_undone),
        WITH_DEVICE(a_failure_at_any_step_leaves_nothing),
    };

    return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
