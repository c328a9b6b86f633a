/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A network device whose owner takes large frames: what is negotiated, frames in several buffers
 * over every ring, what becomes of each lie, and the return to whole frames. net_offload_test.c has
 * the checksums, mnp_large_lies_test.c the lies' way to clients.
 */
#include <stdio.h>

#include "assert_status.h"
#include "fixture.h"
#include "net/net_device.h"
#include "net/net_large.h"

#define RX VIRTIO_NET_QUEUE_RX
#define FEATURES (FAKE_DEVICE_FEATURES | FAKE_LARGE_FEATURES)
#define TCP_START 34u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LARGE_BYTES 40000u
#define PLAIN_MAX (ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + ETHERNET_MTU)

struct large_fixture {
    struct fake_fixture fake;
    struct fake_device *device;
    struct net_device *net;
    uint8_t frame[NET_LARGE_FRAME_MAX + 100];
};

static const struct fake_offload tcp4 = {
    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
    .hdr_len = 54,
    .gso_size = 1460,
    .csum_start = TCP_START,
    .csum_offset = 16,
};
static const struct fake_offload nothing = {0};

static void find_failing(struct large_fixture *fixture, unsigned nth,
                         const struct fake_device_options *options)
{
    fake_fixture_init_failing(&fixture->fake, nth, 1, options);
    fixture->device = fixture->fake.device;
    fixture->net = malloc(sizeof(*fixture->net));
    memset(fixture->net, 0xa5, sizeof(*fixture->net)); /* it must not count on zeros */
}

static void find(struct large_fixture *fixture, const struct fake_device_options *options)
{
    find_failing(fixture, 0, options);
    assert_success(net_device_init(fixture->net, &fake_device_pci(fixture->device)->protocol));
    fixture->net->filter.promiscuous = true;
}

static void end(struct large_fixture *fixture)
{
    net_device_fini(fixture->net);
    fake_firmware_assert_nothing_leaked(fixture->fake.firmware);
    fake_fixture_fini(&fixture->fake);
    free(fixture->net);
}

static void start(struct large_fixture *fixture, const struct fake_device_options *options)
{
    find(fixture, options);
    assert_success(net_device_start(fixture->net, true));
    assert_int_equal(NET_UP_LARGE, fixture->net->state);
}

/* A TCP segment over IPv4 whose bytes depend on `seed`. Its checksum is not looked at here. */
static const uint8_t *segment(struct large_fixture *fixture, size_t length, uint32_t seed)
{
    uint8_t *frame = fixture->frame;
    size_t total = length - ETHERNET_HEADER_BYTES;

    for (size_t i = 0; i < length; i++)
        frame[i] = (uint8_t)(seed * 31 + i + i / 256);
    frame[0] = 2;
    frame[12] = 0x08;
    frame[13] = 0x00;
    frame[14] = 0x45;
    frame[16] = (uint8_t)(total >> 8);
    frame[17] = (uint8_t)total;
    frame[20] = frame[21] = 0;
    frame[23] = 6;
    return frame;
}

static bool deliver(struct large_fixture *fixture, size_t length, uint32_t seed,
                    const struct fake_offload *offload)
{
    return fake_device_deliver_large(fixture->device, segment(fixture, length, seed), length,
                                     offload);
}

static EFI_STATUS peek(struct large_fixture *fixture, size_t *ret_length)
{
    const uint8_t *unused;

    return net_device_peek_large(fixture->net, &unused, ret_length);
}

static void assert_nothing_waits(struct large_fixture *fixture)
{
    size_t unused;

    assert_status(EFI_NOT_READY, peek(fixture, &unused));
}

/* The frame of segment(length, seed) arrives, but for its checksum. */
static void assert_receives(struct large_fixture *fixture, size_t length, uint32_t seed)
{
    const uint8_t *frame = NULL;
    size_t got = 0;

    segment(fixture, length, seed);
    assert_success(net_device_peek_large(fixture->net, &frame, &got));
    assert_int_equal(length, got);
    assert_memory_equal(fixture->frame, frame, TCP_START + 16);
    assert_memory_equal(fixture->frame + TCP_START + 18, frame + TCP_START + 18,
                        length - TCP_START - 18);
    net_device_take(fixture->net);
}

