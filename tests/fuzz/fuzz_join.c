/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames from the network to the joiner of TCP segments, and an oracle that takes apart what
 * comes out: the same bytes in the same order, nothing invented, and nothing joined that differs
 * in a field that must be the same. The oracle reads frames on its own.
 *
 * Input: operations. Below 0x80 a segment: bits 0 and 1 select the connection (odd ones are IPv6),
 * 0x04 PSH, 0x08 an option of 12 bytes, 0x10 a sequence number that is off by the next byte, 0x20 a
 * damaged checksum, 0x40 a header byte (offset, value) that is xored into this one and all later
 * ones of the connection before the checksums are made; then two bytes for the length of its data
 * and of the padding. 0xff: fifty segments of 1,448 bytes. 0xfe: refuse the next frames, as many as
 * the next byte says. 0xfd: the frames from here on come from the network that the next byte
 * selects. Any other: a raw frame (length, bytes).
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mnp/tcp_join.h"

#define FRAMES_MAX 160u
#define OPTION_BYTES 12u

/* As the service passes VLANs; 0: untagged. */
static const uint16_t networks[] = {0, 1, 0x100, 4094};

static const uint8_t station[MAC_BYTES] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct sent {
    uint8_t *bytes;
    size_t length_bytes;
    uint16_t network;
    bool is_pending;
};

/* What the oracle reads in a frame. */
struct view {
    const uint8_t *hosts; /* NULL: no IP that can carry TCP */
    size_t hosts_bytes;
    const uint8_t *tcp; /* NULL: without ports */
    const uint8_t *data;
    size_t data_bytes;
    bool is_ipv6;
    bool is_valid; /* unfragmented, no IP options, lengths and checksums right, data, ACK alone or
                    * with PSH */
};

struct world {
    struct fuzz_input *input;
    struct tcp_join *join;
    struct sent sent[FRAMES_MAX];
    unsigned count;
    unsigned refusals;
    uint16_t network; /* of the frames to come */
    uint32_t next_sequence[4];
    uint8_t changes[4][14 + 40 + 20 + OPTION_BYTES];
};

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* RFC 1071, in network order. */
static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t tcp_sum_of(const uint8_t *hosts, size_t hosts_bytes, const uint8_t *tcp,
                           size_t tcp_bytes)
{
    return sum_of(sum_of((uint32_t)(6 + tcp_bytes), hosts, hosts_bytes), tcp, tcp_bytes);
}

/* The TCP header of a packet whose lengths are right. */
static void look_at_tcp(struct view *view, const uint8_t *tcp, size_t tcp_bytes)
{
    size_t header_bytes;

    if (tcp_bytes < 20)
        return;
    view->tcp = tcp;
    header_bytes = (size_t)(tcp[12] >> 4) * 4;
    if (header_bytes < 20 || header_bytes >= tcp_bytes)
        return;
    view->data = tcp + header_bytes;
    view->data_bytes = tcp_bytes - header_bytes;
    view->is_valid = (tcp[12] & 15) == 0 && (tcp[13] == 0x10 || tcp[13] == 0x18) &&
                     tcp_sum_of(view->hosts, view->hosts_bytes, tcp, tcp_bytes) == 0xffff;
}

static struct view look_at(const uint8_t *frame, size_t length_bytes)
{
    const uint8_t *ip = frame + 14;
    struct view view = {0};
    size_t header_bytes;
    size_t total_bytes;
    bool is_plain;

    if (length_bytes < 34 || length_bytes > 65535)
        return view;
    view.is_ipv6 = get16(frame + 12) == 0x86dd;
    if (view.is_ipv6) {
        if (length_bytes < 54 || ip[0] >> 4 != 6 || ip[6] == 17 || ip[6] == 58)
            return view;
        view.hosts = ip + 8;
        view.hosts_bytes = 32;
        header_bytes = 40;
        total_bytes = 40 + get16(ip + 4);
        is_plain = ip[6] == 6;
    } else {
        if (get16(frame + 12) != 0x0800 || ip[0] >> 4 != 4 || ip[9] == 17 || ip[9] == 1)
            return view;
        view.hosts = ip + 12;
        view.hosts_bytes = 8;
        header_bytes = (size_t)(ip[0] & 15) * 4;
        total_bytes = get16(ip + 2);
        is_plain = ip[9] == 6 && (get16(ip + 6) & 0x3fff) == 0 && header_bytes >= 20;
    }
    if (!is_plain || total_bytes < header_bytes || total_bytes > length_bytes - 14)
        return view;
    look_at_tcp(&view, ip + header_bytes, total_bytes - header_bytes);
    if (!view.is_ipv6 && (header_bytes != 20 || sum_of(0, ip, 20) != 0xffff))
        view.is_valid = false;
    return view;
}

