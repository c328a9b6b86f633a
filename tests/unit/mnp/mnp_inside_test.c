/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Each way in which a token ends against what its client does then, from the DPC: the service that
 * called it may be gone when it returns. AddressSanitizer watches.
 */
#include <stdio.h>

#include "mnp_fixture.h"

#define VLAN 5u

struct bench {
    struct mnp_fixture *fixture;
    EFI_HANDLE service; /* of a VLAN, beside the untagged one */
    struct mnp_child child;
    struct mnp_child other; /* of the same service, with a token that waits */
    struct mnp_token token;
    struct mnp_token others_token;
    EFI_EVENT event; /* instead of the token's own */
    void (*act)(struct bench *bench);
    unsigned acts;
};

static VOID EFIAPI run_act(VOID *context)
{
    struct bench *bench = context;

    if (bench->acts++ == 0)
        bench->act(bench);
}

static VOID EFIAPI on_token(EFI_EVENT event, VOID *context)
{
    struct bench *bench = context;

    (void)event;
    assert_success(bench->fixture->dpc->protocol.QueueDpc(&bench->fixture->dpc->protocol,
                                                          TPL_CALLBACK, run_act, bench));
}

/* ---- acts ---- */

static void destroy(const struct bench *bench, const struct mnp_child *child)
{
    EFI_SERVICE_BINDING *binding = services_of(bench->fixture, bench->service);

    if (binding)
        (void)binding->DestroyChild(binding, child->handle);
}

static void destroy_itself(struct bench *bench)
{
    destroy(bench, &bench->child);
}

static void destroy_the_other(struct bench *bench)
{
    destroy(bench, &bench->other);
}

static void remove_the_vlan(struct bench *bench)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(bench->fixture);

    if (vlans)
        (void)vlans->Remove(vlans, VLAN);
}

static void stop_the_service(struct bench *bench)
{
    (void)BS->DisconnectController(bench->fixture->nic, NULL, NULL);
}

static void stop_the_nic(struct bench *bench)
{
    (void)BS->DisconnectController(fake_device_handle(bench->fixture->device), NULL, NULL);
}

static void poll_again(struct bench *bench)
{
    if (fake_firmware_interface(bench->fixture->firmware, bench->child.handle, &mnp_guid))
        (void)poll(&bench->child);
    if (fake_firmware_interface(bench->fixture->firmware, bench->other.handle, &mnp_guid))
        (void)poll(&bench->other);
}

/* ---- ways ---- */

static void wait_to_receive(struct bench *bench)
{
    assert_success(receive(&bench->child, &bench->token));
}

static void deliver_tagged(const struct bench *bench)
{
    const uint8_t *station = fake_device_mac(bench->fixture->device);
    uint8_t frame[100];

    frame_write(frame, sizeof(frame), station, 0x8100, 0);
    frame[14] = 0;
    frame[15] = VLAN;
    assert_true(fake_device_deliver(bench->fixture->device, frame, sizeof(frame)));
}

static void end_by_poll(struct bench *bench)
{
    wait_to_receive(bench);
    for (unsigned i = 0; i < 20; i++)
        deliver_tagged(bench);
    (void)poll(&bench->other);
}

static void end_by_receive(struct bench *bench)
{
    deliver_tagged(bench);
    assert_success(poll(&bench->child));
    wait_to_receive(bench);
}

static void end_by_timer(struct bench *bench)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    config.DisableBackgroundPolling = FALSE;
    assert_success(configure(&bench->child, &config));
    wait_to_receive(bench);
    deliver_tagged(bench);
    fake_firmware_advance_us(bench->fixture->firmware, POLL_US);
}

static void end_by_cancel(struct bench *bench)
{
    wait_to_receive(bench);
    assert_success(cancel(&bench->child, NULL));
}

static void end_by_configure(struct bench *bench)
{
    wait_to_receive(bench);
    assert_success(configure(&bench->child, NULL));
}

static void end_by_failing_configure(struct bench *bench)
{
    wait_to_receive(bench);
    assert_success(bench->fixture->snp->Shutdown(bench->fixture->snp));
    fake_device_misbehave(bench->fixture->device, FAKE_RESET_NEVER_SETTLES);
    assert_true(EFI_ERROR(configure(&bench->child, &plain_config)));
    fake_device_misbehave(bench->fixture->device, FAKE_BEHAVES);
}

static void end_by_destroy(struct bench *bench)
{
    wait_to_receive(bench);
    destroy_itself(bench);
}

static void end_by_removing_the_vlan(struct bench *bench)
{
    wait_to_receive(bench);
    remove_the_vlan(bench);
}

static void end_by_stop(struct bench *bench)
{
    wait_to_receive(bench);
    (void)fake_firmware_disconnect(bench->fixture->firmware, bench->fixture->nic);
}

static uint8_t sent[FRAME_MIN];

static void end_by_transmit(struct bench *bench)
{
    token_for_frame(&bench->token, sent, sizeof(sent));
    assert_success(transmit(&bench->child, &bench->token));
}

