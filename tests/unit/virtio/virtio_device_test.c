/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The life of a device: reset, negotiation, queues, DRIVER_OK, halt. A tap between
 * driver and device model notes what is written to the status register, and
 * whether the function may access memory meanwhile.
 */
#include "assert_status.h"
#include "dxe_services.h"
#include "fixture.h"
#include "virtio/virtio_queue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STATUS_WRITES_MAX 1024u
#define RESET_TIMEOUT_US 5000000u
#define RESET_TIMEOUT_SHORT_US 500000u
#define SLOW_AFTER_US 100000u /* then the status is read every 10 ms instead of 100 us */
#define NOTICE_US 1000000u
#define WANTED (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_F_ANY_LAYOUT)
#define EVERYTHING UINT64_MAX

struct bench {
    struct fake_fixture fixture;
    struct fake_pci_function *function;
    struct virtio_device device;

    const struct fake_pci_operations *model;
    void *model_context;
    unsigned status_bar;
    uint64_t status_offset;
    uint8_t status_writes[STATUS_WRITES_MAX];
    unsigned status_write_count;
    uint8_t unplugged_at; /* the device goes when this is written to its status */
    bool is_reset;        /* 0 was read from the status register */
    uint8_t *image;       /* memory that follows the status register, as if it were it */
    unsigned image_lag;   /* this write, from 1 on, does not reach it */
    bool had_dma_before_reset;
};

static bool has_dma(const struct bench *bench)
{
    return bench->function->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER;
}

static uint64_t tap_read(void *context, unsigned bar, uint64_t offset, unsigned width)
{
    struct bench *bench = context;
    uint64_t value = bench->model->read(bench->model_context, bar, offset, width);

    bench->had_dma_before_reset |= !bench->is_reset && has_dma(bench);
    if (bar == bench->status_bar && offset == bench->status_offset && value == 0)
        bench->is_reset = true;
    return value;
}

static void tap_write(void *context, unsigned bar, uint64_t offset, unsigned width, uint64_t value)
{
    struct bench *bench = context;

    bench->had_dma_before_reset |= !bench->is_reset && has_dma(bench);
    if (bar == bench->status_bar && offset == bench->status_offset) {
        assert_true(bench->status_write_count < STATUS_WRITES_MAX);
        bench->status_writes[bench->status_write_count++] = (uint8_t)value;
        if (bench->image && bench->status_write_count != bench->image_lag)
            bench->image[offset] = (uint8_t)value;
    }
    bench->model->write(bench->model_context, bar, offset, width, value);
    if (bench->unplugged_at && value == bench->unplugged_at && offset == bench->status_offset)
        fake_device_unplug(bench->fixture.device);
}

static void tap_unmapping(void *context, uint64_t device_address, uint64_t length)
{
    const struct bench *bench = context;

    bench->model->unmapping(bench->model_context, device_address, length);
}

static void tap_exited(void *context)
{
    const struct bench *bench = context;

    bench->model->boot_services_exited(bench->model_context);
}

static void tap_free(void *context)
{
    const struct bench *bench = context;

    bench->model->free(bench->model_context);
}

static const struct fake_pci_operations tap = {
    .read = tap_read,
    .write = tap_write,
    .unmapping = tap_unmapping,
    .boot_services_exited = tap_exited,
    .free = tap_free,
};

/* One at a time; it outlives a test that fails. */
static struct bench *bench_new(const struct fake_device_options *options)
{
    static struct bench bench;
    struct fake_fixture fixture;

    fake_fixture_init(&fixture, 1, options);
    bench = (struct bench){.fixture = fixture, .function = fake_device_pci(fixture.device)};
    bench.model = bench.function->operations;
    bench.model_context = bench.function->context;
    bench.function->operations = &tap;
    bench.function->context = &bench;
    assert_int_equal(virtio_device_init(&bench.device, &bench.function->protocol), EFI_SUCCESS);
    bench.is_reset = false; /* what it was before tells nothing */
    bench.status_bar = virtio_device_is_legacy(&bench.device) ? 0 : 4;
    bench.status_offset = virtio_device_is_legacy(&bench.device) ? 0x12 : 20;
    return &bench;
}

static void bench_fini(struct bench *bench)
{
    virtio_device_fini(&bench->device);
    fake_firmware_fail_nth(bench->fixture.firmware, 0);
    fake_firmware_assert_nothing_leaked(bench->fixture.firmware);
    fake_fixture_fini(&bench->fixture);
}

static int setup(void **state)
{
    *state = bench_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    bench_fini(*state);
    return 0;
}

static void negotiate(struct bench *bench)
{
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_SUCCESS);
}

static void assert_status_writes(const struct bench *bench, const uint8_t *expected, unsigned count)
{
    assert_int_equal(bench->status_write_count, count);
    assert_memory_equal(bench->status_writes, expected, count);
}

