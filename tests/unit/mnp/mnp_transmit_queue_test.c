/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Transmit tokens for which the ring has no room.
 */
#include "mnp_transmit.h"

#define TOKENS 64u
#define TIMEOUT_US 200000u
#define TIMER_US 50000u

/* Stall the device and fill its ring with frames 0, 1, … Returns how many. */
static unsigned fill_ring(const struct mnp_fixture *fixture, const struct mnp_child *child)
{
    struct mnp_token token;
    unsigned count = 0;

    fake_device_stall(fixture->device, true);
    for (;; count++) {
        token_init(&token);
        assert_success(send(child, &token, count));
        if (token.signals == 0)
            break;
        assert_success(token.token.Status);
        token_fini(&token);
        assert_true(count < 2 * RING_FRAMES);
    }
    assert_success(cancel(child, &token));
    token_fini(&token);
    assert_int_equal(RING_FRAMES, count);
    return count;
}

static void empty_ring(const struct mnp_fixture *fixture, unsigned count)
{
    fake_device_stall(fixture->device, false);
    fake_device_process(fixture->device);
    for (unsigned i = 0; i < count; i++)
        assert_sent(fixture, i);
}

/* holds: mnp.transmit.queue */
static void token_waits_for_room_in_the_ring(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    unsigned count = fill_ring(fixture, &child);
    struct mnp_token tokens[TOKENS];

    for (unsigned i = 0; i < TOKENS; i++) {
        token_init(&tokens[i]);
        assert_success(send(&child, &tokens[i], count + i));
        assert_int_equal(0, tokens[i].signals);
    }
    (void)poll(&child);
    assert_int_equal(0, tokens[0].signals);
    empty_ring(fixture, count);
    assert_success(poll(&child));
    for (unsigned i = 0; i < TOKENS; i++) {
        assert_int_equal(1, tokens[i].signals);
        assert_success(tokens[i].token.Status);
        assert_sent(fixture, count + i);
        token_fini(&tokens[i]);
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.queue */
static void later_frame_does_not_overtake_those_that_wait(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    unsigned count = fill_ring(fixture, &child);
    struct mnp_token tokens[3];

    for (unsigned i = 0; i < 3; i++)
        token_init(&tokens[i]);
    assert_success(send(&child, &tokens[0], count));
    assert_success(send(&child, &tokens[1], count + 1));
    empty_ring(fixture, count);
    assert_success(send(&child, &tokens[2], count + 2)); /* makes them go, too */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(1, tokens[i].signals);
        assert_sent(fixture, count + i);
        token_fini(&tokens[i]);
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.twice, mnp.transmit.full */
static void so_many_tokens_wait_each_once(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token tokens[TOKENS + 1];
    struct mnp_token same_event = {0};

    (void)fill_ring(fixture, &child);
    for (unsigned i = 0; i <= TOKENS; i++) {
        token_init(&tokens[i]);
        assert_status(i < TOKENS ? EFI_SUCCESS : EFI_NOT_READY, send(&child, &tokens[i], i));
        if (i > 0)
            continue;
        same_event.token.Event = tokens[0].token.Event;
        assert_status(EFI_ACCESS_DENIED, transmit(&child, &tokens[0]));
        assert_status(EFI_ACCESS_DENIED, send(&child, &same_event, 1));
    }
    assert_success(cancel(&child, &tokens[5]));
    assert_status(EFI_ABORTED, tokens[5].token.Status);
    assert_int_equal(1, tokens[5].signals);
    assert_int_equal(0, tokens[4].signals + tokens[6].signals);
    assert_success(send(&child, &tokens[TOKENS], 1)); /* there is room again */
    assert_success(configure(&child, NULL));
    for (unsigned i = 0; i <= TOKENS; i++) {
        assert_int_equal(1, tokens[i].signals);
        assert_status(EFI_ABORTED, tokens[i].token.Status);
        token_fini(&tokens[i]);
    }
    fake_device_stall(fixture->device, false);
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.timeout */
static void token_waits_as_long_as_the_child_wants(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    struct mnp_child child = child_new(fixture);
    struct mnp_child patient = child_for(fixture, 0); /* 0: for ever */
    struct mnp_token token;
    struct mnp_token long_token;
    unsigned count;

    config.TransmitQueueTimeoutValue = TIMEOUT_US;
    assert_success(configure(&child, &config));
    count = fill_ring(fixture, &child);
    token_init(&token);
    token_init(&long_token);
    assert_success(send(&child, &token, count + 1));
    assert_success(send(&patient, &long_token, count));
    fake_firmware_advance_us(fixture->firmware, TIMEOUT_US - TIMER_US);
    assert_int_equal(0, token.signals);
    fake_firmware_advance_us(fixture->firmware, 2 * TIMER_US);
    assert_int_equal(1, token.signals);
    assert_status(EFI_TIMEOUT, token.token.Status);

    fake_firmware_advance_us(fixture->firmware, 100 * TIMEOUT_US);
    assert_int_equal(0, long_token.signals);
    empty_ring(fixture, count);
    (void)poll(&child);
    assert_int_equal(1, long_token.signals);
    assert_success(long_token.token.Status);
    assert_sent(fixture, count); /* and the other one is not */
    assert_null(fake_device_take_frame(fixture->device));
    token_fini(&token);
    token_fini(&long_token);
    child_destroy(fixture, &patient);
    child_destroy(fixture, &child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(token_waits_for_room_in_the_ring),
        MNP_TEST(later_frame_does_not_overtake_those_that_wait),
        MNP_TEST(so_many_tokens_wait_each_once),
        MNP_TEST(token_waits_as_long_as_the_child_wants),
    };

    return cmocka_run_group_tests_name("mnp_transmit_queue", tests, NULL, NULL);
}
