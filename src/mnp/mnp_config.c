/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the children want, and what follows from it for SNP, its filter and the timer. Nothing is
 * counted: after each change all children are asked again.
 */
#include <efi.h>
#include <efilib.h>

#include "base/container_of.h"
#include "base/tpl.h"
#include "mnp/mnp_parts.h"

#define ETHERTYPE_MIN 1501u /* smaller ones are lengths */

/* The state after CreateChild. EDK2's service has the same time-outs there, 10 s. */
static const EFI_MANAGED_NETWORK_CONFIG_DATA default_config = {
    .ReceivedQueueTimeoutValue = 10000000,
    .TransmitQueueTimeoutValue = 10000000,
};

/* The union over all configured children. */
struct wishes {
    bool any;
    bool wants_ticks;
    UINT32 filters; /* EFI_SIMPLE_NETWORK_RECEIVE_… */
    UINTN group_count;
    EFI_MAC_ADDRESS groups[NET_FILTER_MULTICAST_MAX];
};

static void wish_group(struct wishes *wishes, const uint8_t *mac)
{
    for (UINTN i = 0; i < wishes->group_count; i++) {
        if (mac_is_equal(wishes->groups[i].Addr, mac))
            return;
    }
    if (wishes->group_count == NET_FILTER_MULTICAST_MAX) {
        wishes->filters |= EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST;
        return;
    }
    __builtin_memcpy(wishes->groups[wishes->group_count++].Addr, mac, MAC_BYTES);
}

static void add_wishes(struct wishes *wishes, struct mnp_child *child)
{
    const EFI_MANAGED_NETWORK_CONFIG_DATA *config = &child->config;

    wishes->any = true;
    if (!config->DisableBackgroundPolling || config->ReceivedQueueTimeoutValue ||
        config->TransmitQueueTimeoutValue)
        wishes->wants_ticks = true;
    if (config->EnableUnicastReceive)
        wishes->filters |= EFI_SIMPLE_NETWORK_RECEIVE_UNICAST;
    if (config->EnableBroadcastReceive)
        wishes->filters |= EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST;
    if (config->EnablePromiscuousReceive)
        wishes->filters |= EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS;
    LIST_FOR_EACH (link, &child->groups)
        wish_group(wishes, container_of(link, struct mnp_group, link)->mac);
}

static struct wishes wishes_of(struct mnp *mnp)
{
    struct wishes wishes = {0};

    MNP_FOR_EACH_SERVICE (service, mnp) {
        MNP_FOR_EACH_CHILD (child, service) {
            if (child->is_configured)
                add_wishes(&wishes, child);
        }
    }
    if (wishes.group_count > 0)
        wishes.filters |= EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST;
    return wishes;
}

/* An application may have left SNP started or initialized. */
static EFI_STATUS start_snp(struct mnp *mnp)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = &mnp->snp->protocol;
    EFI_STATUS status;

    if (mnp->is_started && snp->Mode->State == EfiSimpleNetworkInitialized)
        return EFI_SUCCESS;
    tcp_join_drop(&mnp->join);
    status = snp->Start(snp);
    if (EFI_ERROR(status) && status != EFI_ALREADY_STARTED)
        return status;
    if (snp->Mode->State != EfiSimpleNetworkInitialized) {
        status = snp_initialize_large(mnp->snp);
        if (EFI_ERROR(status)) {
            (void)snp->Stop(snp); /* was Started: nothing to lose */
            return status;
        }
    }
    mnp->is_started = true;
    return EFI_SUCCESS;
}

static void stop_snp(struct mnp *mnp)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = &mnp->snp->protocol;

    tcp_join_drop(&mnp->join);
    if (!mnp->is_started)
        return;
    mnp->is_started = false;
    (void)snp->Shutdown(snp); /* fails if somebody else has done it */
    (void)snp->Stop(snp);
}

static EFI_STATUS set_ticking(struct mnp *mnp, bool is_ticking)
{
    EFI_STATUS status;

    if (mnp->is_ticking == is_ticking)
        return EFI_SUCCESS;
    status = BS->SetTimer(mnp->timer, is_ticking ? TimerPeriodic : TimerCancel, MNP_TICK_US * 10u);
    if (!EFI_ERROR(status))
        mnp->is_ticking = is_ticking;
    return status;
}

/* Make SNP, its filter and the timer what the children want. */
static EFI_STATUS settle(struct mnp *mnp)
{
    struct wishes wishes = wishes_of(mnp);
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = &mnp->snp->protocol;
    EFI_STATUS status;

    if (!wishes.any) {
        (void)set_ticking(mnp, false); /* cancelling cannot fail */
        stop_snp(mnp);
        return EFI_SUCCESS;
    }
    status = start_snp(mnp);
    if (EFI_ERROR(status))
        return status;
    status =
        snp->ReceiveFilters(snp, wishes.filters, snp->Mode->ReceiveFilterMask & ~wishes.filters,
                            wishes.group_count == 0, wishes.group_count, wishes.groups);
    return EFI_ERROR(status) ? status : set_ticking(mnp, wishes.wants_ticks);
}

static void leave_group(struct mnp_group *group)
{
    list_remove(&group->link);
    (void)BS->FreePool(group); /* ours: cannot fail */
}

static void leave_all_groups(struct mnp_child *child)
{
    while (!list_is_empty(&child->groups))
        leave_group(container_of(child->groups.next, struct mnp_group, link));
}

struct mnp_group *mnp_child_group(struct mnp_child *child, const uint8_t *mac)
{
    LIST_FOR_EACH (link, &child->groups) {
        struct mnp_group *group = container_of(link, struct mnp_group, link);

        if (mac_is_equal(group->mac, mac))
            return group;
    }
    return NULL;
}

