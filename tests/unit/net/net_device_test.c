/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames through a virtio network device: every transport, header layout, queue size and MTU, for
 * longer than a 16-bit index lasts.
 */
#include <stdio.h>

#include "assert_status.h"
#include "fixture.h"
#include "net/net_device.h"

#define RX VIRTIO_NET_QUEUE_RX
#define TX VIRTIO_NET_QUEUE_TX
#define FRAMES_BEYOND_ANY_WRAP 70000u
#define FRAME_BYTES 64u

struct net_fixture {
    struct fake_fixture fake;
    struct fake_device *device;
    struct net_device *net;
};

static EFI_PCI_IO_PROTOCOL *pci_io_of(struct fake_device *device)
{
    return &fake_device_pci(device)->protocol;
}

/* A device that was found, not started. */
static void find(struct net_fixture *fixture, const struct fake_device_options *options)
{
    fake_fixture_init(&fixture->fake, 1, options);
    fixture->device = fixture->fake.device;
    fixture->net = malloc(sizeof(*fixture->net));
    memset(fixture->net, 0xa5, sizeof(*fixture->net)); /* it must not count on zeros */
    assert_success(net_device_init(fixture->net, pci_io_of(fixture->device)));
    fixture->net->filter.promiscuous = true;
}

static void find_and_start(struct net_fixture *fixture, const struct fake_device_options *options)
{
    find(fixture, options);
    assert_success(net_device_start(fixture->net, false));
}

static void end(struct net_fixture *fixture)
{
    net_device_fini(fixture->net);
    assert_int_equal(0, fake_device_status(fixture->device));
    fake_firmware_assert_nothing_leaked(fixture->fake.firmware);
    fake_fixture_fini(&fixture->fake);
    free(fixture->net);
}

static void write_number(uint8_t *frame, uint32_t number)
{
    memset(frame, (int)number, FRAME_BYTES);
    memcpy(frame + ETHERNET_HEADER_BYTES, &number, sizeof(number));
}

static EFI_STATUS send_number(struct net_device *net, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    write_number(frame, number);
    return net_device_transmit(net, frame, sizeof(frame));
}

static void assert_sent_number(struct fake_device *device, uint32_t number)
{
    const struct fake_frame *sent = fake_device_take_frame(device);
    uint8_t expected[FRAME_BYTES];

    write_number(expected, number);
    assert_non_null(sent);
    assert_int_equal(FRAME_BYTES, sent->length);
    assert_memory_equal(expected, sent->data, FRAME_BYTES);
}

static bool deliver_number(struct fake_device *device, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    write_number(frame, number);
    return fake_device_deliver(device, frame, sizeof(frame));
}

static void assert_receives_number(struct net_device *net, uint32_t number)
{
    uint8_t expected[FRAME_BYTES];
    const uint8_t *frame = NULL;
    size_t length = 0;

    write_number(expected, number);
    assert_success(net_device_peek(net, &frame, &length));
    assert_int_equal(FRAME_BYTES, length);
    assert_memory_equal(expected, frame, FRAME_BYTES);
    net_device_take(net);
}

static void assert_traffic_flows(struct net_fixture *fixture)
{
    assert_success(send_number(fixture->net, 7));
    assert_sent_number(fixture->device, 7);
    assert_true(deliver_number(fixture->device, 8));
    assert_receives_number(fixture->net, 8);
}

#define LEGACY_FEATURES (VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_F_EVENT_IDX)

/* `queue_size` is the driver's on a modern device, the device's on a legacy one. */
static const struct device {
    const char *name;
    struct fake_device_options options;
    uint16_t queue_size;
    uint16_t slots;
} devices[] = {
    {"transitional", {.transport = FAKE_TRANSITIONAL}, 256, 256},
    {"modern", {.transport = FAKE_MODERN}, 256, 256},
    {"modern without EVENT_IDX",
     {.transport = FAKE_MODERN, .removed_features = VIRTIO_F_EVENT_IDX},
     256,
     256},
    {"modern with ACCESS_PLATFORM and ORDER_PLATFORM, DMA above 4 GiB",
     {.transport = FAKE_MODERN,
      .features = FAKE_DEVICE_FEATURES | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM,
      .pci.dma_above_4gib = true},
     256,
     256},
    {"modern with registers in I/O space",
     {.transport = FAKE_MODERN, .modern_bar_is_io = true},
     256,
     256},
    {"modern with one doorbell", {.transport = FAKE_MODERN, .single_doorbell = true}, 256, 256},
    {"modern with NOTIFICATION_DATA",
     {.transport = FAKE_MODERN, .features = FAKE_DEVICE_FEATURES | VIRTIO_F_NOTIFICATION_DATA},
     256,
     256},
    {"modern with NOTIFICATION_DATA, one doorbell in I/O space, no EVENT_IDX",
     {.transport = FAKE_MODERN,
      .features = FAKE_DEVICE_FEATURES | VIRTIO_F_NOTIFICATION_DATA,
      .removed_features = VIRTIO_F_EVENT_IDX,
      .single_doorbell = true,
      .modern_bar_is_io = true},
     256,
     256},
    {"modern with NOTIF_CONFIG_DATA",
     {.transport = FAKE_MODERN, .features = FAKE_DEVICE_FEATURES | VIRTIO_F_NOTIF_CONFIG_DATA},
     256,
     256},
    {"modern with NOTIF_CONFIG_DATA and NOTIFICATION_DATA",
     {.transport = FAKE_MODERN,
      .features = FAKE_DEVICE_FEATURES | VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_NOTIFICATION_DATA},
     256,
     256},
    {"modern with RING_RESET",
     {.transport = FAKE_MODERN, .features = FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET},
     256,
     256},
    {"modern, 2 entries", {.transport = FAKE_MODERN, .queue_size = {2, 2}}, 2, 2},
    {"modern, 4 entries", {.transport = FAKE_MODERN, .queue_size = {4, 4}}, 4, 4},
    {"modern, 1024 entries", {.transport = FAKE_MODERN, .queue_size = {1024, 1024}}, 256, 256},
    {"modern, 32768 entries", {.transport = FAKE_MODERN, .queue_size = {32768, 32768}}, 256, 256},
    {"legacy", {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES}, 256, 128},
    {"legacy, DMA above 4 GiB",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES, .pci.dma_above_4gib = true},
     256,
     128},
    {"legacy without EVENT_IDX",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES & ~VIRTIO_F_EVENT_IDX},
     256,
     128},
    {"legacy with ANY_LAYOUT",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES | VIRTIO_F_ANY_LAYOUT},
     256,
     256},
    {"legacy with MSI-X enabled",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES, .msix_is_enabled = true},
     256,
     128},
    {"legacy, 2 entries",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES, .queue_size = {2, 2}},
     2,
     1},
    {"legacy, 4 entries",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES, .queue_size = {4, 4}},
     4,
     2},
    {"legacy, 1024 entries",
     {.transport = FAKE_LEGACY, .features = LEGACY_FEATURES, .queue_size = {1024, 1024}},
     1024,
     256},
    {"legacy with ANY_LAYOUT, 32768 entries",
     {.transport = FAKE_LEGACY,
      .features = LEGACY_FEATURES | VIRTIO_F_ANY_LAYOUT,
      .queue_size = {32768, 32768}},
     32768,
     256},
};

