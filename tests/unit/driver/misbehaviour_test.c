/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Every misbehaviour of the device against every way into the driver. Each pair has a status that
 * is named here, ends in bounded time, leaves nothing behind, and comes back: by Reset or by
 * Initialize when the device behaves again, by Unload when it does not. AddressSanitizer and the
 * fake's ledger watch the memory.
 */
#include <stdio.h>

#include "driver_fixture.h"
#include "hii.h"

#define RING_SIZE 64u
#define TRAFFIC_FRAMES (2 * RING_SIZE)
#define TEND_INTERVAL_US 100000u
#define ACCESSES_MAX 10000u

/* What the driver's waits may cost, and how often a register may be read meanwhile. */
#define RESET_BOUND_US 5011000u
#define RESET_SHORT_BOUND_US 511000u /* of a second attempt, and in ExitBootServices */
#define RESET_BOUND_ACCESSES 5010u
#define WINDOW_ACCESSES 5u /* to set the window and to use it, and what that does to the device */
#define COMMAND_BOUND_US 201000u
#define SEND_BOUND_US 1001000u
#define OTHER_ACCESSES 500u /* the capability list included */

enum state { NOT_BOUND, STOPPED, STARTED, INITIALIZED };

/* A way into the driver. */
struct entry {
    const char *name;
    enum state state; /* before it */
    EFI_STATUS (*enter)(struct driver_fixture *fixture);
    unsigned resets_max; /* that may go unconfirmed */
    unsigned commands_max;
    unsigned sends_max;
};

static uint64_t passed_us; /* by the test itself */
static struct fake_hii *hii;

static void pass_time(const struct driver_fixture *fixture, uint64_t microseconds)
{
    fake_firmware_advance_us(fixture->firmware, microseconds);
    passed_us += microseconds;
}

static enum state state_of(const struct driver_fixture *fixture)
{
    if (child_count(fixture) == 0)
        return NOT_BOUND;
    switch (network(fixture)->Mode->State) {
    case EfiSimpleNetworkStopped:
        return STOPPED;
    case EfiSimpleNetworkStarted:
        return STARTED;
    default:
        return INITIALIZED;
    }
}

static EFI_STATUS enter_supported(struct driver_fixture *fixture)
{
    return supported(fixture, fixture->controller);
}

static EFI_STATUS enter_start(struct driver_fixture *fixture)
{
    return start(fixture, fixture->controller);
}

static EFI_STATUS enter_snp_start(struct driver_fixture *fixture)
{
    return network(fixture)->Start(network(fixture));
}

static EFI_STATUS enter_snp_stop(struct driver_fixture *fixture)
{
    return network(fixture)->Stop(network(fixture));
}

static EFI_STATUS enter_initialize(struct driver_fixture *fixture)
{
    return network(fixture)->Initialize(network(fixture), 0, 0);
}

static EFI_STATUS enter_reset(struct driver_fixture *fixture)
{
    return network(fixture)->Reset(network(fixture), TRUE);
}

static EFI_STATUS enter_shutdown(struct driver_fixture *fixture)
{
    return network(fixture)->Shutdown(network(fixture));
}

static EFI_STATUS enter_restart(struct driver_fixture *fixture)
{
    assert_success(enter_shutdown(fixture)); /* whatever the device does */
    return enter_initialize(fixture);
}

static EFI_STATUS enter_receive_filters(struct driver_fixture *fixture)
{
    return join_a_group(fixture);
}

static EFI_STATUS enter_station_address(struct driver_fixture *fixture)
{
    EFI_MAC_ADDRESS station = {.Addr = {0x02, 1, 2, 3, 4, 5}};

    return network(fixture)->StationAddress(network(fixture), FALSE, &station);
}

static EFI_STATUS enter_statistics(struct driver_fixture *fixture)
{
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    return network(fixture)->Statistics(network(fixture), FALSE, &bytes, &table);
}

static EFI_STATUS enter_mcast_ip_to_mac(struct driver_fixture *fixture)
{
    EFI_IP_ADDRESS ip = {.v4.Addr = {224, 0, 0, 1}};
    EFI_MAC_ADDRESS mac;

    return network(fixture)->MCastIpToMac(network(fixture), FALSE, &ip, &mac);
}

static EFI_STATUS enter_nv_data(struct driver_fixture *fixture)
{
    uint8_t byte;

    /* There is none, whatever the device does. */
    assert_status(EFI_UNSUPPORTED,
                  network(fixture)->NvData(network(fixture), TRUE, 0, sizeof(byte), &byte));
    return EFI_SUCCESS;
}

static EFI_STATUS enter_get_status(struct driver_fixture *fixture)
{
    UINT32 interrupts = 0;
    void *buffer = &buffer;
    EFI_STATUS status;

    pass_time(fixture, TEND_INTERVAL_US);
    status = network(fixture)->GetStatus(network(fixture), &interrupts, &buffer);
    assert_null(buffer); /* none was sent */
    assert_int_equal(0, interrupts & ~0xfu);
    return status;
}

