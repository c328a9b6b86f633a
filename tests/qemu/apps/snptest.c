/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snptest [NIC]: the states and arguments of EFI_SIMPLE_NETWORK_PROTOCOL (UEFI 2.10, 24.1), each
 * with its exact status. "SNPTEST passed=N failed=N" at the end. Frames are snpwire's and
 * snpfilter's. */
#include "snp_check.h"

#define RESTARTS 20
#define MAC_BYTES_UNUSED (sizeof(EFI_MAC_ADDRESS) - MAC_SIZE)

static EFI_MAC_ADDRESS group_mac = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};
static uint8_t frame[FRAME_BUFFER_SIZE];

static void check_refused(const CHAR16 *when, const CHAR16 *method, EFI_STATUS expected,
                          EFI_STATUS got)
{
    CHAR16 claim[64];

    SPrint(claim, sizeof claim, L"%s_%s_is_refused", when, method);
    check_status(claim, expected, got);
}

/* Every method but Start, Stop and Initialize refuses, first with good and then with bad arguments.
 */
static void check_all_refused(const CHAR16 *when, EFI_STATUS expected)
{
    EFI_IP_ADDRESS ip = {.v4.Addr = {224, 0, 0, 251}};
    EFI_MAC_ADDRESS mac;
    EFI_NETWORK_STATISTICS statistics;
    UINTN size = sizeof statistics, frame_size = sizeof frame;
    UINT32 interrupts;
    void *buffer;

    check_refused(when, L"Reset", expected, snp->Reset(snp, FALSE));
    check_refused(when, L"Shutdown", expected, snp->Shutdown(snp));
    check_refused(when, L"ReceiveFilters", expected,
                  snp->ReceiveFilters(snp, UNICAST, 0, FALSE, 0, NULL));
    check_refused(when, L"StationAddress", expected, snp->StationAddress(snp, TRUE, NULL));
    check_refused(when, L"Statistics", expected, snp->Statistics(snp, FALSE, &size, &statistics));
    check_refused(when, L"MCastIpToMac", expected, snp->MCastIpToMac(snp, FALSE, &ip, &mac));
    check_refused(when, L"NvData", expected, snp->NvData(snp, TRUE, 0, 1, frame));
    check_refused(when, L"GetStatus", expected, snp->GetStatus(snp, &interrupts, &buffer));
    check_refused(when, L"Transmit", expected, transmit(frame, SMALLEST_FRAME));
    check_refused(when, L"Receive", expected,
                  snp->Receive(snp, NULL, &frame_size, frame, NULL, NULL, NULL));

    check_refused(when, L"ReceiveFilters_with_bad_bits", expected,
                  snp->ReceiveFilters(snp, 0x80000000, 0, FALSE, 0, NULL));
    check_refused(when, L"StationAddress_without_address", expected,
                  snp->StationAddress(snp, FALSE, NULL));
    check_refused(when, L"MCastIpToMac_without_pointers", expected,
                  snp->MCastIpToMac(snp, FALSE, NULL, NULL));
    check_refused(when, L"NvData_without_buffer", expected, snp->NvData(snp, TRUE, 0, 1, NULL));
    check_refused(when, L"GetStatus_without_outputs", expected, snp->GetStatus(snp, NULL, NULL));
    check_refused(when, L"Transmit_without_buffer", expected, transmit(NULL, SMALLEST_FRAME));
    check_refused(when, L"Receive_without_buffer", expected,
                  snp->Receive(snp, NULL, NULL, NULL, NULL, NULL, NULL));
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    size_t at = 0;

    while (at < size && bytes[at] == 0)
        at++;
    return at == size;
}

