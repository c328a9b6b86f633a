/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpfilter [NIC]: which frames EFI_SIMPLE_NETWORK_PROTOCOL (UEFI 2.10, 24.1) admits and counts
 * under which setting and address, and what Reset keeps. wire/peer.py sends the frames, one of each
 * kind; the outcome may not depend on what the device can filter itself. One line "STATION
 * changeable=N", and "SNPFILTER passed=N failed=N" at the end. */
#include "snp_check.h"

#define SETTINGS 32 /* all combinations of the five bits */
#define LIST_MAX 16
#define KINDS_MAX (LIST_MAX + 1)
#define STALE (UINT32_C(1) << 31)
#define JUST_TOO_LARGE 1520 /* above the MTU with a VLAN tag, but it fits a receive buffer */

enum { TO_US = 1, TO_OTHER = 2, TO_BROADCAST = 4, TO_GROUP = 8, TO_OTHER_GROUP = 16 };

static EFI_MAC_ADDRESS other_mac = {{0x02, 0x00, 0x5e, 0x10, 0x00, 0x77}};
static EFI_MAC_ADDRESS new_mac = {{0x02, 0x00, 0x00, 0x12, 0x34, 0x56}};
static EFI_MAC_ADDRESS group_mac = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};
static EFI_MAC_ADDRESS other_group_mac = {{0x33, 0x33, 0x00, 0x00, 0x00, 0xfb}};
static EFI_MAC_ADDRESS broadcast_mac = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static EFI_MAC_ADDRESS groups[KINDS_MAX];
static uint8_t tx_buffer[FRAME_BUFFER_SIZE];
static uint32_t generation; /* of the frames sent; those of an earlier one do not count */

static void inject_kinds(const EFI_MAC_ADDRESS *const *kinds, size_t count, uint32_t which)
{
    for (uint32_t i = 0; i < count; i++)
        if ((which >> i & 1) != 0)
            (void)inject(kinds[i], generation << 8 | i, 0);
}

/* Record the frame in rx_buffer, if it is of this generation. */
static uint32_t kind_received(const EFI_MAC_ADDRESS *const *kinds)
{
    uint32_t number = get_be32(rx_buffer + 16);
    uint32_t kind = number & 0xff;

    if (number >> 8 != generation)
        return 0;
    return CompareMem(rx_buffer, kinds[kind], MAC_SIZE) == 0 ? UINT32_C(1) << kind : STALE;
}

/* Make the peer send one frame to each address; returns a bit for each one that arrives. The
 * `wanted` ones come last: once they have arrived, all others had their chance. */
static uint32_t kinds_received(const EFI_MAC_ADDRESS *const *kinds, size_t count, uint32_t wanted)
{
    uint32_t received = 0;
    uint64_t began_ms;
    size_t size;

    drain();
    generation++;
    inject_kinds(kinds, count, ~wanted);
    inject_kinds(kinds, count, wanted);
    began_ms = clock_ms();
    while (clock_ms() - began_ms < (wanted == 0 ? QUIET_MS : WAIT_MS)) {
        if (await_frame(DATA, 0) != 0)
            received |= kind_received(kinds);
        if (wanted != 0 && (received & wanted) == wanted)
            break;
    }
    while (!EFI_ERROR(receive(&size)))
        if (is_ours(rx_buffer, size, DATA))
            received |= kind_received(kinds);
    return received;
}

static void check_kinds(const CHAR16 *claim, const EFI_MAC_ADDRESS *ours, uint32_t wanted)
{
    const EFI_MAC_ADDRESS *const kinds[] = {ours, &other_mac, &broadcast_mac, &group_mac,
                                            &other_group_mac};

    check_number(claim, wanted, kinds_received(kinds, sizeof kinds / sizeof kinds[0], wanted));
}

static EFI_STATUS set_filters(uint32_t setting, size_t count, EFI_MAC_ADDRESS *list)
{
    return snp->ReceiveFilters(snp, setting, mode->ReceiveFilterMask & ~setting, count == 0, count,
                               count == 0 ? NULL : list);
}

static uint32_t kinds_of_setting(uint32_t setting)
{
    uint32_t kinds = 0;

    if ((setting & PROMISCUOUS) != 0)
        return TO_US | TO_OTHER | TO_BROADCAST | TO_GROUP | TO_OTHER_GROUP;
    if ((setting & UNICAST) != 0)
        kinds |= TO_US;
    if ((setting & BROADCAST) != 0)
        kinds |= TO_BROADCAST;
    if ((setting & MULTICAST) != 0)
        kinds |= TO_GROUP;
    if ((setting & PROMISCUOUS_MULTICAST) != 0)
        kinds |= TO_GROUP | TO_OTHER_GROUP;
    return kinds;
}

