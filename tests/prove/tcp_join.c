/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The joiner, for any segments: tcp_segment_parse is replaced by any answer that the proof
 * tcp_parse allows it. Comparing, summing and copying are replaced as well: what they are asked is
 * checked, and the answer is any. tcp_compare and inet_sum_bounds prove that they touch no more
 * than that.
 *
 * is_sane is what the joiner's own records always fulfil. Each proof begins with any records that
 * fulfil it and shows that it holds again. tcp_join_init and tcp_join_drop leave runs that are not
 * known, which are sane.
 *
 * The bytes of frames do not matter to the joiner, so copying changes none. What is written must be
 * in the frame of a run, which is a part of an object: that it ends there is a claim of its own.
 */
#include "mnp/tcp_join.h"

#define GIVEN_MAX (2 * TCP_FRAME_MAX)

static struct tcp_join join;
static const uint8_t *given;
static size_t given_bytes;
static uint16_t given_network;

/* What was answered about the segment and each run. */
static bool is_related[TCP_JOIN_RUNS];
static const struct tcp_segment *alike_to;

/* True when `length_bytes` at `at` are in the frame of a run. */
static bool is_in_run(const void *at, size_t length_bytes)
{
    size_t offset = __CPROVER_POINTER_OFFSET(at);

    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        size_t first = __CPROVER_POINTER_OFFSET(join.runs[i].frame);

        if (__CPROVER_same_object(at, &join) && offset >= first &&
            offset - first <= TCP_FRAME_MAX && length_bytes <= TCP_FRAME_MAX - (offset - first))
            return true;
    }
    return false;
}

static bool is_readable(const uint8_t *at, size_t length_bytes)
{
    return __CPROVER_same_object(at, &join) ? is_in_run(at, length_bytes)
                                            : __CPROVER_r_ok(at, length_bytes);
}

/* ---- what is replaced ---- */

void *memcpy(void *to, const void *from, size_t length_bytes)
{
    claim(is_in_run(to, length_bytes), "only the frame of a run is written");
    claim(length_bytes == 0 || is_readable(from, length_bytes), "what is copied is in its frame");
    return to;
}

uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    (void)sum;
    claim(is_in_run(bytes, length_bytes), "what is summed up is in the frame of a run");
    return nondet_uint32();
}

uint16_t inet_sum_fold(uint32_t sum)
{
    (void)sum;
    return nondet_uint16();
}

void inet_sum_store(uint8_t *field, uint32_t sum)
{
    (void)sum;
    claim(is_in_run(field, 2), "a checksum is in the frame of a run");
}

uint32_t tcp_sum_pseudo(const uint8_t *frame, bool is_ipv6, uint32_t tcp_bytes)
{
    (void)tcp_bytes;
    claim(is_in_run(frame, is_ipv6 ? 54 : 34), "the hosts are in the frame of a run");
    return nondet_uint32();
}

static bool are_headers_sane(const struct tcp_segment *segment)
{
    return segment->tcp_offset >= (segment->is_ipv6 ? 54 : 34) &&
           segment->tcp_offset + 20u <= segment->end_offset;
}

static bool is_open_sane(const struct tcp_segment *segment)
{
    return segment->kind == TCP_SEGMENT_OPEN && are_headers_sane(segment) &&
           segment->data_offset >= segment->tcp_offset + 20u &&
           segment->data_offset < segment->end_offset && segment->end_offset <= TCP_FRAME_MAX;
}

void tcp_segment_parse(const uint8_t *frame, size_t length_bytes, const uint8_t *station,
                       bool trusts_sum, struct tcp_segment *ret_segment)
{
    struct tcp_segment segment;
    uint8_t kind = nondet_uint8();

    (void)trusts_sum;
    claim(frame == given && length_bytes == given_bytes, "the frame is examined");
    claim(station == join.station, "for this station");
    segment.frame = frame;
    segment.kind = kind == 0   ? TCP_SEGMENT_FOREIGN
                   : kind == 1 ? TCP_SEGMENT_UNKNOWN
                   : kind == 2 ? TCP_SEGMENT_CLOSED
                               : TCP_SEGMENT_OPEN;
    if (segment.kind != TCP_SEGMENT_FOREIGN)
        assume(length_bytes >= (segment.is_ipv6 ? 54 : 34) && length_bytes <= TCP_FRAME_MAX);
    if (segment.kind == TCP_SEGMENT_CLOSED || segment.kind == TCP_SEGMENT_OPEN)
        assume(are_headers_sane(&segment) && segment.end_offset <= length_bytes);
    if (segment.kind == TCP_SEGMENT_OPEN)
        assume(is_open_sane(&segment));
    *ret_segment = segment;
}

static void claim_comparable(const struct tcp_segment *segment)
{
    claim(segment->kind != TCP_SEGMENT_FOREIGN &&
              is_readable(segment->frame, segment->is_ipv6 ? 54 : 34),
          "the hosts are in the frame");
    claim(segment->kind == TCP_SEGMENT_UNKNOWN ||
              is_readable(segment->frame, segment->tcp_offset + 20u),
          "the TCP header is in the frame");
}

