/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The joiner of TCP segments. Frames are built here from RFC 791, 8200 and 9293, with sums of
 * our own, and what comes out is taken apart again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mnp/tcp_join.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DELIVERED_MAX 64

enum {
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    PSH = 0x08,
    ACK = 0x10,
    URG = 0x20,
    ECE = 0x40,
    CWR = 0x80
};

static const uint8_t our_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* What a frame is made of. Zeros are an IPv4 segment of connection 0, without data. */
struct recipe {
    bool is_ipv6;
    uint8_t connection; /* a source port for each */
    uint32_t sequence;
    uint32_t data_bytes;
    uint8_t seed;  /* of the data, whose byte at sequence s is a function of s and the seed */
    uint8_t flags; /* 0: ACK */
    uint32_t acknowledgement;
    uint16_t window;
    uint16_t urgent;
    uint8_t reserved; /* xor to the byte with the data offset */
    uint8_t tos;      /* traffic class */
    uint8_t ttl;
    uint8_t host;        /* last byte of the source address */
    uint8_t address;     /* last byte of the destination address */
    uint32_t flow_label; /* IPv6 */
    uint16_t fragment;   /* IPv4 */
    uint16_t id;         /* IPv4 */
    uint8_t ip_option_bytes;
    uint8_t protocol; /* 0: TCP */
    uint8_t tcp_option_bytes;
    uint8_t tcp_option_seed;
    uint8_t padding_bytes;
    uint8_t source_mac;
    uint8_t destination_mac; /* xor */
    uint16_t ethertype;      /* 0: as is_ipv6 says */
    bool is_tcp_damaged;
    bool is_ip_damaged;
    bool trusts_sum;
};

struct frame {
    uint8_t bytes[TCP_FRAME_MAX + 64];
    size_t length_bytes;
    uint16_t network; /* of a delivered one */
};

struct bench {
    struct tcp_join join;
    struct frame delivered[DELIVERED_MAX];
    unsigned count;
    unsigned refusals; /* so many frames are refused first */
    struct frame made;
};

static uint8_t data_at(uint8_t seed, uint32_t sequence)
{
    return (uint8_t)((sequence * 2654435761u >> 13) + seed);
}

