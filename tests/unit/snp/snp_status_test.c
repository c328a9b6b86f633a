/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * GetStatus: buffers that come back, interrupts, and the link.
 */
#include "snp_fixture.h"

#define RETURNS_MAX 1024u
#define LINK_INTERVAL_US 100000u
#define LINK_ACCESSES_MAX 4u
#define KNOWN_INTERRUPTS 0x0fu

static EFI_STATUS get_status(const struct snp_fixture *fixture, UINT32 *ret_interrupts,
                             VOID **ret_buffer)
{
    return fixture->protocol->GetStatus(fixture->protocol, ret_interrupts, ret_buffer);
}

/* Buffers of which only the address matters. */
static uint8_t frames[2 * RETURNS_MAX][FRAME_HEADER_BYTES];

static EFI_STATUS transmit_frame(const struct snp_fixture *fixture, size_t index)
{
    return transmit(fixture, frames[index], sizeof(frames[index]));
}

/* holds: snp.get_status.null */
static void get_status_needs_a_place_for_one_answer(void **state)
{
    assert_status(EFI_INVALID_PARAMETER, get_status(*state, NULL, NULL));
}

/* holds: snp.get_status.buffers */
static void no_buffer_comes_back_before_one_was_sent(void **state)
{
    assert_null(collect(*state));
}

/* holds: snp.get_status.buffers */
static void buffers_come_back_one_per_call_in_order(void **state)
{
    struct snp_fixture *fixture = *state;

    for (size_t i = 0; i < 5; i++)
        assert_success(transmit_frame(fixture, i));
    for (size_t i = 0; i < 5; i++)
        assert_ptr_equal(frames[i], collect(fixture));
    assert_null(collect(fixture));
}

/* holds: snp.get_status.at_once */
static void buffer_comes_back_right_after_transmit(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_stall(fixture->device, true);
    assert_success(transmit_frame(fixture, 0));
    assert_ptr_equal(frames[0], collect(fixture));
    fake_device_stall(fixture->device, false);
}

static void buffer_sent_twice_comes_back_twice(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    assert_success(transmit_frame(fixture, 0));
    assert_ptr_equal(frames[0], collect(fixture));
    assert_ptr_equal(frames[0], collect(fixture));
    assert_null(collect(fixture));
}

/* holds: snp.transmit.again */
static void buffer_may_be_sent_again_once_it_came_back(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 3000; i++) {
        assert_success(transmit_frame(fixture, 0));
        assert_ptr_equal(frames[0], collect(fixture));
        assert_null(collect(fixture));
    }
}

/* holds: snp.get_status.no_buffer */
static void asking_for_interrupts_alone_consumes_no_buffer(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    (void)interrupts(fixture);
    (void)interrupts(fixture);
    assert_ptr_equal(frames[0], collect(fixture));
}

static void failed_transmit_gives_no_buffer_back(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_status(EFI_BUFFER_TOO_SMALL, transmit(fixture, frames[0], FRAME_HEADER_BYTES - 1));
    assert_null(collect(fixture));
}

/* holds: snp.get_status.never */
static void client_that_never_collects_can_send_for_ever(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 70000; i++) {
        assert_success(transmit_frame(fixture, 0));
        assert_non_null(fake_device_take_frame(fixture->device));
    }
}

static void client_that_asks_for_interrupts_alone_can_send_for_ever(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 3 * RETURNS_MAX; i++) {
        assert_success(transmit_frame(fixture, 0));
        (void)interrupts(fixture);
        assert_non_null(fake_device_take_frame(fixture->device));
    }
}

static void client_that_collects_gets_not_ready_when_1024_buffers_wait(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_null(collect(fixture));
    for (size_t i = 0; i < RETURNS_MAX; i++)
        assert_success(transmit_frame(fixture, i));
    assert_status(EFI_NOT_READY, transmit_frame(fixture, RETURNS_MAX));

    for (size_t i = 0; i < RETURNS_MAX; i++)
        assert_ptr_equal(frames[i], collect(fixture));
    assert_null(collect(fixture));
}

static void one_collected_buffer_makes_room_for_one(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_null(collect(fixture));
    for (size_t i = 0; i < RETURNS_MAX; i++)
        assert_success(transmit_frame(fixture, i));
    for (size_t i = 0; i < RETURNS_MAX; i++) {
        assert_ptr_equal(frames[i], collect(fixture));
        assert_success(transmit_frame(fixture, RETURNS_MAX + i));
        assert_status(EFI_NOT_READY, transmit_frame(fixture, 0));
    }
}