static void test_mode(void)
{
    EFI_MAC_ADDRESS broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    uint32_t wanted = UNICAST | MULTICAST | BROADCAST | PROMISCUOUS | PROMISCUOUS_MULTICAST;

    check_number(L"revision_is_1_0", EFI_SIMPLE_NETWORK_PROTOCOL_REVISION, snp->Revision);
    check_state(L"taken_nic_is_stopped", EfiSimpleNetworkStopped);
    /* holds: snp.mode.ethernet */
    check_number(L"hw_address_size_is_6", 6, mode->HwAddressSize);
    /* holds: snp.mode.ethernet */
    check_number(L"media_header_size_is_14", 14, mode->MediaHeaderSize);
    /* holds: snp.mode.ethernet */
    check_number(L"max_packet_size_is_without_header", 1500, mode->MaxPacketSize);
    /* holds: snp.mode.ethernet */
    check_number(L"if_type_is_ethernet", 1, mode->IfType);
    /* holds: snp.nvdata.none */
    check_number(L"nv_ram_size_is_0", 0, mode->NvRamSize);
    check_number(L"nv_ram_access_size_is_0", 0, mode->NvRamAccessSize);
    /* holds: snp.mode.list_size */
    check_true(L"max_mcast_filter_count_fits_the_array",
               mode->MaxMCastFilterCount <= MAX_MCAST_FILTER_CNT);
    check_number(L"mcast_filter_count_starts_at_0", 0, mode->MCastFilterCount);
    check_number(L"filter_mask_has_what_software_can_filter", wanted, mode->ReceiveFilterMask);
    check_number(L"filter_setting_is_0_when_stopped", 0, mode->ReceiveFilterSetting);
    check_bytes(L"broadcast_address_is_ff", &broadcast, &mode->BroadcastAddress, sizeof broadcast);
    check_bytes(L"current_address_is_permanent_address", &mode->PermanentAddress,
                &mode->CurrentAddress, sizeof(EFI_MAC_ADDRESS));
    check_true(L"address_is_there_and_unicast", !is_zero(mode->CurrentAddress.Addr, MAC_SIZE) &&
                                                    (mode->CurrentAddress.Addr[0] & 1) == 0);
    /* holds: snp.mode.unused_bytes */
    check_true(L"unused_address_bytes_are_0",
               is_zero(mode->CurrentAddress.Addr + MAC_SIZE, MAC_BYTES_UNUSED));
    check_true(L"media_present_is_supported", mode->MediaPresentSupported == TRUE);
    check_true(L"wait_for_packet_is_there", snp->WaitForPacket != NULL);
}

static void test_states(void)
{
    EFI_STATUS status;

    check_refused(L"stopped", L"Stop", EFI_NOT_STARTED, snp->Stop(snp));
    check_refused(L"stopped", L"Initialize", EFI_NOT_STARTED, snp->Initialize(snp, 0, 0));
    check_all_refused(L"stopped", EFI_NOT_STARTED);
    /* holds: snp.all.state */
    check_state(L"refusals_leave_it_stopped", EfiSimpleNetworkStopped);
    /* holds: snp.wait.stop */
    check_status(L"wait_for_packet_is_silent_when_stopped", EFI_NOT_READY,
                 BS->CheckEvent(snp->WaitForPacket));

    /* holds: snp.start.state */
    check_status(L"start_works", EFI_SUCCESS, snp->Start(snp));
    /* holds: snp.start.state */
    check_state(L"start_leaves_it_started", EfiSimpleNetworkStarted);
    /* holds: snp.start.twice */
    check_status(L"start_twice_is_refused", EFI_ALREADY_STARTED, snp->Start(snp));
    check_all_refused(L"started", EFI_DEVICE_ERROR);
    /* holds: snp.all.state */
    check_state(L"refusals_leave_it_started", EfiSimpleNetworkStarted);
    /* holds: snp.stop.state */
    check_status(L"stop_works", EFI_SUCCESS, snp->Stop(snp));
    /* holds: snp.stop.state */
    check_state(L"stop_leaves_it_stopped", EfiSimpleNetworkStopped);
    check_status(L"stop_twice_is_refused", EFI_NOT_STARTED, snp->Stop(snp));

    check_status(L"start_works_after_stop", EFI_SUCCESS, snp->Start(snp));
    /* holds: snp.initialize.works */
    check_status(L"initialize_works", EFI_SUCCESS, snp->Initialize(snp, 0, 0));
    check_state(L"initialize_leaves_it_initialized", EfiSimpleNetworkInitialized);
    /* holds: snp.initialize.media */
    check_true(L"initialize_refreshes_media_present", mode->MediaPresent == TRUE);
    check_status(L"initialized_start_is_refused", EFI_ALREADY_STARTED, snp->Start(snp));
    /* holds: snp.stop.initialized */
    check_status(L"initialized_stop_is_refused", EFI_DEVICE_ERROR, snp->Stop(snp));
    check_state(L"initialized_stop_changes_nothing", EfiSimpleNetworkInitialized);
    status = snp->Initialize(snp, 0, 0);
    /* holds: snp.initialize.state */
    check_true(L"initialize_is_from_started_only", EFI_ERROR(status));
    check_state(L"initialize_twice_leaves_it_initialized", EfiSimpleNetworkInitialized);
    check_status(L"shutdown_works", EFI_SUCCESS, snp->Shutdown(snp));
    /* holds: snp.shutdown.state */
    check_state(L"shutdown_leaves_it_started", EfiSimpleNetworkStarted);
    check_status(L"shutdown_twice_is_refused", EFI_DEVICE_ERROR, snp->Shutdown(snp));
    /* holds: snp.initialize.extra_buffers */
    check_status(L"initialize_accepts_extra_buffers", EFI_SUCCESS,
                 snp->Initialize(snp, 4096, 4096));
    stop();
}