/* RFC 1071, a byte at a time in network order. */
static uint32_t sum_of(const uint8_t *bytes, size_t length_bytes)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < length_bytes; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint16_t checksum_of(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

/* The sum of a packet's pseudo header. */
static uint32_t pseudo_sum(const uint8_t *ip, bool is_ipv6, uint32_t tcp_bytes)
{
    return (is_ipv6 ? sum_of(ip + 8, 32) : sum_of(ip + 12, 8)) + 6 + tcp_bytes;
}

static size_t write_ip(uint8_t *ip, const struct recipe *recipe, uint32_t tcp_bytes)
{
    uint8_t protocol = recipe->protocol ? recipe->protocol : 6;
    uint32_t header = 20u + recipe->ip_option_bytes;

    if (recipe->is_ipv6) {
        put32(ip, 0x60000000u | (uint32_t)recipe->tos << 20 | recipe->flow_label);
        put16(ip + 4, tcp_bytes);
        ip[6] = protocol;
        ip[7] = (uint8_t)(64 - recipe->ttl);
        memset(ip + 8, 0x20, 32);
        ip[23] = recipe->host;
        ip[39] = recipe->address;
        return 40;
    }
    ip[0] = (uint8_t)(0x40 | header / 4);
    ip[1] = recipe->tos;
    put16(ip + 2, header + tcp_bytes);
    put16(ip + 4, recipe->id);
    put16(ip + 6, recipe->fragment ^ 0x4000u); /* DF, unless told otherwise */
    ip[8] = (uint8_t)(64 - recipe->ttl);
    ip[9] = protocol;
    put32(ip + 12, 0x0a000200u | recipe->host);
    put32(ip + 16, 0x0a000300u | recipe->address);
    memset(ip + 20, 1, recipe->ip_option_bytes); /* NOP */
    put16(ip + 10, checksum_of(sum_of(ip, header)));
    if (recipe->is_ip_damaged)
        ip[10] ^= 1;
    return header;
}

static void make(struct frame *frame, const struct recipe *recipe)
{
    uint32_t tcp_header = 20u + recipe->tcp_option_bytes;
    uint8_t *ip = frame->bytes + 14;
    uint8_t *tcp;

    memset(frame->bytes, 0, 14 + 60 + 60);
    memcpy(frame->bytes, our_mac, 6);
    frame->bytes[5] ^= recipe->destination_mac;
    frame->bytes[6] = 2;
    frame->bytes[11] = recipe->source_mac;
    put16(frame->bytes + 12,
          recipe->ethertype ? recipe->ethertype : (recipe->is_ipv6 ? 0x86ddu : 0x0800u));
    tcp = ip + write_ip(ip, recipe, tcp_header + recipe->data_bytes);
    put16(tcp, 1000u + recipe->connection);
    put16(tcp + 2, 80);
    put32(tcp + 4, recipe->sequence);
    put32(tcp + 8, recipe->acknowledgement);
    tcp[12] = (uint8_t)(tcp_header / 4 << 4 ^ recipe->reserved);
    tcp[13] = recipe->flags ? recipe->flags : ACK;
    put16(tcp + 14, recipe->window);
    put16(tcp + 18, recipe->urgent);
    memset(tcp + 20, recipe->tcp_option_seed, recipe->tcp_option_bytes);
    for (uint32_t i = 0; i < recipe->data_bytes; i++)
        tcp[tcp_header + i] = data_at(recipe->seed, recipe->sequence + i);
    put16(tcp + 16, checksum_of(pseudo_sum(ip, recipe->is_ipv6, tcp_header + recipe->data_bytes) +
                                sum_of(tcp, tcp_header + recipe->data_bytes)));
    if (recipe->is_tcp_damaged)
        tcp[tcp_header] ^= 0x80;
    frame->length_bytes = (size_t)(tcp - frame->bytes) + tcp_header + recipe->data_bytes;
    memset(frame->bytes + frame->length_bytes, 0xee, recipe->padding_bytes);
    frame->length_bytes += recipe->padding_bytes;
}

static bool deliver(void *context, const uint8_t *frame, size_t length_bytes, uint16_t network)
{
    struct bench *bench = context;

    if (bench->refusals > 0) {
        bench->refusals--;
        return false;
    }
    assert_true(bench->count < DELIVERED_MAX);
    assert_true(length_bytes <= sizeof(bench->delivered[0].bytes));
    memcpy(bench->delivered[bench->count].bytes, frame, length_bytes);
    bench->delivered[bench->count].network = network;
    bench->delivered[bench->count++].length_bytes = length_bytes;
    return true;
}

static void begin(struct bench *bench)
{
    bench->count = 0;
    bench->refusals = 0;
    tcp_join_init(&bench->join, our_mac, deliver, bench);
}

static void add(struct bench *bench, struct recipe recipe)
{
    make(&bench->made, &recipe);
    assert_true(tcp_join_add(&bench->join, bench->made.bytes, bench->made.length_bytes, 0,
                             recipe.trusts_sum));
}

/* Delivered frame `nth` is the one that the recipe makes, every byte. */
static void assert_is(struct bench *bench, unsigned nth, struct recipe recipe)
{
    assert_true(nth < bench->count);
    make(&bench->made, &recipe);
    assert_int_equal(bench->delivered[nth].length_bytes, bench->made.length_bytes);
    assert_memory_equal(bench->delivered[nth].bytes, bench->made.bytes, bench->made.length_bytes);
}

static void flush(struct bench *bench, unsigned expected_count)
{
    assert_true(tcp_join_flush(&bench->join));
    assert_int_equal(bench->count, expected_count);
}

/* ---- what is joined ---- */

static void segments_that_follow_become_the_segment_of_all_their_data(void **state)
{
    struct bench *bench = *state;

    for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++)
        for (uint32_t bytes = 1; bytes < 40; bytes++) { /* odd ones, too */
            struct recipe recipe = {
                .is_ipv6 = is_ipv6, .sequence = 7, .data_bytes = bytes, .window = 9};

            begin(bench);
            for (unsigned i = 0; i < 5; i++) {
                recipe.data_bytes = bytes + i;
                recipe.trusts_sum = (bytes >> i) & 1;
                add(bench, recipe);
                recipe.sequence += recipe.data_bytes;
            }
            assert_int_equal(bench->count, 0);
            flush(bench, 1);
            recipe.data_bytes = recipe.sequence - 7;
            recipe.sequence = 7;
            assert_is(bench, 0, recipe);
            assert_int_equal(bench->join.counters.segments, 5);
            assert_int_equal(bench->join.counters.joined, 1);
            assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_FLUSHED], 1);
        }
}

static void sequence_numbers_wrap(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.sequence = 0xffffff00, .data_bytes = 0x180});
    add(bench, (struct recipe){.sequence = 0x80, .data_bytes = 100});
    flush(bench, 1);
    assert_is(bench, 0, (struct recipe){.sequence = 0xffffff00, .data_bytes = 0x180 + 100});
}

static void push_ends_a_run_and_shows_in_it(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.data_bytes = 10});
    add(bench, (struct recipe){.sequence = 10, .data_bytes = 10, .flags = ACK | PSH});
    assert_int_equal(bench->count, 1);
    assert_is(bench, 0, (struct recipe){.data_bytes = 20, .flags = ACK | PSH});
    assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_PUSHED], 1);
    add(bench, (struct recipe){.sequence = 20, .data_bytes = 10, .flags = ACK | PSH});
    assert_int_equal(bench->count, 2);
    flush(bench, 2);
}

static void equal_options_are_kept_and_different_ones_are_not_joined(void **state)
{
    struct bench *bench = *state;
    struct recipe recipe = {.data_bytes = 30, .tcp_option_bytes = 12, .tcp_option_seed = 8};

    begin(bench);
    add(bench, recipe);
    recipe.sequence = 30;
    add(bench, recipe);
    recipe.sequence = 60;
    recipe.tcp_option_seed = 9; /* a later timestamp */
    add(bench, recipe);
    flush(bench, 2);
    assert_is(bench, 0,
              (struct recipe){.data_bytes = 60, .tcp_option_bytes = 12, .tcp_option_seed = 8});
    assert_is(bench, 1, recipe);
    assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_DIFFERENT], 1);
}

