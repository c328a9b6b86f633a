/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What received frames cost, and what becomes of those that find no memory.
 */
#include "mnp_clients.h"

#define ROUNDS 50u

static void assert_recorded(const struct mnp_fixture *fixture, struct fake_mnp_client *client,
                            size_t length, uint32_t seed)
{
    const struct fake_mnp_frame *frame = fake_mnp_client_take(client);
    uint8_t expected[FRAME_SPACE];

    frame_write(expected, length, fake_device_mac(fixture->device), IPV4, seed);
    assert_non_null(frame);
    assert_int_equal(length, frame->length);
    assert_memory_equal(expected, frame->bytes, length);
}

static void receive_rounds(const struct mnp_fixture *fixture, struct fake_mnp_client *client,
                           unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < RING_FRAMES; i++)
            deliver_long(fixture, i);
        assert_success(poll_client(client));
        for (unsigned i = 0; i < RING_FRAMES; i++)
            assert_recorded(fixture, client, FRAME_MAX, i);
    }
}

/* holds: mnp.cost.receive */
static void frame_that_is_received_costs_no_firmware_call(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    unsigned mappings = fake_pci_mapping_count(fake_device_pci(fixture->device));

    receive_rounds(fixture, client, 2); /* the packets come to be */
    count_calls(fixture->firmware);
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_ALL & ~FAKE_CALL_PCI);
    receive_rounds(fixture, client, ROUNDS);
    assert_int_equal(0, calls(fixture->firmware));
    assert_int_equal(mappings, fake_pci_mapping_count(fake_device_pci(fixture->device)));
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.cost.receive */
static void frame_for_a_token_that_waits_costs_no_firmware_call(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    token_init(&token);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i == 1) {
            count_calls(fixture->firmware);
            fake_firmware_count_only(fixture->firmware, FAKE_CALL_ALL & ~FAKE_CALL_PCI);
        }
        token.signals = 0;
        assert_success(receive(&child, &token));
        deliver(fixture, IPV4, i);
        assert_success(poll(&child));
        assert_frame(&token, fake_device_mac(fixture->device), IPV4, 100, i);
        recycle(&token);
    }
    assert_int_equal(0, calls(fixture->firmware));
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.memory.bounded, mnp.memory.window */
static void client_holds_a_bounded_amount_and_the_rest_waits_in_the_ring(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    uint32_t recorded = 0;
    uint32_t sent = 0;
    unsigned held;

    client->holds = true;
    held = hold_all(fixture, client, &sent);
    assert_between(held * (size_t)FRAME_MAX, WINDOW_BYTES, STORE_BYTES);
    assert_true(sent > held); /* in the ring */
    assert_true(EFI_ERROR(poll_client(client)));
    assert_int_equal(held, client->held_count);

    for (unsigned i = 0; i < 10; i++) { /* as many come as are given back */
        EFI_TPL tpl = BS->RaiseTPL(i % 2 ? TPL_CALLBACK : TPL_APPLICATION);

        fake_mnp_client_recycle(client, 10);
        (void)poll_client(client);
        BS->RestoreTPL(tpl);
        assert_int_equal(held, client->held_count);
    }
    client->holds = false;
    fake_mnp_client_recycle(client, held);
    while (!EFI_ERROR(poll_client(client)))
        ;
    for (; client->first; recorded++) /* in order, and none is lost */
        assert_recorded(fixture, client, FRAME_MAX, recorded);
    assert_int_equal(sent, recorded);
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.memory.bounded */
static void other_child_works_while_one_holds_all_it_can(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *greedy = client_new(fixture, IPV4);
    struct fake_mnp_client *modest;
    uint32_t sent = 0;
    unsigned held;

    greedy->holds = true;
    held = hold_all(fixture, greedy, &sent);
    modest = client_new(fixture, ARP);
    fake_mnp_client_recycle(greedy, held);
    while (!EFI_ERROR(poll_client(greedy)))
        ;
    fake_mnp_client_recycle(greedy, held);
    deliver(fixture, ARP, 1);
    (void)poll_client(modest);
    assert_int_equal(1, modest->frames);
    fake_mnp_client_recycle(greedy, held);
    assert_success(fake_mnp_client_detach(greedy));
    assert_success(fake_mnp_client_detach(modest));
}

/* holds: mnp.memory.failure */
static void frame_without_memory_comes_when_there_is_some(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    unsigned failures = 0;

    client->holds = true;
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY | FAKE_CALL_EVENT);
    for (unsigned i = 0; i < 2 * RING_FRAMES; i++) {
        deliver_long(fixture, i);
        fake_firmware_fail_from(fixture->firmware, 1 + i % 2); /* the pool, then the event */
        (void)poll_client(client);
        failures += fake_firmware_has_failed(fixture->firmware);
        fake_firmware_fail_nth(fixture->firmware, 0);
        (void)poll_client(client);
        assert_recorded(fixture, client, FRAME_MAX, i);
    }
    assert_int_equal(2 * RING_FRAMES, failures);
    fake_mnp_client_recycle(client, client->held_count);
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.memory.failure, mnp.receive.copies */
static void frame_comes_to_all_its_children_or_to_none_yet(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *clients[3];
    unsigned failures = 0;

    for (unsigned i = 0; i < 3; i++) {
        clients[i] = client_new(fixture, IPV4);
        clients[i]->holds = true;
    }
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY | FAKE_CALL_EVENT);
    for (unsigned nth = 1; nth <= 7; nth++) { /* a pool block and an event for each */
        deliver_long(fixture, nth);
        fake_firmware_fail_nth(fixture->firmware, nth);
        (void)poll_client(clients[0]);
        failures += fake_firmware_has_failed(fixture->firmware);
        for (unsigned i = 1; i < 3; i++)
            assert_int_equal(clients[0]->frames, clients[i]->frames);
        fake_firmware_fail_nth(fixture->firmware, 0);
        (void)poll_client(clients[0]);
        for (unsigned i = 0; i < 3; i++) {
            assert_recorded(fixture, clients[i], FRAME_MAX, nth);
            assert_null(fake_mnp_client_take(clients[i]));
        }
    }
    assert_between(failures, 3, 6);
    for (unsigned i = 0; i < 3; i++) {
        fake_mnp_client_recycle(clients[i], clients[i]->held_count);
        assert_success(fake_mnp_client_detach(clients[i]));
    }
}

