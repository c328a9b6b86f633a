/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Received frames: what a client sees of them, who gets which, how long they wait.
 */
#include "mnp_fixture.h"

#define TIMEOUT_US 200000u
#define TIMER_US 50000u /* how much later a time-out may be noticed, as in edk2 */

/* holds: mnp.receive.data */
static void every_length_arrives_whole(void **state)
{
    struct mnp_fixture *fixture = *state;
    const uint8_t *station = fake_device_mac(fixture->device);
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    token_init(&token);
    for (size_t length = HEADER_BYTES; length <= FRAME_MAX; length++) {
        token.signals = 0;
        assert_success(receive(&child, &token));
        assert_true(try_deliver(fixture, station, 0x1234, length, (uint32_t)length * 77));
        assert_success(poll(&child));
        assert_frame(&token, station, 0x1234, length, (uint32_t)length * 77);
        recycle(&token);
    }
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.receive.data */
static void long_frames_arrive_whole_where_the_mtu_allows_them(void **state)
{
    const struct fake_device_options options = {.transport = FAKE_MODERN, .mtu = 9000};
    struct mnp_fixture *fixture = mnp_fixture_new(1, &options, false);
    const uint8_t *station = fake_device_mac(fixture->device);
    const size_t lengths[] = {1515, 2000, 2047, 2048, 4000, 4096, 8000, 9014, 60};
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    (void)state;
    token_init(&token);
    for (size_t i = 0; i < 3 * ARRAY_LENGTH(lengths); i++) {
        size_t length = lengths[i % ARRAY_LENGTH(lengths)];

        token.signals = 0;
        assert_success(receive(&child, &token));
        assert_true(try_deliver(fixture, station, 0x1234, length, (uint32_t)i));
        assert_success(poll(&child));
        assert_frame(&token, station, 0x1234, length, (uint32_t)i);
        recycle(&token);
    }
    token_fini(&token);
    child_destroy(fixture, &child);
    mnp_fixture_free(fixture);
}

enum kind { TO_US, TO_ALL, TO_GROUP, TO_OTHER_GROUP, TO_OTHERS, KINDS };

static const uint8_t *address_of(const struct mnp_fixture *fixture, enum kind kind)
{
    static const uint8_t other_group[6] = {0x33, 0x33, 0, 0, 0, 1};

    switch (kind) {
    case TO_US:
        return fake_device_mac(fixture->device);
    case TO_ALL:
        return broadcast_mac;
    case TO_GROUP:
        return group_mac;
    case TO_OTHER_GROUP:
        return other_group;
    default:
        return other_mac;
    }
}

static void join_group(const struct mnp_child *child)
{
    EFI_MAC_ADDRESS group = {0};

    memcpy(group.Addr, group_mac, 6);
    assert_success(child->mnp->Groups(child->mnp, TRUE, &group));
}

/* holds: mnp.receive.flags */
static void flags_say_how_a_frame_was_addressed(void **state)
{
    struct mnp_fixture *fixture = *state;
    static const EFI_TIME no_time;
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    struct mnp_child child = child_new(fixture);
    struct mnp_token token;

    config.EnablePromiscuousReceive = TRUE;
    assert_success(configure(&child, &config));
    join_group(&child);
    token_init(&token);
    for (enum kind kind = TO_US; kind < KINDS; kind++) {
        const EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data;

        token.signals = 0;
        assert_success(receive(&child, &token));
        deliver_to(fixture, address_of(fixture, kind), IPV4, kind);
        assert_success(poll(&child));
        assert_frame(&token, address_of(fixture, kind), IPV4, 100, kind);
        rx_data = token.token.Packet.RxData;
        assert_int_equal(kind == TO_ALL, rx_data->BroadcastFlag);
        assert_int_equal(kind == TO_GROUP, rx_data->MulticastFlag);
        assert_int_equal(kind == TO_OTHERS || kind == TO_OTHER_GROUP, rx_data->PromiscuousFlag);
        assert_memory_equal(&no_time, &rx_data->Timestamp, sizeof(no_time));
        recycle(&token);
    }
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.receive.match */
static void child_gets_what_its_own_filters_want(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child everything = child_new(fixture);
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    config.EnablePromiscuousReceive = TRUE;
    assert_success(configure(&everything, &config)); /* so that every frame comes this far */
    for (unsigned i = 0; i < 32; i++) {
        bool wants[KINDS] = {[TO_US] = i & 1, [TO_ALL] = i & 2, [TO_GROUP] = i & 4};

        config = (EFI_MANAGED_NETWORK_CONFIG_DATA){
            .ProtocolTypeFilter = i & 16 ? IPV4 : 0,
            .EnableUnicastReceive = i & 1,
            .EnableBroadcastReceive = (i & 2) != 0,
            .EnableMulticastReceive = (i & 4) != 0,
            .EnablePromiscuousReceive = (i & 8) != 0,
            .DisableBackgroundPolling = TRUE,
        };
        assert_success(configure(&child, NULL));
        assert_success(configure(&child, &config));
        if (config.EnableMulticastReceive)
            join_group(&child);
        for (enum kind kind = TO_US; kind < KINDS; kind++) {
            const uint8_t *address = address_of(fixture, kind);

            deliver_to(fixture, address, IPV6, i); /* not for IPV4 */
            deliver_to(fixture, address, IPV4, i + 1);
            (void)poll(&child);
            if ((wants[kind] || i & 8) && !(i & 16))
                assert_gets(fixture, &child, address, IPV6, i);
            if (wants[kind] || i & 8)
                assert_gets(fixture, &child, address, IPV4, i + 1);
            assert_gets_nothing(&child);
        }
    }
    child_destroy(fixture, &child);
    child_destroy(fixture, &everything);
}

/* holds: mnp.receive.unconfigured */
static void unconfigured_child_gets_nothing_later(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_child late = child_new(fixture);

    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    assert_success(configure(&late, &plain_config));
    assert_gets_nothing(&late);
    assert_gets(fixture, &child, fake_device_mac(fixture->device), IPV4, 1);
    child_destroy(fixture, &late);
    child_destroy(fixture, &child);
}

/* holds: mnp.receive.copies */
static void each_child_has_a_copy_of_its_own(void **state)
{
    struct mnp_fixture *fixture = *state;
    const uint8_t *station = fake_device_mac(fixture->device);
    struct mnp_child children[4];
    struct mnp_token tokens[4];

    for (unsigned i = 0; i < 4; i++) {
        children[i] = child_for(fixture, i % 2 ? 0 : IPV4);
        token_init(&tokens[i]);
        assert_success(receive(&children[i], &tokens[i]));
    }
    deliver(fixture, IPV4, 5);
    assert_success(poll(&children[0]));
    for (unsigned i = 0; i < 4; i++) {
        EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data = tokens[i].token.Packet.RxData;

        assert_frame(&tokens[i], station, IPV4, 100, 5);
        memset(rx_data->PacketData, 0xee, rx_data->DataLength);
        memset(rx_data->MediaHeader, 0xee, rx_data->HeaderLength);
        recycle(&tokens[i]);
        token_fini(&tokens[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        child_destroy(fixture, &children[i]);
}

/* holds: mnp.receive.queue */
static void frames_wait_in_order_for_a_token(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);

    for (unsigned i = 0; i < 100; i++) {
        deliver(fixture, IPV4, i);
        if (i % 7 == 0)
            assert_success(poll(&child));
    }
    for (unsigned i = 0; i < 100; i++)
        assert_gets(fixture, &child, fake_device_mac(fixture->device), IPV4, i);
    assert_gets_nothing(&child);
    child_destroy(fixture, &child);
}

/* holds: mnp.receive.order */
static void tokens_of_different_children_complete_in_the_order_of_the_frames(void **state)
{
    struct mnp_fixture *fixture = *state;
    const unsigned types[] = {IPV4, ARP, ARP, IPV4, ARP, IPV4, IPV4, ARP};
    struct mnp_child children[2] = {child_for(fixture, ARP), child_for(fixture, IPV4)};
    struct mnp_token tokens[ARRAY_LENGTH(types)];
    unsigned before = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(types); i++) {
        token_init(&tokens[i]);
        assert_success(receive(&children[types[i] == IPV4], &tokens[i]));
        deliver(fixture, types[i], i);
    }
    assert_success(poll(&children[0]));
    for (unsigned i = 0; i < ARRAY_LENGTH(types); i++) {
        assert_frame(&tokens[i], fake_device_mac(fixture->device), types[i], 100, i);
        assert_true(tokens[i].order > before);
        before = tokens[i].order;
        recycle(&tokens[i]);
        token_fini(&tokens[i]);
    }
    child_destroy(fixture, &children[1]);
    child_destroy(fixture, &children[0]);
}

/* holds: mnp.receive.at_once */
static void receive_takes_a_waiting_frame_at_once(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    token_init(&token);
    assert_success(receive(&child, &token));
    assert_frame(&token, fake_device_mac(fixture->device), IPV4, 100, 1);
    recycle(&token);
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.receive.overflow */
static void full_queue_loses_its_oldest_frame(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child asleep = child_for(fixture, 0);
    struct mnp_child awake = child_for(fixture, 0);
    const unsigned count = QUEUE_FRAMES + 50;

    for (unsigned i = 0; i < count; i++) {
        deliver(fixture, IPV4, i);
        assert_gets(fixture, &awake, fake_device_mac(fixture->device), IPV4, i);
    }
    for (unsigned i = count - QUEUE_FRAMES; i < count; i++)
        assert_gets(fixture, &asleep, fake_device_mac(fixture->device), IPV4, i);
    assert_gets_nothing(&asleep);
    child_destroy(fixture, &awake);
    child_destroy(fixture, &asleep);
}

/* holds: mnp.receive.timeout */
static void frame_waits_as_long_as_the_child_wants(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    struct mnp_child child = child_new(fixture);
    struct mnp_child patient = child_for(fixture, 0);

    config.ReceivedQueueTimeoutValue = TIMEOUT_US;
    assert_success(configure(&child, &config));
    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    fake_firmware_advance_us(fixture->firmware, TIMEOUT_US - TIMER_US);
    assert_gets(fixture, &child, fake_device_mac(fixture->device), IPV4, 1);

    deliver(fixture, IPV4, 2);
    assert_success(poll(&child));
    fake_firmware_advance_us(fixture->firmware, TIMEOUT_US / 2);
    deliver(fixture, IPV4, 3);
    assert_success(poll(&child));
    fake_firmware_advance_us(fixture->firmware, TIMEOUT_US / 2 + TIMER_US);
    assert_gets(fixture, &child, fake_device_mac(fixture->device), IPV4, 3);
    assert_gets_nothing(&child);

    fake_firmware_advance_us(fixture->firmware, 100 * TIMEOUT_US);
    for (unsigned i = 1; i <= 3; i++) /* 0: for ever */
        assert_gets(fixture, &patient, fake_device_mac(fixture->device), IPV4, i);
    child_destroy(fixture, &patient);
    child_destroy(fixture, &child);
}

/* holds: mnp.configure.flush */
static void queue_is_flushed_if_the_child_wants_it(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_MANAGED_NETWORK_CONFIG_DATA keeps = plain_config;
    struct mnp_child other = child_for(fixture, 0);
    struct mnp_child child = child_new(fixture);

    keeps.FlushQueuesOnReset = FALSE;
    assert_success(configure(&child, &keeps));
    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    assert_success(configure(&child, &plain_config));
    assert_gets(fixture, &child, fake_device_mac(fixture->device), IPV4, 1);

    deliver(fixture, IPV4, 2);
    assert_success(poll(&child));
    assert_success(configure(&child, &plain_config));
    assert_gets_nothing(&child);

    deliver(fixture, IPV4, 3);
    assert_success(poll(&child));
    assert_success(configure(&child, NULL));
    assert_success(configure(&child, &plain_config));
    assert_gets_nothing(&child);

    for (unsigned i = 1; i <= 3; i++)
        assert_gets(fixture, &other, fake_device_mac(fixture->device), IPV4, i);
    child_destroy(fixture, &child);
    child_destroy(fixture, &other);
}

/* holds: mnp.poll.background */
static void timer_polls_unless_every_child_forbids_it(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_MANAGED_NETWORK_CONFIG_DATA lazy = plain_config;
    struct mnp_child first = child_for(fixture, IPV4);
    struct mnp_child second = child_new(fixture);
    struct mnp_token token;

    lazy.DisableBackgroundPolling = FALSE;
    lazy.ProtocolTypeFilter = ARP;
    token_init(&token);
    for (unsigned step = 0; step < 6; step++) {
        bool polls = step == 1 || step == 2;

        if (step == 1)
            assert_success(configure(&second, &lazy));
        if (step == 2)
            assert_success(configure(&first, &plain_config)); /* it does not decide alone */
        if (step == 3)
            assert_success(configure(&second, &plain_config));
        if (step == 4)
            assert_success(configure(&second, &lazy));
        if (step >= 4)
            assert_success(configure(&second, NULL));
        token.signals = 0;
        assert_success(receive(&first, &token));
        deliver(fixture, IPV4, step);
        fake_firmware_advance_us(fixture->firmware, polls ? POLL_US : 100 * POLL_US);
        assert_int_equal(polls, token.signals);
        (void)poll(&first);
        assert_frame(&token, fake_device_mac(fixture->device), IPV4, 100, step);
        recycle(&token);
    }
    token_fini(&token);
    child_destroy(fixture, &second);
    child_destroy(fixture, &first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(every_length_arrives_whole),
        cmocka_unit_test(long_frames_arrive_whole_where_the_mtu_allows_them),
        MNP_TEST(flags_say_how_a_frame_was_addressed),
        MNP_TEST(child_gets_what_its_own_filters_want),
        MNP_TEST(unconfigured_child_gets_nothing_later),
        MNP_TEST(each_child_has_a_copy_of_its_own),
        MNP_TEST(frames_wait_in_order_for_a_token),
        MNP_TEST(tokens_of_different_children_complete_in_the_order_of_the_frames),
        MNP_TEST(receive_takes_a_waiting_frame_at_once),
        MNP_TEST(full_queue_loses_its_oldest_frame),
        MNP_TEST(frame_waits_as_long_as_the_child_wants),
        MNP_TEST(queue_is_flushed_if_the_child_wants_it),
        MNP_TEST(timer_polls_unless_every_child_forbids_it),
    };

    return cmocka_run_group_tests_name("mnp_receive", tests, NULL, NULL);
}