#define ASSERT_STATUS_WRITES(bench, ...)                                                           \
    assert_status_writes(bench, (const uint8_t[]){__VA_ARGS__},                                    \
                         sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---- init and fini ---- */

static void init_reads_the_status_and_writes_nothing(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(fake_device_access_count(bench->fixture.device), 1);
    assert_int_equal(bench->status_write_count, 0);
    assert_false(has_dma(bench));
}

static void init_without_a_transport_fails_with_a_cause(void **state)
{
    struct virtio_device device;
    struct fake_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_CAPABILITY_OUTSIDE_BAR);
    assert_int_equal(virtio_device_init(&device, &fake_device_pci(fixture->device)->protocol),
                     EFI_UNSUPPORTED);
    assert_non_null(device.cause);
    fake_firmware_assert_nothing_leaked(fixture->firmware);
    virtio_device_fini(&device);
    fake_firmware_assert_nothing_leaked(fixture->firmware);
}

static void fini_accepts_a_zeroed_device_and_queue(void **state)
{
    struct virtio_device device = {0};
    struct virtio_queue queue = {0};

    (void)state;
    virtio_device_fini(&device);
    virtio_queue_fini(&queue);
}

static void fini_halts_a_live_device_and_gives_it_back(void **state)
{
    struct bench *bench = *state;

    negotiate(bench);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    assert_true(fake_device_is_live(bench->fixture.device));
    virtio_device_fini(&bench->device);
    assert_int_equal(fake_device_status(bench->fixture.device), 0);
    assert_int_equal(bench->device.negotiated, 0);
    fake_firmware_assert_nothing_leaked(bench->fixture.firmware);
}

/* ---- registers without PciIo ---- */

#define IMAGE_BYTES 0x4000u

/* Let the registers of the BAR seem to be at `image` too. */
static void set_image(struct bench *bench, uint8_t *image)
{
    struct virtio_transport *transport = &bench->device.transport;

    memset(image, 0, IMAGE_BYTES);
    bench->image = image;
    transport->common.bar_address = (uintptr_t)image;
    transport->common.bar_bytes = IMAGE_BYTES;
    fake_dxe_services_install((uintptr_t)image, IMAGE_BYTES);
}

static void doorbell_is_direct_when_the_status_follows_in_every_state(void **state)
{
    static uint8_t image[IMAGE_BYTES];
    struct bench *bench = *state;
    struct virtio_queue queue;
    uint16_t rung;

    set_image(bench, image);
    negotiate(bench);
    assert_true(virtio_device_has_direct_doorbells(&bench->device));
    assert_int_equal(virtio_queue_init(&queue, &bench->device, 1, 256, 1), EFI_SUCCESS);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    memset(image, 0xee, sizeof(image));
    pci_register_write16(&queue.doorbell);
    memcpy(&rung, image + queue.doorbell.offset, sizeof(rung));
    assert_int_equal(1, rung);
    virtio_device_halt(&bench->device);
    virtio_queue_fini(&queue);
}

static void doorbell_is_not_direct_when_the_status_differs_in_one_state(void **state)
{
    static uint8_t image[IMAGE_BYTES];

    (void)state;
    for (unsigned lag = 0; lag <= 3; lag++) {
        struct bench *bench = bench_new(NULL);
        struct virtio_queue queue;

        set_image(bench, image);
        image[20] = 0x99; /* before the reset */
        bench->image_lag = lag;
        negotiate(bench);
        assert_int_equal(lag == 0, virtio_device_has_direct_doorbells(&bench->device));
        assert_int_equal(virtio_queue_init(&queue, &bench->device, 1, 256, 1), EFI_SUCCESS);
        assert_int_equal(lag == 0, pci_register_is_direct(&queue.doorbell));
        virtio_device_halt(&bench->device);
        virtio_queue_fini(&queue);
        bench_fini(bench);
    }
}

static void doorbell_in_a_bar_of_its_own_is_not_direct(void **state)
{
    static uint8_t image[IMAGE_BYTES];
    struct bench *bench = *state;

    set_image(bench, image);
    negotiate(bench);
    bench->device.transport.notify.bar_index++;
    assert_false(virtio_device_has_direct_doorbells(&bench->device));
}

static void later_negotiations_do_not_change_how_doorbells_are_rung(void **state)
{
    static uint8_t image[IMAGE_BYTES];
    struct bench *bench = *state;

    negotiate(bench);
    set_image(bench, image);
    negotiate(bench);
    assert_false(virtio_device_has_direct_doorbells(&bench->device));
}

/* ---- status ---- */

/* holds: virtio.order.status */
static void a_modern_status_grows_bit_by_bit(void **state)
{
    struct bench *bench = *state;

    negotiate(bench);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    ASSERT_STATUS_WRITES(bench, 0x00, 0x01, 0x03, 0x0b, 0x0f);
    assert_null(bench->device.cause);
}

/* holds: virtio.order.status */
static void a_legacy_status_grows_without_features_ok(void **state)
{
    const struct fake_device_options options = {.transport = FAKE_LEGACY};
    struct bench *bench;

    (void)state;
    bench = bench_new(&options);
    negotiate(bench);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    ASSERT_STATUS_WRITES(bench, 0x00, 0x01, 0x03, 0x07);
    bench_fini(bench);
}

/* holds: virtio.order.bits */
static void bits_that_the_device_sets_are_not_cleared(void **state)
{
    struct bench *bench = *state;

    negotiate(bench);
    fake_device_need_reset(bench->fixture.device);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    assert_int_equal(bench->status_writes[bench->status_write_count - 1], 0x4f);
}

