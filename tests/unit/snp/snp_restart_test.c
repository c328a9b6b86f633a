/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Shutdown and Initialize over a device with RING_RESET: the queues alone are reset, and SNP's
 * promises hold all the same. Whatever does not go as it should ends in a reset of the device.
 */
#include "snp_fixture.h"

#define CYCLES 1000u
#define STATUS_LIVE 0x0fu
#define RESET_TIMEOUT_US 500000u
#define CALLS_MAX 1000u

/* Registers that Shutdown and Initialize access, doorbells included: docs/ARCHITECTURE.md. */
#define RESTART_ACCESSES 57u
#define RESTART_ACCESSES_BY_DEVICE_RESET 76u

static const struct fake_device_options with_ring_reset = {
    .transport = FAKE_MODERN,
    .features = FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET,
};

static struct snp_fixture *fixture_new(void)
{
    return snp_fixture_new(&with_ring_reset, EfiSimpleNetworkInitialized);
}

static int setup(void **state)
{
    *state = fixture_new();
    return 0;
}

static unsigned enabled_queues(const struct snp_fixture *fixture)
{
    unsigned count = 0;

    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        count += fake_device_queue_size(fixture->device, i) > 0;
    return count;
}

static void assert_parked(const struct snp_fixture *fixture)
{
    assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);
    assert_int_equal(STATUS_LIVE, fake_device_status(fixture->device));
    assert_int_equal(0, enabled_queues(fixture));
}

static void assert_halted(const struct snp_fixture *fixture)
{
    assert_int_equal(0, fake_device_status(fixture->device));
    assert_int_equal(0, count_mappings(fixture));
}

/* holds: snp.shutdown.quiet */
static void shutdown_resets_the_queues_alone(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);
    unsigned mappings = count_mappings(fixture);

    assert_success(snp_shutdown(fixture));
    assert_parked(fixture);
    assert_int_equal(3, fake_device_queue_reset_count(fixture->device));
    assert_int_equal(resets, fake_device_reset_count(fixture->device));
    assert_int_equal(mappings, count_mappings(fixture));
    assert_false(deliver(fixture, 100, 0));
    assert_status(EFI_DEVICE_ERROR, transmit_any(fixture, 0));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
}

/* holds: snp.initialize.again */
static void initialize_goes_on_without_a_reset_or_an_allocation(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);

    assert_success(snp_shutdown(fixture));
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY);
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_success(snp_initialize(fixture));
    assert_false(fake_firmware_has_failed(fixture->firmware));
    fake_firmware_fail_nth(fixture->firmware, 0);
    assert_int_equal(resets, fake_device_reset_count(fixture->device));
    assert_int_equal(3, enabled_queues(fixture));
    assert_traffic_flows(fixture);
}

/* holds: virtio.ring_reset.empty */
static void a_thousand_cycles_under_traffic_leak_nothing(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);
    unsigned mappings = count_mappings(fixture);

    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        for (unsigned i = 0; i < cycle % 7; i++) {
            assert_true(deliver(fixture, 100, i)); /* and left there */
            assert_success(transmit_any(fixture, i));
            assert_sent(fixture, FRAME_MIN_BYTES, i);
        }
        assert_success(snp_shutdown(fixture));
        assert_success(snp_initialize(fixture));
        assert_null(collect(fixture));
        assert_int_equal(0, interrupts(fixture));
        assert_status(EFI_NOT_READY, receive_any(fixture));
        assert_traffic_flows(fixture);
    }
    assert_int_equal(mappings, count_mappings(fixture));
    assert_int_equal(resets, fake_device_reset_count(fixture->device));
}

/* holds: virtio.ring_reset.empty */
static void frames_under_way_are_lost_on_either_side(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_stall(fixture->device, true);
    for (unsigned i = 0; i < 100; i++)
        assert_success(transmit_any(fixture, i));
    assert_success(snp_shutdown(fixture));
    fake_device_stall(fixture->device, false);
    fake_device_process(fixture->device);
    assert_null(fake_device_take_frame(fixture->device));
    assert_success(snp_initialize(fixture));
    assert_null(collect(fixture));
    assert_traffic_flows(fixture);
}

