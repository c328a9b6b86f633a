/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The thirteen methods of the Simple Network Protocol. What travels is
 * net_device.c's business; here is who may ask for it, when and how.
 */
#include "snp/snp.h"

#include <efilib.h>
#include <stddef.h>

#include "base/copy.h"
#include "base/hot_path.h"
#include "snp/exclusion.h"

#define TEND_INTERVAL_100NS (NET_DEVICE_TICK_US * 10u)
#define IFTYPE_ETHERNET 1u /* RFC 3232 */
#define ETHERTYPE_OFFSET 12u
#define FRAME_BYTES_MAX                                                                            \
    (ETHERNET_HEADER_BYTES + UINT16_MAX) /* with any MTU that a device can have */
#define DEFAULT_FILTERS (EFI_SIMPLE_NETWORK_RECEIVE_UNICAST | EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST)
#define ALL_FILTERS                                                                                \
    (EFI_SIMPLE_NETWORK_RECEIVE_UNICAST | EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST |                   \
     EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST | EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS |               \
     EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST)

_Static_assert(NET_FILTER_MULTICAST_MAX <= MAX_MCAST_FILTER_CNT, "Mode has no more room");
_Static_assert((SNP_RETURNS_MAX & (SNP_RETURNS_MAX - 1)) == 0, "the indices run freely");

_Static_assert(offsetof(struct snp, protocol) == 0, "NULL stays NULL");

static struct snp *snp_of(EFI_SIMPLE_NETWORK_PROTOCOL *protocol)
{
    return (struct snp *)protocol;
}

/* What a method that needs the interface initialized answers when it is not. */
static EFI_STATUS check_initialized(const struct snp *snp)
{
    if (snp->mode.State == EfiSimpleNetworkStopped)
        return EFI_NOT_STARTED;
    if (snp->mode.State != EfiSimpleNetworkInitialized || snp->has_exited)
        return EFI_DEVICE_ERROR;
    return EFI_SUCCESS;
}

static void returns_clear(struct snp_returns *returns)
{
    returns->first = 0;
    returns->end = 0;
    returns->is_collected = false;
}

static bool returns_are_full(const struct snp_returns *returns)
{
    return (uint16_t)(returns->end - returns->first) == SNP_RETURNS_MAX;
}

static void returns_push(struct snp_returns *returns, void *buffer)
{
    if (returns_are_full(returns))
        returns->first++; /* forgotten on purpose */
    returns->buffers[returns->end++ & (SNP_RETURNS_MAX - 1)] = buffer;
}

static void *returns_pop(struct snp_returns *returns)
{
    if (returns->first == returns->end)
        return NULL;
    return returns->buffers[returns->first++ & (SNP_RETURNS_MAX - 1)];
}

static void set_mac(EFI_MAC_ADDRESS *address, const uint8_t *mac)
{
    __builtin_memset(address, 0, sizeof(*address));
    __builtin_memcpy(address->Addr, mac, MAC_BYTES);
}

/* What Mode says, as the device wants it. */
static struct net_filter filter_of_mode(const EFI_SIMPLE_NETWORK_MODE *mode)
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

static void clear_filters(EFI_SIMPLE_NETWORK_MODE *mode)
{
    mode->ReceiveFilterSetting = 0;
    mode->MCastFilterCount = 0;
    __builtin_memset(mode->MCastFilter, 0, sizeof(mode->MCastFilter));
}

/* Start the device and everything that counts from its start. */
static EFI_STATUS start_device(struct snp *snp)
{
    struct net_filter filter = filter_of_mode(&snp->mode);
    EFI_STATUS status;

    (void)net_device_set_filter(&snp->net, &filter); /* not running: is only remembered */
    status = net_device_start(&snp->net);
    if (EFI_ERROR(status))
        return status;
    returns_clear(&snp->returns);
    snp->has_transmitted = false;
    snp->rx_reported = 0;
    snp->mode.MaxPacketSize = snp->net.mtu;
    snp->mode.MediaPresentSupported = snp->net.has_link_status;
    snp->mode.MediaPresent = snp->net.is_link_up;
    return EFI_SUCCESS;
}