static void wait_to_send(struct bench *bench)
{
    struct mnp_token token;

    fake_device_stall(bench->fixture->device, true);
    do {
        token_init(&token);
        token_for_frame(&token, sent, sizeof(sent));
        assert_success(transmit(&bench->child, &token));
        if (token.signals == 0)
            assert_success(cancel(&bench->child, &token));
        token_fini(&token);
    } while (token.token.Status == EFI_SUCCESS);
    end_by_transmit(bench);
    assert_int_equal(0, bench->acts);
}

static void end_by_sending_later(struct bench *bench)
{
    wait_to_send(bench);
    fake_device_stall(bench->fixture->device, false);
    fake_device_process(bench->fixture->device);
    (void)poll(&bench->other);
}

static void end_by_time_out(struct bench *bench)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    config.TransmitQueueTimeoutValue = 100000;
    assert_success(configure(&bench->child, &config));
    wait_to_send(bench);
    fake_firmware_advance_us(bench->fixture->firmware, 200000);
    fake_device_stall(bench->fixture->device, false);
}

static const struct {
    const char *name;
    void (*end)(struct bench *bench);
} ways[] = {
    {"Poll", end_by_poll},
    {"Receive", end_by_receive},
    {"the timer", end_by_timer},
    {"Cancel", end_by_cancel},
    {"Configure(NULL)", end_by_configure},
    {"a Configure that fails", end_by_failing_configure},
    {"DestroyChild", end_by_destroy},
    {"Remove", end_by_removing_the_vlan},
    {"Stop", end_by_stop},
    {"Transmit", end_by_transmit},
    {"Transmit, later", end_by_sending_later},
    {"a time-out", end_by_time_out},
};

static void (*const acts[])(struct bench *bench) = {
    destroy_itself, destroy_the_other, remove_the_vlan, stop_the_service, stop_the_nic, poll_again,
};

static void set_up(struct bench *bench)
{
    struct mnp_fixture *fixture = mnp_fixture_new(1, NULL, true);
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);

    *bench = (struct bench){.fixture = fixture};
    assert_success(vlans->Set(vlans, VLAN, 0));
    bench->service = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, 0);
    assert_success(vlans->Set(vlans, 0, 0));
    bench->child = child_on(fixture, bench->service);
    bench->other = child_on(fixture, bench->service);
    assert_success(configure(&bench->child, &plain_config));
    assert_success(configure(&bench->other, &plain_config));
    token_init(&bench->others_token);
    token_init(&bench->token);
    token_fini(&bench->token);
    assert_success(
        BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_NOTIFY, on_token, bench, &bench->token.token.Event));
}

static void recycle_if_given(struct mnp_token *token, bool was_for_receive)
{
    if (was_for_receive && token->token.Status == EFI_SUCCESS && token->token.Packet.RxData)
        (void)BS->SignalEvent(token->token.Packet.RxData->RecycleEvent);
}

static void take_down(struct bench *bench)
{
    struct mnp_fixture *fixture = bench->fixture;
    struct mnp_child child;

    fake_firmware_advance_us(fixture->firmware, 10 * POLL_US);
    (void)fake_firmware_disconnect(fixture->firmware, fake_device_handle(fixture->device));
    recycle_if_given(&bench->token, bench->token.tx_data.FragmentCount == 0);
    recycle_if_given(&bench->others_token, true);
    token_fini(&bench->token);
    token_fini(&bench->others_token);
    connect_all(fixture);
    while (fake_device_take_frame(fixture->device))
        ;
    child = child_for(fixture, 0);
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
    mnp_fixture_free(fixture);
}

/* holds: mnp.inside.any */
static void client_may_do_anything_when_its_token_ends(void **state)
{
    size_t way = *(const size_t *)*state;

    for (size_t i = 0; i < ARRAY_LENGTH(acts); i++) {
        struct bench bench;

        set_up(&bench);
        bench.act = acts[i];
        assert_success(receive(&bench.other, &bench.others_token));
        ways[way].end(&bench);
        assert_true(bench.acts > 0);
        take_down(&bench);
    }
}

/* ---- drivers, which the firmware stops in the middle of it ---- */

enum act {
    DETACH,
    UNCONFIGURE,
    STOP_SERVICE,
    STOP_NIC,
    CONNECT,
    CREATE,
    SET_VLAN,
    REMOVE_VLAN,
    ACTS
};
enum way { BY_DETACH, BY_DESTROY, BY_STOP_OF_SERVICE, BY_STOP_OF_NIC, BY_VLAN, WAYS };

struct drivers {
    struct mnp_fixture *fixture;
    struct fake_mnp_client *clients[3];
    enum act act;
    enum way way;
    unsigned acts_left;
};

/* A service that is going, as the first VLAN makes the untagged one go, makes no children: it
 * would never have gone. */
static void create_child(const struct drivers *drivers)
{
    EFI_SERVICE_BINDING *binding = services(drivers->fixture);
    EFI_HANDLE handle = NULL;

    if (!binding)
        return;
    if (drivers->way == BY_VLAN) {
        assert_true(EFI_ERROR(binding->CreateChild(binding, &handle)));
        assert_null(handle);
        return;
    }
    assert_success(binding->CreateChild(binding, &handle));
    assert_success(binding->DestroyChild(binding, handle));
}

