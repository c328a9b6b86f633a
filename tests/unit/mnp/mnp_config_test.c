/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * GetModeData and Configure: parameters, statuses, states, and what becomes of SNP.
 */
#include "mnp_fixture.h"

#define UNICAST EFI_SIMPLE_NETWORK_RECEIVE_UNICAST
#define BROADCAST EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST
#define PROMISCUOUS EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS

static const EFI_MANAGED_NETWORK_CONFIG_DATA startup_config = {
    .ReceivedQueueTimeoutValue = 10000000,
    .TransmitQueueTimeoutValue = 10000000,
};

static void assert_config(const EFI_MANAGED_NETWORK_CONFIG_DATA *expected,
                          const EFI_MANAGED_NETWORK_CONFIG_DATA *actual)
{
    assert_int_equal(expected->ReceivedQueueTimeoutValue, actual->ReceivedQueueTimeoutValue);
    assert_int_equal(expected->TransmitQueueTimeoutValue, actual->TransmitQueueTimeoutValue);
    assert_int_equal(expected->ProtocolTypeFilter, actual->ProtocolTypeFilter);
    assert_int_equal(expected->EnableUnicastReceive, actual->EnableUnicastReceive);
    assert_int_equal(expected->EnableMulticastReceive, actual->EnableMulticastReceive);
    assert_int_equal(expected->EnableBroadcastReceive, actual->EnableBroadcastReceive);
    assert_int_equal(expected->EnablePromiscuousReceive, actual->EnablePromiscuousReceive);
    assert_int_equal(expected->FlushQueuesOnReset, actual->FlushQueuesOnReset);
    assert_int_equal(expected->EnableReceiveTimestamps, actual->EnableReceiveTimestamps);
    assert_int_equal(expected->DisableBackgroundPolling, actual->DisableBackgroundPolling);
}

/* What the child says of itself. */
static void assert_child_has(const struct mnp_child *child, EFI_STATUS status,
                             const EFI_MANAGED_NETWORK_CONFIG_DATA *config)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA actual;

    memset(&actual, 0xa5, sizeof(actual));
    assert_status(status, child->mnp->GetModeData(child->mnp, &actual, NULL));
    assert_config(config, &actual);
}

/* holds: mnp.mode.this, mnp.configure.this */
static void functions_without_this_refuse(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    EFI_SIMPLE_NETWORK_MODE mode;

    assert_status(EFI_INVALID_PARAMETER, child.mnp->GetModeData(NULL, &config, &mode));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Configure(NULL, &config));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Configure(NULL, NULL));
    child_destroy(fixture, &child);
}

/* holds: mnp.mode.default */
static void child_begins_with_the_startup_defaults(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);

    assert_child_has(&child, EFI_NOT_STARTED, &startup_config);
    assert_status(EFI_NOT_STARTED, state_of(&child));
    child_destroy(fixture, &child);
}

/* holds: mnp.mode.config */
static void configuration_reads_back_as_it_was_set(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = {1,    2,    0x1234, TRUE,  FALSE,
                                              TRUE, TRUE, TRUE,   FALSE, TRUE};

    assert_success(configure(&child, &config));
    assert_child_has(&child, EFI_SUCCESS, &config);
    config = (EFI_MANAGED_NETWORK_CONFIG_DATA){.EnableMulticastReceive = TRUE};
    assert_success(configure(&child, &config));
    assert_child_has(&child, EFI_SUCCESS, &config);
    assert_success(state_of(&child));
    child_destroy(fixture, &child);
}

/* holds: mnp.mode.snp */
static void mode_is_that_of_snp_and_fresh(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_SIMPLE_NETWORK_MODE mode;

    assert_status(EFI_NOT_STARTED, child.mnp->GetModeData(child.mnp, NULL, &mode));
    assert_int_equal(EfiSimpleNetworkStopped, mode.State);
    assert_memory_equal(fixture->snp->Mode, &mode, sizeof(mode));

    assert_success(configure(&child, &plain_config));
    assert_success(child.mnp->GetModeData(child.mnp, NULL, &mode));
    assert_int_equal(EfiSimpleNetworkInitialized, mode.State);
    assert_int_equal(1500, mode.MaxPacketSize);
    assert_true(mode.MediaPresent);
    assert_memory_equal(fixture->snp->Mode, &mode, sizeof(mode));

    fake_device_set_link(fixture->device, false);
    fake_firmware_advance_us(fixture->firmware, 100000);
    assert_success(child.mnp->GetModeData(child.mnp, NULL, &mode));
    assert_false(mode.MediaPresent);
    child_destroy(fixture, &child);
}

