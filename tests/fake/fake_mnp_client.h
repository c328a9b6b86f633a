/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A client of a Managed Network service, as ARP and IP4 of edk2 are: a child whose protocol it
 * opens BY_DRIVER, an Ethertype, and one Receive token at a time. The token's event only queues
 * a DPC; the DPC records the frame, recycles it or keeps it, and arms the token again. Without
 * EFI_DPC_PROTOCOL the event itself does this, at TPL_CALLBACK.
 *
 * It is a driver too: ConnectController attaches it to a handle with a service binding.
 */
#ifndef FAKE_MNP_CLIENT_H
#define FAKE_MNP_CLIENT_H

#include "fake_dpc.h"
#include "firmware.h"
#include "uefi_ext/managed_network.h"

#include <efiprot.h>

struct fake_mnp_frame {
    struct fake_mnp_frame *next;
    EFI_MANAGED_NETWORK_RECEIVE_DATA rx_data; /* as it was: its pointers may be void by now */
    size_t length;                            /* header and data */
    uint8_t bytes[];
};

struct fake_mnp_client;
typedef void fake_mnp_client_hook(struct fake_mnp_client *client, void *context);

#define FAKE_MNP_HELD_MAX 65536u

struct fake_mnp_client {
    EFI_DRIVER_BINDING_PROTOCOL binding; /* first; Version 0xa */
    struct fake_firmware *firmware;
    struct fake_dpc *dpc; /* NULL: none */

    /* For tests to set */
    EFI_MANAGED_NETWORK_CONFIG_DATA config;
    bool is_retired;                /* no longer binds when connected */
    bool holds;                     /* frames are not recycled */
    bool stays_silent;              /* the token is not armed again */
    fake_mnp_client_hook *hook;     /* after each frame, before the token is armed; NULL: none */
    fake_mnp_client_hook *on_abort; /* the token was aborted; NULL: none */
    void *context;

    /* What happened */
    EFI_HANDLE service; /* NULL: not attached */
    EFI_HANDLE child;
    EFI_MANAGED_NETWORK_PROTOCOL *mnp;
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN token;
    bool is_armed;
    bool is_leaving;         /* it is not stopped a second time from inside */
    EFI_STATUS armed_status; /* of the last Receive */
    unsigned starts;
    unsigned stops;
    unsigned frames;  /* that came */
    unsigned aborted; /* tokens */
    unsigned depth;   /* calls of our own function under way */
    unsigned depth_max;
    struct fake_mnp_frame *first; /* recorded and not taken */
    struct fake_mnp_frame *last;
    unsigned held_count;
    EFI_MANAGED_NETWORK_RECEIVE_DATA **held;
};

/* Lives as long as the firmware. `dpc` may be NULL. The configuration: unicast and broadcast,
 * no time-outs, background polling off. */
struct fake_mnp_client *fake_mnp_client_new(struct fake_firmware *firmware, struct fake_dpc *dpc,
                                            UINT16 ethertype);

/* CreateChild, OpenProtocol, Configure, Receive. Errors: theirs; nothing is left then. */
EFI_STATUS fake_mnp_client_attach(struct fake_mnp_client *client, EFI_HANDLE service);

/* The reverse. Held frames stay held. Error: the child is not destroyed. */
EFI_STATUS fake_mnp_client_detach(struct fake_mnp_client *client);

/* Arm the token. */
EFI_STATUS fake_mnp_client_arm(struct fake_mnp_client *client);

/* The oldest recorded frame; NULL: none. */
const struct fake_mnp_frame *fake_mnp_client_take(struct fake_mnp_client *client);

/* Recycle the oldest `count` held frames. */
void fake_mnp_client_recycle(struct fake_mnp_client *client, unsigned count);

#endif
