/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers through configuration space: the exact accesses and bounds of the window on a function
 * that is plain memory with a log, and whole NICs whose BARs the firmware does not reach on the
 * device model, which has a window for real.
 */
#include "access_log.h"
#include "driver/adapter.h"
#include "driver_fixture.h"
#include "dxe_services.h"
#include "virtio/pci_config_window.h"
#include "virtio/virtio_pci.h"

#define POSITION 0xecu /* the last that has room for a window */
#define LOG_LENGTH 16u

/* ---- the window alone ---- */

struct board {
    struct fake_firmware *firmware;
    struct fake_pci_function *function;
    EFI_PCI_IO_PROTOCOL *pci_io;
    struct pci_config_window window;
    unsigned forgets; /* a register of the window that keeps nothing; 0: none */
    struct access log[LOG_LENGTH];
    unsigned count;
};

static bool access_config(void *context, unsigned offset, unsigned width, void *bytes,
                          bool is_write)
{
    struct board *board = context;
    struct fake_pci_function *function = board->function;
    uint32_t value = 0;

    if (is_write && offset - POSITION != board->forgets)
        memcpy(&function->config[offset], bytes, width);
    if (!is_write)
        memcpy(bytes, &function->config[offset], width);
    memcpy(&value, bytes, width);
    assert_true(board->count < LOG_LENGTH);
    board->log[board->count++] =
        (struct access){is_write ? 'w' : 'r', 0, offset - POSITION, width, value};
    return true;
}

static uint64_t read_no_bar(void *context, unsigned bar, uint64_t offset, unsigned width)
{
    (void)context, (void)bar, (void)offset, (void)width;
    fail_msg("a BAR is read");
    return 0;
}

static void write_no_bar(void *context, unsigned bar, uint64_t offset, unsigned width,
                         uint64_t value)
{
    (void)value;
    (void)read_no_bar(context, bar, offset, width);
}

static int board_setup(void **state)
{
    static const struct fake_pci_operations operations = {
        .read = read_no_bar, .write = write_no_bar, .access_config = access_config};
    static const struct fake_pci_options options;
    static struct board board;

    board = (struct board){.firmware = fake_firmware_new(0)};
    board.function = fake_pci_function_new(board.firmware, &options, &operations, &board);
    board.pci_io = &board.function->protocol;
    assert_success(pci_config_window_init(&board.window, board.pci_io, POSITION, 20));
    *state = &board;
    return 0;
}

static int board_teardown(void **state)
{
    struct board *board = *state;

    fake_firmware_free(board->firmware);
    return 0;
}

#define ON_BOARD(test) cmocka_unit_test_setup_teardown(test, board_setup, board_teardown)

static struct pci_region region_of(struct board *board, uint8_t bar, uint64_t offset,
                                   uint64_t length_bytes)
{
    struct pci_region region;

    assert_success(pci_config_window_region(&board->window, bar, offset, length_bytes, &region));
    board->count = 0;
    return region;
}

/* holds: virtio.discovery.window */
static void each_access_sets_the_whole_window_before_its_data(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x1000, 0x100);
    uint32_t value;

    assert_success(pci_region_write8(&region, 0x21, 0xab));
    ASSERT_LOG(board, {'w', 0, 4, 1, 4}, {'w', 0, 8, 4, 0x1021}, {'w', 0, 12, 4, 1},
               {'w', 0, 16, 1, 0xab});
    board->count = 0;
    assert_success(pci_region_write16(&region, 0x22, 0xabcd));
    ASSERT_LOG(board, {'w', 0, 4, 1, 4}, {'w', 0, 8, 4, 0x1022}, {'w', 0, 12, 4, 2},
               {'w', 0, 16, 2, 0xabcd});
    board->count = 0;
    assert_success(pci_region_read32(&region, 0x24, &value));
    ASSERT_LOG(board, {'w', 0, 4, 1, 4}, {'w', 0, 8, 4, 0x1024}, {'w', 0, 12, 4, 4},
               {'r', 0, 16, 4, value});
}

