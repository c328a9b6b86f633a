/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The failure loop through the driver's life.
 */
#include "driver/takeover.h"
#include "driver_fixture.h"
#include "rival.h"

#define BENCH struct driver_fixture
#include "failures.h"

static struct driver_fixture *bench_new(const struct setting *setting)
{
    struct driver_fixture *fixture = driver_fixture_new(1, &setting->options);

    fake_firmware_baseline(fixture->firmware);
    return fixture;
}

static struct fake_firmware *bench_firmware(const struct driver_fixture *fixture)
{
    return fixture->firmware;
}

static void bench_free(struct driver_fixture *fixture)
{
    driver_fixture_free(fixture);
}

static bool can_access_memory(const struct driver_fixture *fixture)
{
    return fake_device_is_live(fixture->device) &&
           (fake_device_pci(fixture->device)->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
}

static void assert_no_dma(const struct driver_fixture *fixture)
{
    assert_false(can_access_memory(fixture));
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));
}

static void assert_not_bound(struct driver_fixture *fixture)
{
    assert_int_equal(0, child_count(fixture));
    assert_int_equal(0, count_opens(fixture, fixture->controller, UINT32_MAX));
    assert_no_dma(fixture);
    fake_firmware_assert_nothing_leaked(fixture->firmware);
}

static void assert_bound_and_working(struct driver_fixture *fixture)
{
    assert_int_equal(1, child_count(fixture));
    assert_int_equal(
        1, count_opens(fixture, fixture->controller, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    assert_traffic_flows(network(fixture), fixture->device);
}

static void prepare_nothing(struct driver_fixture *fixture)
{
    (void)fixture;
}

static void prepare_started(struct driver_fixture *fixture)
{
    assert_success(start(fixture, fixture->controller));
    assert_success(network(fixture)->Start(network(fixture)));
}

static void prepare_initialized(struct driver_fixture *fixture)
{
    prepare_started(fixture);
    assert_success(network(fixture)->Initialize(network(fixture), 0, 0));
}

static void prepare_link_question(struct driver_fixture *fixture)
{
    prepare_initialized(fixture);
    fake_firmware_advance_us(fixture->firmware, 100000);
}

static void prepare_uninstalled(struct driver_fixture *fixture)
{
    (void)fixture;
    assert_success(driver_binding_uninstall());
}

static EFI_STATUS run_install(struct driver_fixture *fixture)
{
    return driver_binding_install(fixture->image, &default_options);
}

static void check_not_installed(struct driver_fixture *fixture)
{
    assert_null(fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid));
}

static void check_installed(struct driver_fixture *fixture)
{
    assert_non_null(
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid));
}

static EFI_STATUS run_supported(struct driver_fixture *fixture)
{
    return supported(fixture, fixture->controller);
}

static EFI_STATUS run_start(struct driver_fixture *fixture)
{
    return start(fixture, fixture->controller);
}

static void check_start(struct driver_fixture *fixture)
{
    const uint8_t *mac = network(fixture)->Mode->PermanentAddress.Addr;

    bring_up(network(fixture));
    assert_bound_and_working(fixture);
    /* A MAC that could not be read is no reason to make one up. */
    if (fake_device_accepted_features(fixture->device) & VIRTIO_NET_F_MAC)
        assert_memory_equal(fake_device_mac(fixture->device), mac, 6);
}

static EFI_STATUS run_initialize(struct driver_fixture *fixture)
{
    return network(fixture)->Initialize(network(fixture), 0, 0);
}

static void check_still_started(struct driver_fixture *fixture)
{
    assert_int_equal(EfiSimpleNetworkStarted, network(fixture)->Mode->State);
    assert_int_equal(0, network(fixture)->Mode->ReceiveFilterSetting);
    assert_no_dma(fixture);
}

static EFI_STATUS run_reset(struct driver_fixture *fixture)
{
    return network(fixture)->Reset(network(fixture), FALSE);
}

static void check_still_initialized(struct driver_fixture *fixture)
{
    UINTN bytes = 0;
    uint8_t buffer[1];

    assert_int_equal(EfiSimpleNetworkInitialized, network(fixture)->Mode->State);
    assert_no_dma(fixture);
    assert_status(EFI_DEVICE_ERROR, network(fixture)->Receive(network(fixture), NULL, &bytes,
                                                              buffer, NULL, NULL, NULL));
}

