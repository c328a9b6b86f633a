/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The state machine of SNP: what each method answers in each state, in which order it looks at
 * state and parameters, and at which TPL it runs. UEFI 2.10, 24.1.
 */
#include "snp_fixture.h"

#define NOT_STARTED EFI_NOT_STARTED
#define DEVICE_ERROR EFI_DEVICE_ERROR

enum arguments { VALID, INVALID };

/* What the methods write to and read from. */
struct outputs {
    UINT32 interrupts;
    VOID *tx_buffer;
    UINTN header_bytes;
    UINTN buffer_bytes;
    UINTN table_bytes;
    EFI_MAC_ADDRESS mac;
    EFI_MAC_ADDRESS source;
    EFI_MAC_ADDRESS destination;
    UINT16 protocol;
    EFI_NETWORK_STATISTICS table;
    uint8_t buffer[FRAME_MAX_BYTES];
};

static struct outputs outputs;

static EFI_STATUS call_start(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                             EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    (void)arguments;
    return protocol->Start(this);
}

static EFI_STATUS call_stop(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                            EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    (void)arguments;
    return protocol->Stop(this);
}

static EFI_STATUS call_initialize(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                  EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    (void)arguments;
    return protocol->Initialize(this, 0, 0);
}

static EFI_STATUS call_reset(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                             EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    (void)arguments;
    return protocol->Reset(this, TRUE);
}

static EFI_STATUS call_shutdown(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    (void)arguments;
    return protocol->Shutdown(this);
}

static EFI_STATUS call_receive_filters(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                       EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    UINT32 enable = arguments == VALID ? EFI_SIMPLE_NETWORK_RECEIVE_UNICAST : UINT32_MAX;

    return protocol->ReceiveFilters(this, enable, 0, FALSE, 0, NULL);
}

static EFI_STATUS call_station_address(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                       EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    return protocol->StationAddress(this, arguments == VALID, NULL);
}

static EFI_STATUS call_statistics(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                  EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    return protocol->Statistics(this, FALSE, &outputs.table_bytes,
                                arguments == VALID ? &outputs.table : NULL);
}

static EFI_STATUS call_mcast_ip_to_mac(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                       EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    EFI_IP_ADDRESS ip = {.v4.Addr = {224, 0, 0, 1}};

    return protocol->MCastIpToMac(this, FALSE, arguments == VALID ? &ip : NULL, &outputs.mac);
}

static EFI_STATUS call_nv_data(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                               EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    return protocol->NvData(this, TRUE, 0, 1, arguments == VALID ? outputs.buffer : NULL);
}

static EFI_STATUS call_get_status(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                  EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    if (arguments == INVALID)
        return protocol->GetStatus(this, NULL, NULL);
    return protocol->GetStatus(this, &outputs.interrupts, &outputs.tx_buffer);
}

static EFI_STATUS call_transmit(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                                EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    return protocol->Transmit(this, 0, FRAME_MIN_BYTES, arguments == VALID ? outputs.buffer : NULL,
                              NULL, NULL, NULL);
}

static EFI_STATUS call_receive(EFI_SIMPLE_NETWORK_PROTOCOL *protocol,
                               EFI_SIMPLE_NETWORK_PROTOCOL *this, enum arguments arguments)
{
    return protocol->Receive(this, &outputs.header_bytes, &outputs.buffer_bytes,
                             arguments == VALID ? outputs.buffer : NULL, &outputs.source,
                             &outputs.destination, &outputs.protocol);
}

#define STATES 3u

struct method {
    const char *name;
    EFI_STATUS(*call)
    (EFI_SIMPLE_NETWORK_PROTOCOL *protocol, EFI_SIMPLE_NETWORK_PROTOCOL *this,
     enum arguments arguments);
    EFI_STATUS answers[STATES]; /* in state Stopped, Started, Initialized */
    UINT32 next_states[STATES];
    bool has_parameters; /* that can be invalid */
};

#define UNCHANGED                                                                                  \
    {                                                                                              \
        EfiSimpleNetworkStopped, EfiSimpleNetworkStarted, EfiSimpleNetworkInitialized              \
    }