/* The rings are empty now, and WaitForPacket waits again: CheckEvent takes a signal
 * that a client has not seen yet. */
static void forget_frames(struct snp *snp)
{
    returns_clear(&snp->returns);
    (void)BS->CheckEvent(snp->protocol.WaitForPacket); /* either answer will do */
}

static void stop_device(struct snp *snp)
{
    /* A timer that is not set cannot fail to be cancelled. */
    (void)BS->SetTimer(snp->tend_timer, TimerCancel, 0);
    net_device_park(&snp->net);
    forget_frames(snp);
    clear_filters(&snp->mode);
}

/* What a method does first when the device needs attention: answer by state, and do
 * what only time calls for: link, health, lost doorbells. */
static EFI_STATUS look_after(struct snp *snp)
{
    EFI_TPL tpl = BS->RaiseTPL(TPL_CALLBACK);
    EFI_STATUS status = check_initialized(snp);

    if (!EFI_ERROR(status) && snp->net.is_tend_due) {
        net_device_tend(&snp->net);
        snp->mode.MediaPresent = snp->net.is_link_up;
    }
    BS->RestoreTPL(tpl);
    return status;
}

/* What one answers that found out only in its middle: an event came in between, and
 * shut down what was Initialized, or the device has just broken. */
static EFI_STATUS why_down(const struct snp *snp)
{
    EFI_STATUS status = check_initialized(snp);

    return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
}

/* Transmit, Receive and GetStatus are called for each frame, and all but always of a
 * device that is well: then one load says so. Never of one that is not Initialized. */
static inline EFI_STATUS check_attention(struct snp *snp)
{
    return snp->net.needs_attention ? look_after(snp) : EFI_SUCCESS;
}

bool snp_has_media(struct snp *snp)
{
    snp->net.is_tend_due = true;
    (void)look_after(snp); /* not Initialized: as of the last time */
    return snp->mode.MediaPresent;
}

static EFI_STATUS EFIAPI snp_start(EFI_SIMPLE_NETWORK_PROTOCOL *this)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status = EFI_ALREADY_STARTED;
    EFI_TPL tpl;

    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    if (snp->mode.State == EfiSimpleNetworkStopped) {
        snp->mode.State = EfiSimpleNetworkStarted;
        status = EFI_SUCCESS;
    }
    BS->RestoreTPL(tpl);
    return status;
}

static EFI_STATUS EFIAPI snp_stop(EFI_SIMPLE_NETWORK_PROTOCOL *this)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status = EFI_SUCCESS;
    EFI_TPL tpl;

    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    if (snp->mode.State == EfiSimpleNetworkStopped)
        status = EFI_NOT_STARTED;
    else if (snp->mode.State == EfiSimpleNetworkInitialized || snp->has_exited)
        status = EFI_DEVICE_ERROR; /* after ExitBootServices no memory is given back */
    else {
        net_device_stop(&snp->net); /* what Shutdown kept for another Initialize */
        snp->mode.State = EfiSimpleNetworkStopped;
    }
    BS->RestoreTPL(tpl);
    return status;
}

static EFI_STATUS initialize(struct snp *snp)
{
    EFI_STATUS status;

    if (snp->mode.State == EfiSimpleNetworkStopped)
        return EFI_NOT_STARTED;
    if (snp->mode.State != EfiSimpleNetworkStarted || snp->has_exited)
        return EFI_DEVICE_ERROR;

    snp->mode.ReceiveFilterSetting = DEFAULT_FILTERS;
    status = start_device(snp);
    if (!EFI_ERROR(status))
        status = BS->SetTimer(snp->tend_timer, TimerPeriodic, TEND_INTERVAL_100NS);
    if (EFI_ERROR(status)) {
        net_device_stop(&snp->net); /* all of it: the next try begins with a reset */
        stop_device(snp);
        /* A device that fails is one thing to a client, however it does. */
        return status == EFI_OUT_OF_RESOURCES ? status : EFI_DEVICE_ERROR;
    }
    snp->mode.State = EfiSimpleNetworkInitialized;
    return EFI_SUCCESS;
}