void mnp_child_init(struct mnp_child *child, struct mnp_service *service)
{
    __builtin_memset(child, 0, sizeof(*child));
    child->protocol = (EFI_MANAGED_NETWORK_PROTOCOL){
        .GetModeData = mnp_get_mode_data,
        .Configure = mnp_configure,
        .McastIpToMac = mnp_mcast_ip_to_mac,
        .Groups = mnp_groups,
        .Transmit = mnp_transmit,
        .Receive = mnp_receive,
        .Cancel = mnp_cancel,
        .Poll = mnp_poll,
    };
    child->service = service;
    child->config = default_config;
    list_init(&child->link);
    list_init(&child->groups);
    list_init(&child->packets);
}

void mnp_child_unconfigure(struct mnp_child *child)
{
    if (child->config.FlushQueuesOnReset)
        mnp_child_flush(child);
    leave_all_groups(child);
    child->config = default_config;
    child->is_configured = false;
    /* A failure leaves the device with a wider filter than the others want. */
    (void)settle(child->service->mnp);
}

static EFI_STATUS configure(struct mnp_child *child, const EFI_MANAGED_NETWORK_CONFIG_DATA *config)
{
    if (child->config.FlushQueuesOnReset)
        mnp_child_flush(child);
    if (!config->EnableMulticastReceive)
        leave_all_groups(child);
    child->config = *config;
    child->is_configured = true;
    return settle(child->service->mnp);
}

EFI_STATUS EFIAPI mnp_configure(EFI_MANAGED_NETWORK_PROTOCOL *this,
                                EFI_MANAGED_NETWORK_CONFIG_DATA *config)
{
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN *aborted[MNP_ABORTED_MAX];
    EFI_STATUS status = EFI_SUCCESS;
    struct mnp_child *child;
    unsigned count;

    if (!this ||
        (config && config->ProtocolTypeFilter > 0 && config->ProtocolTypeFilter < ETHERTYPE_MIN))
        return EFI_INVALID_PARAMETER;
    if (config && config->EnableReceiveTimestamps)
        return EFI_UNSUPPORTED;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (config) {
        status = configure(child, config);
        if (!EFI_ERROR(status))
            return EFI_SUCCESS;
    } else if (!child->is_configured) {
        return EFI_SUCCESS;
    }
    mnp_child_unconfigure(child);
    count = mnp_child_take_tokens(child, NULL, aborted);
    mnp_abort(aborted, count);
    return status;
}

EFI_STATUS EFIAPI mnp_get_mode_data(EFI_MANAGED_NETWORK_PROTOCOL *this,
                                    EFI_MANAGED_NETWORK_CONFIG_DATA *ret_config,
                                    EFI_SIMPLE_NETWORK_MODE *ret_mode)
{
    struct mnp_child *child;
    struct snp *snp;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    snp = child->service->mnp->snp;
    if (ret_config)
        *ret_config = child->config;
    if (ret_mode) {
        (void)snp_attend_large(
            snp); /* the link, if it is time to look; not Initialized: as it was */
        *ret_mode = snp->mode;
    }
    return child->is_configured ? EFI_SUCCESS : EFI_NOT_STARTED;
}

/* RFC 1112, 4; RFC 4291, 2.7. */
static bool is_multicast_ip(const EFI_IP_ADDRESS *ip, bool is_ipv6)
{
    return is_ipv6 ? ip->v6.Addr[0] == 0xffu : (ip->v4.Addr[0] & 0xf0u) == 0xe0u;
}

EFI_STATUS EFIAPI mnp_mcast_ip_to_mac(EFI_MANAGED_NETWORK_PROTOCOL *this, BOOLEAN is_ipv6,
                                      EFI_IP_ADDRESS *ip, EFI_MAC_ADDRESS *ret_mac)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp;
    struct mnp_child *child;

    if (!this || !ip || !ret_mac || !is_multicast_ip(ip, is_ipv6))
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (!child->is_configured)
        return EFI_NOT_STARTED;
    snp = &child->service->mnp->snp->protocol;
    return snp->MCastIpToMac(snp, is_ipv6, ip, ret_mac);
}

static EFI_STATUS join_group(struct mnp_child *child, const uint8_t *mac)
{
    struct mnp_group *group;
    EFI_STATUS status;

    if (mnp_child_group(child, mac))
        return EFI_ALREADY_STARTED;
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*group), (void **)&group);
    if (EFI_ERROR(status))
        return status;
    __builtin_memcpy(group->mac, mac, MAC_BYTES);
    list_append(&child->groups, &group->link);
    status = settle(child->service->mnp);
    if (EFI_ERROR(status))
        leave_group(group); /* the filter is as before */
    return status;
}

EFI_STATUS EFIAPI mnp_groups(EFI_MANAGED_NETWORK_PROTOCOL *this, BOOLEAN is_join,
                             EFI_MAC_ADDRESS *address)
{
    struct mnp_group *group;
    struct mnp_child *child;

    if (!this || (is_join && !address))
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (!child->is_configured)
        return EFI_NOT_STARTED;
    if (!child->config.EnableMulticastReceive ||
        (address && (!mac_is_group(address->Addr) || mac_is_broadcast(address->Addr))))
        return EFI_INVALID_PARAMETER;
    if (is_join)
        return join_group(child, address->Addr);
    if (address) {
        group = mnp_child_group(child, address->Addr);
        if (!group)
            return EFI_NOT_FOUND;
        leave_group(group);
    } else {
        leave_all_groups(child);
    }
    return settle(child->service->mnp);
}