static const struct method methods[] = {
    {"Start",
     call_start,
     {EFI_SUCCESS, EFI_ALREADY_STARTED, EFI_ALREADY_STARTED},
     {EfiSimpleNetworkStarted, EfiSimpleNetworkStarted, EfiSimpleNetworkInitialized},
     false},
    {"Stop",
     call_stop,
     {NOT_STARTED, EFI_SUCCESS, DEVICE_ERROR},
     {EfiSimpleNetworkStopped, EfiSimpleNetworkStopped, EfiSimpleNetworkInitialized},
     false},
    {"Initialize",
     call_initialize,
     {NOT_STARTED, EFI_SUCCESS, DEVICE_ERROR},
     {EfiSimpleNetworkStopped, EfiSimpleNetworkInitialized, EfiSimpleNetworkInitialized},
     false},
    {"Reset", call_reset, {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS}, UNCHANGED, false},
    {"Shutdown",
     call_shutdown,
     {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS},
     {EfiSimpleNetworkStopped, EfiSimpleNetworkStarted, EfiSimpleNetworkStarted},
     false},
    {"ReceiveFilters",
     call_receive_filters,
     {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS},
     UNCHANGED,
     true},
    {"StationAddress",
     call_station_address,
     {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS},
     UNCHANGED,
     true},
    {"Statistics", call_statistics, {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS}, UNCHANGED, true},
    {"MCastIpToMac",
     call_mcast_ip_to_mac,
     {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS},
     UNCHANGED,
     true},
    {"NvData", call_nv_data, {NOT_STARTED, DEVICE_ERROR, EFI_UNSUPPORTED}, UNCHANGED, true},
    {"GetStatus", call_get_status, {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS}, UNCHANGED, true},
    {"Transmit", call_transmit, {NOT_STARTED, DEVICE_ERROR, EFI_SUCCESS}, UNCHANGED, true},
    {"Receive", call_receive, {NOT_STARTED, DEVICE_ERROR, EFI_NOT_READY}, UNCHANGED, true},
};

_Static_assert(ARRAY_LENGTH(methods) == 13, "every method of EFI_SIMPLE_NETWORK_PROTOCOL");

static void outputs_init(void)
{
    memset(&outputs, 0x5a, sizeof(outputs));
    outputs.buffer_bytes = sizeof(outputs.buffer);
    outputs.table_bytes = sizeof(outputs.table);
}

/* Call each method in each state, on a fresh interface every time. */
static void for_each_case(void (*check)(struct snp_fixture *fixture, const struct method *method,
                                        EFI_SIMPLE_NETWORK_STATE state))
{
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        for (unsigned state = 0; state < STATES; state++) {
            struct snp_fixture *fixture = snp_fixture_new(NULL, (EFI_SIMPLE_NETWORK_STATE)state);

            outputs_init();
            check(fixture, &methods[i], (EFI_SIMPLE_NETWORK_STATE)state);
            snp_fixture_free(fixture);
        }
    }
}

static void check_answer(struct snp_fixture *fixture, const struct method *method,
                         EFI_SIMPLE_NETWORK_STATE state)
{
    EFI_STATUS status = method->call(fixture->protocol, fixture->protocol, VALID);

    if (status != method->answers[state] || fixture->mode->State != method->next_states[state])
        fail_msg("%s in state %u answers %#llx and leaves state %u", method->name, state,
                 (unsigned long long)status, fixture->mode->State);
}

/* holds: snp.all.state, snp.start.state, snp.start.twice, snp.stop.state, snp.initialize.state */
/* holds: snp.reset.state, snp.shutdown.state */
static void every_method_answers_by_state(void **state)
{
    (void)state;
    for_each_case(check_answer);
}

static void check_answer_at_callback(struct snp_fixture *fixture, const struct method *method,
                                     EFI_SIMPLE_NETWORK_STATE state)
{
    EFI_TPL tpl = BS->RaiseTPL(TPL_CALLBACK);

    check_answer(fixture, method, state);
    assert_int_equal(TPL_CALLBACK, fake_firmware_tpl(fixture->firmware));
    BS->RestoreTPL(tpl);
}