/* The bytes of fixture->frame arrive. */
static void assert_receives_as_it_is(struct large_fixture *fixture, size_t length)
{
    const uint8_t *frame = NULL;
    size_t got = 0;

    assert_success(net_device_peek_large(fixture->net, &frame, &got));
    assert_int_equal(length, got);
    assert_memory_equal(fixture->frame, frame, length);
    net_device_take(fixture->net);
}

/* ---- what is negotiated ---- */

static const struct {
    const char *name;
    struct fake_device_options options;
    uint64_t expected; /* of FAKE_LARGE_FEATURES */
} offers[] = {
    {"all", {.features = FEATURES}, FAKE_LARGE_FEATURES},
    {"all, modern", {.transport = FAKE_MODERN, .features = FEATURES}, FAKE_LARGE_FEATURES},
    {"no CSUM", {.features = FEATURES, .removed_features = VIRTIO_NET_F_GUEST_CSUM}, 0},
    {"no MRG_RXBUF", {.features = FEATURES, .removed_features = VIRTIO_NET_F_MRG_RXBUF}, 0},
    {"no TSO",
     {.features = FEATURES, .removed_features = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6},
     0},
    {"no TSO4",
     {.features = FEATURES, .removed_features = VIRTIO_NET_F_GUEST_TSO4},
     FAKE_LARGE_FEATURES & ~VIRTIO_NET_F_GUEST_TSO4},
    {"no TSO6 and no ECN",
     {.features = FEATURES, .removed_features = VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN},
     VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_MRG_RXBUF},
    {"UFO and USO as well",
     {.features =
          FEATURES | VIRTIO_NET_F_GUEST_UFO | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6},
     FAKE_LARGE_FEATURES},
    {"legacy", {.transport = FAKE_LEGACY, .features = FEATURES}, 0},
    {"legacy with ANY_LAYOUT",
     {.transport = FAKE_LEGACY, .features = FEATURES | VIRTIO_F_ANY_LAYOUT},
     FAKE_LARGE_FEATURES},
};

/* All that is needed, or none of it; and only for who takes such frames. */
/* holds: virtio.net.large */
static void features_come_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        const uint64_t all = FAKE_LARGE_FEATURES | VIRTIO_NET_F_GUEST_UFO |
                             VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;
        struct large_fixture fixture;

        printf("%s\n", offers[i].name);
        find(&fixture, &offers[i].options);
        assert_success(net_device_start(fixture.net, false));
        assert_int_equal(0, fake_device_accepted_features(fixture.device) & all);
        assert_int_equal(NET_UP, fixture.net->state);
        net_device_stop(fixture.net);
        assert_success(net_device_start(fixture.net, true));
        assert_int_equal(offers[i].expected, fake_device_accepted_features(fixture.device) & all);
        assert_int_equal(offers[i].expected ? NET_UP_LARGE : NET_UP, fixture.net->state);
        end(&fixture);
    }
}

/* The offer shrinks between init and start: nothing is left half negotiated. */
static void offer_that_changes_is_not_half_taken(void **state)
{
    const struct fake_device_options options = {.features = FEATURES};

    (void)state;
    for (unsigned nth = 1; nth < 30; nth++) {
        struct large_fixture fixture;
        uint64_t large;

        find(&fixture, &options);
        fake_device_misbehave_from(fixture.device, FAKE_FEATURES_CHANGE, nth);
        if (!EFI_ERROR(net_device_start(fixture.net, true))) {
            large = fixture.net->virtio.negotiated & FAKE_LARGE_FEATURES;
            assert_int_equal(net_large_features(large | VIRTIO_F_ANY_LAYOUT, true), large);
            assert_int_equal(large ? NET_UP_LARGE : NET_UP, fixture.net->state);
        }
        end(&fixture);
    }
}

/* ---- frames ---- */

static const struct {
    const char *name;
    struct fake_device_options options;
} devices[] = {
    {"transitional", {.features = FEATURES}},
    {"legacy", {.transport = FAKE_LEGACY, .features = FEATURES | VIRTIO_F_ANY_LAYOUT}},
    {"modern, no EVENT_IDX",
     {.transport = FAKE_MODERN, .features = FEATURES, .removed_features = VIRTIO_F_EVENT_IDX}},
    {"packed", {.transport = FAKE_MODERN, .features = FEATURES | VIRTIO_F_RING_PACKED}},
    {"in order", {.transport = FAKE_MODERN, .features = FEATURES | VIRTIO_F_IN_ORDER}},
    {"packed, in order",
     {.transport = FAKE_MODERN, .features = FEATURES | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER}},
    {"ACCESS_PLATFORM, DMA above 4 GiB",
     {.transport = FAKE_MODERN,
      .features = FEATURES | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM,
      .pci.dma_above_4gib = true}},
};

