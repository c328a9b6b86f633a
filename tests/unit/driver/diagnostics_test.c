/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * RunDiagnostics: what each test does to the NIC in each state of SNP, what it finds, what the
 * report says.
 */
#include "driver/adapter.h"
#include "driver/diagnostics.h"
#include "driver_fixture.h"

#define REPORT_CHARS_MAX 4096u
#define RX VIRTIO_NET_QUEUE_RX
#define TX VIRTIO_NET_QUEUE_TX
#define CTRL VIRTIO_NET_QUEUE_CTRL

#define STANDARD EfiDriverDiagnosticTypeStandard
#define EXTENDED EfiDriverDiagnosticTypeExtended

static CHAR8 english[] = "en";

/* A bound NIC in `state`. */
static struct driver_fixture *open_nic(const struct fake_device_options *options,
                                       EFI_SIMPLE_NETWORK_STATE state)
{
    struct driver_fixture *fixture = driver_fixture_new(1, options);
    EFI_SIMPLE_NETWORK_PROTOCOL *network;

    assert_success(start(fixture, fixture->controller));
    network = network_of(fixture, child_at(fixture, 0));
    if (state != EfiSimpleNetworkStopped)
        assert_success(network->Start(network));
    if (state == EfiSimpleNetworkInitialized)
        assert_success(network->Initialize(network, 0, 0));
    return fixture;
}

static struct adapter *adapter(const struct driver_fixture *fixture)
{
    return (struct adapter *)((uint8_t *)network(fixture) - offsetof(struct adapter, snp.protocol));
}

static EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *diagnostics(const struct driver_fixture *fixture)
{
    return fake_firmware_interface(fixture->firmware, fixture->image, &driver_diagnostics2_guid);
}

static char report[REPORT_CHARS_MAX];

/* Leaves the report as ASCII in `report`. */
static EFI_STATUS run(const struct driver_fixture *fixture, EFI_DRIVER_DIAGNOSTIC_TYPE type)
{
    EFI_GUID *format = NULL;
    CHAR16 *text = NULL;
    UINTN bytes = 0;
    size_t length = 0;
    EFI_STATUS status;

    status = diagnostics(fixture)->RunDiagnostics(diagnostics(fixture), fixture->controller, NULL,
                                                  type, english, &format, &bytes, &text);
    assert_non_null(text);
    assert_non_null(format);
    for (; text[length] && length < sizeof(report) - 1; length++)
        report[length] = (char)text[length];
    report[length] = 0;
    assert_int_equal((length + 1) * sizeof(CHAR16), bytes);
    assert_success(BS->FreePool(text));
    assert_success(BS->FreePool(format));
    return status;
}

static bool says(const char *part)
{
    return strstr(report, part) != NULL;
}

/* Where `part`, which is in the report, is for the last time. */
static const char *last(const char *part)
{
    const char *found = strstr(report, part);
    const char *next = found;

    while (next) {
        found = next;
        next = strstr(next + 1, part);
    }
    return found;
}

static const EFI_SIMPLE_NETWORK_STATE states[] = {EfiSimpleNetworkStopped, EfiSimpleNetworkStarted,
                                                  EfiSimpleNetworkInitialized};

static const struct fake_device_options devices[] = {
    {.transport = FAKE_MODERN},
    {.transport = FAKE_MODERN, .features = VIRTIO_NET_F_MAC},
    {.transport = FAKE_MODERN, .mtu = 9000, .queue_size = {2, 2}},
    {.transport = FAKE_LEGACY},
};

#define CASES (ARRAY_LENGTH(states) * ARRAY_LENGTH(devices))

static struct driver_fixture *open_case(unsigned number)
{
    return open_nic(&devices[number / ARRAY_LENGTH(states)], states[number % ARRAY_LENGTH(states)]);
}

static void standard_test_passes_in_each_state(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        struct driver_fixture *fixture = open_case(i);

        assert_success(run(fixture, STANDARD));
        assert_true(says("Standard test\r\n"));
        assert_true(says("  pass  the device answers"));
        assert_false(says("FAIL"));
        assert_int_equal(network(fixture)->Mode->State == EfiSimpleNetworkInitialized,
                         says("  pass  frames can flow"));
        driver_fixture_free(fixture);
    }
}

