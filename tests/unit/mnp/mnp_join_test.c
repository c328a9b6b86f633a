/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * TCP segments on their way through the service, which joins them.
 */
#include "mnp_segments.h"

#define ROUNDS 50u
#define TCP_DATA 1448u

static void deliver_segment(const struct mnp_fixture *fixture, unsigned port, uint32_t sequence,
                            size_t length, unsigned flags)
{
    const struct segment segment = {
        .port = port, .sequence = sequence, .data_bytes = length, .flags = flags};
    uint8_t frame[FRAME_MAX];

    assert_true(
        fake_device_deliver(fixture->device, frame, segment_write(fixture, &segment, frame)));
}

/* The data of a recorded segment, whose sums and lengths are checked. */
static uint32_t check_segment(const struct fake_mnp_frame *frame, uint32_t sequence)
{
    const uint8_t *ip = frame->bytes + HEADER_BYTES;
    uint32_t ip_bytes = (uint32_t)(ip[2] << 8 | ip[3]);
    uint32_t data = ip_bytes - 40;

    assert_int_equal(frame->length, HEADER_BYTES + ip_bytes);
    assert_int_equal(frame->length, frame->rx_data.PacketLength);
    assert_int_equal(ip_bytes, frame->rx_data.DataLength);
    assert_int_equal(0xffff, sum_of(0, ip, 20));
    assert_int_equal(sequence & 0xffff, ip[26] << 8 | ip[27]);
    for (uint32_t i = 0; i < data; i++)
        assert_int_equal(tcp_byte(sequence + i), ip[40 + i]);
    return data;
}

/* holds: mnp.join.segments */
static void segments_that_wait_together_arrive_as_one(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    uint32_t sequence = 1000;
    const struct fake_mnp_frame *frame;

    for (unsigned i = 0; i < 10; i++, sequence += TCP_DATA)
        deliver_segment(fixture, 5000, sequence, TCP_DATA, TCP_ACK);
    assert_success(poll_client(client));
    assert_int_equal(1, client->frames);
    frame = fake_mnp_client_take(client);
    assert_int_equal(10 * TCP_DATA, check_segment(frame, 1000));
    assert_int_equal(0, (uintptr_t)frame->rx_data.PacketData % 4);
    assert_false(frame->rx_data.PromiscuousFlag || frame->rx_data.BroadcastFlag);
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.join.segments */
static void segments_are_never_waited_for(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);

    for (unsigned i = 0; i < 5; i++) {
        deliver_segment(fixture, 5000, i * TCP_DATA, TCP_DATA, TCP_ACK);
        assert_success(poll_client(client));
        assert_int_equal(i + 1, client->frames);
        assert_int_equal(TCP_DATA, check_segment(fake_mnp_client_take(client), i * TCP_DATA));
    }
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.join.segments, mnp.memory.window */
static void download_arrives_whole_through_a_client_that_holds_a_window(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    uint32_t sent = 0;
    uint32_t received = 0;

    client->holds = true;
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 64; i++, sent += TCP_DATA)
            deliver_segment(fixture, 5000, sent, TCP_DATA, i == 63 ? TCP_ACK | TCP_PUSH : TCP_ACK);
        assert_success(poll_client(client));
        while (client->first)
            received += check_segment(fake_mnp_client_take(client), received);
        assert_int_equal(sent, received);
        while (client->held_count * (size_t)64 * TCP_DATA / 2 > WINDOW_BYTES)
            fake_mnp_client_recycle(client, 1);
    }
    assert_true(client->frames <= 100 * 3);
    fake_mnp_client_recycle(client, client->held_count);
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.memory.bounded */
static void small_packets_make_way_for_large_ones(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    uint32_t sent = 0;
    unsigned frames;

    client->holds = true;
    (void)hold_all(fixture, client, &sent); /* all the memory is in packets of the smallest size */
    client->holds = false;
    fake_mnp_client_recycle(client, client->held_count);
    while (!EFI_ERROR(poll_client(client)))
        ;
    while (fake_mnp_client_take(client))
        ;
    frames = client->frames;
    for (unsigned i = 0; i < 30; i++)
        deliver_segment(fixture, 5000, i * TCP_DATA, TCP_DATA, TCP_ACK);
    assert_success(poll_client(client));
    assert_int_equal(frames + 1, client->frames);
    assert_int_equal(30 * TCP_DATA, check_segment(fake_mnp_client_take(client), 0));
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.cost.receive */
static void joined_segments_cost_no_firmware_call(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    uint32_t sent = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round == 25) { /* each length was there once */
            count_calls(fixture->firmware);
            fake_firmware_count_only(fixture->firmware, FAKE_CALL_ALL & ~FAKE_CALL_PCI);
        }
        for (unsigned i = 0; i < 1 + round % 25; i++, sent += TCP_DATA)
            deliver_segment(fixture, 5000, sent, TCP_DATA, TCP_ACK);
        assert_success(poll_client(client));
        assert_int_equal(round + 1, client->frames);
    }
    assert_int_equal(0, calls(fixture->firmware));
    assert_success(fake_mnp_client_detach(client));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST_DPC(segments_that_wait_together_arrive_as_one),
        MNP_TEST(segments_that_wait_together_arrive_as_one),
        MNP_TEST_DPC(segments_are_never_waited_for),
        MNP_TEST_DPC(download_arrives_whole_through_a_client_that_holds_a_window),
        MNP_TEST_DPC(small_packets_make_way_for_large_ones),
        MNP_TEST_DPC(joined_segments_cost_no_firmware_call),
    };

    return cmocka_run_group_tests_name("mnp_join", tests, NULL, NULL);
}