static void ready_passes_a_failed_access_on(void **state)
{
    struct bench *bench = *state;

    for (unsigned nth = 1; nth <= 2; nth++) {
        negotiate(bench);
        fake_firmware_fail_nth(bench->fixture.firmware, nth);
        assert_int_equal(virtio_device_ready(&bench->device), EFI_DEVICE_ERROR);
        assert_non_null(bench->device.cause);
        assert_false(fake_device_is_live(bench->fixture.device));
    }
}

/* ---- reset ---- */

/* holds: virtio.order.reset */
static void a_reset_is_waited_for(void **state)
{
    static const struct {
        uint32_t reads;
        uint64_t waited_us;
        bool is_told;
    } cases[] = {
        {0, 0, false},
        {1, 100, false},
        {17, 1700, false},
        {1000, SLOW_AFTER_US, false},
        {1050, 600000, false}, /* 0.6 s: hardware does that */
        {1091, NOTICE_US + 10000, true},
        {1490, RESET_TIMEOUT_US, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench *bench;

        bench = bench_new(NULL);
        fake_device_delay_reset(bench->fixture.device, cases[i].reads);
        negotiate(bench); /* the device model reports any access before the end of the reset */
        assert_int_equal(fake_firmware_now_us(bench->fixture.firmware), cases[i].waited_us);
        assert_int_equal(fake_device_reset_count(bench->fixture.device), 1);
        assert_int_equal(strstr(fake_firmware_console(bench->fixture.firmware),
                                "waiting for the device to confirm its reset") != NULL,
                         cases[i].is_told);
        fake_device_delay_reset(bench->fixture.device, 0);
        bench_fini(bench);
    }
}

static void no_dma_is_allowed_before_the_reset_is_confirmed(void **state)
{
    struct bench *bench = *state;

    fake_device_delay_reset(bench->fixture.device, 5);
    negotiate(bench);
    assert_true(bench->is_reset);
    assert_false(bench->had_dma_before_reset);
    assert_true(has_dma(bench));
}

/* holds: virtio.order.reset */
static void a_device_that_never_confirms_is_given_up_and_cut_off(void **state)
{
    struct bench *bench = *state;

    fake_device_misbehave(bench->fixture.device, FAKE_RESET_NEVER_SETTLES);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_TIMEOUT);
    assert_false(has_dma(bench));
    assert_false(bench->had_dma_before_reset);
    assert_int_equal(VIRTIO_DEVICE_CUT_OFF, bench->device.state);
    assert_int_equal(bench->device.negotiated, 0);
    assert_non_null(bench->device.cause);
    assert_between(fake_firmware_now_us(bench->fixture.firmware), RESET_TIMEOUT_US,
                   RESET_TIMEOUT_US + 10000);
    /* It may be in the middle of its reset: neither FAILED nor another 0. */
    assert_int_equal(bench->status_write_count, 1);
    assert_int_equal(bench->status_writes[0], 0);
}

/* A later call waits, but not as long; then it asks once more. */
static void an_unconfirmed_reset_may_end_in_a_later_call(void **state)
{
    struct bench *bench = *state;
    uint64_t start;

    fake_device_delay_reset(bench->fixture.device, 1500 + 100);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_TIMEOUT);
    assert_true(virtio_device_is_reset_pending(&bench->device));
    fake_device_delay_reset(bench->fixture.device, 0);
    negotiate(bench); /* the device model reports a write before the end of the reset */
    assert_false(virtio_device_is_reset_pending(&bench->device));
    assert_true(has_dma(bench));

    fake_device_misbehave(bench->fixture.device, FAKE_RESET_NEVER_SETTLES);
    virtio_device_halt(&bench->device);
    start = fake_firmware_now_us(bench->fixture.firmware);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_TIMEOUT);
    assert_between(fake_firmware_now_us(bench->fixture.firmware) - start,
                   2 * RESET_TIMEOUT_SHORT_US, 2 * RESET_TIMEOUT_SHORT_US + 20000);
    fake_device_misbehave(bench->fixture.device, FAKE_BEHAVES);
    negotiate(bench);
}

static void bus_mastering_from_before_is_off_until_the_reset_is_confirmed(void **state)
{
    const struct fake_device_options options = {
        .pci.initial_attributes = EFI_PCI_IO_ATTRIBUTE_BUS_MASTER | EFI_PCI_IO_ATTRIBUTE_IO,
    };
    struct bench *bench = bench_new(&options);

    (void)state;
    assert_false(has_dma(bench));
    bench->had_dma_before_reset = false; /* while the registers were looked for */
    fake_device_delay_reset(bench->fixture.device, 5);
    negotiate(bench);
    assert_true(bench->is_reset);
    assert_false(bench->had_dma_before_reset);
    assert_true(has_dma(bench));
    fake_device_delay_reset(bench->fixture.device, 0);
    virtio_device_halt(&bench->device);
    bench_fini(bench); /* checks that the attributes are as before */
}

/* What was on before Start stays off then. */
static void bus_mastering_does_not_come_back_after_a_cut_off(void **state)
{
    const struct fake_device_options options = {
        .pci.initial_attributes = EFI_PCI_IO_ATTRIBUTE_BUS_MASTER | EFI_PCI_IO_ATTRIBUTE_IO,
    };

    (void)state;
    for (int was_ready = 0; was_ready <= 1; was_ready++) {
        struct bench *bench = bench_new(&options);

        if (was_ready)
            negotiate(bench);
        fake_device_misbehave(bench->fixture.device, FAKE_RESET_NEVER_SETTLES);
        if (!was_ready)
            assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_TIMEOUT);
        virtio_device_fini(&bench->device);
        assert_int_equal(bench->function->attributes, EFI_PCI_IO_ATTRIBUTE_IO);
        bench->function->attributes = options.pci.initial_attributes; /* on purpose */
        bench_fini(bench);
    }
}

