/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Every misbehaviour about large frames against the ways of a frame through the service. A client
 * gets segments that were sent, in order, or none; the others are counted, or the ring breaks,
 * which a new Configure mends. large_frames_test.c says which of them does what, and
 * mnp_misbehaviour_test.c has all other misbehaviours.
 */
#include <stdio.h>

#include "mnp_segments.h"

#define RING_SIZE 64u
#define SEGMENTS (2 * RING_SIZE)
#define PORT 5000u
#define SMALLEST_HEADERS 54u /* Ethernet, IPv4 and TCP */

struct bench {
    struct mnp_fixture *fixture;
    struct fake_mnp_client *client;
    uint32_t sequence;    /* of the next segment, which is never joined to the one before */
    uint32_t next;        /* the lowest sequence that may come next */
    bool has_other_bytes; /* the device may well have sent what it says */
};

static const size_t lengths[] = {900, 20000, 1460, 40000, 0, 9000};

/* The segments leave gaps, so each arrives on its own. */
static struct segment segment_at(uint32_t sequence)
{
    return (struct segment){.port = PORT,
                            .sequence = sequence,
                            .data_bytes = lengths[(sequence >> 16) % ARRAY_LENGTH(lengths)],
                            .is_partial = true};
}

static void deliver_next(struct bench *bench)
{
    const struct segment segment = segment_at(bench->sequence);

    (void)segment_deliver(bench->fixture, &segment);
    bench->sequence += 0x10000;
}

/* To us, and with the lengths of an IP packet. What a device says the data are cannot be judged. */
static void check_shape(const struct mnp_fixture *fixture, const uint8_t *frame, size_t length)
{
    assert_true(length >= SMALLEST_HEADERS);
    assert_memory_equal(fake_device_mac(fixture->device), frame, 6);
    assert_int_equal(0x45, frame[HEADER_BYTES]);
    assert_true((size_t)(frame[16] << 8 | frame[17]) <= length - HEADER_BYTES);
}

static void check_frame(struct bench *bench, const uint8_t *frame, size_t length)
{
    uint8_t expected[FRAME_SPACE];
    uint32_t sequence;
    struct segment segment;

    check_shape(bench->fixture, frame, length);
    if (bench->has_other_bytes)
        return;
    sequence = (uint32_t)(frame[38] << 24 | frame[39] << 16 | frame[40] << 8 | frame[41]);
    assert_true(sequence % 0x10000 == 0 && sequence >= bench->next && sequence < bench->sequence);
    segment = segment_at(sequence);
    assert_int_equal(segment_write_whole(bench->fixture, &segment, expected), length);
    assert_memory_equal(expected, frame, length);
    bench->next = sequence + 1;
}

static void check_received(struct bench *bench)
{
    const struct fake_mnp_frame *frame;

    while ((frame = fake_mnp_client_take(bench->client)))
        check_frame(bench, frame->bytes, frame->length);
}

static void poll_checked(struct bench *bench)
{
    EFI_STATUS status = poll_client(bench->client);

    assert_true(status == EFI_SUCCESS || status == EFI_NOT_READY || status == EFI_DEVICE_ERROR ||
                status == EFI_NOT_STARTED);
    check_received(bench);
}

static void receive_one_by_one(struct bench *bench)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        deliver_next(bench);
        poll_checked(bench);
    }
}

static void receive_in_bursts(struct bench *bench)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        deliver_next(bench);
        if (i % 7 == 6)
            poll_checked(bench);
    }
    poll_checked(bench);
}

static void receive_by_timer(struct bench *bench)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        deliver_next(bench);
        if (i % 5 == 4)
            fake_firmware_advance_us(bench->fixture->firmware, POLL_US);
        check_received(bench);
    }
}

/* An application that uses SNP beside the service sees nothing above the MTU. */
static void receive_beside_the_service(struct bench *bench)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = bench->fixture->snp;
    uint8_t frame[FRAME_SPACE];

    for (unsigned i = 0; i < SEGMENTS; i++) {
        UINTN bytes = FRAME_MAX + TAG_BYTES;
        EFI_STATUS status;

        deliver_next(bench);
        (void)BS->CheckEvent(snp->WaitForPacket);
        status = snp->Receive(snp, NULL, &bytes, frame, NULL, NULL, NULL);
        assert_true(status == EFI_SUCCESS || status == EFI_NOT_READY || status == EFI_DEVICE_ERROR);
        if (!EFI_ERROR(status))
            check_frame(bench, frame, bytes);
        if (i % 3 == 0)
            poll_checked(bench);
    }
}

