/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * McastIpToMac and Groups.
 */
#include "mnp_fixture.h"

#define MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST
#define ALL_MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST
#define SNP_GROUPS 16u /* MaxMCastFilterCount */

static EFI_MAC_ADDRESS group_number(unsigned number)
{
    return (EFI_MAC_ADDRESS){
        .Addr = {0x01, 0x00, 0x5e, 0, (uint8_t)(number >> 8), (uint8_t)number}};
}

static EFI_STATUS join(const struct mnp_child *child, unsigned number)
{
    EFI_MAC_ADDRESS group = group_number(number);

    return child->mnp->Groups(child->mnp, TRUE, &group);
}

static EFI_STATUS leave(const struct mnp_child *child, unsigned number)
{
    EFI_MAC_ADDRESS group = group_number(number);

    return child->mnp->Groups(child->mnp, FALSE, &group);
}

static EFI_STATUS leave_all(const struct mnp_child *child)
{
    return child->mnp->Groups(child->mnp, FALSE, NULL);
}

static UINT32 setting(const struct mnp_fixture *fixture)
{
    return fixture->snp->Mode->ReceiveFilterSetting & (MULTICAST | ALL_MULTICAST);
}

static bool snp_has(const struct mnp_fixture *fixture, unsigned number)
{
    const EFI_SIMPLE_NETWORK_MODE *mode = fixture->snp->Mode;
    EFI_MAC_ADDRESS group = group_number(number);

    for (unsigned i = 0; i < mode->MCastFilterCount; i++)
        if (memcmp(mode->MCastFilter[i].Addr, group.Addr, 6) == 0)
            return true;
    return false;
}

static void assert_snp_has(const struct mnp_fixture *fixture, unsigned count)
{
    assert_int_equal(count ? MULTICAST : 0, setting(fixture));
    assert_int_equal(count, fixture->snp->Mode->MCastFilterCount);
}

/* holds: mnp.mcast.arguments */
static void mcast_ip_to_mac_checks_its_arguments_before_the_state(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_IP_ADDRESS group = {.v4.Addr = {224, 0, 0, 1}};
    EFI_IP_ADDRESS host = {.v4.Addr = {192, 168, 0, 1}};
    EFI_MAC_ADDRESS mac;

    for (unsigned i = 0; i < 2; i++) {
        assert_status(EFI_INVALID_PARAMETER, child.mnp->McastIpToMac(NULL, FALSE, &group, &mac));
        assert_status(EFI_INVALID_PARAMETER, child.mnp->McastIpToMac(child.mnp, FALSE, NULL, &mac));
        assert_status(EFI_INVALID_PARAMETER,
                      child.mnp->McastIpToMac(child.mnp, FALSE, &group, NULL));
        assert_status(EFI_INVALID_PARAMETER,
                      child.mnp->McastIpToMac(child.mnp, FALSE, &host, &mac));
        assert_status(EFI_INVALID_PARAMETER,
                      child.mnp->McastIpToMac(child.mnp, TRUE, &group, &mac));
        assert_status(i == 0 ? EFI_NOT_STARTED : EFI_SUCCESS,
                      child.mnp->McastIpToMac(child.mnp, FALSE, &group, &mac));
        assert_success(configure(&child, &plain_config));
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.mcast.mapping */
static void mcast_ip_to_mac_maps_as_the_standards_say(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    const struct {
        bool is_ipv6;
        EFI_STATUS status;
        uint8_t ip[16];
        uint8_t mac[6];
    } cases[] = {
        {false, EFI_SUCCESS, {224, 0, 0, 1}, {1, 0, 0x5e, 0, 0, 1}},
        {false, EFI_SUCCESS, {239, 255, 254, 253}, {1, 0, 0x5e, 0x7f, 254, 253}},
        {false, EFI_SUCCESS, {230, 128, 3, 4}, {1, 0, 0x5e, 0, 3, 4}},
        {false, EFI_INVALID_PARAMETER, {223, 255, 255, 255}, {0}},
        {false, EFI_INVALID_PARAMETER, {240, 0, 0, 0}, {0}},
        {false, EFI_INVALID_PARAMETER, {255, 255, 255, 255}, {0}},
        {true,
         EFI_SUCCESS,
         {0xff, 2, [12] = 0xff, 0x11, 0x22, 0x33},
         {0x33, 0x33, 0xff, 0x11, 0x22, 0x33}},
        {true, EFI_SUCCESS, {0xff, 5, [12] = 1, 2, 3, 4}, {0x33, 0x33, 1, 2, 3, 4}},
        {true, EFI_INVALID_PARAMETER, {0xfe, 0x80, [15] = 1}, {0}},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        EFI_IP_ADDRESS ip;
        EFI_MAC_ADDRESS mac;
        EFI_MAC_ADDRESS expected = {0};
        EFI_STATUS status;

        memset(&mac, 0xa5, sizeof(mac));
        memcpy(&ip, cases[i].ip, sizeof(ip));
        memcpy(expected.Addr, cases[i].mac, 6);
        status = child.mnp->McastIpToMac(child.mnp, cases[i].is_ipv6, &ip, &mac);
        if (status != cases[i].status)
            fail_msg("case %zu answers %#llx", i, (unsigned long long)status);
        if (!EFI_ERROR(status))
            assert_memory_equal(&expected, &mac, sizeof(mac));
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.groups.arguments */
static void groups_checks_its_arguments(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_MAC_ADDRESS group = group_number(1);
    EFI_MAC_ADDRESS unicast = {.Addr = {0x02, 1, 2, 3, 4, 5}};
    EFI_MAC_ADDRESS broadcast = {.Addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(NULL, TRUE, &group));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(child.mnp, TRUE, NULL));
    assert_status(EFI_NOT_STARTED, child.mnp->Groups(child.mnp, TRUE, &group));
    assert_status(EFI_NOT_STARTED, child.mnp->Groups(child.mnp, FALSE, NULL));

    config.EnableMulticastReceive = FALSE;
    assert_success(configure(&child, &config));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(child.mnp, TRUE, &group));

    assert_success(configure(&child, &plain_config));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(NULL, FALSE, NULL));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(child.mnp, TRUE, NULL));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(child.mnp, TRUE, &unicast));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(child.mnp, FALSE, &unicast));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Groups(child.mnp, TRUE, &broadcast));
    assert_snp_has(fixture, 0);
    child_destroy(fixture, &child);
}

