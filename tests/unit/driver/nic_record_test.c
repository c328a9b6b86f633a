/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the OS finds about the NICs of this driver, and that it costs no NIC its driver.
 */
#include "driver_fixture.h"

#include <stdio.h>

#include "driver/takeover.h"
#include "rival.h"
#include "virtio_net_efi/nic_record.h"

#define NICS 3u
#define MODERN "transport=modern ring=split from="

static const char *line(const char *location, const char *mac, const char *rest)
{
    static char buffer[512];

    snprintf(buffer, sizeof(buffer),
             "format=1 driver=" VIRTIO_NET_VERSION_STRING " pci=%s mac=52:54:00:12:34:%s %s\n",
             location, mac, rest);
    return buffer;
}

static void copy_name(CHAR16 *name, const char *location)
{
    char narrow[64];
    size_t i = 0;

    snprintf(narrow, sizeof(narrow), NIC_RECORD_PREFIX "%s", location);
    do
        name[i] = (CHAR16)narrow[i];
    while (narrow[i++]);
}

/* The record of the NIC there, as text; NULL: there is none. */
static const char *record(const char *location)
{
    static char text[4096];
    CHAR16 name[64];
    UINT32 attributes;
    UINTN bytes = sizeof(text) - 1;

    copy_name(name, location);
    if (RT->GetVariable(name, &variable_guid, &attributes, &bytes, text) == EFI_NOT_FOUND)
        return NULL;
    assert_int_equal(EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS, attributes);
    assert_true(bytes <= NIC_RECORD_BYTES_MAX);
    text[bytes] = 0;
    assert_int_equal(bytes, strlen(text));
    return text;
}

static void assert_record(const char *location, const char *mac, const char *rest)
{
    const char *text = record(location);

    assert_non_null(text);
    assert_string_equal(line(location, mac, rest), text);
}

static EFI_HANDLE controller(const struct driver_fixture *fixture, unsigned index)
{
    return fake_device_handle(fixture->fake.devices[index]);
}

static const char *console(const struct driver_fixture *fixture)
{
    return fake_firmware_console(fixture->firmware);
}

static void bind_all(const struct driver_fixture *fixture)
{
    for (unsigned i = 0; i < fixture->fake.device_count; i++)
        assert_success(fake_firmware_connect(fixture->firmware, controller(fixture, i)));
}

static void unbind(const struct driver_fixture *fixture, unsigned index)
{
    assert_success(fake_firmware_disconnect(fixture->firmware, controller(fixture, index)));
}

static void header_has_the_guid_and_the_attributes_of_the_driver(void **state)
{
    const EFI_GUID *guid = &variable_guid;
    char text[64];

    (void)state;
    snprintf(text, sizeof(text), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", guid->Data1,
             guid->Data2, guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2],
             guid->Data4[3], guid->Data4[4], guid->Data4[5], guid->Data4[6], guid->Data4[7]);
    assert_string_equal(NIC_RECORD_GUID, text);
    assert_int_equal(NIC_RECORD_ATTRIBUTES,
                     EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS);
}

static void nic_that_is_bound_is_recorded(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_null(record("0000:00:03.0"));
    bind_all(fixture);
    assert_record("0000:00:03.0", "56", MODERN);
    assert_string_equal("", console(fixture));
}

static void record_names_transport_and_ring(void **state)
{
    static const struct {
        struct fake_device_options options;
        const char *rest;
    } cases[] = {
        {{.transport = FAKE_LEGACY}, "transport=legacy ring=split from="},
        {{.transport = FAKE_MODERN}, "transport=modern ring=split from="},
        {{.transport = FAKE_TRANSITIONAL}, "transport=modern ring=split from="},
        {{.transport = FAKE_MODERN, .features = FAKE_DEVICE_FEATURES | VIRTIO_F_RING_PACKED},
         "transport=modern ring=packed from="},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct driver_fixture *fixture = driver_fixture_new(1, &cases[i].options);

        bind_all(fixture);
        assert_record("0000:00:03.0", "56", cases[i].rest);
        driver_fixture_free(fixture);
    }
}

static void each_nic_has_a_record_until_it_is_let_go(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(NICS, NULL);

    (void)state;
    bind_all(fixture);
    assert_record("0000:00:03.0", "56", MODERN);
    assert_record("0000:00:04.0", "57", MODERN);
    assert_record("0000:00:05.0", "58", MODERN);
    unbind(fixture, 1);
    assert_record("0000:00:03.0", "56", MODERN);
    assert_null(record("0000:00:04.0"));
    assert_record("0000:00:05.0", "58", MODERN);
    assert_success(fake_firmware_connect(fixture->firmware, controller(fixture, 1)));
    assert_record("0000:00:04.0", "57", MODERN);
    assert_success(unload_driver(fixture));
    assert_null(record("0000:00:03.0"));
    assert_null(record("0000:00:04.0"));
    assert_null(record("0000:00:05.0"));
    assert_string_equal("", console(fixture));
    driver_fixture_end(fixture);
}