/* holds: mnp.configure.ethertype */
static void lengths_are_no_ethertypes(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    const struct {
        UINT16 ethertype;
        EFI_STATUS status;
    } cases[] = {
        {0, EFI_SUCCESS},
        {1, EFI_INVALID_PARAMETER},
        {2, EFI_INVALID_PARAMETER},
        {1499, EFI_INVALID_PARAMETER},
        {1500, EFI_INVALID_PARAMETER},
        {1501, EFI_SUCCESS},
        {0x0600, EFI_SUCCESS},
        {0x0800, EFI_SUCCESS},
        {0xffff, EFI_SUCCESS},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        EFI_STATUS status;

        assert_success(configure(&child, NULL));
        config.ProtocolTypeFilter = cases[i].ethertype;
        status = configure(&child, &config);
        if (status != cases[i].status)
            fail_msg("%u answers %#llx", cases[i].ethertype, (unsigned long long)status);
        assert_child_has(&child, EFI_ERROR(status) ? EFI_NOT_STARTED : EFI_SUCCESS,
                         EFI_ERROR(status) ? &startup_config : &config);
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.configure.unchanged, mnp.configure.timestamps */
static void refused_configuration_changes_nothing(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, IPV4);
    EFI_MANAGED_NETWORK_CONFIG_DATA before = plain_config;
    EFI_MANAGED_NETWORK_CONFIG_DATA config = {.EnablePromiscuousReceive = TRUE};
    UINT32 filters = fixture->snp->Mode->ReceiveFilterSetting;

    before.ProtocolTypeFilter = IPV4;
    config.EnableReceiveTimestamps = TRUE;
    assert_status(EFI_UNSUPPORTED, configure(&child, &config));
    assert_child_has(&child, EFI_SUCCESS, &before);
    config.EnableReceiveTimestamps = FALSE;
    config.ProtocolTypeFilter = 1500;
    assert_status(EFI_INVALID_PARAMETER, configure(&child, &config));
    assert_child_has(&child, EFI_SUCCESS, &before);
    assert_int_equal(filters, fixture->snp->Mode->ReceiveFilterSetting);
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
}

/* holds: mnp.configure.timestamps */
static void timestamps_leave_an_unconfigured_child_unconfigured(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    config.EnableReceiveTimestamps = TRUE;
    assert_status(EFI_UNSUPPORTED, configure(&child, &config));
    assert_child_has(&child, EFI_NOT_STARTED, &startup_config);
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
    child_destroy(fixture, &child);
}

/* holds: mnp.configure.reset */
static void reset_gives_the_defaults_back(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);

    assert_success(configure(&child, NULL)); /* of one that has them */
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
    for (unsigned i = 0; i < 3; i++) {
        assert_success(configure(&child, &plain_config));
        assert_child_has(&child, EFI_SUCCESS, &plain_config);
        assert_traffic_flows(fixture, &child);
        assert_success(configure(&child, NULL));
        assert_child_has(&child, EFI_NOT_STARTED, &startup_config);
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.configure.first, mnp.configure.last */
static void first_configured_child_starts_snp_and_the_last_stops_it(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child first = child_new(fixture);
    struct mnp_child second = child_new(fixture);
    unsigned resets;

    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
    assert_false(fake_device_is_live(fixture->device));
    assert_success(configure(&first, &plain_config));
    assert_int_equal(EfiSimpleNetworkInitialized, fixture->snp->Mode->State);
    assert_true(fake_device_is_live(fixture->device));

    resets = fake_device_reset_count(fixture->device);
    assert_success(configure(&second, &plain_config));
    assert_success(configure(&first, &plain_config)); /* again */
    assert_success(configure(&first, NULL));
    assert_int_equal(EfiSimpleNetworkInitialized, fixture->snp->Mode->State);
    assert_int_equal(resets, fake_device_reset_count(fixture->device));
    assert_traffic_flows(fixture, &second);

    assert_success(configure(&second, NULL));
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
    assert_false(fake_device_is_live(fixture->device));
    child_destroy(fixture, &first);
    child_destroy(fixture, &second);
}

/* holds: mnp.configure.last */
static void destroyed_child_counts_as_unconfigured(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child first = child_for(fixture, IPV4);
    struct mnp_child second = child_for(fixture, ARP);

    child_destroy(fixture, &first);
    assert_int_equal(EfiSimpleNetworkInitialized, fixture->snp->Mode->State);
    child_destroy(fixture, &second);
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
}

/* holds: mnp.configure.failure */
static void child_of_a_device_that_does_not_start_has_the_defaults(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);

    fake_device_misbehave(fixture->device, FAKE_RESET_NEVER_SETTLES);
    assert_true(EFI_ERROR(configure(&child, &plain_config)));
    assert_child_has(&child, EFI_NOT_STARTED, &startup_config);
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
    assert_status(EFI_NOT_STARTED, poll(&child));

    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(configure(&child, &plain_config));
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
}

static EFI_MANAGED_NETWORK_CONFIG_DATA config_of(UINT32 filters)
{
    return (EFI_MANAGED_NETWORK_CONFIG_DATA){
        .EnableUnicastReceive = (filters & UNICAST) != 0,
        .EnableBroadcastReceive = (filters & BROADCAST) != 0,
        .EnablePromiscuousReceive = (filters & PROMISCUOUS) != 0,
        .DisableBackgroundPolling = TRUE,
    };
}

/* holds: mnp.configure.taken */
static void snp_that_somebody_shut_down_comes_back_with_the_next_configuration(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = fixture->snp;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;
    uint8_t frame[FRAME_MIN] = {0};

    for (unsigned i = 0; i < 3; i++) {
        assert_success(snp->Shutdown(snp));
        if (i > 0)
            assert_success(snp->Stop(snp));
        assert_true(EFI_ERROR(poll(&child)));
        token_init(&token);
        token_for_frame(&token, frame, sizeof(frame));
        assert_success(transmit(&child, &token));
        assert_int_equal(1, token.signals);
        assert_true(EFI_ERROR(token.token.Status));
        token_fini(&token);
        if (i == 2)
            assert_success(configure(&child, NULL));
        assert_success(configure(&child, &plain_config));
        assert_traffic_flows(fixture, &child);
    }
    child_destroy(fixture, &child);
    assert_int_equal(EfiSimpleNetworkStopped, snp->Mode->State);
}

/* holds: mnp.configure.taken */
static void snp_that_somebody_left_running_is_taken_as_it_is(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = fixture->snp;
    struct mnp_child child = child_new(fixture);

    for (unsigned i = 0; i < 2; i++) {
        assert_success(snp->Start(snp));
        if (i > 0)
            assert_success(snp->Initialize(snp, 0, 0));
        assert_success(configure(&child, &plain_config));
        assert_traffic_flows(fixture, &child);
        assert_success(configure(&child, NULL));
        assert_int_equal(EfiSimpleNetworkStopped, snp->Mode->State);
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.filters.union */
static void filters_of_snp_are_the_union_over_the_children(void **state)
{
    struct mnp_fixture *fixture = *state;
    const UINT32 bits[] = {UNICAST, BROADCAST, PROMISCUOUS};
    struct mnp_child first = child_new(fixture);
    struct mnp_child second = child_new(fixture);

    for (unsigned i = 0; i < 64; i++) {
        EFI_MANAGED_NETWORK_CONFIG_DATA config;
        UINT32 wanted[2] = {0, 0};

        for (unsigned bit = 0; bit < 6; bit++)
            if (i & 1u << bit)
                wanted[bit / 3] |= bits[bit % 3];
        config = config_of(wanted[0]);
        assert_success(configure(&first, &config));
        config = config_of(wanted[1]);
        assert_success(configure(&second, &config));
        assert_int_equal(wanted[0] | wanted[1], fixture->snp->Mode->ReceiveFilterSetting);
        assert_success(configure(&first, NULL));
        assert_int_equal(wanted[1], fixture->snp->Mode->ReceiveFilterSetting);
    }
    child_destroy(fixture, &first);
    child_destroy(fixture, &second);
}

/* holds: mnp.all.tpl */
static void functions_work_at_tpl_callback_and_leave_it(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_TPL tpl = BS->RaiseTPL(TPL_CALLBACK);
    struct mnp_child child = child_new(fixture);

    assert_success(configure(&child, &plain_config));
    assert_traffic_flows(fixture, &child);
    assert_status(EFI_NOT_READY, poll(&child));
    assert_success(cancel(&child, NULL));
    assert_success(child.mnp->Groups(child.mnp, FALSE, NULL));
    assert_success(state_of(&child));
    assert_success(configure(&child, NULL));
    child_destroy(fixture, &child);
    assert_int_equal(TPL_CALLBACK, fake_firmware_tpl(fixture->firmware));
    BS->RestoreTPL(tpl);
}

/* holds: mnp.all.tpl */
static void functions_raise_the_tpl_to_callback(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    EFI_IP_ADDRESS ip = {.v4.Addr = {224, 0, 0, 1}};
    struct mnp_token token;
    uint8_t frame[FRAME_MIN] = {0};
    EFI_MAC_ADDRESS mac;
    unsigned raised;

    token_init(&token);
    for (unsigned i = 0; i < 8; i++) {
        raised = fake_firmware_tpl_raise_count(fixture->firmware);
        switch (i) {
        case 0:
            assert_success(state_of(&child));
            break;
        case 1:
            assert_success(child.mnp->McastIpToMac(child.mnp, FALSE, &ip, &mac));
            break;
        case 2:
            assert_status(EFI_NOT_FOUND, child.mnp->Groups(child.mnp, FALSE, &mac));
            break;
        case 3:
            assert_success(receive(&child, &token));
            break;
        case 4:
            assert_success(cancel(&child, &token));
            break;
        case 5:
            assert_status(EFI_NOT_READY, poll(&child));
            break;
        case 6:
            token_for_frame(&token, frame, sizeof(frame));
            assert_success(transmit(&child, &token));
            break;
        default:
            assert_success(configure(&child, NULL));
            break;
        }
        assert_true(fake_firmware_tpl_raise_count(fixture->firmware) > raised);
        assert_int_equal(TPL_APPLICATION, fake_firmware_tpl(fixture->firmware));
    }
    token_fini(&token);
    child_destroy(fixture, &child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(functions_without_this_refuse),
        MNP_TEST(child_begins_with_the_startup_defaults),
        MNP_TEST(configuration_reads_back_as_it_was_set),
        MNP_TEST(mode_is_that_of_snp_and_fresh),
        MNP_TEST(lengths_are_no_ethertypes),
        MNP_TEST(refused_configuration_changes_nothing),
        MNP_TEST(timestamps_leave_an_unconfigured_child_unconfigured),
        MNP_TEST(reset_gives_the_defaults_back),
        MNP_TEST(first_configured_child_starts_snp_and_the_last_stops_it),
        MNP_TEST(destroyed_child_counts_as_unconfigured),
        MNP_TEST(child_of_a_device_that_does_not_start_has_the_defaults),
        MNP_TEST(snp_that_somebody_shut_down_comes_back_with_the_next_configuration),
        MNP_TEST(snp_that_somebody_left_running_is_taken_as_it_is),
        MNP_TEST(filters_of_snp_are_the_union_over_the_children),
        MNP_TEST(functions_raise_the_tpl_to_callback),
        MNP_TEST(functions_work_at_tpl_callback_and_leave_it),
    };

    return cmocka_run_group_tests_name("mnp_config", tests, NULL, NULL);
}
