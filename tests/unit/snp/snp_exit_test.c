/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * ExitBootServices: the device stops, nothing is allocated, freed or unmapped (the fake firmware
 * reports that), and from then on no method touches anything.
 */
#include "snp_fixture.h"

#define RESET_BOUND_US 600000u

static const EFI_SIMPLE_NETWORK_STATE states[] = {EfiSimpleNetworkStopped, EfiSimpleNetworkStarted,
                                                  EfiSimpleNetworkInitialized};

/* The services that snp_fixture_free needs are gone. */
static void end_after_exit(struct snp_fixture *fixture)
{
    fake_fixture_fini(&fixture->fake);
    free(fixture->snp);
    free(fixture);
}

/* holds: snp.exit.quiet */
static void exit_resets_the_device(void **state)
{
    const enum fake_transport transports[] = {FAKE_MODERN, FAKE_TRANSITIONAL, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);
        unsigned mappings = count_mappings(fixture);

        assert_traffic_flows(fixture);
        fake_firmware_exit_boot_services(fixture->firmware);
        assert_int_equal(0, fake_device_status(fixture->device));
        assert_int_equal(mappings, count_mappings(fixture));
        end_after_exit(fixture);
    }
}

static void exit_while_not_initialized_touches_no_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, states[i]);

        fake_device_clear_access_counts(fixture->device);
        fake_firmware_exit_boot_services(fixture->firmware);
        assert_int_equal(0, fake_pci_access_count(fake_device_pci(fixture->device)));
        end_after_exit(fixture);
    }
}

static void exit_after_shutdown_touches_no_device(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);

    (void)state;
    assert_success(snp_shutdown(fixture));
    fake_device_clear_access_counts(fixture->device);
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_int_equal(0, fake_pci_access_count(fake_device_pci(fixture->device)));
    end_after_exit(fixture);
}

/* Its queues are gone, but nothing else. */
static void exit_resets_a_device_that_was_shut_down_by_its_queues(void **state)
{
    const struct fake_device_options options = {.features =
                                                    FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    assert_success(snp_shutdown(fixture));
    assert_int_not_equal(0, fake_device_status(fixture->device));
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_int_equal(0, fake_device_status(fixture->device));
    end_after_exit(fixture);
}

/* holds: snp.exit.quiet */
static void exit_cuts_off_a_device_that_never_confirms_its_reset(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
    uint64_t start = fake_firmware_now_us(fixture->firmware);

    (void)state;
    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_true(fake_firmware_now_us(fixture->firmware) - start <= RESET_BOUND_US);
    assert_int_equal(0, fake_device_pci(fixture->device)->attributes &
                            EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
    end_after_exit(fixture);
}

/* holds: snp.exit.quiet */
static void exit_with_a_device_that_is_gone_takes_bounded_time(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
    uint64_t start = fake_firmware_now_us(fixture->firmware);

    (void)state;
    fake_device_unplug(fixture->device);
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_true(fake_firmware_now_us(fixture->firmware) - start <= RESET_BOUND_US);
    end_after_exit(fixture);
}

static void exit_with_a_broken_ring_resets_the_device(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_misbehave(fixture->device, FAKE_USED_ID_OUT_OF_RANGE);
    assert_true(deliver(fixture, 100, 1));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_int_equal(0, fake_device_status(fixture->device));
    end_after_exit(fixture);
}

/* What the methods answer to a client that is notified after the driver was. */
struct late_client {
    struct snp_fixture *fixture;
    bool was_called;
    unsigned accesses;
};

static void expect_device_error(EFI_STATUS status, const char *method)
{
    if (status != EFI_DEVICE_ERROR)
        fail_msg("%s answers %#llx after ExitBootServices", method, (unsigned long long)status);
}

static void call_every_method(EFI_SIMPLE_NETWORK_PROTOCOL *protocol)
{
    uint8_t buffer[FRAME_MAX_BYTES] = {0};
    EFI_IP_ADDRESS ip = {.v4.Addr = {224, 0, 0, 1}};
    EFI_MAC_ADDRESS mac = {.Addr = {0}};
    UINTN bytes = sizeof(buffer);
    VOID *returned = NULL;
    UINT32 status = 0;

    expect_device_error(protocol->Receive(protocol, NULL, &bytes, buffer, NULL, NULL, NULL),
                        "Receive");
    expect_device_error(protocol->Transmit(protocol, 0, FRAME_MIN_BYTES, buffer, NULL, NULL, NULL),
                        "Transmit");
    expect_device_error(protocol->GetStatus(protocol, &status, &returned), "GetStatus");
    expect_device_error(
        protocol->ReceiveFilters(protocol, EFI_SIMPLE_NETWORK_RECEIVE_UNICAST, 0, FALSE, 0, NULL),
        "ReceiveFilters");
    expect_device_error(protocol->StationAddress(protocol, TRUE, NULL), "StationAddress");
    expect_device_error(protocol->Statistics(protocol, TRUE, NULL, NULL), "Statistics");
    expect_device_error(protocol->MCastIpToMac(protocol, FALSE, &ip, &mac), "MCastIpToMac");
    expect_device_error(protocol->NvData(protocol, TRUE, 0, 1, buffer), "NvData");
    expect_device_error(protocol->Reset(protocol, FALSE), "Reset");
    expect_device_error(protocol->Shutdown(protocol), "Shutdown");
    expect_device_error(protocol->Stop(protocol), "Stop");
    expect_device_error(protocol->Initialize(protocol, 0, 0), "Initialize");
    assert_status(EFI_ALREADY_STARTED, protocol->Start(protocol));
}

static VOID EFIAPI on_exit_while_initialized(EFI_EVENT event, VOID *context)
{
    struct late_client *client = context;
    struct snp_fixture *fixture = client->fixture;

    (void)event;
    fake_device_clear_access_counts(fixture->device);
    call_every_method(fixture->protocol);
    assert_int_equal(EfiSimpleNetworkInitialized, fixture->mode->State);
    client->accesses = fake_pci_access_count(fake_device_pci(fixture->device));
    client->was_called = true;
}

static void methods_answer_device_error_and_touch_nothing_after_exit(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
    struct late_client client = {.fixture = fixture};
    EFI_EVENT event;

    (void)state;
    assert_true(deliver(fixture, 100, 1));
    assert_success(BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_CALLBACK,
                                   on_exit_while_initialized, &client, &event));
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_true(client.was_called);
    assert_int_equal(0, client.accesses);
    end_after_exit(fixture);
}

static VOID EFIAPI on_exit_while_started(EFI_EVENT event, VOID *context)
{
    struct late_client *client = context;
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol = client->fixture->protocol;

    (void)event;
    assert_status(EFI_DEVICE_ERROR, protocol->Initialize(protocol, 0, 0));
    client->was_called = true;
}

static void nobody_can_initialize_after_exit(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);
    struct late_client client = {.fixture = fixture};
    EFI_EVENT event;

    (void)state;
    assert_success(BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_CALLBACK,
                                   on_exit_while_started, &client, &event));
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_true(client.was_called);
    assert_int_equal(0, fake_device_status(fixture->device));
    end_after_exit(fixture);
}