bool tcp_segment_is_related(const struct tcp_segment *a, const struct tcp_segment *b)
{
    bool is_so = nondet_bool();

    claim_comparable(a);
    claim_comparable(b);
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        if (a == &join.runs[i].first)
            is_related[i] = is_so;
    }
    return is_so;
}

bool tcp_segment_is_alike(const struct tcp_segment *a, const struct tcp_segment *b)
{
    claim(is_open_sane(a) && is_readable(a->frame, a->data_offset), "what is compared is open");
    claim(is_open_sane(b) && is_readable(b->frame, b->data_offset), "what is compared is open");
    alike_to = nondet_bool() ? a : NULL;
    return alike_to != NULL;
}

/* ---- the records ---- */

static bool is_run_sane(const struct tcp_join_run *run)
{
    if (!run->is_known)
        return run->length_bytes == 0;
    if (run->first.frame != run->frame || !is_open_sane(&run->first))
        return false;
    if (run->length_bytes == 0)
        return true;
    return run->length_bytes >= run->first.end_offset && run->length_bytes <= TCP_FRAME_MAX &&
           run->segments >= 1 &&
           run->segments <= (uint32_t)(run->first.end_offset - run->first.data_offset) &&
           (run->segments == 1 || run->length_bytes == run->first.end_offset);
}

static bool is_sane(void)
{
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        if (!is_run_sane(&join.runs[i]))
            return false;
    }
    return true;
}

/* What is delivered is the frame that was given or that of a run, as long as it is. */
static bool deliver(void *context, const uint8_t *frame, size_t length_bytes, uint16_t network)
{
    bool is_known = frame == given && length_bytes == given_bytes;

    claim(context == &given, "the context is the caller's");
    claim(!is_known || network == given_network, "a frame is of its network");
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        const struct tcp_join_run *run = &join.runs[i];

        claim(frame != given || !is_related[i] || run->length_bytes == 0 || run->network != network,
              "a frame does not overtake what its connection has kept");

        is_known |= frame == run->frame && length_bytes == run->length_bytes && length_bytes > 0 &&
                    length_bytes <= TCP_FRAME_MAX && network == run->network;
    }
    claim(is_known, "what is delivered is a whole frame");
    return nondet_bool();
}

static void any_join(void)
{
    __CPROVER_havoc_object(&join);
    join.deliver = deliver;
    join.context = &given;
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++)
        join.runs[i].first.frame = join.runs[i].frame;
    assume(is_sane());
}

void prove_tcp_join_add(void)
{
    any_join();
    given_bytes = nondet_size();
    assume(given_bytes <= GIVEN_MAX);
    given = malloc(given_bytes);
    given_network = nondet_uint16();
    assume(given != NULL);
    (void)tcp_join_add(&join, given, given_bytes, given_network, nondet_bool());
    claim(is_sane(), "the records are sane");
}

#ifdef OWN_EXTEND
/* prove_tcp_join_extend is about what this does to a run. */
void extend(struct tcp_join_run *run, const struct tcp_segment *segment)
{
    claim(segment->frame == given && is_open_sane(segment), "the frame extends a run");
    claim(run->is_known && run->length_bytes > 0 && run->network == given_network,
          "of its network");
    claim(alike_to == &run->first, "whose headers are alike");
    claim(segment->sequence == run->next_sequence, "and which it follows");
    claim(!run->is_pushed, "which is not at its end");
    claim(run->first.end_offset + (uint32_t)(segment->end_offset - segment->data_offset) <=
              TCP_FRAME_MAX,
          "and has room for it");
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++)
        claim(run != &join.runs[i] || is_related[i], "of its connection");
    run->is_pushed = nondet_bool();
    run->segments = 1; /* so that it is not finished */
}

void prove_tcp_join_order(void)
{
    prove_tcp_join_add();
}
#endif

void prove_tcp_join_flush(void)
{
    bool is_empty;

    any_join();
    is_empty = tcp_join_flush(&join);
    claim(is_sane(), "the records are sane");
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++)
        claim(!is_empty || join.runs[i].length_bytes == 0, "nothing is kept");
}

/* In a proof of its own the driver's function is not static. */
void finish(struct tcp_join_run *run);

void prove_tcp_join_finish(void)
{
    struct tcp_join_run *run = &join.runs[0];
    struct tcp_join before;
    size_t at = nondet_size();

    any_join();
    assume(run->length_bytes > 0 && run->segments > 1);
    before = join;
    finish(run);
    assume(at < sizeof(join) && (at < offsetof(struct tcp_join, runs) ||
                                 at >= offsetof(struct tcp_join, runs) + sizeof(run->frame)));
    claim(((const uint8_t *)&join)[at] == ((const uint8_t *)&before)[at],
          "only the frame of the run is written");
}
