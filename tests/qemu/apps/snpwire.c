/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpwire [NIC]: the frames of EFI_SIMPLE_NETWORK_PROTOCOL (UEFI 2.10, 24.1): what wire/peer.py
 * sees of what is transmitted, when buffers come back, what is received, and WaitForPacket. Filters
 * and addresses are snpfilter's. "SNPWIRE passed=N failed=N" at the end. */
#include "snp_check.h"

#define RECYCLED 8
#define UNCOLLECTED 2000 /* Transmits without a GetStatus: more than a ring has room for */
#define TIMER_100NS(milliseconds) ((milliseconds)*UINT64_C(10000))

static EFI_MAC_ADDRESS peer_mac = {{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01}};
static EFI_MAC_ADDRESS other_mac = {{0x02, 0x00, 0x5e, 0x10, 0x00, 0x77}};
static uint8_t tx_buffer[FRAME_BUFFER_SIZE];
static uint8_t tx_buffers[UNCOLLECTED][64];
static uint8_t expected[FRAME_BUFFER_SIZE];

static const uint8_t *seen_bytes(void)
{
    return rx_buffer + PAYLOAD_OFFSET;
}

static void fill_frame(uint8_t *frame, size_t size)
{
    for (size_t i = 0; i < size; i++)
        frame[i] = (uint8_t)(i * 7 + 1);
}

/* Transmit */

static void check_header(const CHAR16 *claim, EFI_MAC_ADDRESS *source,
                         const EFI_MAC_ADDRESS *expected_source)
{
    UINT16 protocol = 0x86dd;
    EFI_STATUS status;

    fill_frame(tx_buffer, 100);
    CopyMem(expected, tx_buffer, 100);
    CopyMem(expected, &peer_mac, MAC_SIZE);
    CopyMem(expected + MAC_SIZE, expected_source, MAC_SIZE);
    expected[12] = 0x86;
    expected[13] = 0xdd;
    status = snp->Transmit(snp, HEADER_SIZE, 100, tx_buffer, source, &peer_mac, &protocol);
    check_status(L"transmit_with_header_works", EFI_SUCCESS, status);
    check_true(L"buffer_of_transmit_with_header_comes_back", await_buffer() == tx_buffer);
    check_number(L"frame_with_header_arrives_whole", 100, seen_by_peer());
    check_bytes(claim, expected, seen_bytes(), 100);
}

static void test_transmit_header(void)
{
    /* holds: snp.transmit.source, snp.transmit.protocol */
    check_header(L"header_has_current_address_and_big_endian_protocol", NULL,
                 &mode->CurrentAddress);
    check_header(L"header_has_the_source_that_was_given", &other_mac, &other_mac);
}

static void test_transmit_complete_frame(void)
{
    static EFI_MAC_ADDRESS ignored_mac = {{0x06, 0, 0, 0, 0, 6}};
    UINT16 ignored_protocol = 0x0800;
    EFI_STATUS status;

    fill_frame(tx_buffer, LARGEST_FRAME);
    CopyMem(tx_buffer, &peer_mac, MAC_SIZE);
    status = snp->Transmit(snp, 0, LARGEST_FRAME, tx_buffer, &ignored_mac, &ignored_mac,
                           &ignored_protocol);
    check_status(L"transmit_of_the_largest_frame_works", EFI_SUCCESS, status);
    check_true(L"buffer_of_the_largest_frame_comes_back", await_buffer() == tx_buffer);
    check_number(L"the_largest_frame_arrives_whole", LARGEST_FRAME, seen_by_peer());
    /* The peer's answer has room for this much of it. */
    /* holds: snp.transmit.complete */
    check_bytes(L"complete_frame_arrives_as_it_is", tx_buffer, seen_bytes(),
                LARGEST_FRAME - PAYLOAD_OFFSET);
}