static void standard_test_sends_nothing_and_changes_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        struct driver_fixture *fixture = open_case(i);
        struct fake_device *device = fixture->device;
        static struct adapter before;
        unsigned commands = fake_device_command_count(device);
        unsigned resets = fake_device_reset_count(device);
        uint8_t status = fake_device_status(device);
        unsigned doorbells = fake_device_notification_count(device, RX) +
                             fake_device_notification_count(device, TX) +
                             fake_device_notification_count(device, CTRL);

        memcpy(&before, adapter(fixture), sizeof(before));
        assert_success(run(fixture, STANDARD));
        assert_memory_equal(&before, adapter(fixture), sizeof(before));
        assert_null(fake_device_take_frame(device));
        assert_int_equal(commands, fake_device_command_count(device));
        assert_int_equal(resets, fake_device_reset_count(device));
        assert_int_equal(status, fake_device_status(device));
        assert_int_equal(doorbells, fake_device_notification_count(device, RX) +
                                        fake_device_notification_count(device, TX) +
                                        fake_device_notification_count(device, CTRL));
        driver_fixture_free(fixture);
    }
}

static void extended_test_passes_and_keeps_each_state(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        struct driver_fixture *fixture = open_case(i);
        EFI_SIMPLE_NETWORK_MODE before = *network(fixture)->Mode;

        assert_success(run(fixture, EXTENDED));
        assert_true(says("Extended test\r\n"));
        assert_true(says("  pass  the device starts after a reset"));
        if (strstr(report, "receive ring is sound") == last("receive ring is sound"))
            fail_msg("the rings were not looked at before and after");
        assert_true(says("  pass  every transmit slot sends a frame"));
        assert_false(says("FAIL"));
        assert_memory_equal(&before, network(fixture)->Mode, sizeof(before));
        if (before.State != EfiSimpleNetworkInitialized) {
            assert_int_equal(0, fake_device_status(fixture->device));
            assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));
        }
        driver_fixture_free(fixture);
    }
}

static void interface_works_as_before_after_an_extended_test(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        struct driver_fixture *fixture = open_case(i);

        assert_success(run(fixture, EXTENDED));
        while (fake_device_take_frame(fixture->device))
            ;
        if (network(fixture)->Mode->State == EfiSimpleNetworkStopped)
            assert_success(network(fixture)->Start(network(fixture)));
        if (network(fixture)->Mode->State == EfiSimpleNetworkStarted)
            assert_success(network(fixture)->Initialize(network(fixture), 0, 0));
        assert_traffic_flows(network(fixture), fixture->device);
        driver_fixture_free(fixture);
    }
}

/* To nobody but the station itself. */
static void extended_test_sends_one_frame_through_each_slot(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(states); i++) {
        struct driver_fixture *fixture = open_nic(NULL, states[i]);
        const uint8_t *mac = fake_device_mac(fixture->device);
        const struct fake_frame *frame;
        unsigned count = 0;

        assert_success(run(fixture, EXTENDED));
        while ((frame = fake_device_take_frame(fixture->device))) {
            assert_int_equal(60, frame->length);
            assert_memory_equal(mac, frame->data, 6);
            assert_memory_equal(mac, frame->data + 6, 6);
            assert_int_equal(0x88, frame->data[12]);
            assert_int_equal(0xb5, frame->data[13]);
            count++;
        }
        assert_int_equal(256, count);
        driver_fixture_free(fixture);
    }
}

/* holds: snp.statistics.drvdiag */
static void extended_test_leaves_the_statistics_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        struct driver_fixture *fixture = open_case(i);
        struct net_counters before;

        if (network(fixture)->Mode->State == EfiSimpleNetworkInitialized)
            assert_traffic_flows(network(fixture), fixture->device);
        before = adapter(fixture)->snp.net.counters;
        assert_success(run(fixture, EXTENDED));
        assert_memory_equal(&before, &adapter(fixture)->snp.net.counters, sizeof(before));
        driver_fixture_free(fixture);
    }
}

static void extended_test_uses_the_control_queue(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_forget_commands(fixture->device);
    assert_success(run(fixture, EXTENDED));
    assert_true(fake_device_command_count(fixture->device) >= 7);
    assert_true(says("  pass  the filter can be programmed"));
    assert_true(says("  pass  the control queue answers"));
    driver_fixture_free(fixture);
}

static void unplug(struct driver_fixture *fixture)
{
    fake_device_unplug(fixture->device);
}

static void need_reset(struct driver_fixture *fixture)
{
    fake_device_need_reset(fixture->device);
}