/* holds: virtio.order.doorbell, virtio.net.header, virtio.legacy.header */
static void every_device_is_set_up_with_the_right_queues(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;
    bool has_control;

    find_and_start(&fixture, &device->options);
    has_control = fake_device_accepted_features(fixture.device) & VIRTIO_NET_F_CTRL_VQ;
    assert_int_equal(device->queue_size, fake_device_queue_size(fixture.device, RX));
    assert_int_equal(device->queue_size, fake_device_queue_size(fixture.device, TX));
    assert_int_equal(has_control ? 16 : 0,
                     fake_device_queue_size(fixture.device, VIRTIO_NET_QUEUE_CTRL));
    assert_int_equal(device->slots, fake_device_pending_count(fixture.device, RX));
    assert_traffic_flows(&fixture);
    end(&fixture);
}

/* holds: virtio.registers.data, virtio.registers.config_data, virtio.split.platform */
/* holds: virtio.net.zeroed */
static void every_device_sends_70000_frames_in_order(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;

    find_and_start(&fixture, &device->options);
    for (uint32_t number = 0; number < FRAMES_BEYOND_ANY_WRAP; number++) {
        assert_success(send_number(fixture.net, number));
        assert_sent_number(fixture.device, number);
    }
    assert_int_equal(0, fake_device_needless_notification_count(fixture.device, TX));
    assert_int_equal(0, fake_device_interrupt_count(fixture.device));
    end(&fixture);
}

static void every_device_receives_70000_frames_in_order(void **state)
{
    const struct device *device = *state;
    uint32_t burst = 1u + device->slots / 2u;
    struct net_fixture fixture;

    find_and_start(&fixture, &device->options);
    for (uint32_t number = 0; number < FRAMES_BEYOND_ANY_WRAP; number += burst) {
        for (uint32_t in_burst = 0; in_burst < burst; in_burst++)
            assert_true(deliver_number(fixture.device, number + in_burst));
        for (uint32_t in_burst = 0; in_burst < burst; in_burst++)
            assert_receives_number(fixture.net, number + in_burst);
    }
    assert_int_equal(0, fake_device_interrupt_count(fixture.device));
    end(&fixture);
}

/* The device takes what was sent in bursts of every size, and lets the ring fill up. */
/* holds: virtio.net.header */
static void every_device_sends_bursts_whole(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;
    uint32_t sent = 0;
    uint32_t seen = 0;

    find_and_start(&fixture, &device->options);
    for (unsigned round = 0; round < 300; round++) {
        fake_device_stall(fixture.device, true);
        for (unsigned burst = 0; burst <= round && !EFI_ERROR(send_number(fixture.net, sent));
             burst++)
            sent++;
        fake_device_stall(fixture.device, false);
        fake_device_process(fixture.device);
        while (seen < sent)
            assert_sent_number(fixture.device, seen++);
    }
    end(&fixture);
}

static void transmit_fills_every_slot_and_then_is_not_ready(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;
    unsigned sent = 0;

    find_and_start(&fixture, &device->options);
    fake_device_stall(fixture.device, true);
    while (sent < 1000 && !EFI_ERROR(send_number(fixture.net, sent)))
        sent++;
    assert_int_equal(device->slots, sent);
    assert_status(EFI_NOT_READY, send_number(fixture.net, sent));
    fake_device_stall(fixture.device, false);
    end(&fixture);
}

static void every_device_starts_again_after_stop(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;

    find(&fixture, &device->options);
    for (unsigned round = 0; round < 10; round++) {
        assert_success(net_device_start(fixture.net, false));
        assert_traffic_flows(&fixture);
        net_device_stop(fixture.net);
        assert_int_equal(0, fake_device_status(fixture.device));
        assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture.device)));
    }
    end(&fixture);
}

