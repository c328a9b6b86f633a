/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the device's configuration says and the interface makes of it: MTU, speed, wishes for an
 * announcement; and which features make no sense without another.
 */
#include "snp_fixture.h"

#define VLAN_TAG_BYTES 4u

/* 1574 makes a buffer without room for a tag end where the next begins. */
static const uint16_t mtus[] = {68, 69, 576, 1280, 1499, 1500, 1501, 1574, 4000, 9000, 65535};

static const enum fake_transport transports[] = {FAKE_MODERN, FAKE_LEGACY};

static struct snp_fixture *open_with_mtu(enum fake_transport transport, uint16_t mtu)
{
    struct fake_device_options options = {.transport = transport, .mtu = mtu};

    return snp_fixture_new(&options, EfiSimpleNetworkInitialized);
}

/* holds: virtio.net.mtu */
static void longest_packet_is_the_mtu_both_ways(void **state)
{
    static uint8_t frame[FRAME_SPACE_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(mtus) * ARRAY_LENGTH(transports); i++) {
        uint16_t mtu = mtus[i / ARRAY_LENGTH(transports)];
        size_t longest = FRAME_HEADER_BYTES + mtu;
        struct snp_fixture *fixture = open_with_mtu(transports[i % ARRAY_LENGTH(transports)], mtu);

        assert_int_equal(mtu, fixture->mode->MaxPacketSize);
        frame_write(frame, longest, peer_mac, 5);
        assert_success(transmit(fixture, frame, longest));
        assert_sent(fixture, longest, 5);
        assert_true(deliver(fixture, longest, 6));
        assert_receives(fixture, longest, 6);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.transmit.too_large */
static void no_frame_above_the_mtu_is_ever_sent(void **state)
{
    static uint8_t frame[FRAME_SPACE_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(mtus); i++) {
        struct snp_fixture *fixture = open_with_mtu(FAKE_MODERN, mtus[i]);
        const size_t lengths[] = {FRAME_HEADER_BYTES + mtus[i] + 1u, UINTPTR_MAX};

        for (size_t j = 0; j < ARRAY_LENGTH(lengths); j++)
            assert_status(EFI_INVALID_PARAMETER, transmit(fixture, frame, lengths[j]));
        assert_null(fake_device_take_frame(fixture->device));
        assert_null(collect(fixture));
        snp_fixture_free(fixture);
    }
}

/* Each receive buffer holds a tagged frame of that size: fill all of them at once. */
/* holds: virtio.net.rx_buffers */
static void every_receive_buffer_holds_the_longest_frame(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(mtus); i++) {
        struct snp_fixture *fixture = open_with_mtu(FAKE_MODERN, mtus[i]);
        size_t longest = FRAME_HEADER_BYTES + VLAN_TAG_BYTES + mtus[i];
        unsigned count = fake_device_pending_count(fixture->device, RX);

        assert_true(count >= 16);
        for (unsigned seed = 0; seed < count; seed++)
            assert_true(deliver(fixture, longest, seed));
        assert_false(deliver(fixture, longest, 0));
        for (unsigned seed = 0; seed < count; seed++)
            assert_receives(fixture, longest, seed);
        snp_fixture_free(fixture);
    }
}

static void longest_packet_follows_the_device_at_reset(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_set_mtu(fixture->device, 9000);
    assert_success(snp_reset(fixture));
    assert_int_equal(9000, fixture->mode->MaxPacketSize);
    assert_true(deliver(fixture, FRAME_HEADER_BYTES + 9000, 1));
    assert_receives(fixture, FRAME_HEADER_BYTES + 9000, 1);
}

/* holds: virtio.net.mtu */
static void mtu_below_68_is_as_good_as_none(void **state)
{
    (void)state;
    for (uint16_t mtu = 1; mtu < VIRTIO_NET_MTU_MIN; mtu += 11) {
        struct snp_fixture *fixture = open_with_mtu(FAKE_MODERN, mtu);

        assert_int_equal(1500, fixture->mode->MaxPacketSize);
        assert_false(fake_device_accepted_features(fixture->device) & VIRTIO_NET_F_MTU);
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

/* holds: virtio.config.optional */
static void speed_is_known_only_where_the_device_tells_one(void **state)
{
    const struct {
        uint32_t told;
        uint64_t removed_features;
        uint32_t speed_mbps;
    } cases[] = {
        {10, 0, 10},
        {1000, 0, 1000},
        {400000, 0, 400000},
        {INT32_MAX, 0, INT32_MAX},
        {(uint32_t)INT32_MAX + 1, 0, 0},
        {UINT32_MAX, 0, 0},
        {1000, VIRTIO_NET_F_SPEED_DUPLEX, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.speed_mbps = cases[i].told,
                                              .removed_features = cases[i].removed_features};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkStopped);

        assert_int_equal(cases[i].speed_mbps, fixture->snp->net.speed_mbps);
        snp_fixture_free(fixture);
    }
}

static void let_time_pass(const struct snp_fixture *fixture)
{
    pass_link_interval(fixture);
    (void)interrupts(fixture);
}

static unsigned count_acknowledgements(const struct snp_fixture *fixture)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fake_device_command_count(fixture->device); i++)
        count += fake_device_command(fixture->device, i)->class == VIRTIO_NET_CTRL_ANNOUNCE;
    return count;
}