static void break_receive_ring(struct driver_fixture *fixture)
{
    uint8_t frame[60] = {0};
    UINTN bytes = sizeof(frame);

    fake_device_misbehave(fixture->device, FAKE_USED_ID_OUT_OF_RANGE);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    assert_status(EFI_DEVICE_ERROR, network(fixture)->Receive(network(fixture), NULL, &bytes, frame,
                                                              NULL, NULL, NULL));
}

static void jump_in_receive_ring(struct driver_fixture *fixture)
{
    uint8_t frame[60] = {0};

    fake_device_misbehave(fixture->device, FAKE_USED_INDEX_JUMPS);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
}

static void jump_in_transmit_ring(struct driver_fixture *fixture)
{
    uint8_t frame[60] = {0};

    fake_device_misbehave(fixture->device, FAKE_USED_INDEX_JUMPS);
    assert_success(
        network(fixture)->Transmit(network(fixture), 0, sizeof(frame), frame, NULL, NULL, NULL));
}

static void leave_a_command_unanswered(struct driver_fixture *fixture)
{
    fake_device_fail_command(fixture->device, 1, FAKE_CONTROL_NEVER_ACKS);
    (void)network(fixture)->ReceiveFilters(network(fixture), EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS,
                                           0, FALSE, 0, NULL);
}

static void never_answer_commands(struct driver_fixture *fixture)
{
    fake_device_misbehave(fixture->device, FAKE_CONTROL_NEVER_ACKS);
}

static void never_reset(struct driver_fixture *fixture)
{
    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
}

static void change_features(struct driver_fixture *fixture)
{
    EFI_PCI_IO_PROTOCOL *pci_io = &fake_device_pci(fixture->device)->protocol;
    UINT32 features;

    fake_device_misbehave(fixture->device, FAKE_FEATURES_CHANGE);
    assert_success(pci_io->Mem.Read(pci_io, EfiPciIoWidthUint32, 4,
                                    offsetof(struct virtio_pci_common_cfg, device_feature), 1,
                                    &features)); /* the next reading is another */
}

static void stop_sending(struct driver_fixture *fixture)
{
    fake_device_stall(fixture->device, true);
}

