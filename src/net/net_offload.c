/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "net/net_offload.h"

#include "base/inet_sum.h"

#define ETHERTYPE_OFFSET 12u
#define ETHERNET_BYTES 14u
#define VLAN_BYTES 4u
#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_IPV6 0x86ddu

#define IPV4_BYTES 20u /* without options */
#define IPV4_TOTAL_LENGTH 2u
#define IPV4_FRAGMENT 6u
#define IPV4_FRAGMENT_MASK 0x3fffu /* MORE_FRAGMENTS and the offset */
#define IPV4_PROTOCOL 9u
#define IPV6_BYTES 40u
#define IPV6_PAYLOAD_LENGTH 4u
#define IPV6_NEXT_HEADER 6u

#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u
#define TCP_BYTES 20u /* without options */
#define TCP_CHECKSUM 16u
#define UDP_BYTES 8u
#define UDP_CHECKSUM 6u

/* Where the transport's header and data are in a frame. */
struct transport {
    size_t offset;
    size_t end; /* of the IP packet; what follows is padding of the frame */
    uint8_t protocol;
    bool is_ipv6;
};

static uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool find_in_ipv4(const uint8_t *ip, size_t room, struct transport *transport)
{
    size_t header_bytes;
    size_t total_bytes;

    if (room < IPV4_BYTES || ip[0] >> 4 != 4 || (read16(ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK))
        return false;
    header_bytes = (ip[0] & 0x0fu) * 4u;
    total_bytes = read16(ip + IPV4_TOTAL_LENGTH);
    if (header_bytes < IPV4_BYTES || total_bytes < header_bytes || total_bytes > room)
        return false;
    transport->protocol = ip[IPV4_PROTOCOL];
    transport->end = transport->offset + total_bytes;
    transport->offset += header_bytes;
    return true;
}

/* Behind an extension header there is no transport for us: no host leaves a checksum to finish
 * there. */
static bool find_in_ipv6(const uint8_t *ip, size_t room, struct transport *transport)
{
    size_t total_bytes;

    if (room < IPV6_BYTES || ip[0] >> 4 != 6)
        return false;
    total_bytes = IPV6_BYTES + read16(ip + IPV6_PAYLOAD_LENGTH);
    if (total_bytes > room)
        return false;
    transport->protocol = ip[IPV6_NEXT_HEADER];
    transport->is_ipv6 = true;
    transport->end = transport->offset + total_bytes;
    transport->offset += IPV6_BYTES;
    return true;
}

/* False: the frame has none, or its lengths contradict each other. */
static bool locate_transport(const uint8_t *frame, size_t length_bytes, struct transport *ret)
{
    size_t offset = ETHERNET_BYTES;
    uint16_t type;

    if (length_bytes < ETHERNET_BYTES + VLAN_BYTES)
        return false;
    type = read16(frame + ETHERTYPE_OFFSET);
    if (type == ETHERTYPE_VLAN) {
        type = read16(frame + ETHERTYPE_OFFSET + VLAN_BYTES);
        offset += VLAN_BYTES;
    }
    *ret = (struct transport){.offset = offset};
    if (type == ETHERTYPE_IPV4)
        return find_in_ipv4(frame + offset, length_bytes - offset, ret);
    if (type == ETHERTYPE_IPV6)
        return find_in_ipv6(frame + offset, length_bytes - offset, ret);
    return false;
}

/* Where the checksum is in the transport's header; 0: this header has none, or is cut off. */
static size_t checksum_offset(const struct transport *transport)
{
    size_t bytes = transport->end - transport->offset;

    if (transport->protocol == PROTOCOL_TCP && bytes >= TCP_BYTES)
        return TCP_CHECKSUM;
    if (transport->protocol == PROTOCOL_UDP && bytes >= UDP_BYTES)
        return UDP_CHECKSUM;
    return 0;
}

static bool is_negotiated(uint8_t gso_type, uint64_t features, const struct transport *transport)
{
    if ((gso_type & VIRTIO_NET_HDR_GSO_ECN) && !(features & VIRTIO_NET_F_GUEST_ECN))
        return false;
    switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return (features & VIRTIO_NET_F_GUEST_TSO4) && transport->protocol == PROTOCOL_TCP &&
               !transport->is_ipv6;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return (features & VIRTIO_NET_F_GUEST_TSO6) && transport->protocol == PROTOCOL_TCP &&
               transport->is_ipv6;
    default:
        return false;
    }
}

bool net_offload_finish(uint8_t *frame, size_t length_bytes, const struct virtio_net_hdr *header,
                        uint64_t features)
{
    bool is_large = net_offload_is_large(header);
    struct transport transport;
    size_t checksum;
    uint8_t *field;

    /* With DATA_VALID alone the field is right, and whoever receives the frame verifies it. A
     * large frame always has a checksum to finish (5.1.6.4.1). */
    if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
        return !is_large;
    if (!(features & VIRTIO_NET_F_GUEST_CSUM) || !locate_transport(frame, length_bytes, &transport))
        return false;
    if (is_large && !is_negotiated(header->gso_type, features, &transport))
        return false;
    checksum = checksum_offset(&transport);
    if (checksum == 0 || header->csum_start != transport.offset || header->csum_offset != checksum)
        return false;

    field = frame + transport.offset + checksum;
    inet_sum_store(field,
                   inet_sum_add(0, frame + transport.offset, transport.end - transport.offset));
    if (transport.protocol == PROTOCOL_UDP && field[0] == 0 && field[1] == 0)
        field[0] = field[1] = 0xff; /* 0 would mean that there is no checksum (RFC 768) */
    return true;
}
