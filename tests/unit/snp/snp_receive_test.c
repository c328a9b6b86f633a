/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Receive and WaitForPacket: arguments, whole frames in order, frames that are dropped, and what
 * an empty poll costs.
 */
#include "snp_fixture.h"

#define VLAN_TAG_BYTES 4u
#define RING_BUFFERS 256u
#define UNTOUCHED 0x5a

struct headers {
    UINTN header_bytes;
    EFI_MAC_ADDRESS source;
    EFI_MAC_ADDRESS destination;
    UINT16 protocol;
};

static EFI_STATUS receive_with_headers(const struct snp_fixture *fixture, uint8_t *buffer,
                                       UINTN *bytes, struct headers *headers)
{
    return fixture->protocol->Receive(fixture->protocol, &headers->header_bytes, bytes, buffer,
                                      &headers->source, &headers->destination, &headers->protocol);
}

/* holds: snp.receive.null */
static void receive_needs_a_buffer_and_its_size(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES];
    UINTN bytes = sizeof(buffer);
    UINTN none = 0;

    assert_status(EFI_INVALID_PARAMETER, receive(fixture, NULL, &bytes));
    assert_status(EFI_INVALID_PARAMETER, receive(fixture, NULL, &none));
    assert_status(EFI_INVALID_PARAMETER, receive(fixture, buffer, NULL));
    assert_status(EFI_INVALID_PARAMETER, receive(fixture, NULL, NULL));
}

static void bad_arguments_do_not_consume_the_frame(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES];
    UINTN bytes = sizeof(buffer);

    assert_true(deliver(fixture, 100, 1));
    assert_status(EFI_INVALID_PARAMETER, receive(fixture, NULL, &bytes));
    assert_status(EFI_INVALID_PARAMETER, receive(fixture, buffer, NULL));
    assert_receives(fixture, 100, 1);
}

/* holds: snp.receive.nothing */
static void nothing_to_receive_is_not_ready_and_writes_nothing(void **state)
{
    struct snp_fixture *fixture = *state;
    struct headers headers;
    struct headers before;
    uint8_t buffer[4] = {1, 2, 3, 4};
    UINTN bytes = sizeof(buffer);

    memset(&headers, UNTOUCHED, sizeof(headers));
    before = headers;
    assert_status(EFI_NOT_READY, receive_with_headers(fixture, buffer, &bytes, &headers));
    assert_int_equal(sizeof(buffer), bytes);
    assert_memory_equal(&before, &headers, sizeof(headers));
    assert_memory_equal("\1\2\3\4", buffer, sizeof(buffer));
}

/* holds: snp.receive.protocol */
static void receive_tells_what_the_header_says(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t frame[100];
    uint8_t buffer[sizeof(frame)];
    UINTN bytes = sizeof(buffer);
    struct headers headers;

    memset(&headers, UNTOUCHED, sizeof(headers));
    frame_write(frame, sizeof(frame), fixture->mode->CurrentAddress.Addr, 1);
    frame[12] = 0x86;
    frame[13] = 0xdd;
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));

    assert_success(receive_with_headers(fixture, buffer, &bytes, &headers));
    assert_int_equal(14, headers.header_bytes);
    assert_memory_equal(peer_mac, headers.source.Addr, 6);
    assert_true(is_zero(headers.source.Addr + 6, 26));
    assert_memory_equal(fixture->mode->CurrentAddress.Addr, headers.destination.Addr, 32);
    assert_int_equal(0x86dd, headers.protocol); /* in host order */
    assert_int_equal(sizeof(frame), bytes);
    assert_memory_equal(frame, buffer, sizeof(frame));
}