/* holds: virtio.ring_reset.end */
static void queue_that_takes_its_time_is_waited_for(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);

    fake_device_delay_queue_reset(fixture->device, 1000);
    assert_success(snp_shutdown(fixture));
    assert_parked(fixture);
    assert_int_equal(resets, fake_device_reset_count(fixture->device));
    assert_success(snp_initialize(fixture));
    assert_traffic_flows(fixture);
}

/* holds: virtio.ring_reset.end */
static void queue_that_does_not_follow_costs_a_reset_of_the_device(void **state)
{
    static const enum fake_device_misbehaviour lies[] = {FAKE_QUEUE_RESET_NEVER_SETTLES,
                                                         FAKE_QUEUE_RESET_IGNORED};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lies); i++) {
        struct snp_fixture *fixture = fixture_new();
        uint64_t start_us = fake_firmware_now_us(fixture->firmware);

        fake_device_misbehave(fixture->device, lies[i]);
        assert_success(snp_shutdown(fixture));
        assert_halted(fixture);
        assert_between(fake_firmware_now_us(fixture->firmware) - start_us, 0,
                       RESET_TIMEOUT_US + 1000);
        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        assert_success(snp_initialize(fixture));
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

/* It goes on with a ring that is empty now. That shows, at the latest with the first frame, and
 * costs no memory but the ring. */
static void queue_that_only_pretends_breaks_its_ring(void **state)
{
    const struct fake_device_options options = {
        .transport = FAKE_MODERN,
        .features = VIRTIO_NET_F_MAC | VIRTIO_F_RING_RESET,
    };
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    assert_traffic_flows(fixture);
    fake_device_misbehave(fixture->device, FAKE_QUEUE_RESET_PRETENDED);
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    (void)deliver(fixture, 100, 1);
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(snp_reset(fixture));
    assert_traffic_flows(fixture);
    snp_fixture_free(fixture);
}

/* Its ring breaks in Initialize, which begins anew. */
static void control_queue_that_only_pretends_costs_a_reset(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);

    fake_device_misbehave(fixture->device, FAKE_QUEUE_RESET_PRETENDED);
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_true(fake_device_reset_count(fixture->device) > resets);
    assert_traffic_flows(fixture);
}

static void need_a_reset(const struct snp_fixture *fixture)
{
    fake_device_need_reset(fixture->device);
}

/* Somebody else was at the device. */
static void reset_behind_our_back(const struct snp_fixture *fixture)
{
    EFI_PCI_IO_PROTOCOL *pci_io = &fake_device_pci(fixture->device)->protocol;
    uint8_t status = 0;

    assert_success(pci_io->Mem.Write(pci_io, EfiPciIoWidthUint8, 4, 20, 1, &status));
    assert_success(pci_io->Mem.Read(pci_io, EfiPciIoWidthUint8, 4, 20, 1, &status));
}

