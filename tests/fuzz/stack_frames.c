/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "stack_frames.h"

#include <stdlib.h>
#include <string.h>

#define ETHERNET 14u
#define TAG 4u
#define IPV4 0x0800u
#define IPV6 0x86ddu
#define TCP 20u
#define PLAIN_SPACE 2200u
#define DATA_MAX 1460u
#define LARGE_DATA_MAX 65450u
#define LARGE 0x80u
#define UNFINISHED 8u
#define CHECKSUM_OFFSET 16u
#define PSH 8u

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

/* RFC 1071, in network order. */
static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static size_t ip_bytes_of(bool is_ipv6)
{
    return is_ipv6 ? 40 : 20;
}

static uint32_t tcp_sum_of(const uint8_t *ip, bool is_ipv6, const uint8_t *tcp, size_t length)
{
    uint32_t sum = sum_of((uint32_t)(6 + length), ip + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8);

    return sum_of(sum, tcp, length);
}

void stack_frames_free(struct stack_frames *frames)
{
    for (unsigned i = 0; i < STACK_FRAMES_MAX; i++)
        free(frames->all[i].bytes);
}

/* A tag with a priority alone does not make another flow (IEEE 802.1Q, 9.6). */
static unsigned flow_of(unsigned stream, unsigned tag)
{
    return stream * STACK_TAGS + (stack_tags[tag] ? tag : 0);
}

/* Put an untagged frame into the record, with the tag of that number. */
static struct stack_frame *record(struct stack_frames *frames, const uint8_t *bytes, size_t length,
                                  unsigned tag, unsigned priority)
{
    struct stack_frame *frame = &frames->all[frames->count];
    size_t tag_bytes = tag ? TAG : 0;

    if (frames->count == STACK_FRAMES_MAX)
        return NULL;
    free(frame->bytes);
    *frame = (struct stack_frame){.bytes = malloc(length + tag_bytes + 1),
                                  .length = length + tag_bytes,
                                  .flow = STACK_NO_FLOW,
                                  .is_tagged = tag,
                                  .vlan = stack_tags[tag]};
    memcpy(frame->bytes, bytes, tag ? 12 : length);
    if (tag) {
        put16(frame->bytes + 12, 0x8100);
        put16(frame->bytes + 14, stack_tags[tag] | priority << 13);
        memcpy(frame->bytes + 16, bytes + 12, length - 12);
    }
    return frame;
}

struct stack_frame *stack_frames_take_any(struct stack_frames *frames, struct fuzz_input *input)
{
    uint8_t choice = fuzz_take8(input);
    size_t length = fuzz_take8(input);
    uint8_t bytes[256];
    struct stack_frame *frame;

    fuzz_take_bytes(input, bytes, length);
    if (choice & 1 && length >= 6)
        memcpy(bytes, frames->station, 6);
    frame = record(frames, bytes, length, 0, 0);
    if (frame && length >= ETHERNET + TAG && get16(bytes + 12) == 0x8100) {
        frame->is_tagged = true;
        frame->vlan = (uint16_t)(get16(bytes + 14) & 0xfff);
    }
    return frame;
}

struct stack_frame *stack_frames_take_plain(struct stack_frames *frames, struct fuzz_input *input)
{
    static const uint8_t others[][6] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                                        {0x01, 0x00, 0x5e, 0, 0, 1},
                                        {0x33, 0x33, 0, 0, 0, 2},
                                        {0x02, 0, 0, 0, 0, 9}};
    static const uint16_t types[] = {0x0806, 0x88b5, IPV4, IPV6, 0x0100, 0x88cc, 0x0806, 0x88b5};
    uint8_t choice = fuzz_take8(input);
    uint8_t tag = fuzz_take8(input);
    size_t length = ETHERNET + fuzz_take16(input) % 1500;
    uint16_t type = types[choice >> 3 & 7];
    uint8_t bytes[PLAIN_SPACE];
    struct stack_frame *frame;
    unsigned to = choice & 7;

    memcpy(bytes, to < 4 ? others[to] : frames->station, 6);
    memcpy(bytes + 6, (const uint8_t[6]){2, 0, 0, 0, 0, 7}, 6);
    put16(bytes + 12, type);
    for (size_t i = ETHERNET; i < length; i++)
        bytes[i] = (uint8_t)((i & 1 ? frames->count : frames->count >> 8) + i / 2);
    if (type == IPV4 && length > ETHERNET)
        bytes[ETHERNET] &= 0x0f; /* no IP */
    frame = record(frames, bytes, length, (tag & 7) % STACK_TAGS, tag >> 5);
    if (frame && type != IPV4 && type != IPV6)
        frame->flow = flow_of(STACK_CONNECTIONS, (tag & 7) % STACK_TAGS);
    return frame;
}