/* holds: snp.receive.optional */
static void each_header_output_is_optional(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned present = 0; present < 16; present++) {
        struct headers headers;
        uint8_t buffer[100];
        UINTN bytes = sizeof(buffer);

        memset(&headers, UNTOUCHED, sizeof(headers));
        assert_true(deliver(fixture, sizeof(buffer), present));
        assert_success(fixture->protocol->Receive(
            fixture->protocol, present & 1 ? &headers.header_bytes : NULL, &bytes, buffer,
            present & 2 ? &headers.source : NULL, present & 4 ? &headers.destination : NULL,
            present & 8 ? &headers.protocol : NULL));
        assert_int_equal((present & 1) != 0, headers.header_bytes == 14);
        assert_int_equal((present & 2) != 0, memcmp(headers.source.Addr, peer_mac, 6) == 0);
        assert_int_equal((present & 4) != 0,
                         headers.destination.Addr[0] == fixture->mode->CurrentAddress.Addr[0]);
        assert_int_equal((present & 8) != 0, headers.protocol == PROTOCOL_IPV4);
    }
}

/* holds: snp.receive.too_small */
static void receive_into_a_small_buffer_keeps_the_frame(void **state)
{
    struct snp_fixture *fixture = *state;
    const UINTN sizes[] = {0, 1, 13, 14, 99};

    assert_true(deliver(fixture, 100, 1));
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        uint8_t *buffer = malloc(sizes[i] + 1);
        UINTN bytes = sizes[i];
        struct headers headers;
        struct headers before;

        memset(&headers, UNTOUCHED, sizeof(headers));
        before = headers;
        memset(buffer, UNTOUCHED, sizes[i] + 1);
        assert_status(EFI_BUFFER_TOO_SMALL,
                      receive_with_headers(fixture, buffer, &bytes, &headers));
        assert_int_equal(100, bytes);
        assert_memory_equal(&before, &headers, sizeof(headers));
        for (UINTN at = 0; at <= sizes[i]; at++)
            assert_int_equal(UNTOUCHED, buffer[at]);
        free(buffer);
    }
    assert_receives(fixture, 100, 1);
    assert_status(EFI_NOT_READY, receive_any(fixture));
}

static void buffer_of_the_size_that_was_asked_for_is_enough(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[100];
    UINTN bytes = 0;

    assert_true(deliver(fixture, sizeof(buffer), 1));
    assert_status(EFI_BUFFER_TOO_SMALL, receive(fixture, buffer, &bytes));
    assert_success(receive(fixture, buffer, &bytes));
    assert_int_equal(sizeof(buffer), bytes);
}

static void large_buffer_is_written_as_far_as_the_frame_goes(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES];
    UINTN bytes = sizeof(buffer);

    memset(buffer, UNTOUCHED, sizeof(buffer));
    assert_true(deliver(fixture, 61, 1));
    assert_success(receive(fixture, buffer, &bytes));
    assert_int_equal(61, bytes);
    for (size_t i = 61; i < sizeof(buffer); i++)
        assert_int_equal(UNTOUCHED, buffer[i]);
}

static void frames_come_out_in_the_order_of_the_wire(void **state)
{
    struct snp_fixture *fixture = *state;

    for (uint32_t i = 0; i < 50; i++)
        assert_true(deliver(fixture, 60 + i, i));
    for (uint32_t i = 0; i < 50; i++)
        assert_receives(fixture, 60 + i, i);
    assert_status(EFI_NOT_READY, receive_any(fixture));
}

static void every_length_is_received_whole(void **state)
{
    struct snp_fixture *fixture = *state;

    for (uint32_t length = FRAME_HEADER_BYTES; length <= FRAME_MAX_BYTES + VLAN_TAG_BYTES;
         length++) {
        assert_true(deliver(fixture, length, length));
        assert_receives(fixture, length, length);
    }
}

static void burst_that_fills_the_ring_is_received_whole(void **state)
{
    struct snp_fixture *fixture = *state;

    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < RING_BUFFERS; i++)
            assert_true(deliver(fixture, 60, round + i));
        assert_false(deliver(fixture, 60, 0));
        for (uint32_t i = 0; i < RING_BUFFERS; i++)
            assert_receives(fixture, 60, round + i);
        assert_status(EFI_NOT_READY, receive_any(fixture));
    }
}

