/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Clients that are drivers, as ARP, IP4 and IP6: they come and go with the service, and act from
 * inside their own completions.
 */
#include <stdio.h>

#include "mnp_fixture.h"

#define BURST 200u /* frames that wait in the ring together */

static EFI_GUID snp_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;

static struct fake_mnp_client *client_new(const struct mnp_fixture *fixture, unsigned ethertype)
{
    return fake_mnp_client_new(fixture->firmware, fixture->dpc, (UINT16)ethertype);
}

/* One that the firmware connects to the service. */
static struct fake_mnp_client *connected_client(const struct mnp_fixture *fixture,
                                                unsigned ethertype)
{
    struct fake_mnp_client *client = client_new(fixture, ethertype);

    (void)fake_firmware_connect(fixture->firmware, fixture->nic);
    assert_ptr_equal(fixture->nic, client->service);
    assert_int_equal(1, client->starts);
    return client;
}

static EFI_STATUS poll_client(const struct fake_mnp_client *client)
{
    return client->mnp->Poll(client->mnp);
}

static void deliver_burst(const struct mnp_fixture *fixture, unsigned ethertype, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        deliver(fixture, ethertype, i);
}

/* In order, nothing lost, nothing twice. */
static void assert_recorded(const struct mnp_fixture *fixture, struct fake_mnp_client *client,
                            unsigned ethertype, unsigned count)
{
    uint8_t expected[100];

    for (unsigned i = 0; i < count; i++) {
        const struct fake_mnp_frame *frame = fake_mnp_client_take(client);

        frame_write(expected, sizeof(expected), fake_device_mac(fixture->device), ethertype, i);
        assert_non_null(frame);
        assert_int_equal(sizeof(expected), frame->length);
        assert_memory_equal(expected, frame->bytes, sizeof(expected));
    }
    assert_null(fake_mnp_client_take(client));
}

/* holds: mnp.poll.all, mnp.dpc.dispatch */
static void one_poll_gives_a_client_all_that_waits(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = connected_client(fixture, IPV4);

    deliver_burst(fixture, IPV4, BURST);
    assert_success(poll_client(client));
    assert_recorded(fixture, client, IPV4, BURST);
    assert_true(client->is_armed);
    assert_status(EFI_NOT_READY, poll_client(client));
}

/* holds: mnp.poll.flat */
static void stack_does_not_grow_with_the_frames_that_wait(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = connected_client(fixture, IPV4);

    deliver_burst(fixture, IPV4, BURST);
    assert_success(poll_client(client));
    assert_int_equal(BURST, client->frames);
    assert_int_equal(1, client->depth_max);
    if (fixture->dpc)
        assert_true(fixture->dpc->dispatch_depth_max <= 2);
}

/* holds: mnp.poll.flat */
static void stack_does_not_grow_with_the_frames_in_the_queue(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);

    client->stays_silent = true;
    assert_success(fake_mnp_client_attach(client, fixture->nic));
    deliver_burst(fixture, IPV4, BURST);
    (void)poll_client(client);
    assert_int_equal(0, client->frames);
    client->stays_silent = false;
    assert_success(fake_mnp_client_arm(client)); /* completes at once, and so do the others */
    assert_int_equal(BURST, client->frames);
    assert_true(client->depth_max <= 2);
    assert_recorded(fixture, client, IPV4, BURST);
    assert_success(fake_mnp_client_detach(client));
}

/* holds: mnp.receive.match */
static void clients_of_different_ethertypes_get_their_own_in_order(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *ip4 = connected_client(fixture, IPV4);
    struct fake_mnp_client *arp = connected_client(fixture, ARP);

    for (unsigned i = 0; i < BURST; i++)
        deliver(fixture, i % 2 ? ARP : IPV4, i / 2);
    assert_success(poll_client(arp)); /* any child's Poll serves all */
    assert_recorded(fixture, ip4, IPV4, BURST / 2);
    assert_recorded(fixture, arp, ARP, BURST / 2);
}

/* holds: mnp.dpc.none, mnp.poll.background */
static void timer_polls_for_clients_that_do_not(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = client_new(fixture, IPV4);

    client->config.DisableBackgroundPolling = FALSE;
    assert_success(fake_mnp_client_attach(client, fixture->nic));
    deliver_burst(fixture, IPV4, BURST);
    fake_firmware_advance_us(fixture->firmware, POLL_US);
    assert_recorded(fixture, client, IPV4, BURST);
    assert_success(fake_mnp_client_detach(client));
}

static void poll_from_inside(struct fake_mnp_client *client, void *context)
{
    unsigned *not_ready = context;

    if (poll_client(client) == EFI_NOT_READY)
        ++*not_ready;
}

