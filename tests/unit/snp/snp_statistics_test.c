/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Statistics: sizes, the order of reset and report, and what each counter counts.
 */
#include "snp_fixture.h"

#define TABLE_BYTES sizeof(EFI_NETWORK_STATISTICS)
#define CANARY 0xa5

static EFI_STATUS statistics(const struct snp_fixture *fixture, BOOLEAN reset, UINTN *bytes,
                             void *table)
{
    return fixture->protocol->Statistics(fixture->protocol, reset, bytes, table);
}

static EFI_NETWORK_STATISTICS read_table(const struct snp_fixture *fixture)
{
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    memset(&table, CANARY, sizeof(table));
    assert_success(statistics(fixture, FALSE, &bytes, &table));
    assert_int_equal(sizeof(table), bytes);
    return table;
}

static void assert_table(const struct snp_fixture *fixture, const EFI_NETWORK_STATISTICS *expected)
{
    EFI_NETWORK_STATISTICS table = read_table(fixture);
    const UINT64 *want = (const UINT64 *)expected;
    const UINT64 *have = (const UINT64 *)&table;

    for (size_t i = 0; i < TABLE_BYTES / sizeof(UINT64); i++) {
        if (want[i] != have[i])
            fail_msg("counter %zu is %llu, not %llu", i, (unsigned long long)have[i],
                     (unsigned long long)want[i]);
    }
}

/* Something in most counters. */
static void make_traffic(const struct snp_fixture *fixture)
{
    uint8_t frame[FRAME_HEADER_BYTES] = {0};

    for (uint32_t i = 0; i < 3; i++)
        assert_traffic_flows(fixture);
    assert_status(EFI_BUFFER_TOO_SMALL, transmit(fixture, frame, sizeof(frame) - 1));
}

/* holds: snp.statistics.size */
static void size_0_asks_for_the_size(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t table[TABLE_BYTES];
    UINTN bytes = 0;

    memset(table, CANARY, sizeof(table));
    assert_status(EFI_BUFFER_TOO_SMALL, statistics(fixture, FALSE, &bytes, table));
    assert_int_equal(TABLE_BYTES, bytes);
    for (size_t i = 0; i < TABLE_BYTES; i++)
        assert_int_equal(CANARY, table[i]);
    bytes = 0;
    assert_status(EFI_BUFFER_TOO_SMALL, statistics(fixture, FALSE, &bytes, NULL));
    assert_int_equal(TABLE_BYTES, bytes);
}

/* holds: snp.statistics.smaller */
static void smaller_table_is_filled_as_far_as_it_goes(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS whole;

    make_traffic(fixture);
    whole = read_table(fixture);
    for (size_t room = 1; room < TABLE_BYTES; room++) {
        uint8_t table[TABLE_BYTES];
        UINTN bytes = room;

        memset(table, CANARY, sizeof(table));
        assert_status(EFI_BUFFER_TOO_SMALL, statistics(fixture, FALSE, &bytes, table));
        assert_int_equal(TABLE_BYTES, bytes);
        assert_memory_equal(&whole, table, room);
        for (size_t i = room; i < TABLE_BYTES; i++)
            assert_int_equal(CANARY, table[i]);
    }
}

static void larger_table_is_left_alone_behind_the_counters(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t table[TABLE_BYTES + 16];
    UINTN bytes = sizeof(table);

    memset(table, CANARY, sizeof(table));
    assert_success(statistics(fixture, FALSE, &bytes, table));
    assert_int_equal(TABLE_BYTES, bytes);
    for (size_t i = TABLE_BYTES; i < sizeof(table); i++)
        assert_int_equal(CANARY, table[i]);
}

/* holds: snp.statistics.reset */
static void reset_comes_before_the_report(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    make_traffic(fixture);
    memset(&table, CANARY, sizeof(table));
    assert_success(statistics(fixture, TRUE, &bytes, &table));
    assert_true(is_zero(&table, sizeof(table)));
    table = read_table(fixture);
    assert_true(is_zero(&table, sizeof(table)));
}

static void reset_needs_no_table(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS table;

    make_traffic(fixture);
    assert_success(statistics(fixture, TRUE, NULL, NULL));
    table = read_table(fixture);
    assert_true(is_zero(&table, sizeof(table)));
}

/* holds: snp.statistics.nothing */
static void neither_table_nor_reset_is_nothing_to_do(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS before;

    make_traffic(fixture);
    before = read_table(fixture);
    assert_success(statistics(fixture, FALSE, NULL, NULL));
    assert_table(fixture, &before);
}

static void table_without_size_or_size_without_table_is_invalid_and_resets_nothing(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS before;
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    make_traffic(fixture);
    before = read_table(fixture);
    memset(&table, 0, sizeof(table));
    for (unsigned reset = FALSE; reset <= TRUE; reset++) {
        assert_status(EFI_INVALID_PARAMETER, statistics(fixture, (BOOLEAN)reset, &bytes, NULL));
        assert_int_equal(sizeof(table), bytes);
        assert_status(EFI_INVALID_PARAMETER, statistics(fixture, (BOOLEAN)reset, NULL, &table));
        assert_true(is_zero(&table, sizeof(table)));
    }
    assert_table(fixture, &before);
}