/* holds: snp.all.tpl */
static void every_method_works_at_tpl_callback(void **state)
{
    (void)state;
    for_each_case(check_answer_at_callback);
}

static void check_invalid(struct snp_fixture *fixture, const struct method *method,
                          EFI_SIMPLE_NETWORK_STATE state)
{
    EFI_STATUS expected =
        state == EfiSimpleNetworkInitialized ? EFI_INVALID_PARAMETER : method->answers[state];
    EFI_STATUS status;

    if (!method->has_parameters)
        return;
    status = method->call(fixture->protocol, fixture->protocol, INVALID);
    if (status != expected || fixture->mode->State != state)
        fail_msg("%s in state %u answers bad arguments with %#llx", method->name, state,
                 (unsigned long long)status);
}

/* holds: snp.all.state_first */
static void state_is_checked_before_parameters(void **state)
{
    (void)state;
    for_each_case(check_invalid);
}

static void check_null(struct snp_fixture *fixture, const struct method *method,
                       EFI_SIMPLE_NETWORK_STATE state)
{
    (void)state;
    assert_status(EFI_INVALID_PARAMETER, method->call(fixture->protocol, NULL, VALID));
}

/* holds: snp.all.outputs */
static void every_method_refuses_a_null_interface(void **state)
{
    (void)state;
    for_each_case(check_null);
}

static void check_outputs(struct snp_fixture *fixture, const struct method *method,
                          EFI_SIMPLE_NETWORK_STATE state)
{
    struct outputs before = outputs;

    for (enum arguments arguments = VALID; arguments <= INVALID; arguments++) {
        EFI_STATUS status;

        if (arguments == VALID && !EFI_ERROR(method->answers[state]))
            continue;
        if (arguments == INVALID && !method->has_parameters)
            continue;
        status = method->call(fixture->protocol, fixture->protocol, arguments);
        if (!EFI_ERROR(status) || memcmp(&before, &outputs, sizeof(outputs)) != 0)
            fail_msg("%s in state %u answers %#llx and writes to its outputs", method->name, state,
                     (unsigned long long)status);
    }
}

/* holds: snp.all.outputs */
static void failed_methods_leave_their_outputs_alone(void **state)
{
    (void)state;
    for_each_case(check_outputs);
}

static EFI_RAISE_TPL real_raise_tpl;
static EFI_TPL highest_tpl;

static EFI_TPL EFIAPI watch_raise_tpl(EFI_TPL tpl)
{
    if (tpl > highest_tpl)
        highest_tpl = tpl;
    return real_raise_tpl(tpl);
}

static void check_tpl(struct snp_fixture *fixture, const struct method *method,
                      EFI_SIMPLE_NETWORK_STATE state)
{
    (void)state;
    for (enum arguments arguments = VALID; arguments <= INVALID; arguments++) {
        real_raise_tpl = BS->RaiseTPL;
        highest_tpl = 0;
        BS->RaiseTPL = watch_raise_tpl;
        (void)method->call(fixture->protocol, fixture->protocol, arguments);
        BS->RaiseTPL = real_raise_tpl;
        if (highest_tpl > TPL_CALLBACK || fake_firmware_tpl(fixture->firmware) != TPL_APPLICATION)
            fail_msg("%s raises to TPL %u and returns at %u", method->name, (unsigned)highest_tpl,
                     (unsigned)fake_firmware_tpl(fixture->firmware));
    }
}

/* holds: snp.all.tpl */
static void no_method_exceeds_tpl_callback_or_keeps_it(void **state)
{
    (void)state;
    for_each_case(check_tpl);
}

/* Device accesses and the TPLs at which they happen. */
static EFI_PCI_IO_PROTOCOL_IO_MEM real_read;
static EFI_PCI_IO_PROTOCOL_IO_MEM real_write;
static unsigned accesses_below_callback;
static unsigned watched_accesses;
static struct fake_firmware *watched_firmware;

