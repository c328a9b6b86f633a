/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the files of the Managed Network service share. Nobody else includes it.
 *
 *   struct mnp           a NIC: one ring, one joiner, one store of packets
 *   struct mnp_service   untagged, or a VLAN: a service binding on a handle
 *   struct mnp_child     a client: a protocol on a handle, its queues, its settings
 *
 * Everything runs at TPL_CALLBACK. Clients run in the middle of it whenever a token is signalled or
 * DPCs are dispatched, and may then call anything, down to mnp_destroy. So each method signals
 * last, and touches nothing of ours afterwards. mnp_work signals and goes on; it is told when `mnp`
 * goes, and looks at the lists anew each time.
 */
#ifndef MNP_PARTS_H
#define MNP_PARTS_H

#include "base/list.h"
#include "mnp/mnp.h"
#include "mnp/mnp_packet.h"
#include "uefi_ext/managed_network.h"
#include "uefi_ext/vlan_config.h"

#define MNP_TICK_US 10000u /* also how often the background polls */
#define MNP_QUEUE_MAX 256u /* packets that wait in a child's queue */
#define MNP_QUEUE_BYTES_MAX (1u << 20)
#define MNP_TOKENS_MAX 64u /* of one kind that wait in a child */
#define MNP_ABORTED_MAX (2 * MNP_TOKENS_MAX)
#define MNP_STAGE_OFFSET 2u
#define MNP_STAGE_BYTES (ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + UINT16_MAX)

/* Tokens in the order in which they came. */
struct mnp_tokens {
    unsigned count;
    struct mnp_waiting {
        EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token;
        uint32_t expires_at; /* in ticks, if `expires` */
        bool expires;
    } waiting[MNP_TOKENS_MAX];
};

struct mnp_group {
    struct list link;
    uint8_t mac[MAC_BYTES];
};

struct mnp_child {
    EFI_MANAGED_NETWORK_PROTOCOL protocol;
    struct list link; /* in its service, or in a list of the dead */
    struct mnp_service *service;
    EFI_HANDLE handle;
    EFI_MANAGED_NETWORK_CONFIG_DATA config;
    bool is_configured;
    bool is_going; /* DestroyChild is under way, which may enter itself */
    struct list groups;
    struct list packets; /* received, waiting for a token */
    unsigned packet_count;
    size_t packet_bytes;
    struct mnp_tokens receives;
    struct mnp_tokens transmits; /* for which the ring had no room */
};

struct mnp_service {
    EFI_SERVICE_BINDING binding;
    struct list link; /* in its NIC */
    struct mnp *mnp;
    EFI_HANDLE handle;            /* the NIC's, or of its own */
    EFI_DEVICE_PATH *device_path; /* of a handle of its own; pool memory */
    struct list children;
    UINT16 vlan;   /* 0: untagged */
    bool is_going; /* mnp_service_destroy is under way */
    UINT8 priority;
};

struct mnp {
    struct snp *snp;
    EFI_HANDLE agent;
    EFI_HANDLE controller;
    EFI_DEVICE_PATH *path; /* the controller's */
    mnp_complaint *complain;
    void *context;

    EFI_VLAN_CONFIG_PROTOCOL vlan_config;
    bool has_vlan_config; /* is installed */
    bool has_vlans;       /* the services are those of the variable, not the one by default */
    struct list services;

    EFI_EVENT timer;
    bool is_ticking;
    uint32_t ticks;
    bool is_started;  /* SNP, by us */
    bool is_changing; /* services are made or destroyed */
    bool is_working;  /* tokens are being completed */
    bool *gone;       /* set when `mnp` is freed, for whoever is in the middle of it; or NULL */

    struct mnp_store *store;
    uint64_t packets; /* numbered so far */
    struct tcp_join join;
    /* A frame in private memory, before it is looked at. It begins at 2 modulo 8: what follows its
     * Ethernet header is aligned. */
    uint8_t stage[MNP_STAGE_OFFSET + MNP_STAGE_BYTES] __attribute__((aligned(8)));
};

#define MNP_FOR_EACH_SERVICE(service, mnp)                                                         \
    for (struct mnp_service *service = mnp_service_of_link((mnp)->services.next);                  \
         &service->link != &(mnp)->services; service = mnp_service_of_link(service->link.next))

#define MNP_FOR_EACH_CHILD(child, service)                                                         \
    for (struct mnp_child *child = mnp_child_of_link((service)->children.next);                    \
         &child->link != &(service)->children; child = mnp_child_of_link(child->link.next))

struct mnp_service *mnp_service_of_link(struct list *link);
struct mnp_child *mnp_child_of_link(struct list *link);
struct mnp_child *mnp_child_of(EFI_MANAGED_NETWORK_PROTOCOL *protocol);

/* mnp.c */
/* A service for `vlan` on a handle of its own, or on the controller's for 0. */
EFI_STATUS mnp_service_create(struct mnp *mnp, UINT16 vlan, UINT8 priority,
                              struct mnp_service **ret_service) __attribute__((warn_unused_result));

/* With its children, which go onto the list `dead`: mnp_bury. Error: a client does not let go; the
 * service stays. */
