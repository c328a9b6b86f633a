/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Joins consecutive TCP segments of a connection into one, as an operating system's driver
 * does: the firmware's stack works by the frame, whatever its length. What comes out is what
 * a correct host could have sent; what is not certain to be passes as it came.
 *
 * tcp_join_add takes the received frames one by one, tcp_join_flush says that no more wait.
 * Both hand frames on in an order that keeps that of each connection, and that of all frames
 * that belong to none. Pure memory code: it allocates nothing and waits for nothing.
 */
#ifndef TCP_JOIN_H
#define TCP_JOIN_H

#include "mnp/tcp_segment.h"

#define TCP_JOIN_RUNS 4u /* connections at a time */

/* So many segments pass one by one after a gap. A receiver answers each of them with a duplicate
 * ACK, and the third one makes the sender send what is missing (RFC 5681, 3.2). Joined, they would
 * be answered once, and the sender would wait for its timer. */
#define TCP_JOIN_SINGLES 8u

/* Why a run of segments came to its end. */
enum tcp_join_end {
    TCP_JOIN_END_FLUSHED,   /* no more frames waited */
    TCP_JOIN_END_PUSHED,    /* PSH */
    TCP_JOIN_END_GAP,       /* the next segment has another sequence number */
    TCP_JOIN_END_DIFFERENT, /* the next segment differs in a field that must be the same */
    TCP_JOIN_END_CLOSED,    /* the next frame of the connection must stay as it is */
    TCP_JOIN_END_FULL,      /* TCP_FRAME_MAX */
    TCP_JOIN_END_CROWDED,   /* more than TCP_JOIN_RUNS connections */
    TCP_JOIN_ENDS,
};

struct tcp_join_counters {
    uint64_t segments; /* that came and were joined with others */
    uint64_t joined;   /* frames that they became */
    uint64_t ends[TCP_JOIN_ENDS];
};

/* Segments of one connection that follow each other; the first one's headers, and the data of
 * all. Between two runs the connection is remembered. */
struct tcp_join_run {
    uint8_t frame[TCP_FRAME_MAX];
    size_t length_bytes;      /* of the frame; 0: no run now */
    struct tcp_segment first; /* refers to `frame`; end_offset and data_sum are the run's */
    bool is_known;            /* there is, or was, a run: `frame` has its headers */
    uint8_t singles_left;     /* segments that pass one by one */
    uint32_t next_sequence;
    uint32_t segments;
    uint16_t network;
    bool is_pushed; /* and so at its end, unless `deliver` refused it */
    uint64_t age;   /* of two runs the older one has the smaller age */
};

/* Take a frame of `length_bytes`, which is valid until the return, from `network`, which is what
 * the caller of tcp_join_add said. False: it cannot be taken now. */
typedef bool tcp_join_deliver(void *context, const uint8_t *frame, size_t length_bytes,
                              uint16_t network);

struct tcp_join {
    tcp_join_deliver *deliver;
    void *context;
    uint8_t station[MAC_BYTES]; /* segments for other addresses are not joined */
    uint64_t ages;
    struct tcp_join_counters counters;
    struct tcp_join_run runs[TCP_JOIN_RUNS];
};

/* Zeroed memory is made ready. The counters begin at 0. */
void tcp_join_init(struct tcp_join *join, const uint8_t *station, tcp_join_deliver *deliver,
                   void *context);

/* Take a received frame, which nobody changes meanwhile. Segments of different networks are not
 * joined: a caller that removes VLAN tags passes their id. `trusts_sum`: as tcp_segment_parse.
 * False: `deliver` refused a frame that must come before it, or the frame itself. Nothing is lost
 * then: the caller adds the same frame again later. */
bool tcp_join_add(struct tcp_join *join, const uint8_t *frame, size_t length_bytes,
                  uint16_t network, bool trusts_sum) __attribute__((warn_unused_result));

/* Deliver what was kept. False: `deliver` refused; the rest stays. */
bool tcp_join_flush(struct tcp_join *join) __attribute__((warn_unused_result));

/* Forget what was kept, and all connections. */
void tcp_join_drop(struct tcp_join *join);

#endif