/* holds: virtio.control.announcement */
static void announcement_is_acknowledged_once(void **state)
{
    struct snp_fixture *fixture = *state;

    let_time_pass(fixture);
    assert_int_equal(0, count_acknowledgements(fixture));
    for (unsigned wish = 1; wish <= 3; wish++) {
        fake_device_ask_for_announcement(fixture->device);
        for (unsigned i = 0; i < 5; i++)
            let_time_pass(fixture);
        assert_int_equal(wish, count_acknowledgements(fixture));
        assert_int_equal(wish, fixture->snp->net.counters.announcements);
        assert_true(fixture->mode->MediaPresent);
    }
    assert_traffic_flows(fixture);
}

/* A device that wants another announcement each time, and answers after a while. */
static struct slow_device {
    EFI_STALL stall_of_firmware;
    struct snp_fixture *fixture;
    uint64_t asked_at_us; /* when the command under way came; 0: there is none */
    uint64_t takes_us;
} slow_device;

static EFI_STATUS EFIAPI stall_and_answer(UINTN microseconds)
{
    struct slow_device *slow = &slow_device;
    uint64_t now_us = fake_firmware_now_us(slow->fixture->firmware);

    if (slow->asked_at_us == 0)
        slow->asked_at_us = now_us;
    if (now_us - slow->asked_at_us >= slow->takes_us) {
        fake_device_process(slow->fixture->device);
        fake_device_ask_for_announcement(slow->fixture->device);
        slow->asked_at_us = 0;
    }
    return slow->stall_of_firmware(microseconds);
}

/* holds: virtio.control.announcement */
static void announcements_without_end_take_a_twentieth_of_the_time_at_most(void **state)
{
    static const uint64_t cases[] = {0, 90, 4900, 30000, 90000, 190000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
        uint64_t inside_us = 0;
        uint64_t start_us = fake_firmware_now_us(fixture->firmware);

        slow_device = (struct slow_device){BS->Stall, fixture, 0, cases[i]};
        fake_device_stall(fixture->device, true);
        fake_device_ask_for_announcement(fixture->device);
        BS->Stall = stall_and_answer;
        while (fake_firmware_now_us(fixture->firmware) - start_us < 60000000) {
            uint64_t before_us = fake_firmware_now_us(fixture->firmware);

            (void)interrupts(fixture);
            (void)snp_has_media(fixture->snp); /* asks the device at once */
            inside_us += fake_firmware_now_us(fixture->firmware) - before_us;
            fake_firmware_advance_us(fixture->firmware, 1000);
        }
        BS->Stall = slow_device.stall_of_firmware;
        assert_true(fixture->snp->net.counters.announcements > 1); /* it is not given up */
        if (inside_us > 60000000 / 19)
            fail_msg("answers after %llu us: %llu us of a minute", (unsigned long long)cases[i],
                     (unsigned long long)inside_us);
        fake_device_stall(fixture->device, false);
        snp_fixture_free(fixture);
    }
}

