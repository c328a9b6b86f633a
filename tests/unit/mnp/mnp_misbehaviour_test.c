/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Every misbehaviour of the device against every way through the service. A client gets frames that
 * were sent to it, in order, or none; a call ends in bounded time with a status that UEFI names;
 * and the service comes back, by a new Configure when the device behaves again, or goes, by Unload
 * when it does not.
 */
#include <stdio.h>

#include "mnp_fixture.h"

#define RING_SIZE 64u
#define TRAFFIC_FRAMES (2 * RING_SIZE)
#define TEND_INTERVAL_US 100000u
#define ACCESSES_MAX 10000u
#define GROUPS 20u /* more than SNP has room for */

#define RESET_BOUND_US 5011000u
#define RESET_SHORT_BOUND_US 511000u /* of a second attempt */
#define COMMAND_BOUND_US 201000u

struct bench {
    struct mnp_fixture *fixture;
    struct mnp_child child;         /* configured, except for the ways that configure it */
    struct fake_mnp_client *client; /* attached, with the background polling */
    uint32_t sent;                  /* frames to us so far, which is their seed */
    uint32_t next;                  /* the lowest seed that may come next */
    uint64_t passed_us;             /* by the test itself */
};

static void pass_time(struct bench *bench, uint64_t microseconds)
{
    fake_firmware_advance_us(bench->fixture->firmware, microseconds);
    bench->passed_us += microseconds;
}

static void deliver_next(struct bench *bench)
{
    (void)try_deliver(bench->fixture, fake_device_mac(bench->fixture->device), IPV4, 100,
                      bench->sent++);
}

/* What the client got is what was sent to it, in that order; some may be lost. */
static void check_received(struct bench *bench)
{
    const struct fake_mnp_frame *frame;
    uint8_t expected[100];

    while ((frame = fake_mnp_client_take(bench->client))) {
        bool is_found = false;

        assert_int_equal(sizeof(expected), frame->length);
        for (; bench->next < bench->sent && !is_found; bench->next++) {
            frame_write(expected, sizeof(expected), fake_device_mac(bench->fixture->device), IPV4,
                        bench->next);
            is_found = memcmp(expected, frame->bytes, sizeof(expected)) == 0;
        }
        assert_true(is_found);
    }
}

static EFI_STATUS poll_checked(struct bench *bench)
{
    EFI_STATUS status = poll(&bench->child);

    assert_true(status == EFI_SUCCESS || status == EFI_NOT_READY || status == EFI_DEVICE_ERROR ||
                status == EFI_NOT_STARTED);
    check_received(bench);
    return status;
}

static void receive_one_by_one(struct bench *bench)
{
    for (unsigned i = 0; i < TRAFFIC_FRAMES; i++) {
        deliver_next(bench);
        (void)poll_checked(bench);
    }
    pass_time(bench, TEND_INTERVAL_US);
    deliver_next(bench);
    (void)poll_checked(bench);
}

static void receive_in_bursts(struct bench *bench)
{
    for (unsigned burst = 0; burst < 3; burst++) {
        for (unsigned i = 0; i < RING_SIZE; i++)
            deliver_next(bench);
        for (unsigned i = 0; i < 3; i++)
            (void)poll_checked(bench);
    }
}

static void receive_by_timer(struct bench *bench)
{
    for (unsigned i = 0; i < TRAFFIC_FRAMES; i++) {
        deliver_next(bench);
        if (i % 8 == 0)
            pass_time(bench, POLL_US);
        check_received(bench);
    }
}

