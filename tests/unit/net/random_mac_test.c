/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Addresses for NICs without one: valid, stable until the machine is reset, and
 * another for each NIC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/guids.h"
#include "base/mac.h"
#include "fixture.h"
#include "net/random_mac.h"

static EFI_PCI_IO_PROTOCOL *pci_io_of(struct fake_fixture *fixture, unsigned device)
{
    return &fake_device_pci(fixture->devices[device])->protocol;
}

static void make(struct fake_fixture *fixture, unsigned device, uint8_t *ret_mac)
{
    assert_int_equal(random_mac(pci_io_of(fixture, device), ret_mac), EFI_SUCCESS);
}

static struct {
    EFI_RNG_PROTOCOL protocol;
    uint64_t next;
    unsigned calls;
    EFI_STATUS status;
} rng;

static EFI_STATUS EFIAPI get_rng(EFI_RNG_PROTOCOL *this, EFI_RNG_ALGORITHM *algorithm, UINTN length,
                                 UINT8 *ret_bytes)
{
    (void)algorithm;
    assert_ptr_equal(this, &rng.protocol);
    assert_int_equal(length, sizeof(rng.next));
    rng.calls++;
    if (!EFI_ERROR(rng.status))
        memcpy(ret_bytes, &rng.next, length);
    return rng.status;
}

static void install_rng(struct fake_fixture *fixture, EFI_STATUS status)
{
    memset(&rng, 0, sizeof(rng));
    rng.protocol.GetRNG = get_rng;
    rng.status = status;
    fake_firmware_new_handle(fixture->firmware, &rng_guid, &rng.protocol);
}

static void the_address_is_local_and_a_stations(void **state)
{
    struct fake_fixture *fixture = *state;

    install_rng(fixture, EFI_SUCCESS);
    for (rng.next = 0; rng.next < 2000; rng.next++) {
        uint8_t mac[MAC_BYTES];

        fake_firmware_forget_volatile_variables(fixture->firmware);
        make(fixture, 0, mac);
        assert_true(mac[0] & MAC_LOCAL_BIT);
        assert_false(mac_is_group(mac));
        assert_true(mac_is_station(mac));
    }
}

static void all_other_bits_vary_and_no_byte_repeats_another(void **state)
{
    struct fake_fixture *fixture = *state;
    uint8_t ones[MAC_BYTES] = {0};
    uint8_t zeros[MAC_BYTES] = {0};
    uint8_t differences[MAC_BYTES] = {0};

    install_rng(fixture, EFI_SUCCESS);
    for (rng.next = 0; rng.next < 200; rng.next++) {
        uint8_t mac[MAC_BYTES];

        fake_firmware_forget_volatile_variables(fixture->firmware);
        make(fixture, 0, mac);
        for (unsigned i = 0; i < MAC_BYTES; i++) {
            ones[i] |= mac[i];
            zeros[i] |= (uint8_t)~mac[i];
            differences[i] |= mac[i] ^ mac[(i + 1) % MAC_BYTES];
        }
    }
    assert_memory_equal(ones, "\xfe\xff\xff\xff\xff\xff", MAC_BYTES);
    assert_memory_equal(zeros, "\xfd\xff\xff\xff\xff\xff", MAC_BYTES);
    assert_memory_equal(differences, "\xff\xff\xff\xff\xff\xff", MAC_BYTES);
}

/* holds: virtio.net.mac */
static void the_address_stays_until_the_machine_is_reset(void **state)
{
    struct fake_fixture *fixture = *state;
    uint8_t first[MAC_BYTES];
    uint8_t again[MAC_BYTES];
    uint8_t other[MAC_BYTES];

    install_rng(fixture, EFI_SUCCESS);
    make(fixture, 0, first);
    rng.next = 12345; /* what an unloaded and reloaded driver would get */
    make(fixture, 0, again);
    assert_memory_equal(first, again, MAC_BYTES);
    assert_int_equal(rng.calls, 1);
    fake_firmware_forget_volatile_variables(fixture->firmware);
    make(fixture, 0, other);
    assert_memory_not_equal(first, other, MAC_BYTES);
}

static struct {
    EFI_SET_VARIABLE set_variable; /* the fake's own */
    CHAR16 name[64];
    EFI_GUID vendor;
    UINT32 attributes;
    unsigned calls;
} seen;

static EFI_STATUS EFIAPI see_variable(CHAR16 *name, EFI_GUID *vendor, UINT32 attributes, UINTN size,
                                      void *data)
{
    size_t length = 0;

    while (name[length])
        length++;
    memcpy(seen.name, name, (length + 1) * sizeof(CHAR16));
    seen.vendor = *vendor;
    seen.attributes = attributes;
    seen.calls++;
    return seen.set_variable(name, vendor, attributes, size, data);
}