static void write_frame(const struct driver_fixture *fixture, uint8_t *frame, unsigned seed)
{
    memset(frame, (int)seed, FRAME_BYTES);
    memcpy(frame, network(fixture)->Mode->CurrentAddress.Addr, 6);
}

/* One frame out of memory of its exact size; with an error nothing of it is touched. */
static EFI_STATUS receive_checked(struct driver_fixture *fixture, const uint8_t *expected)
{
    uint8_t *buffer = malloc(FRAME_BYTES);
    UINTN bytes = FRAME_BYTES;
    UINTN header_bytes = 1;
    UINT16 protocol = 2;
    uint8_t untouched[FRAME_BYTES];
    EFI_STATUS status;

    memset(buffer, 0xa5, FRAME_BYTES);
    memset(untouched, 0xa5, sizeof(untouched));
    status = network(fixture)->Receive(network(fixture), &header_bytes, &bytes, buffer, NULL, NULL,
                                       &protocol);
    assert_int_equal(FRAME_BYTES, bytes);
    assert_memory_equal(EFI_ERROR(status) ? untouched : expected, buffer, FRAME_BYTES);
    if (EFI_ERROR(status)) {
        assert_int_equal(1, header_bytes);
        assert_int_equal(2, protocol);
    }
    free(buffer);
    return status;
}

/* Until a frame does not arrive. Then once more, when the driver has looked after the device. */
static EFI_STATUS enter_receive(struct driver_fixture *fixture)
{
    EFI_STATUS status = EFI_SUCCESS;
    uint8_t frame[FRAME_BYTES];

    for (unsigned i = 0; i < TRAFFIC_FRAMES && status == EFI_SUCCESS; i++) {
        write_frame(fixture, frame, i);
        (void)fake_device_deliver(fixture->device, frame, sizeof(frame));
        status = receive_checked(fixture, frame);
    }
    if (status == EFI_NOT_READY) {
        pass_time(fixture, TEND_INTERVAL_US);
        (void)fake_device_deliver(fixture->device, frame, sizeof(frame));
        status = receive_checked(fixture, frame);
    }
    return status;
}

/* The same for frames that are sent; buffers come back in their order. */
static EFI_STATUS enter_transmit(struct driver_fixture *fixture)
{
    static uint8_t frames[TRAFFIC_FRAMES][FRAME_BYTES];
    EFI_STATUS status = EFI_SUCCESS;
    void *buffer;

    for (unsigned i = 0; i < TRAFFIC_FRAMES && status == EFI_SUCCESS; i++) {
        write_frame(fixture, frames[i], i);
        status = network(fixture)->Transmit(network(fixture), 0, FRAME_BYTES, frames[i], NULL, NULL,
                                            NULL);
        assert_success(network(fixture)->GetStatus(network(fixture), NULL, &buffer));
        assert_ptr_equal(EFI_ERROR(status) ? NULL : frames[i], buffer);
    }
    if (EFI_ERROR(status)) {
        pass_time(fixture, TEND_INTERVAL_US);
        assert_success(network(fixture)->GetStatus(network(fixture), NULL, &buffer));
        assert_null(buffer);
        status = network(fixture)->Transmit(network(fixture), 0, FRAME_BYTES, frames[0], NULL, NULL,
                                            NULL);
    }
    return status;
}

static EFI_STATUS enter_wait_for_packet(struct driver_fixture *fixture)
{
    uint8_t frame[FRAME_BYTES];
    EFI_STATUS status;

    write_frame(fixture, frame, 1);
    (void)fake_device_deliver(fixture->device, frame, sizeof(frame));
    status = BS->CheckEvent(network(fixture)->WaitForPacket);
    /* What it says is what Receive says. */
    assert_int_equal(EFI_ERROR(status), EFI_ERROR(receive_checked(fixture, frame)));
    return status;
}

static EFI_STATUS enter_diagnostics(struct driver_fixture *fixture, EFI_DRIVER_DIAGNOSTIC_TYPE type)
{
    CHAR16 *report;
    EFI_STATUS status = run_diagnostics(fixture, type, &report);

    assert_non_null(report); /* a failed test has one, too */
    assert_success(BS->FreePool(report));
    return status;
}

static EFI_STATUS enter_standard_test(struct driver_fixture *fixture)
{
    return enter_diagnostics(fixture, EfiDriverDiagnosticTypeStandard);
}

static EFI_STATUS enter_extended_test(struct driver_fixture *fixture)
{
    return enter_diagnostics(fixture, EfiDriverDiagnosticTypeExtended);
}

static EFI_STATUS enter_adapter_info(struct driver_fixture *fixture)
{
    return ask_media_state(fixture);
}