static void padding_is_cut_off_where_something_follows_and_kept_elsewhere(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.data_bytes = 3, .padding_bytes = 3});
    add(bench, (struct recipe){.sequence = 3, .data_bytes = 1, .padding_bytes = 5});
    flush(bench, 1);
    assert_is(bench, 0, (struct recipe){.data_bytes = 4});
    add(bench, (struct recipe){.data_bytes = 3, .padding_bytes = 3});
    flush(bench, 2);
    assert_is(bench, 1, (struct recipe){.data_bytes = 3, .padding_bytes = 3});
}

static void connections_may_be_interleaved(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    for (uint32_t i = 0; i < 6; i++)
        for (uint8_t connection = 0; connection < TCP_JOIN_RUNS; connection++)
            add(bench, (struct recipe){.is_ipv6 = connection == 2,
                                       .connection = connection,
                                       .sequence = 100 * i,
                                       .data_bytes = 100,
                                       .seed = connection});
    flush(bench, TCP_JOIN_RUNS);
    for (uint8_t connection = 0; connection < TCP_JOIN_RUNS; connection++)
        assert_is(bench, connection,
                  (struct recipe){.is_ipv6 = connection == 2,
                                  .connection = connection,
                                  .data_bytes = 600,
                                  .seed = connection});
}

/* We may have several addresses. */
static void a_connection_is_told_by_both_hosts_and_both_ports(void **state)
{
    static const struct recipe others[] = {{.host = 1}, {.address = 1}, {.connection = 1}};
    struct bench *bench = *state;

    for (size_t i = 0; i < 2 * COUNT(others); i++) {
        struct recipe recipe = others[i / 2];

        recipe.is_ipv6 = i % 2;
        recipe.data_bytes = 10;
        begin(bench);
        add(bench, (struct recipe){.is_ipv6 = recipe.is_ipv6, .data_bytes = 10});
        add(bench, recipe);
        add(bench, (struct recipe){.is_ipv6 = recipe.is_ipv6, .sequence = 10, .data_bytes = 10});
        assert_int_equal(bench->count, 0);
        flush(bench, 2);
        assert_is(bench, 0, (struct recipe){.is_ipv6 = recipe.is_ipv6, .data_bytes = 20});
    }
}

static void one_connection_too_many_ends_the_oldest_run(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    for (uint8_t connection = 0; connection <= TCP_JOIN_RUNS; connection++)
        add(bench, (struct recipe){.connection = connection, .data_bytes = 10});
    assert_int_equal(bench->count, 1);
    assert_is(bench, 0, (struct recipe){.data_bytes = 10});
    assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_CROWDED], 1);
    add(bench, (struct recipe){.sequence = 10, .data_bytes = 10});
    assert_is(bench, 1, (struct recipe){.connection = 1, .data_bytes = 10});
    flush(bench, TCP_JOIN_RUNS + 2);
}

static void a_run_never_exceeds_the_longest_frame(void **state)
{
    struct bench *bench = *state;

    for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++) {
        uint32_t header = is_ipv6 ? 74 : 54;
        uint32_t room = TCP_FRAME_MAX - header;
        uint32_t sequence = 0;

        begin(bench);
        for (; sequence + 1400 <= room; sequence += 1400)
            add(bench,
                (struct recipe){.is_ipv6 = is_ipv6, .sequence = sequence, .data_bytes = 1400});
        assert_int_equal(bench->count, 0);
        add(bench, (struct recipe){
                       .is_ipv6 = is_ipv6, .sequence = sequence, .data_bytes = room - sequence});
        assert_int_equal(bench->count, 0);
        add(bench, (struct recipe){.is_ipv6 = is_ipv6, .sequence = room, .data_bytes = 1});
        assert_int_equal(bench->count, 1);
        assert_is(bench, 0, (struct recipe){.is_ipv6 = is_ipv6, .data_bytes = room});
        assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_FULL], 1);
        flush(bench, 2);
    }
}

/* A segment of which two do not fit passes at once, and its connection is known as if it had begun
 * a run: another one follows it, a gap behind it shows, and a run may be joined after it. */
static void a_long_segment_passes_and_its_connection_is_known(void **state)
{
    const uint32_t half = (TCP_FRAME_MAX - 54 + 1) / 2; /* with a header, twice that is too long */
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.data_bytes = half - 1});
    assert_int_equal(bench->count, 0); /* of this one, two fit */
    add(bench, (struct recipe){.sequence = half - 1, .data_bytes = half - 1});
    flush(bench, 1);
    begin(bench);
    add(bench, (struct recipe){.data_bytes = half});
    assert_int_equal(bench->count, 1);
    assert_is(bench, 0, (struct recipe){.data_bytes = half});
    add(bench, (struct recipe){.sequence = half, .data_bytes = half});
    assert_int_equal(bench->count, 2);
    add(bench, (struct recipe){.sequence = 2 * half, .data_bytes = 100});
    add(bench, (struct recipe){.sequence = 2 * half + 100, .data_bytes = half});
    flush(bench, 3);
    assert_is(bench, 2, (struct recipe){.sequence = 2 * half, .data_bytes = 100 + half});
    add(bench, (struct recipe){.sequence = 9 * half, .data_bytes = half});
    assert_int_equal(bench->count, 4);
    add(bench, (struct recipe){.sequence = 10 * half, .data_bytes = 100});
    assert_int_equal(bench->count, 5); /* one of the singles behind the gap */
}

