/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A device that breaks its rings, asks for a reset or is pulled out: what the client sees, and how
 * the interface comes back.
 */
#include "snp_fixture.h"

#define RING_BUFFERS 256u
#define RESET_BOUND_US 5100000u

enum outcome {
    DEVICE_ERROR, /* the ring is broken and counted */
    WORKS,        /* nothing that the driver believes was touched */
};

/* Completions before the faulty ones are good: an id counts as not in flight, and an index as
 * running backwards, only by what came before. */
static const struct {
    enum fake_device_misbehaviour misbehaviour;
    enum outcome on_receive;
    unsigned good_receptions; /* then one is faulty */
    enum outcome on_transmit;
    unsigned good_transmissions; /* then all are faulty, until the ring is full */
} ring_faults[] = {
    {FAKE_USED_ID_OUT_OF_RANGE, DEVICE_ERROR, 1, DEVICE_ERROR, RING_BUFFERS - 1},
    {FAKE_USED_ID_MAX, DEVICE_ERROR, 1, DEVICE_ERROR, RING_BUFFERS - 1},
    {FAKE_USED_ID_NOT_IN_FLIGHT, DEVICE_ERROR, 1, DEVICE_ERROR, RING_BUFFERS - 1},
    {FAKE_USED_ID_TWICE, DEVICE_ERROR, 1, DEVICE_ERROR, RING_BUFFERS - 1},
    {FAKE_USED_LENGTH_BELOW_HEADER, DEVICE_ERROR, 1, WORKS, 0}, /* TX: any length is fine */
    {FAKE_USED_LENGTH_ABOVE_BUFFER, DEVICE_ERROR, 1, WORKS, 0},
    {FAKE_USED_LENGTH_MAX, DEVICE_ERROR, 1, WORKS, 0},
    {FAKE_USED_INDEX_JUMPS, DEVICE_ERROR, 1, DEVICE_ERROR, RING_BUFFERS - 1},
    {FAKE_USED_INDEX_RUNS_BACKWARDS, DEVICE_ERROR, 0, DEVICE_ERROR, 0},
    {FAKE_DESCRIPTORS_REWRITTEN, WORKS, 1, WORKS, RING_BUFFERS - 1},
};

static const enum fake_transport transports[] = {FAKE_MODERN, FAKE_LEGACY};

enum recovery { BY_RESET, BY_INITIALIZE, RECOVERIES };

static void forget_sent_frames(struct snp_fixture *fixture)
{
    while (fake_device_take_frame(fixture->device))
        ;
}

static void recover(struct snp_fixture *fixture, enum recovery recovery)
{
    forget_sent_frames(fixture);
    if (recovery == BY_RESET) {
        assert_success(snp_reset(fixture));
    } else {
        assert_success(snp_shutdown(fixture));
        assert_int_equal(0, count_mappings(fixture));
        assert_success(snp_initialize(fixture));
    }
    assert_traffic_flows(fixture);
}

static void assert_down(const struct snp_fixture *fixture, enum fake_device_misbehaviour which)
{
    uint8_t buffer[FRAME_MAX_BYTES] = {0};
    UINTN bytes = sizeof(buffer);

    for (unsigned i = 0; i < 3; i++) {
        if (receive(fixture, buffer, &bytes) != EFI_DEVICE_ERROR ||
            transmit(fixture, buffer, FRAME_MIN_BYTES) != EFI_DEVICE_ERROR)
            fail_msg("%s: a method does not answer DEVICE_ERROR", fake_misbehaviour_name(which));
    }
    assert_true(is_zero(buffer, sizeof(buffer)));
    assert_int_equal(sizeof(buffer), bytes);
    assert_int_equal(EfiSimpleNetworkInitialized, fixture->mode->State);
    assert_int_equal(1, fixture->snp->net.counters.ring_errors);
}

/* Receive until nothing is left to receive. */
static EFI_STATUS drain(const struct snp_fixture *fixture)
{
    EFI_STATUS status = EFI_SUCCESS;

    for (unsigned i = 0; i < RING_BUFFERS && !EFI_ERROR(status); i++)
        status = receive_any(fixture);
    return status;
}