static void nics_of_one_mac_have_a_record_each(void **state)
{
    static const struct fake_device_options options = {.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x77}};
    struct driver_fixture *fixture = driver_fixture_new(2, &options);

    (void)state;
    bind_all(fixture);
    unbind(fixture, 0);
    assert_null(record("0000:00:03.0"));
    assert_record("0000:00:04.0", "77", MODERN);
    driver_fixture_free(fixture);
}

static void nic_that_does_not_start_is_not_recorded(void **state)
{
    struct driver_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_FEATURES_OK_DROPPED);
    assert_true(EFI_ERROR(start(fixture, fixture->controller)));
    assert_null(record("0000:00:03.0"));
}

static void nic_that_a_client_keeps_stays_recorded(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *client;

    leave_stack_to_firmware(fixture);
    bind_all(fixture);
    client = fake_firmware_hold_protocol(fixture->firmware, child_at(fixture, 0), &snp_guid, true);
    assert_true(EFI_ERROR(fake_firmware_disconnect(fixture->firmware, fixture->controller)));
    assert_record("0000:00:03.0", "56", MODERN);
    client->refuses_to_stop = false;
    client->is_retired = true;
    unbind(fixture, 0);
    assert_null(record("0000:00:03.0"));
}

static void record_is_left_to_the_os(void **state)
{
    struct driver_fixture *fixture = *state;

    bind_all(fixture);
    bring_up(network(fixture));
    fake_firmware_fail_to_exit(fixture->firmware);
    assert_record("0000:00:03.0", "56", MODERN);
    fake_firmware_forget_volatile_variables(fixture->firmware);
    assert_null(record("0000:00:03.0"));
}

static void nic_is_bound_without_a_record(void **state)
{
    struct driver_fixture *fixture = *state;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    fake_firmware_fail_nth(fixture->firmware, 1);
    bind_all(fixture);
    fake_firmware_fail_nth(fixture->firmware, 0);
    assert_string_equal("virtio-net 0000:00:03.0: not recorded for the OS: no variable can be "
                        "written (Device Error)\r\n",
                        console(fixture));
    assert_null(record("0000:00:03.0"));
    bring_up(network(fixture));
    assert_traffic_flows(network(fixture), fixture->device);
    unbind(fixture, 0); /* and says nothing of a record that is not there */
    assert_null(strstr(console(fixture), "still recorded"));
}

static void nic_is_let_go_though_its_record_stays(void **state)
{
    struct driver_fixture *fixture = *state;

    bind_all(fixture);
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    fake_firmware_fail_nth(fixture->firmware, 1);
    unbind(fixture, 0);
    assert_true(fake_firmware_has_failed(fixture->firmware));
    fake_firmware_fail_nth(fixture->firmware, 0);
    assert_int_equal(0, child_count(fixture));
    assert_string_equal("virtio-net 0000:00:03.0: still recorded for the OS: the variable cannot "
                        "be deleted (Device Error)\r\n",
                        console(fixture));
    bind_all(fixture);
    assert_record("0000:00:03.0", "56", MODERN);
}

/* One that would survive a reset is not left in its place. */
static void variable_that_somebody_else_left_is_replaced(void **state)
{
    struct driver_fixture *fixture = *state;
    CHAR16 name[64];
    char text[] = "format=1 from=somebody";

    copy_name(name, "0000:00:03.0");
    assert_success(RT->SetVariable(name, &variable_guid,
                                   EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS,
                                   sizeof(text), text));
    bind_all(fixture);
    assert_record("0000:00:03.0", "56", MODERN);
    assert_string_equal("", console(fixture));
}

/* NICs that a rival of this name has, and then we. */
static struct driver_fixture *take_over(unsigned nic_count, CHAR16 *rival_name,
                                        const struct options *options)
{
    struct driver_fixture *fixture = driver_fixture_new(nic_count, NULL);

    driver_binding_pause(true);
    (void)fake_rival_new(fixture->firmware, rival_name);
    for (unsigned i = 0; i < nic_count; i++)
        (void)fake_firmware_connect(fixture->firmware, controller(fixture, i));
    driver_binding_pause(false);
    fake_firmware_baseline(fixture->firmware);
    takeover_run(fixture->image, options);
    return fixture;
}

/* The rival would get back what we let go, and then keep it. */
static void end_takeover(struct driver_fixture *fixture)
{
    for (unsigned i = 0; i < fixture->fake.device_count; i++)
        unbind(fixture, i);
    driver_fixture_free(fixture);
}