static void a_doorbell_sets_the_window_each_time(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 2, 0, 0x100);
    struct pci_register doorbell;

    assert_success(pci_region_register16(&region, 4, 1, &doorbell));
    assert_false(pci_register_is_direct(&doorbell));
    for (unsigned i = 0; i < 2; i++) {
        board->count = 0;
        pci_register_write16(&doorbell);
        ASSERT_LOG(board, {'w', 0, 4, 1, 2}, {'w', 0, 8, 4, 4}, {'w', 0, 12, 4, 2},
                   {'w', 0, 16, 2, 1});
    }
}

static void no_access_leaves_its_region_or_is_misaligned(void **state)
{
    static const uint64_t offsets[] = {
        0x7d, 0x7e, 0x7f, 0x80, 0x81, 1, 2, 3, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x1000, 0x80);
    uint32_t value = 0x1234;

    for (size_t i = 0; i < ARRAY_LENGTH(offsets); i++) {
        assert_status(EFI_UNSUPPORTED, pci_region_read32(&region, offsets[i], &value));
        assert_status(EFI_UNSUPPORTED, pci_region_write32(&region, offsets[i], 1));
    }
    assert_int_equal(0x1234, value);
    assert_int_equal(0, board->count);
}

static void a_failed_access_is_the_end_of_it(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x1000, 0x80);

    for (unsigned nth = 1; nth <= 3; nth++) { /* BAR; offset and length; data */
        uint8_t value = 0x42;

        board->count = 0;
        fake_firmware_fail_nth(board->firmware, nth);
        assert_status(EFI_DEVICE_ERROR, pci_region_read8(&region, 0, &value));
        assert_int_equal(0x42, value);
        assert_int_equal(nth == 1 ? 0 : 2 * nth - 3, board->count);
        fake_firmware_fail_nth(board->firmware, nth);
        assert_status(EFI_DEVICE_ERROR, pci_region_write8(&region, 0, 1));
    }
}

static void a_window_that_is_too_short_or_leaves_configuration_space_is_none(void **state)
{
    static const struct {
        uint8_t position;
        uint8_t length_bytes;
        EFI_STATUS status;
    } cases[] = {
        {0x40, 20, EFI_SUCCESS},     {0x40, 0xff, EFI_SUCCESS},   {POSITION, 20, EFI_SUCCESS},
        {0x40, 19, EFI_UNSUPPORTED}, {0x40, 16, EFI_UNSUPPORTED}, {0x40, 0, EFI_UNSUPPORTED},
        {0xf0, 20, EFI_UNSUPPORTED}, {0xfc, 20, EFI_UNSUPPORTED},
    };
    struct board *board = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct pci_config_window window = {0};

        assert_status(cases[i].status,
                      pci_config_window_init(&window, board->pci_io, cases[i].position,
                                             cases[i].length_bytes));
        assert_int_equal(cases[i].status == EFI_SUCCESS, window.pci_io != NULL);
    }
}

static void a_region_is_not_empty_and_ends_within_32_bits(void **state)
{
    static const struct {
        uint64_t offset;
        uint64_t length_bytes;
        EFI_STATUS status;
    } cases[] = {
        {0, 1, EFI_SUCCESS},
        {0xfffff000, 0x1000, EFI_SUCCESS},
        {0, UINT32_MAX, EFI_SUCCESS},
        {0, 0, EFI_UNSUPPORTED},
        {0x1000, 0, EFI_UNSUPPORTED},
        {0xfffff000, 0x1001, EFI_UNSUPPORTED},
        {UINT32_MAX, UINT32_MAX, EFI_UNSUPPORTED},
        {UINT64_C(1) << 32, 1, EFI_UNSUPPORTED},
        {UINT64_MAX, 2, EFI_UNSUPPORTED},
        {2, UINT64_MAX, EFI_UNSUPPORTED},
    };
    struct board *board = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct pci_region region = {0};

        board->count = 0;
        assert_status(cases[i].status, pci_config_window_region(&board->window, 4, cases[i].offset,
                                                                cases[i].length_bytes, &region));
        assert_int_equal(cases[i].status == EFI_SUCCESS, region.access != NULL);
    }
}