/* holds: mnp.poll.inner */
static void poll_from_inside_is_not_ready(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = connected_client(fixture, IPV4);
    unsigned not_ready = 0;

    client->hook = poll_from_inside;
    client->context = &not_ready;
    deliver_burst(fixture, IPV4, BURST);
    assert_success(poll_client(client));
    assert_int_equal(BURST, not_ready);
    assert_int_equal(1, client->depth_max);
    assert_recorded(fixture, client, IPV4, BURST);
}

/* What a client can do from inside, at its third frame. */
struct inside {
    const struct mnp_fixture *fixture;
    struct fake_mnp_client *victim;
    unsigned at_frame;
};

static bool is_time(const struct fake_mnp_client *client, const struct inside *inside)
{
    return client->frames == inside->at_frame;
}

static void detach_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside))
        assert_success(fake_mnp_client_detach(inside->victim));
}

static void unconfigure_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside))
        assert_success(inside->victim->mnp->Configure(inside->victim->mnp, NULL));
}

static void reconfigure_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside))
        assert_success(
            inside->victim->mnp->Configure(inside->victim->mnp, &inside->victim->config));
}

static void cancel_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside))
        assert_success(inside->victim->mnp->Cancel(inside->victim->mnp, NULL));
}

static void disconnect_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside))
        (void)BS->DisconnectController(inside->fixture->nic, NULL, NULL);
}

static void disconnect_nic_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside))
        (void)BS->DisconnectController(fake_device_handle(inside->fixture->device), NULL, NULL);
}

static void attach_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;

    if (is_time(client, inside) && client == inside->victim) {
        struct fake_mnp_client *another = client_new(inside->fixture, ARP);

        assert_success(fake_mnp_client_attach(another, inside->fixture->nic));
    }
}

static void set_vlan_inside(struct fake_mnp_client *client, void *context)
{
    struct inside *inside = context;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(inside->fixture);

    if (is_time(client, inside))
        (void)vlans->Set(vlans, 5, 0);
}

static const struct {
    const char *name;
    fake_mnp_client_hook *act;
} acts[] = {
    {"detach", detach_inside},         {"Configure(NULL)", unconfigure_inside},
    {"Configure", reconfigure_inside}, {"Cancel", cancel_inside},
    {"disconnect", disconnect_inside}, {"disconnect the NIC", disconnect_nic_inside},
    {"attach another", attach_inside}, {"set a VLAN", set_vlan_inside},
};

/* Whatever is done, by whom, to whom: nothing is touched that is gone, and the service is there
 * afterwards. AddressSanitizer watches. */
static void act_from_inside(fake_mnp_client_hook *act, bool on_itself, bool has_dpc, bool by_timer)
{
    struct mnp_fixture *fixture = mnp_fixture_new(1, NULL, has_dpc);
    struct fake_mnp_client *first = client_new(fixture, 0);
    struct fake_mnp_client *second = client_new(fixture, 0);
    struct inside inside = {fixture, on_itself ? first : second, 3};
    struct mnp_child child;

    first->config.DisableBackgroundPolling = !by_timer;
    first->hook = act;
    first->context = &inside;
    (void)fake_firmware_connect(fixture->firmware, fixture->nic);
    assert_non_null(first->service);
    assert_non_null(second->service);
    deliver_burst(fixture, IPV4, BURST);
    if (by_timer)
        fake_firmware_advance_us(fixture->firmware, POLL_US);
    else
        (void)poll_client(first);
    assert_true(first->frames >= 3);
    fake_firmware_advance_us(fixture->firmware, 5 * POLL_US);

    first->is_retired = true;
    second->is_retired = true;
    (void)fake_mnp_client_detach(first);
    (void)fake_mnp_client_detach(second);
    (void)fake_firmware_disconnect(fixture->firmware, fake_device_handle(fixture->device));
    connect_all(fixture);
    if (!services(fixture)) { /* a VLAN was set */
        EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);

        assert_success(vlans->Remove(vlans, 5));
    }
    child = child_for(fixture, 0);
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
    mnp_fixture_free(fixture);
}

/* holds: mnp.inside.any */
static void anything_can_be_done_from_inside(void **state)
{
    fake_mnp_client_hook *act = acts[*(const size_t *)*state].act;

    for (unsigned i = 0; i < 8; i++)
        act_from_inside(act, i & 1, i & 2, i & 4);
}