/* holds: snp.initialize.again */
static void device_that_is_not_as_it_was_left_is_reset_by_initialize(void **state)
{
    void (*const changes[])(const struct snp_fixture *) = {need_a_reset, reset_behind_our_back};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        struct snp_fixture *fixture = fixture_new();
        unsigned resets;

        assert_success(snp_shutdown(fixture));
        assert_parked(fixture);
        changes[i](fixture);
        resets = fake_device_reset_count(fixture->device);
        assert_success(snp_initialize(fixture));
        assert_true(fake_device_reset_count(fixture->device) > resets);
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

static void break_the_receive_ring(const struct snp_fixture *fixture)
{
    fake_device_misbehave(fixture->device, FAKE_USED_ID_MAX);
    (void)deliver(fixture, 100, 0);
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
}

static void leave_a_command_unanswered(const struct snp_fixture *fixture)
{
    fake_device_fail_command(fixture->device, 1, FAKE_CONTROL_NEVER_ACKS);
    (void)fixture->protocol->ReceiveFilters(
        fixture->protocol, EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS, 0, FALSE, 0, NULL);
}

static void notice_the_need_for_a_reset(const struct snp_fixture *fixture)
{
    fake_device_need_reset(fixture->device);
    pass_link_interval(fixture);
    (void)interrupts(fixture);
}

static void device_that_is_not_well_is_reset_by_shutdown(void **state)
{
    void (*const faults[])(const struct snp_fixture *) = {
        break_the_receive_ring, leave_a_command_unanswered, notice_the_need_for_a_reset};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        struct snp_fixture *fixture = fixture_new();

        faults[i](fixture);
        assert_success(snp_shutdown(fixture));
        assert_halted(fixture);
        assert_success(snp_initialize(fixture));
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

static void initialize_tells_the_link_as_it_is_now(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    fake_device_set_link(fixture->device, false);
    assert_success(snp_initialize(fixture));
    assert_false(fixture->mode->MediaPresent);
    assert_success(snp_shutdown(fixture));
    fake_device_set_link(fixture->device, true);
    assert_success(snp_initialize(fixture));
    assert_true(fixture->mode->MediaPresent);
}

static void initialize_tells_the_speed_as_it_is_now(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    fixture->snp->net.speed_mbps = 0;
    assert_success(snp_initialize(fixture));
    assert_int_equal(1000, fixture->snp->net.speed_mbps);
}

static void announcement_that_came_meanwhile_is_acknowledged(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    fake_device_ask_for_announcement(fixture->device);
    assert_success(snp_initialize(fixture));
    pass_link_interval(fixture);
    (void)interrupts(fixture);
    assert_int_equal(1, fixture->snp->net.counters.announcements);
}

/* holds: snp.initialize.again */
static void filters_are_the_usual_ones_again(void **state)
{
    struct snp_fixture *fixture = *state;
    const uint8_t group[6] = {0x01, 0x00, 0x5e, 0, 0, 1};
    EFI_MAC_ADDRESS list = {.Addr = {0x01, 0x00, 0x5e, 0, 0, 1}};

    assert_success(
        fixture->protocol->ReceiveFilters(fixture->protocol, EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST,
                                          EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST, FALSE, 1, &list));
    assert_true(fake_device_lets_pass(fixture->device, group));
    assert_false(fake_device_lets_pass(fixture->device, broadcast_mac));
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_false(fake_device_lets_pass(fixture->device, group));
    assert_true(fake_device_lets_pass(fixture->device, broadcast_mac));
    assert_true(fake_device_lets_pass(fixture->device, fake_device_mac(fixture->device)));
}

/* Narrowed for the last time, a device that then refuses to be opened would hold frames back. */
static void filter_that_cannot_be_programmed_costs_a_reset(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);

    assert_success(snp_shutdown(fixture));
    fake_device_fail_command(fixture->device, 1, FAKE_CONTROL_REFUSES);
    assert_success(snp_initialize(fixture));
    assert_true(fake_device_reset_count(fixture->device) > resets);
    assert_true(fake_device_lets_pass(fixture->device, broadcast_mac));
    assert_traffic_flows(fixture);
}

/* holds: snp.initialize.again */
static void station_address_holds_on_the_device(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS station = {.Addr = {0x02, 1, 2, 3, 4, 5}};
    uint8_t permanent[6];

    memcpy(permanent, fake_device_mac(fixture->device), 6);
    assert_success(fixture->protocol->StationAddress(fixture->protocol, FALSE, &station));
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_memory_equal(station.Addr, fixture->mode->CurrentAddress.Addr, 6);
    assert_memory_equal(station.Addr, fake_device_mac(fixture->device), 6);
    assert_success(fixture->protocol->StationAddress(fixture->protocol, TRUE, NULL));
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_memory_equal(permanent, fixture->mode->CurrentAddress.Addr, 6);
    assert_memory_equal(permanent, fake_device_mac(fixture->device), 6);
    assert_traffic_flows(fixture);
}

/* The device holds an address that the interface has not: what a refusal in the middle of
 * StationAddress leaves when the way back is refused as well. */
static void address_that_only_the_device_has_is_corrected(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS station = {.Addr = {0x02, 1, 2, 3, 4, 5}};
    uint8_t permanent[6];

    memcpy(permanent, fake_device_mac(fixture->device), 6);
    assert_success(fixture->protocol->StationAddress(fixture->protocol, FALSE, &station));
    memcpy(fixture->snp->net.station_mac, permanent, 6);
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_memory_equal(permanent, fake_device_mac(fixture->device), 6);
}

static void stop_gives_everything_back(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    assert_parked(fixture);
    assert_success(fixture->protocol->Stop(fixture->protocol));
    assert_halted(fixture);
    assert_success(fixture->protocol->Start(fixture->protocol));
    assert_success(snp_initialize(fixture));
    assert_traffic_flows(fixture);
}

static void reset_still_resets_the_device(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned resets = fake_device_reset_count(fixture->device);

    assert_success(snp_reset(fixture));
    assert_true(fake_device_reset_count(fixture->device) > resets);
    assert_int_equal(0, fake_device_queue_reset_count(fixture->device));
    assert_traffic_flows(fixture);
}

static void initialize_that_fails_leaves_the_device_reset(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_EVENT);
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_status(EFI_OUT_OF_RESOURCES, snp_initialize(fixture));
    assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);
    assert_halted(fixture);
}