static const struct way {
    const char *name;
    void (*go)(struct bench *bench);
} ways[] = {
    {"frames one by one", receive_one_by_one},
    {"frames in bursts", receive_in_bursts},
    {"frames by the timer", receive_by_timer},
    {"SNP beside the service", receive_beside_the_service},
};

static const struct kind {
    const char *name;
    enum fake_transport transport;
    uint64_t features; /* offered beyond the usual ones and those for large frames */
} kinds[] = {
    {"modern", FAKE_MODERN, 0},
    {"legacy", FAKE_LEGACY, VIRTIO_F_ANY_LAYOUT},
    {"packed", FAKE_MODERN, VIRTIO_F_RING_PACKED},
    {"in order", FAKE_MODERN, VIRTIO_F_IN_ORDER},
    {"packed, in order", FAKE_MODERN, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER},
};

/* With these the device, to all appearances, sends other bytes. */
static bool changes_bytes(enum fake_device_misbehaviour which)
{
    return which == FAKE_MIDDLE_HEADER || which == FAKE_LAST_BUFFER_MISSING ||
           which == FAKE_NUM_BUFFERS_ABOVE_USED;
}

static void set_up(struct bench *bench, const struct kind *kind)
{
    const struct fake_device_options options = {
        .transport = kind->transport,
        .queue_size = {RING_SIZE, RING_SIZE, RING_SIZE},
        .features = FAKE_DEVICE_FEATURES | FAKE_LARGE_FEATURES | kind->features,
    };

    *bench = (struct bench){.fixture = mnp_fixture_new(1, &options, true)};
    bench->client = fake_mnp_client_new(bench->fixture->firmware, bench->fixture->dpc, IPV4);
    bench->client->config.DisableBackgroundPolling = FALSE;
    assert_success(fake_mnp_client_attach(bench->client, bench->fixture->nic));
}

/* After a new Configure everything arrives. */
static void assert_recovers(struct bench *bench)
{
    fake_device_misbehave(bench->fixture->device, FAKE_BEHAVES);
    assert_success(fake_mnp_client_detach(bench->client));
    assert_success(fake_mnp_client_attach(bench->client, bench->fixture->nic));
    bench->has_other_bytes = false;
    bench->next = bench->sequence;
    for (unsigned i = 0; i < SEGMENTS; i++) {
        unsigned before = bench->client->frames;

        deliver_next(bench);
        poll_checked(bench);
        assert_int_equal(before + 1, bench->client->frames);
    }
}

/* What the client did not get is in a counter, or the device is given up. */
static void assert_nothing_vanishes(struct bench *bench)
{
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    if (EFI_ERROR(poll_client(bench->client)) && poll_client(bench->client) == EFI_DEVICE_ERROR)
        return;
    assert_success(bench->fixture->snp->Statistics(bench->fixture->snp, FALSE, &bytes, &table));
    assert_int_equal(SEGMENTS,
                     bench->client->frames + table.RxDroppedFrames + table.RxOversizeFrames);
}

/* holds: mnp.broken.device, virtio.net.merged */
static void way_survives_each_lie(void **state)
{
    const struct way *way = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        for (unsigned which = FAKE_BEHAVES; which < FAKE_MISBEHAVIOURS; which++) {
            struct bench bench;

            if (which != FAKE_BEHAVES && !fake_misbehaviour_needs(which))
                continue;
            printf("%s, %s\n", kinds[i].name, fake_misbehaviour_name(which));
            set_up(&bench, &kinds[i]);
            bench.has_other_bytes = changes_bytes(which);
            fake_device_misbehave(bench.fixture->device, which);
            way->go(&bench);
            if (way->go == receive_one_by_one)
                assert_nothing_vanishes(&bench);
            assert_recovers(&bench);
            assert_success(fake_mnp_client_detach(bench.client));
            mnp_fixture_free(bench.fixture);
        }
    }
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LENGTH(ways)];

    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        tests[i] = (struct CMUnitTest){
            .name = ways[i].name,
            .test_func = way_survives_each_lie,
            .initial_state = (void *)(uintptr_t)&ways[i],
        };
    }
    return cmocka_run_group_tests_name("mnp_large_lies", tests, NULL, NULL);
}
