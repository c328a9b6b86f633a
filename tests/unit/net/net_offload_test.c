/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames that a device hands over unfinished: checksums completed, and everything refused that the
 * headers of the frame do not bear out. The reference is a sum over 16-bit words, byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "assert_status.h"
#include "net/net_offload.h"

#define ALL                                                                                        \
    (VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |                 \
     VIRTIO_NET_F_GUEST_ECN)
#define ETHERNET 14u
#define TAG 4u
#define TCP 6u
#define UDP 17u
#define FRAME_MAX 65535u
#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define DATA_VALID VIRTIO_NET_HDR_F_DATA_VALID
#define TCPV4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCPV6 VIRTIO_NET_HDR_GSO_TCPV6

struct packet {
    uint8_t frame[FRAME_MAX];
    size_t length;
    size_t ip;
    size_t transport;
    size_t end;
    size_t checksum; /* in the frame */
    bool is_ipv6;
    uint8_t protocol;
    struct virtio_net_hdr header;
};

static void put16(uint8_t *bytes, size_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t pseudo_sum(const struct packet *packet)
{
    const uint8_t *ip = packet->frame + packet->ip;
    uint8_t tail[] = {0, packet->protocol, 0, 0};

    put16(tail + 2, packet->end - packet->transport);
    return packet->is_ipv6 ? sum_of(sum_of(0, ip + 8, 32), tail, 4)
                           : sum_of(sum_of(0, ip + 12, 8), tail, 4);
}

static bool checksum_is_right(const struct packet *packet)
{
    return sum_of(pseudo_sum(packet), packet->frame + packet->transport,
                  packet->end - packet->transport) == 0xffff;
}

/* A packet as a host leaves it to the device: its checksum field has the sum of the pseudo
 * header. `options` are bytes of IPv4 options. */
static struct packet *packet_new(bool is_ipv6, uint8_t protocol, size_t data_bytes, size_t tag,
                                 size_t options, size_t padding)
{
    struct packet *packet = calloc(1, sizeof(*packet));
    size_t header = protocol == TCP ? 20 : 8;
    uint8_t *ip;

    packet->is_ipv6 = is_ipv6;
    packet->protocol = protocol;
    packet->ip = ETHERNET + tag;
    packet->transport = packet->ip + (is_ipv6 ? 40 : 20 + options);
    packet->end = packet->transport + header + data_bytes;
    packet->length = packet->end + padding;
    assert_true(packet->length <= FRAME_MAX);
    for (size_t i = 0; i < packet->length; i++)
        packet->frame[i] = (uint8_t)(i * 7 + i / 251);
    if (tag)
        put16(packet->frame + 12, 0x8100);
    put16(packet->frame + packet->ip - 2, is_ipv6 ? 0x86dd : 0x0800);
    ip = packet->frame + packet->ip;
    if (is_ipv6) {
        ip[0] = 0x60;
        put16(ip + 4, packet->end - packet->transport);
        ip[6] = protocol;
    } else {
        ip[0] = (uint8_t)(0x45 + options / 4);
        put16(ip + 2, packet->end - packet->ip);
        put16(ip + 6, 0x4000);
        ip[9] = protocol;
    }
    packet->checksum = packet->transport + (protocol == TCP ? 16 : 6);
    put16(packet->frame + packet->checksum, pseudo_sum(packet));
    packet->header = (struct virtio_net_hdr){
        .flags = NEEDS_CSUM,
        .csum_start = (uint16_t)packet->transport,
        .csum_offset = (uint16_t)(packet->checksum - packet->transport),
        .num_buffers = 1,
    };
    return packet;
}

static bool finish(struct packet *packet, uint64_t features)
{
    /* A copy of exactly this length, so that the sanitizer sees every step outside. */
    uint8_t *copy = malloc(packet->length);
    bool is_finished;

    memcpy(copy, packet->frame, packet->length);
    is_finished = net_offload_finish(copy, packet->length, &packet->header, features);
    if (!is_finished)
        assert_memory_equal(packet->frame, copy, packet->length);
    memcpy(packet->frame, copy, packet->length);
    free(copy);
    return is_finished;
}

/* holds: virtio.net.checksum */
static void checksums_are_finished(void **state)
{
    static const size_t data[] = {0, 1, 2, 3, 100, 1459, 1460, 9001, 65000};
    static const size_t tags[] = {0, TAG};

    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
            for (size_t tag = 0; tag < 2; tag++) {
                struct packet *packet =
                    packet_new(kind & 1, kind & 2 ? UDP : TCP, data[i], tags[tag], 0, 0);
                uint8_t before[FRAME_MAX];

                memcpy(before, packet->frame, packet->length);
                assert_true(finish(packet, ALL));
                assert_true(checksum_is_right(packet));
                memcpy(before + packet->checksum, packet->frame + packet->checksum, 2);
                assert_memory_equal(before, packet->frame, packet->length);
                free(packet);
            }
        }
    }
}