static void act_when_aborted(struct fake_mnp_client *client, void *context)
{
    struct drivers *drivers = context;
    struct fake_mnp_client *other = drivers->clients[client == drivers->clients[1] ? 2 : 1];
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(drivers->fixture);

    if (drivers->acts_left == 0)
        return;
    drivers->acts_left--;
    switch (drivers->act) {
    case DETACH:
        (void)fake_mnp_client_detach(other);
        break;
    case UNCONFIGURE:
        if (other->mnp)
            (void)other->mnp->Configure(other->mnp, NULL);
        break;
    case STOP_SERVICE:
        (void)BS->DisconnectController(drivers->fixture->nic, NULL, NULL);
        break;
    case STOP_NIC:
        (void)BS->DisconnectController(fake_device_handle(drivers->fixture->device), NULL, NULL);
        break;
    case CONNECT:
        (void)BS->ConnectController(drivers->fixture->nic, NULL, NULL, TRUE);
        break;
    case CREATE:
        create_child(drivers);
        break;
    case SET_VLAN:
        if (vlans)
            (void)vlans->Set(vlans, VLAN, 0);
        break;
    default:
        if (vlans)
            (void)vlans->Remove(vlans, VLAN);
        break;
    }
}

static void stop_drivers(struct drivers *drivers, enum way way)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(drivers->fixture);
    EFI_SERVICE_BINDING *binding = services(drivers->fixture);

    switch (way) {
    case BY_DETACH:
        (void)fake_mnp_client_detach(drivers->clients[0]);
        break;
    case BY_DESTROY:
        (void)binding->DestroyChild(binding, drivers->clients[0]->child);
        break;
    case BY_STOP_OF_SERVICE:
        (void)fake_firmware_disconnect(drivers->fixture->firmware, drivers->fixture->nic);
        break;
    case BY_STOP_OF_NIC:
        (void)fake_firmware_disconnect(drivers->fixture->firmware,
                                       fake_device_handle(drivers->fixture->device));
        break;
    default:
        (void)vlans->Set(vlans, VLAN + 1, 0);
        break;
    }
}

/* Each act stops or attaches clients, which act again: that has an end of its own. */
#define ACTS_MAX 1000u

static void check_drivers(enum act act, enum way way, bool has_dpc)
{
    struct drivers drivers = {mnp_fixture_new(1, NULL, has_dpc), .act = act, .way = way,
                              .acts_left = ACTS_MAX};
    struct mnp_fixture *fixture = drivers.fixture;
    EFI_VLAN_CONFIG_PROTOCOL *vlans;
    struct mnp_child child;

    for (unsigned i = 0; i < ARRAY_LENGTH(drivers.clients); i++) {
        drivers.clients[i] = fake_mnp_client_new(fixture->firmware, fixture->dpc, 0);
        drivers.clients[i]->on_abort = act_when_aborted;
        drivers.clients[i]->context = &drivers;
    }
    (void)fake_firmware_connect(fixture->firmware, fixture->nic);
    stop_drivers(&drivers, way);
    assert_between(drivers.acts_left, 1, ACTS_MAX - 1);

    for (unsigned i = 0; i < ARRAY_LENGTH(drivers.clients); i++) {
        drivers.clients[i]->is_retired = true;
        drivers.clients[i]->on_abort = NULL;
        (void)fake_mnp_client_detach(drivers.clients[i]);
    }
    fake_firmware_advance_us(fixture->firmware, 10 * POLL_US);
    (void)fake_firmware_disconnect(fixture->firmware, fake_device_handle(fixture->device));
    connect_all(fixture);
    vlans = vlan_config(fixture);
    (void)vlans->Remove(vlans, VLAN);
    (void)vlans->Remove(vlans, VLAN + 1);
    child = child_for(fixture, 0);
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
    mnp_fixture_free(fixture);
}

/* holds: mnp.inside.any, mnp.child.going */
static void driver_may_do_anything_while_it_is_stopped(void **state)
{
    (void)state;
    for (enum act act = DETACH; act < ACTS; act++) {
        for (enum way way = BY_DETACH; way < WAYS; way++) {
            check_drivers(act, way, false);
            check_drivers(act, way, true);
        }
    }
}

int main(void)
{
    static size_t indices[ARRAY_LENGTH(ways)];
    static char names[ARRAY_LENGTH(ways)][80];
    struct CMUnitTest tests[ARRAY_LENGTH(ways) + 1] = {
        [ARRAY_LENGTH(ways)] = cmocka_unit_test(driver_may_do_anything_while_it_is_stopped)};

    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        indices[i] = i;
        snprintf(names[i], sizeof(names[i]), "client_may_do_anything_when_its_token_ends: by %s",
                 ways[i].name);
        tests[i] = (struct CMUnitTest){.name = names[i],
                                       .test_func = client_may_do_anything_when_its_token_ends,
                                       .initial_state = &indices[i]};
    }
    return cmocka_run_group_tests_name("mnp_inside", tests, NULL, NULL);
}