static const struct {
    const char *name;
    void (*break_device)(struct driver_fixture *fixture);
    EFI_DRIVER_DIAGNOSTIC_TYPE type;
    EFI_SIMPLE_NETWORK_STATE state;
    const char *line;
} faults[] = {
    {"unplugged, stopped", unplug, STANDARD, EfiSimpleNetworkStopped,
     "  FAIL  the device answers and asks for no reset"},
    {"unplugged", unplug, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the device answers and asks for no reset"},
    {"unplugged, offers nothing", unplug, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the device offers what it offered at the start"},
    {"needs a reset", need_reset, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the device answers and asks for no reset"},
    {"features change", change_features, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the device offers what it offered at the start"},
    {"ring broken", break_receive_ring, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the receive ring is sound"},
    {"ring broken, no frames", break_receive_ring, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  frames can flow"},
    {"jump, receive", jump_in_receive_ring, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the receive ring is sound"},
    {"jump, transmit", jump_in_transmit_ring, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the transmit ring is sound"},
    {"overdue command", leave_a_command_unanswered, STANDARD, EfiSimpleNetworkInitialized,
     "  FAIL  the control queue answers"},
    {"unplugged, extended", unplug, EXTENDED, EfiSimpleNetworkInitialized,
     "  FAIL  the device starts after a reset"},
    {"no reset, stopped", never_reset, EXTENDED, EfiSimpleNetworkStopped,
     "  FAIL  the device starts after a reset"},
    {"no reset", never_reset, EXTENDED, EfiSimpleNetworkInitialized,
     "  FAIL  the device starts after a reset"},
    {"no reset says why", never_reset, EXTENDED, EfiSimpleNetworkInitialized,
     "the device does not confirm its reset"},
    {"sends nothing", stop_sending, EXTENDED, EfiSimpleNetworkInitialized,
     "  FAIL  every transmit slot sends a frame"},
    {"sends nothing, stopped", stop_sending, EXTENDED, EfiSimpleNetworkStopped,
     "  FAIL  every transmit slot sends a frame"},
    {"answers no command", never_answer_commands, EXTENDED, EfiSimpleNetworkInitialized,
     "  FAIL  the control queue answers"},
};

static void failing_device_gives_fail_lines_and_device_error_in_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        struct driver_fixture *fixture = open_nic(NULL, faults[i].state);
        uint64_t before;

        faults[i].break_device(fixture);
        before = fake_firmware_now_us(fixture->firmware);
        if (run(fixture, faults[i].type) != EFI_DEVICE_ERROR || !says(faults[i].line))
            fail_msg("%s:\n%s", faults[i].name, report);
        assert_true(fake_firmware_now_us(fixture->firmware) - before < 7000000);
        fake_device_stall(fixture->device, false);
        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        assert_int_equal(faults[i].state, network(fixture)->Mode->State);
        assert_success(run(fixture, EXTENDED)); /* a reset mends it all */
        driver_fixture_free(fixture);
    }
}

static void report_names_features_rings_link_and_counters(void **state)
{
    const struct fake_device_options options = {
        .transport = FAKE_MODERN,
        .features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CSUM |
                    VIRTIO_NET_F_SPEED_DUPLEX | UINT64_C(1) << 50,
        .speed_mbps = 25000};
    struct driver_fixture *fixture = open_nic(&options, EfiSimpleNetworkInitialized);
    static const char *const lines[] = {
        "Virtio Network Adapter (modern, 52:54:00:12:34:56)\r\n",
        "  registers             in BARs\r\n",
        "  features offered      CSUM MAC STATUS VERSION_1 bit50 SPEED_DUPLEX\r\n",
        "  features negotiated   MAC STATUS VERSION_1 SPEED_DUPLEX\r\n",
        "  MTU, bytes            1500\r\n",
        "  speed, Mbit/s         25000\r\n",
        "  link                  up\r\n",
        "  frames flow           yes\r\n",
        "  receive ring          256 entries, 256 buffers of 1536 bytes, 255 with the device\r\n",
        "  transmit ring         256 entries, 256 buffers of 1536 bytes, 1 with the device\r\n",
        "Received\r\n  bytes                 100\r\n  unicast frames        1\r\n",
        "Sent\r\n  bytes                 100\r\n  unicast frames        1\r\n",
        "  ring broken by device 0\r\n",
        "  commands refused      0\r\n",
        "  commands unanswered   0\r\n",
    };

    (void)state;
    assert_traffic_flows(network(fixture), fixture->device);
    assert_success(run(fixture, STANDARD));
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        assert_text_contains(lines[i], report);
    assert_false(says("last failure"));
    driver_fixture_free(fixture);
}

static void report_says_when_nothing_runs(void **state)
{
    const struct fake_device_options options = {.removed_features = VIRTIO_NET_F_SPEED_DUPLEX,
                                                .is_link_down = true,
                                                .modern_bar_way = FAKE_BAR_REFUSED};
    struct driver_fixture *fixture = open_nic(&options, EfiSimpleNetworkStopped);

    (void)state;
    assert_success(run(fixture, STANDARD));
    assert_text_contains("  registers             through configuration space\r\n", report);
    assert_text_contains("  link                  down\r\n", report);
    assert_text_contains("  frames flow           no\r\n", report);
    assert_false(says("ring  "));
    assert_false(says("speed"));
    driver_fixture_free(fixture);
}

static void report_counts_commands_that_went_wrong(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_misbehave(fixture->device, FAKE_CONTROL_REFUSES);
    (void)network(fixture)->StationAddress(network(fixture), TRUE, NULL);
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    leave_a_command_unanswered(fixture);
    assert_status(EFI_DEVICE_ERROR, run(fixture, STANDARD));
    assert_text_contains("  commands refused      1\r\n", report);
    assert_text_contains("  commands unanswered   1\r\n", report);
    driver_fixture_free(fixture);
}

static void report_of_the_most_talkative_device_is_whole(void **state)
{
    const struct fake_device_options options = {.transport = FAKE_MODERN, .features = UINT64_MAX};
    struct driver_fixture *fixture = open_nic(&options, EfiSimpleNetworkInitialized);

    (void)state;
    memset(&adapter(fixture)->snp.net.counters, 0xff, sizeof(struct net_counters));
    adapter(fixture)->snp.net.virtio.cause = L"the device does not confirm its reset";
    assert_success(run(fixture, STANDARD));
    assert_true(strlen(report) < REPORT_CHARS_MAX - 500);
    assert_text_contains("last failure          the device does not confirm its reset\r\n", report);
    driver_fixture_free(fixture);
}

static void report_is_shown_on_the_console_where_there_is_one(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);
    SIMPLE_TEXT_OUTPUT_INTERFACE *console = ST->ConOut;

    (void)state;
    assert_success(run(fixture, STANDARD));
    assert_text_contains(report, fake_firmware_console(fixture->firmware));
    ST->ConOut = NULL;
    assert_success(run(fixture, STANDARD));
    ST->ConOut = console;
    driver_fixture_free(fixture);
}

/* What a call that fails leaves untouched. */
struct outputs {
    EFI_GUID *format;
    UINTN bytes;
    CHAR16 *text;
};

static EFI_STATUS ask(const struct driver_fixture *fixture, EFI_HANDLE controller, EFI_HANDLE child,
                      unsigned type, const char *language)
{
    static CHAR16 nothing[] = L"";
    const struct outputs before = {&variable_guid, 77, nothing};
    struct outputs outputs = before;
    CHAR8 code[16];
    EFI_STATUS status;

    strcpy((char *)code, language);
    status = diagnostics(fixture)->RunDiagnostics(diagnostics(fixture), controller, child,
                                                  (EFI_DRIVER_DIAGNOSTIC_TYPE)type, code,
                                                  &outputs.format, &outputs.bytes, &outputs.text);
    if (EFI_ERROR(status))
        assert_memory_equal(&before, &outputs, sizeof(before));
    else {
        assert_memory_equal(&variable_guid, outputs.format, sizeof(variable_guid));
        assert_success(BS->FreePool(outputs.text));
        assert_success(BS->FreePool(outputs.format)); /* as the shell does */
    }
    return status;
}

static void only_nics_of_this_driver_are_tested(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(2, NULL);
    EFI_HANDLE second = fake_device_handle(fixture->fake.devices[1]);
    EFI_HANDLE first_child;
    uint64_t anything[8] = {0};

    (void)state;
    assert_status(EFI_UNSUPPORTED, ask(fixture, fixture->controller, NULL, STANDARD, "en"));
    assert_success(start(fixture, fixture->controller));
    first_child = child_at(fixture, 0);
    assert_success(ask(fixture, fixture->controller, NULL, STANDARD, "en"));
    assert_success(ask(fixture, fixture->controller, first_child, STANDARD, "en"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, second, NULL, STANDARD, "en"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, first_child, NULL, STANDARD, "en"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, fixture->image, NULL, STANDARD, "en"));
    assert_status(EFI_INVALID_PARAMETER, ask(fixture, anything, NULL, STANDARD, "en"));
    assert_status(EFI_INVALID_PARAMETER,
                  ask(fixture, fixture->controller, anything, STANDARD, "en"));
    assert_success(start(fixture, second));
    assert_success(ask(fixture, second, NULL, STANDARD, "en"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, second, first_child, STANDARD, "en"));
    driver_fixture_free(fixture);
}

static void other_types_and_languages_are_unsupported(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);
    EFI_HANDLE nic = fixture->controller;

    (void)state;
    for (unsigned type = EfiDriverDiagnosticTypeManufacturing; type < 6; type++)
        assert_status(EFI_UNSUPPORTED, ask(fixture, nic, NULL, type, "en"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, nic, NULL, STANDARD, "fr"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, nic, NULL, STANDARD, "eng"));
    assert_status(EFI_UNSUPPORTED, ask(fixture, nic, NULL, STANDARD, ""));
    assert_success(ask(fixture, nic, NULL, STANDARD, "en-US"));
    assert_string_equal("en", (const char *)diagnostics(fixture)->SupportedLanguages);
    driver_fixture_free(fixture);
}

static void null_arguments_are_invalid(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);
    EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *this = diagnostics(fixture);
    EFI_HANDLE nic = fixture->controller;
    EFI_GUID *format;
    CHAR16 *text;
    UINTN bytes;

    (void)state;
    assert_status(EFI_INVALID_PARAMETER,
                  this->RunDiagnostics(NULL, nic, NULL, STANDARD, english, &format, &bytes, &text));
    assert_status(EFI_INVALID_PARAMETER, this->RunDiagnostics(this, NULL, NULL, STANDARD, english,
                                                              &format, &bytes, &text));
    assert_status(EFI_INVALID_PARAMETER,
                  this->RunDiagnostics(this, nic, NULL, STANDARD, NULL, &format, &bytes, &text));
    assert_status(EFI_INVALID_PARAMETER,
                  this->RunDiagnostics(this, nic, NULL, STANDARD, english, NULL, &bytes, &text));
    assert_status(EFI_INVALID_PARAMETER,
                  this->RunDiagnostics(this, nic, NULL, STANDARD, english, &format, NULL, &text));
    assert_status(EFI_INVALID_PARAMETER,
                  this->RunDiagnostics(this, nic, NULL, STANDARD, english, &format, &bytes, NULL));
    driver_fixture_free(fixture);
}

static void without_memory_nothing_is_tested(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);
    unsigned resets = fake_device_reset_count(fixture->device);

    (void)state;
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY);
    fake_firmware_fail_from(fixture->firmware, 1);
    assert_status(EFI_OUT_OF_RESOURCES, ask(fixture, fixture->controller, NULL, EXTENDED, "en"));
    fake_firmware_fail_nth(fixture->firmware, 0);
    assert_int_equal(resets, fake_device_reset_count(fixture->device));
    driver_fixture_free(fixture);
}

static void tests_run_at_tpl_callback_and_return_at_the_callers(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);
    EFI_TPL tpl;

    (void)state;
    assert_success(run(fixture, EXTENDED));
    assert_int_equal(TPL_APPLICATION, fake_firmware_tpl(fixture->firmware));
    tpl = BS->RaiseTPL(TPL_CALLBACK);
    assert_success(run(fixture, EXTENDED));
    BS->RestoreTPL(tpl);
    driver_fixture_free(fixture);
}