/* holds: snp.transmit.full */
static void refused_transmit_forgets_no_buffer(void **state)
{
    struct snp_fixture *fixture = *state;
    size_t sent = 0;

    for (; sent < RETURNS_MAX; sent++)
        assert_success(transmit_frame(fixture, sent));
    fake_device_stall(fixture->device, true);
    while (transmit_frame(fixture, sent) == EFI_SUCCESS)
        sent++;
    assert_status(EFI_NOT_READY, transmit_frame(fixture, sent));

    assert_true(sent > RETURNS_MAX);
    for (size_t i = sent - RETURNS_MAX; i < sent; i++)
        assert_ptr_equal(frames[i], collect(fixture));
    assert_null(collect(fixture));
}

static void late_collector_finds_the_latest_1024_buffers(void **state)
{
    struct snp_fixture *fixture = *state;
    const size_t sent = RETURNS_MAX + 7;

    for (size_t i = 0; i < sent; i++)
        assert_success(transmit_frame(fixture, i));
    for (size_t i = sent - RETURNS_MAX; i < sent; i++)
        assert_ptr_equal(frames[i], collect(fixture));
    assert_null(collect(fixture));
}

static void buffers_keep_their_order_through_70000_sends(void **state)
{
    struct snp_fixture *fixture = *state;

    for (size_t i = 0; i < 10; i++)
        assert_success(transmit_frame(fixture, i));
    for (size_t i = 10; i < 70000; i++) {
        assert_ptr_equal(frames[(i - 10) % RETURNS_MAX], collect(fixture));
        assert_success(transmit_frame(fixture, i % RETURNS_MAX));
        assert_non_null(fake_device_take_frame(fixture->device));
    }
}

static void interrupt_status_is_zero_when_nothing_happened(void **state)
{
    assert_int_equal(0, interrupts(*state));
}

static void received_frame_sets_the_receive_interrupt(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(deliver(fixture, 100, 0));
    assert_int_equal(EFI_SIMPLE_NETWORK_RECEIVE_INTERRUPT, interrupts(fixture));
}

static void sent_frame_sets_the_transmit_interrupt(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    assert_int_equal(EFI_SIMPLE_NETWORK_TRANSMIT_INTERRUPT, interrupts(fixture));
}

/* holds: snp.get_status.interrupts */
static void interrupt_status_clears_when_read(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    assert_true(deliver(fixture, 100, 0));
    assert_int_equal(EFI_SIMPLE_NETWORK_RECEIVE_INTERRUPT | EFI_SIMPLE_NETWORK_TRANSMIT_INTERRUPT,
                     interrupts(fixture));
    assert_int_equal(0, interrupts(fixture));
}

static void interrupt_status_survives_a_call_that_does_not_read_it(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    assert_true(deliver(fixture, 100, 0));
    (void)collect(fixture);
    assert_int_equal(EFI_SIMPLE_NETWORK_RECEIVE_INTERRUPT | EFI_SIMPLE_NETWORK_TRANSMIT_INTERRUPT,
                     interrupts(fixture));
}

/* holds: snp.get_status.interrupts */
static void interrupt_status_has_known_bits_only(void **state)
{
    struct snp_fixture *fixture = *state;
    UINT32 seen = 0;

    for (unsigned i = 0; i < 1000; i++) {
        if (i % 3)
            assert_success(transmit_frame(fixture, i));
        if (i % 5) {
            assert_true(deliver(fixture, 100, i));
            assert_receives(fixture, 100, i);
        }
        seen |= interrupts(fixture);
    }
    assert_int_equal(0, seen & ~KNOWN_INTERRUPTS);
}

/* holds: snp.get_status.no_media */
static void interrupt_status_is_zero_without_media(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_set_link(fixture->device, false);
    pass_link_interval(fixture);
    assert_success(transmit_frame(fixture, 0));
    assert_true(deliver(fixture, 100, 0));
    assert_int_equal(0, interrupts(fixture));
}

static void both_answers_come_in_one_call(void **state)
{
    struct snp_fixture *fixture = *state;
    UINT32 status = 0;
    VOID *buffer = NULL;

    assert_success(transmit_frame(fixture, 3));
    assert_success(get_status(fixture, &status, &buffer));
    assert_int_equal(EFI_SIMPLE_NETWORK_TRANSMIT_INTERRUPT, status);
    assert_ptr_equal(frames[3], buffer);
}

static void media_present_follows_the_link(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 10; i++) {
        bool is_up = i % 2;

        fake_device_set_link(fixture->device, is_up);
        pass_link_interval(fixture);
        (void)collect(fixture);
        assert_int_equal(is_up, fixture->mode->MediaPresent);
    }
}

/* holds: snp.get_status.media */
static void media_present_is_fresh_in_the_same_call(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    fake_device_set_link(fixture->device, false);
    pass_link_interval(fixture);
    assert_int_equal(0, interrupts(fixture));
}