static EFI_STATUS enter_status_page(struct driver_fixture *fixture)
{
    EFI_HII_CONFIG_ACCESS_PROTOCOL *access =
        fake_firmware_interface(fixture->firmware, child_at(fixture, 0), &hii_config_access_guid);
    const struct fake_form *form = fake_hii_find_form(hii, child_at(fixture, 0));
    EFI_BROWSER_ACTION_REQUEST request = 0;

    return access->Callback(access, EFI_BROWSER_ACTION_FORM_OPEN,
                            fake_hii_find_statement(form, "Refresh")->question,
                            EFI_IFR_TYPE_NUM_SIZE_8, NULL, &request);
}

static EFI_STATUS enter_stop(struct driver_fixture *fixture)
{
    return fake_firmware_disconnect(fixture->firmware, fixture->controller);
}

static EFI_STATUS enter_unload(struct driver_fixture *fixture)
{
    EFI_STATUS status = unload_driver(fixture);

    fake_firmware_assert_nothing_leaked(fixture->firmware);
    assert_success(driver_binding_install(fixture->image, &default_options)); /* for what follows */
    fake_firmware_baseline(fixture->firmware);
    return status;
}

static EFI_STATUS enter_exit(struct driver_fixture *fixture)
{
    fake_firmware_exit_boot_services(fixture->firmware);
    return EFI_SUCCESS;
}

/* All of the above in turn, as far as the state allows. */
static EFI_STATUS enter_all(struct driver_fixture *fixture);

enum entry_index {
    SUPPORTED,
    START,
    SNP_START,
    SNP_STOP,
    INITIALIZE,
    RESET,
    SHUTDOWN,
    RESTART,
    RECEIVE_FILTERS,
    STATION_ADDRESS,
    STATISTICS,
    MCAST_IP_TO_MAC,
    NV_DATA,
    GET_STATUS,
    RECEIVE,
    TRANSMIT,
    WAIT_FOR_PACKET,
    STANDARD_TEST,
    EXTENDED_TEST,
    EXTENDED_TEST_STARTED,
    ADAPTER_INFO,
    STATUS_PAGE,
    STOP,
    UNLOAD,
    EXIT,
    WHOLE_LIFE,
    ENTRIES,
};

static const struct entry entries[ENTRIES] = {
    [SUPPORTED] = {"Supported", NOT_BOUND, enter_supported, 0, 0, 0},
    [START] = {"Start", NOT_BOUND, enter_start, 2, 0, 0},
    [SNP_START] = {"SNP Start", STOPPED, enter_snp_start, 0, 0, 0},
    [SNP_STOP] = {"SNP Stop", STARTED, enter_snp_stop, 0, 0, 0},
    [INITIALIZE] = {"Initialize", STARTED, enter_initialize, 2, 1, 0},
    [RESET] = {"Reset", INITIALIZED, enter_reset, 3, 1, 0},
    [SHUTDOWN] = {"Shutdown", INITIALIZED, enter_shutdown, 2, 0, 0},
    [RESTART] = {"Shutdown and Initialize", INITIALIZED, enter_restart, 4, 2, 0},
    [RECEIVE_FILTERS] = {"ReceiveFilters", INITIALIZED, enter_receive_filters, 0, 1, 0},
    [STATION_ADDRESS] = {"StationAddress", INITIALIZED, enter_station_address, 0, 1, 0},
    [STATISTICS] = {"Statistics", INITIALIZED, enter_statistics, 0, 0, 0},
    [MCAST_IP_TO_MAC] = {"MCastIpToMac", INITIALIZED, enter_mcast_ip_to_mac, 0, 0, 0},
    [NV_DATA] = {"NvData", INITIALIZED, enter_nv_data, 0, 0, 0},
    [GET_STATUS] = {"GetStatus", INITIALIZED, enter_get_status, 0, 1, 0},
    [RECEIVE] = {"Receive", INITIALIZED, enter_receive, 0, 1, 0},
    [TRANSMIT] = {"Transmit", INITIALIZED, enter_transmit, 0, 1, 0},
    [WAIT_FOR_PACKET] = {"WaitForPacket", INITIALIZED, enter_wait_for_packet, 0, 0, 0},
    [STANDARD_TEST] = {"standard test", INITIALIZED, enter_standard_test, 0, 0, 0},
    [EXTENDED_TEST] = {"extended test", INITIALIZED, enter_extended_test, 3, 2, 1},
    [EXTENDED_TEST_STARTED] = {"extended test while started", STARTED, enter_extended_test, 3, 2,
                               1},
    [ADAPTER_INFO] = {"adapter information", INITIALIZED, enter_adapter_info, 0, 1, 0},
    [STATUS_PAGE] = {"status page", INITIALIZED, enter_status_page, 0, 1, 0},
    [STOP] = {"Stop", INITIALIZED, enter_stop, 1, 0, 0},
    [UNLOAD] = {"Unload", INITIALIZED, enter_unload, 1, 0, 0},
    [EXIT] = {"ExitBootServices", INITIALIZED, enter_exit, 1, 0, 0},
    [WHOLE_LIFE] = {"a whole life", NOT_BOUND, enter_all, 20, 18, 2},
};