/* holds: snp.statistics.agree */
static void calls_without_traffic_between_agree(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS first;

    make_traffic(fixture);
    first = read_table(fixture);
    for (unsigned i = 0; i < 3; i++) {
        pass_link_interval(fixture);
        (void)interrupts(fixture);
        assert_table(fixture, &first);
    }
}

/* holds: snp.reset.statistics */
static void counters_survive_reset(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS before;

    make_traffic(fixture);
    before = read_table(fixture);
    assert_success(snp_reset(fixture));
    assert_table(fixture, &before);
    assert_traffic_flows(fixture);
    before.RxTotalFrames++;
    before.RxGoodFrames++;
    before.RxUnicastFrames++;
    before.RxTotalBytes += 100;
    before.TxTotalFrames++;
    before.TxGoodFrames++;
    before.TxUnicastFrames++;
    before.TxTotalBytes += FRAME_MIN_BYTES;
    assert_table(fixture, &before);
}

static const uint8_t group_mac[6] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01};

static void send_to(const struct snp_fixture *fixture, const uint8_t *to, size_t length)
{
    static uint8_t frame[FRAME_MAX_BYTES];

    frame_write(frame, length, to, 0);
    assert_success(transmit(fixture, frame, length));
}

static void receive_to(const struct snp_fixture *fixture, const uint8_t *to, size_t length)
{
    static uint8_t frame[FRAME_MAX_BYTES];

    frame_write(frame, length, to, 0);
    assert_true(fake_device_deliver(fixture->device, frame, length));
    assert_success(receive_any(fixture));
}

/* holds: snp.statistics.kinds */
static void good_frames_count_by_destination_with_their_bytes(void **state)
{
    struct snp_fixture *fixture = *state;
    const EFI_NETWORK_STATISTICS expected = {
        .RxTotalFrames = 6,
        .RxGoodFrames = 6,
        .RxUnicastFrames = 1,
        .RxMulticastFrames = 2,
        .RxBroadcastFrames = 3,
        .RxTotalBytes = 100 + 2 * 200 + 3 * 300,
        .TxTotalFrames = 15,
        .TxGoodFrames = 15,
        .TxUnicastFrames = 4,
        .TxMulticastFrames = 5,
        .TxBroadcastFrames = 6,
        .TxTotalBytes = 4 * 60 + 5 * 500 + 6 * FRAME_MAX_BYTES,
    };

    assert_success(fixture->protocol->ReceiveFilters(
        fixture->protocol, EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST, 0, FALSE, 0, NULL));
    receive_to(fixture, fake_device_mac(fixture->device), 100);
    for (unsigned i = 0; i < 2; i++)
        receive_to(fixture, group_mac, 200);
    for (unsigned i = 0; i < 3; i++)
        receive_to(fixture, broadcast_mac, 300);
    for (unsigned i = 0; i < 4; i++)
        send_to(fixture, peer_mac, i == 0 ? FRAME_HEADER_BYTES : 60); /* is padded */
    for (unsigned i = 0; i < 5; i++)
        send_to(fixture, group_mac, 500);
    for (unsigned i = 0; i < 6; i++)
        send_to(fixture, broadcast_mac, FRAME_MAX_BYTES);
    assert_table(fixture, &expected);
}

/* holds: snp.statistics.kinds */
static void received_frames_that_are_not_shown_count_by_their_fault(void **state)
{
    struct snp_fixture *fixture = *state;
    const EFI_NETWORK_STATISTICS expected = {
        .RxTotalFrames = 6,
        .RxUndersizeFrames = 3,
        .RxOversizeFrames = 1,
        .RxDroppedFrames = 2,
        .RxTotalBytes = 0 + 1 + 13 + 1519 + 2 * 100,
    };
    const size_t lengths[] = {0, 1, 13, FRAME_MAX_BYTES + 4 + 1};
    uint8_t frame[2048] = {0};

    memcpy(frame, fixture->mode->CurrentAddress.Addr, 6);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
        assert_true(fake_device_deliver(fixture->device, frame, lengths[i]));
    fake_device_misbehave(fixture->device, FAKE_GSO_TYPE_SET);
    assert_true(deliver(fixture, 100, 0));
    fake_device_misbehave(fixture->device, FAKE_NEEDS_CSUM_SET);
    assert_true(deliver(fixture, 100, 0));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_status(EFI_NOT_READY, receive_any(fixture));
    assert_table(fixture, &expected);
}

