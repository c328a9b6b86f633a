/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the joiner makes of segments: no byte is changed or lost, lengths and checksums are those of
 * the whole. tcp_join.c proves when segments are joined, and that nothing outside is touched.
 *
 * Sums of 16 bits with the carry added at the end are sums modulo 65,535, in which 0 has two
 * notations; that is what claims say. The sum of bytes is any value here, one for each place that
 * is summed up: the proofs of inet_sum.c are about it. The data of a run has any sum as well, and
 * that of a segment. To append data at an odd offset swaps the two bytes of its sum, which is a
 * multiplication by 256 modulo 65,535: of RFC 1071, 2(B).
 *
 * A copy is made of one byte only, wherever it is: the proof is about this byte.
 *
 * The functions are static in the driver: proofs.txt compiles it without that.
 */
#include "mnp/tcp_join.h"

#define MODULUS 65535u
#define TOTAL_LENGTH 16u /* offsets in a frame */
#define IPV4_CHECKSUM_AT 24u
#define PAYLOAD_LENGTH 18u
#define FLAGS 13u /* offsets in a TCP header */
#define CHECKSUM 16u

void finish(struct tcp_join_run *run);
void extend(struct tcp_join_run *run, const struct tcp_segment *segment);
void begin(struct tcp_join_run *run, const struct tcp_segment *segment, size_t length_bytes);
void remember(struct tcp_join *join, struct tcp_join_run *run, const struct tcp_segment *segment,
              uint16_t network);

static struct tcp_join join;
static struct tcp_join_run before;
static uint8_t given[TCP_FRAME_MAX];
static struct tcp_segment segment;
static size_t watched; /* a byte of the run's frame */

static struct tcp_join_run *run(void)
{
    return &join.runs[0];
}

void *memcpy(void *to, const void *from, size_t length_bytes)
{
    size_t offset = __CPROVER_POINTER_OFFSET(to) - __CPROVER_POINTER_OFFSET(run()->frame);

    if (length_bytes == sizeof(uint16_t)) {
        ((uint8_t *)to)[0] = ((const uint8_t *)from)[0];
        ((uint8_t *)to)[1] = ((const uint8_t *)from)[1];
    } else if (watched >= offset && watched - offset < length_bytes) {
        run()->frame[watched] = ((const uint8_t *)from)[watched - offset];
    }
    return to;
}

/* ---- sums ---- */

static uint16_t header_sum;  /* of the IPv4 header without its checksum */
static uint16_t pseudo_sum;  /* of the pseudo header */
static uint16_t options_sum; /* of the TCP header without its checksum */

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t length_of_packet(void)
{
    return run()->first.is_ipv6 ? 40 + get16(run()->frame + PAYLOAD_LENGTH)
                                : get16(run()->frame + TOTAL_LENGTH);
}

uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    uint8_t *frame = run()->frame;
    bool is_ip = bytes == frame + 14;
    uint16_t added = is_ip ? header_sum : options_sum;
    uint32_t total = nondet_uint16();

    if (is_ip) {
        claim(!run()->first.is_ipv6 && length_bytes == 20 && sum == 0, "the IPv4 header is summed");
        claim(get16(frame + IPV4_CHECKSUM_AT) == 0, "without its checksum");
    } else {
        claim(bytes == frame + run()->first.tcp_offset &&
                  length_bytes == (size_t)(run()->first.data_offset - run()->first.tcp_offset) &&
                  sum == pseudo_sum,
              "the TCP header is summed, after the pseudo header");
        claim(get16(bytes + CHECKSUM) == 0, "without its checksum");
    }
    claim(14 + length_of_packet() == run()->length_bytes, "with the length of the whole");
    assume(total % MODULUS == (sum + added) % MODULUS);
    return total;
}

uint32_t tcp_sum_pseudo(const uint8_t *frame, bool is_ipv6, uint32_t tcp_bytes)
{
    claim(frame == run()->frame && is_ipv6 == run()->first.is_ipv6, "the hosts are the run's");
    claim(tcp_bytes == run()->length_bytes - run()->first.tcp_offset, "the length is the whole's");
    return pseudo_sum;
}

/* ---- segments ---- */

static bool is_open(const struct tcp_segment *of)
{
    return of->kind == TCP_SEGMENT_OPEN && of->tcp_offset == (of->is_ipv6 ? 54 : 34) &&
           of->data_offset >= of->tcp_offset + 20u && of->data_offset < of->end_offset &&
           of->end_offset <= TCP_FRAME_MAX;
}

static void any_run(void)
{
    __CPROVER_havoc_object(&join);
    run()->first.frame = run()->frame;
    assume(is_open(&run()->first) && run()->segments >= 1);
    assume(run()->length_bytes >= run()->first.end_offset && run()->length_bytes <= TCP_FRAME_MAX);
    watched = nondet_size();
    assume(watched < TCP_FRAME_MAX);
    before = *run();
}