/* The pools are fixed, so extra buffers are accepted and ignored. */
static EFI_STATUS EFIAPI snp_initialize(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN extra_rx_bytes,
                                        UINTN extra_tx_bytes)
{
    EFI_STATUS status;
    EFI_TPL tpl;

    (void)extra_rx_bytes;
    (void)extra_tx_bytes;
    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    status = initialize(snp_of(this));
    BS->RestoreTPL(tpl);
    return status;
}

/* Filters, address and counters survive; a device that does not come back leaves
 * the interface Initialized and answering DEVICE_ERROR. */
static EFI_STATUS EFIAPI snp_reset(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN extended_verification)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    EFI_TPL tpl;

    (void)extended_verification;
    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    status = check_initialized(snp);
    if (!EFI_ERROR(status)) {
        bool is_reset = net_device_stop(&snp->net);

        forget_frames(snp);
        if (!is_reset || EFI_ERROR(start_device(snp)))
            status = EFI_DEVICE_ERROR;
    }
    BS->RestoreTPL(tpl);
    return status;
}

static EFI_STATUS EFIAPI snp_shutdown(EFI_SIMPLE_NETWORK_PROTOCOL *this)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    EFI_TPL tpl;

    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    status = check_initialized(snp);
    if (!EFI_ERROR(status)) {
        stop_device(snp);
        snp->mode.State = EfiSimpleNetworkStarted;
    }
    BS->RestoreTPL(tpl);
    return status;
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

/* `list` may be the one in Mode itself. */
static void set_multicast_list(EFI_SIMPLE_NETWORK_MODE *mode, UINTN count,
                               const EFI_MAC_ADDRESS *list)
{
    mode->MCastFilterCount = (UINT32)count;
    for (UINTN i = 0; i < MAX_MCAST_FILTER_CNT; i++) {
        uint8_t mac[MAC_BYTES] = {0};

        if (i < count)
            __builtin_memcpy(mac, list[i].Addr, MAC_BYTES);
        set_mac(&mode->MCastFilter[i], mac);
    }
}

static EFI_STATUS receive_filters(struct snp *snp, UINT32 enable, UINT32 disable,
                                  BOOLEAN reset_list, UINTN count, const EFI_MAC_ADDRESS *list)
{
    /* "Multicast is being enabled": then, and only then, the list counts. */
    bool wants_list = !reset_list && (enable & ~disable & EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST);
    EFI_SIMPLE_NETWORK_MODE *mode = &snp->mode;
    EFI_SIMPLE_NETWORK_MODE before = *mode;
    EFI_STATUS status = check_initialized(snp);
    struct net_filter filter;

    if (EFI_ERROR(status))
        return status;
    if ((enable | disable) & ~mode->ReceiveFilterMask)
        return EFI_INVALID_PARAMETER;
    if (wants_list && !is_multicast_list(list, count))
        return EFI_INVALID_PARAMETER;

    mode->ReceiveFilterSetting = (mode->ReceiveFilterSetting | enable) & ~disable;
    if (reset_list)
        set_multicast_list(mode, 0, NULL);
    else if (wants_list)
        set_multicast_list(mode, count, list);
    filter = filter_of_mode(mode);
    status = net_device_set_filter(&snp->net, &filter);
    if (EFI_ERROR(status))
        *mode = before; /* which is still in force */
    return status;
}

static EFI_STATUS EFIAPI snp_receive_filters(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINT32 enable,
                                             UINT32 disable, BOOLEAN reset_list, UINTN count,
                                             EFI_MAC_ADDRESS *list)
{
    EFI_STATUS status;
    EFI_TPL tpl;

    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    status = receive_filters(snp_of(this), enable, disable, reset_list, count, list);
    BS->RestoreTPL(tpl);
    return status;
}

