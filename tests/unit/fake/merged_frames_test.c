/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames that the device model spreads over several receive buffers, and what their header says.
 * The driver's rings hand out the buffers; what the device used is read from memory at offsets
 * computed here.
 */
#include <stdio.h>

#include "assert_reported.h"
#include "assert_status.h"
#include "fixture.h"
#include "virtio/virtio_queue.h"
#include "virtio_net_internal.h"

#define HEADER VIRTIO_NET_HDR_LENGTH
#define QUEUE_SIZE 128u
#define SLOTS 64u
#define BUFFER_BYTES 2048u
#define FRAME_MAX 65550u
#define LARGEST_FRAMES_IN_A_ROW 20u

/* The kinds of ring. */
enum kind {
    SPLIT,
    SPLIT_IN_ORDER,
    PACKED,
    PACKED_IN_ORDER,
    LEGACY,
    LEGACY_SEPARATE, /* the header has a descriptor of its own */
    KINDS
};

static const struct {
    const char *name;
    enum fake_transport transport;
    uint64_t features;
    uint16_t segments; /* of a buffer */
} kinds[KINDS] = {
    [SPLIT] = {"split", FAKE_MODERN, VIRTIO_F_EVENT_IDX, 1},
    [SPLIT_IN_ORDER] = {"split, in order", FAKE_MODERN, VIRTIO_F_IN_ORDER, 1},
    [PACKED] = {"packed", FAKE_MODERN, VIRTIO_F_RING_PACKED, 1},
    [PACKED_IN_ORDER] = {"packed, in order", FAKE_MODERN,
                         VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_F_EVENT_IDX, 1},
    [LEGACY] = {"legacy", FAKE_LEGACY, VIRTIO_F_ANY_LAYOUT, 1},
    [LEGACY_SEPARATE] = {"legacy, separate header", FAKE_LEGACY, VIRTIO_F_EVENT_IDX, 2},
};

/* A driver that has a receive queue and nothing else. */
struct bench {
    struct fake_fixture fixture;
    struct fake_device *device;
    struct virtio_device virtio;
    struct virtio_queue queue;
    struct dma buffers;
    uint32_t buffer_bytes;
    uint16_t segments;
    uint16_t next_slot; /* to be used by the device */
};

/* What the device delivered last, as the driver's ring gave it. */
struct received {
    uint8_t bytes[2 * SLOTS * BUFFER_BYTES]; /* the header included */
    size_t length;
    unsigned buffers;
};

static uint8_t frame[FRAME_MAX + 100];
static struct received received;

static uint8_t *buffer_of(const struct bench *bench, uint16_t slot)
{
    return bench->buffers.address + (size_t)slot * bench->buffer_bytes;
}

/* Device and driver, as far as the features. */
static void bench_negotiate(struct bench *bench, enum kind kind, uint64_t features)
{
    const struct fake_device_options options = {
        .transport = kinds[kind].transport,
        .features = kinds[kind].features | features,
        .queue_size = {QUEUE_SIZE, QUEUE_SIZE},
    };
    EFI_PCI_IO_PROTOCOL *pci_io;

    *bench = (struct bench){.segments = kinds[kind].segments};
    fake_fixture_init(&bench->fixture, 1, &options);
    bench->device = bench->fixture.device;
    pci_io = fake_firmware_interface(bench->fixture.firmware, fake_device_handle(bench->device),
                                     &gEfiPciIoProtocolGuid);
    assert_success(virtio_device_init(&bench->virtio, pci_io));
    (void)!virtio_device_negotiate(&bench->virtio, UINT64_MAX, NULL, 0);
}

static void describe_buffers(struct bench *bench)
{
    uint16_t header = bench->segments > 1 ? HEADER : 0;

    for (uint16_t slot = 0; slot < SLOTS; slot++) {
        uint64_t address = bench->buffers.device_address + (uint64_t)slot * bench->buffer_bytes;
        const struct virtqueue_segment segments[] = {
            {address, HEADER, true},
            {address + header, bench->buffer_bytes - header, true},
        };

        virtqueue_set_slot(&bench->queue.ring, slot, &segments[2 - bench->segments],
                           bench->segments);
    }
}

static void push(struct bench *bench, uint16_t first_slot, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++)
        virtqueue_push(&bench->queue.ring, (uint16_t)((first_slot + i) % SLOTS),
                       bench->buffer_bytes - (bench->segments > 1 ? HEADER : 0));
    virtio_queue_publish(&bench->queue);
}

/* The device is ready, and has no buffer yet. */
static void bench_init(struct bench *bench, enum kind kind, uint64_t features,
                       uint32_t buffer_bytes)
{
    bench_negotiate(bench, kind, features);
    bench->buffer_bytes = buffer_bytes;
    assert_success(
        dma_init(&bench->buffers, bench->virtio.transport.pci_io, (size_t)SLOTS * buffer_bytes));
    assert_success(virtio_queue_init(&bench->queue, &bench->virtio, VIRTIO_NET_QUEUE_RX, QUEUE_SIZE,
                                     bench->segments));
    describe_buffers(bench);
    assert_success(virtio_device_ready(&bench->virtio));
}

static void bench_fini(struct bench *bench)
{
    virtio_device_halt(&bench->virtio);
    virtio_queue_fini(&bench->queue);
    dma_fini(&bench->buffers);
    virtio_device_fini(&bench->virtio);
    fake_firmware_assert_nothing_leaked(bench->fixture.firmware);
    fake_fixture_fini(&bench->fixture);
}

