/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames with IEEE 802.1Q tags on their way through the services of a NIC.
 */
#include "mnp_fixture.h"

#define TPID 0x8100u
#define TAG_BYTES 4u
#define DATA_BYTES 86u /* of the frames of deliver_tagged */

/* The services of VLAN 5 with priority 3, of VLAN 6, and the untagged one, with a child each. */
struct network {
    struct mnp_fixture *fixture;
    EFI_HANDLE handles[3];
    struct mnp_child children[3];
};

enum { VLAN_5, VLAN_6, UNTAGGED };

static void set_up(struct network *network, struct mnp_fixture *fixture)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);

    network->fixture = fixture;
    assert_success(vlans->Set(vlans, 5, 3));
    network->handles[VLAN_5] = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, 0);
    assert_success(vlans->Set(vlans, 6, 0));
    network->handles[VLAN_6] = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, 1);
    assert_success(vlans->Set(vlans, 0, 0));
    network->handles[UNTAGGED] = fixture->nic;
    for (unsigned i = 0; i < 3; i++) {
        network->children[i] = child_on(fixture, network->handles[i]);
        assert_success(configure(&network->children[i], &plain_config));
    }
}

static void take_down(struct network *network)
{
    for (unsigned i = 0; i < 3; i++)
        child_destroy_on(network->fixture, network->handles[i], &network->children[i]);
}

/* An IPv4 frame of 100 bytes with the tag between addresses and type. */
static void deliver_tagged(const struct mnp_fixture *fixture, const uint8_t *to, unsigned tag,
                           uint32_t seed)
{
    uint8_t plain[HEADER_BYTES + DATA_BYTES];
    uint8_t frame[sizeof(plain) + TAG_BYTES];

    frame_write(plain, sizeof(plain), to, IPV4, seed);
    memcpy(frame, plain, 12);
    frame[12] = TPID >> 8;
    frame[13] = TPID & 0xff;
    frame[14] = (uint8_t)(tag >> 8);
    frame[15] = (uint8_t)tag;
    memcpy(frame + 16, plain + 12, sizeof(plain) - 12);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
}

/* holds: mnp.vlan.receive */
static void tagged_frame_reaches_its_vlan_without_the_tag(void **state)
{
    struct network network;
    const uint8_t *station;

    set_up(&network, *state);
    station = fake_device_mac(network.fixture->device);
    deliver_tagged(network.fixture, station, 5, 1);
    deliver_tagged(network.fixture, broadcast_mac, 6, 2);
    deliver(network.fixture, IPV4, 3);
    deliver_tagged(network.fixture, station, VLAN_TAG(5, 7), 4); /* its priority is of no matter */
    deliver_tagged(network.fixture, station, 0x1006, 5);         /* nor is the DEI bit */
    assert_success(poll(&network.children[UNTAGGED]));
    assert_gets(network.fixture, &network.children[VLAN_5], station, IPV4, 1);
    assert_gets(network.fixture, &network.children[VLAN_5], station, IPV4, 4);
    assert_gets(network.fixture, &network.children[VLAN_6], broadcast_mac, IPV4, 2);
    assert_gets(network.fixture, &network.children[VLAN_6], station, IPV4, 5);
    assert_gets(network.fixture, &network.children[UNTAGGED], station, IPV4, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_gets_nothing(&network.children[i]);
    take_down(&network);
}

/* holds: mnp.vlan.unknown */
static void frame_of_an_unknown_vlan_is_nobodys(void **state)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;
    struct network network;

    set_up(&network, *state);
    config.EnablePromiscuousReceive = TRUE;
    for (unsigned i = 0; i < 3; i++)
        assert_success(configure(&network.children[i], &config));
    deliver_tagged(network.fixture, fake_device_mac(network.fixture->device), 7, 1);
    deliver_tagged(network.fixture, fake_device_mac(network.fixture->device), 4095, 2);
    deliver_tagged(network.fixture, broadcast_mac, 0x105, 3);
    (void)poll(&network.children[0]);
    for (unsigned i = 0; i < 3; i++)
        assert_gets_nothing(&network.children[i]);
    take_down(&network);
}

/* holds: mnp.vlan.unknown */
static void untagged_frame_is_nobodys_where_all_services_have_tags(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);
    struct mnp_child child;
    EFI_HANDLE handle;

    assert_success(vlans->Set(vlans, 5, 0));
    handle = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, 0);
    child = child_on(fixture, handle);
    assert_success(configure(&child, &plain_config));
    deliver(fixture, IPV4, 1);
    deliver_tagged(fixture, fake_device_mac(fixture->device), VLAN_TAG(0, 5), 2);
    (void)poll(&child);
    assert_gets_nothing(&child);
    deliver_tagged(fixture, fake_device_mac(fixture->device), 5, 3);
    assert_gets(fixture, &child, fake_device_mac(fixture->device), IPV4, 3);
    child_destroy_on(fixture, handle, &child);
}

