/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The methods of the Simple Network Protocol that are called for each frame: GetStatus,
 * Transmit and Receive. They do not raise the TPL; exclusion.h keeps events out instead.
 */
#include "base/copy.h"
#include "base/hot_path.h"
#include "snp/exclusion.h"
#include "snp/snp_methods.h"

#define ETHERTYPE_OFFSET 12u
#define FRAME_BYTES_MAX                                                                            \
    (ETHERNET_HEADER_BYTES + UINT16_MAX) /* at the largest MTU that a device can have */

_Static_assert((SNP_RETURNS_MAX & (SNP_RETURNS_MAX - 1)) == 0, "the indices run freely");

/* The status of a method that finds the device down after its first check: an event in
 * between shut SNP down, or the device has just broken. */
static EFI_STATUS snp_why_down(const struct snp *snp)
{
    EFI_STATUS status = snp_check_initialized(snp);

    return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
}

static bool returns_are_full(const struct snp_returns *returns)
{
    return (uint16_t)(returns->end - returns->first) == SNP_RETURNS_MAX;
}

static void returns_push(struct snp_returns *returns, void *buffer)
{
    if (returns_are_full(returns))
        returns->first++; /* the oldest is dropped on purpose; see has_room */
    returns->buffers[returns->end++ & (SNP_RETURNS_MAX - 1)] = buffer;
}

static void *returns_pop(struct snp_returns *returns)
{
    if (returns->first == returns->end)
        return NULL;
    return returns->buffers[returns->first++ & (SNP_RETURNS_MAX - 1)];
}

/* Interrupts since the last call. Only receive and transmit mean anything to a UEFI client. */
static UINT32 take_interrupts(struct snp *snp)
{
    uint16_t rx_now = net_device_rx_progress(&snp->net);
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
        *ret_interrupts = net_device_has_queues(&snp->net) ? take_interrupts(snp) : 0;
    if (ret_buffer) {
        snp->returns.is_collected = true;
        *ret_buffer = returns_pop(&snp->returns);
    }
}

EFI_STATUS EFIAPI snp_get_status(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINT32 *ret_interrupts,
                                 VOID **ret_buffer)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    UINTN before;

    if (!this)
        return EFI_INVALID_PARAMETER;
    status = snp_attend(snp);
    if (EFI_ERROR(status))
        return status;
    if (!ret_interrupts && !ret_buffer)
        return EFI_INVALID_PARAMETER;

    before = exclusion_enter(snp->masks_interrupts);
    if (net_device_is_down(&snp->net))
        status = snp_check_initialized(snp);
    if (!EFI_ERROR(status))
        get_status(snp, ret_interrupts, ret_buffer);
    exclusion_leave(snp->masks_interrupts, before);
    return status;
}

/* Fill in the media header before the caller's data. */
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

/* A client that has never asked for a buffer does not miss the oldest one. */
static bool has_room(const struct snp_returns *returns)
{
    return !returns_are_full(returns) || !returns->is_collected;
}

/* Count a frame that is not sent, with its bytes. A length that no frame can have is a
 * mistake of the caller and adds no bytes. */
static EFI_STATUS refuse(struct snp *snp, uint64_t *cause, UINTN frame_bytes, EFI_STATUS status)
{
    (*cause)++;
    if (frame_bytes <= FRAME_BYTES_MAX)
        snp->net.counters.tx.bad_bytes += frame_bytes;
    return status;
}

/* Refuse a frame for its length: too short, or longer than the MTU allows. */
static EFI_STATUS refuse_length(struct snp *snp, UINTN frame_bytes)
{
    if (frame_bytes < ETHERNET_HEADER_BYTES)
        return refuse(snp, &snp->net.counters.tx.undersize, frame_bytes, EFI_BUFFER_TOO_SMALL);
    return refuse(snp, &snp->net.counters.tx.oversize, frame_bytes, EFI_INVALID_PARAMETER);
}

/* Send the frame in `buffer`, whose header is complete. Never entered twice: the caller
 * keeps events out. */
static inline EFI_STATUS transmit(struct snp *snp, VOID *buffer, UINTN frame_bytes)
{
    EFI_STATUS status;

    if (frame_bytes < ETHERNET_HEADER_BYTES || frame_bytes > ETHERNET_HEADER_BYTES + snp->net.mtu)
        return refuse_length(snp, frame_bytes);
    if (!has_room(&snp->returns))
        return EFI_NOT_READY;
    status = net_device_transmit(&snp->net, buffer, frame_bytes);
    if (status == EFI_NOT_READY)
        return status;
    if (EFI_ERROR(status))
        return refuse(snp, &snp->net.counters.tx.dropped, frame_bytes, snp_why_down(snp));
    returns_push(&snp->returns, buffer);
    snp->has_transmitted = true;
    return EFI_SUCCESS;
}

EFI_STATUS EFIAPI snp_transmit(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN header_bytes,
                               UINTN buffer_bytes, VOID *buffer, EFI_MAC_ADDRESS *source,
                               EFI_MAC_ADDRESS *destination, UINT16 *protocol)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    UINTN before;

    if (!this)
        return EFI_INVALID_PARAMETER;
    status = snp_attend(snp);
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

/* Parse the header from the caller's copy, because the device can still write to the original. */
static void parse_header(const uint8_t *frame, UINTN *ret_header_bytes, EFI_MAC_ADDRESS *ret_source,
                         EFI_MAC_ADDRESS *ret_destination, UINT16 *ret_protocol)
{
    if (ret_header_bytes)
        *ret_header_bytes = ETHERNET_HEADER_BYTES;
    if (ret_destination)
        snp_set_mac(ret_destination, frame);
    if (ret_source)
        snp_set_mac(ret_source, frame + MAC_BYTES);
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
        return status == EFI_NOT_READY ? status : snp_why_down(snp);
    if (*buffer_bytes < frame_bytes) {
        *buffer_bytes = frame_bytes;
        return EFI_BUFFER_TOO_SMALL;
    }
    copy_bytes(buffer, frame, frame_bytes);
    *buffer_bytes = frame_bytes;
    net_device_take(&snp->net);
    return EFI_SUCCESS;
}

/* The slow half of Receive: the device needs attention, has news, or an argument is wrong. */
static OUT_OF_LINE EFI_STATUS EFIAPI receive_frame(EFI_SIMPLE_NETWORK_PROTOCOL *this,
                                                   UINTN *ret_header_bytes, UINTN *buffer_bytes,
                                                   VOID *buffer, EFI_MAC_ADDRESS *ret_source,
                                                   EFI_MAC_ADDRESS *ret_destination,
                                                   UINT16 *ret_protocol)
{
    struct snp *snp = snp_of(this);
    EFI_STATUS status;
    UINTN before;

    status = snp_attend(snp);
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

/* Clients poll. There is nearly always nothing to receive, and a few loads show that. */
EFI_STATUS EFIAPI snp_receive(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN *ret_header_bytes,
                              UINTN *buffer_bytes, VOID *buffer, EFI_MAC_ADDRESS *ret_source,
                              EFI_MAC_ADDRESS *ret_destination, UINT16 *ret_protocol)
{
    struct snp *snp = snp_of(this);

    if (!this)
        return EFI_INVALID_PARAMETER;
    if (!net_device_needs_attention(&snp->net) && !net_device_has_news(&snp->net) && buffer_bytes &&
        buffer)
        return EFI_NOT_READY;
    return receive_frame(this, ret_header_bytes, buffer_bytes, buffer, ret_source, ret_destination,
                         ret_protocol);
}