static void write_frame(size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++)
        frame[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

/* Take everything that the driver's ring has, buffers in their order. */
static void receive(struct bench *bench)
{
    struct virtqueue_completion completion;

    received.length = 0;
    received.buffers = 0;
    while (virtqueue_pop(&bench->queue.ring, &completion)) {
        assert_int_equal(bench->next_slot, completion.slot);
        bench->next_slot = (uint16_t)((bench->next_slot + 1) % SLOTS);
        memcpy(received.bytes + received.length, buffer_of(bench, completion.slot),
               completion.length_bytes);
        received.length += completion.length_bytes;
        received.buffers++;
    }
    assert_false(bench->queue.ring.is_broken);
}

static struct virtio_net_hdr received_header(void)
{
    struct virtio_net_hdr header;

    memcpy(&header, received.bytes, sizeof(header));
    return header;
}

static void assert_header_says(const struct virtio_net_hdr *header,
                               const struct fake_offload *expected)
{
    assert_int_equal(expected->flags, header->flags);
    assert_int_equal(expected->gso_type, header->gso_type);
    assert_int_equal(expected->hdr_len, header->hdr_len);
    assert_int_equal(expected->gso_size, header->gso_size);
    assert_int_equal(expected->csum_start, header->csum_start);
    assert_int_equal(expected->csum_offset, header->csum_offset);
}

static unsigned buffers_for(const struct bench *bench, size_t length)
{
    return (unsigned)((HEADER + length + bench->buffer_bytes - 1) / bench->buffer_bytes);
}

/* The driver's ring gives `frame`, complete and in as few buffers as possible, once. */
static void assert_receives(struct bench *bench, size_t length)
{
    receive(bench);
    assert_int_equal(buffers_for(bench, length), received.buffers);
    assert_int_equal(buffers_for(bench, length), received_header().num_buffers);
    assert_int_equal(HEADER + length, received.length);
    assert_memory_equal(frame, received.bytes + HEADER, length);
}

/* ---- used entries in memory, in the first lap ---- */

static uint8_t *used_memory(const struct bench *bench)
{
    size_t offset = 16 * (size_t)QUEUE_SIZE + 6 + 2 * (size_t)QUEUE_SIZE;

    return bench->queue.memory.address + ((offset + 4095) & ~(size_t)4095);
}

static bool is_packed(const struct bench *bench)
{
    return virtio_device_has(&bench->virtio, VIRTIO_F_RING_PACKED);
}

/* The entry that begins at buffer `nth`. False: none does. */
static bool read_entry(const struct bench *bench, unsigned nth, struct virtq_used_elem *ret_entry)
{
    const uint8_t *entry = is_packed(bench)
                               ? bench->queue.memory.address + 16 * (size_t)nth * bench->segments
                               : used_memory(bench) + 4 + 8 * (size_t)nth;
    struct virtq_packed_desc packed;

    if (is_packed(bench)) {
        memcpy(&packed, entry, sizeof(packed));
        *ret_entry = (struct virtq_used_elem){packed.id, packed.len};
        return (packed.flags & 0x8080) == 0x8080;
    }
    memcpy(ret_entry, entry, sizeof(*ret_entry));
    return ret_entry->len > 0 || ret_entry->id > 0;
}

static unsigned count_entries(const struct bench *bench)
{
    struct virtq_used_elem entry;
    unsigned count = 0;

    for (unsigned nth = 0; nth < SLOTS; nth++)
        count += read_entry(bench, nth, &entry);
    return count;
}

/* ---- the tests ---- */

static const struct fake_offload whole = {0};

static void frame_of_one_buffer_has_the_header_of_the_test(void **state)
{
    const enum kind *kind = *state;
    const struct fake_offload offload = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .gso_type =
                                             VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN,
                                         .hdr_len = 74,
                                         .gso_size = 1220,
                                         .csum_start = 54,
                                         .csum_offset = 16};
    struct bench bench;
    struct virtio_net_hdr header;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(&bench, 0, 1);
    write_frame(1514, 1);
    assert_true(fake_device_deliver_large(bench.device, frame, 1514, &offload));
    assert_receives(&bench, 1514);
    header = received_header();
    assert_header_says(&header, &offload);
    bench_fini(&bench);
}

/* Around each border between two buffers that matters, and through many laps of the ring. */
static void frame_of_any_length_fills_all_buffers_but_its_last(void **state)
{
    const enum kind *kind = *state;
    static const size_t lengths[] = {60,
                                     BUFFER_BYTES - HEADER - 1,
                                     BUFFER_BYTES - HEADER,
                                     BUFFER_BYTES - HEADER + 1,
                                     2 * BUFFER_BYTES - HEADER,
                                     2 * BUFFER_BYTES - HEADER + 1,
                                     9014,
                                     32 * BUFFER_BYTES - HEADER,
                                     65535,
                                     FRAME_MAX};
    uint16_t slot = SLOTS;
    struct bench bench;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(&bench, 0, SLOTS);
    for (unsigned round = 0; round < LARGEST_FRAMES_IN_A_ROW * ARRAY_LENGTH(lengths); round++) {
        size_t length = lengths[round % ARRAY_LENGTH(lengths)];

        write_frame(length, round);
        assert_true(fake_device_deliver_large(bench.device, frame, length, &whole));
        assert_receives(&bench, length);
        push(&bench, slot, (uint16_t)received.buffers);
        slot = (uint16_t)(slot + received.buffers);
    }
    bench_fini(&bench);
}