static void a_device_that_has_gone_is_given_up_and_cut_off(void **state)
{
    struct bench *bench = *state;

    fake_device_unplug(bench->fixture.device);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_TIMEOUT);
    assert_false(has_dma(bench));
    assert_int_equal(VIRTIO_DEVICE_CUT_OFF, bench->device.state);
}

static void a_device_that_stops_answering_at_any_step_is_given_up(void **state)
{
    struct bench *bench = *state;

    for (unsigned nth = 1;; nth++) {
        EFI_STATUS status;

        fake_firmware_fail_from(bench->fixture.firmware, nth);
        status = virtio_device_negotiate(&bench->device, WANTED, NULL, 0);
        if (!fake_firmware_has_failed(bench->fixture.firmware))
            break;
        assert_int_equal(status, EFI_DEVICE_ERROR);
        assert_int_not_equal(VIRTIO_DEVICE_LIVE, bench->device.state);
        assert_int_equal(bench->device.negotiated, 0);
        fake_firmware_fail_nth(bench->fixture.firmware, 0);
    }
}

/* ---- features ---- */

/* holds: virtio.features.offered, virtio.features.version_1 */
static void what_is_offered_and_wanted_is_accepted(void **state)
{
    static const uint64_t v1 = VIRTIO_F_VERSION_1;
    static const uint64_t unknown = UINT64_C(1) << 41 | UINT64_C(1) << 50 | UINT64_C(1) << 24;
    static const struct {
        enum fake_transport transport;
        uint64_t offered; /* VERSION_1 comes by itself */
        uint64_t wanted;
        uint64_t accepted;
    } cases[] = {
        {FAKE_TRANSITIONAL, FAKE_DEVICE_FEATURES, 0, v1},
        {FAKE_MODERN, FAKE_DEVICE_FEATURES, 0, v1},
        {FAKE_MODERN, FAKE_DEVICE_FEATURES, v1, v1},
        {FAKE_MODERN, FAKE_DEVICE_FEATURES, VIRTIO_NET_F_MAC, v1 | VIRTIO_NET_F_MAC},
        {FAKE_MODERN, VIRTIO_NET_F_MAC, WANTED, v1 | VIRTIO_NET_F_MAC},
        {FAKE_MODERN, VIRTIO_NET_F_MAC | unknown, WANTED, v1 | VIRTIO_NET_F_MAC},
        {FAKE_MODERN, FAKE_DEVICE_FEATURES, EVERYTHING, v1 | FAKE_DEVICE_FEATURES},
        {FAKE_MODERN, VIRTIO_NET_F_MAC | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM,
         EVERYTHING, v1 | VIRTIO_NET_F_MAC | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM},
        /* ANY_LAYOUT is a legacy bit; a legacy device has 32. */
        {FAKE_TRANSITIONAL, VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT, WANTED, v1 | VIRTIO_NET_F_MAC},
        {FAKE_LEGACY, VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT, WANTED,
         VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT},
        {FAKE_LEGACY, FAKE_DEVICE_FEATURES, EVERYTHING, (uint32_t)FAKE_DEVICE_FEATURES},
        {FAKE_LEGACY, VIRTIO_NET_F_MAC | unknown, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fake_device_options options = {.transport = cases[i].transport,
                                                    .features = cases[i].offered};
        struct bench *bench;

        bench = bench_new(&options);
        assert_int_equal(virtio_device_negotiate(&bench->device, cases[i].wanted, NULL, 0),
                         EFI_SUCCESS);
        assert_int_equal(fake_device_accepted_features(bench->fixture.device), cases[i].accepted);
        assert_int_equal(bench->device.negotiated, cases[i].accepted);
        assert_int_equal(virtio_device_has(&bench->device, VIRTIO_NET_F_MAC),
                         (cases[i].accepted & VIRTIO_NET_F_MAC) != 0);
        assert_false(virtio_device_has(&bench->device, unknown));
        bench_fini(bench);
    }
}

/* holds: virtio.features.version_1 */
static void a_modern_device_without_version_1_is_refused(void **state)
{
    const struct fake_device_options options = {.removed_features = VIRTIO_F_VERSION_1};
    struct bench *bench;

    (void)state;
    bench = bench_new(&options);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_UNSUPPORTED);
    ASSERT_STATUS_WRITES(bench, 0x00, 0x01, 0x03, 0x83, 0x00);
    assert_int_equal(VIRTIO_DEVICE_HALTED, bench->device.state);
    assert_non_null(bench->device.cause);
    bench_fini(bench);
}

/* holds: virtio.order.status */
static void a_device_that_drops_features_ok_is_failed_and_halted(void **state)
{
    struct bench *bench = *state;

    fake_device_misbehave(bench->fixture.device, FAKE_FEATURES_OK_DROPPED);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_UNSUPPORTED);
    ASSERT_STATUS_WRITES(bench, 0x00, 0x01, 0x03, 0x0b, 0x83, 0x00);
    assert_int_equal(VIRTIO_DEVICE_HALTED, bench->device.state);
    assert_int_equal(bench->device.negotiated, 0);
    assert_non_null(bench->device.cause);
}