static const uint16_t queue_sizes[] = {1, 2, 4, 8, 32, 256};

/* Frames of every length, for many laps of every ring. The device always has room for the largest.
 */
/* holds: virtio.net.merged, virtio.net.room */
static void frames_of_every_length_arrive(void **state)
{
    static const size_t lengths[] = {60,   61,   1514, 1518,  4083,  4084,  4085,
                                     8179, 8180, 8181, 20000, 40001, 65534, 65535};
    static struct large_fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        for (size_t size = 0; size < sizeof(queue_sizes) / sizeof(queue_sizes[0]); size++) {
            for (unsigned one_by_one = 0; one_by_one < 2; one_by_one++) {
                struct fake_device_options options = devices[i].options;
                uint64_t bytes = 0;

                options.queue_size[RX] = queue_sizes[size];
                start(&fixture, &options);
                fake_device_use_one_by_one(fixture.device, one_by_one);
                for (uint32_t n = 0; n < 300; n++) {
                    size_t length = lengths[(n + n / COUNT(lengths) * 3) % COUNT(lengths)];

                    assert_true(deliver(&fixture, length, n, &tcp4));
                    assert_receives(&fixture, length, n);
                    assert_nothing_waits(&fixture);
                    bytes += length;
                }
                assert_int_equal(300, fixture.net->counters.rx_large);
                assert_int_equal(bytes, fixture.net->counters.rx.good_bytes);
                assert_int_equal(0, fixture.net->counters.rx.bad_bytes);
                end(&fixture);
            }
        }
    }
}

static void several_frames_wait(void **state)
{
    static struct large_fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        start(&fixture, &devices[i].options);
        for (uint32_t lap = 0; lap < 20; lap++) {
            uint32_t count = 0;

            while (deliver(&fixture, LARGE_BYTES + count, count, &tcp4))
                count++;
            assert_true(count >= 19); /* 256 buffers of 4 KiB, of which a quarter may be kept */
            for (uint32_t n = 0; n < count; n++)
                assert_receives(&fixture, LARGE_BYTES + n, n);
            assert_nothing_waits(&fixture);
        }
        end(&fixture);
    }
}

/* A frame that is not taken stays, and is in memory that the device cannot reach. */
static void frame_stays_until_it_is_taken(void **state)
{
    const struct fake_device_options options = {.features = FEATURES};
    static struct large_fixture fixture;
    size_t length;

    (void)state;
    start(&fixture, &options);
    assert_true(deliver(&fixture, LARGE_BYTES, 1, &tcp4));
    assert_true(deliver(&fixture, 100, 2, &nothing));
    assert_success(peek(&fixture, &length));
    assert_true(net_device_shows_copies(fixture.net));
    memset(fixture.net->rx.pool.address, 0xee, (size_t)fixture.net->rx.stride_bytes * 2);
    assert_receives(&fixture, LARGE_BYTES, 1);
    end(&fixture);
}