static void several_frames_wait_in_the_ring_one_after_the_other(void **state)
{
    const enum kind *kind = *state;
    struct bench bench;
    size_t at = 0;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(&bench, 0, SLOTS);
    for (unsigned i = 0; i < 3; i++) {
        write_frame(5000, i);
        assert_true(fake_device_deliver_large(bench.device, frame, 5000, &whole));
    }
    receive(&bench);
    assert_int_equal(9, received.buffers);
    assert_int_equal(3 * (HEADER + 5000), received.length);
    for (unsigned i = 0; i < 3; i++, at += HEADER + 5000) {
        write_frame(5000, i);
        assert_memory_equal(frame, received.bytes + at + HEADER, 5000);
    }
    bench_fini(&bench);
}

static void too_few_buffers_are_left_unused(void **state)
{
    const enum kind *kind = *state;
    struct bench bench;
    unsigned rung;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    write_frame(9014, 3);
    assert_false(fake_device_deliver_large(bench.device, frame, 9014, &whole));
    push(&bench, 0, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_false(fake_device_deliver_large(bench.device, frame, 9014, &whole));
    assert_false(fake_device_deliver(bench.device, frame, 9014));
    assert_int_equal(0, count_entries(&bench));
    assert_int_equal(4, fake_device_pending_count(bench.device, VIRTIO_NET_QUEUE_RX));

    rung = fake_device_notification_count(bench.device, VIRTIO_NET_QUEUE_RX);
    push(&bench, 4, 1);
    assert_int_equal(rung + 1, fake_device_notification_count(bench.device, VIRTIO_NET_QUEUE_RX));
    assert_true(fake_device_deliver_large(bench.device, frame, 9014, &whole));
    assert_receives(&bench, 9014);
    bench_fini(&bench);
}

static void frame_is_not_delivered_before_there_is_a_queue(void **state)
{
    struct bench bench;

    bench_negotiate(&bench, *(const enum kind *)*state, FAKE_LARGE_FEATURES);
    assert_false(fake_device_deliver_large(bench.device, frame, 60, &whole));
    assert_false(fake_device_deliver(bench.device, frame, 60));
    virtio_device_halt(&bench.virtio);
    virtio_device_fini(&bench.virtio);
    fake_fixture_fini(&bench.fixture);
}

static void frames_are_spread_without_an_offload_too(void **state)
{
    const enum kind *kind = *state;
    struct bench bench;

    bench_init(&bench, *kind, VIRTIO_NET_F_MRG_RXBUF, BUFFER_BYTES);
    push(&bench, 0, SLOTS);
    write_frame(9014, 3);
    assert_true(fake_device_deliver(bench.device, frame, 9014));
    assert_receives(&bench, 9014);
    bench_fini(&bench);
}

/* 5.1.6.3.1: any buffer that is larger than the header will do. */
static void smallest_buffers_hold_a_frame(void **state)
{
    const enum kind *kind = *state;
    struct bench bench;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, HEADER + 1);
    push(&bench, 0, SLOTS);
    write_frame(60, 3);
    assert_true(fake_device_deliver_large(bench.device, frame, 60, &whole));
    assert_receives(&bench, 60);
    bench_fini(&bench);
}

/* 2.7.9, 2.8.9: the entry is the last buffer's, and stands where the first one's would. */
static void one_used_entry_stands_for_a_frame_in_order(void **state)
{
    const enum kind *kind = *state;
    bool is_in_order = *kind == SPLIT_IN_ORDER || *kind == PACKED_IN_ORDER;
    struct virtq_used_elem entry;
    struct bench bench;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(&bench, 0, 5);
    assert_true(fake_device_deliver_large(bench.device, frame, 9014, &whole));
    assert_int_equal(is_in_order ? 1 : 5, count_entries(&bench));
    assert_true(read_entry(&bench, 0, &entry));
    assert_int_equal(is_in_order ? 9014 + HEADER - 4 * BUFFER_BYTES : BUFFER_BYTES, entry.len);
    if (is_in_order)
        assert_int_equal(4, entry.id);
    bench_fini(&bench);
}

static void used_entries_one_by_one_give_each_length(void **state)
{
    const enum kind *kind = *state;
    struct virtq_used_elem entry;
    struct bench bench;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    fake_device_use_one_by_one(bench.device, true);
    push(&bench, 0, 5);
    write_frame(9014, 3);
    assert_true(fake_device_deliver_large(bench.device, frame, 9014, &whole));
    assert_int_equal(5, count_entries(&bench));
    for (unsigned nth = 0; nth < 5; nth++) {
        assert_true(read_entry(&bench, nth, &entry));
        assert_int_equal(nth < 4 ? BUFFER_BYTES : 9014 + HEADER - 4 * BUFFER_BYTES, entry.len);
    }
    assert_receives(&bench, 9014);
    bench_fini(&bench);
}

