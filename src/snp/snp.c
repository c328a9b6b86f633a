/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The states of the Simple Network Protocol, its events and its Mode. snp_settings.c has
 * the methods that set and ask, snp_frames.c those that are called for each frame.
 */
#include "snp/snp.h"

#include <efilib.h>

#include "base/tpl.h"
#include "snp/exclusion.h"
#include "snp/snp_methods.h"

#define TEND_INTERVAL_100NS (NET_DEVICE_TICK_US * 10u)
#define IFTYPE_ETHERNET 1u /* RFC 3232 */
#define DEFAULT_FILTERS (EFI_SIMPLE_NETWORK_RECEIVE_UNICAST | EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST)
#define ALL_FILTERS                                                                                \
    (EFI_SIMPLE_NETWORK_RECEIVE_UNICAST | EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST |                   \
     EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST | EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS |               \
     EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST)

_Static_assert(NET_FILTER_MULTICAST_MAX <= MAX_MCAST_FILTER_CNT, "Mode has no more room");

/* UEFI 2.10, 24.1: the status of a method that needs the interface initialized and finds it
 * in another state. */
EFI_STATUS snp_check_initialized(const struct snp *snp)
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

static void clear_filters(EFI_SIMPLE_NETWORK_MODE *mode)
{
    mode->ReceiveFilterSetting = 0;
    mode->MCastFilterCount = 0;
    __builtin_memset(mode->MCastFilter, 0, sizeof(mode->MCastFilter));
}

/* Start the device, and reset everything that counts from its start. */
static EFI_STATUS start_device(struct snp *snp, bool takes_large)
{
    struct net_filter filter = snp_filter_of_mode(&snp->mode);
    EFI_STATUS status;

    (void)net_device_set_filter(&snp->net, &filter); /* stored only: it is not running */
    status = net_device_start(&snp->net, takes_large);
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

/* The rings are empty now, so WaitForPacket must wait again. CheckEvent consumes a signal
 * that the client has not seen yet. */
static void forget_frames(struct snp *snp)
{
    returns_clear(&snp->returns);
    (void)BS->CheckEvent(snp->protocol.WaitForPacket); /* both answers are fine */
}

static void stop_device(struct snp *snp)
{
    /* Cancelling a timer that is not set cannot fail. */
    (void)BS->SetTimer(snp->tend_timer, TimerCancel, 0);
    net_device_park(&snp->net);
    forget_frames(snp);
    clear_filters(&snp->mode);
}

EFI_STATUS snp_look_after(struct snp *snp)
{
    EFI_STATUS status;

    HOLD_TPL_CALLBACK();
    status = snp_check_initialized(snp);
    if (!EFI_ERROR(status) && snp->net.is_tend_due) {
        net_device_tend(&snp->net);
        snp->mode.MediaPresent = snp->net.is_link_up;
    }
    return status;
}

bool snp_has_media(struct snp *snp)
{
    snp->net.is_tend_due = true;
    (void)snp_look_after(snp); /* if SNP is not Initialized, the last known state stays */
    return snp->mode.MediaPresent;
}

static EFI_STATUS EFIAPI snp_start(EFI_SIMPLE_NETWORK_PROTOCOL *this)
{
    struct snp *snp = snp_of(this);

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    if (snp->mode.State != EfiSimpleNetworkStopped)
        return EFI_ALREADY_STARTED;
    snp->mode.State = EfiSimpleNetworkStarted;
    return EFI_SUCCESS;
}

bool snp_is_ours(const EFI_SIMPLE_NETWORK_PROTOCOL *protocol)
{
    return protocol->Start == snp_start;
}

static EFI_STATUS EFIAPI snp_stop(EFI_SIMPLE_NETWORK_PROTOCOL *this)
{
    struct snp *snp = snp_of(this);

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    if (snp->mode.State == EfiSimpleNetworkStopped)
        return EFI_NOT_STARTED;
    if (snp->mode.State == EfiSimpleNetworkInitialized || snp->has_exited)
        return EFI_DEVICE_ERROR; /* no memory may be freed after ExitBootServices */
    net_device_stop(&snp->net);  /* frees what Shutdown kept for another Initialize */
    snp->mode.State = EfiSimpleNetworkStopped;
    return EFI_SUCCESS;
}

static EFI_STATUS initialize(struct snp *snp, bool takes_large)
{
    EFI_STATUS status;

    HOLD_TPL_CALLBACK();

    if (snp->mode.State == EfiSimpleNetworkStopped)
        return EFI_NOT_STARTED;
    if (snp->mode.State != EfiSimpleNetworkStarted || snp->has_exited)
        return EFI_DEVICE_ERROR;

    snp->mode.ReceiveFilterSetting = DEFAULT_FILTERS;
    status = start_device(snp, takes_large);
    if (!EFI_ERROR(status))
        status = BS->SetTimer(snp->tend_timer, TimerPeriodic, TEND_INTERVAL_100NS);
    if (EFI_ERROR(status)) {
        net_device_stop(&snp->net); /* nothing is kept: the next attempt begins with a reset */
        stop_device(snp);
        /* Clients are told DEVICE_ERROR for any failure of the device. */
        return status == EFI_OUT_OF_RESOURCES ? status : EFI_DEVICE_ERROR;
    }
    snp->mode.State = EfiSimpleNetworkInitialized;
    return EFI_SUCCESS;
}

/* The pools have a fixed size, so requests for extra buffers are accepted and ignored. */
static EFI_STATUS EFIAPI snp_initialize(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN extra_rx_bytes,
                                        UINTN extra_tx_bytes)
{
    (void)extra_rx_bytes;
    (void)extra_tx_bytes;
    return this ? initialize(snp_of(this), false) : EFI_INVALID_PARAMETER;
}

EFI_STATUS snp_initialize_large(struct snp *snp)
{
    return initialize(snp, true);
}

/* Filters, address and counters survive. If the device does not come back, the interface
 * stays Initialized and its methods return DEVICE_ERROR. */
static EFI_STATUS EFIAPI snp_reset(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN extended_verification)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    bool is_reset;

    (void)extended_verification;
    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    status = snp_check_initialized(snp);
    if (EFI_ERROR(status))
        return status;
    is_reset = net_device_stop(&snp->net);
    forget_frames(snp);
    return is_reset && !EFI_ERROR(start_device(snp, snp->net.takes_large)) ? EFI_SUCCESS
                                                                           : EFI_DEVICE_ERROR;
}

