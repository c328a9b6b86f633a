/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The control queue: the bytes and descriptors of each command, how long it waits, what it makes of
 * every answer, and that a filter is never narrower at the device than it should be.
 */
#include "assert_status.h"
#include "fixture.h"
#include "net/net_control.h"

#define CTRL VIRTIO_NET_QUEUE_CTRL
#define TIMEOUT_US 200000u
#define SETTINGS 32u

#define WANTED                                                                                     \
    (VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |        \
     VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE |       \
     VIRTIO_F_ANY_LAYOUT | VIRTIO_F_EVENT_IDX)

static const uint8_t other_mac[MAC_BYTES] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
static const uint8_t broadcast_mac[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t first_group[MAC_BYTES] = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03};
static const uint8_t second_group[MAC_BYTES] = {0x33, 0x33, 0x00, 0x01, 0x02, 0x03};
static const uint8_t third_group[MAC_BYTES] = {0x01, 0x00, 0x5e, 0x09, 0x09, 0x09};

struct bench {
    struct fake_fixture fake;
    struct fake_device *device;
    struct virtio_device virtio;
    struct net_control control;
};

static EFI_STATUS bring_up(struct bench *bench)
{
    EFI_STATUS status;

    assert_success(virtio_device_negotiate(&bench->virtio, WANTED, NULL, 0));
    status = net_control_init(&bench->control, &bench->virtio);
    if (!EFI_ERROR(status))
        assert_success(virtio_device_ready(&bench->virtio));
    return status;
}

static void take_down(struct bench *bench)
{
    virtio_device_halt(&bench->virtio);
    net_control_fini(&bench->control);
}

static void open_halted(struct bench *bench, const struct fake_device_options *options)
{
    memset(bench, 0, sizeof(*bench));
    fake_fixture_init(&bench->fake, 1, options);
    bench->device = bench->fake.device;
    assert_success(virtio_device_init(&bench->virtio, &fake_device_pci(bench->device)->protocol));
}

static void open_bench(struct bench *bench, const struct fake_device_options *options)
{
    open_halted(bench, options);
    assert_success(bring_up(bench));
}

static void close_bench(struct bench *bench)
{
    take_down(bench);
    virtio_device_fini(&bench->virtio);
    fake_firmware_assert_nothing_leaked(bench->fake.firmware);
    fake_fixture_fini(&bench->fake);
}

static EFI_STATUS set_filter(struct bench *bench, const struct net_filter *filter)
{
    return net_control_set_filter(&bench->control, &bench->virtio, filter, true);
}

/* The bits of `setting` in the order of the struct, two groups on the list. */
static struct net_filter filter_of(unsigned setting)
{
    struct net_filter filter = {
        .unicast = setting & 1,
        .broadcast = setting & 2,
        .multicast = setting & 4,
        .all_multicast = setting & 8,
        .promiscuous = setting & 16,
        .multicast_count = 2,
    };

    memcpy(filter.multicast_list[0], first_group, MAC_BYTES);
    memcpy(filter.multicast_list[1], second_group, MAC_BYTES);
    return filter;
}

/* Command number `index`, in descriptors of its own: class and command, data, answer. */
static void assert_command(const struct bench *bench, unsigned index, uint8_t class, uint8_t code,
                           const void *data, size_t length)
{
    const struct fake_control_command *command = fake_device_command(bench->device, index);
    size_t last = length > 0 ? 2 : 1;

    assert_non_null(command);
    assert_int_equal(class, command->class);
    assert_int_equal(code, command->command);
    assert_int_equal(length, command->length);
    assert_memory_equal(data, command->data, length);
    assert_int_equal(last + 1, command->descriptor_count);
    assert_int_equal(2, command->descriptor_bytes[0]);
    if (length > 0)
        assert_int_equal(length, command->descriptor_bytes[1]);
    assert_int_equal(1, command->descriptor_bytes[last]);
}

static void assert_mode_command(const struct bench *bench, unsigned index, uint8_t mode,
                                uint8_t is_on)
{
    assert_command(bench, index, VIRTIO_NET_CTRL_RX, mode, &is_on, 1);
}