static void watch_access(void)
{
    watched_accesses++;
    if (fake_firmware_tpl(watched_firmware) < TPL_CALLBACK)
        accesses_below_callback++;
}

static EFI_STATUS EFIAPI watch_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                    UINT8 bar, UINT64 offset, UINTN count, VOID *buffer)
{
    watch_access();
    return real_read(this, width, bar, offset, count, buffer);
}

static EFI_STATUS EFIAPI watch_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT8 bar, UINT64 offset, UINTN count, VOID *buffer)
{
    watch_access();
    return real_write(this, width, bar, offset, count, buffer);
}

/* holds: snp.all.tpl */
static void methods_touch_the_device_at_tpl_callback_only(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStopped);
    EFI_PCI_IO_PROTOCOL *pci_io = &fake_device_pci(fixture->device)->protocol;

    (void)state;
    watched_firmware = fixture->firmware;
    accesses_below_callback = 0;
    watched_accesses = 0;
    real_read = pci_io->Mem.Read;
    real_write = pci_io->Mem.Write;
    pci_io->Mem.Read = watch_read;
    pci_io->Mem.Write = watch_write;

    assert_success(fixture->protocol->Start(fixture->protocol));
    assert_success(snp_initialize(fixture));
    assert_traffic_flows(fixture);
    pass_link_interval(fixture);
    assert_non_null(collect(fixture));
    assert_success(snp_reset(fixture));
    assert_success(snp_shutdown(fixture));

    assert_true(watched_accesses > 0);
    assert_int_equal(0, accesses_below_callback);
    snp_fixture_free(fixture);
}

/* holds: snp.mode.ethernet, snp.mode.unused_bytes */
static void mode_describes_an_ethernet_interface(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStopped);
    const EFI_SIMPLE_NETWORK_MODE *mode = fixture->mode;
    const uint8_t *mac = fake_device_mac(fixture->device);

    (void)state;
    assert_int_equal(EFI_SIMPLE_NETWORK_PROTOCOL_REVISION, fixture->protocol->Revision);
    assert_int_equal(EfiSimpleNetworkStopped, mode->State);
    assert_int_equal(6, mode->HwAddressSize);
    assert_int_equal(14, mode->MediaHeaderSize);
    assert_int_equal(1500, mode->MaxPacketSize);
    assert_int_equal(0, mode->NvRamSize);
    assert_int_equal(0, mode->NvRamAccessSize);
    assert_int_equal(0x1f, mode->ReceiveFilterMask);
    assert_int_equal(0, mode->ReceiveFilterSetting);
    assert_int_equal(16, mode->MaxMCastFilterCount);
    assert_int_equal(0, mode->MCastFilterCount);
    assert_true(is_zero(mode->MCastFilter, sizeof(mode->MCastFilter)));
    assert_memory_equal(mac, mode->CurrentAddress.Addr, 6);
    assert_memory_equal(mac, mode->PermanentAddress.Addr, 6);
    assert_memory_equal(broadcast_mac, mode->BroadcastAddress.Addr, 6);
    assert_true(is_zero(mode->CurrentAddress.Addr + 6, 26));
    assert_true(is_zero(mode->PermanentAddress.Addr + 6, 26));
    assert_true(is_zero(mode->BroadcastAddress.Addr + 6, 26));
    assert_int_equal(1, mode->IfType);
    assert_true(mode->MacAddressChangeable);
    assert_true(mode->MultipleTxSupported);
    assert_true(mode->MediaPresentSupported);
    assert_true(mode->MediaPresent);
    snp_fixture_free(fixture);
}

static void mode_says_when_the_link_is_down_from_the_start(void **state)
{
    struct fake_device_options options = {.is_link_down = true};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkStopped);

    (void)state;
    assert_true(fixture->mode->MediaPresentSupported);
    assert_false(fixture->mode->MediaPresent);
    snp_fixture_free(fixture);
}