/* What must not come to the owner, the counter that it adds to, and whether it counts as bad. */
static void frames_that_are_refused_are_counted(void **state)
{
    static const struct fake_offload bad_place = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                                  .csum_start = 20};
    static struct large_fixture fixture;
    const struct fake_device_options options = {.features = FEATURES};
    struct net_counters *counters;

    (void)state;
    start(&fixture, &options);
    counters = &fixture.net->counters;
    assert_true(deliver(&fixture, PLAIN_MAX + 1, 1, &nothing)); /* above the MTU, and no segment */
    assert_true(deliver(&fixture, NET_LARGE_FRAME_MAX + 1, 1, &tcp4));
    assert_nothing_waits(&fixture);
    assert_int_equal(2, counters->rx.oversize);
    assert_true(deliver(&fixture, 61, 1, &nothing) && deliver(&fixture, 60, 1, &bad_place));
    assert_receives(&fixture, 61, 1);
    assert_nothing_waits(&fixture);
    assert_int_equal(1, counters->rx.dropped);
    assert_true(fake_device_deliver(fixture.device, fixture.frame, ETHERNET_HEADER_BYTES - 1));
    assert_nothing_waits(&fixture);
    assert_int_equal(1, counters->rx.undersize);
    assert_int_equal(PLAIN_MAX + 1 + NET_LARGE_FRAME_MAX + 1 + 60 + ETHERNET_HEADER_BYTES - 1,
                     counters->rx.bad_bytes);
    fixture.net->filter.promiscuous = false;
    assert_true(deliver(&fixture, LARGE_BYTES, 1, &tcp4)); /* to another station */
    assert_nothing_waits(&fixture);
    assert_int_equal(1, counters->rx_filtered);
    assert_int_equal(0, counters->rx_large);
    assert_int_equal(0, counters->ring_errors);
    end(&fixture);
}

/* At the largest MTU a frame that is not joined may be longer than one that is, by its Ethernet
 * header and its tag. All of it arrives, also with the fewest buffers. */
/* holds: virtio.net.merged, virtio.net.room */
static void longest_frame_of_the_largest_mtu_arrives(void **state)
{
    static struct large_fixture fixture;

    (void)state;
    for (size_t i = 0; i < COUNT(queue_sizes); i++) {
        const struct fake_device_options options = {
            .features = FEATURES, .mtu = UINT16_MAX, .queue_size[RX] = queue_sizes[i]};
        const size_t longest = ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + UINT16_MAX;

        start(&fixture, &options);
        for (size_t length = NET_LARGE_FRAME_MAX - 1; length <= longest; length++) {
            memset(fixture.frame, (int)length, length);
            assert_true(fake_device_deliver(fixture.device, fixture.frame, length));
            assert_receives_as_it_is(&fixture, length);
        }
        memset(fixture.frame, 2, longest + 1);
        if (fake_device_deliver(fixture.device, fixture.frame, longest + 1)) {
            assert_nothing_waits(&fixture);
            assert_int_equal(1, fixture.net->counters.rx.oversize);
        }
        end(&fixture);
    }
}

/* A caller that knows nothing of large frames never sees one. */
/* holds: virtio.net.large_owner */
static void peek_shows_no_large_frame(void **state)
{
    const struct fake_device_options options = {.features = FEATURES};
    static struct large_fixture fixture;
    const uint8_t *frame;
    size_t length;

    (void)state;
    start(&fixture, &options);
    assert_true(deliver(&fixture, PLAIN_MAX + 1, 1, &tcp4));
    assert_true(deliver(&fixture, LARGE_BYTES, 2, &tcp4));
    assert_true(deliver(&fixture, PLAIN_MAX, 3, &tcp4));
    assert_success(peek(&fixture, &length)); /* the first one waits already */
    assert_success(net_device_peek(fixture.net, &frame, &length));
    assert_int_equal(PLAIN_MAX, length);
    assert_int_equal(2, fixture.net->counters.rx.oversize);
    assert_receives(&fixture, PLAIN_MAX, 3);
    end(&fixture);
}

static void transmit_is_as_ever(void **state)
{
    static struct large_fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        const struct fake_frame *sent;

        start(&fixture, &devices[i].options);
        segment(&fixture, 200, 5);
        assert_success(net_device_transmit(fixture.net, fixture.frame, 200));
        sent = fake_device_take_frame(fixture.device);
        assert_non_null(sent);
        assert_int_equal(200, sent->length);
        assert_memory_equal(fixture.frame, sent->data, 200);
        end(&fixture);
    }
}

/* ---- lies ---- */

enum verdict { ARRIVES, LOST_AS_DROPPED, LOST_AS_OVERSIZE, BROKEN };

