/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * StationAddress: what it accepts, and that frames then go to and come from the new address,
 * however the device is told of it.
 */
#include "snp_fixture.h"

static const EFI_MAC_ADDRESS station = {.Addr = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55, [31] = 0xee}};

#define LEGACY_FEATURES (VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_F_EVENT_IDX)

/* By which way the device learns of the address. */
static const struct way {
    const char *name;
    struct fake_device_options options;
    enum {
        KNOWN,  /* the device takes the address for its own */
        OPENED, /* it is made promiscuous */
        UNTOLD, /* it passes every frame by itself */
    } then;
} ways[] = {
    {"by command", {.transport = FAKE_MODERN}, KNOWN},
    {"by command, no receive modes",
     {.transport = FAKE_MODERN,
      .removed_features = VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA},
     KNOWN},
    {"by command, legacy", {.transport = FAKE_LEGACY}, KNOWN},
    {"through configuration", {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES}, KNOWN},
    {"through configuration, MSI-X enabled",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES, .msix_is_enabled = KNOWN},
     KNOWN},
    {"through configuration, with receive modes",
     {.transport = FAKE_LEGACY, .removed_features = VIRTIO_NET_F_CTRL_MAC_ADDR},
     KNOWN},
    {"by promiscuous mode",
     {.transport = FAKE_MODERN, .removed_features = VIRTIO_NET_F_CTRL_MAC_ADDR},
     OPENED},
    {"not at all, no control queue",
     {.transport = FAKE_MODERN, .removed_features = VIRTIO_NET_F_CTRL_VQ},
     UNTOLD},
    {"not at all, no room in the control queue",
     {.transport = FAKE_MODERN, .queue_size = {0, 0, 2}},
     UNTOLD},
    {"not at all, no command for it",
     {.transport = FAKE_MODERN,
      .removed_features =
          VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA},
     UNTOLD},
};

static EFI_STATUS set_address(const struct snp_fixture *fixture, const EFI_MAC_ADDRESS *address)
{
    EFI_MAC_ADDRESS copy = *address;

    return fixture->protocol->StationAddress(fixture->protocol, FALSE, &copy);
}

static EFI_STATUS reset_address(const struct snp_fixture *fixture)
{
    return fixture->protocol->StationAddress(fixture->protocol, TRUE, NULL);
}

static bool arrives(const struct snp_fixture *fixture, const EFI_MAC_ADDRESS *to)
{
    uint8_t frame[FRAME_MIN_BYTES];
    EFI_STATUS status;

    frame_write(frame, sizeof(frame), to->Addr, 1);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    status = receive_any(fixture);
    assert_true(status == EFI_SUCCESS || status == EFI_NOT_READY);
    return status == EFI_SUCCESS;
}

/* An interface over a device that filters as it was told. */
static struct snp_fixture *open_way(const struct way *way)
{
    struct snp_fixture *fixture = snp_fixture_new(&way->options, EfiSimpleNetworkInitialized);

    fake_device_filter_frames(fixture->device, true);
    return fixture;
}

static void assert_is_station(const struct snp_fixture *fixture, const struct way *way)
{
    assert_memory_equal(&station, &fixture->mode->CurrentAddress, sizeof(station));
    assert_true(arrives(fixture, &station));
    assert_false(arrives(fixture, &fixture->mode->PermanentAddress));
    if (way->then == KNOWN)
        assert_memory_equal(station.Addr, fake_device_mac(fixture->device), 6);
    if (way->then == OPENED)
        assert_true(fake_device_filter(fixture->device)->promiscuous);
    if (way->then == UNTOLD)
        assert_int_equal(0, fake_device_command_count(fixture->device));
}

/* holds: snp.address.mode, snp.address.device, snp.address.any_device, virtio.control.no_room */
/* holds: virtio.legacy.mac */
static void new_address_takes_effect_however_it_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct snp_fixture *fixture = open_way(&ways[i]);
        EFI_MAC_ADDRESS permanent = fixture->mode->PermanentAddress;

        assert_success(set_address(fixture, &station));
        assert_memory_equal(&permanent, &fixture->mode->PermanentAddress, sizeof(permanent));
        assert_is_station(fixture, &ways[i]);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.address.reset */
static void reset_gives_the_permanent_address_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct snp_fixture *fixture = open_way(&ways[i]);
        EFI_MAC_ADDRESS ignored = {.Addr = {0x01}};

        assert_success(set_address(fixture, &station));
        assert_success(fixture->protocol->StationAddress(fixture->protocol, TRUE, &ignored));
        assert_memory_equal(&fixture->mode->PermanentAddress, &fixture->mode->CurrentAddress,
                            sizeof(ignored));
        assert_memory_equal(fixture->mode->PermanentAddress.Addr, fake_device_mac(fixture->device),
                            6);
        assert_true(arrives(fixture, &fixture->mode->PermanentAddress));
        assert_false(arrives(fixture, &station));
        assert_success(reset_address(fixture)); /* and again */
        snp_fixture_free(fixture);
    }
}