static void without_mrg_rxbuf_one_buffer_holds_a_frame_or_none_does(void **state)
{
    const enum kind *kind = *state;
    size_t header_bytes = kinds[*kind].transport == FAKE_LEGACY ? HEADER - 2 : HEADER;
    struct virtq_used_elem entry;
    struct bench bench;

    if (*kind == LEGACY_SEPARATE) /* its header is shorter than this bench's */
        return;
    bench_init(&bench, *kind, 0, BUFFER_BYTES);
    push(&bench, 0, 3);
    write_frame(2100, 5);
    assert_false(fake_device_deliver_large(bench.device, frame, 2100, &whole));
    assert_int_equal(3, fake_device_pending_count(bench.device, VIRTIO_NET_QUEUE_RX));
    assert_int_equal(0, count_entries(&bench));
    assert_true(fake_device_deliver_large(bench.device, frame, 1514, &whole));
    assert_true(read_entry(&bench, 0, &entry));
    assert_int_equal(1514 + header_bytes, entry.len);
    assert_memory_equal(frame, buffer_of(&bench, 0) + header_bytes, 1514);
    assert_int_equal(2, fake_device_pending_count(bench.device, VIRTIO_NET_QUEUE_RX));
    assert_false(fake_device_deliver(bench.device, frame, 2100));
    assert_int_equal(1, fake_device_pending_count(bench.device, VIRTIO_NET_QUEUE_RX));
    bench_fini(&bench);
}