/* holds: virtio.net.link */
static void without_status_feature_media_is_always_present(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_STATUS,
                                          .is_link_down = true};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    pass_link_interval(fixture);
    (void)collect(fixture);
    assert_false(fixture->mode->MediaPresentSupported);
    assert_true(fixture->mode->MediaPresent);
    snp_fixture_free(fixture);
}

/* holds: snp.start.state */
static void start_and_stop_touch_no_device(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStopped);

    (void)state;
    fake_device_clear_access_counts(fixture->device);
    assert_success(fixture->protocol->Start(fixture->protocol));
    assert_success(fixture->protocol->Stop(fixture->protocol));
    assert_int_equal(0, fake_pci_access_count(fake_device_pci(fixture->device)));
    snp_fixture_free(fixture);
}

/* holds: snp.initialize.works */
static void initialize_makes_frames_flow(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(fake_device_is_live(fixture->device));
    assert_traffic_flows(fixture);
}

static void initialize_enables_unicast_and_broadcast(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_int_equal(EFI_SIMPLE_NETWORK_RECEIVE_UNICAST | EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST,
                     fixture->mode->ReceiveFilterSetting);
}

/* holds: snp.initialize.extra_buffers */
static void initialize_accepts_extra_buffers_and_ignores_them(void **state)
{
    const UINTN sizes[] = {1, 65536, UINTPTR_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);

        assert_success(fixture->protocol->Initialize(fixture->protocol, sizes[i], sizes[i]));
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.initialize.again */
static void initialize_works_after_each_of_many_shutdowns(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 100; i++) {
        assert_success(snp_shutdown(fixture));
        assert_int_equal(0, count_mappings(fixture));
        assert_success(snp_initialize(fixture));
        assert_traffic_flows(fixture);
    }
}

/* holds: snp.initialize.again */
static void initialize_works_after_stop_and_start(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    assert_success(fixture->protocol->Stop(fixture->protocol));
    assert_success(fixture->protocol->Start(fixture->protocol));
    assert_success(snp_initialize(fixture));
    assert_traffic_flows(fixture);
}

/* holds: snp.initialize.media */
static void initialize_refreshes_media_present(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);

    (void)state;
    fake_device_set_link(fixture->device, false);
    assert_success(snp_initialize(fixture));
    assert_false(fixture->mode->MediaPresent);

    fake_device_set_link(fixture->device, true);
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_true(fixture->mode->MediaPresent);
    snp_fixture_free(fixture);
}

static void initialize_refreshes_max_packet_size(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);

    (void)state;
    fake_device_set_mtu(fixture->device, 9000);
    assert_success(snp_initialize(fixture));
    assert_int_equal(9000, fixture->mode->MaxPacketSize);
    snp_fixture_free(fixture);
}

/* holds: snp.initialize.failure */
static void failed_initialize_leaves_started_and_the_device_reset(void **state)
{
    const enum fake_device_misbehaviour causes[] = {FAKE_QUEUE_SIZE_ZERO, FAKE_FEATURES_OK_DROPPED,
                                                    FAKE_GENERATION_NEVER_SETTLES};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(causes); i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);

        fake_device_misbehave(fixture->device, causes[i]);
        assert_true(EFI_ERROR(snp_initialize(fixture)));
        assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);
        assert_int_equal(0, fake_device_status(fixture->device));
        assert_int_equal(0, count_mappings(fixture));
        assert_int_equal(0, fixture->mode->ReceiveFilterSetting);

        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        assert_success(snp_initialize(fixture));
        assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.initialize.failure */
static void initialize_without_a_timer_leaves_started_and_the_device_reset(void **state)
{
    struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkStarted);

    (void)state;
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_EVENT);
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_status(EFI_OUT_OF_RESOURCES, snp_initialize(fixture));
    assert_int_equal(EfiSimpleNetworkStarted, fixture->mode->State);
    assert_int_equal(0, fake_device_status(fixture->device));
    assert_int_equal(0, count_mappings(fixture));
    snp_fixture_free(fixture);
}

/* holds: snp.shutdown.quiet */
static void shutdown_quiesces_the_device(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    assert_int_equal(0, fake_device_status(fixture->device));
    assert_int_equal(0, count_mappings(fixture));
    assert_false(deliver(fixture, 100, 0));
}