static const struct {
    const char *name;
    struct fake_device_options options;
} devices[] = {
    {"transitional", {.transport = FAKE_TRANSITIONAL}},
    {"modern", {.transport = FAKE_MODERN}},
    {"modern without EVENT_IDX",
     {.transport = FAKE_MODERN, .removed_features = VIRTIO_F_EVENT_IDX}},
    {"modern with a control queue of 4 entries",
     {.transport = FAKE_MODERN, .queue_size = {0, 0, 4}}},
    {"legacy without ANY_LAYOUT", {.transport = FAKE_LEGACY}},
    {"legacy with ANY_LAYOUT",
     {.transport = FAKE_LEGACY, .features = FAKE_DEVICE_FEATURES | VIRTIO_F_ANY_LAYOUT}},
    {"legacy with a control queue of 64 entries",
     {.transport = FAKE_LEGACY, .queue_size = {0, 0, 64}}},
};

static void set_mac_sends_the_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        struct bench bench;

        open_bench(&bench, &devices[i].options);
        assert_success(net_control_set_mac(&bench.control, other_mac));
        assert_int_equal(1, fake_device_command_count(bench.device));
        assert_command(&bench, 0, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other_mac,
                       MAC_BYTES);
        assert_memory_equal(other_mac, fake_device_mac(bench.device), MAC_BYTES);
        close_bench(&bench);
    }
}

static void acknowledgement_of_an_announcement_has_no_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        struct bench bench;

        open_bench(&bench, &devices[i].options);
        assert_success(net_control_acknowledge_announce(&bench.control));
        assert_int_equal(1, fake_device_command_count(bench.device));
        assert_command(&bench, 0, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0);
        close_bench(&bench);
    }
}

static void filter_is_opened_first_and_narrowed_last(void **state)
{
    static const uint8_t table[] = {0,    0, 0, 0, 2,    0,    0, 0, 0x01, 0x00,
                                    0x5e, 1, 2, 3, 0x33, 0x33, 0, 1, 2,    3};
    const struct net_filter filter = filter_of(1 | 2 | 4);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        struct bench bench;

        open_bench(&bench, &devices[i].options);
        assert_success(set_filter(&bench, &filter));
        assert_int_equal(7, fake_device_command_count(bench.device));
        assert_mode_command(&bench, 0, VIRTIO_NET_CTRL_RX_PROMISC, 1);
        assert_command(&bench, 1, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
                       sizeof(table));
        assert_mode_command(&bench, 2, VIRTIO_NET_CTRL_RX_ALLMULTI, 0);
        assert_mode_command(&bench, 3, VIRTIO_NET_CTRL_RX_NOMULTI, 0);
        assert_mode_command(&bench, 4, VIRTIO_NET_CTRL_RX_NOUNI, 0);
        assert_mode_command(&bench, 5, VIRTIO_NET_CTRL_RX_NOBCAST, 0);
        assert_mode_command(&bench, 6, VIRTIO_NET_CTRL_RX_PROMISC, 0);
        close_bench(&bench);
    }
}

/* holds: virtio.control.tables */
static void device_knows_the_whole_setting(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    for (unsigned setting = 0; setting < SETTINGS; setting++) {
        struct net_filter filter = filter_of(setting);
        const struct fake_device_filter *told = fake_device_filter(bench.device);

        assert_success(set_filter(&bench, &filter));
        assert_int_equal(filter.promiscuous, told->promiscuous);
        if (filter.promiscuous)
            continue; /* the rest is without effect */
        assert_int_equal(filter.all_multicast, told->all_multicast);
        assert_int_equal(!filter.multicast && !filter.all_multicast, told->no_multicast);
        assert_int_equal(!filter.unicast, told->no_unicast);
        assert_int_equal(!filter.broadcast, told->no_broadcast);
        assert_false(told->all_unicast);
        assert_int_equal(0, told->unicast_count);
        assert_int_equal(filter.multicast ? 2 : 0, told->multicast_count);
    }
    close_bench(&bench);
}