static EFI_STATUS station_address(struct snp *snp, BOOLEAN reset, const EFI_MAC_ADDRESS *address)
{
    EFI_STATUS status = check_initialized(snp);

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

static EFI_STATUS EFIAPI snp_station_address(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN reset,
                                             EFI_MAC_ADDRESS *address)
{
    EFI_STATUS status;
    EFI_TPL tpl;

    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    status = station_address(snp_of(this), reset, address);
    BS->RestoreTPL(tpl);
    return status;
}

/* No device tells of collisions or checksum errors of the wire: those stay 0. */
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

/* Reset first, then report. Without a table and without a reset there is nothing
 * to do, and it is done. */
static EFI_STATUS statistics(struct snp *snp, BOOLEAN reset, UINTN *table_bytes,
                             EFI_NETWORK_STATISTICS *ret_table)
{
    EFI_STATUS status = check_initialized(snp);
    EFI_NETWORK_STATISTICS table;
    UINTN room;

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

static EFI_STATUS EFIAPI snp_statistics(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN reset,
                                        UINTN *table_bytes, EFI_NETWORK_STATISTICS *ret_table)
{
    EFI_STATUS status;
    EFI_TPL tpl;

    if (!this)
        return EFI_INVALID_PARAMETER;

    tpl = BS->RaiseTPL(TPL_CALLBACK);
    status = statistics(snp_of(this), reset, table_bytes, ret_table);
    BS->RestoreTPL(tpl);
    return status;
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

static EFI_STATUS EFIAPI snp_mcast_ip_to_mac(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN is_ipv6,
                                             EFI_IP_ADDRESS *ip, EFI_MAC_ADDRESS *ret_mac)
{
    uint8_t mac[MAC_BYTES];
    EFI_STATUS status;

    if (!this)
        return EFI_INVALID_PARAMETER;
    status = check_initialized(snp_of(this));
    if (EFI_ERROR(status))
        return status;
    if (!ip || !ret_mac)
        return EFI_INVALID_PARAMETER;
    if (is_ipv6 ? !map_ipv6(ip->v6.Addr, mac) : !map_ipv4(ip->v4.Addr, mac))
        return EFI_INVALID_PARAMETER;
    set_mac(ret_mac, mac);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI snp_nv_data(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN is_read,
                                     UINTN offset, UINTN length_bytes, VOID *buffer)
{
    EFI_STATUS status;

    (void)is_read;
    (void)offset;
    (void)length_bytes;
    if (!this)
        return EFI_INVALID_PARAMETER;
    status = check_initialized(snp_of(this));
    if (EFI_ERROR(status))
        return status;
    return buffer ? EFI_UNSUPPORTED : EFI_INVALID_PARAMETER;
}

/* What happened since the last call; a UEFI client has no use for the rest. */
static UINT32 take_interrupts(struct snp *snp)
{
    uint16_t rx_now = virtqueue_progress(&snp->net.rx.queue.ring);
    UINT32 interrupts = 0;

    if (rx_now != snp->rx_reported)
        interrupts |= EFI_SIMPLE_NETWORK_RECEIVE_INTERRUPT;
    if (snp->has_transmitted)
        interrupts |= EFI_SIMPLE_NETWORK_TRANSMIT_INTERRUPT;
    snp->rx_reported = rx_now;
    snp->has_transmitted = false;
    return snp->mode.MediaPresent ? interrupts : 0;
}

static inline void get_status(struct snp *snp, UINT32 *ret_interrupts, VOID **ret_buffer)
{
    if (ret_interrupts)
        *ret_interrupts = snp->net.is_running ? take_interrupts(snp) : 0;
    if (ret_buffer) {
        snp->returns.is_collected = true;
        *ret_buffer = returns_pop(&snp->returns);
    }
}

static EFI_STATUS EFIAPI snp_get_status(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINT32 *ret_interrupts,
                                        VOID **ret_buffer)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    UINTN before;

    if (!this)
        return EFI_INVALID_PARAMETER;
    status = check_attention(snp);
    if (EFI_ERROR(status))
        return status;
    if (!ret_interrupts && !ret_buffer)
        return EFI_INVALID_PARAMETER;

    before = exclusion_enter(snp->masks_interrupts);
    if (snp->net.is_down)
        status = check_initialized(snp);
    if (!EFI_ERROR(status))
        get_status(snp, ret_interrupts, ret_buffer);
    exclusion_leave(snp->masks_interrupts, before);
    return status;
}

/* Fill in the media header in front of the caller's data. */
static void write_header(const struct snp *snp, uint8_t *frame, const EFI_MAC_ADDRESS *source,
                         const EFI_MAC_ADDRESS *destination, uint16_t protocol)
{
    if (!source)
        source = &snp->mode.CurrentAddress;
    __builtin_memcpy(frame, destination->Addr, MAC_BYTES);
    __builtin_memcpy(frame + MAC_BYTES, source->Addr, MAC_BYTES);
    frame[ETHERTYPE_OFFSET] = (uint8_t)(protocol >> 8);
    frame[ETHERTYPE_OFFSET + 1] = (uint8_t)protocol;
}

/* A client that has never asked for a buffer does not miss the oldest. */
static bool has_room(const struct snp_returns *returns)
{
    return !returns_are_full(returns) || !returns->is_collected;
}

/* A frame that is not sent counts with its bytes all the same; what no frame can have
 * is a slip of the caller's, not bytes. */
static EFI_STATUS refuse(struct snp *snp, uint64_t *cause, UINTN frame_bytes, EFI_STATUS status)
{
    (*cause)++;
    if (frame_bytes <= FRAME_BYTES_MAX)
        snp->net.counters.tx.bad_bytes += frame_bytes;
    return status;
}

/* What is wrong with a frame's length. */
static EFI_STATUS refuse_length(struct snp *snp, UINTN frame_bytes)
{
    if (frame_bytes < ETHERNET_HEADER_BYTES)
        return refuse(snp, &snp->net.counters.tx.undersize, frame_bytes, EFI_BUFFER_TOO_SMALL);
    return refuse(snp, &snp->net.counters.tx.oversize, frame_bytes, EFI_INVALID_PARAMETER);
}

/* Send the frame in `buffer`, its header filled in. Never entered twice. */
static inline EFI_STATUS transmit(struct snp *snp, VOID *buffer, UINTN frame_bytes)
{
    EFI_STATUS status;

    if (frame_bytes - ETHERNET_HEADER_BYTES > snp->net.mtu) /* also when it is shorter */
        return refuse_length(snp, frame_bytes);
    if (!has_room(&snp->returns))
        return EFI_NOT_READY;
    status = net_device_transmit(&snp->net, buffer, frame_bytes);
    if (status == EFI_NOT_READY)
        return status;
    if (EFI_ERROR(status))
        return refuse(snp, &snp->net.counters.tx.dropped, frame_bytes, why_down(snp));
    returns_push(&snp->returns, buffer);
    snp->has_transmitted = true;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI snp_transmit(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN header_bytes,
                                      UINTN buffer_bytes, VOID *buffer, EFI_MAC_ADDRESS *source,
                                      EFI_MAC_ADDRESS *destination, UINT16 *protocol)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    UINTN before;

    if (!this)
        return EFI_INVALID_PARAMETER;
    status = check_attention(snp);
    if (EFI_ERROR(status))
        return status;
    if (!buffer)
        return EFI_INVALID_PARAMETER;
    if (header_bytes != 0) {
        if (header_bytes != ETHERNET_HEADER_BYTES || !destination || !protocol)
            return EFI_INVALID_PARAMETER;
        if (buffer_bytes >= ETHERNET_HEADER_BYTES)
            write_header(snp, buffer, source, destination, *protocol);
    }

    before = exclusion_enter(snp->masks_interrupts);
    status = transmit(snp, buffer, buffer_bytes);
    exclusion_leave(snp->masks_interrupts, before);
    return status;
}

/* Say what the header says, out of the caller's copy: the device can still write
 * to the original. */
static void parse_header(const uint8_t *frame, UINTN *ret_header_bytes, EFI_MAC_ADDRESS *ret_source,
                         EFI_MAC_ADDRESS *ret_destination, UINT16 *ret_protocol)
{
    if (ret_header_bytes)
        *ret_header_bytes = ETHERNET_HEADER_BYTES;
    if (ret_destination)
        set_mac(ret_destination, frame);
    if (ret_source)
        set_mac(ret_source, frame + MAC_BYTES);
    if (ret_protocol)
        *ret_protocol = (UINT16)(frame[ETHERTYPE_OFFSET] << 8 | frame[ETHERTYPE_OFFSET + 1]);
}

static inline EFI_STATUS receive(struct snp *snp, UINTN *buffer_bytes, VOID *buffer)
{
    const uint8_t *frame;
    size_t frame_bytes;
    EFI_STATUS status;

    status = net_device_peek(&snp->net, &frame, &frame_bytes);
    if (EFI_ERROR(status))
        return status == EFI_NOT_READY ? status : why_down(snp);
    if (*buffer_bytes < frame_bytes) {
        *buffer_bytes = frame_bytes;
        return EFI_BUFFER_TOO_SMALL;
    }
    copy_bytes(buffer, frame, frame_bytes);
    *buffer_bytes = frame_bytes;
    net_device_take(&snp->net);
    return EFI_SUCCESS;
}

/* Receive when there may be something to say. */
static OUT_OF_LINE EFI_STATUS EFIAPI receive_frame(EFI_SIMPLE_NETWORK_PROTOCOL *this,
                                                   UINTN *ret_header_bytes, UINTN *buffer_bytes,
                                                   VOID *buffer, EFI_MAC_ADDRESS *ret_source,
                                                   EFI_MAC_ADDRESS *ret_destination,
                                                   UINT16 *ret_protocol)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    UINTN before;

    status = check_attention(snp);
    if (EFI_ERROR(status))
        return status;
    if (!buffer_bytes || !buffer)
        return EFI_INVALID_PARAMETER;

    before = exclusion_enter(snp->masks_interrupts);
    status = receive(snp, buffer_bytes, buffer);
    exclusion_leave(snp->masks_interrupts, before);
    if (!EFI_ERROR(status))
        parse_header(buffer, ret_header_bytes, ret_source, ret_destination, ret_protocol);
    return status;
}

/* Clients poll: nearly always there is nothing, and a few loads say so. */
static EFI_STATUS EFIAPI snp_receive(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN *ret_header_bytes,
                                     UINTN *buffer_bytes, VOID *buffer, EFI_MAC_ADDRESS *ret_source,
                                     EFI_MAC_ADDRESS *ret_destination, UINT16 *ret_protocol)
{
    struct snp *snp = snp_of(this);

    if (!this)
        return EFI_INVALID_PARAMETER;
    if (!snp->net.needs_attention && !net_device_has_news(&snp->net) && buffer_bytes && buffer)
        return EFI_NOT_READY;
    return receive_frame(this, ret_header_bytes, buffer_bytes, buffer, ret_source, ret_destination,
                         ret_protocol);
}

/* Runs at TPL_CALLBACK, like every method. */
static VOID EFIAPI on_wait_for_packet(EFI_EVENT event, VOID *context)
{
    struct snp *snp = context;
    const uint8_t *frame;
    size_t frame_bytes;

    if (!EFI_ERROR(check_initialized(snp)) &&
        !EFI_ERROR(net_device_peek(&snp->net, &frame, &frame_bytes)))
        (void)BS->SignalEvent(event); /* our own event: cannot fail */
}

static VOID EFIAPI on_tend_timer(EFI_EVENT event, VOID *context)
{
    struct snp *snp = context;

    (void)event;
    net_device_tick(&snp->net);
}

/* The device must not write into memory that is about to be the OS's. */
static VOID EFIAPI on_exit_boot_services(EFI_EVENT event, VOID *context)
{
    struct snp *snp = context;

    (void)event;
    snp->has_exited = true;
    net_device_quiesce(&snp->net);
}

static EFI_STATUS create_events(struct snp *snp)
{
    EFI_STATUS status;

    status = BS->CreateEvent(EVT_NOTIFY_WAIT, TPL_CALLBACK, on_wait_for_packet, snp,
                             &snp->protocol.WaitForPacket);
    if (EFI_ERROR(status))
        return status;
    status = BS->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_NOTIFY, on_tend_timer, snp,
                             &snp->tend_timer);
    if (EFI_ERROR(status))
        return status;
    return BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_NOTIFY, on_exit_boot_services, snp,
                           &snp->exit_event);
}