static void withheld_frame_uses_no_buffer(void **state)
{
    const enum kind *kind = *state;
    struct bench bench;

    bench_init(&bench, *kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(&bench, 0, SLOTS);
    fake_device_filter_frames(bench.device, true);
    bench.device->filter.promiscuous = false;
    write_frame(9014, 2); /* for a unicast address that is not the device's */
    assert_true(fake_device_deliver_large(bench.device, frame, 9014, &whole));
    assert_int_equal(0, count_entries(&bench));
    bench_fini(&bench);
}

/* ---- misbehaviours ---- */

#define LIES_BYTES 9014u
#define LIES_BUFFERS 5u

/* A device at fault has delivered a frame of LIES_BYTES to an idle ring. */
static void deliver_with(struct bench *bench, enum kind kind, enum fake_device_misbehaviour lie,
                         const struct fake_offload *offload)
{
    bench_init(bench, kind, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(bench, 0, SLOTS);
    write_frame(LIES_BYTES, lie);
    fake_device_misbehave(bench->device, lie);
    assert_true(fake_device_deliver_large(bench->device, frame, LIES_BYTES, offload));
}

static struct virtio_net_hdr header_in(const struct bench *bench, uint16_t slot)
{
    struct virtio_net_hdr header;

    memcpy(&header, buffer_of(bench, slot), sizeof(header));
    return header;
}

static void num_buffers_lies_and_all_else_is_true(void **state)
{
    static const struct {
        enum fake_device_misbehaviour lie;
        uint16_t num_buffers;
    } cases[] = {
        {FAKE_NUM_BUFFERS_ZERO, 0},
        {FAKE_NUM_BUFFERS_ABOVE_USED, LIES_BUFFERS + 1},
        {FAKE_NUM_BUFFERS_BELOW_USED, LIES_BUFFERS - 1},
        {FAKE_NUM_BUFFERS_ABOVE_QUEUE, QUEUE_SIZE + 1},
        {FAKE_NUM_BUFFERS_CHANGES, LIES_BUFFERS}, /* not yet */
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct bench bench;

        deliver_with(&bench, *(const enum kind *)*state, cases[i].lie, &whole);
        receive(&bench);
        assert_int_equal(cases[i].num_buffers, received_header().num_buffers);
        assert_int_equal(LIES_BUFFERS, received.buffers);
        assert_int_equal(HEADER + LIES_BYTES, received.length);
        assert_memory_equal(frame, received.bytes + HEADER, LIES_BYTES);
        bench_fini(&bench);
    }
}

static void access_a_register(struct bench *bench)
{
    bool is_ready;

    assert_success(virtio_device_is_ready(&bench->virtio, &is_ready));
}

static void process(struct bench *bench)
{
    fake_device_process(bench->device);
}

static void deliver_another(struct bench *bench)
{
    assert_true(fake_device_deliver(bench->device, frame, 60));
}

/* Also if it behaves from now on: the driver has read the number before. */
static void num_buffers_changes_when_the_device_acts_next(void **state)
{
    void (*const acts[])(struct bench *) = {access_a_register, process, deliver_another};

    for (size_t i = 0; i < ARRAY_LENGTH(acts); i++) {
        struct bench bench;

        deliver_with(&bench, *(const enum kind *)*state, FAKE_NUM_BUFFERS_CHANGES, &whole);
        fake_device_misbehave(bench.device, FAKE_BEHAVES);
        assert_int_equal(LIES_BUFFERS, header_in(&bench, 0).num_buffers);
        acts[i](&bench);
        assert_int_equal(0xffff, header_in(&bench, 0).num_buffers);
        buffer_of(&bench, 0)[10] = 1;
        acts[i](&bench);
        assert_int_equal(0xff01, header_in(&bench, 0).num_buffers); /* once */
        bench_fini(&bench);
    }
}

static void num_buffers_does_not_change_in_memory_that_was_taken_back(void **state)
{
    EFI_PCI_IO_PROTOCOL *pci_io;
    struct bench bench;

    deliver_with(&bench, *(const enum kind *)*state, FAKE_NUM_BUFFERS_CHANGES, &whole);
    pci_io = bench.virtio.transport.pci_io;
    pci_io->Attributes(pci_io, EfiPciIoAttributeOperationDisable, EFI_PCI_IO_ATTRIBUTE_BUS_MASTER,
                       NULL);
    process(&bench);
    assert_int_equal(LIES_BUFFERS, header_in(&bench, 0).num_buffers);
    pci_io->Attributes(pci_io, EfiPciIoAttributeOperationEnable, EFI_PCI_IO_ATTRIBUTE_BUS_MASTER,
                       NULL);
    process(&bench);
    assert_int_equal(LIES_BUFFERS, header_in(&bench, 0).num_buffers);

    assert_true(fake_device_deliver(bench.device, frame, 60));
    fake_device_reset_by_others(bench.device);
    process(&bench);
    assert_int_equal(1, header_in(&bench, LIES_BUFFERS).num_buffers);
    bench_fini(&bench);
}

static void missing_last_buffer_is_the_next_frames_first(void **state)
{
    const size_t rest = HEADER + LIES_BYTES - (LIES_BUFFERS - 1) * BUFFER_BYTES;
    struct bench bench;

    deliver_with(&bench, *(const enum kind *)*state, FAKE_LAST_BUFFER_MISSING, &whole);
    receive(&bench);
    assert_int_equal(LIES_BUFFERS - 1, received.buffers);
    assert_int_equal(LIES_BUFFERS, received_header().num_buffers);
    assert_int_equal(HEADER + LIES_BYTES - rest, received.length);
    assert_memory_equal(frame, received.bytes + HEADER, LIES_BYTES - rest);

    assert_true(fake_device_deliver(bench.device, frame, 60)); /* has no last but its first */
    receive(&bench);
    assert_int_equal(1, received.buffers);
    assert_int_equal(1, received_header().num_buffers);
    assert_int_equal(HEADER + 60, received.length);
    bench_fini(&bench);
}

static void length_of_one_buffer_lies(void **state)
{
    static const struct {
        enum fake_device_misbehaviour lie;
        unsigned nth; /* buffer */
        uint32_t length;
    } cases[] = {
        {FAKE_LAST_LENGTH_ABOVE_BUFFER, LIES_BUFFERS - 1, BUFFER_BYTES + 1},
        {FAKE_MIDDLE_LENGTH_ZERO, 1, 0},
        {FAKE_MIDDLE_LENGTH_SHORT, 1, BUFFER_BYTES - 1},
        {FAKE_MIDDLE_LENGTH_ABOVE_BUFFER, 1, BUFFER_BYTES + 1},
    };
    enum kind kind = *(const enum kind *)*state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        bool is_in_order = kind == SPLIT_IN_ORDER || kind == PACKED_IN_ORDER;
        bool is_alone = is_in_order && cases[i].lie == FAKE_LAST_LENGTH_ABOVE_BUFFER;
        struct virtq_used_elem entry;
        struct bench bench;

        deliver_with(&bench, kind, cases[i].lie, &whole);
        assert_int_equal(is_alone ? 1 : LIES_BUFFERS, count_entries(&bench));
        for (unsigned nth = 0; nth < count_entries(&bench); nth++) {
            uint32_t truth = nth < LIES_BUFFERS - 1
                                 ? BUFFER_BYTES
                                 : HEADER + LIES_BYTES - (LIES_BUFFERS - 1) * BUFFER_BYTES;

            assert_true(read_entry(&bench, nth, &entry));
            assert_int_equal(is_alone || nth == cases[i].nth ? cases[i].length : truth, entry.len);
        }
        assert_int_equal(LIES_BUFFERS, header_in(&bench, 0).num_buffers);
        bench_fini(&bench);
    }
}

/* The last of two is no middle, nor is the first. */
static void frame_of_two_buffers_has_no_middle(void **state)
{
    for (enum fake_device_misbehaviour lie = FAKE_MIDDLE_LENGTH_ZERO;
         lie <= FAKE_MIDDLE_LENGTH_ABOVE_BUFFER; lie++) {
        struct bench bench;

        bench_init(&bench, *(const enum kind *)*state, FAKE_LARGE_FEATURES, BUFFER_BYTES);
        push(&bench, 0, SLOTS);
        write_frame(3000, lie);
        fake_device_misbehave(bench.device, lie);
        assert_true(fake_device_deliver_large(bench.device, frame, 3000, &whole));
        assert_receives(&bench, 3000);
        bench_fini(&bench);
    }
}

static void second_buffer_begins_with_a_header(void **state)
{
    const size_t at = BUFFER_BYTES - HEADER; /* of the frame */
    struct bench bench;

    deliver_with(&bench, *(const enum kind *)*state, FAKE_MIDDLE_HEADER, &whole);
    receive(&bench);
    assert_int_equal(HEADER + LIES_BYTES, received.length);
    assert_memory_equal(received.bytes, received.bytes + BUFFER_BYTES, HEADER);
    memcpy(&frame[at], received.bytes, HEADER);
    assert_memory_equal(frame, received.bytes + HEADER, LIES_BYTES);
    bench_fini(&bench);
}

static void frame_that_is_too_long_ends_with_zeros(void **state)
{
    struct bench bench;

    deliver_with(&bench, *(const enum kind *)*state, FAKE_FRAME_TOO_LONG, &whole);
    memset(&frame[LIES_BYTES], 0, 65536 - LIES_BYTES);
    assert_receives(&bench, 65536);
    bench_fini(&bench);
}

#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TCPV4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCPV6 VIRTIO_NET_HDR_GSO_TCPV6
#define UDP_L4 VIRTIO_NET_HDR_GSO_UDP_L4
#define ECN VIRTIO_NET_HDR_GSO_ECN

static const struct fake_offload segment = {NEEDS_CSUM, TCPV6, 74, 1440, 54, 16};

/* What the header says when the test asks for nothing, and when it asks for `segment`. */
static const struct {
    enum fake_device_misbehaviour lie;
    struct fake_offload from_whole;
    struct fake_offload from_segment;
} header_lies[] = {
    {FAKE_CSUM_START_OUTSIDE,
     {NEEDS_CSUM, 0, 0, 0, LIES_BYTES, 16},
     {NEEDS_CSUM, TCPV6, 74, 1440, LIES_BYTES, 16}},
    {FAKE_CSUM_OFFSET_OUTSIDE,
     {NEEDS_CSUM, 0, 0, 0, 34, LIES_BYTES - 35},
     {NEEDS_CSUM, TCPV6, 74, 1440, 54, LIES_BYTES - 55}},
    {FAKE_CSUM_OFFSET_WRAPS,
     {NEEDS_CSUM, 0, 0, 0, 34, 0x10000 - 17},
     {NEEDS_CSUM, TCPV6, 74, 1440, 54, 0x10000 - 27}},
    {FAKE_GSO_TYPE_NOT_NEGOTIATED,
     {NEEDS_CSUM, UDP_L4, 54, 1460, 34, 16},
     {NEEDS_CSUM, UDP_L4, 74, 1440, 54, 16}},
    {FAKE_GSO_TYPE_UNKNOWN, {NEEDS_CSUM, 2, 54, 1460, 34, 16}, {NEEDS_CSUM, 2, 74, 1440, 54, 16}},
    {FAKE_GSO_WITHOUT_CSUM, {0, TCPV4, 54, 1460, 34, 16}, {0, TCPV6, 74, 1440, 54, 16}},
    {FAKE_GSO_ECN_ALONE, {NEEDS_CSUM, ECN, 54, 1460, 34, 16}, {NEEDS_CSUM, ECN, 74, 1440, 54, 16}},
    {FAKE_GSO_HINTS_LIE,
     {NEEDS_CSUM, TCPV4, 65535, 0, 34, 16},
     {NEEDS_CSUM, TCPV6, 65535, 0, 54, 16}},
    {FAKE_OFFLOAD_UNJUDGED, {0}, {NEEDS_CSUM, TCPV6, 74, 1440, 54, 16}},
};

static void header_lies_about_the_work_that_is_left(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(header_lies); i++) {
        struct virtio_net_hdr header;
        struct bench bench;

        deliver_with(&bench, *(const enum kind *)*state, header_lies[i].lie, &whole);
        assert_true(fake_device_deliver(bench.device, frame, LIES_BYTES));
        assert_true(fake_device_deliver_large(bench.device, frame, LIES_BYTES, &segment));
        header = header_in(&bench, 0);
        assert_header_says(&header, &header_lies[i].from_whole);
        header = header_in(&bench, LIES_BUFFERS);
        assert_header_says(&header, &header_lies[i].from_whole);
        header = header_in(&bench, 2 * LIES_BUFFERS);
        assert_header_says(&header, &header_lies[i].from_segment);
        receive(&bench);
        assert_int_equal(3 * (HEADER + LIES_BYTES), received.length);
        assert_memory_equal(frame, received.bytes + HEADER, LIES_BYTES);
        bench_fini(&bench);
    }
}