/* holds: virtio.control.tables */
static void list_of_the_largest_size_reaches_the_device(void **state)
{
    struct net_filter filter = {.multicast = true, .multicast_count = NET_FILTER_MULTICAST_MAX};
    const struct fake_device_filter *told;
    struct bench bench;

    (void)state;
    for (uint8_t i = 0; i < NET_FILTER_MULTICAST_MAX; i++) {
        memcpy(filter.multicast_list[i], first_group, MAC_BYTES);
        filter.multicast_list[i][5] = i;
    }
    open_bench(&bench, NULL);
    assert_success(set_filter(&bench, &filter));
    told = fake_device_filter(bench.device);
    assert_false(told->all_multicast);
    assert_int_equal(NET_FILTER_MULTICAST_MAX, told->multicast_count);
    assert_memory_equal(filter.multicast_list, told->multicast,
                        NET_FILTER_MULTICAST_MAX * MAC_BYTES);
    close_bench(&bench);
}

/* holds: snp.filters.no_loss */
static void table_that_is_too_small_costs_all_multicast(void **state)
{
    const struct fake_device_options options = {.mac_table_max = 1};
    struct net_filter filter = filter_of(4);
    struct bench bench;

    (void)state;
    open_bench(&bench, &options);
    assert_success(set_filter(&bench, &filter));
    assert_true(fake_device_filter(bench.device)->all_multicast);
    assert_true(fake_device_lets_pass(bench.device, second_group));
    assert_false(fake_device_lets_pass(bench.device, broadcast_mac));
    filter.multicast_count = 1;
    assert_success(set_filter(&bench, &filter));
    assert_false(fake_device_filter(bench.device)->all_multicast);
    assert_true(fake_device_lets_pass(bench.device, first_group));
    assert_false(fake_device_lets_pass(bench.device, second_group));
    close_bench(&bench);
}

/* holds: snp.address.device */
static void foreign_address_makes_the_device_promiscuous(void **state)
{
    struct net_filter unicast = filter_of(1 | 2);
    struct net_filter broadcast = filter_of(2);
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    assert_success(net_control_set_filter(&bench.control, &bench.virtio, &unicast, false));
    assert_true(fake_device_filter(bench.device)->promiscuous);
    assert_int_equal(1, fake_device_command_count(bench.device));
    assert_success(net_control_set_filter(&bench.control, &bench.virtio, &broadcast, false));
    assert_false(fake_device_filter(bench.device)->promiscuous);
    close_bench(&bench);
}

/* holds: virtio.control.classes */
static void extra_modes_are_left_out_without_their_feature(void **state)
{
    const struct fake_device_options options = {.removed_features = VIRTIO_NET_F_CTRL_RX_EXTRA};
    struct net_filter filter = filter_of(0);
    struct bench bench;

    (void)state;
    open_bench(&bench, &options);
    assert_success(set_filter(&bench, &filter));
    assert_int_equal(4, fake_device_command_count(bench.device));
    assert_mode_command(&bench, 0, VIRTIO_NET_CTRL_RX_PROMISC, 1);
    assert_mode_command(&bench, 2, VIRTIO_NET_CTRL_RX_ALLMULTI, 0);
    assert_mode_command(&bench, 3, VIRTIO_NET_CTRL_RX_PROMISC, 0);
    close_bench(&bench);
}

/* holds: virtio.control.classes */
static void filter_costs_no_command_without_its_feature(void **state)
{
    const struct fake_device_options options[] = {
        {.removed_features = VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA},
        {.features = VIRTIO_NET_F_MAC},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        struct net_filter filter = filter_of(0);
        struct bench bench;

        open_bench(&bench, &options[i]);
        assert_success(set_filter(&bench, &filter));
        assert_int_equal(0, fake_device_command_count(bench.device));
        assert_int_equal(0, bench.control.commands);
        close_bench(&bench);
    }
}

static void no_queue_is_set_up_without_its_feature(void **state)
{
    const struct fake_device_options options = {.features = VIRTIO_NET_F_MAC};
    struct bench bench;

    (void)state;
    open_bench(&bench, &options);
    assert_int_equal(0, fake_device_queue_size(bench.device, CTRL));
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(bench.device)));
    fake_device_clear_access_counts(bench.device);
    assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
    assert_status(EFI_DEVICE_ERROR, net_control_acknowledge_announce(&bench.control));
    assert_int_equal(0, fake_device_access_count(bench.device));
    close_bench(&bench);
}