/* holds: mnp.groups.join, mnp.groups.leave */
static void group_is_joined_once_and_left_once(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);

    assert_snp_has(fixture, 0);
    assert_status(EFI_NOT_FOUND, leave(&child, 1));
    assert_success(join(&child, 1));
    assert_snp_has(fixture, 1);
    assert_true(snp_has(fixture, 1));
    assert_status(EFI_ALREADY_STARTED, join(&child, 1));
    assert_status(EFI_NOT_FOUND, leave(&child, 2));
    assert_success(join(&child, 2));
    assert_snp_has(fixture, 2);
    assert_success(leave(&child, 1));
    assert_snp_has(fixture, 1);
    assert_true(snp_has(fixture, 2));
    assert_status(EFI_NOT_FOUND, leave(&child, 1));
    assert_success(leave(&child, 2));
    assert_snp_has(fixture, 0);
    child_destroy(fixture, &child);
}

/* holds: mnp.groups.leave */
static void all_groups_are_left_together(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);

    assert_success(leave_all(&child)); /* none */
    for (unsigned i = 0; i < 5; i++)
        assert_success(join(&child, i));
    assert_snp_has(fixture, 5);
    assert_success(leave_all(&child));
    assert_snp_has(fixture, 0);
    assert_success(join(&child, 0));
    assert_snp_has(fixture, 1);
    child_destroy(fixture, &child);
}

/* holds: mnp.groups.counted */
static void group_lasts_until_its_last_child_leaves_it(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child first = child_for(fixture, 0);
    struct mnp_child second = child_for(fixture, 0);

    assert_success(join(&first, 1));
    assert_success(join(&second, 1));
    assert_success(join(&second, 2));
    assert_snp_has(fixture, 2);
    assert_success(leave(&first, 1));
    assert_snp_has(fixture, 2);
    assert_status(EFI_NOT_FOUND, leave(&first, 2));
    assert_success(leave_all(&second));
    assert_snp_has(fixture, 0);
    child_destroy(fixture, &first);
    child_destroy(fixture, &second);
}