/* ---- what is not ---- */

/* Each differs from the segment that would follow in one way, and is delivered after it as it
 * came. */
static void a_segment_that_differs_in_any_field_is_not_joined(void **state)
{
    static const struct recipe others[] = {
        {.tos = 1},
        {.tos = 2},
        {.tos = 0x20},
        {.ttl = 1},
        {.acknowledgement = 1},
        {.window = 1},
        {.urgent = 1},
        {.source_mac = 1},
        {.tcp_option_bytes = 4},
        {.sequence = 1},
        {.sequence = (uint32_t)-1},
        {.sequence = (uint32_t)-50},
        {.fragment = 0x4000},
        {.fragment = 0x8000},
        {.flow_label = 1},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < 2 * COUNT(others); i++) {
        struct recipe recipe = others[i / 2];

        recipe.is_ipv6 = i % 2;
        if (recipe.is_ipv6 ? recipe.fragment : recipe.flow_label)
            continue;
        recipe.sequence += 50;
        recipe.data_bytes = 50;
        begin(bench);
        add(bench, (struct recipe){.is_ipv6 = recipe.is_ipv6, .data_bytes = 50});
        add(bench, recipe);
        /* Behind a gap it passes at once, else it may begin a run. */
        assert_int_equal(bench->count, others[i / 2].sequence ? 2 : 1);
        flush(bench, 2);
        assert_is(bench, 0, (struct recipe){.is_ipv6 = recipe.is_ipv6, .data_bytes = 50});
        assert_is(bench, 1, recipe);
        assert_int_equal(bench->join.counters.joined, 0);
    }
}

/* Delivered at once, and behind the run of the same connection. */
static void a_frame_that_must_stay_as_it_is_ends_the_run_of_its_connection(void **state)
{
    static const struct recipe others[] = {
        {.flags = ACK | FIN},     {.flags = RST},          {.flags = ACK | SYN},
        {.flags = ACK | URG},     {.flags = ACK | ECE},    {.flags = ACK | CWR},
        {.flags = PSH},           {.flags = RST | ACK},    {.reserved = 1},
        {.reserved = 8},          {.reserved = 0x10},      {.reserved = 0x50},
        {.is_tcp_damaged = true}, {.is_ip_damaged = true}, {.ip_option_bytes = 4},
        {.destination_mac = 1},   {.fragment = 0x2000},    {.fragment = 1},
        {.fragment = 0x1000},     {.fragment = 0x1fff},    {.protocol = 50},
        {.protocol = 44},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < 2 * COUNT(others); i++) {
        struct recipe recipe = others[i / 2];

        recipe.is_ipv6 = i % 2;
        if (recipe.is_ipv6 && (recipe.fragment || recipe.is_ip_damaged || recipe.ip_option_bytes))
            continue;
        recipe.sequence = 50;
        recipe.data_bytes = 50;
        begin(bench);
        add(bench, (struct recipe){.is_ipv6 = recipe.is_ipv6, .data_bytes = 50});
        add(bench, recipe);
        assert_int_equal(bench->count, 2);
        assert_is(bench, 0, (struct recipe){.is_ipv6 = recipe.is_ipv6, .data_bytes = 50});
        assert_is(bench, 1, recipe);
        assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_CLOSED], 1);
        add(bench, (struct recipe){.is_ipv6 = recipe.is_ipv6, .sequence = 100, .data_bytes = 50});
        flush(bench, 3);
    }
}

static void an_acknowledgement_without_data_is_not_joined(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){0});
    assert_int_equal(bench->count, 1);
    add(bench, (struct recipe){.data_bytes = 50});
    add(bench, (struct recipe){.sequence = 50, .padding_bytes = 6});
    assert_int_equal(bench->count, 3);
    assert_is(bench, 2, (struct recipe){.sequence = 50, .padding_bytes = 6});
    flush(bench, 3);
}

static void a_damaged_segment_is_still_damaged_and_its_neighbours_are_not(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    for (uint32_t i = 0; i < 6; i++)
        add(bench,
            (struct recipe){.sequence = 100 * i, .data_bytes = 100, .is_tcp_damaged = i == 2});
    flush(bench, 5);
    assert_is(bench, 0, (struct recipe){.data_bytes = 200});
    assert_is(bench, 1,
              (struct recipe){.sequence = 200, .data_bytes = 100, .is_tcp_damaged = true});
    for (uint32_t i = 3; i < 6; i++) /* each is answered with a duplicate ACK */
        assert_is(bench, i - 1, (struct recipe){.sequence = 100 * i, .data_bytes = 100});
}

/* Segments 0 and 1, a gap, and what comes after it up to `end`. */
static void add_gap(struct bench *bench, uint32_t end)
{
    begin(bench);
    for (uint32_t i = 0; i < end; i++) {
        if (i != 2)
            add(bench, (struct recipe){.sequence = 100 * i, .data_bytes = 100});
    }
}

