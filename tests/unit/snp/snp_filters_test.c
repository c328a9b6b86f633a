/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * ReceiveFilters: what it accepts, what Mode says afterwards, and which frames then pass.
 */
#include "snp_fixture.h"

#define UNICAST EFI_SIMPLE_NETWORK_RECEIVE_UNICAST
#define MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST
#define BROADCAST EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST
#define PROMISCUOUS EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS
#define ALL_MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST
#define ALL_BITS 0x1fu
#define LIST_MAX 16u

static EFI_MAC_ADDRESS listed_group = {.Addr = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};
static const uint8_t other_group[6] = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x04};

static EFI_STATUS set_filters(const struct snp_fixture *fixture, UINT32 enable, UINT32 disable)
{
    EFI_MAC_ADDRESS list[2] = {{.Addr = {0x33, 0x33, 0, 0, 0, 1}}, listed_group};

    return fixture->protocol->ReceiveFilters(fixture->protocol, enable, disable, FALSE,
                                             enable & MULTICAST ? 2 : 0, list);
}

/* Have exactly `setting`. */
static void set_exactly(const struct snp_fixture *fixture, UINT32 setting)
{
    assert_success(set_filters(fixture, setting, ALL_BITS & ~setting));
    assert_int_equal(setting, fixture->mode->ReceiveFilterSetting);
}

static EFI_STATUS set_list(const struct snp_fixture *fixture, UINTN count, EFI_MAC_ADDRESS *list)
{
    return fixture->protocol->ReceiveFilters(fixture->protocol, MULTICAST, 0, FALSE, count, list);
}

static bool passes(const struct snp_fixture *fixture, const uint8_t *to)
{
    uint8_t frame[FRAME_MIN_BYTES];
    EFI_STATUS status;

    frame_write(frame, sizeof(frame), to, 1);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    status = receive_any(fixture);
    assert_true(status == EFI_SUCCESS || status == EFI_NOT_READY);
    return status == EFI_SUCCESS;
}

/* What a device can filter by itself. */
static const struct {
    const char *name;
    struct fake_device_options options;
} devices[] = {
    {"no CTRL_VQ", {.removed_features = VIRTIO_NET_F_CTRL_VQ}},
    {"CTRL_VQ without CTRL_RX", {.removed_features = VIRTIO_NET_F_CTRL_RX}},
    {"CTRL_RX without CTRL_RX_EXTRA", {.removed_features = VIRTIO_NET_F_CTRL_RX_EXTRA}},
    {"everything", {0}},
    {"everything, a table of one address", {.mac_table_max = 1}},
    {"a control queue without room", {.queue_size = {0, 0, 2}}},
    {"legacy", {.transport = FAKE_LEGACY}},
};

struct kind {
    const char *name;
    const uint8_t *to;
    UINT32 admitted_by; /* any of these bits */
};

/* One frame of each kind, from a device that delivers all and from one that does as it was told. */
static void check_setting(const struct snp_fixture *fixture, const char *name, UINT32 setting)
{
    const struct kind kinds[] = {
        {"to the station", fixture->mode->CurrentAddress.Addr, UNICAST | PROMISCUOUS},
        {"to another station", peer_mac, PROMISCUOUS},
        {"broadcast", broadcast_mac, BROADCAST | PROMISCUOUS},
        {"to a listed group", listed_group.Addr, MULTICAST | ALL_MULTICAST | PROMISCUOUS},
        {"to another group", other_group, ALL_MULTICAST | PROMISCUOUS},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        bool is_admitted = setting & kinds[i].admitted_by;

        if (is_admitted && !fake_device_lets_pass(fixture->device, kinds[i].to))
            fail_msg("%s: the device was told to hold back frames %s", name, kinds[i].name);
        for (unsigned filters = 0; filters < 2; filters++) {
            fake_device_filter_frames(fixture->device, filters);
            if (passes(fixture, kinds[i].to) != is_admitted)
                fail_msg("%s, setting %#x: a frame %s", name, setting, kinds[i].name);
        }
    }
}

/* holds: snp.filters.supported, snp.filters.frames, virtio.control.no_room */
static void setting_alone_decides_what_arrives_from_any_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        struct snp_fixture *fixture =
            snp_fixture_new(&devices[i].options, EfiSimpleNetworkInitialized);

        for (UINT32 setting = 0; setting <= ALL_BITS; setting++) {
            set_exactly(fixture, setting);
            check_setting(fixture, devices[i].name, setting);
        }
        snp_fixture_free(fixture);
    }
}

