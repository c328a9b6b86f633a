/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * From the ring to the clients, in three steps: take frames, joining TCP segments; put what comes
 * out into the queues of the children that want it; complete tokens. Only the last step runs
 * code of others.
 */
#include <efi.h>
#include <efilib.h>

#include "base/container_of.h"
#include "base/copy.h"
#include "base/tpl.h"
#include "mnp/mnp_parts.h"

#define ETHERTYPE_OFFSET 12u
#define ETHERTYPE_VLAN 0x8100u
#define POLL_FRAMES_MAX VIRTQUEUE_SLOTS_MAX
#define POLL_BYTES_MAX                                                                             \
    (MNP_QUEUE_BYTES_MAX / 2) /* so that a poll never overflows an empty queue                     \
                               */

/* A received frame, as all children see it. */
struct arrival {
    const uint8_t *frame;
    uint32_t length_bytes;
    UINT16 type;
    bool is_unicast; /* to our station */
    bool is_broadcast;
    bool is_multicast; /* to a group that some child has joined */
};

static struct mnp_packet *packet_of(struct list *link)
{
    return container_of(link, struct mnp_packet, link);
}

static uint16_t read16(const uint8_t *field)
{
    return (uint16_t)(field[0] << 8 | field[1]);
}

/* ---- the queues ---- */

static struct mnp_packet *queue_pop(struct mnp_child *child)
{
    struct list *link = list_pop(&child->packets);
    struct mnp_packet *packet;

    if (!link)
        return NULL;
    packet = packet_of(link);
    child->packet_count--;
    child->packet_bytes -= packet->data.PacketLength;
    return packet;
}

/* A full queue loses its oldest packet: a client that does not ask must not stop the others. */
static void queue_push(struct mnp_child *child, struct mnp_packet *packet)
{
    struct mnp *mnp = child->service->mnp;

    while (child->packet_count > 0 &&
           (child->packet_count == MNP_QUEUE_MAX ||
            child->packet_bytes + packet->data.PacketLength > MNP_QUEUE_BYTES_MAX))
        mnp_packet_put(queue_pop(child));
    packet->number = mnp->packets++;
    packet->expires = child->config.ReceivedQueueTimeoutValue > 0;
    packet->expires_at = mnp->ticks + mnp_ticks_of_us(child->config.ReceivedQueueTimeoutValue);
    list_append(&child->packets, &packet->link);
    child->packet_count++;
    child->packet_bytes += packet->data.PacketLength;
}

void mnp_child_flush(struct mnp_child *child)
{
    while (!list_is_empty(&child->packets))
        mnp_packet_put(queue_pop(child));
}

/* The oldest expire first, unless the client changed its time-out meanwhile. */
static void expire_packets(struct mnp_child *child)
{
    while (!list_is_empty(&child->packets)) {
        const struct mnp_packet *oldest = packet_of(child->packets.next);

        if (!oldest->expires || !mnp_is_time(child->service->mnp, oldest->expires_at))
            return;
        mnp_packet_put(queue_pop(child));
    }
}

/* ---- who gets a frame ---- */

static bool has_joined(struct mnp *mnp, const uint8_t *mac)
{
    MNP_FOR_EACH_SERVICE (service, mnp) {
        MNP_FOR_EACH_CHILD (child, service) {
            if (mnp_child_group(child, mac))
                return true;
        }
    }
    return false;
}

static struct arrival look_at(struct mnp *mnp, const uint8_t *frame, size_t length_bytes)
{
    struct arrival arrival = {
        .frame = frame,
        .length_bytes = (uint32_t)length_bytes,
        .type = read16(frame + ETHERTYPE_OFFSET),
        .is_unicast = mac_is_equal(frame, mnp->snp->net.station_mac),
        .is_broadcast = mac_is_broadcast(frame),
    };

    if (mac_is_group(frame) && !arrival.is_broadcast)
        arrival.is_multicast = has_joined(mnp, frame);
    return arrival;
}

static bool wants(struct mnp_child *child, const struct arrival *arrival)
{
    const EFI_MANAGED_NETWORK_CONFIG_DATA *config = &child->config;

    if (!child->is_configured ||
        (config->ProtocolTypeFilter && config->ProtocolTypeFilter != arrival->type))
        return false;
    if (config->EnablePromiscuousReceive)
        return true;
    if (arrival->is_unicast)
        return config->EnableUnicastReceive;
    if (arrival->is_broadcast)
        return config->EnableBroadcastReceive;
    return arrival->is_multicast && config->EnableMulticastReceive &&
           mnp_child_group(child, arrival->frame);
}

