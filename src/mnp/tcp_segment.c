/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Parse and compare TCP segments in Ethernet frames. Every length that a header
 * claims is checked against the frame before it is used.
 */
#include "mnp/tcp_segment.h"

#define ETHERTYPE_OFFSET 12u
#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu

#define IPV4_TOTAL_LENGTH 2u
#define IPV4_FRAGMENT 6u
#define IPV4_FRAGMENT_MASK 0x3fffu /* MORE_FRAGMENTS and the offset */
#define IPV4_PROTOCOL 9u
#define IPV4_SOURCE 12u
#define IPV6_PAYLOAD_LENGTH 4u
#define IPV6_NEXT_HEADER 6u
#define IPV6_SOURCE 8u

#define PROTOCOL_ICMP 1u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u
#define PROTOCOL_ICMPV6 58u

#define TCP_SEQUENCE 4u
#define TCP_ACKNOWLEDGEMENT 8u
#define TCP_DATA_OFFSET 12u
#define TCP_FLAGS 13u
#define TCP_WINDOW 14u
#define TCP_ACK 0x10u
#define TCP_PSH 0x08u

static uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t read32(const uint8_t *bytes)
{
    return (uint32_t)read16(bytes) << 16 | read16(bytes + 2);
}

static bool is_same(const uint8_t *a, const uint8_t *b, size_t length_bytes)
{
    return __builtin_memcmp(a, b, length_bytes) == 0;
}

uint32_t tcp_sum_pseudo(const uint8_t *frame, bool is_ipv6, uint32_t tcp_bytes)
{
    const uint8_t *ip = frame + ETHERNET_BYTES;
    uint8_t tail[] = {(uint8_t)(tcp_bytes >> 24),
                      (uint8_t)(tcp_bytes >> 16),
                      (uint8_t)(tcp_bytes >> 8),
                      (uint8_t)tcp_bytes,
                      0,
                      PROTOCOL_TCP};
    uint32_t sum =
        is_ipv6 ? inet_sum_add(0, ip + IPV6_SOURCE, 32) : inet_sum_add(0, ip + IPV4_SOURCE, 8);

    return inet_sum_add(sum, tail, sizeof(tail));
}

/* ---- parse ---- */

/* Whether a packet that is not TCP as far as its header says can be TCP for all that. */
static enum tcp_segment_kind kind_of_protocol(uint8_t protocol, bool is_ipv6)
{
    if (protocol == PROTOCOL_UDP || protocol == (is_ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP))
        return TCP_SEGMENT_FOREIGN;
    return TCP_SEGMENT_UNKNOWN;
}

/* The TCP header at tcp_offset, in a packet that ends at end_offset. `may_open`: the headers
 * before it allow the segment to be joined. */