/* An access that fails here costs the device its trust, not the client its answer. */
static EFI_STATUS run_get_status(struct driver_fixture *fixture)
{
    UINT32 interrupts;

    return network(fixture)->GetStatus(network(fixture), &interrupts, NULL);
}

static void check_get_status(struct driver_fixture *fixture)
{
    assert_int_equal(EfiSimpleNetworkInitialized, network(fixture)->Mode->State);
    assert_success(run_reset(fixture));
    assert_bound_and_working(fixture);
}

/* A frame each way, with what only time calls for. A lost doorbell and a question that is not
 * answered may cost the frame; what is said of it is true. */
static EFI_STATUS run_traffic(struct driver_fixture *fixture)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol = network(fixture);
    uint8_t frame[FRAME_BYTES] = {0};
    uint8_t received[FRAME_BYTES];
    UINTN bytes = sizeof(received);
    EFI_STATUS status;

    memcpy(frame, protocol->Mode->CurrentAddress.Addr, 6);
    status = protocol->Transmit(protocol, 0, sizeof(frame), frame, NULL, NULL, NULL);
    if (EFI_ERROR(status))
        return status;
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    status = BS->CheckEvent(protocol->WaitForPacket);
    if (!EFI_ERROR(status))
        status = protocol->Receive(protocol, NULL, &bytes, received, NULL, NULL, NULL);
    if (!EFI_ERROR(status))
        assert_memory_equal(frame, received, sizeof(frame));
    return status;
}

static void check_traffic(struct driver_fixture *fixture)
{
    assert_int_equal(EfiSimpleNetworkInitialized, network(fixture)->Mode->State);
    assert_success(run_reset(fixture));
    while (fake_device_take_frame(fixture->device))
        ;
    assert_bound_and_working(fixture);
}

static EFI_STATUS run_adapter_info(struct driver_fixture *fixture)
{
    EFI_ADAPTER_INFORMATION_PROTOCOL *info = adapter_info(fixture);
    EFI_GUID *types = NULL;
    UINTN count;
    EFI_STATUS status;

    status = info->GetSupportedTypes(info, &types, &count);
    if (EFI_ERROR(status))
        return status;
    assert_success(BS->FreePool(types));
    return ask_media_state(fixture);
}

static EFI_STATUS run_controller_name(struct driver_fixture *fixture)
{
    EFI_COMPONENT_NAME2_PROTOCOL *names =
        fake_firmware_interface(fixture->firmware, fixture->image, &component_name2_guid);
    CHAR8 language[] = "en";
    CHAR16 *name;

    return names->GetControllerName(names, fixture->controller, child_at(fixture, 0), language,
                                    &name);
}

/* The image is loaded while another driver has the NIC. */
static void prepare_rival(struct driver_fixture *fixture)
{
    static CHAR16 name[] = L"Rival";

    assert_success(driver_binding_uninstall());
    (void)fake_rival_new(fixture->firmware, name);
    assert_success(fake_firmware_connect(fixture->firmware, fixture->controller));
    fake_firmware_baseline(fixture->firmware);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/* For the end of the fixture, which expects our driver on the image and nobody on the NIC. */
static void remove_rival(struct driver_fixture *fixture)
{
    assert_success(unload_driver(fixture));
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->controller));
    assert_success(driver_binding_install(fixture->image, &default_options));
}

static EFI_STATUS run_load(struct driver_fixture *fixture)
{
    return efi_main(fixture->image, ST);
}

/* An image that cannot be installed is unloaded: the NIC is as it was. */
static void check_not_loaded(struct driver_fixture *fixture)
{
    check_not_installed(fixture);
    assert_int_equal(1, child_count(fixture));
    assert_int_equal(1, count_opens(fixture, fixture->controller, EFI_OPEN_PROTOCOL_BY_DRIVER));
    fake_firmware_assert_nothing_leaked(fixture->firmware);
}

/* One that is installed may have failed to take the NIC over: it is the rival's then, whole, and
 * comes over at the second try. Nobody's it is only where the firmware can connect nothing. */
