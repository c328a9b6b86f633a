/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The parser of headers that anybody on the network can write. A frame has any content, and is an
 * object of exactly its length, so that a byte beyond it is outside. Assumed: what tcp_segment.h
 * asks of callers, that nobody changes the frame meanwhile. The driver copies it first.
 *
 * The sum of bytes is proven in inet_sum.c. Here it may be any, so a frame is taken for valid or
 * not whatever is in it, and the bytes that are summed up must be in the frame.
 */
#include "mnp/tcp_segment.h"

#define FRAME_MAX 0x20000u

uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    (void)sum;
    claim(length_bytes == 0 || __CPROVER_r_ok(bytes, length_bytes),
          "summed bytes are in the frame");
    return nondet_uint16();
}

struct frame {
    const uint8_t *bytes;
    size_t length_bytes;
};

static struct frame any_frame(size_t max)
{
    struct frame frame = {.length_bytes = nondet_size()};

    assume(frame.length_bytes <= max);
    frame.bytes = malloc(frame.length_bytes);
    assume(frame.bytes != NULL);
    return frame;
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static void claim_headers(const struct tcp_segment *segment, const struct frame *frame,
                          const uint8_t *station)
{
    const uint8_t *ip = frame->bytes + 14;

    claim(segment->tcp_offset == 14 + (segment->is_ipv6 ? 40 : (ip[0] & 0xf) * 4) &&
              segment->tcp_offset >= (segment->is_ipv6 ? 54 : 34),
          "TCP is after the IP header");
    claim(segment->tcp_offset + 20u <= segment->end_offset, "the TCP header is in the packet");
    claim(segment->end_offset <= frame->length_bytes, "the packet is in the frame");
    claim(segment->end_offset == 14 + (segment->is_ipv6 ? 40 + get16(ip + 4) : get16(ip + 2)),
          "the packet is as long as it says");
    claim(ip[segment->is_ipv6 ? 6 : 9] == 6, "it is TCP");
    if (segment->kind != TCP_SEGMENT_OPEN)
        return;
    claim(segment->data_offset >= segment->tcp_offset + 20u, "data is after the TCP header");
    claim(segment->data_offset < segment->end_offset, "there is data");
    claim(memcmp(frame->bytes, station, 6) == 0, "it is for this station");
    if (!segment->is_ipv6) {
        claim(ip[0] == 0x45, "no IP options");
        claim((get16(ip + 6) & 0x3fff) == 0, "no fragment");
    }
    claim((frame->bytes[segment->tcp_offset + 13] & 0xf7) == 0x10, "ACK, and at most PSH");
}

void prove_tcp_parse(void)
{
    struct frame frame = any_frame(FRAME_MAX);
    struct tcp_segment segment;
    uint8_t station[6];

    tcp_segment_parse(frame.bytes, frame.length_bytes, station, nondet_bool(), &segment);
    claim(segment.kind <= TCP_SEGMENT_OPEN && segment.frame == frame.bytes, "a kind");
    if (segment.kind != TCP_SEGMENT_FOREIGN)
        claim(frame.length_bytes >= (segment.is_ipv6 ? 54 : 34) &&
                  frame.length_bytes <= TCP_FRAME_MAX,
              "the IP header is in the frame, and longer frames are foreign");
    if (segment.kind == TCP_SEGMENT_CLOSED || segment.kind == TCP_SEGMENT_OPEN)
        claim_headers(&segment, &frame, station);
}

/* Whatever two frames are, comparing them stays inside both; and what counts as alike differs in
 * none but the fields that tcp_segment.h names. */
void prove_tcp_compare(void)
{
    struct frame frame_a = any_frame(FRAME_MAX);
    struct frame frame_b = any_frame(FRAME_MAX);
    struct tcp_segment a;
    struct tcp_segment b;
    uint8_t station[6];
    size_t at = nondet_size();
    uint32_t tcp;

    tcp_segment_parse(frame_a.bytes, frame_a.length_bytes, station, nondet_bool(), &a);
    tcp_segment_parse(frame_b.bytes, frame_b.length_bytes, station, nondet_bool(), &b);
    assume(a.kind != TCP_SEGMENT_FOREIGN && b.kind != TCP_SEGMENT_FOREIGN);
    (void)tcp_segment_is_related(&a, &b);
    if (a.kind != TCP_SEGMENT_OPEN || b.kind != TCP_SEGMENT_OPEN || !tcp_segment_is_alike(&a, &b))
        return;
    claim(a.is_ipv6 == b.is_ipv6 && a.tcp_offset == b.tcp_offset && a.data_offset == b.data_offset,
          "headers of the same shape");
    assume(at < a.data_offset);
    tcp = a.tcp_offset;
    if (a.is_ipv6 ? at == 18 || at == 19 : (at >= 16 && at < 20) || at == 24 || at == 25)
        return; /* lengths, identification, checksum */
    if ((at >= tcp + 4 && at < tcp + 8) || at == tcp + 16 || at == tcp + 17)
        return; /* sequence number, checksum */
    claim(((a.frame[at] ^ b.frame[at]) & (at == tcp + 13 ? 0xf7 : 0xff)) == 0,
          "every other header byte is the same");
}
