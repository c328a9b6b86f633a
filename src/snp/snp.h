/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_SIMPLE_NETWORK_PROTOCOL over a net_device: states, arguments, TPL and the
 * ownership of the caller's transmit buffers. Source: UEFI 2.10, 24.1.
 *
 * A transmit buffer belongs to the driver from Transmit until GetStatus returns it. The
 * frame was copied, so the next GetStatus can return it.
 */
#ifndef SNP_H
#define SNP_H

#include <efi.h>
#include <efinet.h>

#include "net/net_device.h"

/* Buffers that wait for GetStatus. A power of two. */
#define SNP_RETURNS_MAX 1024u

struct snp_returns {
    void *buffers[SNP_RETURNS_MAX];
    uint16_t first; /* free-running, as is `end` */
    uint16_t end;
    bool is_collected; /* the client has asked GetStatus for a buffer */
};

struct snp {
    EFI_SIMPLE_NETWORK_PROTOCOL protocol;
    EFI_SIMPLE_NETWORK_MODE mode;
    struct net_device net;

    struct snp_returns returns;
    uint16_t rx_reported;     /* net_device_rx_progress at the last GetStatus */
    bool has_transmitted;     /* since the last GetStatus */
    bool masks_interrupts;    /* how Transmit, Receive and GetStatus keep events out */
    volatile bool has_exited; /* ExitBootServices was called: the device must not be touched */
    EFI_EVENT tend_timer;
    EFI_EVENT exit_event;
};

/* Find the device behind `pci_io` and prepare `snp->protocol` for installation, in state
 * Stopped. The object must not move until snp_fini. Errors: those of net_device_init and of
 * CreateEvent. Nothing is left behind then, and *ret_cause says why, for people. */
EFI_STATUS snp_init(struct snp *snp, EFI_PCI_IO_PROTOCOL *pci_io, const CHAR16 **ret_cause)
    __attribute__((warn_unused_result));

/* Initialize, as the protocol's method, for a client that takes frames with net_device_peek_large.
 * Until Shutdown, Receive drops and counts those above the MTU. */
EFI_STATUS snp_initialize_large(struct snp *snp) __attribute__((warn_unused_result));

/* True when `protocol` is the one of a struct snp of this image. */
bool snp_is_ours(const EFI_SIMPLE_NETWORK_PROTOCOL *protocol);

/* The first step of a method when the device needs attention: check the state, then do what
 * is due from time to time: read link and health, ring a doorbell that may be lost. Errors:
 * EFI_NOT_STARTED, in state Stopped; EFI_DEVICE_ERROR, in state Started, or after
 * ExitBootServices. */
EFI_STATUS snp_look_after(struct snp *snp) __attribute__((warn_unused_result));

/* The same, for every frame: nearly always the device is well, which one load shows. Fails if SNP
 * is not Initialized, because the device is down then. */
static inline EFI_STATUS snp_attend(struct snp *snp)
{
    return net_device_needs_attention(&snp->net) ? snp_look_after(snp) : EFI_SUCCESS;
}

/* The same for a client that takes large frames. */
static inline EFI_STATUS snp_attend_large(struct snp *snp)
{
    return net_device_needs_attention_large(&snp->net) ? snp_look_after(snp) : EFI_SUCCESS;
}

/* True when there is a link. Read from the device if SNP is Initialized, otherwise the last
 * known state. At any TPL up to TPL_CALLBACK. */
bool snp_has_media(struct snp *snp);

/* Undo snp_init in any state of the protocol, which is no longer installed. A zeroed object
 * is accepted. */
void snp_fini(struct snp *snp);

#endif