/* holds: virtio.control.classes */
static void announcement_is_left_alone_without_its_feature(void **state)
{
    const uint64_t removed[] = {VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(removed); i++) {
        struct fake_device_options options = {.removed_features = removed[i]};
        struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

        fake_device_ask_for_announcement(fixture->device);
        let_time_pass(fixture);
        assert_int_equal(0, count_acknowledgements(fixture));
        assert_int_equal(0, fixture->snp->net.counters.announcements);
        assert_true(fixture->mode->MediaPresent);
        snp_fixture_free(fixture);
    }
}

static void refused_acknowledgement_is_tried_again(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_ask_for_announcement(fixture->device);
    fake_device_fail_command(fixture->device, 1, FAKE_CONTROL_REFUSES);
    let_time_pass(fixture);
    let_time_pass(fixture);
    let_time_pass(fixture);
    assert_int_equal(2, count_acknowledgements(fixture));
    assert_traffic_flows(fixture);
}

/* 200 ms are lost once, not every 100 ms. */
static void unanswered_acknowledgement_holds_the_client_up_once(void **state)
{
    struct snp_fixture *fixture = *state;
    uint64_t before;

    fake_device_ask_for_announcement(fixture->device);
    fake_device_fail_command(fixture->device, 1, FAKE_CONTROL_NEVER_ACKS);
    let_time_pass(fixture);
    before = fake_firmware_now_us(fixture->firmware);
    for (unsigned i = 0; i < 10; i++)
        let_time_pass(fixture);
    assert_between(fake_firmware_now_us(fixture->firmware) - before, 1000000, 1001000);
    assert_int_equal(1, count_acknowledgements(fixture));
    assert_traffic_flows(fixture);
}

/* VIRTIO 1.2, 5.1.3.1; GUEST_ANNOUNCE also needs the field that tells of the wish. */
static uint64_t allowed(uint64_t offered)
{
    if (!(offered & VIRTIO_NET_F_CTRL_VQ))
        offered &= ~(VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA |
                     VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE);
    if (!(offered & VIRTIO_NET_F_CTRL_RX))
        offered &= ~VIRTIO_NET_F_CTRL_RX_EXTRA;
    if (!(offered & VIRTIO_NET_F_STATUS))
        offered &= ~VIRTIO_NET_F_GUEST_ANNOUNCE;
    return offered;
}

/* holds: virtio.features.needs */
static void no_feature_is_taken_without_the_one_it_needs(void **state)
{
    static const uint64_t features[] = {VIRTIO_NET_F_STATUS,        VIRTIO_NET_F_CTRL_VQ,
                                        VIRTIO_NET_F_CTRL_RX,       VIRTIO_NET_F_CTRL_RX_EXTRA,
                                        VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_GUEST_ANNOUNCE};

    (void)state;
    for (unsigned i = 0; i < (1u << ARRAY_LENGTH(features)) * ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i % ARRAY_LENGTH(transports)],
                                              .features = VIRTIO_NET_F_MAC};
        struct snp_fixture *fixture;

        for (unsigned bit = 0; bit < ARRAY_LENGTH(features); bit++) {
            if (i / ARRAY_LENGTH(transports) >> bit & 1)
                options.features |= features[bit];
        }
        fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);
        assert_int_equal(allowed(options.features),
                         fake_device_accepted_features(fixture->device) & ~VIRTIO_F_VERSION_1);
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_packet_is_the_mtu_both_ways),
        cmocka_unit_test(no_frame_above_the_mtu_is_ever_sent),
        cmocka_unit_test(every_receive_buffer_holds_the_longest_frame),
        SNP_TEST(longest_packet_follows_the_device_at_reset),
        cmocka_unit_test(mtu_below_68_is_as_good_as_none),
        cmocka_unit_test(speed_is_known_only_where_the_device_tells_one),
        SNP_TEST(announcement_is_acknowledged_once),
        cmocka_unit_test(announcement_is_left_alone_without_its_feature),
        cmocka_unit_test(announcements_without_end_take_a_twentieth_of_the_time_at_most),
        SNP_TEST(refused_acknowledgement_is_tried_again),
        SNP_TEST(unanswered_acknowledgement_holds_the_client_up_once),
        cmocka_unit_test(no_feature_is_taken_without_the_one_it_needs),
    };

    return cmocka_run_group_tests_name("snp_config", tests, NULL, NULL);
}
