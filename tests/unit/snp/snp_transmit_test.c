/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Transmit: arguments, the media header, padding, a full ring, and what a frame costs.
 */
#include "snp_fixture.h"

#define RING_BUFFERS 256u

static const EFI_MAC_ADDRESS source = {.Addr = {0x02, 1, 2, 3, 4, 5}};
static const EFI_MAC_ADDRESS destination = {.Addr = {0x02, 9, 8, 7, 6, 5}};

/* UEFI's prototypes are not const; the driver must not write to any of these. */
static EFI_STATUS transmit_header(const struct snp_fixture *fixture, void *buffer, size_t bytes,
                                  const EFI_MAC_ADDRESS *from, const EFI_MAC_ADDRESS *to,
                                  UINT16 protocol)
{
    EFI_MAC_ADDRESS from_copy = from ? *from : (EFI_MAC_ADDRESS){0};
    EFI_MAC_ADDRESS to_copy = *to;

    return fixture->protocol->Transmit(fixture->protocol, FRAME_HEADER_BYTES, bytes, buffer,
                                       from ? &from_copy : NULL, &to_copy, &protocol);
}

/* holds: snp.transmit.header_size, snp.transmit.null, snp.transmit.too_small */
static void transmit_checks_its_arguments_in_order(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES + 1] = {0};
    EFI_MAC_ADDRESS mac = destination;
    UINT16 protocol = PROTOCOL_IPV4;
    const struct {
        UINTN header_bytes;
        UINTN buffer_bytes;
        VOID *buffer;
        EFI_MAC_ADDRESS *destination;
        UINT16 *protocol;
        EFI_STATUS status;
    } cases[] = {
        {1, 60, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {13, 60, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {15, 60, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {UINTPTR_MAX, 60, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {0, 60, NULL, &mac, &protocol, EFI_INVALID_PARAMETER},
        {14, 60, NULL, &mac, &protocol, EFI_INVALID_PARAMETER},
        {14, 60, buffer, NULL, &protocol, EFI_INVALID_PARAMETER},
        {14, 60, buffer, &mac, NULL, EFI_INVALID_PARAMETER},
        {0, 13, buffer, &mac, &protocol, EFI_BUFFER_TOO_SMALL},
        {14, 13, buffer, &mac, &protocol, EFI_BUFFER_TOO_SMALL},
        {0, 0, buffer, &mac, &protocol, EFI_BUFFER_TOO_SMALL},
        {0, 1515, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {14, 1515, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {0, UINTPTR_MAX, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        /* the header's size and the pointers come before the buffer's size */
        {13, 13, buffer, &mac, &protocol, EFI_INVALID_PARAMETER},
        {0, 13, NULL, &mac, &protocol, EFI_INVALID_PARAMETER},
        {14, 13, buffer, NULL, &protocol, EFI_INVALID_PARAMETER},
        {14, 13, buffer, &mac, NULL, EFI_INVALID_PARAMETER},
        /* what is just right */
        {0, 14, buffer, NULL, NULL, EFI_SUCCESS},
        {14, 14, buffer, &mac, &protocol, EFI_SUCCESS},
        {0, 1514, buffer, NULL, NULL, EFI_SUCCESS},
        {14, 1514, buffer, &mac, &protocol, EFI_SUCCESS},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        EFI_STATUS status = fixture->protocol->Transmit(
            fixture->protocol, cases[i].header_bytes, cases[i].buffer_bytes, cases[i].buffer, NULL,
            cases[i].destination, cases[i].protocol);

        if (status != cases[i].status)
            fail_msg("case %zu answers %#llx", i, (unsigned long long)status);
        if (!fake_device_take_frame(fixture->device) != EFI_ERROR(status))
            fail_msg("case %zu sends a frame, or does not", i);
    }
}

static void transmit_checks_arguments_before_it_looks_for_room(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_stall(fixture->device, true);
    while (!EFI_ERROR(transmit_any(fixture, 0)))
        ;
    assert_status(EFI_INVALID_PARAMETER, transmit(fixture, NULL, FRAME_MIN_BYTES));
    fake_device_stall(fixture->device, false);
}

/* holds: snp.transmit.protocol */
static void header_is_built_from_the_arguments(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[100];
    const struct fake_frame *sent;

    frame_write(buffer, sizeof(buffer), broadcast_mac, 7);
    assert_success(transmit_header(fixture, buffer, sizeof(buffer), &source, &destination, 0x86dd));

    sent = fake_device_take_frame(fixture->device);
    assert_non_null(sent);
    assert_int_equal(sizeof(buffer), sent->length);
    assert_memory_equal(destination.Addr, sent->data, 6);
    assert_memory_equal(source.Addr, sent->data + 6, 6);
    assert_int_equal(0x86, sent->data[12]); /* host order in, network order out */
    assert_int_equal(0xdd, sent->data[13]);
    frame_write(buffer, sizeof(buffer), broadcast_mac, 7);
    assert_memory_equal(buffer + 14, sent->data + 14, sizeof(buffer) - 14);
}

static void header_is_written_into_the_callers_buffer_alone(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[100];
    uint8_t expected[100];

    frame_write(buffer, sizeof(buffer), broadcast_mac, 7);
    memcpy(expected, buffer, sizeof(expected));
    memcpy(expected, destination.Addr, 6);
    memcpy(expected + 6, source.Addr, 6);
    assert_success(
        transmit_header(fixture, buffer, sizeof(buffer), &source, &destination, PROTOCOL_IPV4));
    assert_memory_equal(expected, buffer, sizeof(expected));
}

/* holds: snp.transmit.source */
static void header_without_source_has_the_station_address(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[60] = {0};
    const struct fake_frame *sent;

    assert_success(
        transmit_header(fixture, buffer, sizeof(buffer), NULL, &destination, PROTOCOL_IPV4));
    sent = fake_device_take_frame(fixture->device);
    assert_non_null(sent);
    assert_memory_equal(fixture->mode->CurrentAddress.Addr, sent->data + 6, 6);
}

/* holds: snp.transmit.complete */
static void complete_frame_is_sent_as_it_is(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES];

    frame_write(buffer, sizeof(buffer), peer_mac, 3);
    assert_success(transmit(fixture, buffer, sizeof(buffer)));
    assert_sent(fixture, sizeof(buffer), 3);
}

/* holds: snp.transmit.complete */
static void complete_frame_leaves_the_other_arguments_unread(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[60];
    void *nowhere = (void *)(uintptr_t)8;

    frame_write(buffer, sizeof(buffer), peer_mac, 3);
    assert_success(fixture->protocol->Transmit(fixture->protocol, 0, sizeof(buffer), buffer,
                                               nowhere, nowhere, nowhere));
    assert_sent(fixture, sizeof(buffer), 3);
}

/* holds: snp.transmit.padding */
static void every_length_arrives_whole_and_padded_with_zeros(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES];

    frame_write(buffer, sizeof(buffer), peer_mac, 0x99);
    for (size_t length = FRAME_HEADER_BYTES; length <= sizeof(buffer); length++) {
        const struct fake_frame *sent;

        assert_success(transmit(fixture, buffer, length));
        sent = fake_device_take_frame(fixture->device);
        assert_non_null(sent);
        assert_int_equal(length < FRAME_MIN_BYTES ? FRAME_MIN_BYTES : length, sent->length);
        assert_memory_equal(buffer, sent->data, length);
        assert_true(is_zero(sent->data + length, sent->length - length));
    }
}

/* holds: snp.transmit.padding */
static void short_frame_is_padded_with_zeros_in_a_slot_that_held_a_long_one(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES];

    memset(buffer, 0xee, sizeof(buffer));
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_success(transmit(fixture, buffer, sizeof(buffer)));
    while (fake_device_take_frame(fixture->device))
        ;
    for (unsigned i = 0; i < RING_BUFFERS; i++) {
        const struct fake_frame *sent;

        assert_success(transmit(fixture, buffer, 20));
        sent = fake_device_take_frame(fixture->device);
        assert_non_null(sent);
        assert_int_equal(FRAME_MIN_BYTES, sent->length);
        assert_memory_equal(buffer, sent->data, 20);
        assert_true(is_zero(sent->data + 20, FRAME_MIN_BYTES - 20));
    }
}

/* AddressSanitizer watches the bytes behind the allocation. */
static void short_frame_is_read_no_further_than_its_length(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t *buffer = malloc(FRAME_HEADER_BYTES);

    memset(buffer, 1, FRAME_HEADER_BYTES);
    assert_success(transmit(fixture, buffer, FRAME_HEADER_BYTES));
    free(buffer);
}

static void frame_is_copied_before_transmit_returns(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[100];

    fake_device_stall(fixture->device, true);
    frame_write(buffer, sizeof(buffer), peer_mac, 5);
    assert_success(transmit(fixture, buffer, sizeof(buffer)));
    memset(buffer, 0, sizeof(buffer));
    fake_device_stall(fixture->device, false);
    fake_device_process(fixture->device);
    assert_sent(fixture, sizeof(buffer), 5);
}

/* holds: snp.transmit.too_large */
static void max_packet_size_bounds_a_frame(void **state)
{
    const uint16_t mtus[] = {68, 576, 1500, 1501, 9000, 65535};
    static uint8_t buffer[FRAME_SPACE_BYTES];

    (void)state;
    frame_write(buffer, sizeof(buffer), peer_mac, 5);
    for (size_t i = 0; i < ARRAY_LENGTH(mtus); i++) {
        struct fake_device_options options = {.mtu = mtus[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);
        size_t longest = FRAME_HEADER_BYTES + (size_t)mtus[i];

        assert_int_equal(mtus[i], fixture->mode->MaxPacketSize);
        assert_status(EFI_INVALID_PARAMETER, transmit(fixture, buffer, longest + 1));
        assert_success(transmit(fixture, buffer, longest));
        assert_sent(fixture, longest, 5);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.transmit.full */
static void full_ring_is_not_ready_and_recovers(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned sent = 0;

    fake_device_stall(fixture->device, true);
    while (sent <= RING_BUFFERS && !EFI_ERROR(transmit_any(fixture, sent)))
        sent++;
    assert_int_equal(RING_BUFFERS, sent);
    assert_status(EFI_NOT_READY, transmit_any(fixture, sent));

    fake_device_stall(fixture->device, false);
    fake_device_process(fixture->device);
    assert_success(transmit_any(fixture, sent));
    for (unsigned i = 0; i <= RING_BUFFERS; i++)
        assert_sent(fixture, FRAME_MIN_BYTES, i);
}

static void frame_that_found_the_ring_full_gives_no_buffer_back(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t refused[FRAME_MIN_BYTES] = {0};

    fake_device_stall(fixture->device, true);
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_success(transmit_any(fixture, i));
    assert_status(EFI_NOT_READY, transmit(fixture, refused, sizeof(refused)));
    for (unsigned i = 0; i < RING_BUFFERS; i++)
        assert_ptr_not_equal(refused, collect(fixture));
    assert_null(collect(fixture));
    fake_device_stall(fixture->device, false);
}

static void device_may_complete_frames_out_of_order(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_complete_in_reverse(fixture->device, true);
    for (unsigned round = 0; round < 10; round++) {
        fake_device_stall(fixture->device, true);
        for (unsigned i = 0; i < RING_BUFFERS - 1; i++)
            assert_success(transmit_any(fixture, i));
        fake_device_stall(fixture->device, false);
        fake_device_process(fixture->device);
        for (unsigned i = 0; i < RING_BUFFERS - 1; i++)
            assert_sent(fixture, FRAME_MIN_BYTES, i);
    }
}

/* holds: snp.transmit.no_link */
static void frame_without_link_is_no_failure(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_set_link(fixture->device, false);
    pass_link_interval(fixture);
    (void)collect(fixture);
    assert_false(fixture->mode->MediaPresent);
    assert_success(transmit_any(fixture, 0));
}

static void frames_cost_no_firmware_call_but_the_doorbell(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_ALL);
    fake_firmware_fail_nth(fixture->firmware, 0);
    fake_device_clear_access_counts(fixture->device);
    for (unsigned i = 0; i < 2000; i++) {
        assert_success(transmit_any(fixture, i));
        assert_non_null(fake_device_take_frame(fixture->device));
    }
    assert_int_equal(fake_device_notification_count(fixture->device, TX),
                     fake_firmware_call_count(fixture->firmware));
    assert_int_equal(fake_device_notification_count(fixture->device, TX),
                     fake_device_access_count(fixture->device));
}

static void frame_costs_one_raise_of_the_tpl(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned before = fake_firmware_tpl_raise_count(fixture->firmware);

    assert_success(transmit_any(fixture, 0));
    assert_int_equal(before + 1, fake_firmware_tpl_raise_count(fixture->firmware));
}

/* holds: virtio.suppression.flags */
static void no_doorbell_rings_for_a_device_that_polls(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_F_EVENT_IDX};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_poll_rings(fixture->device, true);
    fake_device_clear_access_counts(fixture->device);
    for (uint32_t frame = 0; frame < 1000; frame++) {
        assert_success(transmit_any(fixture, frame));
        fake_device_process(fixture->device);
        assert_sent(fixture, FRAME_MIN_BYTES, frame);
    }
    assert_int_equal(0, fake_device_access_count(fixture->device));
    snp_fixture_free(fixture);
}

/* Moving avail_event may be a wish that came late, and is worth a doorbell; standing still is not.
 */
static void
doorbell_rings_at_most_once_for_each_avail_event_that_a_polling_device_sets(void **state)
{
    struct snp_fixture *fixture = *state;
    const unsigned rounds = 100;

    fake_device_poll_rings(fixture->device, true);
    for (unsigned round = 0; round < rounds; round++) {
        for (uint32_t frame = 0; frame < RING_BUFFERS; frame++)
            assert_success(transmit_any(fixture, frame));
        fake_device_process(fixture->device);
        for (uint32_t frame = 0; frame < RING_BUFFERS; frame++)
            assert_sent(fixture, FRAME_MIN_BYTES, frame);
    }
    assert_true(fake_device_notification_count(fixture->device, TX) <= rounds);
}

/* holds: virtio.suppression.event_idx */
static void doorbell_rings_exactly_when_avail_event_is_crossed(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_notify_after(fixture->device, TX, 4);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned before = fake_device_notification_count(fixture->device, TX);

        assert_success(transmit_any(fixture, i));
        assert_int_equal(before + (i % 5 == 4),
                         fake_device_notification_count(fixture->device, TX));
        while (fake_device_take_frame(fixture->device))
            ;
    }
    assert_int_equal(0, fake_device_needless_notification_count(fixture->device, TX));
}

static void doorbell_rings_for_each_frame_that_a_sleeping_device_waits_for(void **state)
{
    const uint64_t removed[] = {0, VIRTIO_F_EVENT_IDX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(removed); i++) {
        struct fake_device_options options = {.removed_features = removed[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

        for (uint32_t frame = 0; frame < 1000; frame++) {
            assert_success(transmit_any(fixture, frame));
            assert_sent(fixture, FRAME_MIN_BYTES, frame);
        }
        assert_int_equal(1000, fake_device_notification_count(fixture->device, TX));
        assert_int_equal(0, fake_device_needless_notification_count(fixture->device, TX));
        snp_fixture_free(fixture);
    }
}

static void no_frame_raises_an_interrupt(void **state)
{
    const uint64_t removed[] = {0, VIRTIO_F_EVENT_IDX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(removed); i++) {
        struct fake_device_options options = {.removed_features = removed[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

        for (uint32_t frame = 0; frame < 1000; frame++)
            assert_traffic_flows(fixture);
        assert_int_equal(0, fake_device_interrupt_count(fixture->device));
        snp_fixture_free(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNP_TEST(transmit_checks_its_arguments_in_order),
        SNP_TEST(transmit_checks_arguments_before_it_looks_for_room),
        SNP_TEST(header_is_built_from_the_arguments),
        SNP_TEST(header_is_written_into_the_callers_buffer_alone),
        SNP_TEST(header_without_source_has_the_station_address),
        SNP_TEST(complete_frame_is_sent_as_it_is),
        SNP_TEST(complete_frame_leaves_the_other_arguments_unread),
        SNP_TEST(every_length_arrives_whole_and_padded_with_zeros),
        SNP_TEST(short_frame_is_padded_with_zeros_in_a_slot_that_held_a_long_one),
        SNP_TEST(short_frame_is_read_no_further_than_its_length),
        SNP_TEST(frame_is_copied_before_transmit_returns),
        cmocka_unit_test(max_packet_size_bounds_a_frame),
        SNP_TEST(full_ring_is_not_ready_and_recovers),
        SNP_TEST(frame_that_found_the_ring_full_gives_no_buffer_back),
        SNP_TEST(device_may_complete_frames_out_of_order),
        SNP_TEST(frame_without_link_is_no_failure),
        SNP_TEST(frames_cost_no_firmware_call_but_the_doorbell),
        SNP_TEST(frame_costs_one_raise_of_the_tpl),
        cmocka_unit_test(no_doorbell_rings_for_a_device_that_polls),
        SNP_TEST(doorbell_rings_at_most_once_for_each_avail_event_that_a_polling_device_sets),
        SNP_TEST(doorbell_rings_exactly_when_avail_event_is_crossed),
        cmocka_unit_test(doorbell_rings_for_each_frame_that_a_sleeping_device_waits_for),
        cmocka_unit_test(no_frame_raises_an_interrupt),
    };

    return cmocka_run_group_tests_name("snp_transmit", tests, NULL, NULL);
}
