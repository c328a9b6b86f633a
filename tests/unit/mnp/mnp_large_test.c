/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Segments that the device has joined, on their way through the service, and what becomes of them
 * when an application takes SNP. large_frames_test.c has the way to the service.
 */
#include <stdio.h>

#include "mnp_segments.h"

#define LARGE_BYTES 40000u /* of a frame over IPv4 */
#define LARGE_DATA (LARGE_BYTES - HEADER_BYTES - 40u)
#define ROUNDS 40u /* more than a lap of the ring */
#define PORT 5000u
#define VLAN 5u
#define SMALL_MTU 1000u /* SNP's buffers hold more */
#define FRAME_BYTES_MAX (HEADER_BYTES + TAG_BYTES + SMALL_MTU)

static const struct kind {
    const char *name;
    struct fake_device_options options;
} kinds[] = {
    {"modern",
     {.transport = FAKE_MODERN,
      .features = FAKE_DEVICE_FEATURES | FAKE_LARGE_FEATURES,
      .mtu = SMALL_MTU}},
    {"legacy",
     {.transport = FAKE_LEGACY,
      .features = FAKE_DEVICE_FEATURES | FAKE_LARGE_FEATURES | VIRTIO_F_ANY_LAYOUT,
      .mtu = SMALL_MTU}},
    {"packed",
     {.transport = FAKE_MODERN,
      .features = FAKE_DEVICE_FEATURES | FAKE_LARGE_FEATURES | VIRTIO_F_RING_PACKED,
      .mtu = SMALL_MTU}},
    {"RING_RESET",
     {.transport = FAKE_MODERN,
      .features = FAKE_DEVICE_FEATURES | FAKE_LARGE_FEATURES | VIRTIO_F_RING_RESET,
      .mtu = SMALL_MTU}},
};

#define FOR_EACH_KIND(kind)                                                                        \
    for (const struct kind *kind = kinds; kind < kinds + sizeof(kinds) / sizeof(kinds[0]); kind++)

static struct mnp_fixture *fixture_of(const struct kind *kind)
{
    printf("%s\n", kind->name);
    return mnp_fixture_new(1, &kind->options, true);
}

static void end(struct mnp_fixture *fixture, struct fake_mnp_client *client)
{
    assert_success(fake_mnp_client_detach(client));
    mnp_fixture_free(fixture);
}

static struct segment large(bool is_ipv6, uint32_t sequence)
{
    return (struct segment){.is_ipv6 = is_ipv6,
                            .port = PORT,
                            .sequence = sequence,
                            .data_bytes = LARGE_DATA,
                            .is_partial = true};
}

/* The next frame of the client is this segment, whole. */
static void assert_arrives(const struct mnp_fixture *fixture, struct fake_mnp_client *client,
                           const struct segment *segment)
{
    const struct fake_mnp_frame *frame = fake_mnp_client_take(client);
    uint8_t expected[FRAME_SPACE];
    size_t length = segment_write_whole(fixture, segment, expected);

    assert_non_null(frame);
    assert_int_equal(length, frame->length);
    assert_memory_equal(expected, frame->bytes, length);
    assert_int_equal(length, frame->rx_data.PacketLength);
    assert_int_equal(length - HEADER_BYTES, frame->rx_data.DataLength);
    assert_int_equal(segment->is_ipv6 ? IPV6 : IPV4, frame->rx_data.ProtocolType);
    assert_int_equal(0, (uintptr_t)frame->rx_data.PacketData % 4);
}

static uint64_t large_features(const struct mnp_fixture *fixture)
{
    return fake_device_accepted_features(fixture->device) & FAKE_LARGE_FEATURES;
}

static uint64_t oversize(const struct mnp_fixture *fixture)
{
    EFI_NETWORK_STATISTICS table;
    UINTN bytes = sizeof(table);

    assert_success(fixture->snp->Statistics(fixture->snp, FALSE, &bytes, &table));
    return table.RxOversizeFrames;
}

/* Receive of SNP, with room for everything. */
static EFI_STATUS snp_receive_any(const struct mnp_fixture *fixture, uint8_t *frame, UINTN *bytes)
{
    *bytes = FRAME_SPACE;
    return fixture->snp->Receive(fixture->snp, NULL, bytes, frame, NULL, NULL, NULL);
}

/* ---- to a client of the service ---- */