static void check_receive_fault(size_t fault, enum fake_transport transport, enum recovery recovery)
{
    enum fake_device_misbehaviour which = ring_faults[fault].misbehaviour;
    struct fake_device_options options = {.transport = transport};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    for (unsigned i = 0; i < ring_faults[fault].good_receptions; i++)
        assert_true(deliver(fixture, 100, 0));
    fake_device_misbehave(fixture->device, which);
    assert_true(deliver(fixture, 100, 1));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);

    if (ring_faults[fault].on_receive == WORKS) {
        assert_receives(fixture, 100, 0);
        assert_receives(fixture, 100, 1);
    } else {
        if (drain(fixture) != EFI_DEVICE_ERROR)
            fail_msg("%s on receive goes unnoticed", fake_misbehaviour_name(which));
        assert_down(fixture, which);
    }
    recover(fixture, recovery);
    snp_fixture_free(fixture);
}

/* holds: virtio.broken.recovery */
static void receive_ring_that_is_broken_answers_device_error_until_recovery(void **state)
{
    (void)state;
    for (size_t fault = 0; fault < ARRAY_LENGTH(ring_faults); fault++)
        for (size_t i = 0; i < ARRAY_LENGTH(transports); i++)
            for (enum recovery recovery = BY_RESET; recovery < RECOVERIES; recovery++)
                check_receive_fault(fault, transports[i], recovery);
}

/* The driver looks at the ring when it has no free slot left. */
static void check_transmit_fault(size_t fault, enum fake_transport transport,
                                 enum recovery recovery)
{
    enum fake_device_misbehaviour which = ring_faults[fault].misbehaviour;
    struct fake_device_options options = {.transport = transport,
                                          .features = VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    for (unsigned i = 0; i < RING_BUFFERS; i++) {
        if (i == ring_faults[fault].good_transmissions)
            fake_device_misbehave(fixture->device, which);
        assert_success(transmit_any(fixture, i));
    }
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);

    if (ring_faults[fault].on_transmit == WORKS) {
        assert_success(transmit_any(fixture, 1));
    } else {
        if (transmit_any(fixture, 1) != EFI_DEVICE_ERROR)
            fail_msg("%s on transmit goes unnoticed", fake_misbehaviour_name(which));
        assert_down(fixture, which);
    }
    recover(fixture, recovery);
    snp_fixture_free(fixture);
}

/* holds: virtio.broken.recovery */
static void transmit_ring_that_is_broken_answers_device_error_until_recovery(void **state)
{
    (void)state;
    for (size_t fault = 0; fault < ARRAY_LENGTH(ring_faults); fault++)
        for (size_t i = 0; i < ARRAY_LENGTH(transports); i++)
            for (enum recovery recovery = BY_RESET; recovery < RECOVERIES; recovery++)
                check_transmit_fault(fault, transports[i], recovery);
}

static void broken_ring_makes_no_further_device_access(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_USED_ID_OUT_OF_RANGE);
    assert_true(deliver(fixture, 100, 1));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    fake_device_clear_access_counts(fixture->device);
    pass_link_interval(fixture);
    (void)collect(fixture);
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    assert_status(EFI_DEVICE_ERROR, transmit_any(fixture, 0));
    assert_int_equal(0, fake_device_access_count(fixture->device));
}

static void broken_ring_does_not_signal_wait_for_packet(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_USED_ID_OUT_OF_RANGE);
    assert_true(deliver(fixture, 100, 1));
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
}

/* holds: virtio.broken.counted */
static void second_fault_is_counted_after_recovery(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 1; i <= 3; i++) {
        fake_device_misbehave(fixture->device, FAKE_USED_ID_OUT_OF_RANGE);
        assert_true(deliver(fixture, 100, 1));
        assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
        assert_int_equal(i, fixture->snp->net.counters.ring_errors);
        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        assert_success(snp_reset(fixture));
    }
}

/* holds: virtio.needs_reset.recovery */
static void device_that_needs_a_reset_answers_device_error_until_recovery(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        for (enum recovery recovery = BY_RESET; recovery < RECOVERIES; recovery++) {
            struct fake_device_options options = {.transport = transports[i]};
            struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

            fake_device_need_reset(fixture->device);
            pass_link_interval(fixture);
            (void)collect(fixture);
            assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
            assert_status(EFI_DEVICE_ERROR, transmit_any(fixture, 0));
            assert_int_equal(0, fixture->snp->net.counters.ring_errors);
            recover(fixture, recovery);
            snp_fixture_free(fixture);
        }
    }
}

/* By then everybody knows: the status is read every 100 ms. */
static void assert_down_without_media(struct snp_fixture *fixture)
{
    pass_link_interval(fixture);
    for (unsigned i = 0; i < 1000; i++)
        assert_status(EFI_DEVICE_ERROR, transmit_any(fixture, i));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    assert_false(fixture->mode->MediaPresent);
}