/* It is joined, and not made right by that. */
static void a_damaged_segment_whose_sum_is_trusted_stays_damaged(void **state)
{
    struct bench *bench = *state;

    for (unsigned i = 0; i < 2 * 3 * 40; i++) {
        uint32_t bytes = 1 + i / 6; /* odd ones, too */
        const uint8_t *ip = bench->delivered[0].bytes + 14;

        begin(bench);
        for (unsigned nth = 0; nth < 3; nth++)
            add(bench, (struct recipe){.is_ipv6 = i % 2,
                                       .sequence = nth * bytes,
                                       .data_bytes = bytes,
                                       .is_tcp_damaged = nth == i / 2 % 3,
                                       .trusts_sum = nth == i / 2 % 3});
        flush(bench, 1);
        assert_int_equal(bench->join.counters.segments, 3);
        assert_int_not_equal(checksum_of(pseudo_sum(ip, i % 2, 20 + 3 * bytes) +
                                         sum_of(ip + (i % 2 ? 40 : 20), 20 + 3 * bytes)),
                             0);
    }
}

static void segments_behind_a_gap_pass_one_by_one_for_a_while(void **state)
{
    const uint32_t resumed = 3 + TCP_JOIN_SINGLES;
    struct bench *bench = *state;

    add_gap(bench, resumed + 3);
    assert_int_equal(bench->count, 1 + TCP_JOIN_SINGLES);
    flush(bench, 2 + TCP_JOIN_SINGLES);
    assert_is(bench, 0, (struct recipe){.data_bytes = 200});
    for (uint32_t i = 0; i < TCP_JOIN_SINGLES; i++)
        assert_is(bench, 1 + i, (struct recipe){.sequence = 300 + 100 * i, .data_bytes = 100});
    assert_is(bench, 1 + TCP_JOIN_SINGLES,
              (struct recipe){.sequence = 100 * resumed, .data_bytes = 300});
}

/* What is missing comes late, and is behind a gap as well, and so is what follows it. */
static void segment_that_fills_a_gap_begins_another_while(void **state)
{
    struct bench *bench = *state;

    add_gap(bench, 5 + TCP_JOIN_SINGLES);
    flush(bench, 2 + TCP_JOIN_SINGLES);
    add(bench, (struct recipe){.sequence = 200, .data_bytes = 100});
    for (uint32_t i = 0; i < TCP_JOIN_SINGLES; i++)
        add(bench, (struct recipe){.sequence = 5000 + 100 * i, .data_bytes = 100});
    assert_int_equal(bench->count, 3 + 2 * TCP_JOIN_SINGLES);
    add(bench, (struct recipe){.sequence = 5000 + 100 * TCP_JOIN_SINGLES, .data_bytes = 100});
    assert_int_equal(bench->count, 3 + 2 * TCP_JOIN_SINGLES);
}

/* The gap is seen although the run before it was delivered at the end of a poll. */
static void a_connection_is_remembered_between_its_runs(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.data_bytes = 100});
    flush(bench, 1);
    add(bench, (struct recipe){.sequence = 100, .data_bytes = 100});
    add(bench, (struct recipe){.sequence = 200, .data_bytes = 100});
    flush(bench, 2);
    assert_is(bench, 1, (struct recipe){.sequence = 100, .data_bytes = 200});
    add(bench, (struct recipe){.sequence = 400, .data_bytes = 100});
    assert_int_equal(bench->count, 3);
    add(bench, (struct recipe){.connection = 1, .sequence = 900, .data_bytes = 100});
    assert_int_equal(bench->count, 3); /* another one's first segment is behind no gap */
}

/* The one that has been without a run for longest is forgotten for a new one. */
static void the_connection_without_a_run_for_longest_is_forgotten(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    for (uint8_t i = 0; i <= TCP_JOIN_RUNS; i++) {
        add(bench, (struct recipe){.connection = i, .data_bytes = 100});
        flush(bench, i + 1u);
    }
    add(bench, (struct recipe){.connection = 1, .sequence = 500, .data_bytes = 100});
    assert_int_equal(bench->count, TCP_JOIN_RUNS + 2);
    add(bench, (struct recipe){.connection = 0, .sequence = 500, .data_bytes = 100});
    assert_int_equal(bench->count, TCP_JOIN_RUNS + 2);
}

static void retransmissions_and_reordered_segments_come_in_the_order_of_arrival(void **state)
{
    static const uint32_t order[] = {0, 1, 1, 0, 3, 2, 4};
    struct bench *bench = *state;

    begin(bench);
    for (size_t i = 0; i < COUNT(order); i++)
        add(bench, (struct recipe){.sequence = 100 * order[i], .data_bytes = 100});
    flush(bench, 6);
    assert_is(bench, 0, (struct recipe){.data_bytes = 200});
    for (unsigned nth = 1; nth < 6; nth++)
        assert_is(bench, nth, (struct recipe){.sequence = 100 * order[nth + 1], .data_bytes = 100});
}