/* holds: mnp.join.device */
static void large_segment_arrives_whole(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
            struct mnp_fixture *fixture = fixture_of(kind);
            struct fake_mnp_client *client = client_new(fixture, is_ipv6 ? IPV6 : IPV4);
            struct segment segment = large(is_ipv6, 1000);

            for (unsigned i = 0; i < ROUNDS; i++, segment.sequence += LARGE_DATA) {
                segment.flags = i % 2 ? TCP_ACK : TCP_ACK | TCP_PUSH;
                assert_true(segment_deliver(fixture, &segment));
                assert_success(poll_client(client));
                assert_arrives(fixture, client, &segment);
                assert_status(EFI_NOT_READY, poll_client(client));
                assert_int_equal(i + 1, client->frames);
            }
            end(fixture, client);
        }
    }
}

/* One segment of the wire may have a checksum to finish as well. */
/* holds: mnp.join.device */
static void short_segment_with_a_partial_checksum_arrives_whole(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);
        struct segment segment = {.port = PORT, .is_partial = true};

        for (unsigned i = 0; i < ROUNDS; i++, segment.sequence += (uint32_t)segment.data_bytes) {
            segment.data_bytes = i * 20;
            assert_true(segment_deliver(fixture, &segment));
            assert_success(poll_client(client));
            assert_arrives(fixture, client, &segment);
        }
        end(fixture, client);
    }
}

/* A client of the service of a VLAN, with the untagged service beside it. */
static struct fake_mnp_client *client_in_vlan(struct mnp_fixture *fixture)
{
    struct fake_mnp_client *client = fake_mnp_client_new(fixture->firmware, fixture->dpc, IPV4);
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);

    assert_success(vlans->Set(vlans, VLAN, 0));
    assert_success(fake_mnp_client_attach(
        client, fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, 0)));
    assert_success(vlans->Set(vlans, 0, 0));
    return client;
}

/* holds: mnp.vlan.receive */
static void tagged_large_segment_reaches_its_vlan_without_the_tag(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_in_vlan(fixture);
        struct fake_mnp_client *other = client_new(fixture, IPV4);
        struct segment tagged = large(false, 1000);
        struct segment plain = large(false, 7000);

        tagged.tag = VLAN;
        assert_true(segment_deliver(fixture, &tagged));
        assert_true(segment_deliver(fixture, &plain)); /* the same connection elsewhere */
        assert_success(poll_client(client));
        assert_arrives(fixture, client, &tagged);
        assert_arrives(fixture, other, &plain);
        assert_int_equal(1, client->frames);
        assert_int_equal(1, other->frames);
        assert_success(fake_mnp_client_detach(other));
        end(fixture, client);
    }
}

/* Segments of these lengths, of which some short ones have a whole checksum. */
static void deliver_in_turn(struct mnp_fixture *fixture, const size_t *data_bytes, unsigned count,
                            uint32_t sequence)
{
    for (unsigned i = 0; i < count; i++) {
        struct segment segment = large(false, sequence);

        segment.data_bytes = data_bytes[i];
        segment.is_partial = data_bytes[i] > TCP_MSS || i % 3 == 0;
        assert_true(segment_deliver(fixture, &segment));
        sequence += (uint32_t)data_bytes[i];
    }
}

/* holds: mnp.join.device, mnp.join.segments */
static void large_and_short_segments_join_by_the_same_rules(void **state)
{
    static const size_t parts[] = {900, LARGE_DATA, 900, 901, 20000, 899};

    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);
        struct segment expected = large(false, 1000);

        deliver_in_turn(fixture, parts, 6, 1000);
        assert_success(poll_client(client));
        expected.data_bytes = 900 + LARGE_DATA + 900 + 901 + 20000 + 899;
        assert_arrives(fixture, client, &expected);
        assert_int_equal(1, client->frames);
        end(fixture, client);
    }
}

/* What does not fit into one IP packet comes as several, in order. A segment of more than half of
 * one begins no run. */