static void watch_variables(void)
{
    seen.calls = 0;
    seen.set_variable = RT->SetVariable;
    RT->SetVariable = see_variable;
}

static void the_seed_is_volatile_and_hidden_from_the_os(void **state)
{
    uint8_t mac[MAC_BYTES];

    watch_variables();
    make(*state, 0, mac);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.attributes, EFI_VARIABLE_BOOTSERVICE_ACCESS);
}

static void a_seed_of_another_size_is_replaced(void **state)
{
    static const UINTN sizes[] = {1, 4, 9, 64};
    uint8_t bytes[64] = {0};
    uint8_t mac[MAC_BYTES];

    watch_variables();
    make(*state, 0, mac);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t first[MAC_BYTES];
        uint8_t again[MAC_BYTES];

        assert_int_equal(
            seen.set_variable(seen.name, &seen.vendor, seen.attributes, sizes[i], bytes),
            EFI_SUCCESS);
        seen.calls = 0;
        make(*state, 0, first);
        make(*state, 0, again);
        assert_int_equal(seen.calls, 2); /* deleted, and written */
        assert_memory_equal(first, again, MAC_BYTES);
    }
}

/* As an operating system leaves it: it outlives the reset, and a write of ours is refused. */
static void a_seed_with_attributes_of_others_is_replaced(void **state)
{
    static const UINT32 attributes[] = {
        EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS,
        EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS,
        EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS,
    };
    static const UINTN sizes[] = {1, 4, 8, 64};
    uint8_t bytes[64] = {0};
    uint8_t mac[MAC_BYTES];

    watch_variables();
    make(*state, 0, mac);
    for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        UINT32 foreign = attributes[i % 3];
        uint8_t first[MAC_BYTES];
        uint8_t again[MAC_BYTES];

        assert_int_equal(seen.set_variable(seen.name, &seen.vendor, 0, 0, NULL), EFI_SUCCESS);
        assert_int_equal(seen.set_variable(seen.name, &seen.vendor, foreign, sizes[i / 3], bytes),
                         EFI_SUCCESS);
        make(*state, 0, first);
        make(*state, 0, again);
        assert_int_equal(seen.attributes, EFI_VARIABLE_BOOTSERVICE_ACCESS);
        assert_memory_equal(first, again, MAC_BYTES);
    }
}

static EFI_STATUS EFIAPI write_protected(CHAR16 *name, EFI_GUID *vendor, UINT32 attributes,
                                         UINTN size, VOID *data)
{
    (void)name;
    (void)vendor;
    (void)attributes;
    (void)size;
    (void)data;
    return EFI_WRITE_PROTECTED;
}

/* Neither can it be deleted nor written. */
static void a_seed_that_cannot_be_replaced_costs_no_nic(void **state)
{
    uint8_t bytes[4] = {0};
    uint8_t mac[MAC_BYTES];
    EFI_SET_VARIABLE set_variable;

    watch_variables();
    make(*state, 0, mac);
    set_variable = seen.set_variable;
    assert_int_equal(set_variable(seen.name, &seen.vendor, seen.attributes, sizeof(bytes), bytes),
                     EFI_SUCCESS);
    RT->SetVariable = write_protected;
    make(*state, 0, mac);
    assert_true(mac_is_station(mac));
    RT->SetVariable = set_variable;
}

static void each_location_has_an_address_of_its_own(void **state)
{
    uint8_t macs[FAKE_FIXTURE_DEVICES_MAX][MAC_BYTES];
    struct fake_fixture fixture;

    (void)state;
    fake_fixture_init(&fixture, FAKE_FIXTURE_DEVICES_MAX - 3, NULL);
    for (unsigned i = 0; i < fixture.device_count; i++) {
        make(&fixture, i, macs[i]);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(macs[i], macs[j], MAC_BYTES);
    }
    fake_fixture_fini(&fixture);
}

struct location {
    EFI_PCI_IO_PROTOCOL pci_io; /* first */
    UINTN segment;
    UINTN bus;
    UINTN device;
    UINTN function;
};

static EFI_STATUS EFIAPI get_location(EFI_PCI_IO_PROTOCOL *this, UINTN *ret_segment, UINTN *ret_bus,
                                      UINTN *ret_device, UINTN *ret_function)
{
    const struct location *location = (const void *)this;

    *ret_segment = location->segment;
    *ret_bus = location->bus;
    *ret_device = location->device;
    *ret_function = location->function;
    return EFI_SUCCESS;
}

