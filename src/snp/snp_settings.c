/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The methods of the Simple Network Protocol that set or ask: receive filters, station
 * address, statistics, multicast addresses. All of them at TPL_CALLBACK.
 */
#include "snp/snp_methods.h"

#include <efilib.h>

#include "base/tpl.h"

/* The receive filter that Mode describes. */
struct net_filter snp_filter_of_mode(const EFI_SIMPLE_NETWORK_MODE *mode)
{
    uint32_t setting = mode->ReceiveFilterSetting;
    struct net_filter filter = {
        .unicast = setting & EFI_SIMPLE_NETWORK_RECEIVE_UNICAST,
        .broadcast = setting & EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST,
        .multicast = setting & EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST,
        .all_multicast = setting & EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST,
        .promiscuous = setting & EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS,
        .multicast_count = (uint8_t)mode->MCastFilterCount,
    };

    for (unsigned i = 0; i < filter.multicast_count; i++)
        __builtin_memcpy(filter.multicast_list[i], mode->MCastFilter[i].Addr, MAC_BYTES);
    return filter;
}

static bool is_multicast_list(const EFI_MAC_ADDRESS *list, UINTN count)
{
    if (!list || count == 0 || count > NET_FILTER_MULTICAST_MAX)
        return false;
    for (UINTN i = 0; i < count; i++) {
        if (!mac_is_group(list[i].Addr))
            return false;
    }
    return true;
}

/* `list` may be the list in Mode itself. */
static void set_multicast_list(EFI_SIMPLE_NETWORK_MODE *mode, UINTN count,
                               const EFI_MAC_ADDRESS *list)
{
    mode->MCastFilterCount = (UINT32)count;
    for (UINTN i = 0; i < MAX_MCAST_FILTER_CNT; i++) {
        uint8_t mac[MAC_BYTES] = {0};

        if (i < count)
            __builtin_memcpy(mac, list[i].Addr, MAC_BYTES);
        snp_set_mac(&mode->MCastFilter[i], mac);
    }
}

EFI_STATUS EFIAPI snp_receive_filters(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINT32 enable,
                                      UINT32 disable, BOOLEAN reset_list, UINTN count,
                                      EFI_MAC_ADDRESS *list)
{
    /* UEFI 2.10, 24.1.7: the list counts only when multicast is being enabled. */
    bool wants_list = !reset_list && (enable & ~disable & EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST);
    struct snp *snp = snp_of(this);
    EFI_SIMPLE_NETWORK_MODE *mode;
    EFI_SIMPLE_NETWORK_MODE before;
    struct net_filter filter;
    EFI_STATUS status;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    status = snp_check_initialized(snp);
    if (EFI_ERROR(status))
        return status;
    mode = &snp->mode;
    if ((enable | disable) & ~mode->ReceiveFilterMask)
        return EFI_INVALID_PARAMETER;
    if (wants_list && !is_multicast_list(list, count))
        return EFI_INVALID_PARAMETER;

    before = *mode;
    mode->ReceiveFilterSetting = (mode->ReceiveFilterSetting | enable) & ~disable;
    if (reset_list)
        set_multicast_list(mode, 0, NULL);
    else if (wants_list)
        set_multicast_list(mode, count, list);
    filter = snp_filter_of_mode(mode);
    status = net_device_set_filter(&snp->net, &filter);
    if (EFI_ERROR(status))
        *mode = before; /* the old filter is still in force */
    return status;
}

EFI_STATUS EFIAPI snp_station_address(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN reset,
                                      EFI_MAC_ADDRESS *address)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    status = snp_check_initialized(snp);
    if (EFI_ERROR(status))
        return status;
    if (reset)
        address = &snp->mode.PermanentAddress;
    if (!address || !mac_is_station(address->Addr))
        return EFI_INVALID_PARAMETER;
    status = net_device_set_mac(&snp->net, address->Addr);
    if (!EFI_ERROR(status))
        snp->mode.CurrentAddress = *address;
    return status;
}