static void frame_that_waits_at_park_is_not_shown_after_the_next_start(void **state)
{
    static const uint64_t features[] = {FAKE_DEVICE_FEATURES,
                                        FAKE_DEVICE_FEATURES | VIRTIO_F_RING_RESET};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(features); i++) {
        const struct fake_device_options options = {.transport = FAKE_MODERN,
                                                    .features = features[i]};
        struct net_fixture fixture;
        uint8_t frame[FRAME_BYTES];
        const uint8_t *shown;
        size_t bytes;

        find_and_start(&fixture, &options);
        write_number(frame, 7);
        assert_true(fake_device_deliver(fixture.device, frame, sizeof(frame)));
        assert_success(net_device_peek(fixture.net, &shown, &bytes));
        net_device_park(fixture.net);
        assert_success(net_device_start(fixture.net, false));
        assert_false(net_device_has_news(fixture.net));
        assert_status(EFI_NOT_READY, net_device_peek(fixture.net, &shown, &bytes));
        assert_traffic_flows(&fixture);
        end(&fixture);
    }
}

static EFI_PCI_IO_PROTOCOL_ATTRIBUTES attributes_of_firmware;

static EFI_STATUS EFIAPI refuse_to_cut_off(EFI_PCI_IO_PROTOCOL *this,
                                           EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION operation,
                                           UINT64 attributes, UINT64 *ret_attributes)
{
    if (operation == EfiPciIoAttributeOperationDisable)
        return EFI_UNSUPPORTED;
    return attributes_of_firmware(this, operation, attributes, ret_attributes);
}

/* Neither is its reset confirmed nor does the firmware clear bus mastering: the device may go on
 * writing, so its memory is nobody's any more. */
static void memory_of_a_device_out_of_control_is_never_freed(void **state)
{
    static const enum fake_transport transports[] = {FAKE_MODERN, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        const struct fake_device_options options = {.transport = transports[i]};
        struct net_fixture fixture;
        unsigned mappings;

        find_and_start(&fixture, &options);
        mappings = fake_pci_mapping_count(fake_device_pci(fixture.device));
        attributes_of_firmware = pci_io_of(fixture.device)->Attributes;
        pci_io_of(fixture.device)->Attributes = refuse_to_cut_off;
        fake_device_misbehave(fixture.device, FAKE_RESET_NEVER_SETTLES);
        net_device_stop(fixture.net);
        assert_int_equal(mappings, fake_pci_mapping_count(fake_device_pci(fixture.device)));
        assert_status(EFI_TIMEOUT, net_device_start(fixture.net, false));

        fake_device_misbehave(fixture.device, FAKE_BEHAVES);
        pci_io_of(fixture.device)->Attributes = attributes_of_firmware;
        assert_success(net_device_start(fixture.net, false)); /* in memory of its own */
        assert_traffic_flows(&fixture);
        net_device_fini(fixture.net);
        assert_int_equal(mappings, fake_pci_mapping_count(fake_device_pci(fixture.device)));
        fake_firmware_baseline(fixture.fake.firmware); /* what leaks does so on purpose */
        fake_fixture_fini(&fixture.fake);
        free(fixture.net);
    }
}

static void every_device_starts_again_after_park(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;

    find(&fixture, &device->options);
    for (unsigned round = 0; round < 10; round++) {
        assert_success(net_device_start(fixture.net, false));
        assert_traffic_flows(&fixture);
        net_device_park(fixture.net);
        assert_int_equal(0, fake_device_queue_size(fixture.device, RX));
        assert_int_equal(0, fake_device_queue_size(fixture.device, TX));
        assert_int_equal(fixture.net->state == NET_PARKED, fake_device_status(fixture.device) != 0);
        assert_int_equal(fixture.net->state == NET_PARKED,
                         fake_pci_mapping_count(fake_device_pci(fixture.device)) != 0);
    }
    end(&fixture);
}

/* holds: virtio.features.offered, virtio.features.indirect, virtio.split.platform */
static void nothing_is_accepted_but_what_the_driver_understands(void **state)
{
    const uint64_t understood =
        VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ |
        VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR |
        VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_F_EVENT_IDX |
        VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM |
        VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_F_NOTIFICATION_DATA |
        VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_RING_RESET;
    const struct {
        enum fake_transport transport;
        uint64_t accepted;
    } cases[] = {
        {FAKE_MODERN, understood},
        {FAKE_TRANSITIONAL, understood},
        {FAKE_LEGACY, (understood & UINT32_MAX) | VIRTIO_F_ANY_LAYOUT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.transport = cases[i].transport,
                                              .features = UINT64_MAX};
        struct net_fixture fixture;

        find_and_start(&fixture, &options);
        assert_int_equal(cases[i].accepted, fake_device_accepted_features(fixture.device));
        assert_traffic_flows(&fixture);
        end(&fixture);
    }
}

/* holds: virtio.registers.missing */
static void no_feature_is_taken_whose_register_is_missing(void **state)
{
    const uint64_t with_register = VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_RING_RESET;
    const struct {
        uint32_t common_bytes;
        uint64_t accepted; /* of those that a register belongs to */
    } cases[] = {
        {56, 0},
        {57, 0},
        {58, VIRTIO_F_NOTIF_CONFIG_DATA},
        {59, VIRTIO_F_NOTIF_CONFIG_DATA},
        {60, with_register},
        {64, with_register},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct fake_device_options options = {
            .transport = FAKE_MODERN,
            .features = FAKE_DEVICE_FEATURES | with_register,
            .common_bytes = cases[i].common_bytes,
        };
        struct net_fixture fixture;

        find_and_start(&fixture, &options);
        assert_int_equal(cases[i].accepted,
                         fake_device_accepted_features(fixture.device) & with_register);
        assert_traffic_flows(&fixture);
        end(&fixture);
    }
}

static void init_leaves_the_device_halted_and_nothing_mapped(void **state)
{
    struct net_fixture fixture;

    (void)state;
    find(&fixture, NULL);
    assert_int_equal(0, fake_device_status(fixture.device));
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture.device)));
    assert_status(EFI_DEVICE_ERROR, send_number(fixture.net, 0));
    end(&fixture);
}