static void fill(struct mnp_packet *packet, const struct arrival *arrival)
{
    EFI_MANAGED_NETWORK_RECEIVE_DATA *data = &packet->data;

    copy_bytes(packet->frame, arrival->frame, arrival->length_bytes);
    data->PacketLength = arrival->length_bytes;
    data->HeaderLength = ETHERNET_HEADER_BYTES;
    data->AddressLength = MAC_BYTES;
    data->DataLength = arrival->length_bytes - ETHERNET_HEADER_BYTES;
    data->BroadcastFlag = arrival->is_broadcast;
    data->MulticastFlag = arrival->is_multicast;
    data->PromiscuousFlag =
        !arrival->is_unicast && !arrival->is_broadcast && !arrival->is_multicast;
    data->ProtocolType = arrival->type;
    data->MediaHeader = packet->frame;
    data->DestinationAddress = packet->frame;
    data->SourceAddress = packet->frame + MAC_BYTES;
    data->PacketData = packet->frame + ETHERNET_HEADER_BYTES;
}

/* All children that want the frame get a packet, or none does. False: no memory. */
static bool take_packets(struct mnp *mnp, struct mnp_service *service,
                         const struct arrival *arrival, struct list *ret_packets)
{
    MNP_FOR_EACH_CHILD (child, service) {
        struct mnp_packet *packet;

        if (!wants(child, arrival))
            continue;
        packet = mnp_packet_take(mnp->store, arrival->length_bytes);
        if (!packet) {
            struct list *link;

            while ((link = list_pop(ret_packets)))
                mnp_packet_put(packet_of(link));
            return false;
        }
        packet->child = child;
        fill(packet, arrival);
        list_append(ret_packets, &packet->link);
    }
    return true;
}

/* What comes out of the joiner. */
bool mnp_deliver_frame(void *context, const uint8_t *frame, size_t length_bytes, uint16_t vlan)
{
    struct mnp *mnp = context;
    struct mnp_service *service = mnp_service_find(mnp, vlan);
    struct list packets;
    struct arrival arrival;
    struct list *link;

    if (!service)
        return true; /* nobody's, since its VLAN was removed */
    arrival = look_at(mnp, frame, length_bytes);
    list_init(&packets);
    if (!take_packets(mnp, service, &arrival, &packets))
        return false;
    while ((link = list_pop(&packets)))
        queue_push(packet_of(link)->child, packet_of(link));
    return true;
}

/* ---- from the ring ---- */

static bool is_tagged(const uint8_t *frame, size_t length_bytes)
{
    return length_bytes >= ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES &&
           read16(frame + ETHERTYPE_OFFSET) == ETHERTYPE_VLAN;
}

/* Remove the tag of a frame in private memory, if it is for one of our VLANs. A tag with id 0 only
 * has a priority (IEEE 802.1Q, 9.6). Without VLANs the other tags stay, for who wants to see
 * all. */
static uint8_t *untag(const struct mnp *mnp, uint8_t *frame, size_t *length_bytes,
                      uint16_t *ret_vlan)
{
    uint8_t addresses[ETHERTYPE_OFFSET];
    uint16_t vlan;

    *ret_vlan = 0;
    if (!is_tagged(frame, *length_bytes))
        return frame;
    vlan = VLAN_TAG_ID(read16(frame + ETHERNET_HEADER_BYTES));
    if (vlan && !mnp->has_vlans)
        return frame;
    *ret_vlan = vlan;
    *length_bytes -= ETHERNET_VLAN_BYTES;
    __builtin_memcpy(addresses, frame, sizeof(addresses));
    __builtin_memcpy(frame + ETHERNET_VLAN_BYTES, addresses, sizeof(addresses));
    return frame + ETHERNET_VLAN_BYTES;
}

/* False: no memory; the frame stays where it is. A tag is removed from a copy only, so that the
 * frame is the same the next time. */
static bool accept(struct mnp *mnp, const uint8_t *frame, size_t length_bytes)
{
    const uint8_t *private = frame;
    uint16_t vlan = 0;

    if (!net_device_shows_copies(&mnp->snp->net) || is_tagged(frame, length_bytes)) {
        copy_bytes(mnp->stage + MNP_STAGE_OFFSET, frame, length_bytes);
        private = untag(mnp, mnp->stage + MNP_STAGE_OFFSET, &length_bytes, &vlan);
    }
    if (!mnp_service_find(mnp, vlan))
        return true; /* for a VLAN that we do not have */
    return tcp_join_add(&mnp->join, private, length_bytes, vlan,
                        net_device_has_made_sum(&mnp->snp->net));
}

/* Take what waits, at most one lap of the ring. Errors: EFI_NOT_READY, there was nothing; those of
 * SNP. */