static void test_short_frames_are_padded(void)
{
    static const size_t sizes[] = {14, 15, 42, 59, 60, 61};
    uint32_t good = 0;

    /* First something long, so that stale bytes would show in the padding. */
    SetMem(tx_buffer, 200, 0xee);
    CopyMem(tx_buffer, &peer_mac, MAC_SIZE);
    for (size_t i = 0; i < 300; i++)
        (void)send(tx_buffer, 200);
    (void)ask(REPORT, 0, 0);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t wanted = sizes[i] < SMALLEST_FRAME ? SMALLEST_FRAME : sizes[i];

        ZeroMem(expected, SMALLEST_FRAME);
        fill_frame(expected, sizes[i]);
        SetMem(tx_buffer, 200, 0xee);
        CopyMem(tx_buffer, expected, sizes[i]);
        EFI_STATUS status = send(tx_buffer, sizes[i]);
        size_t seen = seen_by_peer();
        if (!EFI_ERROR(status) && seen == wanted && CompareMem(expected, seen_bytes(), wanted) == 0)
            good++;
        else
            Print(L"a frame of %d bytes: %r, seen as %d bytes\n", sizes[i], status, seen);
    }
    /* holds: snp.transmit.padding */
    check_number(L"short_frames_are_padded_with_zeros", sizeof sizes / sizeof sizes[0], good);
}

/* GetStatus */

static void test_buffers_come_back_in_order(void)
{
    uint32_t accepted = 0, in_order = 0;
    UINT32 interrupts;
    void *buffer;

    for (uint32_t i = 0; i < RECYCLED; i++) {
        put_command(tx_buffers[i], &mode->CurrentAddress, DATA, i, 0);
        accepted += transmit_patiently(tx_buffers[i], SMALLEST_FRAME) == EFI_SUCCESS;
    }
    check_number(L"several_frames_can_be_in_flight", RECYCLED, accepted);
    for (uint32_t i = 0; i < 3; i++)
        /* holds: snp.get_status.no_buffer */
        check_status(L"get_status_without_buffer_works", EFI_SUCCESS,
                     snp->GetStatus(snp, &interrupts, NULL));
    for (uint32_t i = 0; i < RECYCLED; i++)
        in_order += await_buffer() == tx_buffers[i];
    /* holds: snp.get_status.buffers */
    check_number(L"buffers_come_back_one_by_one_in_order", RECYCLED, in_order);
    check_status(L"get_status_after_the_last_buffer_works", EFI_SUCCESS, get_status(&buffer));
    /* holds: snp.get_status.buffers */
    check_true(L"get_status_gives_null_after_the_last_buffer", buffer == NULL);
}

static void test_buffer_can_be_sent_again(void)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < 600; i++) {
        put_command(tx_buffer, &mode->CurrentAddress, DATA, i, 0);
        good += send(tx_buffer, SMALLEST_FRAME) == EFI_SUCCESS;
    }
    /* holds: snp.transmit.again */
    check_number(L"same_buffer_can_be_sent_again_and_again", 600, good);
    check_true(L"peer_answers_after_that", ask(REPORT, 0, 0));
    check_number(L"peer_saw_each_of_them", 600, get_be32(rx_buffer + 16));
}

/* A client that stops collecting: Transmit says NOT_READY at some point, all else still works. */
static void test_uncollected_buffers(void)
{
    EFI_STATUS status = EFI_SUCCESS;
    uint32_t accepted = 0, in_order = 0;

    (void)ask(REPORT, 0, 0);
    (void)inject(&mode->CurrentAddress, 4711, 0);
    while (accepted < UNCOLLECTED && status == EFI_SUCCESS) {
        put_command(tx_buffers[accepted], &mode->CurrentAddress, DATA, accepted, 0);
        status = transmit(tx_buffers[accepted], SMALLEST_FRAME);
        accepted += status == EFI_SUCCESS;
    }
    /* holds: snp.transmit.full */
    check_status(L"transmit_is_not_ready_when_the_ring_is_full", EFI_NOT_READY, status);
    check_true(L"receive_works_while_buffers_are_uncollected", await_frame(DATA, WAIT_MS) != 0);
    for (uint32_t i = 0; i < accepted; i++)
        in_order += await_buffer() == tx_buffers[i];
    check_number(L"all_accepted_buffers_come_back_in_order", accepted, in_order);
    check_true(L"drained_ring_works_again", ask(REPORT, 0, 0));
    check_number(L"every_accepted_frame_arrived", accepted, get_be32(rx_buffer + 16));
}