static void a_device_that_goes_at_features_ok_has_not_accepted_them(void **state)
{
    struct bench *bench = *state;

    bench->unplugged_at = 0x0b;
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_UNSUPPORTED);
    assert_false(has_dma(bench));
    assert_int_equal(VIRTIO_DEVICE_CUT_OFF, bench->device.state);
    assert_int_equal(bench->device.negotiated, 0);
}

static void a_failed_access_at_any_step_leaves_a_device_without_dma(void **state)
{
    static const enum fake_transport transports[] = {FAKE_TRANSITIONAL, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < COUNT(transports); i++) {
        const struct fake_device_options options = {.transport = transports[i]};
        struct bench *bench;

        bench = bench_new(&options);
        for (unsigned nth = 1;; nth++) {
            EFI_STATUS status;

            fake_firmware_fail_nth(bench->fixture.firmware, nth);
            status = virtio_device_negotiate(&bench->device, WANTED, NULL, 0);
            if (!fake_firmware_has_failed(bench->fixture.firmware)) {
                assert_true(nth > 9); /* as many accesses as a legacy device takes */
                break;
            }
            assert_int_equal(status, EFI_DEVICE_ERROR);
            assert_non_null(bench->device.cause);
            assert_int_not_equal(VIRTIO_DEVICE_LIVE, bench->device.state);
            assert_int_equal(bench->device.negotiated, 0);
            assert_int_equal(fake_device_status(bench->fixture.device), 0);
        }
        bench_fini(bench);
    }
}

static void negotiation_may_be_repeated(void **state)
{
    struct bench *bench = *state;

    fake_device_misbehave(bench->fixture.device, FAKE_FEATURES_OK_DROPPED);
    assert_int_equal(virtio_device_negotiate(&bench->device, WANTED, NULL, 0), EFI_UNSUPPORTED);
    fake_device_misbehave(bench->fixture.device, FAKE_BEHAVES);
    for (unsigned round = 0; round < 3; round++) {
        negotiate(bench);
        assert_null(bench->device.cause);
        assert_int_equal(VIRTIO_DEVICE_LIVE, bench->device.state);
        assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
        virtio_device_halt(&bench->device);
    }
}

/* ---- configuration ---- */

static void configuration_is_read_through_the_transport(void **state)
{
    struct bench *bench = *state;
    uint8_t mac[6];

    negotiate(bench);
    assert_int_equal(virtio_device_read_config(&bench->device, 0, 1, 6, mac), EFI_SUCCESS);
    assert_memory_equal(mac, fake_device_mac(bench->fixture.device), 6);
}

static void missing_configuration_is_an_error_with_a_cause(void **state)
{
    const struct fake_device_options options = {.no_device_cfg = true};
    struct bench *bench;
    uint8_t mac[6];

    (void)state;
    bench = bench_new(&options);
    negotiate(bench);
    assert_int_equal(virtio_device_read_config(&bench->device, 0, 1, 6, mac), EFI_UNSUPPORTED);
    assert_non_null(bench->device.cause);
    bench_fini(bench);
}

static void a_device_in_need_of_a_reset_says_so(void **state)
{
    struct bench *bench = *state;
    bool needs_reset = true;

    negotiate(bench);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    assert_int_equal(virtio_device_needs_reset(&bench->device, &needs_reset), EFI_SUCCESS);
    assert_false(needs_reset);
    fake_device_need_reset(bench->fixture.device);
    assert_int_equal(virtio_device_needs_reset(&bench->device, &needs_reset), EFI_SUCCESS);
    assert_true(needs_reset);
}

static void a_device_that_has_gone_needs_a_reset(void **state)
{
    struct bench *bench = *state;
    bool needs_reset = false;

    negotiate(bench);
    fake_device_unplug(bench->fixture.device);
    assert_int_equal(virtio_device_needs_reset(&bench->device, &needs_reset), EFI_SUCCESS);
    assert_true(needs_reset);
    fake_firmware_fail_nth(bench->fixture.firmware, 1);
    assert_int_equal(virtio_device_needs_reset(&bench->device, &needs_reset), EFI_DEVICE_ERROR);
}

/* ---- halt ---- */

static void halt_resets_once_and_then_does_nothing(void **state)
{
    struct bench *bench = *state;
    unsigned resets;

    negotiate(bench);
    resets = fake_device_reset_count(bench->fixture.device);
    virtio_device_halt(&bench->device);
    assert_int_equal(fake_device_reset_count(bench->fixture.device), resets + 1);
    assert_int_equal(fake_device_status(bench->fixture.device), 0);
    assert_int_equal(bench->device.negotiated, 0);
    fake_device_clear_access_counts(bench->fixture.device);
    virtio_device_halt(&bench->device);
    virtio_device_fail(&bench->device);
    assert_int_equal(fake_device_access_count(bench->fixture.device), 0);
}