static void test_every_setting(void)
{
    for (uint32_t setting = 0; setting < SETTINGS; setting++) {
        CHAR16 claim[64];
        bool has_list = (setting & MULTICAST) != 0;
        EFI_STATUS status = set_filters(setting, has_list, &group_mac);

        SPrint(claim, sizeof claim, L"setting_0x%02x_admits_what_it_says", setting);
        if (EFI_ERROR(status))
            check_status(claim, EFI_SUCCESS, status);
        else
            check_kinds(claim, &mode->CurrentAddress, kinds_of_setting(setting));
    }
}

/* A full list, one address beside it; then a list of one; then none. */
static void test_multicast_list(void)
{
    const EFI_MAC_ADDRESS *kinds[KINDS_MAX];
    uint32_t all = (UINT32_C(1) << LIST_MAX) - 1;

    for (uint8_t i = 0; i < KINDS_MAX; i++) {
        groups[i] = (EFI_MAC_ADDRESS){{0x01, 0x00, 0x5e, 0x40, 0x00, i}};
        kinds[i] = &groups[i];
    }
    /* holds: snp.mode.list_size */
    check_number(L"list_has_room_for_16", LIST_MAX, mode->MaxMCastFilterCount);
    check_status(L"list_can_be_full", EFI_SUCCESS,
                 set_filters(UNICAST | MULTICAST, LIST_MAX, groups));
    /* holds: snp.filters.frames */
    check_number(L"full_list_admits_each_address_and_no_other", all,
                 kinds_received(kinds, KINDS_MAX, all));
    check_status(L"list_can_be_replaced", EFI_SUCCESS,
                 set_filters(UNICAST | MULTICAST, 1, &groups[LIST_MAX]));
    check_number(L"new_list_admits_its_own_address_only", UINT32_C(1) << LIST_MAX,
                 kinds_received(kinds, KINDS_MAX, UINT32_C(1) << LIST_MAX));
    check_status(L"list_can_be_reset_with_the_bit_on", EFI_SUCCESS,
                 snp->ReceiveFilters(snp, UNICAST, 0, TRUE, 0, NULL));
    /* holds: snp.filters.clear_list */
    check_number(L"reset_list_admits_no_group", 0, kinds_received(kinds, KINDS_MAX, 0));
    /* holds: snp.filters.clear_list */
    check_number(L"reset_list_is_empty_in_the_mode", 0, mode->MCastFilterCount);
}

/* Statistics */

static EFI_NETWORK_STATISTICS read_statistics(bool is_reset)
{
    EFI_NETWORK_STATISTICS table;
    UINTN size = sizeof table;

    SetMem(&table, sizeof table, 0x5a);
    (void)snp->Statistics(snp, is_reset, &size, &table);
    return table;
}

static EFI_STATUS send_to(const EFI_MAC_ADDRESS *destination, size_t size)
{
    put_command(tx_buffer, &mode->CurrentAddress, DATA, 0, 0);
    CopyMem(tx_buffer, destination, MAC_SIZE);
    return send(tx_buffer, size);
}

static EFI_STATUS inject_too_large(void)
{
    put_command(command_buffer, &mode->CurrentAddress, INJECT, 0, JUST_TOO_LARGE);
    put_command(command_buffer + PAYLOAD_OFFSET, peer_address, DATA, 0, 0);
    CopyMem(command_buffer + PAYLOAD_OFFSET, &mode->CurrentAddress, MAC_SIZE);
    return send(command_buffer, PAYLOAD_OFFSET + SMALLEST_FRAME);
}