static void fill_protocol(struct snp *snp)
{
    static const uint8_t broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol = &snp->protocol;
    EFI_SIMPLE_NETWORK_MODE *mode = &snp->mode;

    protocol->Revision = EFI_SIMPLE_NETWORK_PROTOCOL_REVISION;
    protocol->Start = snp_start;
    protocol->Stop = snp_stop;
    protocol->Initialize = snp_initialize;
    protocol->Reset = snp_reset;
    protocol->Shutdown = snp_shutdown;
    protocol->ReceiveFilters = snp_receive_filters;
    protocol->StationAddress = snp_station_address;
    protocol->Statistics = snp_statistics;
    protocol->MCastIpToMac = snp_mcast_ip_to_mac;
    protocol->NvData = snp_nv_data;
    protocol->GetStatus = snp_get_status;
    protocol->Transmit = snp_transmit;
    protocol->Receive = snp_receive;
    protocol->Mode = mode;

    mode->State = EfiSimpleNetworkStopped;
    mode->HwAddressSize = MAC_BYTES;
    mode->MediaHeaderSize = ETHERNET_HEADER_BYTES;
    mode->MaxPacketSize = snp->net.mtu;
    mode->ReceiveFilterMask = ALL_FILTERS;
    mode->MaxMCastFilterCount = NET_FILTER_MULTICAST_MAX;
    set_mac(&mode->CurrentAddress, snp->net.station_mac);
    set_mac(&mode->BroadcastAddress, broadcast);
    set_mac(&mode->PermanentAddress, snp->net.permanent_mac);
    mode->IfType = IFTYPE_ETHERNET;
    mode->MacAddressChangeable = TRUE;
    mode->MultipleTxSupported = TRUE;
    mode->MediaPresentSupported = snp->net.has_link_status;
    mode->MediaPresent = snp->net.is_link_up;
}

EFI_STATUS snp_init(struct snp *snp, EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 **ret_cause)
{
    EFI_STATUS status;

    __builtin_memset(snp, 0, sizeof(*snp));
    status = net_device_init(&snp->net, pci_io);
    if (EFI_ERROR(status)) {
        *ret_cause = net_device_cause(&snp->net);
        return status;
    }
    snp->masks_interrupts = net_device_is_self_contained(&snp->net) && interrupts_are_maskable();
    fill_protocol(snp);
    status = create_events(snp);
    if (EFI_ERROR(status)) {
        *ret_cause = L"an event could not be created";
        snp_fini(snp);
    }
    return status;
}

void snp_fini(struct snp *snp)
{
    EFI_EVENT events[] = {snp->exit_event, snp->tend_timer, snp->protocol.WaitForPacket};

    /* Events first: from here on nothing enters by itself. */
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            (void)BS->CloseEvent(events[i]); /* created by us: cannot fail */
    }
    net_device_fini(&snp->net);
    __builtin_memset(snp, 0, sizeof(*snp));
}