static void test_restarts(void)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < RESTARTS; i++) {
        good += start();
        stop();
    }
    /* holds: snp.initialize.again */
    check_number(L"restarted_nic_has_traffic_every_time", RESTARTS, good);
}

static EFI_STATUS set_filters(uint32_t enable, uint32_t disable)
{
    return snp->ReceiveFilters(snp, enable, disable, FALSE, 0, NULL);
}

static void test_receive_filters(void)
{
    uint32_t outside = ~mode->ReceiveFilterMask & 0xff;

    check_status(L"filters_can_be_set", EFI_SUCCESS, set_filters(UNICAST | BROADCAST, 0));
    check_number(L"filters_set_are_in_the_mode", UNICAST | BROADCAST, mode->ReceiveFilterSetting);
    /* holds: snp.filters.mask */
    check_status(L"filters_enable_outside_mask_is_refused", EFI_INVALID_PARAMETER,
                 set_filters(outside, 0));
    check_status(L"filters_enable_of_bit_31_is_refused", EFI_INVALID_PARAMETER,
                 set_filters(0x80000000 | UNICAST, 0));
    /* holds: snp.filters.mask */
    check_status(L"filters_disable_outside_mask_is_refused", EFI_INVALID_PARAMETER,
                 set_filters(0, outside));
    check_number(L"refused_filters_change_nothing", UNICAST | BROADCAST,
                 mode->ReceiveFilterSetting);
    check_status(L"filters_add_to_the_current_ones", EFI_SUCCESS, set_filters(PROMISCUOUS, 0));
    check_number(L"added_filters_are_in_the_mode", UNICAST | BROADCAST | PROMISCUOUS,
                 mode->ReceiveFilterSetting);
    check_status(L"filters_can_be_disabled", EFI_SUCCESS, set_filters(0, BROADCAST | PROMISCUOUS));
    check_number(L"disabled_filters_leave_the_mode", UNICAST, mode->ReceiveFilterSetting);
    check_status(L"filters_enabled_and_disabled_at_once", EFI_SUCCESS,
                 set_filters(BROADCAST | UNICAST, UNICAST));
    /* holds: snp.filters.setting */
    check_number(L"disable_wins", BROADCAST, mode->ReceiveFilterSetting);
    check_status(L"filters_disable_of_all_works", EFI_SUCCESS,
                 set_filters(0, mode->ReceiveFilterMask));
    check_number(L"all_filters_can_be_off", 0, mode->ReceiveFilterSetting);
}