/* holds: mnp.groups.counted */
static void group_ends_with_its_child(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_MANAGED_NETWORK_CONFIG_DATA deaf = plain_config;
    struct mnp_child stays = child_for(fixture, 0);
    struct mnp_child child = child_for(fixture, 0);

    assert_success(join(&child, 1));
    assert_success(configure(&child, NULL));
    assert_snp_has(fixture, 0);
    assert_success(configure(&child, &plain_config));
    assert_snp_has(fixture, 0);

    assert_success(join(&child, 1));
    deaf.EnableMulticastReceive = FALSE;
    assert_success(configure(&child, &deaf));
    assert_snp_has(fixture, 0);
    assert_success(configure(&child, &plain_config));
    assert_success(join(&child, 1)); /* forgotten, so not joined yet */
    assert_success(configure(&child, &plain_config));
    assert_snp_has(fixture, 1); /* the same configuration keeps it */

    child_destroy(fixture, &child);
    assert_snp_has(fixture, 0);
    child_destroy(fixture, &stays);
}

/* holds: mnp.groups.frames */
static void child_gets_the_frames_of_its_own_groups(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child first = child_for(fixture, 0);
    struct mnp_child second = child_for(fixture, 0);
    EFI_MAC_ADDRESS group = group_number(1);
    EFI_MAC_ADDRESS foreign = group_number(3);

    assert_success(join(&first, 1));
    assert_success(join(&second, 2));
    deliver_to(fixture, foreign.Addr, IPV4, 1);
    deliver_to(fixture, group.Addr, IPV4, 2);
    assert_gets(fixture, &first, group.Addr, IPV4, 2);
    assert_gets_nothing(&first);
    assert_gets_nothing(&second);
    child_destroy(fixture, &first);
    child_destroy(fixture, &second);
}

/* holds: mnp.groups.many */
static void more_groups_than_snp_has_room_for_let_all_multicast_in(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child first = child_for(fixture, 0);
    struct mnp_child second = child_for(fixture, 0);
    EFI_MAC_ADDRESS joined = group_number(20);
    EFI_MAC_ADDRESS foreign = group_number(300);

    for (unsigned i = 0; i < SNP_GROUPS; i++)
        assert_success(join(i % 2 ? &first : &second, i));
    assert_snp_has(fixture, SNP_GROUPS);
    assert_status(EFI_ALREADY_STARTED, join(&first, 3));
    assert_success(join(&first, 2)); /* one that `second` has: no further address */
    assert_snp_has(fixture, SNP_GROUPS);

    for (unsigned i = SNP_GROUPS; i < 40; i++)
        assert_success(join(&first, i));
    assert_int_equal(ALL_MULTICAST, setting(fixture) & ALL_MULTICAST);
    deliver_to(fixture, foreign.Addr, IPV4, 1);
    deliver_to(fixture, joined.Addr, IPV4, 2);
    assert_gets(fixture, &first, joined.Addr, IPV4, 2);
    assert_gets_nothing(&first);
    assert_gets_nothing(&second);

    for (unsigned i = SNP_GROUPS; i < 40; i++)
        assert_success(leave(&first, i));
    assert_snp_has(fixture, SNP_GROUPS);
    for (unsigned i = 0; i < SNP_GROUPS; i++)
        assert_true(snp_has(fixture, i));
    child_destroy(fixture, &first);
    child_destroy(fixture, &second);
}

/* holds: mnp.groups.refused */
static void group_that_the_device_refuses_is_not_joined(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    EFI_STATUS status;

    assert_success(join(&child, 1));
    fake_device_misbehave(fixture->device, FAKE_CONTROL_REFUSES);
    status = join(&child, 2);
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    if (EFI_ERROR(status))
        assert_status(EFI_NOT_FOUND, leave(&child, 2));
    else /* the filter is in software then */
        assert_success(leave(&child, 2));
    assert_status(EFI_ALREADY_STARTED, join(&child, 1));
    assert_snp_has(fixture, 1);
    child_destroy(fixture, &child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(mcast_ip_to_mac_checks_its_arguments_before_the_state),
        MNP_TEST(mcast_ip_to_mac_maps_as_the_standards_say),
        MNP_TEST(groups_checks_its_arguments),
        MNP_TEST(group_is_joined_once_and_left_once),
        MNP_TEST(all_groups_are_left_together),
        MNP_TEST(group_lasts_until_its_last_child_leaves_it),
        MNP_TEST(group_ends_with_its_child),
        MNP_TEST(child_gets_the_frames_of_its_own_groups),
        MNP_TEST(more_groups_than_snp_has_room_for_let_all_multicast_in),
        MNP_TEST(group_that_the_device_refuses_is_not_joined),
    };

    return cmocka_run_group_tests_name("mnp_groups", tests, NULL, NULL);
}