/* holds: virtio.net.mtu */
static void mtu_bounds_frames_both_ways(void **state)
{
    static uint8_t frame[ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + UINT16_MAX + 1];
    const struct {
        uint16_t offered;
        uint64_t removed_features;
        uint32_t used;
    } cases[] = {
        {68, 0, 68},     {69, 0, 69},     {1280, 0, 1280},
        {1500, 0, 1500}, {9000, 0, 9000}, {65535, 0, 65535},
        {67, 0, 1500},   {1, 0, 1500},    {9000, VIRTIO_NET_F_MTU, 1500},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.mtu = cases[i].offered,
                                              .removed_features = cases[i].removed_features};
        size_t longest = ETHERNET_HEADER_BYTES + cases[i].used;
        const struct fake_frame *sent;
        const uint8_t *received;
        struct net_fixture fixture;
        size_t length;

        memset(frame, (int)i + 1, sizeof(frame));
        find_and_start(&fixture, &options);
        assert_int_equal(cases[i].used, fixture.net->mtu);
        assert_success(net_device_transmit(fixture.net, frame, longest));
        sent = fake_device_take_frame(fixture.device);
        assert_non_null(sent);
        assert_int_equal(longest, sent->length);
        assert_memory_equal(frame, sent->data, longest);

        /* with a VLAN tag, and one byte above that */
        assert_true(fake_device_deliver(fixture.device, frame, longest + ETHERNET_VLAN_BYTES));
        assert_success(net_device_peek(fixture.net, &received, &length));
        assert_int_equal(longest + ETHERNET_VLAN_BYTES, length);
        assert_memory_equal(frame, received, length);
        net_device_take(fixture.net);
        (void)fake_device_deliver(fixture.device, frame, longest + ETHERNET_VLAN_BYTES + 1);
        assert_status(EFI_NOT_READY, net_device_peek(fixture.net, &received, &length));
        end(&fixture);
    }
}

static void frame_without_a_whole_header_breaks_the_ring(void **state)
{
    const uint8_t frame[ETHERNET_FRAME_MIN_BYTES] = {0};
    struct net_fixture fixture;
    const uint8_t *received;
    size_t length;

    (void)state;
    find_and_start(&fixture, NULL);
    fake_device_misbehave(fixture.device, FAKE_USED_LENGTH_BELOW_HEADER);
    (void)fake_device_deliver(fixture.device, frame, sizeof(frame));
    (void)fake_device_deliver(fixture.device, frame, sizeof(frame));
    assert_status(EFI_DEVICE_ERROR, net_device_peek(fixture.net, &received, &length));
    assert_int_equal(NET_DOWN, fixture.net->state);
    assert_false(fixture.net->is_link_up);
    assert_int_equal(1, fixture.net->counters.ring_errors);
    assert_true(fixture.net->rx.queue.ring.is_broken);
    assert_int_equal(0, fixture.net->rx.queue.ring.in_flight_count); /* nothing more is taken */
    fake_device_misbehave(fixture.device, FAKE_BEHAVES);
    end(&fixture);
}

static void mtu_that_is_of_no_use_is_not_accepted(void **state)
{
    const struct {
        uint16_t mtu;
        uint64_t accepted;
    } cases[] = {{67, 0}, {68, VIRTIO_NET_F_MTU}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.mtu = cases[i].mtu};
        struct net_fixture fixture;

        find_and_start(&fixture, &options);
        assert_int_equal(cases[i].accepted,
                         fake_device_accepted_features(fixture.device) & VIRTIO_NET_F_MTU);
        end(&fixture);
    }
}

static void device_is_negotiated_with_twice_only_for_an_mtu_that_is_of_no_use(void **state)
{
    const struct {
        uint16_t mtu;
        uint64_t removed_features;
        unsigned resets; /* one for each negotiation, and one for the halt */
    } cases[] = {{1500, 0, 2}, {1500, VIRTIO_NET_F_MTU, 2}, {67, VIRTIO_NET_F_MTU, 2}, {67, 0, 3}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.mtu = cases[i].mtu,
                                              .removed_features = cases[i].removed_features};
        struct net_fixture fixture;

        find(&fixture, &options);
        assert_int_equal(cases[i].resets, fake_device_reset_count(fixture.device));
        end(&fixture);
    }
}

static void mtu_is_read_again_at_each_start(void **state)
{
    struct net_fixture fixture;

    (void)state;
    find(&fixture, NULL);
    fake_device_set_mtu(fixture.device, 9000);
    assert_success(net_device_start(fixture.net, false));
    assert_int_equal(9000, fixture.net->mtu);
    net_device_stop(fixture.net);
    fake_device_set_mtu(fixture.device, 1400);
    assert_success(net_device_start(fixture.net, false));
    assert_int_equal(1400, fixture.net->mtu);
    end(&fixture);
}

static void jumbo_buffers_cost_a_direction_4_mib_at_most(void **state)
{
    struct fake_device_options options = {.mtu = 65535};
    struct net_fixture fixture;

    (void)state;
    find_and_start(&fixture, &options);
    assert_true(fixture.net->rx.pool.pages * EFI_PAGE_SIZE <= 4u << 20);
    assert_true(fixture.net->tx.pool.pages * EFI_PAGE_SIZE <= 4u << 20);
    assert_true(fake_device_pending_count(fixture.device, RX) >= 16);
    for (uint32_t number = 0; number < 1000; number++) {
        assert_success(send_number(fixture.net, number));
        assert_sent_number(fixture.device, number);
        assert_true(deliver_number(fixture.device, number));
        assert_receives_number(fixture.net, number);
    }
    end(&fixture);
}