static void test_multicast_list(void)
{
    EFI_MAC_ADDRESS list[MAX_MCAST_FILTER_CNT + 1];
    EFI_MAC_ADDRESS unicast = {{0x02, 0, 0, 0, 0, 1}};
    UINTN too_many = mode->MaxMCastFilterCount + 1;

    for (size_t i = 0; i < MAX_MCAST_FILTER_CNT + 1; i++)
        list[i] = group_mac;
    /* holds: snp.filters.bad_list */
    check_status(L"multicast_with_count_0_is_refused", EFI_INVALID_PARAMETER,
                 snp->ReceiveFilters(snp, MULTICAST, 0, FALSE, 0, list));
    /* holds: snp.filters.bad_list */
    check_status(L"multicast_with_too_many_is_refused", EFI_INVALID_PARAMETER,
                 snp->ReceiveFilters(snp, MULTICAST, 0, FALSE, too_many, list));
    /* holds: snp.filters.bad_list */
    check_status(L"multicast_without_list_is_refused", EFI_INVALID_PARAMETER,
                 snp->ReceiveFilters(snp, MULTICAST, 0, FALSE, 1, NULL));
    /* holds: snp.filters.bad_list */
    check_status(L"multicast_with_unicast_address_is_refused", EFI_INVALID_PARAMETER,
                 snp->ReceiveFilters(snp, MULTICAST, 0, FALSE, 1, &unicast));
    check_number(L"refused_multicast_changes_nothing", 0,
                 mode->ReceiveFilterSetting + mode->MCastFilterCount);
    check_status(L"multicast_list_can_be_set", EFI_SUCCESS,
                 snp->ReceiveFilters(snp, MULTICAST, 0, FALSE, 1, &group_mac));
    check_number(L"multicast_count_is_in_the_mode", 1, mode->MCastFilterCount);
    /* holds: snp.filters.mode */
    check_bytes(L"multicast_list_is_in_the_mode", &group_mac, &mode->MCastFilter[0],
                sizeof group_mac);
    check_status(L"multicast_list_can_be_reset", EFI_SUCCESS,
                 snp->ReceiveFilters(snp, 0, MULTICAST, TRUE, 0, NULL));
    check_number(L"reset_empties_the_multicast_list", 0, mode->MCastFilterCount);
    (void)snp->ReceiveFilters(snp, MULTICAST, 0, FALSE, 1, &group_mac);
}

/* The setting and the list left behind by the tests above go with Shutdown. */
static void test_shutdown_clears_filters(void)
{
    (void)set_filters(UNICAST, 0);
    check_status(L"shutdown_works_with_filters_set", EFI_SUCCESS, snp->Shutdown(snp));
    /* holds: snp.shutdown.filters */
    check_number(L"shutdown_clears_the_filter_setting", 0, mode->ReceiveFilterSetting);
    /* holds: snp.shutdown.filters */
    check_number(L"shutdown_empties_the_multicast_list", 0, mode->MCastFilterCount);
    check_status(L"initialize_works_after_that", EFI_SUCCESS, snp->Initialize(snp, 0, 0));
}

static void test_reset(void)
{
    check_status(L"reset_works", EFI_SUCCESS, snp->Reset(snp, FALSE));
    check_status(L"reset_with_verification_works", EFI_SUCCESS, snp->Reset(snp, TRUE));
    check_state(L"reset_leaves_it_initialized", EfiSimpleNetworkInitialized);
}

static void test_station_address(void)
{
    EFI_MAC_ADDRESS address = {{0x02, 0, 0, 0x12, 0x34, 0x56}};

    check_number(L"mode_says_that_the_address_is_changeable", TRUE, mode->MacAddressChangeable);
    check_status(L"station_address_without_address_is_refused", EFI_INVALID_PARAMETER,
                 snp->StationAddress(snp, FALSE, NULL));
    check_bytes(L"refused_station_address_changes_nothing", &mode->PermanentAddress,
                &mode->CurrentAddress, sizeof address);
    /* holds: snp.address.any_device */
    check_status(L"station_address_can_be_set", EFI_SUCCESS,
                 snp->StationAddress(snp, FALSE, &address));
    /* holds: snp.address.mode */
    check_bytes(L"station_address_is_in_the_mode", &address, &mode->CurrentAddress, sizeof address);
    check_status(L"station_address_can_be_reset", EFI_SUCCESS,
                 snp->StationAddress(snp, TRUE, NULL));
    check_bytes(L"station_address_reset_is_in_the_mode", &mode->PermanentAddress,
                &mode->CurrentAddress, sizeof address);
    (void)snp->StationAddress(snp, FALSE, &address);
    check_status(L"station_address_reset_ignores_the_address", EFI_SUCCESS,
                 snp->StationAddress(snp, TRUE, &address));
    /* holds: snp.address.reset */
    check_bytes(L"station_address_reset_is_the_permanent_one", &mode->PermanentAddress,
                &mode->CurrentAddress, sizeof address);
}