/* holds: snp.reset.filters */
static void setting_survives_reset_on_any_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        struct snp_fixture *fixture =
            snp_fixture_new(&devices[i].options, EfiSimpleNetworkInitialized);

        for (UINT32 setting = 0; setting <= ALL_BITS; setting++) {
            set_exactly(fixture, setting);
            assert_success(snp_reset(fixture));
            assert_int_equal(setting, fixture->mode->ReceiveFilterSetting);
            check_setting(fixture, devices[i].name, setting);
        }
        snp_fixture_free(fixture);
    }
}

static void initialize_admits_unicast_and_broadcast_on_any_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        struct snp_fixture *fixture =
            snp_fixture_new(&devices[i].options, EfiSimpleNetworkInitialized);

        check_setting(fixture, devices[i].name, UNICAST | BROADCAST);
        set_exactly(fixture, PROMISCUOUS | MULTICAST);
        assert_success(snp_shutdown(fixture));
        assert_int_equal(0, fixture->mode->ReceiveFilterSetting);
        assert_int_equal(0, fixture->mode->MCastFilterCount);
        assert_success(snp_initialize(fixture));
        check_setting(fixture, devices[i].name, UNICAST | BROADCAST);
        snp_fixture_free(fixture);
    }
}

/* The point of it all: what nobody wants costs no buffer. */
static void device_that_can_filter_holds_back_frames_for_others(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_false(fake_device_lets_pass(fixture->device, peer_mac));
    assert_false(fake_device_lets_pass(fixture->device, other_group));
    set_exactly(fixture, MULTICAST);
    assert_false(fake_device_lets_pass(fixture->device, fixture->mode->CurrentAddress.Addr));
    assert_false(fake_device_lets_pass(fixture->device, broadcast_mac));
    assert_false(fake_device_lets_pass(fixture->device, other_group));
    assert_true(fake_device_lets_pass(fixture->device, listed_group.Addr));
}

/* What Mode says, and which frames pass, is all of the old setting, whatever the new one is. */
/* holds: snp.filters.refused */
static void change_that_the_device_refuses_leaves_the_old_setting(void **state)
{
    const enum fake_device_misbehaviour answers[] = {
        FAKE_CONTROL_REFUSES, FAKE_CONTROL_ACKS_GARBAGE, FAKE_CONTROL_NEVER_ACKS};

    (void)state;
    for (UINT32 i = 0; i < ARRAY_LENGTH(answers) * 4 * (ALL_BITS + 1); i++) {
        const UINT32 settings[] = {0, UNICAST | BROADCAST, MULTICAST, UNICAST | ALL_MULTICAST};
        UINT32 before = settings[i / (ALL_BITS + 1) % 4];
        UINT32 after = i % (ALL_BITS + 1);
        struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
        EFI_MAC_ADDRESS list = {.Addr = {0x33, 0x33, 0, 0, 0, 2}};
        EFI_SIMPLE_NETWORK_MODE mode;

        set_exactly(fixture, before);
        mode = *fixture->mode;
        fake_device_fail_command(fixture->device, 1, answers[i / (ALL_BITS + 1) / 4]);
        assert_status(EFI_DEVICE_ERROR,
                      fixture->protocol->ReceiveFilters(fixture->protocol, after, ALL_BITS & ~after,
                                                        i & 1, 1, &list));
        assert_memory_equal(&mode, fixture->mode, sizeof(mode));
        check_setting(fixture, "refused", before);
        assert_success(snp_reset(fixture));
        assert_memory_equal(&mode, fixture->mode, sizeof(mode));
        set_exactly(fixture, after);
        check_setting(fixture, "refused, then reset", after);
        snp_fixture_free(fixture);
    }
}

/* holds: snp.filters.setting */
static void new_setting_is_current_or_enable_and_not_disable(void **state)
{
    struct snp_fixture *fixture = *state;

    for (UINT32 current = 0; current <= ALL_BITS; current++) {
        for (UINT32 enable = 0; enable <= ALL_BITS; enable++) {
            for (UINT32 disable = 0; disable <= ALL_BITS; disable++) {
                set_exactly(fixture, current);
                assert_success(set_filters(fixture, enable, disable));
                assert_int_equal((current | enable) & ~disable,
                                 fixture->mode->ReceiveFilterSetting);
            }
        }
    }
}