/* UDP and ICMP between the same hosts, ARP, a tag: no run is in their way. */
static void a_foreign_frame_passes_at_once(void **state)
{
    static const struct recipe others[] = {
        {.protocol = 17},
        {.protocol = 1},
        {.is_ipv6 = true, .protocol = 17},
        {.is_ipv6 = true, .protocol = 58},
        {.ethertype = 0x0806},
        {.ethertype = 0x8100},
        {.ethertype = 0x05dc},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT(others); i++) {
        begin(bench);
        add(bench, (struct recipe){.is_ipv6 = others[i].is_ipv6, .data_bytes = 50});
        add(bench, others[i]);
        assert_int_equal(bench->count, 1);
        assert_is(bench, 0, others[i]);
        add(bench, (struct recipe){.is_ipv6 = others[i].is_ipv6, .sequence = 50, .data_bytes = 50});
        flush(bench, 2);
        assert_is(bench, 1, (struct recipe){.is_ipv6 = others[i].is_ipv6, .data_bytes = 100});
    }
}

static void a_fragment_ends_the_runs_of_its_hosts_alone(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.connection = 1, .data_bytes = 10});
    add(bench, (struct recipe){.connection = 2, .data_bytes = 10});
    add(bench, (struct recipe){.connection = 3, .data_bytes = 10, .host = 9});
    add(bench,
        (struct recipe){.connection = 4, .fragment = 0x2000, .protocol = 6, .data_bytes = 8});
    assert_int_equal(bench->count, 3);
    flush(bench, 4);
}

/* A header that is too short to name its ports may be of any connection between its hosts. */
static void a_header_that_is_cut_off_ends_the_runs_of_its_hosts(void **state)
{
    struct bench *bench = *state;
    struct frame whole;

    for (unsigned i = 0; i < 2 * 20; i++) {
        bool is_ipv6 = i % 2;
        size_t length = (is_ipv6 ? 54u : 34u) + i / 2;
        uint8_t *exact = malloc(length);

        make(&whole, &(struct recipe){.is_ipv6 = is_ipv6, .connection = 2, .data_bytes = 9});
        put16(whole.bytes + (is_ipv6 ? 18 : 16), is_ipv6 ? i / 2 : 20 + i / 2);
        memcpy(exact, whole.bytes, length);
        begin(bench);
        add(bench, (struct recipe){.is_ipv6 = is_ipv6, .connection = 1, .data_bytes = 10});
        add(bench, (struct recipe){.is_ipv6 = !is_ipv6, .connection = 1, .data_bytes = 10});
        assert_true(tcp_join_add(&bench->join, exact, length, 0, false));
        assert_int_equal(bench->count, 2);
        flush(bench, 3);
        free(exact);
    }
}

static void an_ipv4_header_that_claims_to_be_too_short_ends_the_runs_of_its_hosts(void **state)
{
    struct bench *bench = *state;
    struct frame frame;

    for (uint8_t words = 0; words < 5; words++) {
        begin(bench);
        add(bench, (struct recipe){.connection = 1, .data_bytes = 10});
        make(&frame, &(struct recipe){.connection = 2, .data_bytes = 10});
        frame.bytes[14] = (uint8_t)(0x40 | words);
        assert_true(tcp_join_add(&bench->join, frame.bytes, frame.length_bytes, 0, false));
        flush(bench, 2);
        assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_CLOSED], 1);
    }
}

static void a_version_other_than_the_ethertype_says_is_foreign(void **state)
{
    struct bench *bench = *state;
    struct frame frame;

    for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++)
        for (unsigned version = 0; version < 16; version++) {
            if (version == (is_ipv6 ? 6 : 4))
                continue;
            begin(bench);
            add(bench, (struct recipe){.is_ipv6 = is_ipv6, .data_bytes = 10});
            make(&frame, &(struct recipe){.is_ipv6 = is_ipv6, .data_bytes = 10});
            frame.bytes[14] = (uint8_t)(version << 4 | (is_ipv6 ? 0 : 5));
            assert_true(tcp_join_add(&bench->join, frame.bytes, frame.length_bytes, 0, false));
            assert_int_equal(bench->count, 1);
            assert_memory_equal(bench->delivered[0].bytes, frame.bytes, frame.length_bytes);
            flush(bench, 2);
        }
}

/* Lengths that disagree: cut off anywhere, and claimed to be anything. */
static void lengths_that_disagree_are_never_believed(void **state)
{
    struct bench *bench = *state;
    struct frame whole;

    for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++) {
        make(&whole,
             &(struct recipe){
                 .is_ipv6 = is_ipv6, .sequence = 50, .data_bytes = 50, .tcp_option_bytes = 12});
        for (size_t length = 0; length < whole.length_bytes; length++) {
            uint8_t *exact = malloc(length ? length : 1); /* AddressSanitizer watches its end */

            memcpy(exact, whole.bytes, length);
            begin(bench);
            add(bench,
                (struct recipe){.is_ipv6 = is_ipv6, .data_bytes = 50, .tcp_option_bytes = 12});
            assert_true(tcp_join_add(&bench->join, exact, length, 0, false));
            flush(bench, 2);
            assert_int_equal(bench->join.counters.joined, 0);
            free(exact);
        }
        for (uint32_t claimed = 0; claimed <= 0xffff; claimed++) {
            uint8_t *ip = whole.bytes + 14;

            put16(ip + (is_ipv6 ? 4 : 2), claimed);
            if (!is_ipv6) {
                put16(ip + 10, 0);
                put16(ip + 10, checksum_of(sum_of(ip, 20)));
            }
            begin(bench);
            assert_true(tcp_join_add(&bench->join, whole.bytes, whole.length_bytes, 0, false));
            assert_int_equal(bench->count, claimed != (is_ipv6 ? 82u : 102u));
        }
        for (unsigned offset = 0; offset < 16; offset++) {
            make(&whole,
                 &(struct recipe){.is_ipv6 = is_ipv6, .data_bytes = 50, .tcp_option_bytes = 12});
            whole.bytes[is_ipv6 ? 66 : 46] =
                (uint8_t)(offset << 4); /* its checksum is then wrong as well */
            begin(bench);
            assert_true(tcp_join_add(&bench->join, whole.bytes, whole.length_bytes, 0, false));
            assert_int_equal(bench->count, offset != 8);
        }
    }
}