static EFI_STATUS enter_all(struct driver_fixture *fixture)
{
    EFI_STATUS status = EFI_SUCCESS;

    for (unsigned i = 0; i < EXIT; i++) {
        EFI_STATUS step = EFI_SUCCESS;

        if (i == RECEIVE_FILTERS && state_of(fixture) == STARTED)
            (void)enter_initialize(fixture);
        if (i == INITIALIZE && state_of(fixture) == STOPPED)
            assert_success(enter_snp_start(fixture));
        if (state_of(fixture) >= entries[i].state)
            step = entries[i].enter(fixture);
        if (!EFI_ERROR(status))
            status = step;
    }
    return status;
}

/* The kinds of device. */
enum kind {
    MODERN_BAR,
    MODERN_WINDOW,
    MODERN_NEWER, /* split, with IN_ORDER */
    MODERN_PACKED,
    PACKED_IN_ORDER, /* and NEWER */
    LEGACY_BAR,
    KINDS
};

#define VIRTIO_1_2                                                                                 \
    (VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_RING_RESET |               \
     VIRTIO_F_IN_ORDER)

static const struct {
    const char *name;
    enum fake_transport transport;
    enum fake_bar_way bar_way;
    uint64_t features; /* offered beyond the usual ones */
} kinds[KINDS] = {
    [MODERN_BAR] = {"modern", FAKE_MODERN, FAKE_BAR_REACHABLE, 0},
    [MODERN_WINDOW] = {"modern through configuration space", FAKE_MODERN, FAKE_BAR_REFUSED, 0},
    [MODERN_NEWER] = {"modern with what VIRTIO 1.2 added", FAKE_MODERN, FAKE_BAR_REACHABLE,
                      VIRTIO_1_2},
    [MODERN_PACKED] = {"packed", FAKE_MODERN, FAKE_BAR_REACHABLE, VIRTIO_F_RING_PACKED},
    [PACKED_IN_ORDER] = {"packed with what VIRTIO 1.2 added", FAKE_MODERN, FAKE_BAR_REACHABLE,
                         VIRTIO_F_RING_PACKED | VIRTIO_1_2},
    [LEGACY_BAR] = {"legacy", FAKE_LEGACY, FAKE_BAR_REACHABLE, VIRTIO_F_ANY_LAYOUT},
};

static struct driver_fixture *fixture_new(enum kind kind, enum state state)
{
    const struct fake_device_options options = {
        .transport = kinds[kind].transport,
        .modern_bar_way = kinds[kind].bar_way,
        .queue_size = {RING_SIZE, RING_SIZE, RING_SIZE},
        .features = FAKE_DEVICE_FEATURES | kinds[kind].features,
    };
    struct driver_fixture *fixture = driver_fixture_new(1, &options);

    hii = fake_hii_new(fixture->firmware);
    fake_firmware_baseline(fixture->firmware);
    if (state > NOT_BOUND)
        assert_success(start(fixture, fixture->controller));
    if (state > STOPPED)
        assert_success(enter_snp_start(fixture));
    if (state > STARTED)
        assert_success(enter_initialize(fixture));
    return fixture;
}

/* What a pair answers where that is not SUCCESS, which a device that behaves gets everywhere. What
 * the device can do only to itself, or only to an interface that does not exist on its transport,
 * has no row. */
struct outcome {
    enum fake_device_misbehaviour misbehaviour;
    unsigned kinds; /* a bit for each that it is about */
    EFI_STATUS status[ENTRIES];
};

#define BIT(kind) (1u << (kind))
#define ALL_KINDS (BIT(KINDS) - 1)
#define BOTH(which) which, ALL_KINDS
#define MODERN(which) which, ALL_KINDS & ~BIT(LEGACY_BAR)
#define BARS(which) which, ALL_KINDS & ~BIT(LEGACY_BAR) & ~BIT(MODERN_WINDOW)
#define WINDOW(which) which, BIT(MODERN_WINDOW)
#define NEWER(which) which, BIT(MODERN_NEWER) | BIT(PACKED_IN_ORDER)
#define PACKED(which) which, BIT(MODERN_PACKED) | BIT(PACKED_IN_ORDER)
#define SPLIT(which) which, ALL_KINDS & ~BIT(MODERN_PACKED) & ~BIT(PACKED_IN_ORDER)
#define FIXED(which) which, BIT(MODERN_BAR) | BIT(MODERN_WINDOW) | BIT(LEGACY_BAR)
#define LEGACY(which) which, BIT(LEGACY_BAR)

#define LIFE(code) [WHOLE_LIFE] = (code)
#define TESTS_FAIL [EXTENDED_TEST] = EFI_DEVICE_ERROR, [EXTENDED_TEST_STARTED] = EFI_DEVICE_ERROR
#define COMMANDS_FAIL [RECEIVE_FILTERS] = EFI_DEVICE_ERROR, [STATION_ADDRESS] = EFI_DEVICE_ERROR
#define SENDS_NOTHING [TRANSMIT] = EFI_DEVICE_ERROR
#define RECEIVES_NOTHING [RECEIVE] = EFI_DEVICE_ERROR, [WAIT_FOR_PACKET] = EFI_NOT_READY
#define INITIALIZE_FAILS(code)                                                                     \
    [INITIALIZE] = (code), [RESTART] = (code), [RESET] = EFI_DEVICE_ERROR, TESTS_FAIL