static void receive_buffers_start_in_cache_lines_of_their_own(void **state)
{
    struct net_fixture fixture;

    (void)state;
    find_and_start(&fixture, NULL);
    assert_int_equal(0, fixture.net->rx.stride_bytes % 64);
    assert_true(fixture.net->rx.stride_bytes >= VIRTIO_NET_RX_BUFFER_MIN);
    end(&fixture);
}

static void mac_is_the_devices(void **state)
{
    const enum fake_transport transports[] = {FAKE_MODERN, FAKE_TRANSITIONAL, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i]};
        struct net_fixture fixture;

        find(&fixture, &options);
        assert_memory_equal(fake_device_mac(fixture.device), fixture.net->permanent_mac, MAC_BYTES);
        assert_memory_equal(fake_device_mac(fixture.device), fixture.net->station_mac, MAC_BYTES);
        end(&fixture);
    }
}

static void mac_that_changes_while_it_is_read_is_read_again(void **state)
{
    const enum fake_transport transports[] = {FAKE_MODERN, FAKE_LEGACY};
    const uint8_t new_mac[MAC_BYTES] = {0x02, 0xff, 0xee, 0xdd, 0xcc, 0xbb};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(transports); i++) {
        struct fake_device_options options = {.transport = transports[i]};
        struct fake_fixture fake;
        struct net_device net;

        fake_fixture_init(&fake, 1, &options);
        fake_device_change_mac_while_read(fake.device, new_mac);
        assert_success(net_device_init(&net, pci_io_of(fake.device)));
        assert_memory_equal(new_mac, net.permanent_mac, MAC_BYTES);
        net_device_fini(&net);
        fake_fixture_fini(&fake);
    }
}

/* holds: virtio.config.optional, virtio.net.mac */
static void device_without_mac_gets_a_local_one_that_lasts(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_MAC};
    struct net_fixture fixture;
    uint8_t mac[MAC_BYTES];

    (void)state;
    find(&fixture, &options);
    memcpy(mac, fixture.net->permanent_mac, MAC_BYTES);
    assert_int_equal(MAC_LOCAL_BIT, mac[0] & (MAC_LOCAL_BIT | MAC_GROUP_BIT));
    assert_memory_equal(mac, fixture.net->station_mac, MAC_BYTES);
    for (unsigned i = 0; i < 5; i++) {
        net_device_fini(fixture.net);
        assert_success(net_device_init(fixture.net, pci_io_of(fixture.device)));
        assert_memory_equal(mac, fixture.net->permanent_mac, MAC_BYTES);
    }
    end(&fixture);
}

static void devices_without_mac_get_different_ones(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_MAC};
    struct net_device nets[8];
    struct fake_fixture fake;

    (void)state;
    fake_fixture_init(&fake, ARRAY_LENGTH(nets), &options);
    for (size_t i = 0; i < ARRAY_LENGTH(nets); i++) {
        assert_success(net_device_init(&nets[i], pci_io_of(fake.devices[i])));
        for (size_t other = 0; other < i; other++)
            assert_memory_not_equal(nets[i].permanent_mac, nets[other].permanent_mac, MAC_BYTES);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(nets); i++)
        net_device_fini(&nets[i]);
    fake_fixture_fini(&fake);
}

static void mac_that_no_station_can_have_is_replaced(void **state)
{
    const uint8_t macs[][MAC_BYTES] = {{0x01, 0x00, 0x5e, 0, 0, 1},
                                       {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(macs); i++) {
        struct fake_device_options options = {0};
        struct net_fixture fixture;

        memcpy(options.mac, macs[i], MAC_BYTES);
        options.pci.device_number = 5;
        find(&fixture, &options);
        assert_memory_not_equal(macs[i], fixture.net->permanent_mac, MAC_BYTES);
        assert_int_equal(MAC_LOCAL_BIT,
                         fixture.net->permanent_mac[0] & (MAC_LOCAL_BIT | MAC_GROUP_BIT));
        end(&fixture);
    }
}

/* holds: virtio.config.optional, virtio.net.link */
static void link_is_up_on_a_device_that_does_not_tell(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_STATUS,
                                          .is_link_down = true};
    struct net_fixture fixture;

    (void)state;
    find_and_start(&fixture, &options);
    net_device_tend(fixture.net);
    assert_false(fixture.net->has_link_status);
    assert_true(fixture.net->is_link_up);
    end(&fixture);
}

static void link_is_what_the_device_tells(void **state)
{
    struct net_fixture fixture;

    (void)state;
    find_and_start(&fixture, NULL);
    assert_true(fixture.net->is_link_up);
    fake_device_set_link(fixture.device, false);
    net_device_tend(fixture.net);
    assert_false(fixture.net->is_link_up);
    fake_device_set_link(fixture.device, true);
    net_device_tend(fixture.net);
    assert_true(fixture.net->is_link_up);
    end(&fixture);
}

static void tending_costs_few_accesses(void **state)
{
    const struct device *device = *state;
    struct net_fixture fixture;

    find_and_start(&fixture, &device->options);
    fake_device_clear_access_counts(fixture.device);
    net_device_tend(fixture.net);
    assert_true(fake_pci_access_count(fake_device_pci(fixture.device)) <= 6);
    end(&fixture);
}

/* holds: virtio.needs_reset.rings */
static void tending_finds_a_device_that_needs_a_reset_or_is_gone(void **state)
{
    const enum fake_device_misbehaviour faults[] = {FAKE_ALL_ONES, FAKE_GENERATION_NEVER_SETTLES};
    struct net_fixture fixture;

    (void)state;
    find_and_start(&fixture, NULL);
    fake_device_need_reset(fixture.device);
    net_device_tend(fixture.net);
    assert_true(net_device_is_down(fixture.net));
    end(&fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        find_and_start(&fixture, NULL);
        fake_device_misbehave(fixture.device, faults[i]);
        net_device_tend(fixture.net);
        assert_true(net_device_is_down(fixture.net));
        fake_device_misbehave(fixture.device, FAKE_BEHAVES);
        net_device_stop(fixture.net);
        end(&fixture);
    }
}