/* ---- refusals ---- */

static void a_frame_that_is_refused_can_be_added_again(void **state)
{
    struct bench *bench = *state;
    struct recipe fin = {.sequence = 100, .data_bytes = 10, .flags = ACK | FIN};

    for (unsigned refusals = 1; refusals <= 3; refusals++) {
        begin(bench);
        add(bench, (struct recipe){.data_bytes = 50});
        add(bench, (struct recipe){.sequence = 50, .data_bytes = 50});
        bench->refusals = refusals;
        make(&bench->made, &fin);
        for (unsigned i = 0; i < refusals; i++)
            assert_false(
                tcp_join_add(&bench->join, bench->made.bytes, bench->made.length_bytes, 0, false));
        assert_true(
            tcp_join_add(&bench->join, bench->made.bytes, bench->made.length_bytes, 0, false));
        flush(bench, 2);
        assert_is(bench, 0, (struct recipe){.data_bytes = 100});
        assert_is(bench, 1, fin);
    }
}

/* The same connection, as far as addresses tell, in two VLANs. */
static void segments_of_two_networks_are_not_joined(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    for (uint16_t i = 0; i < 4; i++) {
        uint8_t network = i % 2 ? 7 : 3;
        struct recipe recipe = {.sequence = i / 2 * 100u, .data_bytes = 100, .seed = network};

        make(&bench->made, &recipe);
        assert_true(tcp_join_add(&bench->join, bench->made.bytes, bench->made.length_bytes, network,
                                 false));
    }
    flush(bench, 2);
    assert_is(bench, 0, (struct recipe){.data_bytes = 200, .seed = 3});
    assert_int_equal(bench->delivered[0].network, 3);
    assert_is(bench, 1, (struct recipe){.data_bytes = 200, .seed = 7});
    assert_int_equal(bench->delivered[1].network, 7);
}

static void a_run_whose_delivery_is_refused_stays_and_may_grow(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.data_bytes = 50});
    add(bench, (struct recipe){.sequence = 50, .data_bytes = 51});
    bench->refusals = 1;
    assert_false(tcp_join_flush(&bench->join));
    add(bench, (struct recipe){.sequence = 101, .data_bytes = 50});
    bench->refusals = 1;
    add(bench,
        (struct recipe){.sequence = 151, .data_bytes = 50, .flags = ACK | PSH}); /* is taken */
    assert_int_equal(bench->count, 0);
    add(bench, (struct recipe){.sequence = 201, .data_bytes = 50}); /* PSH ended what was before */
    flush(bench, 2);
    assert_is(bench, 0, (struct recipe){.data_bytes = 201, .flags = ACK | PSH});
    assert_is(bench, 1, (struct recipe){.sequence = 201, .data_bytes = 50});
    assert_int_equal(bench->join.counters.ends[TCP_JOIN_END_PUSHED], 1);
}

static void crowded_runs_stay_when_the_oldest_is_refused(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    for (uint8_t connection = 0; connection < TCP_JOIN_RUNS; connection++)
        add(bench, (struct recipe){.connection = connection, .data_bytes = 10});
    bench->refusals = 1;
    make(&bench->made, &(struct recipe){.connection = 9, .data_bytes = 10});
    assert_false(tcp_join_add(&bench->join, bench->made.bytes, bench->made.length_bytes, 0, false));
    flush(bench, TCP_JOIN_RUNS);
    tcp_join_drop(&bench->join);
    flush(bench, TCP_JOIN_RUNS);
}

static void dropped_runs_are_forgotten(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    add(bench, (struct recipe){.data_bytes = 10});
    tcp_join_drop(&bench->join);
    flush(bench, 0);
    add(bench, (struct recipe){.sequence = 10, .data_bytes = 10});
    flush(bench, 1);
    assert_is(bench, 0, (struct recipe){.sequence = 10, .data_bytes = 10});
}

/* ---- random streams against an oracle ---- */

static uint32_t random_below(uint64_t *random, uint32_t bound)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % bound;
}

/* Take a delivered frame apart: it must be valid, and its data must be what its connection sends
 * at its sequence number. Returns the number of data bytes. */