/* holds: mnp.vlan.priority_tag */
static void tag_with_id_0_is_stripped_with_and_without_vlans(void **state)
{
    struct mnp_fixture *fixture = *state;
    const uint8_t *station = fake_device_mac(fixture->device);
    struct mnp_child child = child_for(fixture, IPV4);
    struct network network;

    deliver_tagged(fixture, station, VLAN_TAG(0, 5), 1);
    assert_gets(fixture, &child, station, IPV4, 1);
    child_destroy(fixture, &child);

    set_up(&network, fixture);
    deliver_tagged(fixture, station, VLAN_TAG(0, 5), 2);
    assert_gets(fixture, &network.children[UNTAGGED], station, IPV4, 2);
    assert_gets_nothing(&network.children[VLAN_5]);
    take_down(&network);
}

/* holds: mnp.vlan.none */
static void tagged_frame_keeps_its_tag_where_there_are_no_vlans(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child ip4 = child_for(fixture, IPV4);
    struct mnp_child child = child_for(fixture, TPID);
    const EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data;
    struct mnp_token token;

    token_init(&token);
    assert_success(receive(&child, &token));
    deliver_tagged(fixture, fake_device_mac(fixture->device), 5, 1);
    assert_success(poll(&child));
    assert_int_equal(1, token.signals);
    rx_data = token.token.Packet.RxData;
    assert_int_equal(TPID, rx_data->ProtocolType);
    assert_int_equal(HEADER_BYTES + DATA_BYTES + TAG_BYTES, rx_data->PacketLength);
    assert_int_equal(5, ((const uint8_t *)rx_data->PacketData)[1]);
    recycle(&token);
    token_fini(&token);
    assert_gets_nothing(&ip4);
    child_destroy(fixture, &child);
    child_destroy(fixture, &ip4);
}

/* holds: mnp.vlan.receive */
static void frame_that_ends_in_its_tag_has_none(void **state)
{
    struct network network;
    uint8_t frame[20];

    set_up(&network, *state);
    frame_write(frame, sizeof(frame), fake_device_mac(network.fixture->device), TPID, 0);
    frame[14] = 0;
    frame[15] = 5;
    for (size_t length = HEADER_BYTES; length <= sizeof(frame); length++) {
        unsigned which = length < HEADER_BYTES + TAG_BYTES ? UNTAGGED : VLAN_5;
        size_t expected = which == UNTAGGED ? length : length - TAG_BYTES;
        const EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data;
        struct mnp_token token;

        token_init(&token);
        assert_success(receive(&network.children[which], &token));
        assert_true(fake_device_deliver(network.fixture->device, frame, length));
        (void)poll(&network.children[0]);
        assert_int_equal(1, token.signals);
        rx_data = token.token.Packet.RxData;
        assert_int_equal(expected, rx_data->PacketLength);
        assert_int_equal(expected - HEADER_BYTES, rx_data->DataLength);
        recycle(&token);
        token_fini(&token);
    }
    take_down(&network);
}

/* The tag of a sent frame, which is `plain` besides; 0: it has none. */
static unsigned check_sent(const struct mnp_fixture *fixture, const uint8_t *plain, size_t length)
{
    const struct fake_frame *sent = fake_device_take_frame(fixture->device);

    assert_non_null(sent);
    if (sent->length == length) {
        assert_memory_equal(plain, sent->data, length);
        return 0;
    }
    assert_int_equal(length + TAG_BYTES, sent->length);
    assert_memory_equal(plain, sent->data, 12);
    assert_int_equal(TPID, sent->data[12] << 8 | sent->data[13]);
    assert_memory_equal(plain + 12, sent->data + 16, length - 12);
    return (unsigned)(sent->data[14] << 8 | sent->data[15]);
}

/* holds: mnp.vlan.transmit */
static void sent_frame_has_the_tag_of_its_service(void **state)
{
    const unsigned tags[] = {VLAN_TAG(5, 3), 6, 0};
    EFI_MAC_ADDRESS destination = {0};
    EFI_MAC_ADDRESS source = {0};
    struct network network;
    struct mnp_token token;
    uint8_t frame[100];

    set_up(&network, *state);
    token_init(&token);
    frame_write(frame, sizeof(frame), other_mac, IPV4, 1);
    memcpy(destination.Addr, frame, 6);
    memcpy(source.Addr, frame + 6, 6);
    for (unsigned i = 0; i < 3; i++) {
        token_for_frame(&token, frame, sizeof(frame)); /* the header in the frame */
        assert_success(transmit(&network.children[i], &token));
        assert_int_equal(tags[i], check_sent(network.fixture, frame, sizeof(frame)));

        token_for_frame(&token, frame + HEADER_BYTES, sizeof(frame)); /* and beside it */
        token.tx_data.DestinationAddress = &destination;
        token.tx_data.SourceAddress = &source;
        token.tx_data.ProtocolType = IPV4;
        token.tx_data.HeaderLength = 0;
        token.tx_data.DataLength = sizeof(frame) - HEADER_BYTES;
        token.tx_data.FragmentTable[0].FragmentLength = sizeof(frame) - HEADER_BYTES;
        assert_success(transmit(&network.children[i], &token));
        assert_int_equal(tags[i], check_sent(network.fixture, frame, sizeof(frame)));
    }
    token_fini(&token);
    take_down(&network);
}