static void peek_shows_the_same_frame_until_it_is_taken(void **state)
{
    struct net_fixture fixture;
    const uint8_t *first;
    const uint8_t *second;
    size_t length;

    (void)state;
    find_and_start(&fixture, NULL);
    assert_false(net_device_has_news(fixture.net));
    assert_true(deliver_number(fixture.device, 1));
    assert_true(deliver_number(fixture.device, 2));
    assert_true(net_device_has_news(fixture.net));
    assert_success(net_device_peek(fixture.net, &first, &length));
    assert_success(net_device_peek(fixture.net, &second, &length));
    assert_ptr_equal(first, second);
    assert_true(net_device_has_news(fixture.net));
    assert_receives_number(fixture.net, 1);
    assert_receives_number(fixture.net, 2);
    assert_false(net_device_has_news(fixture.net));
    end(&fixture);
}

static void quiesce_stops_the_device_and_frees_nothing(void **state)
{
    struct net_fixture fixture;
    unsigned mappings;

    (void)state;
    find_and_start(&fixture, NULL);
    mappings = fake_pci_mapping_count(fake_device_pci(fixture.device));
    net_device_quiesce(fixture.net);
    assert_int_equal(0, fake_device_status(fixture.device));
    assert_int_equal(mappings, fake_pci_mapping_count(fake_device_pci(fixture.device)));
    assert_status(EFI_DEVICE_ERROR, send_number(fixture.net, 0));
    net_device_stop(fixture.net);
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture.device)));
    end(&fixture);
}

static void fini_accepts_a_zeroed_device(void **state)
{
    struct net_device net = {0};

    (void)state;
    net_device_fini(&net);
    assert_int_equal(net.state, NET_STOPPED);
}

static const struct {
    enum fake_device_misbehaviour which;
    enum fake_transport transport;
    EFI_STATUS status;
    const CHAR16 *cause;
} set_up_faults[] = {
    {FAKE_RESET_NEVER_SETTLES, FAKE_MODERN, EFI_TIMEOUT, L"the device does not confirm its reset"},
    {FAKE_RESET_NEVER_SETTLES, FAKE_LEGACY, EFI_TIMEOUT, L"the device does not confirm its reset"},
    {FAKE_FEATURES_OK_DROPPED, FAKE_MODERN, EFI_UNSUPPORTED,
     L"the device refuses the features it offered"},
    {FAKE_GENERATION_NEVER_SETTLES, FAKE_MODERN, EFI_TIMEOUT,
     L"device configuration is missing or never settles"},
    {FAKE_QUEUE_SIZE_ZERO, FAKE_MODERN, EFI_UNSUPPORTED,
     L"a queue is missing or has an impossible size"},
    {FAKE_QUEUE_SIZE_ZERO, FAKE_LEGACY, EFI_UNSUPPORTED,
     L"a queue is missing or has an impossible size"},
    {FAKE_QUEUE_SIZE_NOT_POWER_OF_TWO, FAKE_LEGACY, EFI_UNSUPPORTED,
     L"a queue is missing or has an impossible size"},
    {FAKE_ALL_ONES, FAKE_MODERN, EFI_TIMEOUT, L"the device does not confirm its reset"},
    {FAKE_ALL_ONES, FAKE_LEGACY, EFI_TIMEOUT, L"the device does not confirm its reset"},
};

static void assert_cause(const CHAR16 *expected, const CHAR16 *actual)
{
    for (size_t i = 0;; i++) {
        assert_int_equal(expected[i], actual[i]);
        if (expected[i] == 0)
            return;
    }
}

static void failed_start_says_why_and_frees_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(set_up_faults); i++) {
        struct fake_device_options options = {.transport = set_up_faults[i].transport};
        struct net_fixture fixture;

        find(&fixture, &options);
        fake_device_misbehave(fixture.device, set_up_faults[i].which);
        assert_status(set_up_faults[i].status, net_device_start(fixture.net, false));
        assert_cause(set_up_faults[i].cause, net_device_cause(fixture.net));
        assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture.device)));
        assert_status(EFI_DEVICE_ERROR, send_number(fixture.net, 0));

        fake_device_misbehave(fixture.device, FAKE_BEHAVES);
        assert_success(net_device_start(fixture.net, false));
        assert_traffic_flows(&fixture);
        end(&fixture);
    }
}

/* Watches for the status bit by which a driver gives up on a device (VIRTIO 1.2, 2.1). */
static EFI_PCI_IO_PROTOCOL_IO_MEM real_write;
static bool was_marked_failed;

static EFI_STATUS EFIAPI watch_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT8 bar, UINT64 offset, UINTN count, VOID *buffer)
{
    if (offset == offsetof(struct virtio_pci_common_cfg, device_status) &&
        (*(const uint8_t *)buffer & VIRTIO_STATUS_FAILED))
        was_marked_failed = true;
    return real_write(this, width, bar, offset, count, buffer);
}

static void watch_status(struct fake_device *device)
{
    real_write = pci_io_of(device)->Mem.Write;
    pci_io_of(device)->Mem.Write = watch_write;
    was_marked_failed = false;
}

static void device_that_cannot_be_started_is_marked_failed(void **state)
{
    struct net_fixture fixture;

    (void)state;
    find(&fixture, NULL);
    watch_status(fixture.device);
    fake_device_misbehave(fixture.device, FAKE_QUEUE_SIZE_ZERO);
    assert_status(EFI_UNSUPPORTED, net_device_start(fixture.net, false));
    assert_true(was_marked_failed);
    fake_device_misbehave(fixture.device, FAKE_BEHAVES);
    end(&fixture);
}