static void device_that_others_reset_is_down_without_media_within_one_interval(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

        assert_true(fixture->mode->MediaPresent);
        fake_device_reset_by_others(fixture->device);
        assert_down_without_media(fixture);
        assert_success(snp_reset(fixture));
        assert_true(fixture->mode->MediaPresent);
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

static void device_that_is_gone_is_down_without_media_within_one_interval(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

        fake_device_unplug(fixture->device);
        assert_down_without_media(fixture);
        snp_fixture_free(fixture);
    }
}

static void broken_ring_takes_the_media_away_within_one_interval(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_USED_ID_OUT_OF_RANGE);
    assert_true(deliver(fixture, 100, 1));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    assert_down_without_media(fixture);
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(snp_reset(fixture));
    assert_true(fixture->mode->MediaPresent);
}

static void device_that_does_not_come_back_from_reset_has_no_media(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    assert_status(EFI_DEVICE_ERROR, snp_reset(fixture));
    assert_down_without_media(fixture);
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(snp_reset(fixture));
    assert_true(fixture->mode->MediaPresent);
}

/* holds: snp.all.bounded */
static void pulled_out_device_answers_device_error_in_bounded_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);
        uint64_t start;

        fake_device_unplug(fixture->device);
        pass_link_interval(fixture);
        (void)collect(fixture);
        assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
        assert_status(EFI_DEVICE_ERROR, transmit_any(fixture, 0));

        start = fake_firmware_now_us(fixture->firmware);
        assert_status(EFI_DEVICE_ERROR, snp_reset(fixture));
        assert_success(snp_shutdown(fixture));
        assert_true(fake_firmware_now_us(fixture->firmware) - start <= RESET_BOUND_US);
        assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);
        assert_int_equal(0, count_mappings(fixture));
        assert_true(EFI_ERROR(snp_initialize(fixture)));
        assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);

        fake_device_misbehave(fixture->device, FAKE_BEHAVES); /* and put back */
        assert_success(snp_initialize(fixture));
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

static bool can_access_memory(struct snp_fixture *fixture)
{
    return fake_device_pci(fixture->device)->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER;
}

static void device_that_never_confirms_a_reset_is_cut_off_from_memory(void **state)
{
    struct snp_fixture *fixture = *state;
    uint64_t start = fake_firmware_now_us(fixture->firmware);

    assert_true(can_access_memory(fixture));
    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    assert_success(snp_shutdown(fixture));
    assert_false(can_access_memory(fixture));
    assert_int_equal(0, count_mappings(fixture));
    assert_true(fake_firmware_now_us(fixture->firmware) - start <= RESET_BOUND_US);

    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(snp_initialize(fixture));
    assert_traffic_flows(fixture);
}

static void device_that_never_confirms_a_reset_fails_initialize(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);

    (void)state;
    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    assert_status(EFI_DEVICE_ERROR, snp_initialize(fixture));
    assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);
    assert_false(can_access_memory(fixture));
    snp_fixture_free(fixture);
}

static void device_that_takes_its_time_to_reset_is_waited_for(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_delay_reset(fixture->device, 1000);
    assert_success(snp_reset(fixture));
    assert_traffic_flows(fixture);
}

/* A platform between driver and device that loses doorbells. */
static EFI_PCI_IO_PROTOCOL_IO_MEM real_write;
static bool loses_doorbells;

static EFI_STATUS EFIAPI write_or_lose(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                       UINT8 bar, UINT64 offset, UINTN count, VOID *buffer)
{
    return loses_doorbells ? EFI_SUCCESS : real_write(this, width, bar, offset, count, buffer);
}

static struct snp_fixture *lossy_fixture_new(void)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);
    EFI_PCI_IO_PROTOCOL *pci_io = &fake_device_pci(fixture->device)->protocol;

    loses_doorbells = false;
    real_write = pci_io->Mem.Write;
    pci_io->Mem.Write = write_or_lose;
    assert_success(snp_initialize(fixture));
    return fixture;
}

static void ask_get_status(const struct snp_fixture *fixture)
{
    (void)collect(fixture);
}

static void ask_receive(const struct snp_fixture *fixture)
{
    assert_status(EFI_NOT_READY, receive_any(fixture));
}