/* holds: mnp.join.device */
static void large_segments_join_up_to_the_largest_packet(void **state)
{
    static const size_t parts[] = {LARGE_DATA, LARGE_DATA, 900, LARGE_DATA};

    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);
        struct segment expected = large(false, 1000);

        deliver_in_turn(fixture, parts, 4, 1000);
        assert_success(poll_client(client));
        assert_arrives(fixture, client, &expected);
        expected.sequence += LARGE_DATA;
        assert_arrives(fixture, client, &expected);
        expected.sequence += LARGE_DATA;
        expected.data_bytes = 900 + LARGE_DATA;
        assert_arrives(fixture, client, &expected);
        assert_int_equal(3, client->frames);
        end(fixture, client);
    }
}

/* Two segments that follow each other, the second with a wrong field. */
static void deliver_with_a_wrong_sum(struct mnp_fixture *fixture, struct segment segment)
{
    struct fake_offload offload = segment_offload(&segment);
    uint8_t frame[FRAME_SPACE];
    size_t length;

    assert_true(segment_deliver(fixture, &segment));
    segment.sequence += (uint32_t)segment.data_bytes;
    length = segment_write(fixture, &segment, frame);
    frame[tcp_offset(&segment) + 16] ^= 1;
    assert_true(fake_device_deliver_large(fixture->device, frame, length, &offload));
}

/* Only the device knows whether its sum of the pseudo header was right. If not, the client sees it.
 */
/* holds: mnp.join.device */
static void checksum_that_the_device_began_wrongly_is_wrong_in_the_end(void **state)
{
    struct segment segment = {.port = PORT, .data_bytes = 901, .is_partial = true};

    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);
        const struct fake_mnp_frame *frame;
        const uint8_t *tcp;

        deliver_with_a_wrong_sum(fixture, segment);
        assert_success(poll_client(client));
        assert_int_equal(1, client->frames); /* not looked at once more */
        frame = fake_mnp_client_take(client);
        tcp = frame->bytes + tcp_offset(&segment);
        assert_int_equal(segment_length(&segment) + segment.data_bytes, frame->length);
        assert_int_not_equal(
            0xffff, sum_of(sum_of(6 + TCP_BYTES + 2 * (uint32_t)segment.data_bytes, tcp - 8, 8),
                           tcp, TCP_BYTES + 2 * segment.data_bytes));
        end(fixture, client);
    }
}

/* holds: mnp.join.device */
static void wrong_checksum_of_the_wire_is_not_joined(void **state)
{
    struct segment segment = {.port = PORT, .data_bytes = 901};

    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);

        assert_true(
            segment_deliver(fixture, &(struct segment){.port = PORT + 1, .is_partial = true}));
        deliver_with_a_wrong_sum(fixture, segment);
        assert_success(poll_client(client));
        assert_int_equal(3, client->frames);
        end(fixture, client);
    }
}

/* ---- without memory ---- */

/* With PSH the joiner keeps nothing, so the segment stays where the device's frames are. */
static void lack_memory_once(struct mnp_fixture *fixture, struct fake_mnp_client *client,
                             struct segment segment)
{
    unsigned failures = 0;

    client->holds = true; /* so that each packet needs memory */
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY | FAKE_CALL_EVENT);
    for (unsigned i = 0; i < 16; i++, segment.sequence += (uint32_t)segment.data_bytes) {
        segment.flags = i & 4 ? TCP_ACK : TCP_ACK | TCP_PUSH;
        segment.data_bytes = i & 8 ? 100 : LARGE_DATA;
        assert_true(segment_deliver(fixture, &segment));
        fake_firmware_fail_from(fixture->firmware, 1 + i % 2);
        (void)poll_client(client);
        (void)poll_client(client);
        failures += fake_firmware_has_failed(fixture->firmware);
        fake_firmware_fail_nth(fixture->firmware, 0);
        (void)poll_client(client);
        assert_arrives(fixture, client, &segment);
        assert_null(client->first);
    }
    assert_int_equal(16, failures);
    fake_mnp_client_recycle(client, client->held_count);
}

/* holds: mnp.memory.failure */
static void large_segment_without_memory_comes_when_there_is_some(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);

        lack_memory_once(fixture, client, large(false, 1000));
        end(fixture, client);
    }
}

/* The tag is still there the next time. */
/* holds: mnp.memory.failure, mnp.vlan.receive */
static void tagged_segment_without_memory_comes_when_there_is_some(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_in_vlan(fixture);
        struct segment segment = large(false, 1000);

        segment.tag = VLAN;
        lack_memory_once(fixture, client, segment);
        end(fixture, client);
    }
}