/* holds: snp.shutdown.quiet */
static void shutdown_stops_the_timer(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(snp_shutdown(fixture));
    fixture->snp->net.is_tend_due = false;
    fake_firmware_advance_us(fixture->firmware, 1000000);
    assert_false(fixture->snp->net.is_tend_due);
}

/* holds: snp.shutdown.filters */
static void shutdown_clears_filters_and_multicast_list(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS group = {.Addr = {0x01, 0x00, 0x5e, 0, 0, 1}};

    assert_success(fixture->protocol->ReceiveFilters(
        fixture->protocol, EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST, 0, FALSE, 1, &group));
    assert_success(snp_shutdown(fixture));
    assert_int_equal(0, fixture->mode->ReceiveFilterSetting);
    assert_int_equal(0, fixture->mode->MCastFilterCount);
    assert_true(is_zero(fixture->mode->MCastFilter, sizeof(fixture->mode->MCastFilter)));
}

/* holds: snp.shutdown.buffers */
static void shutdown_makes_every_buffer_the_callers(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_any(fixture, 0));
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_null(collect(fixture));
    assert_int_equal(0, interrupts(fixture));
}

static void shutdown_loses_frames_that_were_not_received(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(deliver(fixture, 100, 1));
    assert_success(BS->CheckEvent(fixture->protocol->WaitForPacket)); /* it was looked at */
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_status(EFI_NOT_READY, receive_any(fixture));
}

/* holds: snp.stop.initialized */
static void refused_stop_leaves_the_interface_working(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_status(EFI_DEVICE_ERROR, fixture->protocol->Stop(fixture->protocol));
    assert_traffic_flows(fixture);
}

/* holds: snp.reset.rings */
static void reset_empties_the_rings(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(deliver(fixture, 100, 1));
    fake_device_stall(fixture->device, true);
    assert_success(transmit_any(fixture, 1));
    assert_success(snp_reset(fixture));
    fake_device_stall(fixture->device, false);

    assert_status(EFI_NOT_READY, receive_any(fixture));
    fake_device_process(fixture->device);
    assert_null(fake_device_take_frame(fixture->device));
    assert_traffic_flows(fixture);
}

/* holds: snp.reset.rings */
static void reset_drops_the_frame_that_was_looked_at(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(deliver(fixture, 100, 1));
    assert_success(BS->CheckEvent(fixture->protocol->WaitForPacket));
    assert_success(snp_reset(fixture));
    assert_status(EFI_NOT_READY, receive_any(fixture));
}

static void reset_gives_the_device_every_receive_buffer_once(void **state)
{
    struct snp_fixture *fixture = *state;
    const uint32_t ring = 256;

    for (uint32_t i = 0; i < 10; i++) { /* too few to be given back by themselves */
        assert_true(deliver(fixture, 100, i));
        assert_receives(fixture, 100, i);
    }
    assert_success(snp_reset(fixture));
    assert_int_equal(ring, fake_device_pending_count(fixture->device, RX));
    for (uint32_t i = 0; i < 3 * ring; i++) {
        assert_true(deliver(fixture, 100, i));
        assert_receives(fixture, 100, i);
    }
}

/* holds: snp.reset.buffers */
static void reset_makes_every_buffer_the_callers(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_any(fixture, 1));
    assert_success(snp_reset(fixture));
    assert_null(collect(fixture));
}

/* holds: snp.reset.interrupts */
static void reset_clears_interrupts(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(transmit_any(fixture, 1));
    assert_true(deliver(fixture, 100, 1));
    assert_success(snp_reset(fixture));
    assert_int_equal(0, interrupts(fixture));
}

static void interrupts_of_before_a_reset_or_shutdown_do_not_come_back(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_true(deliver(fixture, 100, 1));
    assert_int_equal(EFI_SIMPLE_NETWORK_RECEIVE_INTERRUPT, interrupts(fixture));
    assert_success(snp_reset(fixture));
    assert_int_equal(0, interrupts(fixture));

    assert_true(deliver(fixture, 100, 1));
    assert_int_equal(EFI_SIMPLE_NETWORK_RECEIVE_INTERRUPT, interrupts(fixture));
    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_int_equal(0, interrupts(fixture));
}