static EFI_STATUS EFIAPI know_no_location(EFI_PCI_IO_PROTOCOL *this, UINTN *ret_segment,
                                          UINTN *ret_bus, UINTN *ret_device, UINTN *ret_function)
{
    (void)this;
    (void)ret_segment;
    (void)ret_bus;
    (void)ret_device;
    (void)ret_function;
    return EFI_DEVICE_ERROR;
}

static void device_that_cannot_be_identified_is_marked_failed(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_MAC};
    struct fake_fixture fake;
    struct net_device net;

    (void)state;
    fake_fixture_init(&fake, 1, &options);
    watch_status(fake.device);
    pci_io_of(fake.device)->GetLocation = know_no_location;
    assert_true(EFI_ERROR(net_device_init(&net, pci_io_of(fake.device))));
    assert_true(was_marked_failed);
    fake_fixture_fini(&fake);
}

static void device_that_works_is_not_marked_failed(void **state)
{
    struct fake_fixture fake;
    struct net_device net;

    (void)state;
    fake_fixture_init(&fake, 1, NULL);
    watch_status(fake.device);
    assert_success(net_device_init(&net, pci_io_of(fake.device)));
    assert_success(net_device_start(&net, false));
    net_device_fini(&net);
    assert_false(was_marked_failed);
    fake_fixture_fini(&fake);
}

/* holds: virtio.registers.queue_size */
static void modern_queue_whose_size_is_no_power_of_two_is_shrunk(void **state)
{
    struct fake_device_options options = {.transport = FAKE_MODERN};
    struct net_fixture fixture;

    (void)state;
    find(&fixture, &options);
    fake_device_misbehave(fixture.device, FAKE_QUEUE_SIZE_NOT_POWER_OF_TWO);
    assert_success(net_device_start(fixture.net, false));
    assert_int_equal(64, fake_device_queue_size(fixture.device, RX));
    assert_traffic_flows(&fixture);
    end(&fixture);
}

/* A command takes three descriptors: without them the device is as one without CTRL_VQ. */
/* holds: virtio.control.no_room */
static void control_queue_without_room_for_a_command_is_left_alone(void **state)
{
    const struct fake_device_options cases[] = {
        {.transport = FAKE_MODERN, .no_control_queue = true},
        {.transport = FAKE_MODERN, .queue_size = {0, 0, 1}},
        {.transport = FAKE_MODERN, .queue_size = {0, 0, 2}},
        {.transport = FAKE_MODERN, .queue_size = {0, 0, 3}}, /* a size is a power of two */
        {.transport = FAKE_MODERN, .queue_size = {0, 0, 2}, .mtu = 20},
        {.transport = FAKE_TRANSITIONAL, .queue_size = {0, 0, 2}},
        {.transport = FAKE_LEGACY, .queue_size = {0, 0, 2}},
        {.transport = FAKE_LEGACY, .no_control_queue = true},
    };
    const uint64_t control = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
                             VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR |
                             VIRTIO_NET_F_GUEST_ANNOUNCE;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct net_fixture fixture;

        find_and_start(&fixture, &cases[i]);
        assert_int_equal(0, fake_device_accepted_features(fixture.device) & control);
        assert_true(fake_device_accepted_features(fixture.device) & VIRTIO_NET_F_STATUS);
        assert_int_equal(1500, fixture.net->mtu);
        assert_int_equal(0, fake_device_queue_size(fixture.device, VIRTIO_NET_QUEUE_CTRL));
        assert_traffic_flows(&fixture);
        assert_int_equal(0, fake_device_command_count(fixture.device));
        end(&fixture);
    }
}