static void test_shutdown_releases_buffers(void)
{
    void *buffer = tx_buffer;

    for (uint32_t i = 0; i < RECYCLED; i++) {
        put_command(tx_buffers[i], &mode->CurrentAddress, DATA, i, 0);
        (void)transmit_patiently(tx_buffers[i], SMALLEST_FRAME);
    }
    check_status(L"shutdown_works_with_frames_in_flight", EFI_SUCCESS, snp->Shutdown(snp));
    (void)snp->Stop(snp);
    check_true(L"nic_works_after_that_shutdown", start());
    check_status(L"get_status_after_shutdown_works", EFI_SUCCESS, get_status(&buffer));
    /* holds: snp.shutdown.buffers */
    check_true(L"shutdown_made_all_buffers_ours", buffer == NULL);
}

/* A client that never calls GetStatus has nothing to say about buffers: all its frames go out. */
static void test_get_status_never_called(void)
{
    uint32_t sent = 0;

    (void)ask(REPORT, 0, 0);
    stop();
    if (EFI_ERROR(snp->Start(snp)) || EFI_ERROR(snp->Initialize(snp, 0, 0)))
        return check_true(L"nic_starts_for_a_client_without_get_status", false);
    while (sent < UNCOLLECTED) {
        put_command(tx_buffers[sent], &mode->CurrentAddress, DATA, sent, 0);
        if (EFI_ERROR(transmit_patiently(tx_buffers[sent], SMALLEST_FRAME)))
            break;
        sent++;
    }
    /* holds: snp.get_status.never */
    check_number(L"transmit_works_when_get_status_is_never_called", UNCOLLECTED, sent);
    put_command(tx_buffer, &mode->CurrentAddress, REPORT, 0, 0);
    (void)transmit_patiently(tx_buffer, SMALLEST_FRAME);
    check_true(L"receive_works_when_get_status_is_never_called", await_frame(REPLY, WAIT_MS) != 0);
    check_number(L"frames_arrive_when_get_status_is_never_called", UNCOLLECTED,
                 get_be32(rx_buffer + 16));
    stop();
    check_true(L"nic_works_after_such_a_client", start());
}

/* Receive */

static void test_receive(void)
{
    UINTN header_size = 0, size = 10;
    EFI_MAC_ADDRESS source = {{0}}, destination = {{0}};
    UINT16 protocol = 0;

    (void)inject(&mode->CurrentAddress, 1, 0);
    uint64_t began_ms = clock_ms();
    EFI_STATUS status;
    do {
        size = 10;
        status = snp->Receive(snp, NULL, &size, rx_buffer, NULL, NULL, NULL);
    } while (status == EFI_NOT_READY && clock_ms() - began_ms < WAIT_MS);
    check_status(L"receive_into_10_bytes_is_too_small", EFI_BUFFER_TOO_SMALL, status);
    /* holds: snp.receive.too_small */
    check_number(L"receive_says_the_size_needed", SMALLEST_FRAME, size);
    size = SMALLEST_FRAME - 1;
    check_status(L"receive_into_one_byte_less_is_too_small", EFI_BUFFER_TOO_SMALL,
                 snp->Receive(snp, NULL, &size, rx_buffer, NULL, NULL, NULL));
    SetMem(rx_buffer, sizeof rx_buffer, 0xa5);
    size = SMALLEST_FRAME;
    /* holds: snp.receive.too_small */
    check_status(
        L"frame_stays_until_the_buffer_is_large_enough", EFI_SUCCESS,
        snp->Receive(snp, &header_size, &size, rx_buffer, &source, &destination, &protocol));
    put_command(expected, &peer_mac, DATA, 1, 0);
    CopyMem(expected, &mode->CurrentAddress, MAC_SIZE);
    check_number(L"receive_gives_the_frame_s_size", SMALLEST_FRAME, size);
    check_bytes(L"receive_gives_the_frame_s_bytes", expected, rx_buffer, SMALLEST_FRAME);
    check_number(L"receive_writes_nothing_behind_the_frame", 0xa5, rx_buffer[SMALLEST_FRAME]);
    check_number(L"receive_gives_header_size_14", HEADER_SIZE, header_size);
    check_bytes(L"receive_gives_the_source", &peer_mac, &source, MAC_SIZE);
    check_bytes(L"receive_gives_the_destination", &mode->CurrentAddress, &destination, MAC_SIZE);
    /* holds: snp.receive.protocol */
    check_number(L"receive_gives_the_protocol_in_host_order", ETHERTYPE, protocol);
    size = sizeof rx_buffer;
    /* holds: snp.receive.nothing */
    check_status(L"frame_is_received_once", EFI_NOT_READY,
                 snp->Receive(snp, NULL, &size, rx_buffer, NULL, NULL, NULL));
}