static void reset_asks_for_the_link_so_that_get_status_need_not(void **state)
{
    struct snp_fixture *fixture = *state;

    pass_link_interval(fixture);
    assert_success(snp_reset(fixture));
    fake_device_clear_access_counts(fixture->device);
    (void)collect(fixture);
    assert_int_equal(0, fake_device_access_count(fixture->device));
}

/* holds: snp.reset.filters */
static void reset_keeps_filters_address_and_state(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS group = {.Addr = {0x01, 0x00, 0x5e, 0, 0, 1}};
    EFI_SIMPLE_NETWORK_MODE before;
    uint8_t frame[FRAME_MIN_BYTES];

    assert_success(
        fixture->protocol->ReceiveFilters(fixture->protocol, EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST,
                                          EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST, FALSE, 1, &group));
    before = *fixture->mode;
    assert_success(snp_reset(fixture));
    assert_memory_equal(&before, fixture->mode, sizeof(before));

    frame_write(frame, sizeof(frame), broadcast_mac, 1);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    assert_status(EFI_NOT_READY, receive_any(fixture));
    frame_write(frame, sizeof(frame), group.Addr, 1);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    assert_success(receive_any(fixture));
}

static void reset_refreshes_media_present(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_set_link(fixture->device, false);
    assert_success(snp_reset(fixture));
    assert_false(fixture->mode->MediaPresent);
}

static void reset_may_be_repeated(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 20; i++) {
        assert_success(snp_reset(fixture));
        assert_traffic_flows(fixture);
    }
}

/* holds: snp.reset.failure */
static void failed_reset_answers_device_error_until_one_succeeds(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_QUEUE_SIZE_ZERO);
    assert_status(EFI_DEVICE_ERROR, snp_reset(fixture));
    assert_int_equal(EfiSimpleNetworkInitialized, fixture->mode->State);
    assert_int_equal(0, fake_device_status(fixture->device));
    assert_int_equal(0, count_mappings(fixture));
    assert_status(EFI_DEVICE_ERROR, transmit_any(fixture, 1));
    assert_status(EFI_DEVICE_ERROR, receive_any(fixture));
    assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->protocol->WaitForPacket));
    pass_link_interval(fixture);
    assert_int_equal(0, interrupts(fixture));

    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(snp_reset(fixture));
    assert_traffic_flows(fixture);
}

/* holds: snp.reset.failure */
static void failed_reset_is_recovered_by_shutdown_and_initialize(void **state)
{
    struct snp_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_QUEUE_SIZE_ZERO);
    assert_status(EFI_DEVICE_ERROR, snp_reset(fixture));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);

    assert_success(snp_shutdown(fixture));
    assert_success(snp_initialize(fixture));
    assert_traffic_flows(fixture);
}

static void fini_cleans_up_in_every_state(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STATES; i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, (EFI_SIMPLE_NETWORK_STATE)i);

        snp_fini(fixture->snp);
        assert_int_equal(0, fake_device_status(fixture->device));
        assert_true(is_zero(fixture->snp, sizeof(*fixture->snp)));
        fake_firmware_assert_nothing_leaked(fixture->firmware);
        snp_fixture_free(fixture); /* finishes a zeroed object as well */
    }
}

static void init_says_why_an_event_could_not_be_created(void **state)
{
    struct fake_fixture *fake = *state;

    for (unsigned nth = 1; nth <= 3; nth++) {
        struct snp *snp = calloc(1, sizeof(*snp));
        const CHAR16 *cause = NULL;

        fake_firmware_count_only(fake->firmware, FAKE_CALL_EVENT);
        fake_firmware_fail_nth(fake->firmware, nth);
        assert_status(EFI_OUT_OF_RESOURCES,
                      snp_init(snp, &fake_device_pci(fake->device)->protocol, &cause));
        assert_memory_equal(L"an event could not be created", cause,
                            sizeof(L"an event could not be created"));
        assert_true(is_zero(snp, sizeof(*snp)));
        fake_firmware_assert_nothing_leaked(fake->firmware);
        free(snp);
    }
}