/* A token ends once, or waits until it is cancelled. */
static void transmit_many(struct bench *bench)
{
    static uint8_t frame[FRAME_MIN];
    struct mnp_token token;

    token_init(&token);
    frame_write(frame, sizeof(frame), peer_mac, IPV4, 1);
    for (unsigned i = 0; i < TRAFFIC_FRAMES; i++) {
        EFI_STATUS status;

        token.signals = 0;
        token_for_frame(&token, frame, sizeof(frame));
        status = transmit(&bench->child, &token);
        assert_true(status == EFI_SUCCESS || status == EFI_NOT_STARTED);
        if (EFI_ERROR(status))
            break;
        (void)poll_checked(bench);
        if (token.signals == 0)
            assert_success(cancel(&bench->child, &token));
        assert_int_equal(1, token.signals);
        assert_true(token.token.Status == EFI_SUCCESS || token.token.Status == EFI_DEVICE_ERROR ||
                    token.token.Status == EFI_NO_MEDIA || token.token.Status == EFI_ABORTED);
    }
    token_fini(&token);
}

static void configure_anew(struct bench *bench)
{
    EFI_STATUS status;

    assert_success(fake_mnp_client_detach(bench->client));
    assert_success(configure(&bench->child, NULL));
    assert_int_equal(EfiSimpleNetworkStopped, bench->fixture->snp->Mode->State);
    status = configure(&bench->child, &plain_config);
    assert_status(EFI_ERROR(status) ? EFI_NOT_STARTED : EFI_SUCCESS, state_of(&bench->child));
    if (EFI_ERROR(status))
        assert_int_equal(EfiSimpleNetworkStopped, bench->fixture->snp->Mode->State);
}

static void change_configuration(struct bench *bench)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    EFI_STATUS status;

    config.EnablePromiscuousReceive = TRUE;
    status = configure(&bench->child, &config);
    assert_status(EFI_ERROR(status) ? EFI_NOT_STARTED : EFI_SUCCESS, state_of(&bench->child));
}

static void join_and_leave(struct bench *bench)
{
    for (unsigned step = 0; step < 2 * GROUPS; step++) {
        EFI_MAC_ADDRESS group = {.Addr = {0x01, 0, 0x5e, 0, 0, (uint8_t)(step % GROUPS)}};

        (void)bench->child.mnp->Groups(bench->child.mnp, step < GROUPS, &group);
    }
    (void)bench->child.mnp->Groups(bench->child.mnp, FALSE, NULL);
}

static void read_mode(struct bench *bench)
{
    EFI_SIMPLE_NETWORK_MODE mode;

    pass_time(bench, TEND_INTERVAL_US);
    assert_success(bench->child.mnp->GetModeData(bench->child.mnp, NULL, &mode));
    assert_memory_equal(bench->fixture->snp->Mode, &mode, sizeof(mode));
}

/* A device that shows another identity is gone, and its NIC is left to the firmware. */
static void disconnect(struct bench *bench)
{
    EFI_STATUS status;

    bench->client->is_retired = true;
    assert_success(fake_firmware_disconnect(bench->fixture->firmware, bench->fixture->nic));
    assert_null(services(bench->fixture));
    status = fake_firmware_connect(bench->fixture->firmware, bench->fixture->nic);
    if (EFI_ERROR(status)) {
        assert_non_null(strstr(fake_firmware_console(bench->fixture->firmware),
                               "the network stack is left to the firmware: the device is gone"));
        bench->child = (struct mnp_child){0};
        return;
    }
    bench->child = child_new(bench->fixture);
}

/* All of it in turn. */
static void live(struct bench *bench)
{
    read_mode(bench);
    join_and_leave(bench);
    receive_one_by_one(bench);
    transmit_many(bench);
    receive_by_timer(bench);
    change_configuration(bench);
    receive_in_bursts(bench);
    configure_anew(bench);
    disconnect(bench);
}