static bool are_related(const struct view *a, const struct view *b)
{
    if (!a->hosts != !b->hosts)
        return false;
    if (!a->hosts)
        return true; /* foreign frames keep their order among themselves */
    if (a->is_ipv6 != b->is_ipv6 || memcmp(a->hosts, b->hosts, a->hosts_bytes) != 0)
        return false;
    return !a->tcp || !b->tcp || memcmp(a->tcp, b->tcp, 4) == 0;
}

/* The first pending frame of the network that is related to the view; NULL: none. */
static struct sent *first_related(struct world *world, const struct view *view, uint16_t network)
{
    for (unsigned i = 0; i < world->count; i++) {
        struct view other;

        if (!world->sent[i].is_pending || world->sent[i].network != network)
            continue;
        other = look_at(world->sent[i].bytes, world->sent[i].length_bytes);
        if (are_related(view, &other))
            return &world->sent[i];
    }
    return NULL;
}

/* The header bytes that may differ between two segments that are joined are made the same. */
static void mask(uint8_t *headers, const struct view *view)
{
    uint8_t *tcp = headers + (view->is_ipv6 ? 54 : 34);

    if (view->is_ipv6) {
        put16(headers + 18, 0);
    } else {
        put16(headers + 16, 0);
        put16(headers + 18, 0);
        put16(headers + 24, 0);
    }
    memset(tcp + 4, 0, 4);
    tcp[13] &= (uint8_t)~8;
    put16(tcp + 16, 0);
}

static void check_headers(const uint8_t *joined, const struct view *whole, const struct sent *sent,
                          const struct view *part)
{
    size_t header_bytes = (size_t)(whole->data - joined);
    uint8_t left[14 + 40 + 60];
    uint8_t right[14 + 40 + 60];

    fuzz_claim(part->is_valid, "a segment is joined that must not be");
    fuzz_claim((size_t)(part->data - sent->bytes) == header_bytes, "headers of other lengths");
    memcpy(left, joined, header_bytes);
    memcpy(right, sent->bytes, header_bytes);
    mask(left, whole);
    mask(right, part);
    fuzz_claim(memcmp(left, right, header_bytes) == 0, "segments are joined that differ");
    fuzz_claim(memcmp(sent->bytes, station, sizeof(station)) == 0, "joined for somebody else");
}

/* Cut a joined frame into what was sent. */
static void check_joined(struct world *world, const uint8_t *frame, size_t length_bytes,
                         uint16_t network)
{
    struct view whole = look_at(frame, length_bytes);
    uint32_t sequence = whole.tcp ? get32(whole.tcp + 4) : 0;
    size_t done = 0;
    bool is_pushed = false;

    fuzz_claim(whole.is_valid, "a joined frame is not valid");
    fuzz_claim(whole.data + whole.data_bytes == frame + length_bytes, "bytes after a joined frame");
    while (done < whole.data_bytes) {
        struct sent *sent = first_related(world, &whole, network);
        struct view part;

        fuzz_claim(sent, "data that nobody sent");
        part = look_at(sent->bytes, sent->length_bytes);
        check_headers(frame, &whole, sent, &part);
        fuzz_claim(!is_pushed, "joined after PSH");
        is_pushed = part.tcp[13] & 8;
        fuzz_claim(done > 0 || part.is_ipv6 || memcmp(sent->bytes + 18, frame + 18, 2) == 0,
                   "another identification");
        fuzz_claim(get32(part.tcp + 4) == (uint32_t)(sequence + done), "a gap is joined");
        fuzz_claim(part.data_bytes <= whole.data_bytes - done &&
                       memcmp(part.data, whole.data + done, part.data_bytes) == 0,
                   "other data");
        done += part.data_bytes;
        sent->is_pending = false;
    }
    fuzz_claim(is_pushed == !!(whole.tcp[13] & 8), "PSH is lost or invented");
}

static bool deliver(void *context, const uint8_t *frame, size_t length_bytes, uint16_t network)
{
    struct world *world = context;
    struct view view = look_at(frame, length_bytes);
    struct sent *sent;

    if (world->refusals > 0) {
        world->refusals--;
        return false;
    }
    sent = first_related(world, &view, network);
    fuzz_claim(sent, "a frame that nobody sent");
    if (sent->length_bytes == length_bytes && memcmp(sent->bytes, frame, length_bytes) == 0)
        sent->is_pending = false;
    else
        check_joined(world, frame, length_bytes, network);
    return true;
}