static void test_receive_largest_frame(void)
{
    uint32_t number = 0;

    while (data_size(number) != LARGEST_FRAME)
        number++;
    (void)send_command(FLOOD, 1, number);
    size_t size = await_frame(DATA, WAIT_MS);
    check_number(L"largest_frame_is_received_whole", LARGEST_FRAME, size);
    check_true(L"largest_frame_is_intact",
               is_data_intact(rx_buffer, size, &mode->CurrentAddress, number));
}

static void test_receive_at_tpl_callback(void)
{
    EFI_TPL old = BS->RaiseTPL(TPL_CALLBACK);
    bool is_answered = ask(REPORT, 0, 0);

    BS->RestoreTPL(old);
    /* holds: snp.all.tpl */
    check_true(L"transmit_and_receive_work_at_tpl_callback", is_answered);
}

/* WaitForPacket */

/* Wait for a packet or for the time to pass. True when it was the packet. */
static bool wait_for_packet(uint64_t limit_ms)
{
    EFI_EVENT events[2] = {snp->WaitForPacket, NULL};
    UINTN index = 1;

    if (EFI_ERROR(BS->CreateEvent(EVT_TIMER, 0, NULL, NULL, &events[1])))
        return false;
    EFI_STATUS status = BS->SetTimer(events[1], TimerRelative, TIMER_100NS(limit_ms));
    if (!EFI_ERROR(status))
        status = BS->WaitForEvent(2, events, &index);
    (void)BS->CloseEvent(events[1]);
    return !EFI_ERROR(status) && index == 0;
}

static void test_wait_for_packet(void)
{
    drain();
    /* holds: snp.wait.signals */
    check_true(L"wait_for_packet_waits_while_nothing_comes", !wait_for_packet(QUIET_MS));
    (void)inject(&mode->CurrentAddress, 2, 200);
    uint64_t began_ms = clock_ms();
    /* holds: snp.wait.signals */
    check_true(L"wait_for_packet_signals_a_frame", wait_for_packet(WAIT_MS));
    check_true(L"wait_for_packet_waited_for_the_frame", clock_ms() - began_ms >= 100);
    check_true(L"the_awaited_frame_is_there", await_frame(DATA, 0) != 0);
    check_true(L"wait_for_packet_is_silent_after_the_last_frame", !wait_for_packet(QUIET_MS));
}

static void test_wire(void)
{
    fill_payload_table();
    check_true(L"peer_answers", start());
    if (failed != 0)
        return;
    (void)ask(REPORT, 0, 0);
    test_transmit_header();
    test_transmit_complete_frame();
    test_short_frames_are_padded();
    test_buffers_come_back_in_order();
    (void)ask(REPORT, 0, 0);
    test_buffer_can_be_sent_again();
    test_uncollected_buffers();
    test_shutdown_releases_buffers();
    test_get_status_never_called();
    test_receive();
    test_receive_largest_frame();
    test_receive_at_tpl_callback();
    test_wait_for_packet();
    stop();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return run_checks(image, table, L"SNPWIRE", test_wire);
}
