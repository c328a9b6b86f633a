/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Runs of TCP segments: begin, extend, finish. Whether a segment may be joined at all is
 * tcp_segment.c's.
 */
#include "mnp/tcp_join.h"

#include "base/copy.h"

#define IPV4_TOTAL_LENGTH (ETHERNET_BYTES + 2u)
#define IPV4_CHECKSUM (ETHERNET_BYTES + 10u)
#define IPV6_PAYLOAD_LENGTH (ETHERNET_BYTES + 4u)
#define TCP_FLAGS 13u
#define TCP_PSH 0x08u
#define TCP_CHECKSUM 16u

void tcp_join_init(struct tcp_join *join, const uint8_t *station, tcp_join_deliver *deliver,
                   void *context)
{
    join->deliver = deliver;
    join->context = context;
    __builtin_memcpy(join->station, station, MAC_BYTES);
    __builtin_memset(&join->counters, 0, sizeof(join->counters));
    tcp_join_drop(join);
}

void tcp_join_drop(struct tcp_join *join)
{
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        join->runs[i].length_bytes = 0;
        join->runs[i].is_known = false;
    }
}

static void write16(uint8_t *field, uint32_t value)
{
    field[0] = (uint8_t)(value >> 8);
    field[1] = (uint8_t)value;
}

/* Make lengths and checksums those of the whole. The sum of the data is known. */
static void finish(struct tcp_join_run *run)
{
    const struct tcp_segment *first = &run->first;
    uint8_t *tcp = run->frame + first->tcp_offset;
    uint32_t tcp_bytes = (uint32_t)run->length_bytes - first->tcp_offset;
    uint32_t sum;

    if (first->is_ipv6) {
        write16(run->frame + IPV6_PAYLOAD_LENGTH, tcp_bytes);
    } else {
        write16(run->frame + IPV4_TOTAL_LENGTH, (uint32_t)run->length_bytes - ETHERNET_BYTES);
        write16(run->frame + IPV4_CHECKSUM, 0);
        inet_sum_store(run->frame + IPV4_CHECKSUM,
                       inet_sum_add(0, run->frame + ETHERNET_BYTES, IPV4_BYTES));
    }
    write16(tcp + TCP_CHECKSUM, 0);
    sum = tcp_sum_pseudo(run->frame, first->is_ipv6, tcp_bytes);
    sum = inet_sum_add(sum, tcp, (size_t)(first->data_offset - first->tcp_offset));
    inet_sum_store(tcp + TCP_CHECKSUM, sum + first->data_sum);
}

/* Deliver a run. Its connection stays known. */
static bool end(struct tcp_join *join, struct tcp_join_run *run, enum tcp_join_end why)
{
    if (run->segments > 1)
        finish(run);
    if (!join->deliver(join->context, run->frame, run->length_bytes, run->network))
        return false;
    join->counters.ends[why]++;
    if (run->segments > 1) {
        join->counters.segments += run->segments;
        join->counters.joined++;
    }
    run->length_bytes = 0;
    return true;
}

static uint32_t data_bytes_of(const struct tcp_segment *segment)
{
    return (uint32_t)(segment->end_offset - segment->data_offset);
}

/* Know the connection of `segment`, which is the next on it. */
static void remember(struct tcp_join *join, struct tcp_join_run *run,
                     const struct tcp_segment *segment, uint16_t network)
{
    __builtin_memcpy(run->frame, segment->frame, segment->data_offset);
    run->length_bytes = 0;
    run->first = *segment;
    run->first.frame = run->frame;
    run->next_sequence = segment->sequence;
    run->is_known = true;
    run->singles_left = 0;
    run->network = network;
    run->is_pushed = false;
    run->age = join->ages++;
}

/* Begin a run of a connection that is known by `segment`. */
static void begin(struct tcp_join_run *run, const struct tcp_segment *segment, size_t length_bytes)
{
    copy_bytes(run->frame + segment->data_offset, segment->frame + segment->data_offset,
               length_bytes - segment->data_offset);
    run->length_bytes = length_bytes;
    run->next_sequence = segment->sequence + data_bytes_of(segment);
    run->segments = 1;
}

/* Append the data of a segment that follows. The frame's padding, if any, is overwritten. */
static void extend(struct tcp_join_run *run, const struct tcp_segment *segment)
{
    uint32_t bytes = data_bytes_of(segment);
    uint32_t sum = segment->data_sum;

    /* RFC 1071: a part that begins at an odd offset counts with its bytes swapped. */
    if ((run->first.end_offset - run->first.data_offset) & 1)
        sum = (sum << 8 | sum >> 8) & 0xffffu;
    copy_bytes(run->frame + run->first.end_offset, segment->frame + segment->data_offset, bytes);
    run->first.end_offset = (uint16_t)(run->first.end_offset + bytes);
    run->length_bytes = run->first.end_offset;
    run->first.data_sum = inet_sum_fold(run->first.data_sum + sum);
    run->next_sequence += bytes;
    run->segments++;
    run->is_pushed = segment->is_pushed;
    if (run->is_pushed)
        run->frame[run->first.tcp_offset + TCP_FLAGS] |= TCP_PSH;
}