static void command_costs_one_access_and_no_waiting(void **state)
{
    struct bench bench;
    uint64_t before;

    (void)state;
    open_bench(&bench, NULL);
    fake_device_clear_access_counts(bench.device);
    before = fake_firmware_now_us(bench.fake.firmware);
    for (unsigned i = 0; i < 100; i++)
        assert_success(net_control_set_mac(&bench.control, other_mac));
    assert_int_equal(before, fake_firmware_now_us(bench.fake.firmware));
    assert_int_equal(100, fake_device_access_count(bench.device));
    assert_int_equal(100, bench.control.commands);
    close_bench(&bench);
}

/* More commands than an index has values. */
static void commands_go_on_beyond_any_wrap(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    for (uint32_t i = 0; i < 70000; i++) {
        uint8_t mac[MAC_BYTES] = {0x02, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

        assert_success(net_control_set_mac(&bench.control, mac));
        assert_memory_equal(mac, fake_device_mac(bench.device), MAC_BYTES);
    }
    assert_int_equal(0, fake_device_interrupt_count(bench.device));
    close_bench(&bench);
}

/* holds: snp.all.bounded, virtio.control.answer */
static void unanswered_command_is_given_up_in_time(void **state)
{
    struct bench bench;
    uint64_t before;
    uint64_t waited;

    (void)state;
    open_bench(&bench, NULL);
    fake_device_fail_command(bench.device, 1, FAKE_CONTROL_NEVER_ACKS);
    before = fake_firmware_now_us(bench.fake.firmware);
    assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
    waited = fake_firmware_now_us(bench.fake.firmware) - before;
    assert_between(waited, TIMEOUT_US, TIMEOUT_US + TIMEOUT_US / 100);
    assert_int_equal(1, bench.control.overdue);
    assert_int_equal(0, bench.control.refused);
    close_bench(&bench);
}

static EFI_PCI_IO_PROTOCOL_IO_MEM ring_for_real;
static unsigned rings;

/* A doorbell whose first ring goes unheard. */
static EFI_STATUS EFIAPI ring_and_lose_the_first(EFI_PCI_IO_PROTOCOL *this,
                                                 EFI_PCI_IO_PROTOCOL_WIDTH width, UINT8 bar,
                                                 UINT64 offset, UINTN count, VOID *buffer)
{
    return rings++ == 0 ? EFI_SUCCESS : ring_for_real(this, width, bar, offset, count, buffer);
}

static void command_whose_doorbell_was_lost_is_answered(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    rings = 0;
    ring_for_real = bench.control.queue.doorbell.write;
    bench.control.queue.doorbell.write = ring_and_lose_the_first;
    assert_status(EFI_SUCCESS, net_control_set_mac(&bench.control, other_mac));
    assert_int_equal(2, rings);
    assert_int_equal(0, bench.control.overdue);
    bench.control.queue.doorbell.write = ring_for_real;
    close_bench(&bench);
}

/* The buffer may still be the device's, so it is not written to again. */
/* holds: virtio.control.answer */
static void overdue_command_is_the_last_until_a_reset(void **state)
{
    struct bench bench;
    uint64_t before;

    (void)state;
    open_bench(&bench, NULL);
    fake_device_fail_command(bench.device, 1, FAKE_CONTROL_NEVER_ACKS);
    assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
    before = fake_firmware_now_us(bench.fake.firmware);
    assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
    assert_int_equal(1, fake_device_command_count(bench.device));
    assert_int_equal(before, fake_firmware_now_us(bench.fake.firmware));

    fake_device_answer_late(bench.device);
    assert_memory_equal(other_mac, fake_device_mac(bench.device), MAC_BYTES); /* unharmed */
    assert_status(EFI_DEVICE_ERROR, net_control_acknowledge_announce(&bench.control));
    assert_int_equal(1, fake_device_command_count(bench.device));

    take_down(&bench);
    assert_success(bring_up(&bench));
    assert_success(net_control_set_mac(&bench.control, other_mac));
    assert_int_equal(1, bench.control.overdue);
    close_bench(&bench);
}

static void refused_command_does_not_stop_the_next(void **state)
{
    const enum fake_device_misbehaviour answers[] = {FAKE_CONTROL_REFUSES,
                                                     FAKE_CONTROL_ACKS_GARBAGE};
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    for (unsigned i = 0; i < ARRAY_LENGTH(answers); i++) {
        fake_device_fail_command(bench.device, 1, answers[i]);
        assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
        assert_int_equal(i + 1, bench.control.refused);
        assert_int_equal(0, bench.control.overdue);
        assert_success(net_control_set_mac(&bench.control, other_mac));
    }
    close_bench(&bench);
}

static void broken_ring_ends_the_waiting_at_once(void **state)
{
    const enum fake_device_misbehaviour faults[] = {
        FAKE_USED_ID_OUT_OF_RANGE,      FAKE_USED_ID_NOT_IN_FLIGHT,    FAKE_USED_ID_TWICE,
        FAKE_USED_LENGTH_BELOW_HEADER,  FAKE_USED_LENGTH_ABOVE_BUFFER, FAKE_USED_LENGTH_MAX,
        FAKE_USED_INDEX_RUNS_BACKWARDS, FAKE_USED_INDEX_JUMPS,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        struct bench bench;
        uint64_t before;

        open_bench(&bench, NULL);
        before = fake_firmware_now_us(bench.fake.firmware);
        fake_device_misbehave(bench.device, faults[i]);
        if (net_control_set_mac(&bench.control, other_mac) != EFI_DEVICE_ERROR)
            fail_msg("%s", fake_misbehaviour_name(faults[i]));
        assert_true(fake_firmware_now_us(bench.fake.firmware) - before < 1000);
        fake_device_misbehave(bench.device, FAKE_BEHAVES);
        assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
        take_down(&bench);
        assert_success(bring_up(&bench));
        assert_success(net_control_set_mac(&bench.control, other_mac));
        close_bench(&bench);
    }
}

static void rewritten_descriptors_do_no_harm(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    fake_device_misbehave(bench.device, FAKE_DESCRIPTORS_REWRITTEN);
    for (unsigned i = 0; i < 20; i++)
        assert_success(net_control_set_mac(&bench.control, other_mac));
    assert_command(&bench, 19, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other_mac,
                   MAC_BYTES);
    close_bench(&bench);
}

static void init_without_memory_says_why(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 4; nth++) {
        struct bench bench;

        open_halted(&bench, NULL);
        fake_firmware_count_only(bench.fake.firmware, FAKE_CALL_DMA);
        fake_firmware_fail_nth(bench.fake.firmware, nth);
        assert_status(EFI_OUT_OF_RESOURCES, bring_up(&bench));
        assert_non_null(bench.virtio.cause);
        assert_status(EFI_DEVICE_ERROR, net_control_set_mac(&bench.control, other_mac));
        close_bench(&bench);
    }
}