/* 1 unicast, 2 multicast, 3 broadcast frames out, two that are refused, and the kinds in. */
static void test_statistics_of_known_traffic(void)
{
    size_t too_small = HEADER_SIZE - 1, too_large = mode->MaxPacketSize + HEADER_SIZE + 1;
    uint32_t wanted = TO_US | TO_BROADCAST | TO_GROUP, good = 0;
    EFI_NETWORK_STATISTICS table;

    (void)set_filters(UNICAST | BROADCAST | MULTICAST, 1, &group_mac);
    drain();
    (void)read_statistics(true);
    good += send_to(&other_mac, 100) == EFI_SUCCESS;
    for (size_t i = 0; i < 2; i++)
        good += send_to(&group_mac, 200 + i) == EFI_SUCCESS;
    for (size_t i = 0; i < 3; i++)
        good += send_to(&broadcast_mac, 1000 + i) == EFI_SUCCESS;
    check_number(L"frames_to_be_counted_are_sent", 6, good);
    (void)transmit(tx_buffer, too_small);
    (void)transmit(tx_buffer, too_large);
    table = read_statistics(false);
    check_number(L"tx_total_frames_are_counted", 8, table.TxTotalFrames);
    check_number(L"tx_good_frames_are_counted", 6, table.TxGoodFrames);
    check_number(L"tx_unicast_frames_are_counted", 1, table.TxUnicastFrames);
    /* holds: snp.statistics.kinds */
    check_number(L"tx_multicast_frames_are_counted", 2, table.TxMulticastFrames);
    check_number(L"tx_broadcast_frames_are_counted", 3, table.TxBroadcastFrames);
    check_number(L"tx_undersize_frames_are_counted", 1, table.TxUndersizeFrames);
    check_number(L"tx_oversize_frames_are_counted", 1, table.TxOversizeFrames);
    check_number(L"tx_dropped_frames_are_none", 0, table.TxDroppedFrames);
    check_number(L"tx_bytes_are_counted", 100 + 401 + 3003 + too_small + too_large,
                 table.TxTotalBytes);
    check_number(L"rx_total_frames_are_none_yet", 0, table.RxTotalFrames + table.RxTotalBytes);

    (void)inject_too_large();
    check_kinds(L"frames_to_be_counted_arrive", &mode->CurrentAddress, wanted);
    table = read_statistics(false);
    check_number(L"rx_total_frames_are_counted", 4, table.RxTotalFrames);
    check_number(L"rx_good_frames_are_counted", 3, table.RxGoodFrames);
    check_number(L"rx_unicast_frames_are_counted", 1, table.RxUnicastFrames);
    check_number(L"rx_multicast_frames_are_counted", 1, table.RxMulticastFrames);
    check_number(L"rx_broadcast_frames_are_counted", 1, table.RxBroadcastFrames);
    check_number(L"rx_oversize_frames_are_counted", 1, table.RxOversizeFrames);
    check_number(L"rx_undersize_and_dropped_frames_are_none", 0,
                 table.RxUndersizeFrames + table.RxDroppedFrames);
    /* holds: snp.statistics.kinds */
    check_number(L"rx_bytes_are_counted", 3 * SMALLEST_FRAME + JUST_TOO_LARGE, table.RxTotalBytes);
}

static void test_statistics_arguments(void)
{
    const size_t half = offsetof(EFI_NETWORK_STATISTICS, RxUnicastFrames);
    EFI_NETWORK_STATISTICS table, whole, zero;
    UINTN size = sizeof whole;
    uint8_t untouched[sizeof table];

    ZeroMem(&zero, sizeof zero);
    SetMem(untouched, sizeof untouched, 0x5a);
    check_status(L"statistics_work", EFI_SUCCESS, snp->Statistics(snp, FALSE, &size, &whole));
    check_number(L"statistics_say_their_size", sizeof whole, size);
    table = read_statistics(false);
    /* holds: snp.statistics.agree */
    check_bytes(L"statistics_without_traffic_between_agree", &whole, &table, sizeof table);
    SetMem(&table, sizeof table, 0x5a);
    size = half;
    check_status(L"statistics_into_half_a_table_are_too_small", EFI_BUFFER_TOO_SMALL,
                 snp->Statistics(snp, FALSE, &size, &table));
    check_number(L"statistics_into_half_a_table_say_the_size", sizeof table, size);
    /* holds: snp.statistics.smaller */
    check_bytes(L"half_a_table_is_filled", &whole, &table, half);
    /* holds: snp.statistics.smaller */
    check_bytes(L"the_other_half_is_left_alone", untouched, (uint8_t *)&table + half,
                sizeof table - half);
    check_status(L"statistics_can_be_reset_without_a_table", EFI_SUCCESS,
                 snp->Statistics(snp, TRUE, NULL, NULL));
    table = read_statistics(false);
    check_bytes(L"statistics_are_0_after_a_reset_without_a_table", &zero, &table, sizeof table);
    (void)send_to(&other_mac, 100);
    table = read_statistics(true);
    /* holds: snp.statistics.reset */
    check_bytes(L"statistics_are_0_when_reset_and_read_at_once", &zero, &table, sizeof table);
}

/* Station address */

static void check_source(const CHAR16 *claim, const EFI_MAC_ADDRESS *source)
{
    UINT16 protocol = 0x0800;

    (void)ask(REPORT, 0, 0);
    SetMem(tx_buffer, 100, 0xee);
    (void)snp->Transmit(snp, HEADER_SIZE, 100, tx_buffer, NULL, &other_mac, &protocol);
    (void)await_buffer();
    check_number(L"frame_with_our_source_arrives", 100, seen_by_peer());
    check_bytes(claim, source, rx_buffer + PAYLOAD_OFFSET + MAC_SIZE, MAC_SIZE);
}