static VOID EFIAPI on_exit_while_shut_down(EFI_EVENT event, VOID *context)
{
    struct late_client *client = context;
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol = client->fixture->protocol;

    (void)event;
    assert_status(EFI_DEVICE_ERROR, protocol->Stop(protocol));
    assert_int_equal(EfiSimpleNetworkStarted, client->fixture->mode->State);
    client->was_called = true;
}

/* With RING_RESET its memory is kept over Shutdown. The fake reports a free after exit. */
/* holds: snp.exit.quiet */
static void stop_gives_no_memory_back_after_exit(void **state)
{
    const struct fake_device_options options = {.features =
                                                    FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);
    struct late_client client = {.fixture = fixture};
    unsigned mappings;
    EFI_EVENT event;

    (void)state;
    assert_success(snp_shutdown(fixture));
    mappings = count_mappings(fixture);
    assert_int_not_equal(0, mappings);
    assert_success(BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_CALLBACK,
                                   on_exit_while_shut_down, &client, &event));
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_true(client.was_called);
    assert_int_equal(mappings, count_mappings(fixture));
    end_after_exit(fixture);
}

static void exit_does_not_wait_for_seconds_as_others_do(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
    uint64_t start = fake_firmware_now_us(fixture->firmware);

    (void)state;
    fake_device_delay_reset(fixture->device, 1400); /* 4 s: Shutdown would wait */
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_true(fake_firmware_now_us(fixture->firmware) - start <= RESET_BOUND_US);
    assert_string_equal("", fake_firmware_console(fixture->firmware));
    end_after_exit(fixture);
}

static void fini_frees_everything_after_a_failed_exit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, states[i]);

        fake_firmware_fail_to_exit(fixture->firmware);
        snp_fixture_free(fixture); /* checks */
    }
}

static void fini_after_a_failed_exit_does_not_wait_for_the_device_again(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
    uint64_t start;

    (void)state;
    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    fake_firmware_fail_to_exit(fixture->firmware);
    start = fake_firmware_now_us(fixture->firmware);
    snp_fini(fixture->snp);
    assert_int_equal(start, fake_firmware_now_us(fixture->firmware));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    snp_fixture_free(fixture);
}

static void wait_for_packet_stays_silent_after_exit(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(deliver(fixture, 100, 1));
    fake_firmware_fail_to_exit(fixture->firmware);
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_resets_the_device),
        cmocka_unit_test(exit_while_not_initialized_touches_no_device),
        cmocka_unit_test(exit_after_shutdown_touches_no_device),
        cmocka_unit_test(exit_resets_a_device_that_was_shut_down_by_its_queues),
        cmocka_unit_test(exit_cuts_off_a_device_that_never_confirms_its_reset),
        cmocka_unit_test(exit_with_a_device_that_is_gone_takes_bounded_time),
        cmocka_unit_test(exit_with_a_broken_ring_resets_the_device),
        cmocka_unit_test(methods_answer_device_error_and_touch_nothing_after_exit),
        cmocka_unit_test(nobody_can_initialize_after_exit),
        cmocka_unit_test(stop_gives_no_memory_back_after_exit),
        cmocka_unit_test(exit_does_not_wait_for_seconds_as_others_do),
        cmocka_unit_test(fini_frees_everything_after_a_failed_exit),
        cmocka_unit_test(fini_after_a_failed_exit_does_not_wait_for_the_device_again),
        SNP_TEST(wait_for_packet_stays_silent_after_exit),
    };

    return cmocka_run_group_tests_name("snp_exit", tests, NULL, NULL);
}