static void check_loaded(struct driver_fixture *fixture)
{
    check_installed(fixture);
    if (child_count(fixture) == 0)
        assert_success(fake_firmware_connect(fixture->firmware, fixture->controller));
    assert_int_equal(1, child_count(fixture));
    assert_int_equal(1, count_opens(fixture, fixture->controller, EFI_OPEN_PROTOCOL_BY_DRIVER));
    takeover_run(fixture->image, &default_options);
    assert_true(driver_binding_holds(fixture->controller));
    bring_up(network(fixture));
    assert_bound_and_working(fixture);
    remove_rival(fixture);
}

static EFI_STATUS run_shutdown(struct driver_fixture *fixture)
{
    return network(fixture)->Shutdown(network(fixture));
}

static void check_shutdown(struct driver_fixture *fixture)
{
    check_still_started(fixture);
    assert_success(run_initialize(fixture));
    assert_bound_and_working(fixture);
}

/* A doorbell that is lost costs a command its answer, and the control queue its use until the next
 * reset; frames flow on. */
static void check_command_failed(struct driver_fixture *fixture)
{
    assert_bound_and_working(fixture);
    assert_success(run_reset(fixture));
}

static EFI_MAC_ADDRESS station = {.Addr = {0x02, 1, 2, 3, 4, 5}};

static EFI_STATUS run_station_address(struct driver_fixture *fixture)
{
    return network(fixture)->StationAddress(network(fixture), FALSE, &station);
}

static void check_old_station(struct driver_fixture *fixture)
{
    const EFI_SIMPLE_NETWORK_MODE *mode = network(fixture)->Mode;

    assert_memory_equal(&mode->PermanentAddress, &mode->CurrentAddress, sizeof(station));
    check_command_failed(fixture);
}

static void check_new_station(struct driver_fixture *fixture)
{
    assert_memory_equal(&station, &network(fixture)->Mode->CurrentAddress, sizeof(station));
    assert_bound_and_working(fixture);
}

static EFI_STATUS run_receive_filters(struct driver_fixture *fixture)
{
    return join_a_group(fixture);
}

static void check_receive_filters(struct driver_fixture *fixture)
{
    assert_int_equal(1, network(fixture)->Mode->MCastFilterCount);
    assert_bound_and_working(fixture);
}

static EFI_STATUS run_statistics(struct driver_fixture *fixture)
{
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    return network(fixture)->Statistics(network(fixture), TRUE, &bytes, &table);
}

static EFI_STATUS run_diagnostic_test(struct driver_fixture *fixture,
                                      EFI_DRIVER_DIAGNOSTIC_TYPE type)
{
    CHAR16 *report;
    EFI_STATUS status = run_diagnostics(fixture, type, &report);

    if (report)
        assert_success(BS->FreePool(report));
    return status;
}

static EFI_STATUS run_standard_test(struct driver_fixture *fixture)
{
    return run_diagnostic_test(fixture, EfiDriverDiagnosticTypeStandard);
}

static EFI_STATUS run_extended_test(struct driver_fixture *fixture)
{
    return run_diagnostic_test(fixture, EfiDriverDiagnosticTypeExtended);
}

static void check_extended_test(struct driver_fixture *fixture)
{
    assert_success(run_reset(fixture)); /* forget the frames of the test */
    while (fake_device_take_frame(fixture->device))
        ;
    assert_bound_and_working(fixture);
}

/* A test that failed on the way may have left the device halted, never half alive. */
static void check_extended_test_failed(struct driver_fixture *fixture)
{
    assert_int_equal(EfiSimpleNetworkInitialized, network(fixture)->Mode->State);
    check_extended_test(fixture);
}

static void check_extended_test_failed_while_started(struct driver_fixture *fixture)
{
    assert_int_equal(EfiSimpleNetworkStarted, network(fixture)->Mode->State);
    assert_no_dma(fixture);
}

static void check_extended_test_while_started(struct driver_fixture *fixture)
{
    check_extended_test_failed_while_started(fixture);
    while (fake_device_take_frame(fixture->device))
        ;
    assert_success(run_initialize(fixture));
    assert_bound_and_working(fixture);
}

static EFI_STATUS run_stop(struct driver_fixture *fixture)
{
    return fake_firmware_disconnect(fixture->firmware, fixture->controller);
}

/* The child may be gone already; what is there is whole. */
static void check_stop_refused(struct driver_fixture *fixture)
{
    assert_int_equal(1, count_opens(fixture, fixture->controller, EFI_OPEN_PROTOCOL_BY_DRIVER));
    if (child_count(fixture) > 0)
        assert_bound_and_working(fixture);
    else
        assert_no_dma(fixture);
}