static void init_passes_on_why_the_device_is_of_no_use(void **state)
{
    struct fake_fixture *fake = *state;
    struct snp *snp = calloc(1, sizeof(*snp));
    const CHAR16 *cause = NULL;

    fake_device_misbehave(fake->device, FAKE_FEATURES_OK_DROPPED);
    assert_status(EFI_UNSUPPORTED, snp_init(snp, &fake_device_pci(fake->device)->protocol, &cause));
    assert_memory_equal(L"the device refuses the features it offered", cause,
                        sizeof(L"the device refuses the features it offered"));
    fake_firmware_assert_nothing_leaked(fake->firmware);
    free(snp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_answers_by_state),
        cmocka_unit_test(every_method_works_at_tpl_callback),
        cmocka_unit_test(state_is_checked_before_parameters),
        cmocka_unit_test(every_method_refuses_a_null_interface),
        cmocka_unit_test(failed_methods_leave_their_outputs_alone),
        cmocka_unit_test(no_method_exceeds_tpl_callback_or_keeps_it),
        cmocka_unit_test(methods_touch_the_device_at_tpl_callback_only),
        cmocka_unit_test(mode_describes_an_ethernet_interface),
        cmocka_unit_test(mode_says_when_the_link_is_down_from_the_start),
        cmocka_unit_test(without_status_feature_media_is_always_present),
        cmocka_unit_test(start_and_stop_touch_no_device),
        SNP_TEST(initialize_makes_frames_flow),
        SNP_TEST(initialize_enables_unicast_and_broadcast),
        cmocka_unit_test(initialize_accepts_extra_buffers_and_ignores_them),
        SNP_TEST(initialize_works_after_each_of_many_shutdowns),
        SNP_TEST(initialize_works_after_stop_and_start),
        cmocka_unit_test(initialize_refreshes_media_present),
        cmocka_unit_test(initialize_refreshes_max_packet_size),
        cmocka_unit_test(failed_initialize_leaves_started_and_the_device_reset),
        cmocka_unit_test(initialize_without_a_timer_leaves_started_and_the_device_reset),
        SNP_TEST(shutdown_quiesces_the_device),
        SNP_TEST(shutdown_stops_the_timer),
        SNP_TEST(shutdown_clears_filters_and_multicast_list),
        SNP_TEST(shutdown_makes_every_buffer_the_callers),
        SNP_TEST(shutdown_loses_frames_that_were_not_received),
        SNP_TEST(refused_stop_leaves_the_interface_working),
        SNP_TEST(reset_empties_the_rings),
        SNP_TEST(reset_drops_the_frame_that_was_looked_at),
        SNP_TEST(reset_gives_the_device_every_receive_buffer_once),
        SNP_TEST(reset_makes_every_buffer_the_callers),
        SNP_TEST(reset_clears_interrupts),
        SNP_TEST(interrupts_of_before_a_reset_or_shutdown_do_not_come_back),
        SNP_TEST(reset_asks_for_the_link_so_that_get_status_need_not),
        SNP_TEST(reset_keeps_filters_address_and_state),
        SNP_TEST(reset_refreshes_media_present),
        SNP_TEST(reset_may_be_repeated),
        SNP_TEST(failed_reset_answers_device_error_until_one_succeeds),
        SNP_TEST(failed_reset_is_recovered_by_shutdown_and_initialize),
        cmocka_unit_test(fini_cleans_up_in_every_state),
        cmocka_unit_test_setup_teardown(init_says_why_an_event_could_not_be_created, fake_setup,
                                        fake_teardown),
        cmocka_unit_test_setup_teardown(init_passes_on_why_the_device_is_of_no_use, fake_setup,
                                        fake_teardown),
    };

    return cmocka_run_group_tests_name("snp_state", tests, NULL, NULL);
}