static void any_segment(void)
{
    __CPROVER_havoc_object(given);
    __CPROVER_havoc_object(&segment);
    segment.frame = given;
    assume(is_open(&segment));
}

/* ---- the proofs ---- */

static uint32_t stored_sum(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

/* A receiver's sums come out as 0 modulo 65,535, and only lengths and checksums were written. */
void prove_tcp_join_checksum(void)
{
    uint8_t *tcp;

    any_run();
    assume(run()->segments > 1 && run()->length_bytes == run()->first.end_offset);
    header_sum = nondet_uint16();
    pseudo_sum = nondet_uint16();
    options_sum = nondet_uint16();
    finish(run());
    tcp = run()->frame + run()->first.tcp_offset;
    claim(14 + length_of_packet() == run()->length_bytes, "the packet is as long as it says");
    claim(run()->first.is_ipv6 ||
              (header_sum + stored_sum(run()->frame + IPV4_CHECKSUM_AT)) % MODULUS == 0,
          "the checksum of the IPv4 header is correct");
    claim((pseudo_sum + options_sum + run()->first.data_sum + stored_sum(tcp + CHECKSUM)) %
                  MODULUS ==
              0,
          "the checksum of TCP is correct");
    if (watched == run()->first.tcp_offset + CHECKSUM ||
        watched == run()->first.tcp_offset + CHECKSUM + 1u)
        return;
    if (run()->first.is_ipv6 ? watched == PAYLOAD_LENGTH || watched == PAYLOAD_LENGTH + 1u
                             : watched == TOTAL_LENGTH || watched == TOTAL_LENGTH + 1u ||
                                   watched == IPV4_CHECKSUM_AT || watched == IPV4_CHECKSUM_AT + 1u)
        return;
    claim(run()->frame[watched] == before.frame[watched], "no other byte is changed");
}

/* The data of a segment is appended as it is, its sum is added, and its PSH is taken over. */
void prove_tcp_join_extend(void)
{
    uint32_t bytes;
    uint32_t is_odd;

    any_run();
    any_segment();
    bytes = (uint32_t)(segment.end_offset - segment.data_offset);
    is_odd = (uint32_t)(before.first.end_offset - before.first.data_offset) & 1;
    assume(before.first.end_offset + bytes <= TCP_FRAME_MAX && !before.is_pushed);
    extend(run(), &segment);
    claim(run()->length_bytes == before.first.end_offset + bytes &&
              run()->first.end_offset == run()->length_bytes,
          "the run is longer by the data");
    claim(run()->next_sequence == before.next_sequence + bytes, "and so is its sequence");
    claim(run()->segments == before.segments + 1, "it has one segment more");
    claim(run()->is_pushed == segment.is_pushed, "PSH is the last one's");
    claim(run()->first.data_sum % MODULUS ==
              (before.first.data_sum + segment.data_sum * (is_odd ? 256u : 1u)) % MODULUS,
          "the sum is that of all data");
    if (watched >= run()->length_bytes)
        return;
    if (watched >= before.first.end_offset)
        claim(run()->frame[watched] ==
                  given[segment.data_offset + watched - before.first.end_offset],
              "the data is appended in its order");
    else if (watched == before.first.tcp_offset + FLAGS)
        claim(run()->frame[watched] == (before.frame[watched] | (segment.is_pushed ? 8 : 0)),
              "the flags are the first one's, and PSH");
    else
        claim(run()->frame[watched] == before.frame[watched], "what was there stays");
}

/* A run begins as a copy of its first frame, padding included. */
void prove_tcp_join_begin(void)
{
    size_t length_bytes = nondet_size();
    uint16_t network = nondet_uint16();

    any_run();
    any_segment();
    assume(length_bytes >= segment.end_offset && length_bytes <= TCP_FRAME_MAX);
    assume(watched < length_bytes);
    remember(&join, run(), &segment, network);
    claim(run()->is_known && run()->length_bytes == 0 && run()->next_sequence == segment.sequence,
          "its connection is known, and what comes next");
    begin(run(), &segment, length_bytes);
    claim(run()->length_bytes == length_bytes && run()->segments == 1 && !run()->is_pushed &&
              run()->network == network,
          "it has one segment");
    claim(run()->next_sequence ==
              segment.sequence + (uint32_t)(segment.end_offset - segment.data_offset),
          "its sequence is after the data");
    claim(run()->first.data_sum == segment.data_sum &&
              run()->first.end_offset == segment.end_offset &&
              run()->first.data_offset == segment.data_offset && run()->first.frame == run()->frame,
          "its records are the segment's");
    claim(run()->frame[watched] == given[watched], "its frame is the segment's");
}