static void test_statistics(void)
{
    static EFI_NETWORK_STATISTICS statistics;
    UINTN size = 0;

    /* holds: snp.statistics.size */
    check_status(L"statistics_of_size_0_are_too_small", EFI_BUFFER_TOO_SMALL,
                 snp->Statistics(snp, FALSE, &size, NULL));
    /* holds: snp.statistics.size */
    check_number(L"statistics_say_the_size_needed", sizeof statistics, size);
    check_status(L"statistics_can_be_reset", EFI_SUCCESS,
                 snp->Statistics(snp, TRUE, &size, &statistics));
    check_true(L"statistics_are_0_after_reset",
               is_zero((const uint8_t *)&statistics, sizeof statistics));
    /* Nothing to do, and documented so: it is done. */
    /* holds: snp.statistics.nothing */
    check_status(L"statistics_of_nothing_succeed", EFI_SUCCESS,
                 snp->Statistics(snp, FALSE, NULL, NULL));
}

static void test_multicast_ip_to_mac(void)
{
    static const EFI_IP_ADDRESS v4 = {.v4.Addr = {239, 255, 254, 253}};
    static const EFI_IP_ADDRESS v6 = {
        .v6.Addr = {0xff, 2, [11] = 1, [12] = 0xff, [13] = 0x12, [14] = 0x34, [15] = 0x56}};
    static const EFI_IP_ADDRESS unicast_v4 = {.v4.Addr = {10, 0, 2, 2}};
    static const EFI_IP_ADDRESS unicast_v6 = {.v6.Addr = {0xfe, 0x80, [15] = 1}};
    static const uint8_t mac_v4[] = {0x01, 0x00, 0x5e, 0x7f, 0xfe, 0xfd};
    static const uint8_t mac_v6[] = {0x33, 0x33, 0xff, 0x12, 0x34, 0x56};
    EFI_IP_ADDRESS ip = v4;
    EFI_MAC_ADDRESS mac;

    check_status(L"ipv4_multicast_has_a_mac", EFI_SUCCESS,
                 snp->MCastIpToMac(snp, FALSE, &ip, &mac));
    /* holds: snp.mcast_ip.ipv4 */
    check_bytes(L"ipv4_multicast_mac_has_23_bits", mac_v4, &mac, MAC_SIZE);
    check_status(L"ipv4_multicast_without_mac_is_refused", EFI_INVALID_PARAMETER,
                 snp->MCastIpToMac(snp, FALSE, &ip, NULL));
    check_status(L"ipv4_multicast_without_ip_is_refused", EFI_INVALID_PARAMETER,
                 snp->MCastIpToMac(snp, FALSE, NULL, &mac));
    ip = v6;
    check_status(L"ipv6_multicast_has_a_mac", EFI_SUCCESS, snp->MCastIpToMac(snp, TRUE, &ip, &mac));
    /* holds: snp.mcast_ip.ipv6 */
    check_bytes(L"ipv6_multicast_mac_has_32_bits", mac_v6, &mac, MAC_SIZE);
    ip = unicast_v4;
    /* holds: snp.mcast_ip.refused */
    check_status(L"ipv4_unicast_is_refused", EFI_INVALID_PARAMETER,
                 snp->MCastIpToMac(snp, FALSE, &ip, &mac));
    ip = unicast_v6;
    /* holds: snp.mcast_ip.refused */
    check_status(L"ipv6_unicast_is_refused", EFI_INVALID_PARAMETER,
                 snp->MCastIpToMac(snp, TRUE, &ip, &mac));
}

static void test_nv_data(void)
{
    EFI_STATUS status = snp->NvData(snp, TRUE, 0, 1, frame);

    /* holds: snp.nvdata.none */
    check_status(L"nv_data_without_buffer_is_refused", EFI_INVALID_PARAMETER,
                 snp->NvData(snp, TRUE, 0, 1, NULL));
    /* Any access is beyond NvRamSize 0, so either answer is to the letter. */
    check_true(L"nv_data_is_unsupported",
               status == EFI_UNSUPPORTED || status == EFI_INVALID_PARAMETER);
}