static void link_is_asked_for_at_most_every_100_ms(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned asked = 0;

    fake_device_clear_access_counts(fixture->device);
    for (unsigned ms = 0; ms < 1000; ms++) {
        unsigned before = fake_device_access_count(fixture->device);

        (void)collect(fixture);
        asked += fake_device_access_count(fixture->device) > before;
        fake_firmware_advance_us(fixture->firmware, 1000);
    }
    assert_int_equal(9, asked);
    assert_true(fake_device_access_count(fixture->device) <= asked * LINK_ACCESSES_MAX);
}

/* holds: snp.get_status.media */
static void link_is_asked_for_as_soon_as_100_ms_passed(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_set_link(fixture->device, false);
    fake_firmware_advance_us(fixture->firmware, LINK_INTERVAL_US - 1);
    (void)collect(fixture);
    assert_true(fixture->mode->MediaPresent);
    fake_firmware_advance_us(fixture->firmware, 1);
    (void)collect(fixture);
    assert_false(fixture->mode->MediaPresent);
}

static void receive_asks_for_the_link_once_when_100_ms_passed(void **state)
{
    struct snp_fixture *fixture = *state;
    unsigned asked;

    fake_device_set_link(fixture->device, false);
    pass_link_interval(fixture);
    assert_status(EFI_NOT_READY, receive_any(fixture));
    assert_false(fixture->mode->MediaPresent);

    asked = fake_device_access_count(fixture->device);
    assert_status(EFI_NOT_READY, receive_any(fixture));
    assert_int_equal(asked, fake_device_access_count(fixture->device));
}

static void transmit_asks_the_device_once_when_100_ms_have_passed(void **state)
{
    struct snp_fixture *fixture = *state;

    pass_link_interval(fixture);
    fake_device_clear_access_counts(fixture->device);
    assert_success(transmit_frame(fixture, 0));
    assert_true(fake_device_access_count(fixture->device) > 1);
    fake_device_clear_access_counts(fixture->device);
    assert_success(transmit_frame(fixture, 1));
    assert_int_equal(1, fake_device_access_count(fixture->device)); /* the doorbell */
}

/* holds: virtio.needs_reset.rings */
static void get_status_finds_out_that_the_device_needs_a_reset(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_need_reset(fixture->device);
    pass_link_interval(fixture);
    (void)collect(fixture);
    assert_status(EFI_DEVICE_ERROR, transmit_frame(fixture, 0));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
}

static void get_status_answers_from_a_device_that_is_gone(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_frame(fixture, 0));
    fake_device_unplug(fixture->device);
    pass_link_interval(fixture);
    assert_ptr_equal(frames[0], collect(fixture));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNP_TEST(get_status_needs_a_place_for_one_answer),
        SNP_TEST(no_buffer_comes_back_before_one_was_sent),
        SNP_TEST(buffers_come_back_one_per_call_in_order),
        SNP_TEST(buffer_comes_back_right_after_transmit),
        SNP_TEST(buffer_sent_twice_comes_back_twice),
        SNP_TEST(buffer_may_be_sent_again_once_it_came_back),
        SNP_TEST(asking_for_interrupts_alone_consumes_no_buffer),
        SNP_TEST(failed_transmit_gives_no_buffer_back),
        SNP_TEST(client_that_never_collects_can_send_for_ever),
        SNP_TEST(client_that_asks_for_interrupts_alone_can_send_for_ever),
        SNP_TEST(client_that_collects_gets_not_ready_when_1024_buffers_wait),
        SNP_TEST(one_collected_buffer_makes_room_for_one),
        SNP_TEST(refused_transmit_forgets_no_buffer),
        SNP_TEST(late_collector_finds_the_latest_1024_buffers),
        SNP_TEST(buffers_keep_their_order_through_70000_sends),
        SNP_TEST(interrupt_status_is_zero_when_nothing_happened),
        SNP_TEST(received_frame_sets_the_receive_interrupt),
        SNP_TEST(sent_frame_sets_the_transmit_interrupt),
        SNP_TEST(interrupt_status_clears_when_read),
        SNP_TEST(interrupt_status_survives_a_call_that_does_not_read_it),
        SNP_TEST(interrupt_status_has_known_bits_only),
        SNP_TEST(interrupt_status_is_zero_without_media),
        SNP_TEST(both_answers_come_in_one_call),
        SNP_TEST(media_present_follows_the_link),
        SNP_TEST(media_present_is_fresh_in_the_same_call),
        SNP_TEST(link_is_asked_for_at_most_every_100_ms),
        SNP_TEST(link_is_asked_for_as_soon_as_100_ms_passed),
        SNP_TEST(receive_asks_for_the_link_once_when_100_ms_passed),
        SNP_TEST(transmit_asks_the_device_once_when_100_ms_have_passed),
        SNP_TEST(get_status_finds_out_that_the_device_needs_a_reset),
        SNP_TEST(get_status_answers_from_a_device_that_is_gone),
    };

    return cmocka_run_group_tests_name("snp_status", tests, NULL, NULL);
}