/* What becomes of a frame of many buffers, and of one of a single buffer. */
static const struct {
    enum fake_device_misbehaviour which;
    enum verdict of_large;
    enum verdict of_short;
} lies[] = {
    {FAKE_NUM_BUFFERS_ZERO, BROKEN, BROKEN},
    {FAKE_NUM_BUFFERS_ABOVE_USED, BROKEN, BROKEN},
    {FAKE_NUM_BUFFERS_BELOW_USED, BROKEN, BROKEN},
    {FAKE_NUM_BUFFERS_ABOVE_QUEUE, BROKEN, BROKEN},
    {FAKE_NUM_BUFFERS_CHANGES, ARRIVES, ARRIVES}, /* it was read before */
    {FAKE_LAST_BUFFER_MISSING, BROKEN, ARRIVES},
    {FAKE_LAST_LENGTH_ABOVE_BUFFER, BROKEN, BROKEN},
    {FAKE_MIDDLE_LENGTH_ZERO, BROKEN, ARRIVES},
    {FAKE_MIDDLE_LENGTH_SHORT, LOST_AS_DROPPED, ARRIVES},
    {FAKE_MIDDLE_LENGTH_ABOVE_BUFFER, BROKEN, ARRIVES},
    {FAKE_MIDDLE_HEADER, ARRIVES, ARRIVES}, /* as data: a device can send any data */
    {FAKE_FRAME_TOO_LONG, LOST_AS_OVERSIZE, LOST_AS_OVERSIZE},
    {FAKE_CSUM_START_OUTSIDE, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_CSUM_OFFSET_OUTSIDE, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_CSUM_OFFSET_WRAPS, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_GSO_TYPE_NOT_NEGOTIATED, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_GSO_TYPE_UNKNOWN, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_GSO_WITHOUT_CSUM, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_GSO_ECN_ALONE, LOST_AS_DROPPED, LOST_AS_DROPPED},
    {FAKE_GSO_HINTS_LIE, ARRIVES, ARRIVES},
    {FAKE_OFFLOAD_UNJUDGED, ARRIVES, ARRIVES},
};

static void assert_arrived(struct large_fixture *fixture, size_t length, bool has_own_data)
{
    const uint8_t *unused;
    size_t got = 0;

    if (has_own_data) {
        assert_receives(fixture, length, 1);
        return;
    }
    assert_success(net_device_peek_large(fixture->net, &unused, &got));
    assert_int_equal(length, got);
    net_device_take(fixture->net);
}

static void assert_verdict(struct large_fixture *fixture, enum fake_device_misbehaviour which,
                           size_t length, enum verdict verdict)
{
    struct net_counters *counters = &fixture->net->counters;
    size_t unused;

    if (verdict == ARRIVES)
        assert_arrived(fixture, length, which != FAKE_MIDDLE_HEADER);
    else
        assert_status(verdict == BROKEN ? EFI_DEVICE_ERROR : EFI_NOT_READY, peek(fixture, &unused));
    assert_int_equal(verdict == BROKEN, counters->ring_errors);
    assert_int_equal(verdict == BROKEN, fixture->net->state == NET_DOWN);
    if (verdict != BROKEN) /* a part may have been counted before it broke */
        assert_int_equal(verdict == LOST_AS_DROPPED, counters->rx.dropped);
    assert_int_equal(verdict == LOST_AS_OVERSIZE, counters->rx.oversize);
    assert_int_equal(0, counters->rx.undersize);
}

/* After a lie, and a new start if it broke the ring. */
static void assert_recovers(struct large_fixture *fixture)
{
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    if (fixture->net->state == NET_DOWN) {
        net_device_stop(fixture->net);
        assert_success(net_device_start(fixture->net, true));
    }
    for (uint32_t n = 0; n < 100; n++) {
        assert_true(deliver(fixture, LARGE_BYTES, n, &tcp4));
        assert_receives(fixture, LARGE_BYTES, n);
    }
}

/* holds: virtio.net.merged, virtio.net.checksum_place, virtio.net.large_type */
static void each_lie_breaks_the_ring_or_loses_the_frame(void **state)
{
    static struct large_fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        for (size_t n = 0; n < sizeof(lies) / sizeof(lies[0]); n++) {
            for (unsigned is_short = 0; is_short < 2; is_short++) {
                size_t length = is_short ? 1000 : LARGE_BYTES;

                printf("%s: %s\n", devices[i].name, fake_misbehaviour_name(lies[n].which));
                start(&fixture, &devices[i].options);
                fake_device_misbehave(fixture.device, lies[n].which);
                (void)deliver(&fixture, length, 1, &tcp4);
                assert_verdict(&fixture, lies[n].which, length,
                               is_short ? lies[n].of_short : lies[n].of_large);
                assert_recovers(&fixture);
                end(&fixture);
            }
        }
    }
}