/* `damage`: of a byte of the TCP header after its ports; 0: none. */
static struct stack_frame *segment(struct stack_frames *frames, unsigned connection, unsigned tag,
                                   uint32_t sequence, size_t data_bytes, size_t padding, bool psh,
                                   uint8_t damage)
{
    bool is_ipv6 = connection & 1;
    size_t offset = ETHERNET + ip_bytes_of(is_ipv6) + TCP;
    uint8_t bytes[STACK_FRAME_SPACE];
    uint8_t *ip = bytes + ETHERNET;
    uint8_t *tcp = ip + ip_bytes_of(is_ipv6);
    struct stack_frame *frame;

    memset(bytes, 0, offset);
    memcpy(bytes, frames->station, 6);
    memcpy(bytes + 6, (const uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)connection}, 6);
    put16(bytes + 12, is_ipv6 ? IPV6 : IPV4);
    ip[0] = is_ipv6 ? 0x60 : 0x45;
    ip[is_ipv6 ? 6 : 9] = 6;
    ip[is_ipv6 ? 23 : 15] = (uint8_t)(connection + 1);
    put16(ip + (is_ipv6 ? 4 : 2), (uint32_t)(TCP + data_bytes + (is_ipv6 ? 0 : 20)));
    if (!is_ipv6) {
        put16(ip + 4, frames->count);
        put16(ip + 10, ~sum_of(0, ip, 20));
    }
    put16(tcp, 80);
    put16(tcp + 2, 1000 + connection);
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence);
    tcp[12] = 5 << 4;
    tcp[13] = psh ? 0x10 | PSH : 0x10;
    for (size_t i = 0; i < data_bytes; i++)
        tcp[TCP + i] = (uint8_t)((sequence + i) * 37 >> 3);
    put16(tcp + 16, ~tcp_sum_of(ip, is_ipv6, tcp, TCP + data_bytes));
    tcp[4 + damage % 16] ^= damage;
    memset(tcp + TCP + data_bytes, 0xee, padding);
    frame = record(frames, bytes, offset + data_bytes + padding, tag, 3);
    if (!frame)
        return NULL;
    frame->flow = flow_of(connection, tag);
    frame->is_segment = !damage && data_bytes > 0;
    frame->is_pushed = psh;
    frame->sequence = sequence;
    frame->data_offset = offset;
    frame->data_length = data_bytes;
    frames->next_sequence[connection] = sequence + (uint32_t)data_bytes;
    return frame;
}

/* Two bytes of choices and two of the length. */
struct stack_frame *stack_frames_take_segment(struct stack_frames *frames, struct fuzz_input *input)
{
    uint8_t choice = fuzz_take8(input);
    uint8_t more = fuzz_take8(input);
    size_t data_bytes = fuzz_take16(input) % ((more & LARGE ? LARGE_DATA_MAX : DATA_MAX) + 1);
    unsigned connection = (choice & 7) % STACK_CONNECTIONS;
    uint32_t sequence = frames->next_sequence[connection] + (more & 0x20 ? fuzz_take8(input) : 0);
    uint8_t damage = more & 0x40 ? fuzz_take8(input) : 0;
    struct stack_frame *frame;

    if (more & (LARGE | UNFINISHED))
        damage = 0; /* the driver would repair it */
    frame = segment(frames, connection, (choice >> 3 & 7) % STACK_TAGS, sequence, data_bytes,
                    data_bytes > DATA_MAX ? 0 : more & 7, choice & 0x40, damage);
    if (frame)
        frame->is_unfinished = more & (LARGE | UNFINISHED);
    return frame;
}

struct stack_frame *stack_frames_next_segment(struct stack_frames *frames, unsigned connection)
{
    return segment(frames, connection, 0, frames->next_sequence[connection], 1448, 0, false, 0);
}

bool stack_frame_is_large(const struct stack_frame *frame)
{
    return frame->data_length > DATA_MAX;
}

struct fake_offload stack_frame_unfinish(const struct stack_frame *frame, uint8_t *space)
{
    size_t tag_bytes = frame->is_tagged ? TAG : 0;
    uint8_t *ip = space + ETHERNET + tag_bytes;
    bool is_ipv6 = get16(frame->bytes + ETHERNET + tag_bytes - 2) == IPV6;
    uint8_t *tcp = ip + ip_bytes_of(is_ipv6);
    struct fake_offload offload = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_start = (uint16_t)(tcp - space),
        .csum_offset = CHECKSUM_OFFSET,
    };

    memcpy(space, frame->bytes, frame->length);
    put16(tcp + CHECKSUM_OFFSET, sum_of((uint32_t)(6 + TCP + frame->data_length),
                                        ip + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8));
    if (stack_frame_is_large(frame)) {
        offload.gso_type = is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        offload.gso_size = DATA_MAX;
        offload.hdr_len = (uint16_t)(tcp - space + TCP);
    }
    return offload;
}