/* holds: mnp.memory.bounded, mnp.memory.window */
static void large_segments_wait_in_the_ring_while_a_client_holds_all_it_can(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);
        struct segment next = large(false, 0);
        struct segment expected = next;
        unsigned sent = 0;

        client->holds = true;
        while (segment_deliver(fixture, &next)) {
            next.sequence += LARGE_DATA;
            sent++;
            (void)poll_client(client);
        }
        assert_between(client->frames * (size_t)LARGE_BYTES, WINDOW_BYTES, STORE_BYTES);
        assert_true(sent > client->frames + 1);
        while (client->held_count > 0 || client->frames < sent) {
            assert_true(client->held_count > 0);
            fake_mnp_client_recycle(client, 1);
            (void)poll_client(client);
        }
        for (unsigned i = 0; i < sent; i++, expected.sequence += LARGE_DATA)
            assert_arrives(fixture, client, &expected);
        end(fixture, client);
    }
}

/* ---- who owns SNP ---- */

/* The device is reset once when the first child is configured, and not for others. */
/* holds: virtio.net.large_owner */
static void features_are_negotiated_with_the_first_configure(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct mnp_child first = child_new(fixture);
        struct mnp_child second = child_new(fixture);
        unsigned resets;

        assert_int_equal(0, large_features(fixture));
        assert_success(configure(&first, &plain_config));
        assert_int_equal(FAKE_LARGE_FEATURES, large_features(fixture));
        resets = fake_device_reset_count(fixture->device);
        assert_success(configure(&second, &plain_config));
        assert_success(configure(&first, NULL));
        assert_int_equal(FAKE_LARGE_FEATURES, large_features(fixture));
        assert_int_equal(resets, fake_device_reset_count(fixture->device));
        child_destroy(fixture, &first);
        child_destroy(fixture, &second);
        mnp_fixture_free(fixture);
    }
}

/* Frames up to the MTU come to the owner of SNP, and nothing else. */
static void assert_snp_owns(const struct mnp_fixture *fixture)
{
    const uint8_t *station = fake_device_mac(fixture->device);
    uint64_t oversize_before = oversize(fixture);
    uint8_t expected[FRAME_SPACE];
    uint8_t frame[FRAME_SPACE];
    UINTN bytes;

    for (unsigned i = 0; i < 2 * RING_FRAMES; i++) {
        assert_true(try_deliver(fixture, station, IPV4, FRAME_BYTES_MAX + 1 + i % 400, i));
        assert_true(try_deliver(fixture, station, IPV4, FRAME_BYTES_MAX, i));
        assert_success(snp_receive_any(fixture, frame, &bytes));
        assert_int_equal(FRAME_BYTES_MAX, bytes);
        frame_write(expected, bytes, station, IPV4, i);
        assert_memory_equal(expected, frame, bytes);
        assert_status(EFI_NOT_READY, snp_receive_any(fixture, frame, &bytes));
    }
    assert_int_equal(2 * RING_FRAMES, oversize(fixture) - oversize_before);
}

/* An application opens SNP EXCLUSIVE, which stops the service, and uses it. */
static void own_snp(struct mnp_fixture *fixture, EFI_HANDLE agent)
{
    unsigned resets = fake_device_reset_count(fixture->device);
    void *interface;

    assert_success(BS->OpenProtocol(fixture->nic, &gEfiSimpleNetworkProtocolGuid, &interface, agent,
                                    NULL, EFI_OPEN_PROTOCOL_EXCLUSIVE));
    assert_null(services(fixture));
    assert_success(fixture->snp->Start(fixture->snp));
    assert_success(fixture->snp->Initialize(fixture->snp, 0, 0));
    assert_true(fake_device_reset_count(fixture->device) > resets);
    assert_int_equal(0, large_features(fixture));
    assert_snp_owns(fixture);
    assert_success(fixture->snp->Reset(fixture->snp, FALSE));
    assert_int_equal(0, large_features(fixture));
}