/* Each with the multicast list in force, which the device keeps along with its address. */
static void check_address(const CHAR16 *when, const EFI_MAC_ADDRESS *ours,
                          const EFI_MAC_ADDRESS *not_ours)
{
    const EFI_MAC_ADDRESS *const kinds[] = {not_ours, &group_mac, &broadcast_mac, ours};
    CHAR16 claim[64];

    SPrint(claim, sizeof claim, L"%s_address_is_in_the_mode", when);
    check_bytes(claim, ours, &mode->CurrentAddress, sizeof *ours);
    SPrint(claim, sizeof claim, L"%s_address_is_the_source", when);
    check_source(claim, ours);
    SPrint(claim, sizeof claim, L"%s_address_receives_and_the_other_does_not", when);
    check_number(claim, 0xe, kinds_received(kinds, sizeof kinds / sizeof kinds[0], 0xe));
}

static void test_station_address(void)
{
    EFI_MAC_ADDRESS permanent = mode->PermanentAddress;

    /* holds: snp.address.any_device */
    check_number(L"station_address_is_changeable_on_any_device", TRUE, mode->MacAddressChangeable);
    (void)set_filters(UNICAST | BROADCAST | MULTICAST, 1, &group_mac);
    /* holds: snp.address.any_device */
    check_status(L"station_address_can_be_set", EFI_SUCCESS,
                 snp->StationAddress(snp, FALSE, &new_mac));
    check_true(L"peer_knows_us_by_our_address", ask(HELLO, 0, 0));
    check_address(L"set", &new_mac, &permanent);
    check_bytes(L"permanent_address_stays", &permanent, &mode->PermanentAddress, sizeof permanent);
    /* holds: snp.reset.address */
    check_status(L"reset_with_an_address_set_works", EFI_SUCCESS, snp->Reset(snp, FALSE));
    check_address(L"kept", &new_mac, &permanent);
    check_status(L"station_address_can_be_reset", EFI_SUCCESS,
                 snp->StationAddress(snp, TRUE, NULL));
    check_true(L"peer_knows_us_by_our_address_again", ask(HELLO, 0, 0));
    check_address(L"permanent", &permanent, &new_mac);
}

/* Reset */

/* Wait until a frame is there, without taking it. */
static bool await_signal(void)
{
    uint64_t began_ms = clock_ms();

    while (clock_ms() - began_ms < WAIT_MS)
        if (BS->CheckEvent(snp->WaitForPacket) == EFI_SUCCESS)
            return true;
    return false;
}

static void test_reset(void)
{
    uint32_t setting = UNICAST | MULTICAST;
    EFI_NETWORK_STATISTICS before, after;
    EFI_STATUS status;
    UINT32 interrupts = 0;
    void *buffer = NULL;
    size_t size;

    (void)set_filters(setting, 1, &group_mac);
    (void)inject(&mode->CurrentAddress, 1, 0);
    check_true(L"frame_waits_before_reset", await_signal());
    put_command(tx_buffer, &mode->CurrentAddress, DATA, 0, 0);
    (void)transmit(tx_buffer, SMALLEST_FRAME);
    before = read_statistics(false);
    status = snp->Reset(snp, TRUE);
    check_status(L"reset_works", EFI_SUCCESS, status);
    /* holds: snp.reset.state */
    check_state(L"reset_keeps_the_state", EfiSimpleNetworkInitialized);
    check_status(L"get_status_after_reset_works", EFI_SUCCESS,
                 snp->GetStatus(snp, &interrupts, &buffer));
    /* holds: snp.reset.buffers */
    check_true(L"reset_makes_all_buffers_ours", buffer == NULL);
    /* holds: snp.reset.interrupts */
    check_number(L"reset_clears_the_interrupts", 0, interrupts);
    /* holds: snp.reset.rings */
    check_status(L"reset_empties_the_receive_ring", EFI_NOT_READY, receive(&size));
    after = read_statistics(false);
    check_true(L"there_are_statistics_to_keep", before.RxTotalFrames + before.TxTotalFrames > 0);
    /* holds: snp.reset.statistics */
    check_bytes(L"reset_keeps_the_statistics", &before, &after, sizeof after);
    /* holds: snp.reset.filters */
    check_number(L"reset_keeps_the_filter_setting", setting, mode->ReceiveFilterSetting);
    check_number(L"reset_keeps_the_multicast_count", 1, mode->MCastFilterCount);
    /* holds: snp.reset.filters */
    check_bytes(L"reset_keeps_the_multicast_list", &group_mac, &mode->MCastFilter[0],
                sizeof group_mac);
    /* holds: snp.reset.filters */
    check_kinds(L"reset_keeps_the_filters_in_force", &mode->CurrentAddress, TO_US | TO_GROUP);
}

static void test_filter(void)
{
    check_true(L"peer_answers", start());
    if (failed != 0)
        return;
    test_every_setting();
    test_multicast_list();
    test_statistics_of_known_traffic();
    test_statistics_arguments();
    test_station_address();
    test_reset();
    stop();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return run_checks(image, table, L"SNPFILTER", test_filter);
}