static void buffers_return_to_the_device_a_quarter_of_the_ring_at_a_time(void **state)
{
    struct snp_fixture *fixture = *state;

    for (uint32_t i = 0; i < RING_BUFFERS / 4 - 1; i++) {
        assert_true(deliver(fixture, 60, i));
        assert_receives(fixture, 60, i);
    }
    assert_int_equal(RING_BUFFERS * 3 / 4 + 1, fake_device_pending_count(fixture->device, RX));
    assert_true(deliver(fixture, 60, 0));
    assert_receives(fixture, 60, 0);
    assert_int_equal(RING_BUFFERS, fake_device_pending_count(fixture->device, RX));
}

static void deliver_sized(const struct snp_fixture *fixture, size_t length)
{
    assert_true(deliver(fixture, length, 0));
}

/* holds: virtio.broken.memory */
static void frames_of_impossible_length_are_dropped(void **state)
{
    struct snp_fixture *fixture = *state;
    const size_t lengths[] = {0, 1, FRAME_HEADER_BYTES - 1, FRAME_MAX_BYTES + VLAN_TAG_BYTES + 1,
                              1524};
    uint8_t frame[2048] = {0};

    memcpy(frame, fixture->mode->CurrentAddress.Addr, 6);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        assert_true(fake_device_deliver(fixture->device, frame, lengths[i]));
        assert_status(EFI_NOT_READY, receive_any(fixture));
    }
    deliver_sized(fixture, 100);
    assert_receives(fixture, 100, 0);
}

/* holds: virtio.net.offloads */
static void frames_with_offloads_that_were_not_negotiated_are_dropped(void **state)
{
    struct snp_fixture *fixture = *state;
    const enum fake_device_misbehaviour offloads[] = {FAKE_GSO_TYPE_SET, FAKE_NEEDS_CSUM_SET};

    for (size_t i = 0; i < ARRAY_LENGTH(offloads); i++) {
        fake_device_misbehave(fixture->device, offloads[i]);
        deliver_sized(fixture, 100);
        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        assert_status(EFI_NOT_READY, receive_any(fixture));
        assert_int_equal(i + 1, fixture->snp->net.counters.rx.dropped);
        assert_traffic_flows(fixture);
    }
}

static void dropped_frames_return_their_buffers(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t frame[FRAME_MIN_BYTES];

    frame_write(frame, sizeof(frame), peer_mac, 0); /* for somebody else */
    for (unsigned i = 0; i < 10 * RING_BUFFERS; i++) {
        assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
        assert_status(EFI_NOT_READY, receive_any(fixture));
    }
    assert_int_equal(10 * RING_BUFFERS, fixture->snp->net.counters.rx_filtered);
}

static void flood_for_others_does_not_hide_a_frame_for_us(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t frame[FRAME_MIN_BYTES];

    frame_write(frame, sizeof(frame), peer_mac, 0);
    for (unsigned i = 0; i < RING_BUFFERS - 1; i++)
        assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    deliver_sized(fixture, 100);
    assert_receives(fixture, 100, 0);
}

static void deliver_for_others(struct fake_device *device)
{
    uint8_t frame[FRAME_MIN_BYTES];

    frame_write(frame, sizeof(frame), peer_mac, 0);
    while (fake_device_deliver(device, frame, sizeof(frame)))
        ;
}

/* A wire that fills every buffer as soon as the doorbell says that there are some. */
static EFI_PCI_IO_PROTOCOL_IO_MEM real_write;
static struct fake_device *flooded_device;

static EFI_STATUS EFIAPI write_and_flood(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                         UINT8 bar, UINT64 offset, UINTN count, VOID *buffer)
{
    EFI_STATUS status = real_write(this, width, bar, offset, count, buffer);

    if (fake_device_is_live(flooded_device))
        deliver_for_others(flooded_device);
    return status;
}

static void flood_without_end_holds_the_caller_for_one_lap_of_the_ring(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);
    EFI_PCI_IO_PROTOCOL *pci_io = &fake_device_pci(fixture->device)->protocol;

    (void)state;
    flooded_device = fixture->device;
    real_write = pci_io->Mem.Write;
    pci_io->Mem.Write = write_and_flood;
    assert_success(snp_initialize(fixture));
    deliver_for_others(fixture->device);

    assert_status(EFI_NOT_READY, receive_any(fixture));
    assert_int_equal(RING_BUFFERS, fixture->snp->net.counters.rx_filtered);
    snp_fixture_free(fixture);
}

