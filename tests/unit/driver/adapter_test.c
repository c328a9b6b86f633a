/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A NIC's one allocation and its child handle; and the line that tells of a failure.
 */
#include "base/log.h"
#include "driver/adapter.h"
#include "driver_fixture.h"

struct parts {
    struct fake_fixture *fake;
    EFI_PCI_IO_PROTOCOL *pci_io;
    const EFI_DEVICE_PATH *path;
};

static struct parts parts_of(struct fake_fixture *fake)
{
    struct fake_pci_function *function = fake_device_pci(fake->device);

    return (struct parts){fake, &function->protocol, function->device_path};
}

static struct adapter *create(const struct parts *parts)
{
    struct adapter *adapter = NULL;
    const CHAR16 *cause = NULL;

    assert_success(adapter_create(parts->pci_io, parts->path, &adapter, &cause));
    assert_non_null(adapter);
    return adapter;
}

static void assert_wide_equal(const CHAR16 *expected, const CHAR16 *actual)
{
    for (size_t i = 0;; i++) {
        assert_int_equal(expected[i], actual[i]);
        if (expected[i] == 0)
            return;
    }
}

static void create_makes_a_child_and_destroy_ends_it(void **state)
{
    struct parts parts = parts_of(*state);
    struct adapter *adapter = create(&parts);
    EFI_HANDLE child = adapter->child;

    assert_ptr_equal(&adapter->snp.protocol,
                     fake_firmware_interface(parts.fake->firmware, child, &snp_guid));
    assert_ptr_equal(adapter->device_path,
                     fake_firmware_interface(parts.fake->firmware, child, &device_path_guid));
    assert_success(adapter_destroy(adapter));
    assert_null(fake_firmware_interface(parts.fake->firmware, child, &snp_guid));
    assert_null(fake_firmware_interface(parts.fake->firmware, child, &device_path_guid));
    fake_firmware_assert_nothing_leaked(parts.fake->firmware);
}

static void create_without_memory_says_why(void **state)
{
    struct parts parts = parts_of(*state);
    struct adapter *adapter = NULL;

    fake_firmware_count_only(parts.fake->firmware, FAKE_CALL_MEMORY);
    for (unsigned nth = 1; nth <= 2; nth++) {
        const CHAR16 *cause = NULL;

        fake_firmware_fail_nth(parts.fake->firmware, nth);
        assert_status(EFI_OUT_OF_RESOURCES,
                      adapter_create(parts.pci_io, parts.path, &adapter, &cause));
        assert_wide_equal(L"no memory", cause);
        assert_null(adapter);
        fake_firmware_assert_nothing_leaked(parts.fake->firmware);
    }
}

static void create_of_a_path_that_exists_says_why(void **state)
{
    struct parts parts = parts_of(*state);
    struct adapter *first = create(&parts);
    struct adapter *second = NULL;
    const CHAR16 *cause = NULL;

    assert_status(EFI_ALREADY_STARTED, adapter_create(parts.pci_io, parts.path, &second, &cause));
    assert_wide_equal(L"the firmware refuses a handle for the NIC", cause);
    assert_null(second);
    assert_success(adapter_destroy(first));
    fake_firmware_assert_nothing_leaked(parts.fake->firmware);
}

static void destroy_that_is_refused_leaves_the_adapter_as_it_was(void **state)
{
    struct parts parts = parts_of(*state);
    struct adapter *adapter = create(&parts);
    EFI_SIMPLE_NETWORK_PROTOCOL *network = &adapter->snp.protocol;
    struct fake_consumer *client =
        fake_firmware_hold_protocol(parts.fake->firmware, adapter->child, &snp_guid, true);

    bring_up(network);
    assert_true(EFI_ERROR(adapter_destroy(adapter)));
    assert_traffic_flows(network, parts.fake->device);
    client->refuses_to_stop = false;
    client->is_retired = true;
    assert_success(adapter_destroy(adapter));
    fake_firmware_assert_nothing_leaked(parts.fake->firmware);
}

static void adapter_is_found_by_its_child(void **state)
{
    struct parts parts = parts_of(*state);
    struct adapter *adapter = create(&parts);
    EFI_HANDLE agent = fake_firmware_load_image(parts.fake->firmware, NULL);
    struct adapter *found = NULL;

    assert_success(adapter_of_child(agent, adapter->child, &found));
    assert_ptr_equal(adapter, found);
    found = NULL;
    assert_true(EFI_ERROR(adapter_of_child(agent, agent, &found)));
    assert_null(found);
    assert_success(adapter_destroy(adapter));
}