static void parse_tcp(struct tcp_segment *segment, bool may_open, bool trusts_sum)
{
    const uint8_t *tcp = segment->frame + segment->tcp_offset;
    uint32_t tcp_bytes = (uint32_t)(segment->end_offset - segment->tcp_offset);
    uint32_t header_bytes;
    uint32_t sum;

    if (tcp_bytes < TCP_BYTES) {
        segment->kind = TCP_SEGMENT_UNKNOWN;
        return;
    }
    segment->kind = TCP_SEGMENT_CLOSED;
    header_bytes = (uint32_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
    if (!may_open || header_bytes < TCP_BYTES || header_bytes >= tcp_bytes)
        return; /* without data as well */
    if ((tcp[TCP_DATA_OFFSET] & 0x0fu) || (tcp[TCP_FLAGS] | TCP_PSH) != (TCP_ACK | TCP_PSH))
        return;

    segment->data_offset = (uint16_t)(segment->tcp_offset + header_bytes);
    sum = tcp_sum_pseudo(segment->frame, segment->is_ipv6, tcp_bytes);
    sum = inet_sum_fold(inet_sum_add(sum, tcp, header_bytes));
    segment->data_sum =
        trusts_sum ? (uint16_t)~sum /* what makes the whole right */
                   : inet_sum_fold(inet_sum_add(0, tcp + header_bytes, tcp_bytes - header_bytes));
    if (inet_sum_fold(sum + segment->data_sum) != 0xffffu)
        return;
    segment->sequence = read32(tcp + TCP_SEQUENCE);
    segment->is_pushed = tcp[TCP_FLAGS] & TCP_PSH;
    segment->kind = TCP_SEGMENT_OPEN;
}

static void parse_ipv4(struct tcp_segment *segment, size_t length_bytes, bool is_unicast,
                       bool trusts_sum)
{
    const uint8_t *ip = segment->frame + ETHERNET_BYTES;
    uint32_t room = (uint32_t)length_bytes - ETHERNET_BYTES;
    uint32_t header_bytes;
    uint32_t total_bytes;

    if (room < IPV4_BYTES || ip[0] >> 4 != 4)
        return;
    segment->kind = kind_of_protocol(ip[IPV4_PROTOCOL], false);
    header_bytes = (ip[0] & 0x0fu) * 4u;
    total_bytes = read16(ip + IPV4_TOTAL_LENGTH);
    if (ip[IPV4_PROTOCOL] != PROTOCOL_TCP || (read16(ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK) ||
        header_bytes < IPV4_BYTES || total_bytes < header_bytes || total_bytes > room)
        return;
    segment->tcp_offset = (uint16_t)(ETHERNET_BYTES + header_bytes);
    segment->end_offset = (uint16_t)(ETHERNET_BYTES + total_bytes);
    parse_tcp(segment,
              is_unicast && header_bytes == IPV4_BYTES &&
                  inet_sum_fold(inet_sum_add(0, ip, header_bytes)) == 0xffffu,
              trusts_sum);
}

static void parse_ipv6(struct tcp_segment *segment, size_t length_bytes, bool is_unicast,
                       bool trusts_sum)
{
    const uint8_t *ip = segment->frame + ETHERNET_BYTES;
    uint32_t room = (uint32_t)length_bytes - ETHERNET_BYTES;
    uint32_t total_bytes;

    if (room < IPV6_BYTES || ip[0] >> 4 != 6)
        return;
    segment->is_ipv6 = true;
    segment->kind = kind_of_protocol(ip[IPV6_NEXT_HEADER], true);
    total_bytes = IPV6_BYTES + read16(ip + IPV6_PAYLOAD_LENGTH);
    if (ip[IPV6_NEXT_HEADER] != PROTOCOL_TCP || total_bytes > room)
        return;
    segment->tcp_offset = ETHERNET_BYTES + IPV6_BYTES;
    segment->end_offset = (uint16_t)(ETHERNET_BYTES + total_bytes);
    parse_tcp(segment, is_unicast, trusts_sum);
}

void tcp_segment_parse(const uint8_t *frame, size_t length_bytes, const uint8_t *station,
                       bool trusts_sum, struct tcp_segment *ret_segment)
{
    bool is_unicast;

    *ret_segment = (struct tcp_segment){.frame = frame};
    if (length_bytes < ETHERNET_BYTES || length_bytes > TCP_FRAME_MAX)
        return;
    is_unicast = mac_is_equal(frame, station);
    if (read16(frame + ETHERTYPE_OFFSET) == ETHERTYPE_IPV4)
        parse_ipv4(ret_segment, length_bytes, is_unicast, trusts_sum);
    else if (read16(frame + ETHERTYPE_OFFSET) == ETHERTYPE_IPV6)
        parse_ipv6(ret_segment, length_bytes, is_unicast, trusts_sum);
}

/* ---- compare ---- */

bool tcp_segment_is_related(const struct tcp_segment *a, const struct tcp_segment *b)
{
    uint32_t hosts = ETHERNET_BYTES + (a->is_ipv6 ? IPV6_SOURCE : IPV4_SOURCE);

    if (a->is_ipv6 != b->is_ipv6 ||
        !is_same(a->frame + hosts, b->frame + hosts, a->is_ipv6 ? 32 : 8))
        return false;
    return a->kind == TCP_SEGMENT_UNKNOWN || b->kind == TCP_SEGMENT_UNKNOWN ||
           is_same(a->frame + a->tcp_offset, b->frame + b->tcp_offset, TCP_SEQUENCE);
}

/* IPv4 from the start to the total length, from the fragment field to the checksum, and the
 * addresses, without the identification between them; IPv6 but for the payload length. */
static bool is_ip_alike(const uint8_t *a, const uint8_t *b, bool is_ipv6)
{
    if (is_ipv6)
        return is_same(a, b, IPV6_PAYLOAD_LENGTH) &&
               is_same(a + IPV6_NEXT_HEADER, b + IPV6_NEXT_HEADER, IPV6_BYTES - IPV6_NEXT_HEADER);
    return is_same(a, b, IPV4_TOTAL_LENGTH) && is_same(a + IPV4_FRAGMENT, b + IPV4_FRAGMENT, 4) &&
           is_same(a + IPV4_SOURCE, b + IPV4_SOURCE, IPV4_BYTES - IPV4_SOURCE);
}

bool tcp_segment_is_alike(const struct tcp_segment *a, const struct tcp_segment *b)
{
    const uint8_t *tcp_a = a->frame + a->tcp_offset;
    const uint8_t *tcp_b = b->frame + b->tcp_offset;

    return a->is_ipv6 == b->is_ipv6 && a->data_offset == b->data_offset &&
           is_same(a->frame, b->frame, ETHERNET_BYTES) &&
           is_ip_alike(a->frame + ETHERNET_BYTES, b->frame + ETHERNET_BYTES, a->is_ipv6) &&
           is_same(tcp_a, tcp_b, TCP_SEQUENCE) &&
           is_same(tcp_a + TCP_ACKNOWLEDGEMENT, tcp_b + TCP_ACKNOWLEDGEMENT, 4) &&
           is_same(tcp_a + TCP_WINDOW, tcp_b + TCP_WINDOW, 2) &&
           is_same(tcp_a + TCP_BYTES - 2, tcp_b + TCP_BYTES - 2,
                   (size_t)(a->data_offset - a->tcp_offset) - TCP_BYTES + 2);
}