/* holds: snp.filters.mask */
static void bits_outside_the_mask_are_invalid_and_change_nothing(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_MODE before = *fixture->mode;

    for (unsigned bit = 5; bit < 32; bit++) {
        UINT32 mask = UINT32_C(1) << bit;

        assert_status(EFI_INVALID_PARAMETER, set_filters(fixture, mask, 0));
        assert_status(EFI_INVALID_PARAMETER, set_filters(fixture, 0, mask));
        assert_status(EFI_INVALID_PARAMETER, set_filters(fixture, mask | PROMISCUOUS, mask));
    }
    assert_memory_equal(&before, fixture->mode, sizeof(before));
}

/* holds: snp.filters.bad_list */
static void bad_multicast_lists_are_invalid_and_change_nothing(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS groups[LIST_MAX + 1];
    EFI_MAC_ADDRESS with_station[2] = {listed_group, {.Addr = {0x02, 0, 0, 0, 0, 1}}};
    EFI_MAC_ADDRESS zero = {.Addr = {0}};
    const struct {
        UINTN count;
        EFI_MAC_ADDRESS *list;
    } cases[] = {
        {0, NULL},
        {0, groups},
        {1, NULL},
        {LIST_MAX + 1, groups},
        {UINTPTR_MAX, groups},
        {2, with_station},
        {1, &with_station[1]},
        {1, &zero},
    };
    EFI_SIMPLE_NETWORK_MODE before;

    for (size_t i = 0; i <= LIST_MAX; i++)
        groups[i] = listed_group;
    assert_success(set_list(fixture, 1, &listed_group));
    before = *fixture->mode;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        if (set_list(fixture, cases[i].count, cases[i].list) != EFI_INVALID_PARAMETER)
            fail_msg("case %zu is accepted", i);
        assert_memory_equal(&before, fixture->mode, sizeof(before));
    }
    assert_true(passes(fixture, listed_group.Addr));
}

static void list_is_not_looked_at_when_multicast_is_not_enabled(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS *nowhere = (void *)(uintptr_t)8;

    assert_success(fixture->protocol->ReceiveFilters(fixture->protocol, UNICAST, BROADCAST, FALSE,
                                                     1000, nowhere));
    assert_success(fixture->protocol->ReceiveFilters(fixture->protocol, MULTICAST, MULTICAST, FALSE,
                                                     1000, nowhere));
    assert_int_equal(0, fixture->mode->MCastFilterCount);
}

/* holds: snp.mode.list_size */
static void list_of_the_largest_size_is_accepted_and_each_entry_passes(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS groups[LIST_MAX];

    for (size_t i = 0; i < LIST_MAX; i++) {
        groups[i] = listed_group;
        groups[i].Addr[5] = (uint8_t)(0x10 + i);
    }
    assert_success(set_list(fixture, LIST_MAX, groups));
    assert_int_equal(LIST_MAX, fixture->mode->MCastFilterCount);
    for (size_t i = 0; i < LIST_MAX; i++)
        assert_true(passes(fixture, groups[i].Addr));
    assert_false(passes(fixture, listed_group.Addr));
}

/* holds: snp.filters.mode */
static void mode_shows_the_list_as_macs_of_32_bytes(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS groups[2] = {listed_group, listed_group};

    memset(groups[0].Addr + 6, 0xee, 26);
    groups[1].Addr[5] = 9;
    assert_success(set_list(fixture, 2, groups));
    assert_int_equal(2, fixture->mode->MCastFilterCount);
    for (size_t i = 0; i < 2; i++) {
        assert_memory_equal(groups[i].Addr, fixture->mode->MCastFilter[i].Addr, 6);
        assert_true(is_zero(fixture->mode->MCastFilter[i].Addr + 6, 26));
    }
}