static EFI_STATUS take_frames(struct mnp *mnp)
{
    struct net_device *net = &mnp->snp->net;
    const uint8_t *frame;
    size_t length_bytes;
    size_t bytes = 0;
    unsigned count;
    EFI_STATUS status;

    status = snp_attend_large(mnp->snp);
    if (EFI_ERROR(status))
        return status;
    __builtin_memcpy(mnp->join.station, net->station_mac, MAC_BYTES);
    for (count = 0; count < POLL_FRAMES_MAX && bytes < POLL_BYTES_MAX; count++) {
        status = net_device_peek_large(net, &frame, &length_bytes);
        if (EFI_ERROR(status) || !accept(mnp, frame, length_bytes))
            break;
        net_device_take(net);
        bytes += length_bytes;
    }
    (void)tcp_join_flush(&mnp->join); /* what finds no memory waits for the next poll */
    if (EFI_ERROR(status) && status != EFI_NOT_READY)
        return EFI_DEVICE_ERROR;
    return count > 0 ? EFI_SUCCESS : EFI_NOT_READY;
}

/* ---- to the clients ---- */

/* Of the children with a packet and a token, the one whose packet came first. */
static struct mnp_child *next_receiver(struct mnp *mnp)
{
    struct mnp_child *next = NULL;

    MNP_FOR_EACH_SERVICE (service, mnp) {
        MNP_FOR_EACH_CHILD (child, service) {
            if (child->receives.count > 0 && child->packet_count > 0 &&
                (!next ||
                 packet_of(child->packets.next)->number < packet_of(next->packets.next)->number))
                next = child;
        }
    }
    return next;
}

/* Complete one token after another. A client that asks for more from inside only adds a token, so
 * the stack does not grow with the number of frames. */
static bool deliver(struct mnp *mnp, const bool *is_gone)
{
    bool has_delivered = false;
    struct mnp_child *child;

    while (!*is_gone && (child = next_receiver(mnp))) {
        struct mnp_packet *packet = queue_pop(child);
        EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token = mnp_tokens_remove(&child->receives, 0);

        has_delivered = true;
        token->Packet.RxData = mnp_packet_give(packet);
        mnp_signal(token, EFI_SUCCESS);
        mnp_dispatch_dpcs();
    }
    return has_delivered;
}

bool mnp_work(struct mnp *mnp)
{
    bool has_completed;
    bool is_gone = false;

    if (mnp->is_working)
        return false;
    mnp->is_working = true;
    /* cppcheck-suppress autoVariables ; cleared below, unless `mnp` is freed */
    mnp->gone = &is_gone;
    has_completed = deliver(mnp, &is_gone);
    has_completed |= mnp_send_waiting(mnp, &is_gone);
    if (!is_gone) {
        mnp->is_working = false;
        mnp->gone = NULL;
    }
    return has_completed;
}

static EFI_STATUS poll(struct mnp *mnp)
{
    EFI_STATUS status;

    if (mnp->is_working)
        return EFI_NOT_READY;
    status = take_frames(mnp);
    if (mnp_work(mnp) && status == EFI_NOT_READY)
        status = EFI_SUCCESS; /* what had waited since before this poll */
    return status;
}

EFI_STATUS EFIAPI mnp_receive(EFI_MANAGED_NETWORK_PROTOCOL *this,
                              EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token)
{
    struct mnp_child *child;
    struct mnp *mnp;

    if (!this || !token || !token->Event)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (!child->is_configured)
        return EFI_NOT_STARTED;
    mnp = child->service->mnp;
    if (mnp_tokens_contain(&child->receives, token))
        return EFI_ACCESS_DENIED;
    if (!mnp_tokens_append(&child->receives, token, mnp->ticks, 0))
        return EFI_NOT_READY;
    if (child->packet_count > 0)
        (void)mnp_work(mnp);
    return EFI_SUCCESS;
}

EFI_STATUS EFIAPI mnp_poll(EFI_MANAGED_NETWORK_PROTOCOL *this)
{
    struct mnp_child *child;
    EFI_STATUS status;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (!child->is_configured)
        return EFI_NOT_STARTED;
    status = poll(child->service->mnp);
    mnp_dispatch_dpcs(); /* also those of others, as clients expect of a poll */
    return status;
}

static bool polls_in_background(struct mnp *mnp)
{
    MNP_FOR_EACH_SERVICE (service, mnp) {
        MNP_FOR_EACH_CHILD (child, service) {
            if (child->is_configured && !child->config.DisableBackgroundPolling)
                return true;
        }
    }
    return false;
}

VOID EFIAPI mnp_on_timer(EFI_EVENT event, VOID *context)
{
    struct mnp *mnp = context;

    (void)event;
    mnp->ticks++;
    MNP_FOR_EACH_SERVICE (service, mnp) {
        MNP_FOR_EACH_CHILD (child, service)
            expire_packets(child);
    }
    if (polls_in_background(mnp))
        (void)poll(mnp); /* nobody is there to hear of an error */
    else
        (void)mnp_work(mnp);
    mnp_dispatch_dpcs();
}