static void type_not_negotiated_is_the_first_that_is_missing(void **state)
{
    static const struct {
        uint64_t features;
        uint8_t type;
    } cases[] = {
        {0, TCPV4},
        {VIRTIO_NET_F_GUEST_TSO4, TCPV6},
        {VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6, UDP_L4},
        {VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_USO4,
         VIRTIO_NET_HDR_GSO_UDP},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct bench bench;

        bench_init(&bench, SPLIT,
                   VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MRG_RXBUF | cases[i].features,
                   BUFFER_BYTES);
        push(&bench, 0, 1);
        fake_device_misbehave(bench.device, FAKE_GSO_TYPE_NOT_NEGOTIATED);
        assert_true(fake_device_deliver(bench.device, frame, 60));
        assert_int_equal(cases[i].type, header_in(&bench, 0).gso_type);
        bench_fini(&bench);
    }
}

/* They are no lies of a device that was not asked for large frames. */
static void nothing_happens_without_the_features(void **state)
{
    enum kind kind = *(const enum kind *)*state;
    size_t header_bytes = kinds[kind].transport == FAKE_LEGACY ? HEADER - 2 : HEADER;
    const uint8_t expected[HEADER] = {[10] = 1};

    if (kind == LEGACY_SEPARATE) /* its header is shorter than this bench's */
        return;
    for (enum fake_device_misbehaviour lie = FAKE_NUM_BUFFERS_ZERO; lie < FAKE_MISBEHAVIOURS;
         lie++) {
        struct bench bench;

        bench_init(&bench, kind, 0, BUFFER_BYTES);
        push(&bench, 0, SLOTS);
        fake_device_misbehave(bench.device, lie);
        for (unsigned i = 0; i < 3; i++)
            assert_true(fake_device_deliver(bench.device, frame, 1514));
        receive(&bench);
        assert_int_equal(3, received.buffers);
        assert_int_equal(3 * (header_bytes + 1514), received.length);
        assert_memory_equal(expected, received.bytes, header_bytes);
        assert_memory_equal(frame, received.bytes + header_bytes, 1514);
        bench_fini(&bench);
    }
}