/* holds: mnp.binding.clients */
static void clients_leave_with_the_service_and_return_with_it(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *ip4 = connected_client(fixture, IPV4);
    struct fake_mnp_client *arp = connected_client(fixture, ARP);
    EFI_HANDLE agent = fake_firmware_load_image(fixture->firmware, NULL);
    void *interface;

    assert_success(BS->OpenProtocol(fixture->nic, &snp_guid, &interface, agent, NULL,
                                    EFI_OPEN_PROTOCOL_EXCLUSIVE));
    assert_int_equal(1, ip4->stops);
    assert_int_equal(1, arp->stops);
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
    assert_success(BS->CloseProtocol(fixture->nic, &snp_guid, agent, NULL));
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_int_equal(2, ip4->starts);
    assert_int_equal(2, arp->starts);
    deliver_burst(fixture, IPV4, 3);
    assert_success(poll_client(ip4));
    assert_recorded(fixture, ip4, IPV4, 3);
}

/* holds: mnp.receive.held */
static void frames_that_a_client_holds_outlive_the_service(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = connected_client(fixture, IPV4);
    uint8_t expected[100];

    client->holds = true;
    deliver_burst(fixture, IPV4, 20);
    assert_success(poll_client(client));
    assert_int_equal(20, client->held_count);
    assert_success(
        fake_firmware_disconnect(fixture->firmware, fake_device_handle(fixture->device)));
    assert_int_equal(1, client->stops);
    for (unsigned i = 0; i < 20; i++) {
        frame_write(expected, sizeof(expected), fake_device_mac(fixture->device), IPV4, i);
        assert_memory_equal(expected, client->held[i]->MediaHeader, HEADER_BYTES);
        assert_memory_equal(expected + HEADER_BYTES, client->held[i]->PacketData,
                            sizeof(expected) - HEADER_BYTES);
    }

    assert_true(EFI_ERROR(unload(fixture)));
    fake_mnp_client_recycle(client, 19);
    assert_true(EFI_ERROR(unload(fixture)));
    fake_mnp_client_recycle(client, 1);
    client->is_retired = true;
    assert_success(unload(fixture));
    fake_firmware_assert_nothing_leaked(fixture->firmware);
    assert_success(efi_main(fixture->image, ST)); /* for the end of the test */
}

static void recycle_inside(struct fake_mnp_client *client, void *context)
{
    (void)context;
    if (client->held_count == 10)
        fake_mnp_client_recycle(client, 7);
}

/* holds: mnp.receive.recycle */
static void frames_can_be_recycled_from_inside_and_later(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_mnp_client *client = connected_client(fixture, IPV4);

    client->holds = true;
    client->hook = recycle_inside;
    for (unsigned i = 0; i < 10; i++) {
        deliver_burst(fixture, IPV4, BURST);
        assert_success(poll_client(client));
        assert_recorded(fixture, client, IPV4, BURST);
    }
    fake_mnp_client_recycle(client, 10);
    assert_int_equal(0, client->held_count);
}

#define ACTS ARRAY_LENGTH(acts)

int main(void)
{
    static size_t indices[ACTS];
    static char names[ACTS][80];
    static const struct CMUnitTest plain[] = {
        MNP_TEST_DPC(one_poll_gives_a_client_all_that_waits),
        MNP_TEST_DPC(stack_does_not_grow_with_the_frames_that_wait),
        MNP_TEST(stack_does_not_grow_with_the_frames_that_wait),
        MNP_TEST_DPC(stack_does_not_grow_with_the_frames_in_the_queue),
        MNP_TEST(stack_does_not_grow_with_the_frames_in_the_queue),
        MNP_TEST_DPC(clients_of_different_ethertypes_get_their_own_in_order),
        MNP_TEST(clients_of_different_ethertypes_get_their_own_in_order),
        MNP_TEST(timer_polls_for_clients_that_do_not),
        MNP_TEST_DPC(timer_polls_for_clients_that_do_not),
        MNP_TEST_DPC(poll_from_inside_is_not_ready),
        MNP_TEST_DPC(clients_leave_with_the_service_and_return_with_it),
        MNP_TEST(clients_leave_with_the_service_and_return_with_it),
        MNP_TEST_DPC(frames_that_a_client_holds_outlive_the_service),
        MNP_TEST_DPC(frames_can_be_recycled_from_inside_and_later),
    };
    struct CMUnitTest tests[ARRAY_LENGTH(plain) + ACTS];

    memcpy(tests, plain, sizeof(plain));
    for (size_t i = 0; i < ACTS; i++) {
        indices[i] = i;
        snprintf(names[i], sizeof(names[i]), "anything_can_be_done_from_inside: %s", acts[i].name);
        tests[ARRAY_LENGTH(plain) + i] =
            (struct CMUnitTest){.name = names[i],
                                .test_func = anything_can_be_done_from_inside,
                                .initial_state = &indices[i]};
    }
    return cmocka_run_group_tests_name("mnp_clients", tests, NULL, NULL);
}