/* UEFI 2.10, 24.1.8: the totals include frames with errors and dropped ones. */
/* holds: snp.statistics.kinds */
static void frames_that_are_not_sent_count_by_their_fault(void **state)
{
    struct snp_fixture *fixture = *state;
    const EFI_NETWORK_STATISTICS expected = {
        .TxTotalFrames = 5,
        .TxUndersizeFrames = 2,
        .TxOversizeFrames = 1,
        .TxDroppedFrames = 2,
        .TxTotalBytes = 0 + 13 + 1515 + 2 * 60,
    };
    uint8_t frame[2048] = {0};

    assert_status(EFI_BUFFER_TOO_SMALL, transmit(fixture, frame, 0));
    assert_status(EFI_BUFFER_TOO_SMALL, transmit(fixture, frame, FRAME_HEADER_BYTES - 1));
    assert_status(EFI_INVALID_PARAMETER, transmit(fixture, frame, FRAME_MAX_BYTES + 1));
    fake_device_need_reset(fixture->device);
    pass_link_interval(fixture);
    (void)interrupts(fixture);
    assert_status(EFI_DEVICE_ERROR, transmit(fixture, frame, 60));
    assert_status(EFI_DEVICE_ERROR, transmit(fixture, frame, 60));
    assert_table(fixture, &expected);
}

/* The largest length that a frame can have counts with its bytes, one more is none. */
/* holds: snp.statistics.impossible */
static void bytes_that_no_frame_can_have_are_not_counted(void **state)
{
    struct snp_fixture *fixture = *state;
    const size_t absurd[] = {FRAME_HEADER_BYTES + 65535 + 1, UINT32_MAX, SIZE_MAX};
    EFI_NETWORK_STATISTICS expected = {
        .TxTotalFrames = 1,
        .TxOversizeFrames = 1,
        .TxTotalBytes = FRAME_HEADER_BYTES + 65535,
    };
    uint8_t frame[FRAME_MIN_BYTES] = {0};

    assert_status(EFI_INVALID_PARAMETER, transmit(fixture, frame, FRAME_HEADER_BYTES + 65535));
    assert_table(fixture, &expected);
    for (size_t i = 0; i < ARRAY_LENGTH(absurd); i++) {
        assert_status(EFI_INVALID_PARAMETER, transmit(fixture, frame, absurd[i]));
        expected.TxTotalFrames++;
        expected.TxOversizeFrames++;
        assert_table(fixture, &expected);
    }
}

/* The caller keeps the frame and tries again: nothing was lost. */
static void frame_that_finds_the_ring_full_is_not_counted(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS table;
    unsigned sent = 0;

    fake_device_stall(fixture->device, true);
    while (!EFI_ERROR(transmit_any(fixture, 0)))
        sent++;
    assert_status(EFI_NOT_READY, transmit_any(fixture, 0));
    table = read_table(fixture);
    assert_int_equal(sent, table.TxTotalFrames);
    assert_int_equal(0, table.TxDroppedFrames);
    fake_device_stall(fixture->device, false);
}

static void frames_for_others_are_not_counted(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_NETWORK_STATISTICS table;
    uint8_t frame[FRAME_MIN_BYTES];

    frame_write(frame, sizeof(frame), peer_mac, 0);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    assert_status(EFI_NOT_READY, receive_any(fixture));
    table = read_table(fixture);
    assert_true(is_zero(&table, sizeof(table)));
}

static void frame_counts_once_however_often_it_is_looked_at(void **state)
{
    struct snp_fixture *fixture = *state;
    UINTN bytes = 10;
    uint8_t buffer[10];

    assert_true(deliver(fixture, 100, 0));
    for (unsigned i = 0; i < 3; i++) {
        bytes = sizeof(buffer);
        assert_status(EFI_BUFFER_TOO_SMALL, receive(fixture, buffer, &bytes));
        assert_int_equal(0, read_table(fixture).RxTotalFrames);
    }
    assert_success(receive_any(fixture));
    assert_int_equal(1, read_table(fixture).RxTotalFrames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNP_TEST(size_0_asks_for_the_size),
        SNP_TEST(smaller_table_is_filled_as_far_as_it_goes),
        SNP_TEST(larger_table_is_left_alone_behind_the_counters),
        SNP_TEST(reset_comes_before_the_report),
        SNP_TEST(reset_needs_no_table),
        SNP_TEST(neither_table_nor_reset_is_nothing_to_do),
        SNP_TEST(table_without_size_or_size_without_table_is_invalid_and_resets_nothing),
        SNP_TEST(calls_without_traffic_between_agree),
        SNP_TEST(counters_survive_reset),
        SNP_TEST(good_frames_count_by_destination_with_their_bytes),
        SNP_TEST(received_frames_that_are_not_shown_count_by_their_fault),
        SNP_TEST(frames_that_are_not_sent_count_by_their_fault),
        SNP_TEST(bytes_that_no_frame_can_have_are_not_counted),
        SNP_TEST(frame_that_finds_the_ring_full_is_not_counted),
        SNP_TEST(frames_for_others_are_not_counted),
        SNP_TEST(frame_counts_once_however_often_it_is_looked_at),
    };

    return cmocka_run_group_tests_name("snp_statistics", tests, NULL, NULL);
}