static void test_get_status_arguments(void)
{
    UINT32 interrupts = 0;
    void *buffer = frame;

    /* holds: snp.get_status.null */
    check_status(L"get_status_without_outputs_is_refused", EFI_INVALID_PARAMETER,
                 snp->GetStatus(snp, NULL, NULL));
    check_status(L"get_status_of_interrupts_works", EFI_SUCCESS,
                 snp->GetStatus(snp, &interrupts, NULL));
    check_number(L"interrupt_status_has_bits_0_to_3_only", 0, interrupts & ~UINT32_C(0xf));
    check_status(L"interrupt_status_can_be_read_again", EFI_SUCCESS,
                 snp->GetStatus(snp, &interrupts, NULL));
    /* holds: snp.get_status.interrupts */
    check_number(L"interrupt_status_clears_on_read", 0, interrupts);
    check_status(L"get_status_of_buffer_works", EFI_SUCCESS, snp->GetStatus(snp, NULL, &buffer));
    check_true(L"get_status_gives_null_when_none_was_sent", buffer == NULL);
}

static EFI_STATUS transmit_with_header(size_t header_size, size_t size, void *buffer,
                                       EFI_MAC_ADDRESS *destination, UINT16 *protocol)
{
    return snp->Transmit(snp, header_size, size, buffer, NULL, destination, protocol);
}

static void test_transmit_arguments(void)
{
    EFI_MAC_ADDRESS to = group_mac;
    UINT16 type = ETHERTYPE;
    size_t largest = mode->MaxPacketSize + HEADER_SIZE;
    void *buffer = frame;

    /* holds: snp.transmit.header_size */
    check_status(L"transmit_with_header_size_13_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(13, 60, frame, &to, &type));
    /* holds: snp.transmit.header_size */
    check_status(L"transmit_with_header_size_15_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(15, 60, frame, &to, &type));
    /* holds: snp.transmit.null */
    check_status(L"transmit_without_buffer_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(0, 60, NULL, NULL, NULL));
    check_status(L"transmit_with_header_without_buffer_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(14, 60, NULL, &to, &type));
    /* holds: snp.transmit.null */
    check_status(L"transmit_with_header_without_destination_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(14, 60, frame, NULL, &type));
    /* holds: snp.transmit.null */
    check_status(L"transmit_with_header_without_protocol_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(14, 60, frame, &to, NULL));
    /* holds: snp.transmit.too_small */
    check_status(L"transmit_below_header_size_is_too_small", EFI_BUFFER_TOO_SMALL,
                 transmit_with_header(0, 13, frame, NULL, NULL));
    check_status(L"transmit_of_nothing_is_too_small", EFI_BUFFER_TOO_SMALL,
                 transmit_with_header(14, 0, frame, &to, &type));
    /* holds: snp.transmit.too_large */
    check_status(L"transmit_above_the_largest_frame_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(0, largest + 1, frame, NULL, NULL));
    check_status(L"transmit_far_above_the_largest_frame_is_refused", EFI_INVALID_PARAMETER,
                 transmit_with_header(0, ~(size_t)0, frame, NULL, NULL));
    check_status(L"get_status_works_after_refused_transmits", EFI_SUCCESS, get_status(&buffer));
    check_true(L"refused_transmits_give_no_buffer_back", buffer == NULL);
}

static void test_receive_arguments(void)
{
    UINTN size = 0;

    drain();
    /* holds: snp.receive.null */
    check_status(L"receive_without_buffer_is_refused", EFI_INVALID_PARAMETER,
                 snp->Receive(snp, NULL, &size, NULL, NULL, NULL, NULL));
    /* holds: snp.receive.null */
    check_status(L"receive_without_size_is_refused", EFI_INVALID_PARAMETER,
                 snp->Receive(snp, NULL, NULL, frame, NULL, NULL, NULL));
    size = sizeof frame;
    /* holds: snp.receive.nothing */
    check_status(L"receive_of_nothing_is_not_ready", EFI_NOT_READY,
                 snp->Receive(snp, NULL, &size, frame, NULL, NULL, NULL));
    size = 0;
    check_status(L"receive_of_nothing_into_size_0_is_not_ready", EFI_NOT_READY,
                 snp->Receive(snp, NULL, &size, frame, NULL, NULL, NULL));
}

static void test_snp(void)
{
    test_mode();
    test_states();
    test_restarts();
    check_true(L"initialized_nic_reaches_the_peer", start());
    test_get_status_arguments();
    test_transmit_arguments();
    test_receive_arguments();
    test_receive_filters();
    test_multicast_list();
    test_shutdown_clears_filters();
    test_multicast_ip_to_mac();
    test_nv_data();
    test_reset();
    test_station_address();
    test_statistics();
    stop();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return run_checks(image, table, L"SNPTEST", test_snp);
}