static void a_window_that_cannot_be_set_leads_to_no_region(void **state)
{
    static const unsigned registers[] = {4, 8, 12}; /* BAR, offset, length: each on its own */
    struct board *board = *state;
    struct pci_region region;

    for (size_t i = 0; i < ARRAY_LENGTH(registers); i++) {
        board->count = 0;
        board->forgets = registers[i];
        memset(&board->function->config[POSITION + 4], 0, 16);
        assert_status(EFI_NO_MAPPING,
                      pci_config_window_region(&board->window, 4, 0x1000, 0x100, &region));
    }
    board->forgets = 0;
    board->count = 0;
    for (unsigned nth = 1; nth <= 4; nth++) {
        fake_firmware_fail_nth(board->firmware, nth);
        assert_status(EFI_DEVICE_ERROR,
                      pci_config_window_region(&board->window, 4, 0x1000, 0x100, &region));
    }
}

/* ---- whole NICs ---- */

static const struct {
    const char *name;
    struct fake_device_options options;
} unreachable[] = {
    {"refused", {.modern_bar_way = FAKE_BAR_REFUSED}},
    {"no length", {.modern_bar_way = FAKE_BAR_NO_LENGTH}},
    {"fails", {.modern_bar_way = FAKE_BAR_FAILS}},
    {"modern, fails", {.transport = FAKE_MODERN, .modern_bar_way = FAKE_BAR_FAILS}},
    {"ports, fail", {.modern_bar_is_io = true, .modern_bar_way = FAKE_BAR_FAILS}},
    {"counted otherwise, fails",
     {.modern_bar_way = FAKE_BAR_FAILS, .pci.compressed_bar_index = true}},
    {"doorbells refused", {.notify_in_own_bar = true, .notify_bar_way = FAKE_BAR_REFUSED}},
    {"doorbells without length", {.notify_in_own_bar = true, .notify_bar_way = FAKE_BAR_NO_LENGTH}},
    {"doorbells fail", {.notify_in_own_bar = true, .notify_bar_way = FAKE_BAR_FAILS}},
    {"all but doorbells refused", {.notify_in_own_bar = true, .modern_bar_way = FAKE_BAR_REFUSED}},
    {"all but doorbells fail", {.notify_in_own_bar = true, .modern_bar_way = FAKE_BAR_FAILS}},
    {"no device configuration, fails", {.no_device_cfg = true, .modern_bar_way = FAKE_BAR_FAILS}},
};

static const struct virtio_transport *transport_of(const struct driver_fixture *fixture)
{
    struct adapter *adapter;

    assert_success(adapter_of_controller(fixture->image, fixture->controller, &adapter));
    return &adapter->snp.net.virtio.transport;
}

/* holds: virtio.discovery.unreachable */
static void frames_flow_where_a_bar_cannot_be_reached(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(unreachable); i++) {
        struct fake_device_options options = unreachable[i].options;
        struct driver_fixture *fixture;

        if (options.no_device_cfg) /* and so without what stands there */
            options.features = VIRTIO_F_EVENT_IDX;
        fixture = driver_fixture_new(1, &options);
        if (EFI_ERROR(start(fixture, fixture->controller)))
            fail_msg("%s: %s", unreachable[i].name, fake_firmware_console(fixture->firmware));
        assert_true(virtio_pci_uses_window(transport_of(fixture)));
        bring_up(network(fixture));
        for (unsigned frame = 0; frame < 600; frame++) /* twice around the rings */
            assert_traffic_flows(network(fixture), fixture->device);
        assert_success(network(fixture)->Reset(network(fixture), FALSE));
        assert_traffic_flows(network(fixture), fixture->device);
        driver_fixture_free(fixture);
    }
}