/* Hand over a frame in memory of its exact length. */
static void send(struct world *world, const uint8_t *frame, size_t length_bytes)
{
    struct sent *sent = &world->sent[world->count];
    bool trusts_sum = world->count % 2 && look_at(frame, length_bytes).is_valid;

    if (world->count == FRAMES_MAX)
        return;
    sent->bytes = malloc(length_bytes ? length_bytes : 1);
    memcpy(sent->bytes, frame, length_bytes);
    sent->length_bytes = length_bytes;
    sent->network = world->network;
    sent->is_pending = true;
    world->count++;
    while (!tcp_join_add(world->join, sent->bytes, length_bytes, world->network, trusts_sum))
        ;
}

static void send_segment(struct world *world, uint8_t operation, size_t data_bytes,
                         size_t padding_bytes)
{
    static uint8_t frame[14 + 40 + 60 + 0x10000];
    unsigned connection = operation & 3;
    bool is_ipv6 = connection & 1;
    size_t ip_bytes = is_ipv6 ? 40 : 20;
    size_t tcp_header = 20 + (operation & 8 ? OPTION_BYTES : 0);
    uint8_t *ip = frame + 14;
    uint8_t *tcp = ip + ip_bytes;
    size_t tcp_bytes = tcp_header + data_bytes;
    uint32_t sequence = world->next_sequence[connection];

    memset(frame, 0, 14 + 40 + 60);
    memcpy(frame, station, sizeof(station));
    frame[6] = 2;
    put16(frame + 12, is_ipv6 ? 0x86dd : 0x0800);
    ip[0] = is_ipv6 ? 0x60 : 0x45;
    ip[is_ipv6 ? 6 : 9] = 6;
    put16(ip + (is_ipv6 ? 4 : 2), (uint32_t)(is_ipv6 ? tcp_bytes : tcp_bytes + 20));
    put16(tcp, connection / 2);
    tcp[12] = (uint8_t)(tcp_header / 4 << 4);
    tcp[13] = operation & 4 ? 0x18 : 0x10;
    if (operation & 0x10)
        sequence += fuzz_take8(world->input);
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence);
    for (size_t i = 0; i < data_bytes; i++)
        tcp[tcp_header + i] = (uint8_t)((sequence + i) * 37 >> 3);
    if (operation & 0x40)
        world->changes[connection][fuzz_take_below(world->input, sizeof(world->changes[0]))] =
            fuzz_take8(world->input);
    for (size_t i = 0; i < 14 + ip_bytes + tcp_header; i++)
        frame[i] ^= world->changes[connection][i];
    if (!is_ipv6) {
        put16(ip + 10, 0);
        put16(ip + 10, ~sum_of(0, ip, 20));
    }
    put16(tcp + 16, 0);
    put16(tcp + 16, ~tcp_sum_of(ip + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8, tcp, tcp_bytes));
    if (operation & 0x20)
        tcp[16] ^= 1;
    world->next_sequence[connection] = sequence + (uint32_t)data_bytes;
    memset(tcp + tcp_bytes, 0xee, padding_bytes);
    send(world, frame, 14 + ip_bytes + tcp_bytes + padding_bytes);
}

static void operate(struct world *world)
{
    uint8_t operation = fuzz_take8(world->input);
    uint8_t raw[256];
    size_t length_bytes;

    if (operation == 0xff) {
        for (unsigned i = 0; i < 50; i++)
            send_segment(world, 0, 1448, 0);
    } else if (operation == 0xfe) {
        world->refusals = fuzz_take8(world->input) % 8;
    } else if (operation == 0xfd) {
        world->network =
            networks[fuzz_take_below(world->input, sizeof(networks) / sizeof(networks[0]))];
    } else if (operation >= 0x80) {
        length_bytes = fuzz_take8(world->input);
        fuzz_take_bytes(world->input, raw, length_bytes);
        send(world, raw, length_bytes);
    } else {
        length_bytes = fuzz_take16(world->input);
        send_segment(world, operation, length_bytes % 2048, length_bytes / 8192);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    struct world *world = calloc(1, sizeof(*world));

    fuzz_begin(&input, data, size);
    world->input = &input;
    world->join = calloc(1, sizeof(*world->join));
    for (unsigned i = 0; i < 4; i++)
        world->next_sequence[i] = 0u - 500 * i;
    tcp_join_init(world->join, station, deliver, world);
    while (fuzz_left(&input) > 0)
        operate(world);
    while (!tcp_join_flush(world->join))
        ;
    for (unsigned i = 0; i < world->count; i++) {
        fuzz_claim(!world->sent[i].is_pending, "a frame is lost");
        free(world->sent[i].bytes);
    }
    free(world->join);
    free(world);
    return 0;
}