static void new_list_replaces_the_old_one(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_MAC_ADDRESS groups[3] = {listed_group, listed_group, listed_group};
    EFI_MAC_ADDRESS only = {.Addr = {0x33, 0x33, 0, 0, 0, 1}};

    assert_success(set_list(fixture, 3, groups));
    assert_success(set_list(fixture, 1, &only));
    assert_int_equal(1, fixture->mode->MCastFilterCount);
    assert_true(is_zero(&fixture->mode->MCastFilter[1], 2 * sizeof(EFI_MAC_ADDRESS)));
    assert_true(passes(fixture, only.Addr));
    assert_false(passes(fixture, listed_group.Addr));
}

static void list_stays_while_other_filters_change(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(set_list(fixture, 1, &listed_group));
    assert_success(
        fixture->protocol->ReceiveFilters(fixture->protocol, 0, BROADCAST, FALSE, 0, NULL));
    assert_int_equal(1, fixture->mode->MCastFilterCount);
    assert_true(passes(fixture, listed_group.Addr));
}

/* holds: snp.filters.clear_list */
static void resetting_the_list_clears_entries_and_count(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(set_list(fixture, 1, &listed_group));
    assert_success(fixture->protocol->ReceiveFilters(fixture->protocol, 0, 0, TRUE, 0, NULL));
    assert_int_equal(0, fixture->mode->MCastFilterCount);
    assert_true(is_zero(fixture->mode->MCastFilter, sizeof(fixture->mode->MCastFilter)));
    assert_false(passes(fixture, listed_group.Addr));
}

static void resetting_wins_over_a_list_in_the_same_call(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(set_list(fixture, 1, &listed_group));
    assert_success(
        fixture->protocol->ReceiveFilters(fixture->protocol, MULTICAST, 0, TRUE, 1, &listed_group));
    assert_int_equal(0, fixture->mode->MCastFilterCount);
    assert_false(passes(fixture, listed_group.Addr));
}

static void list_may_be_the_one_that_mode_shows(void **state)
{
    struct snp_fixture *fixture = *state;

    assert_success(set_list(fixture, 1, &listed_group));
    assert_success(set_list(fixture, 1, fixture->mode->MCastFilter));
    assert_int_equal(1, fixture->mode->MCastFilterCount);
    assert_memory_equal(listed_group.Addr, fixture->mode->MCastFilter[0].Addr, 6);
    assert_true(passes(fixture, listed_group.Addr));
}

static void filters_cost_no_device_access_without_a_control_queue(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_CTRL_VQ};
    struct snp_fixture *fixture = snp_fixture_new(&options, EfiSimpleNetworkInitialized);

    (void)state;
    fake_device_clear_access_counts(fixture->device);
    set_exactly(fixture, PROMISCUOUS);
    assert_int_equal(0, fake_device_access_count(fixture->device));
    snp_fixture_free(fixture);
}

static void frames_that_do_not_pass_are_counted(void **state)
{
    struct snp_fixture *fixture = *state;

    for (unsigned i = 0; i < 5; i++)
        assert_false(passes(fixture, peer_mac));
    assert_int_equal(5, fixture->snp->net.counters.rx_filtered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_alone_decides_what_arrives_from_any_device),
        cmocka_unit_test(setting_survives_reset_on_any_device),
        cmocka_unit_test(initialize_admits_unicast_and_broadcast_on_any_device),
        SNP_TEST(device_that_can_filter_holds_back_frames_for_others),
        cmocka_unit_test(change_that_the_device_refuses_leaves_the_old_setting),
        SNP_TEST(new_setting_is_current_or_enable_and_not_disable),
        SNP_TEST(bits_outside_the_mask_are_invalid_and_change_nothing),
        SNP_TEST(bad_multicast_lists_are_invalid_and_change_nothing),
        SNP_TEST(list_is_not_looked_at_when_multicast_is_not_enabled),
        SNP_TEST(list_of_the_largest_size_is_accepted_and_each_entry_passes),
        SNP_TEST(mode_shows_the_list_as_macs_of_32_bytes),
        SNP_TEST(new_list_replaces_the_old_one),
        SNP_TEST(list_stays_while_other_filters_change),
        SNP_TEST(resetting_the_list_clears_entries_and_count),
        SNP_TEST(resetting_wins_over_a_list_in_the_same_call),
        SNP_TEST(list_may_be_the_one_that_mode_shows),
        cmocka_unit_test(filters_cost_no_device_access_without_a_control_queue),
        SNP_TEST(frames_that_do_not_pass_are_counted),
    };

    return cmocka_run_group_tests_name("snp_filters", tests, NULL, NULL);
}