static void checksum_behind_ipv4_options_is_finished(void **state)
{
    struct packet *packet = packet_new(false, TCP, 33, 0, 40, 0);

    (void)state;
    assert_true(finish(packet, ALL));
    assert_true(checksum_is_right(packet));
    free(packet);
}

static void padding_does_not_count(void **state)
{
    struct packet *packet = packet_new(false, UDP, 1, 0, 0, 17);

    (void)state;
    memset(packet->frame + packet->end, 0xab, 17);
    assert_true(finish(packet, ALL));
    assert_true(checksum_is_right(packet));
    free(packet);
}

/* RFC 768: a computed 0 is sent as all ones. */
static void udp_checksum_is_never_zero(void **state)
{
    struct packet *packet = packet_new(false, UDP, 2, 0, 0, 0);
    uint8_t *data = packet->frame + packet->end - 2;

    (void)state;
    memset(data, 0, 2);
    assert_true(finish(packet, ALL));
    memcpy(data, packet->frame + packet->checksum, 2); /* makes the sum 0xffff, its complement 0 */
    put16(packet->frame + packet->checksum, pseudo_sum(packet));
    assert_true(finish(packet, ALL));
    assert_int_equal(0xff, packet->frame[packet->checksum]);
    assert_int_equal(0xff, packet->frame[packet->checksum + 1]);
    assert_true(checksum_is_right(packet));
    free(packet);
}

static void frame_without_work_passes_as_it_is(void **state)
{
    static const uint8_t flags[] = {0, DATA_VALID, 0x80};

    (void)state;
    for (size_t i = 0; i < sizeof(flags); i++) {
        struct packet *packet = packet_new(false, TCP, 10, 0, 0, 0);
        uint8_t before[200];

        memcpy(before, packet->frame, packet->length);
        packet->header.flags = flags[i];
        assert_true(finish(packet, ALL));
        assert_true(finish(packet, 0));
        assert_memory_equal(before, packet->frame, packet->length);
        free(packet);
    }
}

/* holds: virtio.net.large_type */
static void type_must_be_negotiated_and_true(void **state)
{
    static const struct {
        bool is_ipv6;
        uint8_t protocol;
        uint8_t type;
        uint8_t flags;
        uint64_t features;
        bool passes;
    } rows[] = {
        {false, TCP, TCPV4, NEEDS_CSUM, ALL, true},
        {true, TCP, TCPV6, NEEDS_CSUM, ALL, true},
        {false, TCP, TCPV4, NEEDS_CSUM | DATA_VALID, ALL, true},
        {false, TCP, TCPV4 | VIRTIO_NET_HDR_GSO_ECN, NEEDS_CSUM, ALL, true},
        {true, TCP, TCPV6 | VIRTIO_NET_HDR_GSO_ECN, NEEDS_CSUM, ALL, true},
        {false, TCP, TCPV4 | VIRTIO_NET_HDR_GSO_ECN, NEEDS_CSUM, ALL & ~VIRTIO_NET_F_GUEST_ECN,
         false},
        {false, TCP, VIRTIO_NET_HDR_GSO_ECN, NEEDS_CSUM, ALL, false},
        {false, TCP, TCPV4, NEEDS_CSUM, ALL & ~VIRTIO_NET_F_GUEST_TSO4, false},
        {true, TCP, TCPV6, NEEDS_CSUM, ALL & ~VIRTIO_NET_F_GUEST_TSO6, false},
        {false, TCP, TCPV4, NEEDS_CSUM, ALL & ~VIRTIO_NET_F_GUEST_CSUM, false},
        {false, TCP, VIRTIO_NET_HDR_GSO_NONE, NEEDS_CSUM, 0, false},
        {false, TCP, TCPV4, 0, ALL, false},
        {false, TCP, TCPV4, DATA_VALID, ALL, false},
        {true, TCP, TCPV4, NEEDS_CSUM, ALL, false},
        {false, TCP, TCPV6, NEEDS_CSUM, ALL, false},
        {false, UDP, TCPV4, NEEDS_CSUM, ALL, false},
        {true, UDP, TCPV6, NEEDS_CSUM, ALL, false},
        {false, UDP, VIRTIO_NET_HDR_GSO_UDP, NEEDS_CSUM, UINT64_MAX, false},
        {false, UDP, VIRTIO_NET_HDR_GSO_UDP_L4, NEEDS_CSUM, UINT64_MAX, false},
        {false, TCP, 2, NEEDS_CSUM, UINT64_MAX, false},
        {false, TCP, 0x41, NEEDS_CSUM, UINT64_MAX, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet *packet = packet_new(rows[i].is_ipv6, rows[i].protocol, 4000, 0, 0, 0);

        packet->header.flags = rows[i].flags;
        packet->header.gso_type = rows[i].type;
        assert_int_equal(rows[i].passes, finish(packet, rows[i].features));
        if (rows[i].passes)
            assert_true(checksum_is_right(packet));
        free(packet);
    }
}

/* hdr_len and gso_size are hints. */
static void hints_are_not_read(void **state)
{
    static const uint16_t values[] = {0, 1, 54, UINT16_MAX};

    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct packet *packet = packet_new(false, TCP, 4000, 0, 0, 0);

        packet->header.gso_type = TCPV4;
        packet->header.hdr_len = values[i % 4];
        packet->header.gso_size = values[i / 4];
        assert_true(finish(packet, ALL));
        assert_true(checksum_is_right(packet));
        free(packet);
    }
}