/* holds: virtio.discovery.unreachable */
static void a_reachable_bar_is_accessed_without_the_window(void **state)
{
    struct driver_fixture *fixture = *state;
    const unsigned *accesses = fake_device_pci(fixture->device)->accesses;

    assert_success(start(fixture, fixture->controller));
    assert_false(virtio_pci_uses_window(transport_of(fixture)));
    fake_device_clear_access_counts(fixture->device);
    bring_up(network(fixture));
    assert_traffic_flows(network(fixture), fixture->device);
    assert_int_equal(0, accesses[FAKE_ACCESS_CONFIG]);
}

/* The doorbell and everything else share the window: whatever it was set to before. */
/* holds: virtio.discovery.window */
static void a_doorbell_rings_wherever_the_window_was_set_to(void **state)
{
    const struct fake_device_options options = {.modern_bar_way = FAKE_BAR_FAILS};
    struct driver_fixture *fixture = driver_fixture_new(1, &options);
    struct fake_pci_function *function = fake_device_pci(fixture->device);
    uint8_t position;

    (void)state;
    assert_success(start(fixture, fixture->controller));
    bring_up(network(fixture));
    position = transport_of(fixture)->window.position;
    for (unsigned i = 0; i < 10; i++) {
        memset(&function->config[position + 4], (int)(0x11 * i), 16);
        assert_traffic_flows(network(fixture), fixture->device);
    }
    driver_fixture_free(fixture);
}

static struct fake_firmware *watched;
static EFI_PCI_IO_PROTOCOL_CONFIG write_config;
static unsigned watched_writes;

static EFI_STATUS EFIAPI watch_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN count, VOID *buffer)
{
    watched_writes++;
    assert_true(fake_firmware_tpl(watched) >= TPL_CALLBACK);
    return write_config(this, width, offset, count, buffer);
}

/* Between the first write and the data nobody else may set the window. */
/* holds: virtio.discovery.window */
static void the_window_is_used_with_events_kept_out(void **state)
{
    const struct fake_device_options options = {.modern_bar_way = FAKE_BAR_FAILS};
    struct driver_fixture *fixture = driver_fixture_new(1, &options);
    struct fake_pci_function *function = fake_device_pci(fixture->device);
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol;
    EFI_MAC_ADDRESS group = {.Addr = {0x01, 0, 0x5e, 1, 2, 3}};
    UINT32 interrupts;

    (void)state;
    assert_success(start(fixture, fixture->controller));
    protocol = network(fixture);
    watched = fixture->firmware;
    watched_writes = 0;
    write_config = function->protocol.Pci.Write;
    function->protocol.Pci.Write = watch_write;
    bring_up(protocol);
    assert_traffic_flows(protocol, fixture->device);
    assert_success(protocol->ReceiveFilters(protocol, EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST, 0,
                                            FALSE, 1, &group));
    fake_firmware_advance_us(fixture->firmware, 100000);
    assert_success(protocol->GetStatus(protocol, &interrupts, NULL));
    assert_success(protocol->Reset(protocol, FALSE));
    assert_success(protocol->Shutdown(protocol));
    assert_true(watched_writes > 100);
    function->protocol.Pci.Write = write_config;
    driver_fixture_free(fixture);
}

/* The firmware maps registers at address 0: that is not where the window's are. */
static void nothing_is_direct_that_is_reached_through_the_window(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(unreachable); i++) {
        struct driver_fixture *fixture;

        if (unreachable[i].options.no_device_cfg || unreachable[i].options.notify_bar_way)
            continue;
        fixture = driver_fixture_new(1, &unreachable[i].options);
        fake_dxe_services_install(0, 0x1000);
        assert_success(start(fixture, fixture->controller));
        bring_up(network(fixture));
        assert_traffic_flows(network(fixture), fixture->device);
        ST->NumberOfTableEntries = 0;
        driver_fixture_free(fixture);
    }
}