static void every_part_of_the_location_counts(void **state)
{
    static const UINTN places[][4] = {{0, 0, 0, 0}, {0, 0, 0, 1},    {0, 0, 0, 7},    {0, 0, 1, 0},
                                      {0, 0, 8, 0}, {0, 0, 31, 0},   {0, 1, 0, 0},    {0, 32, 0, 0},
                                      {0, 1, 1, 1}, {0, 0x80, 0, 0}, {0, 0xff, 0, 0}, {1, 0, 0, 0}};
    uint8_t macs[12][MAC_BYTES];

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct location location = {
            {.GetLocation = get_location}, places[i][0], places[i][1], places[i][2], places[i][3]};

        assert_int_equal(random_mac(&location.pci_io, macs[i]), EFI_SUCCESS);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(macs[i], macs[j], MAC_BYTES);
    }
}

static void the_random_number_generator_decides_where_there_is_one(void **state)
{
    uint8_t macs[2][MAC_BYTES];

    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* two machines, one number */
        struct fake_fixture fixture;

        fake_fixture_init(&fixture, 1, NULL);
        install_rng(&fixture, EFI_SUCCESS);
        rng.next = 0x1122334455667788;
        make(&fixture, 0, macs[i]);
        assert_int_equal(rng.calls, 1);
        fake_fixture_fini(&fixture);
    }
    assert_memory_equal(macs[0], macs[1], MAC_BYTES);
}

static void without_a_working_generator_boots_differ_all_the_same(void **state)
{
    struct fake_fixture *fixture = *state;
    uint8_t macs[3][MAC_BYTES];

    for (unsigned i = 0; i < 3; i++) {
        if (i == 2)
            install_rng(fixture, EFI_NOT_READY);
        fake_firmware_forget_volatile_variables(fixture->firmware);
        make(fixture, 0, macs[i]);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(macs[i], macs[j], MAC_BYTES);
    }
    assert_int_equal(rng.calls, 1);
}

static void a_clock_that_fails_is_done_without(void **state)
{
    struct fake_fixture *fixture = *state;
    uint8_t mac[MAC_BYTES];

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    fake_firmware_fail_nth(fixture->firmware, 2);
    make(fixture, 0, mac);
    assert_string_equal(fake_firmware_failed_call(fixture->firmware), "GetTime");
}

static void a_location_that_is_not_told_is_passed_on(void **state)
{
    struct fake_fixture *fixture = *state;
    uint8_t mac[MAC_BYTES] = {1, 2, 3, 4, 5, 6};

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_PCI);
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_int_equal(random_mac(pci_io_of(fixture, 0), mac), EFI_DEVICE_ERROR);
    assert_string_equal(fake_firmware_failed_call(fixture->firmware), "PciIo.GetLocation");
    assert_memory_equal(mac, "\1\2\3\4\5\6", MAC_BYTES);
}

static void a_store_that_fails_costs_no_nic(void **state)
{
    struct fake_fixture *fixture = *state;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    for (unsigned nth = 1; nth <= 3; nth++) {
        uint8_t mac[MAC_BYTES] = {0};

        fake_firmware_forget_volatile_variables(fixture->firmware);
        fake_firmware_fail_nth(fixture->firmware, nth);
        make(fixture, 0, mac);
        assert_true(mac_is_station(mac));
    }
}

static void a_store_that_fails_once_keeps_its_seed(void **state)
{
    struct fake_fixture *fixture = *state;
    uint8_t before[MAC_BYTES];
    uint8_t meanwhile[MAC_BYTES];
    uint8_t after[MAC_BYTES];

    make(fixture, 0, before);
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    fake_firmware_fail_nth(fixture->firmware, 1);
    make(fixture, 0, meanwhile);
    fake_firmware_fail_nth(fixture->firmware, 0);
    make(fixture, 0, after);
    assert_memory_equal(before, after, MAC_BYTES);
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DEVICE(the_address_is_local_and_a_stations),
        WITH_DEVICE(all_other_bits_vary_and_no_byte_repeats_another),
        WITH_DEVICE(the_address_stays_until_the_machine_is_reset),
        WITH_DEVICE(the_seed_is_volatile_and_hidden_from_the_os),
        WITH_DEVICE(a_seed_of_another_size_is_replaced),
        WITH_DEVICE(a_seed_with_attributes_of_others_is_replaced),
        WITH_DEVICE(a_seed_that_cannot_be_replaced_costs_no_nic),
        cmocka_unit_test(each_location_has_an_address_of_its_own),
        WITH_DEVICE(every_part_of_the_location_counts),
        cmocka_unit_test(the_random_number_generator_decides_where_there_is_one),
        WITH_DEVICE(without_a_working_generator_boots_differ_all_the_same),
        WITH_DEVICE(a_clock_that_fails_is_done_without),
        WITH_DEVICE(a_location_that_is_not_told_is_passed_on),
        WITH_DEVICE(a_store_that_fails_costs_no_nic),
        WITH_DEVICE(a_store_that_fails_once_keeps_its_seed),
    };

    return cmocka_run_group_tests_name("random_mac", tests, NULL, NULL);
}