static const uint8_t *const kinds[] = {
    NULL /* the device's own */, other_mac, broadcast_mac, first_group, second_group, third_group};

/* A device that does as it was told lets everything pass that the filter admits. */
static bool is_wide_enough(const struct bench *bench, const struct net_filter *filter)
{
    const uint8_t *own = fake_device_mac(bench->device);

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        const uint8_t *to = kinds[i] ? kinds[i] : own;

        if (net_filter_admits(filter, own, to) && !fake_device_lets_pass(bench->device, to))
            return false;
    }
    return true;
}

static const struct fake_device_options rx_devices[] = {
    {.transport = FAKE_MODERN},
    {.transport = FAKE_MODERN, .removed_features = VIRTIO_NET_F_CTRL_RX_EXTRA},
    {.transport = FAKE_MODERN, .mac_table_max = 1},
};

/* From every setting to every other, with the nth command refused. The change may fail, as it has
 * to when the device cannot be opened, but not leave frames out in silence. */
/* holds: snp.filters.no_loss */
static void refused_command_never_costs_a_frame(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rx_devices); i++) {
        struct bench bench;

        open_bench(&bench, &rx_devices[i]);
        for (unsigned change = 0; change < SETTINGS * SETTINGS * 8; change++) {
            struct net_filter before = filter_of(change / 8 / SETTINGS);
            struct net_filter after = filter_of(change / 8 % SETTINGS);
            unsigned nth = change % 8; /* 0: none */
            EFI_STATUS status;

            assert_success(set_filter(&bench, &before));
            assert_true(is_wide_enough(&bench, &before));
            fake_device_fail_command(bench.device, nth, FAKE_CONTROL_REFUSES);
            status = set_filter(&bench, &after);
            fake_device_fail_command(bench.device, 0, FAKE_BEHAVES);
            if (EFI_ERROR(status) ? nth != 1 : !is_wide_enough(&bench, &after))
                fail_msg("device %zu, setting %#x to %#x, command %u refused: %#llx", i,
                         change / 8 / SETTINGS, change / 8 % SETTINGS, nth,
                         (unsigned long long)status);
        }
        close_bench(&bench);
    }
}