static void misbehaviours_have_names_and_needs(void **state)
{
    (void)state;
    for (enum fake_device_misbehaviour which = FAKE_BEHAVES; which < FAKE_MISBEHAVIOURS; which++) {
        assert_non_null(fake_misbehaviour_name(which));
        assert_int_equal(which < FAKE_NUM_BUFFERS_ZERO     ? 0
                         : which < FAKE_CSUM_START_OUTSIDE ? VIRTIO_NET_F_MRG_RXBUF
                                                           : VIRTIO_NET_F_GUEST_CSUM,
                         fake_misbehaviour_needs(which));
    }
}

/* ---- the referee ---- */

static void referee_knows_what_a_feature_needs(void **state)
{
    static const uint64_t lonely[] = {
        VIRTIO_NET_F_GUEST_TSO4,
        VIRTIO_NET_F_GUEST_TSO6,
        VIRTIO_NET_F_GUEST_USO4,
        VIRTIO_NET_F_GUEST_USO6,
        VIRTIO_NET_F_HOST_USO,
        VIRTIO_NET_F_GUEST_ECN,
        VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_GUEST_CSUM,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lonely); i++) {
        struct bench bench;

        assert_reported("without the one it needs", bench_negotiate(&bench, SPLIT, lonely[i]));
        virtio_device_fini(&bench.virtio);
        fake_fixture_fini(&bench.fixture);
    }
}

/* One buffer of this length alone. */
static void offer_buffer(enum kind kind, uint64_t features, uint32_t bytes)
{
    struct bench bench;

    bench_init(&bench, kind, features, bytes);
    push(&bench, 0, 1);
    bench_fini(&bench);
}

static void referee_measures_receive_buffers(void **state)
{
    const uint64_t large = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO6;

    (void)state;
    for (enum kind kind = SPLIT; kind <= LEGACY; kind++) {
        assert_reported("a receive buffer of 12 bytes, 13 are needed",
                        offer_buffer(kind, FAKE_LARGE_FEATURES, 12));
        offer_buffer(kind, FAKE_LARGE_FEATURES, 13);
        assert_reported("a receive buffer of 65561 bytes, 65562 are needed",
                        offer_buffer(kind, large, 65561));
        offer_buffer(kind, large, 65562);
        assert_reported("a receive buffer of 1525 bytes, 1526 are needed",
                        offer_buffer(kind, VIRTIO_NET_F_GUEST_CSUM, 1525));
        offer_buffer(kind, VIRTIO_NET_F_GUEST_CSUM, 1526);
    }
}

static void referee_wants_a_legacy_header_alone_in_each_buffer(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, LEGACY_SEPARATE, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    bench.segments = 1;
    describe_buffers(&bench);
    assert_reported("the header is not alone", push(&bench, 0, 1));
    bench_fini(&bench);
}

/* Frames of 5,000 bytes; NULL: nothing is reported. */
static const struct {
    uint64_t features; /* missing from all */
    struct fake_offload offload;
    const char *report;
} offloads[] = {
    {0, {.flags = VIRTIO_NET_HDR_F_DATA_VALID}, NULL},
    {0, {NEEDS_CSUM, 0, 0, 0, 34, 16}, NULL},
    {0, {NEEDS_CSUM, 0, 0, 0, 4982, 16}, NULL},
    {0, {NEEDS_CSUM, 0, 0, 0, 4983, 16}, "a checksum at 4983 + 16 of 5000 bytes"},
    {0, {NEEDS_CSUM, 0, 0, 0, 34, 4965}, "a checksum at 34 + 4965 of 5000 bytes"},
    {0, {NEEDS_CSUM, 0, 0, 0, 65535, 65535}, "a checksum at 65535 + 65535"},
    {0, {0, 0, 0, 0, 65535, 65535}, NULL},
    {0, {.flags = 4}, "flags 0x4 were not negotiated"},
    {VIRTIO_NET_F_GUEST_CSUM, {.flags = NEEDS_CSUM}, "flags 0x1 were not negotiated"},
    {VIRTIO_NET_F_GUEST_CSUM,
     {.flags = VIRTIO_NET_HDR_F_DATA_VALID},
     "flags 0x2 were not negotiated"},
    {0, {NEEDS_CSUM, TCPV4, 54, 1460, 34, 16}, NULL},
    {0, {NEEDS_CSUM, TCPV4 | ECN, 54, 1460, 34, 16}, NULL},
    {0, {NEEDS_CSUM, TCPV6 | ECN, 74, 1440, 54, 16}, NULL},
    {0, {NEEDS_CSUM, UDP_L4, 42, 1472, 34, 6}, NULL},
    {VIRTIO_NET_F_GUEST_USO4, {NEEDS_CSUM, UDP_L4, 42, 1472, 34, 6}, NULL},
    {VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6,
     {NEEDS_CSUM, UDP_L4, 42, 1472, 34, 6},
     "a frame of type 5 was not negotiated"},
    {VIRTIO_NET_F_GUEST_TSO4,
     {NEEDS_CSUM, TCPV4, 54, 1460, 34, 16},
     "a frame of type 1 was not negotiated"},
    {VIRTIO_NET_F_GUEST_TSO6,
     {NEEDS_CSUM, TCPV6, 74, 1440, 54, 16},
     "a frame of type 4 was not negotiated"},
    {0, {NEEDS_CSUM, VIRTIO_NET_HDR_GSO_UDP, 42, 1472, 34, 6}, "a frame of type 3 was not"},
    {0, {NEEDS_CSUM, 2, 54, 1460, 34, 16}, "a frame of type 2 was not negotiated"},
    {0, {NEEDS_CSUM, ECN, 54, 1460, 34, 16}, "a frame of type 0 was not negotiated"},
    {0, {NEEDS_CSUM, UDP_L4 | ECN, 42, 1472, 34, 6}, "a frame of type 5 with ECN"},
    {VIRTIO_NET_F_GUEST_ECN,
     {NEEDS_CSUM, TCPV4 | ECN, 54, 1460, 34, 16},
     "a frame of type 1 with ECN"},
    {0, {0, TCPV4, 54, 1460, 34, 16}, "a frame of type 1 without NEEDS_CSUM"},
    {0, {NEEDS_CSUM, TCPV4, 54, 0, 34, 16}, "a frame of type 1 without a segment size"},
};