/* Every place but the right one is refused. */
/* holds: virtio.net.checksum_place */
static void checksum_must_be_where_the_headers_say(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct packet *packet = packet_new(kind & 1, kind & 2 ? UDP : TCP, 20, 0, 0, 0);
        struct virtio_net_hdr right = packet->header;

        for (uint32_t start = 0; start <= UINT16_MAX; start++) {
            packet->header = right;
            packet->header.csum_start = (uint16_t)start;
            if (start != right.csum_start)
                assert_false(
                    net_offload_finish(packet->frame, packet->length, &packet->header, ALL));
            packet->header = right;
            packet->header.csum_offset = (uint16_t)start;
            if (start != right.csum_offset)
                assert_false(
                    net_offload_finish(packet->frame, packet->length, &packet->header, ALL));
        }
        free(packet);
    }
}

/* One field of the packet's headers is wrong. */
static void headers_must_fit_the_frame(void **state)
{
    enum { IPV4, IPV6 };
    static const struct {
        int version;
        size_t offset; /* from the Ethertype */
        uint8_t byte;
    } rows[] = {
        {IPV4, 2, 0x55},                  /* version */
        {IPV4, 2, 0x44},                  /* header length */
        {IPV4, 2, 0x4f},                  /* beyond the total length */
        {IPV4, 4, 0x40},                  /* total length beyond the frame */
        {IPV4, 5, 19},                    /* below the header */
        {IPV4, 5, 39},                    /* cuts the TCP header off */
        {IPV4, 8, 0x20},                  /* MORE_FRAGMENTS */
        {IPV4, 9, 1},                     /* a later fragment */
        {IPV4, 11, 1},                    /* ICMP */
        {IPV4, 11, 132},                  /* SCTP */
        {IPV4, 0, 0x86}, {IPV4, 1, 0x06}, /* ARP */
        {IPV6, 2, 0x45}, {IPV6, 6, 0x40}, /* payload beyond the frame */
        {IPV6, 7, 19},                    /* cuts the TCP header off */
        {IPV6, 8, 0},                     /* hop by hop */
        {IPV6, 8, 44},                    /* fragment */
        {IPV6, 8, 58},                    /* ICMPv6 */
        {IPV6, 0, 0x08},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet *packet = packet_new(rows[i].version == IPV6, TCP, 20, 0, 0, 0);

        packet->frame[packet->ip - 2 + rows[i].offset] = rows[i].byte;
        assert_false(finish(packet, ALL));
        free(packet);
    }
}

/* Cut a good packet off at each length: it is refused, and nothing outside is touched. */
static void short_frames_are_refused(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        struct packet *packet =
            packet_new(kind & 1, kind & 2 ? UDP : TCP, 3, kind & 4 ? TAG : 0, 0, 0);

        for (size_t length = ETHERNET; length < packet->end; length++) {
            packet->length = length;
            assert_false(finish(packet, ALL));
        }
        free(packet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_finished),
        cmocka_unit_test(checksum_behind_ipv4_options_is_finished),
        cmocka_unit_test(padding_does_not_count),
        cmocka_unit_test(udp_checksum_is_never_zero),
        cmocka_unit_test(frame_without_work_passes_as_it_is),
        cmocka_unit_test(type_must_be_negotiated_and_true),
        cmocka_unit_test(hints_are_not_read),
        cmocka_unit_test(checksum_must_be_where_the_headers_say),
        cmocka_unit_test(headers_must_fit_the_frame),
        cmocka_unit_test(short_frames_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