static void adapter_is_found_by_a_controller_that_has_its_child(void **state)
{
    struct parts parts = parts_of(*state);
    struct adapter *adapter = create(&parts);
    EFI_HANDLE controller = fake_device_handle(parts.fake->device);
    EFI_HANDLE agent = fake_firmware_load_image(parts.fake->firmware, NULL);
    EFI_HANDLE stranger = fake_firmware_load_image(parts.fake->firmware, NULL);
    struct adapter *found = NULL;
    void *unused;

    assert_status(EFI_NOT_FOUND, adapter_of_controller(agent, controller, &found));
    assert_success(BS->OpenProtocol(controller, &pci_io_guid, &unused, agent, adapter->child,
                                    EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    assert_status(EFI_NOT_FOUND, adapter_of_controller(stranger, controller, &found));
    assert_null(found);
    assert_success(adapter_of_controller(agent, controller, &found));
    assert_ptr_equal(adapter, found);

    found = NULL;
    fake_firmware_fail_nth(parts.fake->firmware, 1);
    assert_status(EFI_OUT_OF_RESOURCES, adapter_of_controller(agent, controller, &found));
    assert_null(found);
    fake_firmware_fail_nth(parts.fake->firmware, 0);
    assert_success(BS->CloseProtocol(controller, &pci_io_guid, agent, adapter->child));
    assert_success(adapter_destroy(adapter));
    fake_firmware_assert_nothing_leaked(parts.fake->firmware);
}

static void parent_path_may_have_any_nodes(void **state)
{
    struct parts parts = parts_of(*state);
    /* a node of 300 bytes, so that both bytes of its length count, then the end of an instance */
    uint8_t path[300 + 4 + 4] = {0x04, 0x03, 300 & 0xff, 300 >> 8};
    struct adapter *adapter;

    memcpy(path + 300, "\x7f\x01\x04\x00\x7f\xff\x04\x00", 8);
    parts.path = (const EFI_DEVICE_PATH *)path;
    adapter = create(&parts);
    assert_memory_equal(path, adapter->device_path, sizeof(path) - 4);
    assert_memory_equal("\x03\x0b\x25\x00", (const uint8_t *)adapter->device_path + 304, 4);
    assert_memory_equal("\x7f\xff\x04\x00", (const uint8_t *)adapter->device_path + 304 + 37, 4);
    assert_success(adapter_destroy(adapter));
}

static void failure_is_told_in_one_line(void **state)
{
    struct parts parts = parts_of(*state);

    log_failure(parts.pci_io, L"what", L"why", EFI_OUT_OF_RESOURCES);
    assert_string_equal("virtio-net 0000:00:03.0: what: why (Out of Resources)\r\n",
                        fake_firmware_console(parts.fake->firmware));
}

static void failure_is_told_of_a_function_that_does_not_tell_its_place(void **state)
{
    struct parts parts = parts_of(*state);

    fake_firmware_fail_nth(parts.fake->firmware, 1);
    log_failure(parts.pci_io, L"what", L"why", EFI_TIMEOUT);
    assert_string_equal("virtio-net ?: what: why (Time out)\r\n",
                        fake_firmware_console(parts.fake->firmware));
}

static void failure_too_long_for_a_line_is_cut_off(void **state)
{
    struct parts parts = parts_of(*state);
    CHAR16 cause[400];
    const char *console;

    for (size_t i = 0; i < ARRAY_LENGTH(cause) - 1; i++)
        cause[i] = L'x';
    cause[ARRAY_LENGTH(cause) - 1] = 0;
    log_failure(parts.pci_io, L"what", cause, EFI_TIMEOUT);
    console = fake_firmware_console(parts.fake->firmware);
    assert_int_equal(159, strlen(console));
    assert_string_equal("xx\r\n", console + 155);
}

static void failure_without_a_console_is_not_told(void **state)
{
    struct parts parts = parts_of(*state);

    ST->ConOut = NULL;
    log_failure(parts.pci_io, L"what", L"why", EFI_TIMEOUT);
    assert_string_equal("", fake_firmware_console(parts.fake->firmware));
}

#define ADAPTER_TEST(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADAPTER_TEST(create_makes_a_child_and_destroy_ends_it),
        ADAPTER_TEST(create_without_memory_says_why),
        ADAPTER_TEST(create_of_a_path_that_exists_says_why),
        ADAPTER_TEST(destroy_that_is_refused_leaves_the_adapter_as_it_was),
        ADAPTER_TEST(adapter_is_found_by_its_child),
        ADAPTER_TEST(adapter_is_found_by_a_controller_that_has_its_child),
        ADAPTER_TEST(parent_path_may_have_any_nodes),
        ADAPTER_TEST(failure_is_told_in_one_line),
        ADAPTER_TEST(failure_is_told_of_a_function_that_does_not_tell_its_place),
        ADAPTER_TEST(failure_too_long_for_a_line_is_cut_off),
        ADAPTER_TEST(failure_without_a_console_is_not_told),
    };

    return cmocka_run_group_tests_name("adapter", tests, NULL, NULL);
}