static void failed_init_says_why_and_restores_the_function(void **state)
{
    const struct {
        enum fake_device_misbehaviour which;
        enum fake_transport transport;
        EFI_STATUS status;
        const CHAR16 *cause;
    } cases[] = {
        {FAKE_RESET_NEVER_SETTLES, FAKE_MODERN, EFI_TIMEOUT,
         L"the device does not confirm its reset"},
        {FAKE_FEATURES_OK_DROPPED, FAKE_MODERN, EFI_UNSUPPORTED,
         L"the device refuses the features it offered"},
        {FAKE_GENERATION_NEVER_SETTLES, FAKE_MODERN, EFI_TIMEOUT,
         L"device configuration is missing or never settles"},
        {FAKE_GENERATION_NEVER_SETTLES, FAKE_LEGACY, EFI_TIMEOUT,
         L"device configuration is missing or never settles"},
        {FAKE_CAPABILITY_OUTSIDE_BAR, FAKE_MODERN, EFI_UNSUPPORTED,
         L"no usable virtio registers: capabilities or BARs malformed"},
        {FAKE_CAPABILITY_LIST_LOOPS, FAKE_MODERN, EFI_UNSUPPORTED,
         L"no usable virtio registers: capabilities or BARs malformed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.transport = cases[i].transport};
        struct fake_fixture fake;
        struct net_device net;

        fake_fixture_init(&fake, 1, &options);
        fake_device_misbehave(fake.device, cases[i].which);
        assert_status(cases[i].status, net_device_init(&net, pci_io_of(fake.device)));
        assert_cause(cases[i].cause, net_device_cause(&net));
        fake_firmware_assert_nothing_leaked(fake.firmware);
        net_device_fini(&net);
        fake_firmware_assert_nothing_leaked(fake.firmware);
        fake_fixture_fini(&fake);
    }
}

static void init_without_any_address_says_why(void **state)
{
    struct fake_device_options options = {.removed_features = VIRTIO_NET_F_MAC};
    struct fake_fixture fake;
    struct net_device net;

    (void)state;
    fake_fixture_init(&fake, 1, &options);
    pci_io_of(fake.device)->GetLocation = know_no_location;
    assert_status(EFI_DEVICE_ERROR, net_device_init(&net, pci_io_of(fake.device)));
    assert_int_not_equal('n', net_device_cause(&net)[0]); /* not "no cause is known" */
    fake_firmware_assert_nothing_leaked(fake.firmware);
    fake_fixture_fini(&fake);
}

static void start_without_memory_says_why(void **state)
{
    const struct {
        unsigned nth;
        const CHAR16 *cause;
    } cases[] = {
        {1, L"no memory for a queue"},       {2, L"no memory for a queue"},
        {3, L"no memory for frame buffers"}, {4, L"no memory for frame buffers"},
        {5, L"no memory for a queue"},       {7, L"no memory for frame buffers"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct net_fixture fixture;

        find(&fixture, NULL);
        fake_firmware_count_only(fixture.fake.firmware, FAKE_CALL_DMA);
        fake_firmware_fail_nth(fixture.fake.firmware, cases[i].nth);
        assert_status(EFI_OUT_OF_RESOURCES, net_device_start(fixture.net, false));
        assert_cause(cases[i].cause, net_device_cause(fixture.net));
        assert_int_equal(0, fake_device_status(fixture.device));
        end(&fixture);
    }
}

static void mapping_in_pieces_is_refused(void **state)
{
    struct fake_device_options options = {.pci.map_limit_bytes = EFI_PAGE_SIZE};
    struct net_fixture fixture;

    (void)state;
    find(&fixture, &options);
    assert_status(EFI_OUT_OF_RESOURCES, net_device_start(fixture.net, false));
    end(&fixture);
}

/* Tests of every device, and tests of a certain one. */
static const struct CMUnitTest device_tests[] = {
    cmocka_unit_test(every_device_is_set_up_with_the_right_queues),
    cmocka_unit_test(every_device_sends_70000_frames_in_order),
    cmocka_unit_test(every_device_receives_70000_frames_in_order),
    cmocka_unit_test(every_device_sends_bursts_whole),
    cmocka_unit_test(frame_without_a_whole_header_breaks_the_ring),
    cmocka_unit_test(transmit_fills_every_slot_and_then_is_not_ready),
    cmocka_unit_test(every_device_starts_again_after_stop),
    cmocka_unit_test(every_device_starts_again_after_park),
    cmocka_unit_test(frame_that_waits_at_park_is_not_shown_after_the_next_start),
    cmocka_unit_test(memory_of_a_device_out_of_control_is_never_freed),
    cmocka_unit_test(tending_costs_few_accesses),
};

static const struct CMUnitTest other_tests[] = {
    cmocka_unit_test(nothing_is_accepted_but_what_the_driver_understands),
    cmocka_unit_test(no_feature_is_taken_whose_register_is_missing),
    cmocka_unit_test(init_leaves_the_device_halted_and_nothing_mapped),
    cmocka_unit_test(mtu_bounds_frames_both_ways),
    cmocka_unit_test(mtu_that_is_of_no_use_is_not_accepted),
    cmocka_unit_test(device_is_negotiated_with_twice_only_for_an_mtu_that_is_of_no_use),
    cmocka_unit_test(mtu_is_read_again_at_each_start),
    cmocka_unit_test(jumbo_buffers_cost_a_direction_4_mib_at_most),
    cmocka_unit_test(receive_buffers_start_in_cache_lines_of_their_own),
    cmocka_unit_test(mac_is_the_devices),
    cmocka_unit_test(mac_that_changes_while_it_is_read_is_read_again),
    cmocka_unit_test(device_without_mac_gets_a_local_one_that_lasts),
    cmocka_unit_test(devices_without_mac_get_different_ones),
    cmocka_unit_test(mac_that_no_station_can_have_is_replaced),
    cmocka_unit_test(link_is_up_on_a_device_that_does_not_tell),
    cmocka_unit_test(link_is_what_the_device_tells),
    cmocka_unit_test(tending_finds_a_device_that_needs_a_reset_or_is_gone),
    cmocka_unit_test(peek_shows_the_same_frame_until_it_is_taken),
    cmocka_unit_test(quiesce_stops_the_device_and_frees_nothing),
    cmocka_unit_test(fini_accepts_a_zeroed_device),
    cmocka_unit_test(failed_start_says_why_and_frees_everything),
    cmocka_unit_test(device_that_cannot_be_started_is_marked_failed),
    cmocka_unit_test(device_that_cannot_be_identified_is_marked_failed),
    cmocka_unit_test(device_that_works_is_not_marked_failed),
    cmocka_unit_test(modern_queue_whose_size_is_no_power_of_two_is_shrunk),
    cmocka_unit_test(control_queue_without_room_for_a_command_is_left_alone),
    cmocka_unit_test(failed_init_says_why_and_restores_the_function),
    cmocka_unit_test(init_without_any_address_says_why),
    cmocka_unit_test(start_without_memory_says_why),
    cmocka_unit_test(mapping_in_pieces_is_refused),
};

int main(void)
{
    static char names[ARRAY_LENGTH(device_tests)][ARRAY_LENGTH(devices)][128];
    struct CMUnitTest
        tests[ARRAY_LENGTH(device_tests) * ARRAY_LENGTH(devices) + ARRAY_LENGTH(other_tests)];
    struct CMUnitTest *next = tests;

    for (size_t test = 0; test < ARRAY_LENGTH(device_tests); test++) {
        for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
            *next = device_tests[test];
            snprintf(names[test][i], sizeof(names[test][i]), "%s: %s", next->name, devices[i].name);
            next->name = names[test][i];
            next->initial_state = (void *)(uintptr_t)&devices[i];
            next++;
        }
    }
    memcpy(next, other_tests, sizeof(other_tests));
    return cmocka_run_group_tests_name("net_device", tests, NULL, NULL);
}