/* How often a way may wait for a reset, and for a command. */
static const struct way {
    const char *name;
    void (*go)(struct bench *bench);
    unsigned resets_max;
    unsigned commands_max;
} ways[] = {
    {"frames one by one", receive_one_by_one, 0, 1},
    {"frames in bursts", receive_in_bursts, 0, 1},
    {"frames by the timer", receive_by_timer, 0, 1},
    {"Transmit", transmit_many, 0, 1},
    {"Configure anew", configure_anew, 4, 3},
    {"Configure", change_configuration, 0, 2},
    {"Groups", join_and_leave, 0, 2 * GROUPS + 2},
    {"GetModeData", read_mode, 0, 1},
    {"Stop and Start", disconnect, 2, 2},
    {"a whole life", live, 8, 2 * GROUPS + 20},
};

enum kind { MODERN, NEWER, PACKED, LEGACY, KINDS };

static const struct {
    const char *name;
    enum fake_transport transport;
    uint64_t features; /* offered beyond the usual ones */
} kinds[KINDS] = {
    [MODERN] = {"modern", FAKE_MODERN, 0},
    [NEWER] = {"modern with what VIRTIO 1.2 added", FAKE_MODERN,
               VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_RING_RESET |
                   VIRTIO_F_IN_ORDER},
    [PACKED] = {"packed", FAKE_MODERN, VIRTIO_F_RING_PACKED},
    [LEGACY] = {"legacy", FAKE_LEGACY, VIRTIO_F_ANY_LAYOUT},
};

static void set_up(struct bench *bench, enum kind kind)
{
    const struct fake_device_options options = {
        .transport = kinds[kind].transport,
        .queue_size = {RING_SIZE, RING_SIZE, RING_SIZE},
        .features = FAKE_DEVICE_FEATURES | kinds[kind].features,
    };

    *bench = (struct bench){.fixture = mnp_fixture_new(1, &options, true)};
    bench->client = fake_mnp_client_new(bench->fixture->firmware, bench->fixture->dpc, IPV4);
    bench->client->config.DisableBackgroundPolling = FALSE;
    assert_success(fake_mnp_client_attach(bench->client, bench->fixture->nic));
    bench->child = child_for(bench->fixture, ARP);
}

static void recover(struct bench *bench)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    fake_device_misbehave(bench->fixture->device, FAKE_BEHAVES);
    if (bench->client->service)
        assert_success(fake_mnp_client_detach(bench->client));
    if (!bench->child.mnp) {
        assert_success(fake_firmware_connect(bench->fixture->firmware, bench->fixture->nic));
        bench->child = child_new(bench->fixture);
    }
    assert_success(configure(&bench->child, NULL));
    assert_success(configure(&bench->child, &config));
    while (fake_device_take_frame(bench->fixture->device))
        ;
    for (unsigned i = 0; i < TRAFFIC_FRAMES; i++)
        assert_traffic_flows(bench->fixture, &bench->child);
}

/* Frames flow on under it, or the device is given up; and then Poll says so. */
static const enum fake_device_misbehaviour fatal[] = {
    FAKE_USED_ID_OUT_OF_RANGE,
    FAKE_USED_ID_MAX,
    FAKE_USED_LENGTH_BELOW_HEADER,
    FAKE_USED_LENGTH_ABOVE_BUFFER,
    FAKE_USED_LENGTH_MAX,
    FAKE_NEEDS_RESET,
    FAKE_ALL_ONES,
};

static void check_verdict(struct bench *bench, enum fake_device_misbehaviour which)
{
    bool is_fatal = false;

    for (size_t i = 0; i < ARRAY_LENGTH(fatal); i++)
        is_fatal |= fatal[i] == which;
    if (is_fatal)
        assert_status(EFI_DEVICE_ERROR, poll(&bench->child));
    if (which == FAKE_BEHAVES)
        assert_int_equal(bench->sent, bench->client->frames);
}

/* With the device at fault from the nth register access on; 0: from the start. False: there are
 * fewer accesses. */