static void halt_cuts_off_a_device_that_does_not_confirm(void **state)
{
    struct bench *bench = *state;

    negotiate(bench);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    fake_device_misbehave(bench->fixture.device, FAKE_RESET_NEVER_SETTLES);
    virtio_device_halt(&bench->device);
    assert_false(has_dma(bench));
    assert_int_equal(VIRTIO_DEVICE_CUT_OFF, bench->device.state);
    assert_between(fake_firmware_now_us(bench->fixture.firmware), RESET_TIMEOUT_US,
                   RESET_TIMEOUT_US + 10000);
}

static void quick_halt_cuts_off_after_half_a_second_and_says_nothing(void **state)
{
    struct bench *bench = *state;

    negotiate(bench);
    fake_device_misbehave(bench->fixture.device, FAKE_RESET_NEVER_SETTLES);
    virtio_device_halt_quickly(&bench->device);
    assert_false(has_dma(bench));
    assert_between(fake_firmware_now_us(bench->fixture.firmware), RESET_TIMEOUT_SHORT_US,
                   RESET_TIMEOUT_SHORT_US + 10000);
    assert_string_equal("", fake_firmware_console(bench->fixture.firmware));
}

static void halt_cuts_off_a_device_that_cannot_be_reached(void **state)
{
    struct bench *bench = *state;

    for (unsigned nth = 1; nth <= 2; nth++) {
        negotiate(bench);
        fake_firmware_fail_nth(bench->fixture.firmware, nth);
        virtio_device_halt(&bench->device);
        assert_false(has_dma(bench));
        assert_int_equal(VIRTIO_DEVICE_CUT_OFF, bench->device.state);
    }
}

static VOID EFIAPI halt_at_exit(EFI_EVENT event, VOID *context)
{
    struct bench *bench = context;

    (void)event;
    virtio_device_halt(&bench->device);
}

static void halt_serves_exit_boot_services(void **state)
{
    struct bench *bench = *state;
    EFI_EVENT event;

    negotiate(bench);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
    assert_int_equal(
        BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_NOTIFY, halt_at_exit, bench, &event),
        EFI_SUCCESS);
    fake_firmware_exit_boot_services(bench->fixture.firmware); /* reports what is not allowed */
    assert_int_equal(fake_device_status(bench->fixture.device), 0);
    fake_fixture_fini(&bench->fixture);
}

/* holds: virtio.order.failed */
static void fail_says_failed_then_resets_and_keeps_the_cause(void **state)
{
    struct bench *bench = *state;
    const CHAR16 *cause = L"it was the butler";

    negotiate(bench);
    bench->status_write_count = 0;
    bench->device.cause = cause;
    fake_device_misbehave(bench->fixture.device, FAKE_RESET_NEVER_SETTLES);
    virtio_device_fail(&bench->device);
    ASSERT_STATUS_WRITES(bench, 0x8b, 0x00);
    assert_int_equal(VIRTIO_DEVICE_CUT_OFF, bench->device.state);
    assert_ptr_equal(bench->device.cause, cause);
}

/* ---- queues ---- */