/* A virtio device reports neither collisions nor checksum errors, so those counters stay 0. */
static EFI_NETWORK_STATISTICS statistics_of(const struct net_counters *counters)
{
    const struct net_traffic *rx = &counters->rx;
    const struct net_traffic *tx = &counters->tx;
    EFI_NETWORK_STATISTICS table = {
        .RxGoodFrames = rx->unicast + rx->multicast + rx->broadcast,
        .RxUndersizeFrames = rx->undersize,
        .RxOversizeFrames = rx->oversize,
        .RxDroppedFrames = rx->dropped,
        .RxUnicastFrames = rx->unicast,
        .RxBroadcastFrames = rx->broadcast,
        .RxMulticastFrames = rx->multicast,
        .RxTotalBytes = rx->good_bytes + rx->bad_bytes,
        .TxGoodFrames = tx->unicast + tx->multicast + tx->broadcast,
        .TxUndersizeFrames = tx->undersize,
        .TxOversizeFrames = tx->oversize,
        .TxDroppedFrames = tx->dropped,
        .TxUnicastFrames = tx->unicast,
        .TxBroadcastFrames = tx->broadcast,
        .TxMulticastFrames = tx->multicast,
        .TxTotalBytes = tx->good_bytes + tx->bad_bytes,
    };

    table.RxTotalFrames = table.RxGoodFrames + rx->undersize + rx->oversize + rx->dropped;
    table.TxTotalFrames = table.TxGoodFrames + tx->undersize + tx->oversize + tx->dropped;
    return table;
}

/* Reset first, then report. With neither a table nor a reset there is nothing to do, which
 * succeeds. */
EFI_STATUS EFIAPI snp_statistics(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN reset,
                                 UINTN *table_bytes, EFI_NETWORK_STATISTICS *ret_table)
{
    struct snp *snp = snp_of(this);
    EFI_NETWORK_STATISTICS table;
    EFI_STATUS status;
    UINTN room;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    status = snp_check_initialized(snp);
    if (EFI_ERROR(status))
        return status;
    if (table_bytes && *table_bytes > 0 && !ret_table)
        return EFI_INVALID_PARAMETER;
    if (!table_bytes && ret_table)
        return EFI_INVALID_PARAMETER;
    if (reset)
        __builtin_memset(&snp->net.counters, 0, sizeof(snp->net.counters));
    if (!table_bytes)
        return EFI_SUCCESS;

    table = statistics_of(&snp->net.counters);
    room = *table_bytes;
    *table_bytes = sizeof(table);
    if (room > sizeof(table))
        room = sizeof(table);
    if (room > 0)
        __builtin_memcpy(ret_table, &table, room);
    return room < sizeof(table) ? EFI_BUFFER_TOO_SMALL : EFI_SUCCESS;
}

/* RFC 1112, 6.4. */
static bool map_ipv4(const uint8_t *ip, uint8_t *ret_mac)
{
    if ((ip[0] & 0xf0u) != 0xe0u)
        return false;
    ret_mac[0] = 0x01;
    ret_mac[1] = 0x00;
    ret_mac[2] = 0x5e;
    ret_mac[3] = ip[1] & 0x7fu;
    ret_mac[4] = ip[2];
    ret_mac[5] = ip[3];
    return true;
}

/* RFC 2464, 7. */
static bool map_ipv6(const uint8_t *ip, uint8_t *ret_mac)
{
    if (ip[0] != 0xffu)
        return false;
    ret_mac[0] = 0x33;
    ret_mac[1] = 0x33;
    __builtin_memcpy(ret_mac + 2, ip + 12, 4);
    return true;
}

EFI_STATUS EFIAPI snp_mcast_ip_to_mac(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN is_ipv6,
                                      EFI_IP_ADDRESS *ip, EFI_MAC_ADDRESS *ret_mac)
{
    uint8_t mac[MAC_BYTES];
    EFI_STATUS status;

    if (!this)
        return EFI_INVALID_PARAMETER;
    status = snp_check_initialized(snp_of(this));
    if (EFI_ERROR(status))
        return status;
    if (!ip || !ret_mac)
        return EFI_INVALID_PARAMETER;
    if (is_ipv6 ? !map_ipv6(ip->v6.Addr, mac) : !map_ipv4(ip->v4.Addr, mac))
        return EFI_INVALID_PARAMETER;
    snp_set_mac(ret_mac, mac);
    return EFI_SUCCESS;
}

EFI_STATUS EFIAPI snp_nv_data(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN is_read, UINTN offset,
                              UINTN length_bytes, VOID *buffer)
{
    EFI_STATUS status;

    (void)is_read;
    (void)offset;
    (void)length_bytes;
    if (!this)
        return EFI_INVALID_PARAMETER;
    status = snp_check_initialized(snp_of(this));
    if (EFI_ERROR(status))
        return status;
    return buffer ? EFI_UNSUPPORTED : EFI_INVALID_PARAMETER;
}