/* holds: virtio.net.large_owner, mnp.binding.exclusive */
static void application_that_takes_snp_gets_no_large_frame(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        EFI_HANDLE agent = fake_firmware_load_image(fixture->firmware, NULL);

        for (unsigned i = 0; i < 4; i++) {
            struct fake_mnp_client *client = client_new(fixture, IPV4);
            struct segment segment = large(false, 1000 * i);

            assert_int_equal(FAKE_LARGE_FEATURES, large_features(fixture));
            assert_true(segment_deliver(fixture, &segment));
            assert_success(poll_client(client));
            assert_arrives(fixture, client, &segment);
            assert_true(segment_deliver(fixture, &segment)); /* waits, and is lost */
            assert_success(fake_mnp_client_detach(client));
            own_snp(fixture, agent);
            assert_success(fixture->snp->Shutdown(fixture->snp));
            if (i % 2) /* or SNP stays Started, with what it keeps for another Initialize */
                assert_success(fixture->snp->Stop(fixture->snp));
            assert_success(
                BS->CloseProtocol(fixture->nic, &gEfiSimpleNetworkProtocolGuid, agent, NULL));
            assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
        }
        mnp_fixture_free(fixture);
    }
}

/* ---- an application that uses SNP beside the service ---- */

/* holds: virtio.net.large_owner */
static void receive_beside_the_service_drops_large_frames_and_counts_them(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, 0);
        const uint8_t *station = fake_device_mac(fixture->device);
        struct segment segment = large(false, 1000);
        uint8_t frame[FRAME_SPACE];
        UINTN bytes;

        assert_true(segment_deliver(fixture, &segment));
        assert_true(segment_deliver(fixture, &segment));
        assert_true(try_deliver(fixture, station, ARP, 100, 1));
        assert_true(segment_deliver(fixture, &segment));
        assert_success(snp_receive_any(fixture, frame, &bytes));
        assert_int_equal(100, bytes);
        assert_int_equal(2, oversize(fixture));
        assert_status(EFI_NOT_READY, snp_receive_any(fixture, frame, &bytes));
        assert_int_equal(3, oversize(fixture));
        segment.sequence = 50000;
        assert_true(segment_deliver(fixture, &segment)); /* the service goes on */
        assert_success(poll_client(client));
        assert_arrives(fixture, client, &segment);
        assert_int_equal(1, client->frames);
        end(fixture, client);
    }
}

/* holds: virtio.net.large_owner */
static void wait_for_packet_takes_nothing_from_the_service(void **state)
{
    (void)state;
    FOR_EACH_KIND(kind)
    {
        struct mnp_fixture *fixture = fixture_of(kind);
        struct fake_mnp_client *client = client_new(fixture, IPV4);
        struct segment segment = large(false, 1000);

        assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->snp->WaitForPacket));
        for (unsigned i = 0; i < ROUNDS; i++, segment.sequence += LARGE_DATA) {
            segment.flags = i % 2 ? TCP_ACK : TCP_ACK | TCP_PUSH;
            assert_true(segment_deliver(fixture, &segment));
            assert_success(BS->CheckEvent(fixture->snp->WaitForPacket));
            assert_success(BS->CheckEvent(fixture->snp->WaitForPacket));
            assert_success(poll_client(client));
            assert_arrives(fixture, client, &segment);
            assert_status(EFI_NOT_READY, BS->CheckEvent(fixture->snp->WaitForPacket));
        }
        assert_int_equal(0, oversize(fixture));
        end(fixture, client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_segment_arrives_whole),
        cmocka_unit_test(short_segment_with_a_partial_checksum_arrives_whole),
        cmocka_unit_test(tagged_large_segment_reaches_its_vlan_without_the_tag),
        cmocka_unit_test(large_and_short_segments_join_by_the_same_rules),
        cmocka_unit_test(large_segments_join_up_to_the_largest_packet),
        cmocka_unit_test(checksum_that_the_device_began_wrongly_is_wrong_in_the_end),
        cmocka_unit_test(wrong_checksum_of_the_wire_is_not_joined),
        cmocka_unit_test(large_segment_without_memory_comes_when_there_is_some),
        cmocka_unit_test(tagged_segment_without_memory_comes_when_there_is_some),
        cmocka_unit_test(large_segments_wait_in_the_ring_while_a_client_holds_all_it_can),
        cmocka_unit_test(features_are_negotiated_with_the_first_configure),
        cmocka_unit_test(application_that_takes_snp_gets_no_large_frame),
        cmocka_unit_test(receive_beside_the_service_drops_large_frames_and_counts_them),
        cmocka_unit_test(wait_for_packet_takes_nothing_from_the_service),
    };

    return cmocka_run_group_tests_name("mnp_large", tests, NULL, NULL);
}