/* What the table leaves out does nothing here. */
static void table_has_each_lie_about_large_frames(void **state)
{
    (void)state;
    for (unsigned which = 0; which < FAKE_MISBEHAVIOURS; which++) {
        bool is_listed = false;

        for (size_t n = 0; n < sizeof(lies) / sizeof(lies[0]); n++)
            is_listed |= lies[n].which == which;
        assert_int_equal(fake_misbehaviour_needs(which) != 0, is_listed);
    }
}

/* ---- the owner changes ---- */

/* Only a reset changes what was negotiated, so one that asks for the same frames resumes, and
 * another one resets. */
/* holds: virtio.net.large_owner */
static void change_of_owner_negotiates_anew(void **state)
{
    const struct fake_device_options options = {.transport = FAKE_MODERN,
                                                .features = FEATURES | VIRTIO_F_RING_RESET};
    static struct large_fixture fixture;
    bool was_large = true;

    (void)state;
    start(&fixture, &options);
    for (unsigned i = 0; i < 8; i++) {
        bool takes_large = i & 2;
        unsigned resets = fake_device_reset_count(fixture.device);

        net_device_park(fixture.net);
        assert_int_equal(NET_PARKED, fixture.net->state);
        assert_success(net_device_start(fixture.net, takes_large));
        assert_int_equal(takes_large ? NET_UP_LARGE : NET_UP, fixture.net->state);
        assert_int_equal(takes_large == was_large,
                         fake_device_reset_count(fixture.device) == resets);
        was_large = takes_large;
        assert_true(fake_device_deliver(fixture.device, segment(&fixture, 1000, i), 1000));
        assert_receives(&fixture, 1000, i);
        if (takes_large) {
            assert_true(deliver(&fixture, LARGE_BYTES, i, &tcp4));
            assert_receives(&fixture, LARGE_BYTES, i);
        }
    }
    end(&fixture);
}

/* A device without the features resumes as well: what counts is what was asked for. */
static void owner_of_a_simple_device_resumes(void **state)
{
    const struct fake_device_options options = {
        .transport = FAKE_MODERN, .features = FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET};
    struct large_fixture fixture;
    unsigned resets;

    (void)state;
    find(&fixture, &options);
    assert_success(net_device_start(fixture.net, true));
    assert_int_equal(NET_UP, fixture.net->state);
    resets = fake_device_reset_count(fixture.device);
    net_device_park(fixture.net);
    assert_success(net_device_start(fixture.net, true));
    assert_int_equal(resets, fake_device_reset_count(fixture.device));
    end(&fixture);
}

/* Each call of the firmware fails once: nothing is left behind, and the next start succeeds. */
static void failures_leave_nothing(void **state)
{
    const struct fake_device_options options = {.features = FEATURES};
    bool has_failed = true;

    (void)state;
    for (unsigned nth = 1; has_failed; nth++) {
        struct large_fixture fixture;
        EFI_STATUS status;

        find_failing(&fixture, nth, &options);
        status = net_device_init(fixture.net, &fake_device_pci(fixture.device)->protocol);
        if (!EFI_ERROR(status)) {
            status = net_device_start(fixture.net, true);
            has_failed = EFI_ERROR(status);
            if (has_failed) {
                assert_int_equal(NET_STOPPED, fixture.net->state);
                assert_success(net_device_start(fixture.net, true));
            }
        }
        end(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_come_together),
        cmocka_unit_test(offer_that_changes_is_not_half_taken),
        cmocka_unit_test(frames_of_every_length_arrive),
        cmocka_unit_test(several_frames_wait),
        cmocka_unit_test(frame_stays_until_it_is_taken),
        cmocka_unit_test(frames_that_are_refused_are_counted),
        cmocka_unit_test(longest_frame_of_the_largest_mtu_arrives),
        cmocka_unit_test(peek_shows_no_large_frame),
        cmocka_unit_test(transmit_is_as_ever),
        cmocka_unit_test(each_lie_breaks_the_ring_or_loses_the_frame),
        cmocka_unit_test(table_has_each_lie_about_large_frames),
        cmocka_unit_test(change_of_owner_negotiates_anew),
        cmocka_unit_test(owner_of_a_simple_device_resumes),
        cmocka_unit_test(failures_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