static uint32_t check_delivered(const struct frame *frame, uint8_t *ret_connection,
                                uint32_t *ret_sequence)
{
    bool is_ipv6 = get16(frame->bytes + 12) == 0x86dd;
    const uint8_t *ip = frame->bytes + 14;
    const uint8_t *tcp = ip + (is_ipv6 ? 40 : 20);
    uint32_t tcp_bytes = is_ipv6 ? get16(ip + 4) : get16(ip + 2) - 20;
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;

    assert_true((size_t)(tcp - frame->bytes) + tcp_bytes <= frame->length_bytes);
    if (!is_ipv6)
        assert_int_equal(checksum_of(sum_of(ip, 20)), 0);
    assert_int_equal(checksum_of(pseudo_sum(ip, is_ipv6, tcp_bytes) + sum_of(tcp, tcp_bytes)), 0);
    *ret_connection = (uint8_t)(get16(tcp) - 1000);
    *ret_sequence = get32(tcp + 4);
    for (uint32_t i = 0; i < tcp_bytes - header; i++)
        assert_int_equal(tcp[header + i], data_at(*ret_connection, *ret_sequence + i));
    return tcp_bytes - header;
}

static void random_streams_arrive_whole_and_in_order(void **state)
{
    struct bench *bench = *state;
    uint64_t random = 1;
    uint64_t joined = 0;

    for (unsigned round = 0; round < 300; round++) {
        uint32_t sent[6], received[6];
        unsigned frames = 0;

        begin(bench);
        for (unsigned i = 0; i < COUNT(sent); i++)
            sent[i] = received[i] =
                random_below(&random, 3) ? random_below(&random, 1000) : 0xffffffff - i;
        for (unsigned step = 0; step < 40 || bench->count < frames; step++) {
            uint8_t connection = (uint8_t)random_below(&random, COUNT(sent));
            struct recipe recipe = {
                .is_ipv6 = connection % 2,
                .connection = connection,
                .seed = connection,
                .sequence = sent[connection],
                .data_bytes = 1 + random_below(&random, 1448),
                .flags = random_below(&random, 8) ? ACK : ACK | PSH,
                .acknowledgement = random_below(&random, 8) / 7,
                .id = (uint16_t)random_below(&random, 65536),
                .tcp_option_bytes = connection < 3 ? 12 : 0,
                .padding_bytes = (uint8_t)(random_below(&random, 4) ? 0 : random_below(&random, 7)),
            };

            if (step >= 40)
                break;
            bench->refusals = random_below(&random, 4) ? 0 : random_below(&random, 3);
            make(&bench->made, &recipe);
            while (!tcp_join_add(&bench->join, bench->made.bytes, bench->made.length_bytes, 0,
                                 step % 2))
                ;
            sent[connection] += recipe.data_bytes;
        }
        bench->refusals = 0;
        assert_true(tcp_join_flush(&bench->join));
        for (unsigned nth = 0; nth < bench->count; nth++) {
            uint32_t sequence;
            uint8_t connection;
            uint32_t bytes = check_delivered(&bench->delivered[nth], &connection, &sequence);

            assert_int_equal(sequence, received[connection]);
            received[connection] += bytes;
        }
        assert_memory_equal(sent, received, sizeof(sent));
        joined += bench->join.counters.joined;
    }
    assert_true(joined > 1000); /* the streams are of the kind that is joined */
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct bench));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(segments_that_follow_become_the_segment_of_all_their_data),
        TEST(sequence_numbers_wrap),
        TEST(push_ends_a_run_and_shows_in_it),
        TEST(equal_options_are_kept_and_different_ones_are_not_joined),
        TEST(padding_is_cut_off_where_something_follows_and_kept_elsewhere),
        TEST(connections_may_be_interleaved),
        TEST(a_connection_is_told_by_both_hosts_and_both_ports),
        TEST(one_connection_too_many_ends_the_oldest_run),
        TEST(a_run_never_exceeds_the_longest_frame),
        TEST(a_long_segment_passes_and_its_connection_is_known),
        TEST(a_segment_that_differs_in_any_field_is_not_joined),
        TEST(a_frame_that_must_stay_as_it_is_ends_the_run_of_its_connection),
        TEST(an_acknowledgement_without_data_is_not_joined),
        TEST(a_damaged_segment_is_still_damaged_and_its_neighbours_are_not),
        TEST(a_damaged_segment_whose_sum_is_trusted_stays_damaged),
        TEST(segments_behind_a_gap_pass_one_by_one_for_a_while),
        TEST(segment_that_fills_a_gap_begins_another_while),
        TEST(a_connection_is_remembered_between_its_runs),
        TEST(the_connection_without_a_run_for_longest_is_forgotten),
        TEST(retransmissions_and_reordered_segments_come_in_the_order_of_arrival),
        TEST(a_foreign_frame_passes_at_once),
        TEST(a_fragment_ends_the_runs_of_its_hosts_alone),
        TEST(a_header_that_is_cut_off_ends_the_runs_of_its_hosts),
        TEST(an_ipv4_header_that_claims_to_be_too_short_ends_the_runs_of_its_hosts),
        TEST(a_version_other_than_the_ethertype_says_is_foreign),
        TEST(lengths_that_disagree_are_never_believed),
        TEST(a_frame_that_is_refused_can_be_added_again),
        TEST(segments_of_two_networks_are_not_joined),
        TEST(a_run_whose_delivery_is_refused_stays_and_may_grow),
        TEST(crowded_runs_stay_when_the_oldest_is_refused),
        TEST(dropped_runs_are_forgotten),
        TEST(random_streams_arrive_whole_and_in_order),
    };

    return cmocka_run_group_tests_name("tcp_join", tests, set_up, tear_down);
}
