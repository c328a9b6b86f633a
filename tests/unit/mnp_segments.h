/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * TCP segments to us, as a sender makes them or as a host with GSO leaves them. Built from RFC 791,
 * 8200 and 9293, with sums of our own.
 */
#ifndef MNP_SEGMENTS_H
#define MNP_SEGMENTS_H

#include "mnp_clients.h"

#define TCP_BYTES 20u /* without options */
#define TCP_PUSH 0x08u
#define TCP_ACK 0x10u
#define TCP_MSS 1460u
#define TAG_BYTES 4u

/* Zeros: IPv4, untagged, whole, with ACK, without data. */
struct segment {
    bool is_ipv6;
    unsigned tag; /* VLAN id */
    unsigned port;
    uint32_t sequence; /* its data follows from it */
    size_t data_bytes;
    unsigned flags;
    bool is_partial; /* the field has the sum of the pseudo header alone */
};

static inline void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* RFC 1071, in network order. */
static inline uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static inline uint8_t tcp_byte(uint32_t sequence)
{
    return (uint8_t)(sequence * 2654435761u >> 13);
}

static inline size_t tcp_offset(const struct segment *segment)
{
    return HEADER_BYTES + (segment->tag ? TAG_BYTES : 0) + (segment->is_ipv6 ? 40u : 20u);
}

static inline size_t segment_length(const struct segment *segment)
{
    return tcp_offset(segment) + TCP_BYTES + segment->data_bytes;
}

/* Returns the sum of the pseudo header. */
static inline uint32_t write_ip(const struct segment *segment, uint8_t *ip)
{
    uint32_t tcp_bytes = (uint32_t)(TCP_BYTES + segment->data_bytes);

    memset(ip, 0, 40);
    if (segment->is_ipv6) {
        ip[0] = 0x60;
        put16(ip + 4, tcp_bytes);
        ip[6] = 6;
        ip[7] = 64;
        put16(ip + 8, 0xfd00);
        ip[23] = 2;
        put16(ip + 24, 0xfd00);
        ip[39] = 3;
        return sum_of(6 + tcp_bytes, ip + 8, 32);
    }
    ip[0] = 0x45;
    put16(ip + 2, 20 + tcp_bytes);
    put16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = 6;
    put16(ip + 12, 0x0a00);
    put16(ip + 14, 0x0002);
    put16(ip + 16, 0x0a00);
    put16(ip + 18, 0x0003);
    put16(ip + 10, ~sum_of(0, ip, 20));
    return sum_of(6 + tcp_bytes, ip + 12, 8);
}

/* Returns the frame's length. */
static inline size_t segment_write(const struct mnp_fixture *fixture, const struct segment *segment,
                                   uint8_t *frame)
{
    uint8_t *tcp = frame + tcp_offset(segment);
    uint8_t *ip = tcp - (segment->is_ipv6 ? 40 : 20);
    uint32_t sum;

    frame_write(frame, HEADER_BYTES, fake_device_mac(fixture->device), segment->tag ? 0x8100 : 0,
                0);
    if (segment->tag)
        put16(frame + HEADER_BYTES, segment->tag);
    put16(ip - 2, segment->is_ipv6 ? IPV6 : IPV4);
    sum = write_ip(segment, ip);
    memset(tcp, 0, TCP_BYTES);
    put16(tcp, segment->port);
    put16(tcp + 2, 80);
    put16(tcp + 4, segment->sequence >> 16);
    put16(tcp + 6, segment->sequence);
    tcp[12] = 0x50;
    tcp[13] = (uint8_t)(segment->flags ? segment->flags : TCP_ACK);
    put16(tcp + 14, 0x1000);
    for (size_t i = 0; i < segment->data_bytes; i++)
        tcp[TCP_BYTES + i] = tcp_byte(segment->sequence + (uint32_t)i);
    put16(tcp + 16, segment->is_partial ? sum : ~sum_of(sum, tcp, TCP_BYTES + segment->data_bytes));
    return segment_length(segment);
}

/* What the device says of it: the rest of a partial checksum, and GSO above a MSS. */
static inline struct fake_offload segment_offload(const struct segment *segment)
{
    struct fake_offload offload = {0};

    if (segment->is_partial)
        offload = (struct fake_offload){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                        .csum_start = (uint16_t)tcp_offset(segment),
                                        .csum_offset = 16};
    if (segment->data_bytes > TCP_MSS) {
        offload.gso_type = segment->is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        offload.gso_size = TCP_MSS;
        offload.hdr_len = (uint16_t)(tcp_offset(segment) + TCP_BYTES);
    }
    return offload;
}

/* False: there are too few buffers. */
static inline bool segment_deliver(const struct mnp_fixture *fixture, const struct segment *segment)
{
    struct fake_offload offload = segment_offload(segment);
    uint8_t frame[FRAME_SPACE];
    size_t length = segment_write(fixture, segment, frame);

    return fake_device_deliver_large(fixture->device, frame, length, &offload);
}

/* As a client receives it: whole, and without tag. */
static inline size_t segment_write_whole(const struct mnp_fixture *fixture,
                                         const struct segment *segment, uint8_t *frame)
{
    struct segment whole = *segment;

    whole.is_partial = false;
    whole.tag = 0;
    return segment_write(fixture, &whole, frame);
}

#endif