/* holds: mnp.vlan.transmit, mnp.vlan.change */
static void new_priority_is_in_the_next_frame(void **state)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans;
    struct network network;
    struct mnp_token token;
    uint8_t frame[100];

    set_up(&network, *state);
    vlans = vlan_config(network.fixture);
    token_init(&token);
    frame_write(frame, sizeof(frame), other_mac, IPV4, 1);
    for (unsigned priority = 0; priority <= 7; priority++) {
        assert_success(vlans->Set(vlans, 6, (UINT8)priority));
        token_for_frame(&token, frame, sizeof(frame));
        assert_success(transmit(&network.children[VLAN_6], &token));
        assert_int_equal(VLAN_TAG(6, priority), check_sent(network.fixture, frame, sizeof(frame)));
    }
    token_fini(&token);
    take_down(&network);
}

/* holds: mnp.vlan.mtu */
static void tag_is_taken_from_the_mtu(void **state)
{
    static uint8_t frame[FRAME_MAX];
    struct network network;
    struct mnp_token token;

    set_up(&network, *state);
    token_init(&token);
    frame_write(frame, sizeof(frame), other_mac, IPV4, 1);
    for (unsigned i = 0; i < 3; i++) {
        size_t longest = FRAME_MAX - (i == UNTAGGED ? 0 : TAG_BYTES);

        token_for_frame(&token, frame, longest);
        assert_success(transmit(&network.children[i], &token));
        (void)check_sent(network.fixture, frame, longest);
        token_for_frame(&token, frame, longest + 1);
        assert_status(EFI_INVALID_PARAMETER, transmit(&network.children[i], &token));
    }
    token_fini(&token);
    take_down(&network);
}

/* holds: mnp.vlan.shared */
static void services_share_the_nic(void **state)
{
    struct network network;
    EFI_MAC_ADDRESS group = {0};
    EFI_SIMPLE_NETWORK_MODE *mode;

    set_up(&network, *state);
    mode = network.fixture->snp->Mode;
    memcpy(group.Addr, group_mac, 6);
    for (unsigned i = 0; i < 3; i++)
        assert_success(network.children[i].mnp->Groups(network.children[i].mnp, TRUE, &group));
    assert_int_equal(1, mode->MCastFilterCount);
    deliver_tagged(network.fixture, group_mac, 5, 1);
    (void)poll(&network.children[VLAN_6]);
    assert_gets(network.fixture, &network.children[VLAN_5], group_mac, IPV4, 1);
    assert_gets_nothing(&network.children[VLAN_6]);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(EfiSimpleNetworkInitialized, mode->State);
        assert_int_equal(1, mode->MCastFilterCount);
        assert_success(configure(&network.children[i], NULL));
    }
    assert_int_equal(EfiSimpleNetworkStopped, mode->State);
    take_down(&network);
}

/* holds: mnp.vlan.shared */
static void removed_vlan_leaves_the_others_at_work(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);
    struct network network;

    set_up(&network, fixture);
    deliver_tagged(fixture, fake_device_mac(fixture->device), 5, 1);
    deliver_tagged(fixture, fake_device_mac(fixture->device), 6, 2);
    (void)poll(&network.children[UNTAGGED]);
    assert_success(vlans->Remove(vlans, 5)); /* with what waits for it */
    assert_gets(fixture, &network.children[VLAN_6], fake_device_mac(fixture->device), IPV4, 2);
    assert_traffic_flows(fixture, &network.children[UNTAGGED]);
    child_destroy_on(fixture, network.handles[VLAN_6], &network.children[VLAN_6]);
    child_destroy_on(fixture, network.handles[UNTAGGED], &network.children[UNTAGGED]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(tagged_frame_reaches_its_vlan_without_the_tag),
        MNP_TEST(frame_of_an_unknown_vlan_is_nobodys),
        MNP_TEST(untagged_frame_is_nobodys_where_all_services_have_tags),
        MNP_TEST(tag_with_id_0_is_stripped_with_and_without_vlans),
        MNP_TEST(tagged_frame_keeps_its_tag_where_there_are_no_vlans),
        MNP_TEST(frame_that_ends_in_its_tag_has_none),
        MNP_TEST(sent_frame_has_the_tag_of_its_service),
        MNP_TEST(new_priority_is_in_the_next_frame),
        MNP_TEST(tag_is_taken_from_the_mtu),
        MNP_TEST(services_share_the_nic),
        MNP_TEST(removed_vlan_leaves_the_others_at_work),
    };

    return cmocka_run_group_tests_name("mnp_tags", tests, NULL, NULL);
}