static void empty_poll_touches_neither_device_nor_tpl(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned raises = fake_firmware_tpl_raise_count(fixture->firmware);

    fake_device_clear_access_counts(fixture->device);
    fake_firmware_fail_nth(fixture->firmware, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_status(EFI_NOT_READY, receive_any(fixture));
    assert_int_equal(0, fake_pci_access_count(fake_device_pci(fixture->device)));
    assert_int_equal(0, fake_firmware_call_count(fixture->firmware));
    assert_int_equal(raises, fake_firmware_tpl_raise_count(fixture->firmware));
}

static void frames_cost_no_firmware_call_while_the_device_is_awake(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_poll_rings(fixture->device, true);
    fake_device_clear_access_counts(fixture->device);
    fake_firmware_fail_nth(fixture->firmware, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        deliver_sized(fixture, 60);
        assert_receives(fixture, 60, 0);
    }
    assert_int_equal(0, fake_pci_access_count(fake_device_pci(fixture->device)));
    assert_int_equal(0, fake_firmware_call_count(fixture->firmware));
}

static void receive_raises_the_tpl_once_for_a_frame(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned raises = fake_firmware_tpl_raise_count(fixture->firmware);

    deliver_sized(fixture, 100);
    assert_receives(fixture, 100, 0);
    assert_int_equal(raises + 1, fake_firmware_tpl_raise_count(fixture->firmware));
}

static void legacy_device_without_frames_costs_nothing_either(void **state)
{
    struct fake_device_options options = {.transport = FAKE_LEGACY};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_clear_access_counts(fixture->device);
    assert_status(EFI_NOT_READY, receive_any(fixture));
    assert_int_equal(0, fake_pci_access_count(fake_device_pci(fixture->device)));
    snp_fixture_free(fixture);
}

/* A client's notification that runs in front of the first RaiseTPL. */
static EFI_RAISE_TPL real_raise_tpl;
static struct snp_fixture *interrupted_fixture;

static EFI_TPL EFIAPI shut_down_and_raise_tpl(EFI_TPL tpl)
{
    BS->RaiseTPL = real_raise_tpl;
    assert_success(snp_shutdown(interrupted_fixture));
    assert_success(interrupted_fixture->protocol->Stop(interrupted_fixture->protocol));
    return real_raise_tpl(tpl);
}

static void receive_notices_a_shutdown_that_comes_in_between(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[FRAME_MAX_BYTES] = {0};
    UINTN bytes = sizeof(buffer);

    deliver_sized(fixture, 100);
    interrupted_fixture = fixture;
    real_raise_tpl = BS->RaiseTPL;
    BS->RaiseTPL = shut_down_and_raise_tpl;
    assert_status(EFI_NOT_STARTED, receive(fixture, buffer, &bytes));
    assert_int_equal(sizeof(buffer), bytes);
    assert_true(is_zero(buffer, sizeof(buffer)));
}

/* holds: snp.wait.signals */
static void wait_for_packet_signals_when_a_frame_waits(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
    deliver_sized(fixture, 100);
    assert_success(BS->CheckEvent(fixture->protocol->WaitForPacket));
    assert_receives(fixture, 100, 0);
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
}

static void wait_for_packet_signals_again_until_the_frame_is_received(void **state)
{
    struct snp_fixture *fixture = *state;

    deliver_sized(fixture, 100);
    for (unsigned i = 0; i < 3; i++)
        assert_success(BS->CheckEvent(fixture->protocol->WaitForPacket));
    assert_receives(fixture, 100, 0);
}

static void wait_for_packet_keeps_the_order_of_frames(void **state)
{
    struct snp_fixture *fixture = *state;

    for (uint32_t i = 0; i < 10; i++)
        assert_true(deliver(fixture, 100, i));
    for (uint32_t i = 0; i < 10; i++) {
        assert_success(BS->CheckEvent(fixture->protocol->WaitForPacket));
        assert_receives(fixture, 100, i);
    }
}

/* holds: snp.wait.signals */
static void wait_for_packet_ends_a_wait(void **state)
{
    struct snp_fixture *fixture = *state;
    UINTN index = 7;

    deliver_sized(fixture, 100);
    assert_success(BS->WaitForEvent(1, &fixture->protocol->WaitForPacket, &index));
    assert_int_equal(0, index);
}

static void wait_for_packet_ignores_frames_that_are_dropped(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t frame[FRAME_MIN_BYTES];

    frame_write(frame, sizeof(frame), peer_mac, 0);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
}

/* holds: snp.wait.stop */
static void signal_that_nobody_took_ends_with_its_frame(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_TPL tpl = BS->RaiseTPL(TPL_CALLBACK);

    deliver_sized(fixture, 100);
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
    BS->RestoreTPL(tpl); /* only now it is signalled */
    assert_success(snp_reset(fixture));
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    deliver_sized(fixture, 100);
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
    BS->RestoreTPL(tpl);
    assert_success(snp_shutdown(fixture));
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
}

/* holds: snp.wait.stop */
static void wait_for_packet_is_safe_in_every_state(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_EVENT event = fixture->protocol->WaitForPacket;

    deliver_sized(fixture, 100);
    assert_success(snp_shutdown(fixture));
    assert_status(EFI_NOT_READY, BS->CheckEvent(event));
    assert_success(fixture->protocol->Stop(fixture->protocol));
    assert_status(EFI_NOT_READY, BS->CheckEvent(event));
    assert_success(fixture->protocol->Start(fixture->protocol));
    assert_status(EFI_NOT_READY, BS->CheckEvent(event));
    assert_success(snp_initialize(fixture));
    deliver_sized(fixture, 100);
    assert_success(BS->CheckEvent(event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNP_TEST(receive_needs_a_buffer_and_its_size),
        SNP_TEST(bad_arguments_do_not_consume_the_frame),
        SNP_TEST(nothing_to_receive_is_not_ready_and_writes_nothing),
        SNP_TEST(receive_tells_what_the_header_says),
        SNP_TEST(each_header_output_is_optional),
        SNP_TEST(receive_into_a_small_buffer_keeps_the_frame),
        SNP_TEST(buffer_of_the_size_that_was_asked_for_is_enough),
        SNP_TEST(large_buffer_is_written_as_far_as_the_frame_goes),
        SNP_TEST(frames_come_out_in_the_order_of_the_wire),
        SNP_TEST(every_length_is_received_whole),
        SNP_TEST(burst_that_fills_the_ring_is_received_whole),
        SNP_TEST(buffers_return_to_the_device_a_quarter_of_the_ring_at_a_time),
        SNP_TEST(frames_of_impossible_length_are_dropped),
        SNP_TEST(frames_with_offloads_that_were_not_negotiated_are_dropped),
        SNP_TEST(dropped_frames_return_their_buffers),
        SNP_TEST(flood_for_others_does_not_hide_a_frame_for_us),
        cmocka_unit_test(flood_without_end_holds_the_caller_for_one_lap_of_the_ring),
        SNP_TEST(empty_poll_touches_neither_device_nor_tpl),
        SNP_TEST(frames_cost_no_firmware_call_while_the_device_is_awake),
        SNP_TEST(receive_raises_the_tpl_once_for_a_frame),
        cmocka_unit_test(legacy_device_without_frames_costs_nothing_either),
        SNP_TEST(receive_notices_a_shutdown_that_comes_in_between),
        SNP_TEST(wait_for_packet_signals_when_a_frame_waits),
        SNP_TEST(wait_for_packet_signals_again_until_the_frame_is_received),
        SNP_TEST(wait_for_packet_keeps_the_order_of_frames),
        SNP_TEST(wait_for_packet_ends_a_wait),
        SNP_TEST(wait_for_packet_ignores_frames_that_are_dropped),
        SNP_TEST(signal_that_nobody_took_ends_with_its_frame),
        SNP_TEST(wait_for_packet_is_safe_in_every_state),
    };

    return cmocka_run_group_tests_name("snp_receive", tests, NULL, NULL);
}