/* It may be in the middle of its reset: the status is read, and nothing written. */
static void standard_test_leaves_a_device_alone_whose_reset_is_not_confirmed(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    assert_success(network(fixture)->Shutdown(network(fixture)));
    fake_device_clear_access_counts(fixture->device);
    assert_status(EFI_DEVICE_ERROR, run(fixture, STANDARD));
    assert_true(says("  FAIL  the device has confirmed its reset"));
    assert_int_equal(1, fake_device_access_count(fixture->device));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(run(fixture, EXTENDED));
    driver_fixture_free(fixture);
}

static void nothing_is_tested_after_exit(void **state)
{
    struct driver_fixture *fixture = open_nic(NULL, EfiSimpleNetworkInitialized);
    EFI_GUID *format = NULL;
    CHAR16 *text = NULL;
    UINTN bytes = 0;

    (void)state;
    fake_firmware_fail_to_exit(fixture->firmware); /* or the fake would report the call itself */
    fake_device_clear_access_counts(fixture->device);
    for (unsigned type = STANDARD; type <= EXTENDED; type++)
        assert_status(EFI_DEVICE_ERROR,
                      diagnostics(fixture)->RunDiagnostics(
                          diagnostics(fixture), fixture->controller, NULL,
                          (EFI_DRIVER_DIAGNOSTIC_TYPE)type, english, &format, &bytes, &text));
    assert_null(text);
    assert_int_equal(0, fake_device_access_count(fixture->device));
    assert_int_equal(0, fake_device_status(fixture->device));
    driver_fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_test_passes_in_each_state),
        cmocka_unit_test(standard_test_sends_nothing_and_changes_nothing),
        cmocka_unit_test(extended_test_passes_and_keeps_each_state),
        cmocka_unit_test(interface_works_as_before_after_an_extended_test),
        cmocka_unit_test(extended_test_sends_one_frame_through_each_slot),
        cmocka_unit_test(extended_test_leaves_the_statistics_alone),
        cmocka_unit_test(extended_test_uses_the_control_queue),
        cmocka_unit_test(failing_device_gives_fail_lines_and_device_error_in_time),
        cmocka_unit_test(report_names_features_rings_link_and_counters),
        cmocka_unit_test(report_says_when_nothing_runs),
        cmocka_unit_test(report_counts_commands_that_went_wrong),
        cmocka_unit_test(report_of_the_most_talkative_device_is_whole),
        cmocka_unit_test(report_is_shown_on_the_console_where_there_is_one),
        cmocka_unit_test(only_nics_of_this_driver_are_tested),
        cmocka_unit_test(other_types_and_languages_are_unsupported),
        cmocka_unit_test(null_arguments_are_invalid),
        cmocka_unit_test(without_memory_nothing_is_tested),
        cmocka_unit_test(tests_run_at_tpl_callback_and_return_at_the_callers),
        cmocka_unit_test(standard_test_leaves_a_device_alone_whose_reset_is_not_confirmed),
        cmocka_unit_test(nothing_is_tested_after_exit),
    };

    return cmocka_run_group_tests_name("diagnostics", tests, NULL, NULL);
}