/* holds: mnp.receive.recycle */
static void packet_that_is_recycled_twice_is_not_given_twice(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);
    EFI_EVENT event;

    client->holds = true;
    deliver_long(fixture, 0);
    assert_success(poll_client(client));
    event = client->held[0]->RecycleEvent;
    fake_mnp_client_recycle(client, 1);
    assert_success(BS->SignalEvent(event));
    for (unsigned i = 1; i <= 4; i++) {
        deliver_long(fixture, i);
        assert_success(poll_client(client));
    }
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(client->held[i]->PacketData, client->held[j]->PacketData);
    for (unsigned i = 0; i <= 4; i++)
        assert_recorded(fixture, client, FRAME_MAX, i);
    fake_mnp_client_recycle(client, client->held_count);
    assert_success(fake_mnp_client_detach(client));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST_DPC(frame_that_is_received_costs_no_firmware_call),
        MNP_TEST_DPC(frame_for_a_token_that_waits_costs_no_firmware_call),
        MNP_TEST_DPC(client_holds_a_bounded_amount_and_the_rest_waits_in_the_ring),
        MNP_TEST(client_holds_a_bounded_amount_and_the_rest_waits_in_the_ring),
        MNP_TEST_DPC(other_child_works_while_one_holds_all_it_can),
        MNP_TEST_DPC(frame_without_memory_comes_when_there_is_some),
        MNP_TEST_DPC(frame_comes_to_all_its_children_or_to_none_yet),
        MNP_TEST_DPC(packet_that_is_recycled_twice_is_not_given_twice),
    };

    return cmocka_run_group_tests_name("mnp_memory", tests, NULL, NULL);
}