/* holds: virtio.discovery.no_window */
static void without_a_window_a_modern_nic_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(unreachable); i++) {
        struct fake_device_options options = unreachable[i].options;
        struct driver_fixture *fixture;

        options.transport = FAKE_MODERN;
        options.no_window = true;
        fixture = driver_fixture_new(1, &options);
        assert_success(supported(fixture, fixture->controller)); /* touches no register */
        assert_status(EFI_UNSUPPORTED, start(fixture, fixture->controller));
        assert_text_contains("not started: no usable virtio registers",
                             fake_firmware_console(fixture->firmware));
        assert_int_equal(0, child_count(fixture));
        assert_int_equal(0, count_opens(fixture, fixture->controller, UINT32_MAX));
        driver_fixture_free(fixture);
    }
}

static void assert_driven_as_legacy(const struct fake_device_options *options,
                                    enum fake_device_misbehaviour which, const char *name)
{
    struct driver_fixture *fixture = driver_fixture_new(1, options);

    fake_device_misbehave(fixture->device, which);
    if (EFI_ERROR(start(fixture, fixture->controller)))
        fail_msg("%s: %s", name, fake_firmware_console(fixture->firmware));
    assert_true(transport_of(fixture)->ops->is_legacy);
    assert_false(virtio_pci_uses_window(transport_of(fixture)));
    bring_up(network(fixture));
    for (unsigned frame = 0; frame < 300; frame++)
        assert_traffic_flows(network(fixture), fixture->device);
    driver_fixture_free(fixture);
}

/* A transitional device has another way: its legacy registers are in a BAR of their own. */
/* holds: virtio.discovery.legacy */
static void without_a_window_a_transitional_nic_is_driven_as_legacy(void **state)
{
    static const enum fake_device_misbehaviour broken[] = {
        FAKE_WINDOW_TOO_SHORT, FAKE_WINDOW_OUTSIDE_CONFIG, FAKE_WINDOW_PLACE_READ_ONLY};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(unreachable); i++) {
        struct fake_device_options options = unreachable[i].options;

        if (options.transport == FAKE_MODERN || options.modern_bar_is_io ||
            options.pci.compressed_bar_index)
            continue; /* says the same once more */
        for (size_t j = 0; j < ARRAY_LENGTH(broken); j++)
            assert_driven_as_legacy(&options, broken[j], unreachable[i].name);
        options.no_window = true;
        assert_driven_as_legacy(&options, FAKE_BEHAVES, unreachable[i].name);
    }
}

/* holds: virtio.discovery.no_window */
static void a_window_that_is_none_is_refused_in_time(void **state)
{
    static const struct {
        enum fake_device_misbehaviour which;
        const char *cause;
    } cases[] = {
        {FAKE_WINDOW_TOO_SHORT, "no usable virtio registers"},
        {FAKE_WINDOW_OUTSIDE_CONFIG, "no usable virtio registers"},
        {FAKE_WINDOW_PLACE_READ_ONLY, "no usable virtio registers"},
        {FAKE_WINDOW_DATA_READ_ONLY, "refuses the features it offered"},
        {FAKE_WINDOW_DATA_ALL_ONES, "does not confirm its reset"},
        {FAKE_CAPABILITY_LIST_LOOPS, "no usable virtio registers"},
        {FAKE_CAPABILITY_OFFSET_OVERFLOWS, "no usable virtio registers"},
        {FAKE_CAPABILITY_OUTSIDE_BAR, "does not confirm its reset"},
        {FAKE_CAPABILITY_BAR_MISSING, "does not confirm its reset"},
        {FAKE_CAPABILITY_EMPTY, "no usable virtio registers"},
    };
    const struct fake_device_options options = {.transport = FAKE_MODERN,
                                                .modern_bar_way = FAKE_BAR_REFUSED};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct driver_fixture *fixture = driver_fixture_new(1, &options);
        uint64_t start_us = fake_firmware_now_us(fixture->firmware);

        fake_device_misbehave(fixture->device, cases[i].which);
        fake_firmware_baseline(fixture->firmware);
        assert_true(EFI_ERROR(start(fixture, fixture->controller)));
        assert_text_contains(cases[i].cause, fake_firmware_console(fixture->firmware));
        assert_true(fake_firmware_now_us(fixture->firmware) - start_us < 6000000);
        assert_int_equal(0, child_count(fixture));
        assert_int_equal(0, count_opens(fixture, fixture->controller, UINT32_MAX));
        driver_fixture_free(fixture);
    }
}