/* Each call fails once: then Shutdown does it the long way, or Initialize does, or, when it is the
 * timer's, the next Initialize works. */
static void each_failing_call_is_survived(void **state)
{
    bool has_failed = true;

    (void)state;
    for (unsigned nth = 1; has_failed; nth++) {
        struct snp_fixture *fixture = fixture_new();

        assert_between(nth, 1, CALLS_MAX);
        fake_firmware_fail_nth(fixture->firmware, nth);
        assert_success(snp_shutdown(fixture));
        assert_int_equal(0, enabled_queues(fixture));
        if (EFI_ERROR(snp_initialize(fixture))) {
            assert_halted(fixture);
            assert_success(snp_initialize(fixture));
        }
        has_failed = fake_firmware_has_failed(fixture->firmware);
        fake_firmware_fail_nth(fixture->firmware, 0);
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

static unsigned count_restart_accesses(uint64_t features)
{
    const struct fake_device_options options = {.transport = FAKE_MODERN, .features = features};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);
    unsigned accesses;

    fake_device_clear_access_counts(fixture->device);
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    accesses = fake_device_access_count(fixture->device);
    snp_fixture_free(fixture);
    return accesses;
}

static void restart_costs_what_the_documentation_says(void **state)
{
    (void)state;
    assert_int_equal(RESTART_ACCESSES_BY_DEVICE_RESET,
                     count_restart_accesses(FAKE_DEVICE_FEATURES));
    assert_int_equal(RESTART_ACCESSES,
                     count_restart_accesses(FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, snp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shutdown_resets_the_queues_alone),
        TEST(initialize_goes_on_without_a_reset_or_an_allocation),
        TEST(a_thousand_cycles_under_traffic_leak_nothing),
        TEST(frames_under_way_are_lost_on_either_side),
        TEST(queue_that_takes_its_time_is_waited_for),
        cmocka_unit_test(queue_that_does_not_follow_costs_a_reset_of_the_device),
        cmocka_unit_test(queue_that_only_pretends_breaks_its_ring),
        TEST(control_queue_that_only_pretends_costs_a_reset),
        cmocka_unit_test(device_that_is_not_as_it_was_left_is_reset_by_initialize),
        cmocka_unit_test(device_that_is_not_well_is_reset_by_shutdown),
        TEST(initialize_tells_the_link_as_it_is_now),
        TEST(initialize_tells_the_speed_as_it_is_now),
        TEST(announcement_that_came_meanwhile_is_acknowledged),
        TEST(filters_are_the_usual_ones_again),
        TEST(filter_that_cannot_be_programmed_costs_a_reset),
        TEST(station_address_holds_on_the_device),
        TEST(address_that_only_the_device_has_is_corrected),
        TEST(stop_gives_everything_back),
        TEST(reset_still_resets_the_device),
        TEST(initialize_that_fails_leaves_the_device_reset),
        cmocka_unit_test(each_failing_call_is_survived),
        cmocka_unit_test(restart_costs_what_the_documentation_says),
    };

    return cmocka_run_group_tests_name("SNP restart", tests, NULL, NULL);
}