static EFI_STATUS run_unload(struct driver_fixture *fixture)
{
    return unload_driver(fixture);
}

static void check_unload_refused(struct driver_fixture *fixture)
{
    check_installed(fixture);
    if (child_count(fixture) > 0)
        assert_bound_and_working(fixture);
}

static void check_unload(struct driver_fixture *fixture)
{
    assert_null(fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid));
    assert_not_bound(fixture);
    assert_success(
        driver_binding_install(fixture->image, &default_options)); /* for the end of the fixture */
}

static const struct operation operations[] = {
    {"load", prepare_rival, run_load, check_not_loaded, check_loaded, false},
    {"install", prepare_uninstalled, run_install, check_not_installed, check_installed, false},
    {"Supported", prepare_nothing, run_supported, assert_not_bound, assert_not_bound, false},
    {"Start", prepare_nothing, run_start, assert_not_bound, check_start, false},
    {"Initialize", prepare_started, run_initialize, check_still_started, assert_bound_and_working,
     false},
    {"Reset", prepare_initialized, run_reset, check_still_initialized, assert_bound_and_working,
     false},
    {"GetStatus", prepare_link_question, run_get_status, check_get_status, check_get_status, false},
    {"traffic", prepare_link_question, run_traffic, check_traffic, check_traffic, false},
    {"ReceiveFilters", prepare_initialized, run_receive_filters, check_command_failed,
     check_receive_filters, false},
    {"StationAddress", prepare_initialized, run_station_address, check_old_station,
     check_new_station, false},
    {"Statistics", prepare_initialized, run_statistics, assert_bound_and_working,
     assert_bound_and_working, false},
    {"adapter information", prepare_link_question, run_adapter_info, check_traffic, check_traffic,
     false},
    {"the controller's name", prepare_initialized, run_controller_name, assert_bound_and_working,
     assert_bound_and_working, false},
    {"standard test", prepare_initialized, run_standard_test, assert_bound_and_working,
     assert_bound_and_working, false},
    {"extended test", prepare_initialized, run_extended_test, check_extended_test_failed,
     check_extended_test, false},
    {"extended test while started", prepare_started, run_extended_test,
     check_extended_test_failed_while_started, check_extended_test_while_started, false},
    {"Shutdown", prepare_initialized, run_shutdown, check_shutdown, check_shutdown, false},
    {"Stop", prepare_initialized, run_stop, check_stop_refused, assert_not_bound, false},
    {"Unload", prepare_initialized, run_unload, check_unload_refused, check_unload, false},
};

static const struct setting settings[] = {
    {"modern, without PciIo", {.transport = FAKE_MODERN}, FAKE_CALL_ALL & ~FAKE_CALL_PCI, false},
    {"modern, without anything", {.transport = FAKE_MODERN}, FAKE_CALL_ALL & ~FAKE_CALL_PCI, true},
    {"modern", {.transport = FAKE_MODERN}, FAKE_CALL_ALL, false},
    {"modern without MAC",
     {.transport = FAKE_MODERN, .removed_features = VIRTIO_NET_F_MAC},
     FAKE_CALL_ALL,
     false},
    {"modern with an MTU that is of no use",
     {.transport = FAKE_MODERN, .mtu = 67},
     FAKE_CALL_ALL,
     false},
    {"modern, through configuration space",
     {.transport = FAKE_MODERN, .modern_bar_way = FAKE_BAR_REFUSED},
     FAKE_CALL_ALL,
     false},
    {"modern, doorbells through configuration space",
     {.transport = FAKE_MODERN, .notify_in_own_bar = true, .notify_bar_way = FAKE_BAR_FAILS},
     FAKE_CALL_ALL,
     false},
    {"legacy, without PciIo", {.transport = FAKE_LEGACY}, FAKE_CALL_ALL & ~FAKE_CALL_PCI, false},
    {"legacy", {.transport = FAKE_LEGACY}, FAKE_CALL_ALL, false},
};

static void operation_survives_the_failure_of_each_call(void **state)
{
    fail_each_call(*state);
}

int main(void)
{
    return run_failure_loops("failures", operations, ARRAY_LENGTH(operations), settings,
                             ARRAY_LENGTH(settings), operation_survives_the_failure_of_each_call);
}
