/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What a received frame is to the joiner of TCP segments: nothing to do with TCP, a
 * segment that must stay as it is, or one that may be joined. Pure memory code over bytes
 * that anybody on the network can write. Sources: RFC 791, 8200, 9293.
 */
#ifndef TCP_SEGMENT_H
#define TCP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/inet_sum.h"
#include "base/mac.h"

#define ETHERNET_BYTES 14u
#define IPV4_BYTES 20u /* without options */
#define IPV6_BYTES 40u
#define TCP_BYTES 20u /* without options */

/* Longer frames are foreign. */
#define TCP_FRAME_MAX 65535u

enum tcp_segment_kind {
    TCP_SEGMENT_FOREIGN, /* belongs to no TCP connection */
    TCP_SEGMENT_UNKNOWN, /* may belong to any connection between its two hosts: a fragment, an
                          * extension header, a header that is cut off */
    TCP_SEGMENT_CLOSED,  /* belongs to the connection of its ports, and must stay as it is */
    TCP_SEGMENT_OPEN,    /* may be joined: plain data whose lengths and checksums are right */
};

/* A frame as the joiner sees it. Offsets are in bytes from the frame's start. */
struct tcp_segment {
    const uint8_t *frame;
    enum tcp_segment_kind kind;
    bool is_ipv6;         /* with the fields below: valid unless FOREIGN */
    uint16_t tcp_offset;  /* CLOSED and OPEN */
    uint16_t data_offset; /* OPEN, like everything below */
    uint16_t end_offset;  /* of the IP packet; what follows is padding of the frame */
    uint16_t data_sum;    /* RFC 1071 sum of the data, in memory order */
    uint32_t sequence;
    bool is_pushed; /* PSH: the sender has no more for now */
};

/* The sum of the pseudo header for TCP between the hosts of a packet. `tcp_bytes`: header and
 * data. RFC 9293, 3.1; RFC 8200, 8.1. */
uint32_t tcp_sum_pseudo(const uint8_t *frame, bool is_ipv6, uint32_t tcp_bytes);

/* Examine a received frame of `length_bytes`. `frame` is the caller's memory, which nobody
 * changes meanwhile; `ret_segment` refers to it. A segment is OPEN only if it is addressed to
 * `station`. `trusts_sum`: the caller has made TCP's checksum from these bytes, so the data is not
 * summed up once more. If the checksum is wrong for all that, data_sum is wrong by as much, and so
 * is the checksum of whatever it becomes a part of: who receives that notices. */
void tcp_segment_parse(const uint8_t *frame, size_t length_bytes, const uint8_t *station,
                       bool trusts_sum, struct tcp_segment *ret_segment);

/* True when both may belong to the same connection: same hosts, and same ports where both have
 * them. Neither is FOREIGN. */
bool tcp_segment_is_related(const struct tcp_segment *a, const struct tcp_segment *b);

/* True when two OPEN segments of one connection differ in nothing but length, sequence number,
 * IPv4 identification, PSH, checksums and data. */
bool tcp_segment_is_alike(const struct tcp_segment *a, const struct tcp_segment *b);

#endif
