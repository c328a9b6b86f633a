/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * From a client's fragments straight into a slot of the ring. The frame is copied, so its token
 * completes at once. Only while the ring is full does a token wait.
 */
#include "base/copy.h"
#include "base/tpl.h"
#include "mnp/mnp_parts.h"

#define ETHERTYPE_OFFSET 12u
#define ETHERTYPE_VLAN 0x8100u
#define HEADER_BYTES_MAX (ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES)

/* The bytes of a client's fragments, read from front to back. */
struct reader {
    const EFI_MANAGED_NETWORK_TRANSMIT_DATA *data;
    unsigned fragment;
    uint32_t offset; /* in the fragment */
};

static void read_bytes(struct reader *reader, uint8_t *to, uint32_t length_bytes)
{
    while (length_bytes > 0 && reader->fragment < reader->data->FragmentCount) {
        const EFI_MANAGED_NETWORK_FRAGMENT_DATA *fragment =
            &reader->data->FragmentTable[reader->fragment];
        uint32_t part = fragment->FragmentLength - reader->offset;

        if (part > length_bytes)
            part = length_bytes;
        copy_bytes(to, (const uint8_t *)fragment->FragmentBuffer + reader->offset, part);
        to += part;
        length_bytes -= part;
        reader->offset += part;
        if (reader->offset == fragment->FragmentLength) {
            reader->fragment++;
            reader->offset = 0;
        }
    }
}

static void write16(uint8_t *field, uint32_t value)
{
    field[0] = (uint8_t)(value >> 8);
    field[1] = (uint8_t)value;
}

/* UEFI 2.10, 25.1, EFI_MANAGED_NETWORK_PROTOCOL.Transmit(). A frame without a destination has its
 * whole header in the fragments. */
static bool is_valid(const struct mnp_service *service,
                     const EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token)
{
    const EFI_MANAGED_NETWORK_TRANSMIT_DATA *data = token->Packet.TxData;
    uint32_t mtu =
        service->mnp->snp->mode.MaxPacketSize - (service->vlan ? ETHERNET_VLAN_BYTES : 0);
    uint64_t sum = 0;

    if (!token->Event || !data || data->FragmentCount == 0)
        return false;
    if (data->HeaderLength != (data->DestinationAddress ? 0 : ETHERNET_HEADER_BYTES))
        return false;
    for (unsigned i = 0; i < data->FragmentCount; i++) {
        if (data->FragmentTable[i].FragmentLength == 0 || !data->FragmentTable[i].FragmentBuffer)
            return false;
        sum += data->FragmentTable[i].FragmentLength;
    }
    return sum == (uint64_t)data->HeaderLength + data->DataLength && data->DataLength <= mtu;
}

/* The Ethernet header of a frame, with the service's tag. Returns its length. */
static uint32_t make_header(const struct mnp_service *service, struct reader *reader,
                            uint8_t *header)
{
    const EFI_MANAGED_NETWORK_TRANSMIT_DATA *data = reader->data;

    if (data->DestinationAddress) {
        const EFI_MAC_ADDRESS *source = data->SourceAddress;

        if (!source)
            source = &service->mnp->snp->mode.CurrentAddress;
        __builtin_memcpy(header, data->DestinationAddress->Addr, MAC_BYTES);
        __builtin_memcpy(header + MAC_BYTES, source->Addr, MAC_BYTES);
        write16(header + ETHERTYPE_OFFSET, data->ProtocolType);
    } else {
        read_bytes(reader, header, ETHERNET_HEADER_BYTES);
    }
    if (!service->vlan)
        return ETHERNET_HEADER_BYTES;
    __builtin_memcpy(header + ETHERTYPE_OFFSET + ETHERNET_VLAN_BYTES, header + ETHERTYPE_OFFSET,
                     sizeof(uint16_t));
    write16(header + ETHERTYPE_OFFSET, ETHERTYPE_VLAN);
    write16(header + ETHERNET_HEADER_BYTES, VLAN_TAG(service->vlan, service->priority));
    return HEADER_BYTES_MAX;
}

/* Errors: EFI_NOT_READY, the ring is full; EFI_NO_MEDIA; EFI_DEVICE_ERROR. */
static EFI_STATUS send(const struct mnp_service *service,
                       const EFI_MANAGED_NETWORK_TRANSMIT_DATA *data)
{
    struct reader reader = {.data = data};
    struct snp *snp = service->mnp->snp;
    uint8_t header[HEADER_BYTES_MAX];
    uint32_t header_bytes;
    uint8_t *frame = NULL;
    EFI_STATUS status;

    if (EFI_ERROR(snp_attend_large(snp)))
        return EFI_DEVICE_ERROR;
    if (snp->mode.MediaPresentSupported && !snp->mode.MediaPresent)
        return EFI_NO_MEDIA;
    status = net_device_claim(&snp->net, &frame);
    if (EFI_ERROR(status))
        return status;
    header_bytes = make_header(service, &reader, header);
    copy_bytes(frame, header, header_bytes);
    read_bytes(&reader, frame + header_bytes, data->DataLength);
    net_device_send(&snp->net, header, header_bytes + data->DataLength);
    return EFI_SUCCESS;
}

/* Send the child's oldest waiting token, or end it. False: it goes on waiting. */
static bool send_oldest(struct mnp_child *child)
{
    const struct mnp_waiting *oldest = &child->transmits.waiting[0];
    EFI_STATUS status = send(child->service, oldest->token->Packet.TxData);

    if (status == EFI_NOT_READY) {
        if (!oldest->expires || !mnp_is_time(child->service->mnp, oldest->expires_at))
            return false;
        status = EFI_TIMEOUT;
    }
    mnp_signal(mnp_tokens_remove(&child->transmits, 0), status);
    mnp_dispatch_dpcs();
    return true;
}

static bool send_one(struct mnp *mnp)
{
    MNP_FOR_EACH_SERVICE (service, mnp) {
        MNP_FOR_EACH_CHILD (child, service) {
            if (child->transmits.count > 0 && send_oldest(child))
                return true; /* and look anew: the lists may be other ones */
        }
    }
    return false;
}

bool mnp_send_waiting(struct mnp *mnp, const bool *is_gone)
{
    bool has_sent = false;

    while (!*is_gone && send_one(mnp))
        has_sent = true;
    return has_sent;
}

EFI_STATUS EFIAPI mnp_transmit(EFI_MANAGED_NETWORK_PROTOCOL *this,
                               EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token)
{
    EFI_STATUS status = EFI_NOT_READY;
    struct mnp_child *child;
    struct mnp *mnp;

    if (!this || !token)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (!child->is_configured)
        return EFI_NOT_STARTED;
    if (!is_valid(child->service, token))
        return EFI_INVALID_PARAMETER;
    if (mnp_tokens_contain(&child->transmits, token))
        return EFI_ACCESS_DENIED;
    mnp = child->service->mnp;
    if (child->transmits.count == 0) /* those that wait go first */
        status = send(child->service, token->Packet.TxData);
    if (status != EFI_NOT_READY) {
        mnp_signal(token, status);
        mnp_dispatch_dpcs();
        return EFI_SUCCESS;
    }
    if (!mnp_tokens_append(&child->transmits, token, mnp->ticks,
                           child->config.TransmitQueueTimeoutValue))
        return EFI_NOT_READY;
    (void)mnp_work(mnp);
    return EFI_SUCCESS;
}