EFI_STATUS mnp_service_destroy(struct mnp_service *service, struct list *dead)
    __attribute__((warn_unused_result));

/* Services come and go in one call at a time: what uninstalling a protocol stops may call anything.
 * False: a change is under way. The caller clears is_changing in the end. */
bool mnp_begin_change(struct mnp *mnp);

/* NULL: there is none. */
struct mnp_service *mnp_service_find(struct mnp *mnp, UINT16 vlan);

/* Let the firmware's drivers do what they put off in the functions of their events. */
void mnp_dispatch_dpcs(void);

/* Rounded up. */
uint32_t mnp_ticks_of_us(uint32_t microseconds);

/* True when the tick `expires_at` is over. */
static inline bool mnp_is_time(const struct mnp *mnp, uint32_t expires_at)
{
    return (int32_t)(mnp->ticks - expires_at) > 0;
}

/* mnp_config.c */
void mnp_child_init(struct mnp_child *child, struct mnp_service *service);

/* Back to the state after CreateChild, but for the tokens that wait. */
void mnp_child_unconfigure(struct mnp_child *child);

/* The membership in a group; NULL: none. */
struct mnp_group *mnp_child_group(struct mnp_child *child, const uint8_t *mac);

/* mnp_receive.c */
tcp_join_deliver mnp_deliver_frame;

/* Drop what waits in the queue. */
void mnp_child_flush(struct mnp_child *child);

/* Complete tokens, of packets that wait and of frames that waited for room. True: there were some.
 * Signals: `mnp` may be gone afterwards. Does nothing when called from inside itself. */
bool mnp_work(struct mnp *mnp);

VOID EFIAPI mnp_on_timer(EFI_EVENT event, VOID *context);

/* mnp_transmit.c */
/* Send what waits, as far as there is room, and end what has waited too long. True: there was
 * something. Stops when *is_gone. */
bool mnp_send_waiting(struct mnp *mnp, const bool *is_gone);

/* mnp_tokens.c */
/* True when the token, or one with its event, waits. */
bool mnp_tokens_contain(const struct mnp_tokens *tokens,
                        const EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token);

/* `timeout_us` 0: it waits forever. False: MNP_TOKENS_MAX wait. */
bool mnp_tokens_append(struct mnp_tokens *tokens, EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token,
                       uint32_t now, uint32_t timeout_us);
EFI_MANAGED_NETWORK_COMPLETION_TOKEN *mnp_tokens_remove(struct mnp_tokens *tokens, unsigned index);

/* Take out all tokens, or `only`. Returns how many are now in `aborted`, which has room for
 * MNP_ABORTED_MAX. */
unsigned mnp_child_take_tokens(struct mnp_child *child,
                               const EFI_MANAGED_NETWORK_COMPLETION_TOKEN *only,
                               EFI_MANAGED_NETWORK_COMPLETION_TOKEN **aborted);

/* The client runs, and may do anything. */
void mnp_signal(EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token, EFI_STATUS status);
void mnp_abort(EFI_MANAGED_NETWORK_COMPLETION_TOKEN **tokens, unsigned count);

/* mnp_vlan.c */
void mnp_vlan_init(struct mnp *mnp);

/* The services that the variable wants, or the untagged one; those that exist stay. */
EFI_STATUS mnp_vlan_create_services(struct mnp *mnp, const CHAR16 **ret_cause)
    __attribute__((warn_unused_result));

/* A pool block with the path of VLAN `vlan` below the NIC; NULL: no memory. */
EFI_DEVICE_PATH *mnp_vlan_path(const struct mnp *mnp, UINT16 vlan);

/* The methods. Parameters and errors: UEFI 2.10, 25.1. */
EFI_STATUS EFIAPI mnp_get_mode_data(EFI_MANAGED_NETWORK_PROTOCOL *this,
                                    EFI_MANAGED_NETWORK_CONFIG_DATA *ret_config,
                                    EFI_SIMPLE_NETWORK_MODE *ret_mode);
EFI_STATUS EFIAPI mnp_configure(EFI_MANAGED_NETWORK_PROTOCOL *this,
                                EFI_MANAGED_NETWORK_CONFIG_DATA *config);
EFI_STATUS EFIAPI mnp_mcast_ip_to_mac(EFI_MANAGED_NETWORK_PROTOCOL *this, BOOLEAN is_ipv6,
                                      EFI_IP_ADDRESS *ip, EFI_MAC_ADDRESS *ret_mac);
EFI_STATUS EFIAPI mnp_groups(EFI_MANAGED_NETWORK_PROTOCOL *this, BOOLEAN is_join,
                             EFI_MAC_ADDRESS *address);
EFI_STATUS EFIAPI mnp_transmit(EFI_MANAGED_NETWORK_PROTOCOL *this,
                               EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token);
EFI_STATUS EFIAPI mnp_receive(EFI_MANAGED_NETWORK_PROTOCOL *this,
                              EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token);
EFI_STATUS EFIAPI mnp_cancel(EFI_MANAGED_NETWORK_PROTOCOL *this,
                             EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token);
EFI_STATUS EFIAPI mnp_poll(EFI_MANAGED_NETWORK_PROTOCOL *this);

#endif