static bool check(const struct way *way, enum fake_device_misbehaviour which, enum kind kind,
                  unsigned nth, bool recovers)
{
    struct bench bench;
    uint64_t spent_us;
    bool has_begun;

    set_up(&bench, kind);
    spent_us = fake_firmware_now_us(bench.fixture->firmware);
    if (nth == 0)
        fake_device_misbehave(bench.fixture->device, which);
    else
        fake_device_misbehave_from(bench.fixture->device, which, nth);
    way->go(&bench);
    if (nth == 0 && way->go == receive_one_by_one)
        check_verdict(&bench, which);
    has_begun = nth == 0 || fake_device_misbehaves(bench.fixture->device);
    spent_us = fake_firmware_now_us(bench.fixture->firmware) - spent_us - bench.passed_us;
    if (getenv("MISBEHAVIOURS_VERBOSE"))
        print_message("%s, %s from access %u on: %llu us\n", way->name,
                      fake_misbehaviour_name(which), nth, (unsigned long long)spent_us);
    if (spent_us > (way->resets_max ? RESET_BOUND_US : 0) +
                       way->resets_max * (uint64_t)RESET_SHORT_BOUND_US +
                       way->commands_max * (uint64_t)COMMAND_BOUND_US)
        fail_msg("%s, %s: %llu us", way->name, fake_misbehaviour_name(which),
                 (unsigned long long)spent_us);
    assert_int_equal(TPL_APPLICATION, fake_firmware_tpl(bench.fixture->firmware));
    if (recovers)
        recover(&bench);
    mnp_fixture_free(bench.fixture);
    return has_begun;
}

struct pair {
    const struct way *way;
    enum kind kind;
    char name[128];
};

/* holds: mnp.broken.device */
static void way_survives_each_misbehaviour(void **state)
{
    const struct pair *pair = *state;

    for (enum fake_device_misbehaviour which = FAKE_BEHAVES; which < FAKE_MISBEHAVIOURS; which++) {
        if (fake_misbehaviour_needs(which) != 0)
            continue; /* mnp_large_lies_test.c has the devices for it */
        (void)check(pair->way, which, pair->kind, 0, true);
        (void)check(pair->way, which, pair->kind, 0, false);
    }
}

/* What can happen at any moment. */
static const enum fake_device_misbehaviour sudden[] = {FAKE_NEEDS_RESET, FAKE_ALL_ONES,
                                                       FAKE_RESET_NEVER_SETTLES};

/* holds: mnp.broken.device */
static void way_survives_a_misbehaviour_from_each_access_on(void **state)
{
    const struct pair *pair = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(sudden); i++) {
        unsigned nth = 1;

        while (check(pair->way, sudden[i], pair->kind, nth, nth % 2))
            assert_true(++nth < ACCESSES_MAX);
    }
}

/* The accesses of a whole life are those of its parts: the last way is tried once. */
#define EACH_MISBEHAVIOUR_TESTS (ARRAY_LENGTH(ways) * KINDS)
#define EACH_ACCESS_TESTS (EACH_MISBEHAVIOUR_TESTS - KINDS)

int main(void)
{
    static struct pair pairs[EACH_MISBEHAVIOUR_TESTS + EACH_ACCESS_TESTS];
    struct CMUnitTest tests[ARRAY_LENGTH(pairs)];

    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        bool is_sudden = i >= EACH_MISBEHAVIOUR_TESTS;
        size_t at = i % EACH_MISBEHAVIOUR_TESTS;
        struct pair *pair = &pairs[i];

        pair->way = &ways[at / KINDS];
        pair->kind = (enum kind)(at % KINDS);
        snprintf(pair->name, sizeof(pair->name), "%s survives %s: %s", pair->way->name,
                 is_sudden ? "a fault from each access on" : "each misbehaviour",
                 kinds[pair->kind].name);
        tests[i] = (struct CMUnitTest){
            .name = pair->name,
            .test_func = is_sudden ? way_survives_a_misbehaviour_from_each_access_on
                                   : way_survives_each_misbehaviour,
            .initial_state = pair,
        };
    }
    return cmocka_run_group_tests_name("mnp_misbehaviours", tests, NULL, NULL);
}