/* The same with a command that is not answered, whether it is obeyed in the end or not. */
/* holds: snp.filters.no_loss */
static void unanswered_command_never_costs_a_frame_in_silence(void **state)
{
    static const unsigned settings[] = {0, 1 | 2, 4, 1 | 2 | 4 | 8};

    (void)state;
    for (unsigned change = 0; change < 4 * 4 * 7; change++) {
        struct net_filter before = filter_of(settings[change / 28]);
        struct net_filter after = filter_of(settings[change / 7 % 4]);
        struct bench bench;
        EFI_STATUS status;

        open_bench(&bench, &rx_devices[0]);
        assert_success(set_filter(&bench, &before));
        fake_device_fail_command(bench.device, 1 + change % 7, FAKE_CONTROL_NEVER_ACKS);
        status = set_filter(&bench, &after);
        assert_int_equal(change % 7 == 0, EFI_ERROR(status)); /* it could not be opened */
        if (!EFI_ERROR(status))
            assert_true(is_wide_enough(&bench, &after));
        fake_device_answer_late(bench.device);
        if (!EFI_ERROR(status))
            assert_true(is_wide_enough(&bench, &after));
        status = set_filter(&bench, &before); /* nothing can be told any more */
        if (!EFI_ERROR(status))
            assert_true(is_wide_enough(&bench, &before));
        close_bench(&bench);
    }
}

/* A reset opens the filter, so a device that obeys nothing costs frames to look at and no more. */
static void device_that_obeys_nothing_is_open_after_its_reset(void **state)
{
    const enum fake_device_misbehaviour answers[] = {
        FAKE_CONTROL_REFUSES, FAKE_CONTROL_ACKS_GARBAGE, FAKE_CONTROL_NEVER_ACKS};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct net_filter filter = filter_of(1 | 2);
        struct bench bench;

        open_bench(&bench, NULL);
        fake_device_misbehave(bench.device, answers[i]);
        for (unsigned round = 0; round < 3; round++)
            assert_success(set_filter(&bench, &filter));
        assert_true(is_wide_enough(&bench, &filter));
        close_bench(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_mac_sends_the_address),
        cmocka_unit_test(acknowledgement_of_an_announcement_has_no_data),
        cmocka_unit_test(filter_is_opened_first_and_narrowed_last),
        cmocka_unit_test(device_knows_the_whole_setting),
        cmocka_unit_test(list_of_the_largest_size_reaches_the_device),
        cmocka_unit_test(table_that_is_too_small_costs_all_multicast),
        cmocka_unit_test(foreign_address_makes_the_device_promiscuous),
        cmocka_unit_test(extra_modes_are_left_out_without_their_feature),
        cmocka_unit_test(filter_costs_no_command_without_its_feature),
        cmocka_unit_test(no_queue_is_set_up_without_its_feature),
        cmocka_unit_test(command_costs_one_access_and_no_waiting),
        cmocka_unit_test(commands_go_on_beyond_any_wrap),
        cmocka_unit_test(unanswered_command_is_given_up_in_time),
        cmocka_unit_test(command_whose_doorbell_was_lost_is_answered),
        cmocka_unit_test(overdue_command_is_the_last_until_a_reset),
        cmocka_unit_test(refused_command_does_not_stop_the_next),
        cmocka_unit_test(broken_ring_ends_the_waiting_at_once),
        cmocka_unit_test(rewritten_descriptors_do_no_harm),
        cmocka_unit_test(init_without_memory_says_why),
        cmocka_unit_test(refused_command_never_costs_a_frame),
        cmocka_unit_test(unanswered_command_never_costs_a_frame_in_silence),
        cmocka_unit_test(device_that_obeys_nothing_is_open_after_its_reset),
    };

    return cmocka_run_group_tests_name("net_control", tests, NULL, NULL);
}