static void lost_doorbell_for_a_frame_to_send_is_made_up_for(void **state)
{
    void (*const asks[])(const struct snp_fixture *fixture) = {ask_get_status, ask_receive};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(asks); i++) {
        struct snp_fixture *fixture = lossy_fixture_new();

        loses_doorbells = true;
        assert_success(transmit_any(fixture, 1));
        loses_doorbells = false;
        pass_link_interval(fixture);
        asks[i](fixture);
        assert_sent(fixture, FRAME_MIN_BYTES, 1);
        snp_fixture_free(fixture);
    }
}

static void lost_doorbells_that_filled_the_ring_are_made_up_for_by_transmit_itself(void **state)
{
    struct snp_fixture *fixture = lossy_fixture_new();

    (void)state;
    loses_doorbells = true;
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_success(transmit_any(fixture, i));
    loses_doorbells = false;
    pass_link_interval(fixture);
    assert_success(transmit_any(fixture, RING_BUFFERS));
    for (unsigned i = 0; i <= RING_BUFFERS; i++)
        assert_sent(fixture, FRAME_MIN_BYTES, i);
    snp_fixture_free(fixture);
}

static void lost_doorbell_for_receive_buffers_is_made_up_for(void **state)
{
    struct snp_fixture *fixture = lossy_fixture_new();

    (void)state;
    while (deliver(fixture, 100, 0))
        ;
    loses_doorbells = true;
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_success(receive_any(fixture));
    loses_doorbells = false;
    pass_link_interval(fixture);
    ask_receive(fixture);
    assert_true(deliver(fixture, 100, 1));
    assert_receives(fixture, 100, 1);
    snp_fixture_free(fixture);
}

static void no_doorbell_is_made_up_that_was_not_lost(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned rings;

    while (deliver(fixture, 100, 0))
        ;
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_success(receive_any(fixture));
    assert_success(transmit_any(fixture, 1));
    pass_link_interval(fixture);
    (void)collect(fixture); /* the first may */

    rings = fake_device_notification_count(fixture->device, RX) +
            fake_device_notification_count(fixture->device, TX);
    for (unsigned i = 0; i < 10; i++) {
        pass_link_interval(fixture);
        (void)collect(fixture);
    }
    assert_int_equal(rings, fake_device_notification_count(fixture->device, RX) +
                                fake_device_notification_count(fixture->device, TX));
}

static void no_doorbell_is_made_up_for_a_ring_of_before_a_reset(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned rings;

    while (deliver(fixture, 100, 0))
        ;
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_success(receive_any(fixture));
    assert_success(snp_reset(fixture));
    rings = fake_device_notification_count(fixture->device, RX);
    pass_link_interval(fixture);
    (void)collect(fixture);
    assert_int_equal(rings, fake_device_notification_count(fixture->device, RX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receive_ring_that_is_broken_answers_device_error_until_recovery),
        cmocka_unit_test(transmit_ring_that_is_broken_answers_device_error_until_recovery),
        SNP_TEST(broken_ring_makes_no_further_device_access),
        SNP_TEST(broken_ring_does_not_signal_wait_for_packet),
        SNP_TEST(second_fault_is_counted_after_recovery),
        cmocka_unit_test(device_that_needs_a_reset_answers_device_error_until_recovery),
        cmocka_unit_test(pulled_out_device_answers_device_error_in_bounded_time),
        cmocka_unit_test(device_that_others_reset_is_down_without_media_within_one_interval),
        cmocka_unit_test(device_that_is_gone_is_down_without_media_within_one_interval),
        SNP_TEST(broken_ring_takes_the_media_away_within_one_interval),
        SNP_TEST(device_that_does_not_come_back_from_reset_has_no_media),
        SNP_TEST(device_that_never_confirms_a_reset_is_cut_off_from_memory),
        cmocka_unit_test(device_that_never_confirms_a_reset_fails_initialize),
        SNP_TEST(device_that_takes_its_time_to_reset_is_waited_for),
        cmocka_unit_test(lost_doorbell_for_a_frame_to_send_is_made_up_for),
        cmocka_unit_test(lost_doorbells_that_filled_the_ring_are_made_up_for_by_transmit_itself),
        cmocka_unit_test(lost_doorbell_for_receive_buffers_is_made_up_for),
        SNP_TEST(no_doorbell_is_made_up_that_was_not_lost),
        SNP_TEST(no_doorbell_is_made_up_for_a_ring_of_before_a_reset),
    };

    return cmocka_run_group_tests_name("snp_faults", tests, NULL, NULL);
}