static void record_names_the_driver_that_had_the_nic(void **state)
{
    static CHAR16 name[] = L"A Rival (1.0)";
    struct driver_fixture *fixture = take_over(NICS, name, &default_options);

    (void)state;
    assert_record("0000:00:03.0", "56", MODERN "A Rival (1.0)");
    assert_record("0000:00:04.0", "57", MODERN "A Rival (1.0)");
    assert_record("0000:00:05.0", "58", MODERN "A Rival (1.0)");
    unbind(fixture, NICS - 1); /* nobody has it now */
    assert_success(fake_firmware_connect(fixture->firmware, controller(fixture, NICS - 1)));
    assert_record("0000:00:05.0", "58", MODERN);
    end_takeover(fixture);
}

static void takeover_of_one_nic_is_not_recorded_for_another(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(2, NULL);

    (void)state;
    driver_binding_take(controller(fixture, 0), L"Rival");
    bind_all(fixture);
    assert_record("0000:00:03.0", "56", MODERN "Rival");
    assert_record("0000:00:04.0", "57", MODERN);
    driver_binding_take(NULL, NULL);
    driver_fixture_free(fixture);
}

static void nic_that_stays_with_its_driver_is_not_recorded(void **state)
{
    static CHAR16 name[] = L"Rival";
    struct options options = default_options;
    struct driver_fixture *fixture;

    (void)state;
    options.skip = (struct pci_address_list){1, {{0, 0, 4, 0}}};
    fixture = take_over(2, name, &options);
    assert_record("0000:00:03.0", "56", MODERN "Rival");
    assert_null(record("0000:00:04.0"));
    end_takeover(fixture);
}

static void driver_without_a_name_is_recorded_as_such(void **state)
{
    struct driver_fixture *fixture = take_over(1, NULL, &default_options);

    (void)state;
    assert_record("0000:00:03.0", "56", MODERN "a driver without a name");
    end_takeover(fixture);
}

static void name_of_another_driver_cannot_break_the_line(void **state)
{
    static CHAR16 name[] = L"R\nmac=00\x1b[2J\xe9\x2028\x7f~ ";
    struct driver_fixture *fixture = take_over(1, name, &default_options);

    (void)state;
    assert_record("0000:00:03.0", "56", MODERN "R?mac=00?[2J???~ ");
    end_takeover(fixture);
}

static void long_name_of_another_driver_is_truncated(void **state)
{
    static CHAR16 name[4001];
    char rest[256] = MODERN;
    struct driver_fixture *fixture;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(name) - 1; i++)
        name[i] = L'x';
    memset(rest + strlen(rest), 'x', NIC_RECORD_FROM_MAX);
    fixture = take_over(1, name, &default_options);
    assert_record("0000:00:03.0", "56", rest);
    end_takeover(fixture);
}

/* One line for each NIC, beside that of the takeover. */
static void takeover_succeeds_without_records(void **state)
{
    static CHAR16 name[] = L"Rival";
    struct driver_fixture *fixture = driver_fixture_new(1, NULL);

    (void)state;
    driver_binding_pause(true);
    (void)fake_rival_new(fixture->firmware, name);
    bind_all(fixture);
    driver_binding_pause(false);
    fake_firmware_baseline(fixture->firmware);
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    fake_firmware_fail_nth(fixture->firmware, 1);
    takeover_run(fixture->image, &default_options);
    fake_firmware_fail_nth(fixture->firmware, 0);
    assert_true(driver_binding_holds(fixture->controller));
    assert_string_equal("virtio-net 0000:00:03.0: not recorded for the OS: no variable can be "
                        "written (Device Error)\r\n"
                        "virtio-net 0000:00:03.0: taken over from Rival\r\n",
                        console(fixture));
    end_takeover(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_has_the_guid_and_the_attributes_of_the_driver),
        DRIVER_TEST(nic_that_is_bound_is_recorded),
        cmocka_unit_test(record_names_transport_and_ring),
        cmocka_unit_test(each_nic_has_a_record_until_it_is_let_go),
        cmocka_unit_test(nics_of_one_mac_have_a_record_each),
        DRIVER_TEST(nic_that_does_not_start_is_not_recorded),
        DRIVER_TEST(nic_that_a_client_keeps_stays_recorded),
        DRIVER_TEST(record_is_left_to_the_os),
        DRIVER_TEST(nic_is_bound_without_a_record),
        DRIVER_TEST(nic_is_let_go_though_its_record_stays),
        DRIVER_TEST(variable_that_somebody_else_left_is_replaced),
        cmocka_unit_test(record_names_the_driver_that_had_the_nic),
        cmocka_unit_test(takeover_of_one_nic_is_not_recorded_for_another),
        cmocka_unit_test(nic_that_stays_with_its_driver_is_not_recorded),
        cmocka_unit_test(driver_without_a_name_is_recorded_as_such),
        cmocka_unit_test(name_of_another_driver_cannot_break_the_line),
        cmocka_unit_test(long_name_of_another_driver_is_truncated),
        cmocka_unit_test(takeover_succeeds_without_records),
    };

    return cmocka_run_group_tests_name("nic_record", tests, NULL, NULL);
}