/* A BAR that can be reached needs no window, and so no sound one. */
static void a_broken_window_costs_a_reachable_nic_nothing(void **state)
{
    for (enum fake_device_misbehaviour which = FAKE_WINDOW_TOO_SHORT;
         which <= FAKE_WINDOW_DATA_ALL_ONES; which++) {
        struct driver_fixture *fixture = driver_fixture_new(1, NULL);

        (void)state;
        fake_device_misbehave(fixture->device, which);
        assert_success(start(fixture, fixture->controller));
        assert_false(virtio_pci_uses_window(transport_of(fixture)));
        bring_up(network(fixture));
        assert_traffic_flows(network(fixture), fixture->device);
        driver_fixture_free(fixture);
    }
}

static void people_are_told_of_the_window(void **state)
{
    const char *line = "registers are reached through configuration space\r\n";
    const struct options talkative = {.takeover = true, .verbosity = VERBOSITY_ALL};

    (void)state;
    for (unsigned is_reachable = 0; is_reachable < 2; is_reachable++) {
        for (unsigned is_talkative = 0; is_talkative < 2; is_talkative++) {
            const struct fake_device_options options = {
                .modern_bar_way = is_reachable ? FAKE_BAR_REACHABLE : FAKE_BAR_FAILS};
            struct driver_fixture *fixture = driver_fixture_new(1, &options);
            const char *console = fake_firmware_console(fixture->firmware);

            if (is_talkative) {
                assert_success(driver_binding_uninstall());
                assert_success(driver_binding_install(fixture->image, &talkative));
            }
            assert_success(start(fixture, fixture->controller));
            console = fake_firmware_console(fixture->firmware);
            assert_int_equal(is_talkative && !is_reachable, strstr(console, line) != NULL);
            driver_fixture_free(fixture);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOARD(each_access_sets_the_whole_window_before_its_data),
        ON_BOARD(a_doorbell_sets_the_window_each_time),
        ON_BOARD(no_access_leaves_its_region_or_is_misaligned),
        ON_BOARD(a_failed_access_is_the_end_of_it),
        ON_BOARD(a_window_that_is_too_short_or_leaves_configuration_space_is_none),
        ON_BOARD(a_region_is_not_empty_and_ends_within_32_bits),
        ON_BOARD(a_window_that_cannot_be_set_leads_to_no_region),
        cmocka_unit_test(frames_flow_where_a_bar_cannot_be_reached),
        DRIVER_TEST(a_reachable_bar_is_accessed_without_the_window),
        cmocka_unit_test(a_doorbell_rings_wherever_the_window_was_set_to),
        cmocka_unit_test(the_window_is_used_with_events_kept_out),
        cmocka_unit_test(nothing_is_direct_that_is_reached_through_the_window),
        cmocka_unit_test(without_a_window_a_modern_nic_is_refused),
        cmocka_unit_test(without_a_window_a_transitional_nic_is_driven_as_legacy),
        cmocka_unit_test(a_window_that_is_none_is_refused_in_time),
        cmocka_unit_test(a_broken_window_costs_a_reachable_nic_nothing),
        cmocka_unit_test(people_are_told_of_the_window),
    };

    return cmocka_run_group_tests_name("pci_config_window", tests, NULL, NULL);
}