/* holds: virtio.registers.queue_size */
static void a_queue_has_the_largest_size_that_both_sides_allow(void **state)
{
    static const struct {
        enum fake_transport transport;
        uint16_t device_max;
        uint16_t size_max;
        uint16_t segments_per_slot;
        uint16_t size; /* 0: unsupported */
        uint16_t slot_count;
    } cases[] = {
        {FAKE_MODERN, 256, 256, 1, 256, 256},
        {FAKE_MODERN, 1024, 256, 1, 256, 256},
        {FAKE_MODERN, 1024, 1024, 1, 1024, 256},
        {FAKE_MODERN, 128, 256, 1, 128, 128},
        {FAKE_MODERN, 256, 256, 2, 256, 128},
        {FAKE_MODERN, 100, 256, 1, 64, 64}, /* a ring has a power of two */
        {FAKE_MODERN, 255, 256, 2, 128, 64},
        {FAKE_MODERN, 65535, 256, 1, 256, 256},
        {FAKE_MODERN, 32768, 32768, 2, 32768, 256},
        {FAKE_MODERN, 65535, 32768, 1, 32768, 256},
        {FAKE_MODERN, 2, 256, 2, 2, 1},
        {FAKE_MODERN, 1, 256, 1, 1, 1},
        {FAKE_MODERN, 1, 256, 2, 0, 0},
        {FAKE_LEGACY, 256, 256, 2, 256, 128},
        {FAKE_LEGACY, 1024, 256, 1, 1024, 256}, /* the device's own size wins */
        {FAKE_LEGACY, 64, 256, 2, 64, 32},
        {FAKE_LEGACY, 1, 256, 1, 1, 1},
        {FAKE_LEGACY, 32768, 256, 1, 32768, 256},
        {FAKE_LEGACY, 100, 256, 1, 0, 0},
        {FAKE_LEGACY, 255, 256, 1, 0, 0},
        {FAKE_LEGACY, 32769, 256, 1, 0, 0},
        {FAKE_LEGACY, 65535, 256, 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fake_device_options options = {.transport = cases[i].transport,
                                                    .queue_size = {cases[i].device_max}};
        struct virtio_queue queue = {0};
        struct bench *bench;

        bench = bench_new(&options);
        negotiate(bench);
        assert_int_equal(virtio_queue_init(&queue, &bench->device, 0, cases[i].size_max,
                                           cases[i].segments_per_slot),
                         cases[i].size ? EFI_SUCCESS : EFI_UNSUPPORTED);
        assert_int_equal(queue.ring.size, cases[i].size);
        assert_int_equal(queue.ring.slot_count, cases[i].slot_count);
        assert_int_equal(fake_device_queue_size(bench->fixture.device, 0), cases[i].size);
        assert_int_equal(bench->device.cause == NULL, cases[i].size != 0);
        virtio_device_halt(&bench->device);
        virtio_queue_fini(&queue);
        bench_fini(bench);
    }
}

static void a_queue_that_is_not_there_is_unsupported(void **state)
{
    static const enum fake_transport transports[] = {FAKE_MODERN, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < COUNT(transports); i++) {
        const struct fake_device_options options = {.transport = transports[i]};
        struct virtio_queue queue = {0};
        struct bench *bench;

        bench = bench_new(&options);
        negotiate(bench);
        assert_int_equal(virtio_queue_init(&queue, &bench->device, 7, 256, 1), EFI_UNSUPPORTED);
        assert_non_null(bench->device.cause);
        bench_fini(bench);
    }
}

static void a_queue_knows_whether_event_idx_was_negotiated(void **state)
{
    struct bench *bench = *state;

    for (int has_event_idx = 0; has_event_idx <= 1; has_event_idx++) {
        struct virtio_queue queue = {0};

        assert_int_equal(virtio_device_negotiate(&bench->device,
                                                 has_event_idx ? VIRTIO_F_EVENT_IDX : 0, NULL, 0),
                         EFI_SUCCESS);
        assert_int_equal(virtio_queue_init(&queue, &bench->device, 0, 256, 1), EFI_SUCCESS);
        assert_int_equal(queue.ring.format.has_event_idx, has_event_idx);
        virtio_device_halt(&bench->device);
        virtio_queue_fini(&queue);
    }
}

static void a_failure_at_any_step_of_a_queue_leaves_no_memory(void **state)
{
    static const enum fake_transport transports[] = {FAKE_TRANSITIONAL, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < COUNT(transports); i++) {
        const struct fake_device_options options = {.transport = transports[i]};
        struct bench *bench;
        bool has_failed = true;

        bench = bench_new(&options);
        for (unsigned nth = 1; has_failed; nth++) {
            struct virtio_queue queue = {0};
            EFI_STATUS status;

            fake_firmware_fail_nth(bench->fixture.firmware, 0);
            negotiate(bench);
            fake_firmware_fail_nth(bench->fixture.firmware, nth);
            status = virtio_queue_init(&queue, &bench->device, 1, 256, 1);
            has_failed = fake_firmware_has_failed(bench->fixture.firmware);
            assert_int_equal(EFI_ERROR(status) != 0, has_failed);
            assert_int_equal(bench->device.cause != NULL, has_failed);
            virtio_device_halt(&bench->device); /* it may know the memory by now */
            virtio_queue_fini(&queue);
            assert_int_equal(fake_pci_mapping_count(bench->function), 0);
        }
        bench_fini(bench);
    }
}

/* holds: virtio.registers.doorbell */
static void a_doorbell_outside_its_region_leaves_no_memory(void **state)
{
    struct fake_device_options options = {.transport = FAKE_MODERN, .notify_multiplier = 0x10000};
    struct virtio_queue queue = {0};
    struct bench *bench;

    (void)state;
    bench = bench_new(&options);
    negotiate(bench);
    assert_int_equal(virtio_queue_init(&queue, &bench->device, 1, 256, 1), EFI_UNSUPPORTED);
    virtio_device_halt(&bench->device);
    virtio_queue_fini(&queue);
    assert_int_equal(fake_pci_mapping_count(bench->function), 0);
    bench_fini(bench);
}

/* A receive queue of one buffer, and the memory behind that. */
static void set_up_receive_queue(struct bench *bench, struct virtio_queue *queue,
                                 struct dma *buffer)
{
    negotiate(bench);
    assert_int_equal(virtio_queue_init(queue, &bench->device, VIRTIO_NET_QUEUE_RX, 256, 1),
                     EFI_SUCCESS);
    assert_int_equal(dma_init(buffer, &bench->function->protocol, 2048), EFI_SUCCESS);
    for (uint16_t slot = 0; slot < 4; slot++)
        virtqueue_set_slot(&queue->ring, slot,
                           &(const struct virtqueue_segment){
                               .device_address = buffer->device_address,
                               .length_bytes = VIRTIO_NET_RX_BUFFER_MIN,
                               .device_writable = true,
                           },
                           1);
    assert_int_equal(virtio_device_ready(&bench->device), EFI_SUCCESS);
}

static void the_device_finds_every_part_of_the_queue(void **state)
{
    static const enum fake_transport transports[] = {FAKE_TRANSITIONAL, FAKE_MODERN, FAKE_LEGACY};
    static const uint8_t frame[60] = {[59] = 0x77};

    (void)state;
    for (size_t i = 0; i < COUNT(transports); i++) {
        const struct fake_device_options options = {
            .transport = transports[i], .features = VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT};
        uint32_t header_bytes = transports[i] == FAKE_LEGACY ? 10 : 12;
        struct virtqueue_completion completion;
        struct virtio_queue queue = {0};
        struct dma buffer = {0};
        struct bench *bench;

        bench = bench_new(&options);
        set_up_receive_queue(bench, &queue, &buffer);
        virtqueue_push(&queue.ring, 3, VIRTIO_NET_RX_BUFFER_MIN);
        virtio_queue_publish(&queue);
        assert_true(fake_device_deliver(bench->fixture.device, frame, sizeof(frame)));
        assert_true(virtqueue_pop(&queue.ring, &completion));
        assert_int_equal(completion.slot, 3);
        assert_int_equal(completion.length_bytes, header_bytes + sizeof(frame));
        assert_memory_equal(buffer.address + header_bytes, frame, sizeof(frame));
        virtio_device_halt(&bench->device);
        virtio_queue_fini(&queue);
        dma_fini(&buffer);
        bench_fini(bench);
    }
}

static void publish_rings_only_when_the_device_wants_it(void **state)
{
    struct bench *bench = *state;
    struct virtio_queue queue = {0};
    struct dma buffer = {0};

    set_up_receive_queue(bench, &queue, &buffer);
    virtqueue_push(&queue.ring, 0, VIRTIO_NET_RX_BUFFER_MIN);
    virtio_queue_publish(&queue);
    assert_int_equal(fake_device_notification_count(bench->fixture.device, VIRTIO_NET_QUEUE_RX), 1);
    fake_device_poll_rings(bench->fixture.device, true);
    virtqueue_push(&queue.ring, 1, VIRTIO_NET_RX_BUFFER_MIN);
    virtio_queue_publish(&queue);
    assert_int_equal(fake_device_notification_count(bench->fixture.device, VIRTIO_NET_QUEUE_RX), 1);
    assert_int_equal(fake_device_pending_count(bench->fixture.device, VIRTIO_NET_QUEUE_RX), 2);
    virtio_device_halt(&bench->device);
    virtio_queue_fini(&queue);
    dma_fini(&buffer);
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(init_reads_the_status_and_writes_nothing),
        WITH_DEVICE(init_without_a_transport_fails_with_a_cause),
        cmocka_unit_test(fini_accepts_a_zeroed_device_and_queue),
        ON_BENCH(fini_halts_a_live_device_and_gives_it_back),
        ON_BENCH(doorbell_is_direct_when_the_status_follows_in_every_state),
        cmocka_unit_test(doorbell_is_not_direct_when_the_status_differs_in_one_state),
        ON_BENCH(doorbell_in_a_bar_of_its_own_is_not_direct),
        ON_BENCH(later_negotiations_do_not_change_how_doorbells_are_rung),
        ON_BENCH(a_modern_status_grows_bit_by_bit),
        cmocka_unit_test(a_legacy_status_grows_without_features_ok),
        ON_BENCH(bits_that_the_device_sets_are_not_cleared),
        ON_BENCH(ready_passes_a_failed_access_on),
        cmocka_unit_test(a_reset_is_waited_for),
        ON_BENCH(no_dma_is_allowed_before_the_reset_is_confirmed),
        ON_BENCH(a_device_that_never_confirms_is_given_up_and_cut_off),
        ON_BENCH(an_unconfirmed_reset_may_end_in_a_later_call),
        ON_BENCH(quick_halt_cuts_off_after_half_a_second_and_says_nothing),
        cmocka_unit_test(bus_mastering_from_before_is_off_until_the_reset_is_confirmed),
        cmocka_unit_test(bus_mastering_does_not_come_back_after_a_cut_off),
        ON_BENCH(a_device_that_has_gone_is_given_up_and_cut_off),
        ON_BENCH(a_device_that_stops_answering_at_any_step_is_given_up),
        cmocka_unit_test(what_is_offered_and_wanted_is_accepted),
        cmocka_unit_test(a_modern_device_without_version_1_is_refused),
        ON_BENCH(a_device_that_drops_features_ok_is_failed_and_halted),
        ON_BENCH(a_device_that_goes_at_features_ok_has_not_accepted_them),
        cmocka_unit_test(a_failed_access_at_any_step_leaves_a_device_without_dma),
        ON_BENCH(negotiation_may_be_repeated),
        ON_BENCH(configuration_is_read_through_the_transport),
        cmocka_unit_test(missing_configuration_is_an_error_with_a_cause),
        ON_BENCH(a_device_in_need_of_a_reset_says_so),
        ON_BENCH(a_device_that_has_gone_needs_a_reset),
        ON_BENCH(halt_resets_once_and_then_does_nothing),
        ON_BENCH(halt_cuts_off_a_device_that_does_not_confirm),
        ON_BENCH(halt_cuts_off_a_device_that_cannot_be_reached),
        cmocka_unit_test_setup(halt_serves_exit_boot_services, setup),
        ON_BENCH(fail_says_failed_then_resets_and_keeps_the_cause),
        cmocka_unit_test(a_queue_has_the_largest_size_that_both_sides_allow),
        cmocka_unit_test(a_queue_that_is_not_there_is_unsupported),
        ON_BENCH(a_queue_knows_whether_event_idx_was_negotiated),
        cmocka_unit_test(a_failure_at_any_step_of_a_queue_leaves_no_memory),
        cmocka_unit_test(a_doorbell_outside_its_region_leaves_no_memory),
        cmocka_unit_test(the_device_finds_every_part_of_the_queue),
        ON_BENCH(publish_rings_only_when_the_device_wants_it),
    };

    return cmocka_run_group_tests_name("virtio_device", tests, NULL, NULL);
}