/* What a device that behaves never writes: the test is at fault. */
static void referee_judges_the_header_that_a_test_asks_for(void **state)
{
    const uint64_t all = FAKE_LARGE_FEATURES | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;

    (void)state;
    write_frame(5000, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(offloads); i++) {
        struct bench bench;
        bool is_delivered;

        /* Only the device's side of the negotiation matters here. */
        bench_init(&bench, SPLIT, all, BUFFER_BYTES);
        bench.device->accepted &= ~offloads[i].features;
        push(&bench, 0, 3);
        fake_reports_record();
        is_delivered = fake_device_deliver_large(bench.device, frame, 5000, &offloads[i].offload);
        assert_int_equal(offloads[i].report != NULL, fake_reports_taken() > 0);
        if (offloads[i].report)
            assert_non_null(strstr(fake_first_report(), offloads[i].report));
        assert_true(is_delivered);
        assert_receives(&bench, 5000);
        bench_fini(&bench);
    }
}

static void referee_knows_the_longest_frame(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, SPLIT, FAKE_LARGE_FEATURES, BUFFER_BYTES);
    push(&bench, 0, SLOTS);
    assert_reported("a frame of 65551 bytes",
                    fake_device_deliver_large(bench.device, frame, FRAME_MAX + 1, &whole));
    bench_fini(&bench);
}

struct claim {
    const char *name;
    CMUnitTestFunction test;
};

#define CLAIM(test)                                                                                \
    {                                                                                              \
#test, test                                                                                \
    }

int main(void)
{
    static const struct claim claims[] = {
        CLAIM(frame_of_one_buffer_has_the_header_of_the_test),
        CLAIM(frame_of_any_length_fills_all_buffers_but_its_last),
        CLAIM(several_frames_wait_in_the_ring_one_after_the_other),
        CLAIM(too_few_buffers_are_left_unused),
        CLAIM(frame_is_not_delivered_before_there_is_a_queue),
        CLAIM(frames_are_spread_without_an_offload_too),
        CLAIM(smallest_buffers_hold_a_frame),
        CLAIM(one_used_entry_stands_for_a_frame_in_order),
        CLAIM(used_entries_one_by_one_give_each_length),
        CLAIM(without_mrg_rxbuf_one_buffer_holds_a_frame_or_none_does),
        CLAIM(withheld_frame_uses_no_buffer),
        CLAIM(num_buffers_lies_and_all_else_is_true),
        CLAIM(num_buffers_changes_when_the_device_acts_next),
        CLAIM(num_buffers_does_not_change_in_memory_that_was_taken_back),
        CLAIM(missing_last_buffer_is_the_next_frames_first),
        CLAIM(length_of_one_buffer_lies),
        CLAIM(frame_of_two_buffers_has_no_middle),
        CLAIM(second_buffer_begins_with_a_header),
        CLAIM(frame_that_is_too_long_ends_with_zeros),
        CLAIM(header_lies_about_the_work_that_is_left),
        CLAIM(nothing_happens_without_the_features),
    };
    static enum kind kind_of[ARRAY_LENGTH(claims) * KINDS];
    static char names[ARRAY_LENGTH(kind_of)][128];
    static const struct CMUnitTest referee_tests[] = {
        cmocka_unit_test(type_not_negotiated_is_the_first_that_is_missing),
        cmocka_unit_test(misbehaviours_have_names_and_needs),
        cmocka_unit_test(referee_knows_what_a_feature_needs),
        cmocka_unit_test(referee_measures_receive_buffers),
        cmocka_unit_test(referee_wants_a_legacy_header_alone_in_each_buffer),
        cmocka_unit_test(referee_judges_the_header_that_a_test_asks_for),
        cmocka_unit_test(referee_knows_the_longest_frame),
    };
    struct CMUnitTest tests[ARRAY_LENGTH(kind_of)];
    int failures;

    for (size_t i = 0; i < ARRAY_LENGTH(tests); i++) {
        kind_of[i] = (enum kind)(i % KINDS);
        snprintf(names[i], sizeof(names[i]), "%s: %s", claims[i / KINDS].name,
                 kinds[kind_of[i]].name);
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = claims[i / KINDS].test, .initial_state = &kind_of[i]};
    }
    failures = cmocka_run_group_tests_name("merged_frames", tests, NULL, NULL);
    return failures +
           cmocka_run_group_tests_name("merged_frames_referee", referee_tests, NULL, NULL);
}