/* Why a segment of a run's connection does not extend it; TCP_JOIN_ENDS: it does. */
static enum tcp_join_end obstacle(const struct tcp_join_run *run, const struct tcp_segment *segment)
{
    if (run->is_pushed)
        return TCP_JOIN_END_PUSHED;
    if (segment->kind != TCP_SEGMENT_OPEN)
        return TCP_JOIN_END_CLOSED;
    if (!tcp_segment_is_alike(&run->first, segment))
        return TCP_JOIN_END_DIFFERENT;
    if (segment->sequence != run->next_sequence)
        return TCP_JOIN_END_GAP;
    if (run->first.end_offset + data_bytes_of(segment) > TCP_FRAME_MAX)
        return TCP_JOIN_END_FULL;
    return TCP_JOIN_ENDS;
}

/* Extend the run of the segment's connection, or end all runs that the segment must not overtake.
 * False: refused. *ret_is_joined: whether it was the former. *ret_known: what is remembered of the
 * connection, without a run; NULL: nothing. */
static bool meet_runs(struct tcp_join *join, const struct tcp_segment *segment, uint16_t network,
                      bool *ret_is_joined, struct tcp_join_run **ret_known)
{
    *ret_is_joined = false;
    *ret_known = NULL;
    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        struct tcp_join_run *run = &join->runs[i];
        enum tcp_join_end why;

        if (!run->is_known || run->network != network ||
            !tcp_segment_is_related(&run->first, segment))
            continue;
        *ret_known = run;
        if (run->length_bytes == 0)
            continue;
        why = obstacle(run, segment);
        if (why == TCP_JOIN_ENDS) {
            extend(run, segment);
            *ret_is_joined = true;
            if (run->is_pushed)
                (void)end(join, run, TCP_JOIN_END_PUSHED); /* refused: it stays, complete */
            return true;
        }
        if (!end(join, run, why))
            return false;
    }
    return true;
}

/* A place for a connection that is not known: a free one, or that of the connection that has been
 * without a run for longest, or that of the oldest run, which is ended. NULL: refused. */
static struct tcp_join_run *place(struct tcp_join *join)
{
    struct tcp_join_run *idle = NULL;
    struct tcp_join_run *oldest = &join->runs[0];

    for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
        struct tcp_join_run *run = &join->runs[i];

        if (!run->is_known)
            return run;
        if (run->length_bytes == 0 && (!idle || run->age < idle->age))
            idle = run;
        if (run->age < oldest->age)
            oldest = run;
    }
    if (idle)
        return idle;
    return end(join, oldest, TCP_JOIN_END_CROWDED) ? oldest : NULL;
}

/* Deliver a segment of a known connection on its own. */
static bool pass(struct tcp_join *join, struct tcp_join_run *known,
                 const struct tcp_segment *segment, size_t length_bytes)
{
    if (!join->deliver(join->context, segment->frame, length_bytes, known->network))
        return false;
    known->next_sequence = segment->sequence + data_bytes_of(segment);
    if (known->singles_left > 0)
        known->singles_left--;
    return true;
}

/* True when two such segments do not fit into one frame: it may have been joined by the device. To
 * begin a run would cost a copy for little. */
static bool is_long(const struct tcp_segment *segment)
{
    return segment->end_offset + data_bytes_of(segment) > TCP_FRAME_MAX;
}

/* Take a segment that may be joined, and for which there is no run. */
static bool begin_or_pass(struct tcp_join *join, struct tcp_join_run *known,
                          const struct tcp_segment *segment, size_t length_bytes, uint16_t network)
{
    if (known && segment->sequence != known->next_sequence)
        known->singles_left = TCP_JOIN_SINGLES;
    if (known && (known->singles_left > 0 || segment->is_pushed))
        return pass(join, known, segment, length_bytes);
    if (segment->is_pushed)
        return join->deliver(join->context, segment->frame, length_bytes, network);
    if (!known)
        known = place(join);
    if (!known)
        return false;
    remember(join, known, segment, network);
    if (is_long(segment))
        return pass(join, known, segment, length_bytes);
    begin(known, segment, length_bytes);
    return true;
}

bool tcp_join_add(struct tcp_join *join, const uint8_t *frame, size_t length_bytes,
                  uint16_t network, bool trusts_sum)
{
    struct tcp_join_run *known = NULL;
    struct tcp_segment segment;
    bool is_joined;

    tcp_segment_parse(frame, length_bytes, join->station, trusts_sum, &segment);
    if (segment.kind != TCP_SEGMENT_FOREIGN) {
        if (!meet_runs(join, &segment, network, &is_joined, &known))
            return false;
        if (is_joined)
            return true;
    }
    if (segment.kind != TCP_SEGMENT_OPEN)
        return join->deliver(join->context, frame, length_bytes, network);
    return begin_or_pass(join, known, &segment, length_bytes, network);
}

bool tcp_join_flush(struct tcp_join *join)
{
    for (;;) {
        struct tcp_join_run *oldest = NULL;

        for (unsigned i = 0; i < TCP_JOIN_RUNS; i++) {
            struct tcp_join_run *run = &join->runs[i];

            if (run->length_bytes > 0 && (!oldest || run->age < oldest->age))
                oldest = run;
        }
        if (!oldest)
            return true;
        if (!end(join, oldest, TCP_JOIN_END_FLUSHED))
            return false;
    }
}