const uint8_t *stack_frame_for(const struct stack_frame *frame, uint16_t vlan, uint8_t *space,
                               size_t *ret_length)
{
    *ret_length = frame->length;
    if (!frame->is_tagged)
        return vlan == 0 ? frame->bytes : NULL;
    if (frame->vlan != vlan)
        return vlan == 0 ? frame->bytes : NULL; /* as it came, if there are no VLANs at all */
    memcpy(space, frame->bytes, 12);
    memcpy(space + 12, frame->bytes + 16, frame->length - 16);
    *ret_length = frame->length - TAG;
    return space;
}

/* The headers of a joined packet: those of its first segment, with the lengths and checksums of
 * the whole. */
static bool has_headers_of(const uint8_t *packet, size_t length, const uint8_t *first,
                           size_t offset, bool is_ipv6)
{
    uint8_t whole[ETHERNET + 40 + TCP];
    size_t ip = ETHERNET;
    size_t tcp = ip + ip_bytes_of(is_ipv6);
    size_t fields[] = {tcp + 16, is_ipv6 ? ip + 4 : ip + 2, is_ipv6 ? ip + 4 : ip + 10};

    memcpy(whole, packet, offset);
    for (unsigned i = 0; i < 3; i++)
        memcpy(whole + fields[i], first + fields[i], 2);
    whole[tcp + 13] = (uint8_t)((whole[tcp + 13] & ~PSH) | (first[tcp + 13] & PSH));
    return memcmp(whole, first, offset) == 0 &&
           get16(packet + fields[1]) == length - (is_ipv6 ? tcp : ip) &&
           (is_ipv6 || sum_of(0, packet + ip, 20) == 0xffff) &&
           tcp_sum_of(packet + ip, is_ipv6, packet + tcp, length - tcp) == 0xffff;
}

/* One past the last frame of the run that begins with the frame `index` and is the packet; 0: it is
 * not. */
static unsigned end_of_run(const struct stack_frames *frames, uint16_t vlan, unsigned index,
                           const uint8_t *packet, size_t length)
{
    const struct stack_frame *first = &frames->all[index];
    uint8_t space[STACK_FRAME_SPACE];
    size_t unused;
    const uint8_t *bytes = stack_frame_for(first, vlan, space, &unused);
    size_t done = first->data_offset;

    if (!first->is_segment || !bytes || bytes == (first->is_tagged ? first->bytes : NULL) ||
        length <= first->data_offset)
        return 0;
    if (get32(packet + done - TCP + 4) != first->sequence ||
        !has_headers_of(packet, length, bytes, done, get16(bytes + 12) == IPV6))
        return 0;
    for (unsigned i = index; i < frames->count; i++) {
        const struct stack_frame *part = &frames->all[i];

        if (part->flow != first->flow)
            continue;
        if (!part->is_segment ||
            part->sequence != (uint32_t)(first->sequence + done - first->data_offset) ||
            part->data_length > length - done)
            return 0;
        bytes = stack_frame_for(part, vlan, space, &unused);
        if (memcmp(bytes + part->data_offset, packet + done, part->data_length) != 0)
            return 0;
        done += part->data_length;
        if (done == length)
            return i + 1;
        if (part->is_pushed)
            return 0; /* what follows must not be joined */
    }
    return 0;
}

/* Likewise, of one frame or of a run. */
static unsigned end_of_match(const struct stack_frames *frames, uint16_t vlan, unsigned index,
                             const uint8_t *packet, size_t length)
{
    uint8_t space[STACK_FRAME_SPACE];
    size_t frame_length;
    const uint8_t *bytes = stack_frame_for(&frames->all[index], vlan, space, &frame_length);

    if (bytes && frame_length == length && memcmp(bytes, packet, length) == 0)
        return index + 1;
    return end_of_run(frames, vlan, index, packet, length);
}

void stack_frames_claim(const struct stack_frames *frames, struct stack_reader *reader,
                        const uint8_t *packet, size_t length,
                        bool (*wants)(void *context, const struct stack_frame *frame),
                        void *context)
{
    bool is_unwanted = false;
    bool is_late = false;

    for (unsigned index = 0; index < frames->count; index++) {
        const struct stack_frame *frame = &frames->all[index];
        unsigned end = end_of_match(frames, reader->vlan, index, packet, length);
        bool has_order = frame->flow != STACK_NO_FLOW;

        if (end == 0)
            continue;
        if (reader->has[index] || (has_order && index < reader->next[frame->flow])) {
            is_late = true;
            continue;
        }
        if (!wants(context, frame)) {
            is_unwanted = true;
            continue;
        }
        for (unsigned i = index; i < end; i++)
            reader->has[i] |= frames->all[i].flow == frame->flow || i == index;
        if (has_order)
            reader->next[frame->flow] = end;
        return;
    }
    fuzz_fail("a packet of %zu bytes for VLAN %u that %s", length, reader->vlan,
              is_unwanted ? "the client did not want"
              : is_late   ? "it had already, or out of order"
                          : "nobody sent");
}