static void promiscuous_fallback_ends_with_the_foreign_address(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_CTRL_MAC_ADDR};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    assert_false(fake_device_filter(fixture->device)->promiscuous);
    assert_success(set_address(fixture, &station));
    assert_true(fake_device_filter(fixture->device)->promiscuous);
    assert_success(reset_address(fixture));
    assert_false(fake_device_filter(fixture->device)->promiscuous);
    snp_fixture_free(fixture);
}

/* holds: snp.reset.address */
static void address_survives_reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct snp_fixture *fixture = open_way(&ways[i]);

        assert_success(set_address(fixture, &station));
        for (unsigned round = 0; round < 3; round++) {
            assert_success(snp_reset(fixture));
            assert_is_station(fixture, &ways[i]);
        }
        snp_fixture_free(fixture);
    }
}

static void address_survives_shutdown_and_initialize(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct snp_fixture *fixture = open_way(&ways[i]);

        assert_success(set_address(fixture, &station));
        assert_success(snp_shutdown(fixture));
        assert_success(snp_initialize(fixture));
        assert_is_station(fixture, &ways[i]);
        snp_fixture_free(fixture);
    }
}

/* Else the next driver, or the OS, would take it for the permanent one. */
/* holds: virtio.legacy.mac */
static void device_has_its_own_address_back_when_it_is_let_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct snp_fixture *fixture = open_way(&ways[i]);
        EFI_MAC_ADDRESS permanent = fixture->mode->PermanentAddress;

        assert_success(set_address(fixture, &station));
        assert_success(snp_shutdown(fixture));
        assert_memory_equal(permanent.Addr, fake_device_mac(fixture->device), 6);
        assert_success(snp_initialize(fixture));
        snp_fini(fixture->snp);
        assert_memory_equal(permanent.Addr, fake_device_mac(fixture->device), 6);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.address.source */
static void station_is_the_source_of_what_is_sent(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS destination = {.Addr = {0x02, 9, 9, 9, 9, 9}};
    UINT16 protocol = PROTOCOL_IPV4;
    uint8_t frame[FRAME_MIN_BYTES] = {0};
    const struct fake_frame *sent;

    assert_success(set_address(fixture, &station));
    assert_success(fixture->protocol->Transmit(fixture->protocol, FRAME_HEADER_BYTES, sizeof(frame),
                                               frame, NULL, &destination, &protocol));
    sent = fake_device_take_frame(fixture->device);
    assert_non_null(sent);
    assert_memory_equal(station.Addr, sent->data + 6, 6);
}

static void address_that_no_station_can_have_is_invalid(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS group = {.Addr = {0x01, 0, 0x5e, 3, 4, 5}};
    EFI_MAC_ADDRESS broadcast = {.Addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    EFI_MAC_ADDRESS zero = {.Addr = {0}};
    EFI_MAC_ADDRESS *cases[] = {NULL, &group, &broadcast, &zero};
    EFI_SIMPLE_NETWORK_MODE before = *fixture->mode;

    fake_device_forget_commands(fixture->device);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_status(EFI_INVALID_PARAMETER,
                      fixture->protocol->StationAddress(fixture->protocol, FALSE, cases[i]));
        assert_memory_equal(&before, fixture->mode, sizeof(before));
    }
    assert_int_equal(0, fake_device_command_count(fixture->device));
}

/* holds: snp.address.any_device */
static void mode_says_that_every_device_changes_its_address(void **state)
{
    const EFI_SIMPLE_NETWORK_STATE states[] = {EfiSimpleNetworkStopped, EfiSimpleNetworkStarted,
                                               EfiSimpleNetworkInitialized};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways) * ARRAY_LENGTH(states); i++) {
        struct snp_fixture *fixture = snp_fixture_new(&ways[i / ARRAY_LENGTH(states)].options,
                                                      states[i % ARRAY_LENGTH(states)]);

        assert_true(fixture->mode->MacAddressChangeable);
        snp_fixture_free(fixture);
    }
}

/* Whichever command of the change the device refuses: all of it or nothing. */
static void refused_change_leaves_the_old_address(void **state)
{
    const enum fake_device_misbehaviour answers[] = {FAKE_CONTROL_REFUSES,
                                                     FAKE_CONTROL_ACKS_GARBAGE};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(answers) * ARRAY_LENGTH(ways) * 9; i++) {
        const struct way *way = &ways[i / 9 % ARRAY_LENGTH(ways)];
        struct snp_fixture *fixture = open_way(way);
        EFI_SIMPLE_NETWORK_MODE before = *fixture->mode;
        EFI_STATUS status;

        fake_device_fail_command(fixture->device, 1 + i % 9, answers[i / 9 / ARRAY_LENGTH(ways)]);
        status = set_address(fixture, &station);
        if (EFI_ERROR(status)) {
            assert_status(EFI_DEVICE_ERROR, status);
            assert_memory_equal(&before, fixture->mode, sizeof(before));
            if (!arrives(fixture, &before.CurrentAddress))
                fail_msg("%s, command %u refused: deaf at the old address", way->name, 1 + i % 9);
            assert_false(arrives(fixture, &station));
            fake_device_fail_command(fixture->device, 0, FAKE_BEHAVES);
            assert_success(set_address(fixture, &station));
        }
        assert_memory_equal(&station, &fixture->mode->CurrentAddress, sizeof(station));
        assert_true(arrives(fixture, &station));
        assert_false(arrives(fixture, &before.CurrentAddress));
        snp_fixture_free(fixture);
    }
}