static EFI_STATUS EFIAPI snp_shutdown(EFI_SIMPLE_NETWORK_PROTOCOL *this)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();

    status = snp_check_initialized(snp);
    if (EFI_ERROR(status))
        return status;
    stop_device(snp);
    snp->mode.State = EfiSimpleNetworkStarted;
    return EFI_SUCCESS;
}

/* Runs at TPL_CALLBACK, like every method. It takes nothing from who takes large frames. */
static VOID EFIAPI on_wait_for_packet(EFI_EVENT event, VOID *context)
{
    struct snp *snp = context;
    const uint8_t *frame;
    size_t frame_bytes;

    if (!EFI_ERROR(snp_check_initialized(snp)) &&
        !EFI_ERROR(net_device_peek_large(&snp->net, &frame, &frame_bytes)))
        (void)BS->SignalEvent(event); /* our own event: cannot fail */
}

static VOID EFIAPI on_tend_timer(EFI_EVENT event, VOID *context)
{
    struct snp *snp = context;

    (void)event;
    net_device_tick(&snp->net);
}

/* The memory is about to be the operating system's: the device must not write to it. */
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
    snp_set_mac(&mode->CurrentAddress, snp->net.station_mac);
    snp_set_mac(&mode->BroadcastAddress, broadcast);
    snp_set_mac(&mode->PermanentAddress, snp->net.permanent_mac);
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

    /* Close events first: nothing calls into this object afterwards. */
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            (void)BS->CloseEvent(events[i]); /* created by us: cannot fail */
    }
    net_device_fini(&snp->net);
    __builtin_memset(snp, 0, sizeof(*snp));
}