#define START_FAILS(code) [START] = (code), LIFE(code)

static const struct outcome outcomes[] = {
    /* Each ring is given up at the first lie; the control queue's, within commands. */
    {BOTH(FAKE_USED_ID_OUT_OF_RANGE),
     {COMMANDS_FAIL, RECEIVES_NOTHING, SENDS_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_USED_ID_MAX),
     {COMMANDS_FAIL, RECEIVES_NOTHING, SENDS_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    /* The first frame is a good one. */
    {BOTH(FAKE_USED_ID_NOT_IN_FLIGHT),
     {COMMANDS_FAIL, [RECEIVE] = EFI_DEVICE_ERROR, SENDS_NOTHING, TESTS_FAIL,
      LIFE(EFI_DEVICE_ERROR)}},
    {SPLIT(FAKE_USED_ID_TWICE),
     {COMMANDS_FAIL, [RECEIVE] = EFI_DEVICE_ERROR, SENDS_NOTHING, TESTS_FAIL,
      LIFE(EFI_DEVICE_ERROR)}},
    /* The second lies where the driver pushes next, or where the device never answers again. */
    {PACKED(FAKE_USED_ID_TWICE),
     {[STATION_ADDRESS] = EFI_DEVICE_ERROR,
      [RECEIVE] = EFI_DEVICE_ERROR,
      [TRANSMIT] = EFI_NOT_READY,
      TESTS_FAIL,
      LIFE(EFI_DEVICE_ERROR)}},
    /* What was sent has no length that could matter. */
    {BOTH(FAKE_USED_LENGTH_BELOW_HEADER),
     {COMMANDS_FAIL, RECEIVES_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_USED_LENGTH_ABOVE_BUFFER),
     {COMMANDS_FAIL, RECEIVES_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_USED_LENGTH_MAX),
     {COMMANDS_FAIL, RECEIVES_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {SPLIT(FAKE_USED_INDEX_JUMPS),
     {COMMANDS_FAIL, RECEIVES_NOTHING, SENDS_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {SPLIT(FAKE_USED_INDEX_RUNS_BACKWARDS),
     {COMMANDS_FAIL, RECEIVES_NOTHING, SENDS_NOTHING, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    /* Nothing seems to have happened. */
    {PACKED(FAKE_USED_INDEX_JUMPS),
     {COMMANDS_FAIL, [RECEIVE] = EFI_NOT_READY, [WAIT_FOR_PACKET] = EFI_NOT_READY,
      [TRANSMIT] = EFI_NOT_READY, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    /* What comes second stands where the first was expected. */
    {PACKED(FAKE_USED_INDEX_RUNS_BACKWARDS),
     {COMMANDS_FAIL, [WAIT_FOR_PACKET] = EFI_NOT_READY, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_USED_INDEX_WRAPS),
     {COMMANDS_FAIL, [RECEIVE] = EFI_NOT_READY, [WAIT_FOR_PACKET] = EFI_NOT_READY,
      [TRANSMIT] = EFI_NOT_READY, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    /* A device that reads what it wrote over has no buffer left after one lap; where slots move,
     * what it wrote over is written anew. */
    {FIXED(FAKE_DESCRIPTORS_REWRITTEN), {[RECEIVE] = EFI_NOT_READY, LIFE(EFI_NOT_READY)}},
    /* The last index is what the extended test waits for. */
    {SPLIT(FAKE_AVAILABLE_RING_REWRITTEN), {TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_GSO_TYPE_SET),
     {[RECEIVE] = EFI_NOT_READY, [WAIT_FOR_PACKET] = EFI_NOT_READY, LIFE(EFI_NOT_READY)}},
    {BOTH(FAKE_NEEDS_CSUM_SET),
     {[RECEIVE] = EFI_NOT_READY, [WAIT_FOR_PACKET] = EFI_NOT_READY, LIFE(EFI_NOT_READY)}},

    {BOTH(FAKE_RESET_NEVER_SETTLES),
     {START_FAILS(EFI_TIMEOUT), INITIALIZE_FAILS(EFI_DEVICE_ERROR)}},
    {MODERN(FAKE_FEATURES_OK_DROPPED),
     {START_FAILS(EFI_UNSUPPORTED), INITIALIZE_FAILS(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_FEATURES_CHANGE),
     {[STANDARD_TEST] = EFI_DEVICE_ERROR, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {MODERN(FAKE_FEATURES_NONE),
     {START_FAILS(EFI_UNSUPPORTED),
      INITIALIZE_FAILS(EFI_DEVICE_ERROR), [STANDARD_TEST] = EFI_DEVICE_ERROR}},
    {LEGACY(FAKE_FEATURES_NONE), {[STANDARD_TEST] = EFI_DEVICE_ERROR}},
    {BOTH(FAKE_FEATURES_ALL), {[STANDARD_TEST] = EFI_DEVICE_ERROR}},
    {BOTH(FAKE_QUEUE_SIZE_ZERO), {INITIALIZE_FAILS(EFI_DEVICE_ERROR), LIFE(EFI_DEVICE_ERROR)}},
    {MODERN(FAKE_QUEUE_SIZE_READ_ONLY),
     {INITIALIZE_FAILS(EFI_DEVICE_ERROR), LIFE(EFI_DEVICE_ERROR)}},
    {LEGACY(FAKE_QUEUE_SIZE_NOT_POWER_OF_TWO),
     {INITIALIZE_FAILS(EFI_DEVICE_ERROR), LIFE(EFI_DEVICE_ERROR)}},
    {MODERN(FAKE_NOTIFY_OFFSET_OVERFLOWS),
     {INITIALIZE_FAILS(EFI_DEVICE_ERROR), LIFE(EFI_DEVICE_ERROR)}},
    /* Neither ring is told of what is in it. */
    {NEWER(FAKE_NOTIFY_DATA_CHANGES), {TESTS_FAIL, LIFE(EFI_NOT_READY)}},
    {MODERN(FAKE_GENERATION_NEVER_SETTLES),
     {START_FAILS(EFI_TIMEOUT), INITIALIZE_FAILS(EFI_DEVICE_ERROR)}},
    {LEGACY(FAKE_GENERATION_NEVER_SETTLES), {START_FAILS(EFI_TIMEOUT)}}, /* only the MAC changes */
    {BOTH(FAKE_NEEDS_RESET),
     {COMMANDS_FAIL, RECEIVES_NOTHING, SENDS_NOTHING, [STANDARD_TEST] = EFI_DEVICE_ERROR,
      TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_ALL_ONES),
     {[SUPPORTED] = EFI_UNSUPPORTED,
      START_FAILS(EFI_UNSUPPORTED),
      INITIALIZE_FAILS(EFI_DEVICE_ERROR),
      COMMANDS_FAIL,
      RECEIVES_NOTHING,
      SENDS_NOTHING,
      [STANDARD_TEST] = EFI_DEVICE_ERROR}},

    {MODERN(FAKE_CAPABILITY_LIST_LOOPS), {START_FAILS(EFI_UNSUPPORTED)}},
    {MODERN(FAKE_CAPABILITY_OUTSIDE_CONFIG), {START_FAILS(EFI_UNSUPPORTED)}},
    {MODERN(FAKE_CAPABILITY_BAR_6), {START_FAILS(EFI_UNSUPPORTED)}},
    /* The window does not tell whether there is a BAR, nor its size: nothing answers. */
    {MODERN(FAKE_CAPABILITY_BAR_MISSING), {START_FAILS(EFI_TIMEOUT)}},
    {BARS(FAKE_CAPABILITY_OUTSIDE_BAR), {START_FAILS(EFI_UNSUPPORTED)}},
    {WINDOW(FAKE_CAPABILITY_OUTSIDE_BAR), {START_FAILS(EFI_TIMEOUT)}},
    {MODERN(FAKE_CAPABILITY_OFFSET_OVERFLOWS), {START_FAILS(EFI_UNSUPPORTED)}},
    {MODERN(FAKE_CAPABILITY_EMPTY), {START_FAILS(EFI_UNSUPPORTED)}},
    {BARS(FAKE_CAPABILITIES_OVERLAP), {START_FAILS(EFI_UNSUPPORTED)}},
    {WINDOW(FAKE_CAPABILITIES_OVERLAP), {START_FAILS(EFI_TIMEOUT)}},
    /* Doorbells go astray: no command is ever answered. */
    {MODERN(FAKE_REGIONS_OVERLAP), {LIFE(EFI_DEVICE_ERROR)}},

    /* Found out by the first Start; a NIC that was started before loses its device. */
    {WINDOW(FAKE_WINDOW_TOO_SHORT), {START_FAILS(EFI_UNSUPPORTED)}},
    {WINDOW(FAKE_WINDOW_OUTSIDE_CONFIG), {START_FAILS(EFI_UNSUPPORTED)}},
    {WINDOW(FAKE_WINDOW_PLACE_READ_ONLY),
     {START_FAILS(EFI_UNSUPPORTED), INITIALIZE_FAILS(EFI_DEVICE_ERROR), COMMANDS_FAIL,
      SENDS_NOTHING, [STANDARD_TEST] = EFI_DEVICE_ERROR}},
    {WINDOW(FAKE_WINDOW_DATA_READ_ONLY),
     {START_FAILS(EFI_UNSUPPORTED), INITIALIZE_FAILS(EFI_DEVICE_ERROR),
      COMMANDS_FAIL, [TRANSMIT] = EFI_NOT_READY, [STANDARD_TEST] = EFI_DEVICE_ERROR}},
    /* Doorbells get through, and the rings need no reading of registers. */
    {WINDOW(FAKE_WINDOW_DATA_ALL_ONES),
     {START_FAILS(EFI_TIMEOUT),
      INITIALIZE_FAILS(EFI_DEVICE_ERROR), [STANDARD_TEST] = EFI_DEVICE_ERROR}},

    /* Frames flow on, and software filters them. */
    {BOTH(FAKE_CONTROL_NEVER_ACKS), {COMMANDS_FAIL, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_CONTROL_ACKS_LATE), {COMMANDS_FAIL, TESTS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_CONTROL_ACKS_GARBAGE), {COMMANDS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
    {BOTH(FAKE_CONTROL_REFUSES), {COMMANDS_FAIL, LIFE(EFI_DEVICE_ERROR)}},
};

/* What an Initialize that follows Shutdown does not ask for where the queues alone were reset. */
static bool is_of_first_initialize(enum fake_device_misbehaviour which)
{
    return which == FAKE_RESET_NEVER_SETTLES || which == FAKE_FEATURES_OK_DROPPED ||
           which == FAKE_FEATURES_NONE || which == FAKE_QUEUE_SIZE_ZERO ||
           which == FAKE_NOTIFY_OFFSET_OVERFLOWS;
}

static EFI_STATUS expected_status(enum entry_index entry, enum fake_device_misbehaviour which,
                                  enum kind kind)
{
    if (entry == RESTART && (kinds[kind].features & VIRTIO_F_RING_RESET) &&
        is_of_first_initialize(which))
        return EFI_SUCCESS;
    for (size_t i = 0; i < ARRAY_LENGTH(outcomes); i++) {
        const struct outcome *outcome = &outcomes[i];

        if (outcome->misbehaviour == which && (outcome->kinds & BIT(kind)))
            return outcome->status[entry];
    }
    return EFI_SUCCESS;
}

static bool can_access_memory(const struct driver_fixture *fixture)
{
    bool has_queue = false;

    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        has_queue |= fake_device_queue_size(fixture->device, i) > 0;
    return has_queue && fake_device_is_live(fixture->device) &&
           (fake_device_pci(fixture->device)->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
}

static void forget_sent_frames(const struct driver_fixture *fixture)
{
    while (fake_device_take_frame(fixture->device))
        ;
}

/* Only an interface that is initialized has a device at work, and memory mapped; but it keeps the
 * mappings between Shutdown and Initialize while the device's queues alone are reset. */
static void assert_sound(struct driver_fixture *fixture)
{
    assert_int_equal(TPL_APPLICATION, fake_firmware_tpl(fixture->firmware));
    if (state_of(fixture) == NOT_BOUND) {
        assert_int_equal(0, count_opens(fixture, fixture->controller, UINT32_MAX));
        fake_firmware_assert_nothing_leaked(fixture->firmware);
    }
    if (state_of(fixture) != INITIALIZED) {
        if (state_of(fixture) != STARTED ||
            !(fake_device_accepted_features(fixture->device) & VIRTIO_F_RING_RESET))
            assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));
        assert_false(can_access_memory(fixture) && !fake_device_pci(fixture->device)->is_unplugged);
    }
}

enum ending { BY_RESET, BY_INITIALIZE, BY_UNLOAD, ENDINGS };

/* Bring the interface up from wherever it is; the device behaves again. */
static void recover(struct driver_fixture *fixture, enum ending ending)
{
    enum state state = state_of(fixture);

    if (state == INITIALIZED && ending == BY_RESET) {
        assert_success(enter_reset(fixture));
    } else {
        if (state == INITIALIZED)
            assert_success(enter_shutdown(fixture));
        if (state == NOT_BOUND)
            assert_success(start(fixture, fixture->controller));
        if (state < STARTED)
            assert_success(enter_snp_start(fixture));
        assert_success(enter_initialize(fixture));
    }
    forget_sent_frames(fixture);
    for (unsigned i = 0; i < TRAFFIC_FRAMES; i++)
        assert_traffic_flows(network(fixture), fixture->device);
}

static void end(struct driver_fixture *fixture, const struct entry *entry, enum ending ending)
{
    if (entry->enter == enter_exit) {
        assert_false(can_access_memory(fixture) && !fake_device_pci(fixture->device)->is_unplugged);
        fake_fixture_fini(&fixture->fake);
        free(fixture);
        return;
    }
    if (ending != BY_UNLOAD) {
        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        /* What Start believed of configuration space, only the next Start corrects. */
        if (entry->state == NOT_BOUND && child_count(fixture) > 0)
            assert_success(enter_stop(fixture));
        recover(fixture, ending);
    }
    driver_fixture_free(fixture);
}

/* Whoever starts the device anew has patience with it once. */
static uint64_t time_bound_us(const struct entry *entry)
{
    unsigned long_waits = entry->resets_max == 0 || entry->enter == enter_exit ? 0 : 1;
    unsigned short_waits = entry->resets_max - long_waits;

    return (uint64_t)long_waits * RESET_BOUND_US + (uint64_t)short_waits * RESET_SHORT_BOUND_US +
           entry->commands_max * COMMAND_BOUND_US + entry->sends_max * SEND_BOUND_US;
}

/* Enter with the device at fault from the nth register access on; 0: from the start. False: it
 * makes fewer accesses. */
static bool check(enum entry_index index, enum fake_device_misbehaviour which, enum kind kind,
                  unsigned nth, enum ending ending)
{
    const struct entry *entry = &entries[index];
    struct driver_fixture *fixture = fixture_new(kind, entry->state);
    uint64_t start_us = fake_firmware_now_us(fixture->firmware);
    bool has_begun;
    uint64_t spent_us;
    unsigned accesses;
    EFI_STATUS status;

    passed_us = 0;
    fake_device_clear_access_counts(fixture->device);
    if (nth == 0)
        fake_device_misbehave(fixture->device, which);
    else
        fake_device_misbehave_from(fixture->device, which, nth);
    status = entry->enter(fixture);
    has_begun = nth == 0 || fake_device_misbehaves(fixture->device);
    spent_us = fake_firmware_now_us(fixture->firmware) - start_us - passed_us;
    accesses = fake_pci_access_count(fake_device_pci(fixture->device));
    if (getenv("MISBEHAVIOURS_VERBOSE"))
        print_message("%s, %s from access %u on: %#llx, %llu us, %u accesses\n", entry->name,
                      fake_misbehaviour_name(which), nth, (unsigned long long)status,
                      (unsigned long long)spent_us, accesses);
    if (nth == 0 && status != expected_status(index, which, kind))
        fail_msg("%s, %s: status %#llx", entry->name, fake_misbehaviour_name(which),
                 (unsigned long long)status);
    if (spent_us > time_bound_us(entry))
        fail_msg("%s, %s: %llu us", entry->name, fake_misbehaviour_name(which),
                 (unsigned long long)spent_us);
    if (accesses >
        (entry->resets_max * RESET_BOUND_ACCESSES + OTHER_ACCESSES) *
            (kind == MODERN_WINDOW || which == FAKE_CAPABILITY_BAR_MISSING ? WINDOW_ACCESSES : 1))
        fail_msg("%s, %s: %u accesses", entry->name, fake_misbehaviour_name(which), accesses);
    if (entry->enter != enter_exit)
        assert_sound(fixture);
    end(fixture, entry, ending);
    return has_begun;
}

struct pair {
    enum entry_index entry;
    enum kind kind;
    char name[128];
};

/* holds: virtio.packed.checks, virtio.broken.memory */
static void entry_survives_each_misbehaviour(void **state)
{
    const struct pair *pair = *state;

    for (enum fake_device_misbehaviour which = FAKE_BEHAVES; which < FAKE_MISBEHAVIOURS; which++) {
        if (fake_misbehaviour_needs(which) != 0)
            continue; /* of large frames, which no client of SNP gets */
        for (enum ending ending = BY_RESET; ending < ENDINGS; ending++)
            (void)check(pair->entry, which, pair->kind, 0, ending);
    }
}

/* What can happen at any moment. */
static const enum fake_device_misbehaviour sudden[] = {FAKE_NEEDS_RESET, FAKE_ALL_ONES,
                                                       FAKE_RESET_NEVER_SETTLES};

static void entry_survives_a_misbehaviour_from_each_access_on(void **state)
{
    const struct pair *pair = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(sudden); i++) {
        for (enum ending ending = BY_RESET; ending < ENDINGS; ending++) {
            unsigned nth = 1;

            while (check(pair->entry, sudden[i], pair->kind, nth, ending))
                assert_true(++nth < ACCESSES_MAX);
        }
    }
}

/* The accesses of a whole life are those of its parts: the last entry is tried once. */
#define EACH_MISBEHAVIOUR_TESTS (ENTRIES * KINDS)
#define EACH_ACCESS_TESTS (WHOLE_LIFE * KINDS)

int main(void)
{
    static struct pair pairs[EACH_MISBEHAVIOUR_TESTS + EACH_ACCESS_TESTS];
    struct CMUnitTest tests[ARRAY_LENGTH(pairs)];

    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        bool is_sudden = i >= EACH_MISBEHAVIOUR_TESTS;
        size_t at = i % EACH_MISBEHAVIOUR_TESTS;
        struct pair *pair = &pairs[i];

        pair->entry = (enum entry_index)(at / KINDS);
        pair->kind = (enum kind)(at % KINDS);
        snprintf(pair->name, sizeof(pair->name), "%s survives %s: %s", entries[pair->entry].name,
                 is_sudden ? "a fault from each access on" : "each misbehaviour",
                 kinds[pair->kind].name);
        tests[i] = (struct CMUnitTest){
            .name = pair->name,
            .test_func = is_sudden ? entry_survives_a_misbehaviour_from_each_access_on
                                   : entry_survives_each_misbehaviour,
            .initial_state = pair,
        };
    }
    return cmocka_run_group_tests_name("misbehaviours", tests, NULL, NULL);
}