static void unanswered_change_is_recovered_by_reset(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS before = fixture->mode->CurrentAddress;

    fake_device_fail_command(fixture->device, 1, FAKE_CONTROL_NEVER_ACKS);
    assert_status(EFI_DEVICE_ERROR, set_address(fixture, &station));
    assert_memory_equal(&before, &fixture->mode->CurrentAddress, sizeof(before));
    assert_status(EFI_DEVICE_ERROR, set_address(fixture, &station));
    assert_success(snp_reset(fixture));
    assert_true(arrives(fixture, &before));
    assert_success(set_address(fixture, &station));
    assert_is_station(fixture, &ways[0]);
}

/* The device goes on filtering by its own address, so it has to pass everything. */
static void legacy_device_that_keeps_its_address_is_made_promiscuous(void **state)
{
    const struct fake_device_options options = {
        .transport = FAKE_LEGACY,
        .features = FAKE_DEVICE_FEATURES & ~VIRTIO_NET_F_CTRL_MAC_ADDR,
    };
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_filter_frames(fixture->device, true);
    assert_false(fake_device_filter(fixture->device)->promiscuous);
    fake_device_misbehave(fixture->device, FAKE_MAC_READ_ONLY);
    assert_success(set_address(fixture, &station));
    assert_true(fake_device_filter(fixture->device)->promiscuous);
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(set_address(fixture, &station));
    assert_false(fake_device_filter(fixture->device)->promiscuous);
    snp_fixture_free(fixture);
}

/* It cannot know the address that the driver made up: it is told, or passes everything. */
/* holds: virtio.net.tell_mac */
static void device_without_an_address_holds_nothing_back_that_is_to_ours(void **state)
{
    static const struct fake_device_options cases[] = {
        {.removed_features = VIRTIO_NET_F_MAC},
        {.removed_features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_CTRL_MAC_ADDR},
        {.transport = FAKE_LEGACY, .removed_features = VIRTIO_NET_F_MAC},
        {.transport = FAKE_LEGACY,
         .removed_features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_CTRL_MAC_ADDR},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct snp_fixture *fixture = snp_fixture_new(&cases[i], EfiSimpleNetworkInitialized);

        assert_true(fake_device_lets_pass(fixture->device, fixture->mode->CurrentAddress.Addr));
        assert_success(set_address(fixture, &station));
        assert_true(fake_device_lets_pass(fixture->device, station.Addr));
        assert_success(snp_reset(fixture));
        assert_true(fake_device_lets_pass(fixture->device, station.Addr));
        snp_fixture_free(fixture);
    }
}

static void device_that_is_down_gets_no_address(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_MODE before = *fixture->mode;

    before.MediaPresent = FALSE; /* nothing is sent or received any more */
    fake_device_forget_commands(fixture->device);
    fake_device_need_reset(fixture->device);
    pass_link_interval(fixture);
    (void)interrupts(fixture);
    assert_status(EFI_DEVICE_ERROR, set_address(fixture, &station));
    assert_memory_equal(&before, fixture->mode, sizeof(before));
    assert_int_equal(0, fake_device_command_count(fixture->device));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_address_takes_effect_however_it_is_told),
        cmocka_unit_test(reset_gives_the_permanent_address_back),
        cmocka_unit_test(promiscuous_fallback_ends_with_the_foreign_address),
        cmocka_unit_test(address_survives_reset),
        cmocka_unit_test(address_survives_shutdown_and_initialize),
        cmocka_unit_test(device_has_its_own_address_back_when_it_is_let_go),
        SNP_TEST(station_is_the_source_of_what_is_sent),
        SNP_TEST(address_that_no_station_can_have_is_invalid),
        cmocka_unit_test(mode_says_that_every_device_changes_its_address),
        cmocka_unit_test(refused_change_leaves_the_old_address),
        SNP_TEST(unanswered_change_is_recovered_by_reset),
        SNP_TEST(device_that_is_down_gets_no_address),
        cmocka_unit_test(legacy_device_that_keeps_its_address_is_made_promiscuous),
        cmocka_unit_test(device_without_an_address_holds_nothing_back_that_is_to_ours),
    };

    return cmocka_run_group_tests_name("snp_station", tests, NULL, NULL);
}
