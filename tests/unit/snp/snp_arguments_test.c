/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Every combination of arguments of every SNP method, in every state. What each combination
 * answers is derived here from the clauses of UEFI 2.10, 24.1, and from nothing of the driver's.
 */
#include "snp_fixture.h"

#define ALL_BITS 0x1fu
#define MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST
#define LIST_MAX 16u
#define FRAME_BYTES 100u
#define FRAME_SEED 77u

static const EFI_SIMPLE_NETWORK_STATE states[] = {EfiSimpleNetworkStopped, EfiSimpleNetworkStarted,
                                                  EfiSimpleNetworkInitialized};

/* State comes before arguments: what a method answers to any of them; SUCCESS: look at them. */
static EFI_STATUS answer_by_state(const struct snp_fixture *fixture)
{
    switch (fixture->mode->State) {
    case EfiSimpleNetworkStopped:
        return EFI_NOT_STARTED;
    case EfiSimpleNetworkStarted:
        return EFI_DEVICE_ERROR;
    default:
        return EFI_SUCCESS;
    }
}

static void in_each_state(void (*walk)(struct snp_fixture *fixture))
{
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        struct snp_fixture *fixture = snp_fixture_new(NULL, states[i]);

        walk(fixture);
        assert_int_equal(states[i], fixture->mode->State);
        if (states[i] == EfiSimpleNetworkInitialized)
            assert_traffic_flows(fixture);
        snp_fixture_free(fixture);
    }
}

/* ---- ReceiveFilters ---- */

struct filter_call {
    UINT32 enable;
    UINT32 disable;
    BOOLEAN resets_list;
    UINTN count;
    EFI_MAC_ADDRESS *list;
    bool list_is_multicast;
};

/* The clauses of EFI_INVALID_PARAMETER. */
static EFI_STATUS filter_answer(const struct filter_call *call)
{
    bool enables_multicast =
        (call->enable & MULTICAST) && !(call->disable & MULTICAST) && !call->resets_list;

    if ((call->enable & ~ALL_BITS) || (call->disable & ~ALL_BITS))
        return EFI_INVALID_PARAMETER;
    if (enables_multicast &&
        (call->count == 0 || call->count > LIST_MAX || !call->list || !call->list_is_multicast))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

/* What Mode says after a call that succeeds. */
static void apply_filter_call(EFI_SIMPLE_NETWORK_MODE *mode, const struct filter_call *call)
{
    mode->ReceiveFilterSetting = (mode->ReceiveFilterSetting | call->enable) & ~call->disable;
    if (call->resets_list) {
        mode->MCastFilterCount = 0;
        memset(mode->MCastFilter, 0, sizeof(mode->MCastFilter));
    } else if ((call->enable & MULTICAST) && !(call->disable & MULTICAST)) {
        mode->MCastFilterCount = (UINT32)call->count;
        memset(mode->MCastFilter, 0, sizeof(mode->MCastFilter));
        memcpy(mode->MCastFilter, call->list, call->count * sizeof(call->list[0]));
    }
}

static void check_filter_call(struct snp_fixture *fixture, const struct filter_call *call)
{
    EFI_STATUS expected = answer_by_state(fixture);
    EFI_SIMPLE_NETWORK_MODE mode = *fixture->mode;
    EFI_STATUS status;

    if (expected == EFI_SUCCESS)
        expected = filter_answer(call);
    if (expected == EFI_SUCCESS)
        apply_filter_call(&mode, call);
    status = fixture->protocol->ReceiveFilters(fixture->protocol, call->enable, call->disable,
                                               call->resets_list, call->count, call->list);
    fake_device_forget_commands(fixture->device);
    if (status != expected || memcmp(&mode, fixture->mode, sizeof(mode)) != 0)
        fail_msg("ReceiveFilters(%#x, %#x, %u, %#llx, %s list): %#llx, setting %#x, count %u",
                 call->enable, call->disable, call->resets_list, (unsigned long long)call->count,
                 !call->list               ? "no"
                 : call->list_is_multicast ? "a"
                                           : "a bad",
                 (unsigned long long)status, fixture->mode->ReceiveFilterSetting,
                 fixture->mode->MCastFilterCount);
}

static void walk_receive_filters(struct snp_fixture *fixture)
{
    static const UINTN counts[] = {0, 1, 2, LIST_MAX, LIST_MAX + 1, (UINTN)-1};
    static const UINT32 foreign_bits[] = {0x20, 0x21, 0x80000002};
    EFI_MAC_ADDRESS good[LIST_MAX + 1] = {0};
    EFI_MAC_ADDRESS bad[LIST_MAX + 1] = {0};

    for (uint8_t i = 0; i <= LIST_MAX; i++) {
        memcpy(good[i].Addr, (const uint8_t[]){0x33, 0x33, 0, 0, 1, i}, 6);
        bad[i] = good[i];
    }
    bad[0].Addr[0] = 0x02;
    for (UINT32 bits = 0; bits < (ALL_BITS + 1) * (ALL_BITS + 1); bits++) {
        for (size_t i = 0; i < 6 * ARRAY_LENGTH(counts); i++) {
            struct filter_call call = {
                .enable = bits % (ALL_BITS + 1),
                .disable = bits / (ALL_BITS + 1),
                .resets_list = i % 2 != 0,
                .list = (EFI_MAC_ADDRESS *[]){NULL, good, bad}[i / 2 % 3],
                .list_is_multicast = i / 2 % 3 == 1,
                .count = counts[i / 6],
            };

            check_filter_call(fixture, &call);
        }
    }
    for (size_t i = 0; i < 4 * ARRAY_LENGTH(foreign_bits); i++) {
        struct filter_call call = {
            .enable = i & 1 ? foreign_bits[i / 4] : ALL_BITS,
            .disable = i & 1 ? 0 : foreign_bits[i / 4],
            .resets_list = (i & 2) != 0,
            .list = good,
            .list_is_multicast = true,
            .count = 1,
        };

        check_filter_call(fixture, &call);
    }
    check_filter_call(fixture, &(struct filter_call){.enable = ALL_BITS, .resets_list = TRUE});
}

/* holds: snp.filters.combinations */
static void receive_filters_answers_each_combination_as_the_specification_says(void **state)
{
    (void)state;
    in_each_state(walk_receive_filters);
}

/* As Debian 12's iPXE enables everything: to hear router advertisements it must be believed. */
/* holds: snp.filters.no_list */
static void whole_mask_is_enabled_without_a_list_when_the_list_is_reset(void **state)
{
    const struct snp_fixture *fixture = *state;
    static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
    uint8_t frame[FRAME_MIN_BYTES];

    assert_success(
        fixture->protocol->ReceiveFilters(fixture->protocol, ALL_BITS, 0, TRUE, 0, NULL));
    assert_int_equal(ALL_BITS, fixture->mode->ReceiveFilterSetting);
    assert_int_equal(0, fixture->mode->MCastFilterCount);
    frame_write(frame, sizeof(frame), all_nodes, 1);
    assert_true(fake_device_deliver(fixture->device, frame, sizeof(frame)));
    assert_success(receive_any(fixture));
}

/* ---- the others ---- */

static void walk_station_address(struct snp_fixture *fixture)
{
    static const struct {
        uint8_t mac[6];
        bool is_given;
        bool is_station;
    } cases[] = {{.is_given = false},
                 {{0x02, 1, 2, 3, 4, 5}, true, true},
                 {{0x01, 0, 0x5e, 1, 2, 3}, true, false},
                 {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true, false},
                 {{0}, true, false}};

    for (size_t i = 0; i < 2 * ARRAY_LENGTH(cases); i++) {
        BOOLEAN resets = i % 2 != 0;
        EFI_MAC_ADDRESS address = {0};
        EFI_MAC_ADDRESS after = fixture->mode->CurrentAddress;
        EFI_STATUS expected = answer_by_state(fixture);

        memcpy(address.Addr, cases[i / 2].mac, 6);
        if (expected == EFI_SUCCESS && !resets && !cases[i / 2].is_station)
            expected = EFI_INVALID_PARAMETER;
        if (expected == EFI_SUCCESS)
            after = resets ? fixture->mode->PermanentAddress : address;
        assert_status(expected,
                      fixture->protocol->StationAddress(fixture->protocol, resets,
                                                        cases[i / 2].is_given ? &address : NULL));
        assert_memory_equal(&after, &fixture->mode->CurrentAddress, sizeof(after));
    }
    if (fixture->mode->State == EfiSimpleNetworkInitialized)
        assert_success(fixture->protocol->StationAddress(fixture->protocol, TRUE, NULL));
}

static void station_address_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_station_address);
}

static void walk_statistics(struct snp_fixture *fixture)
{
    static const UINTN sizes[] = {0, 1, sizeof(EFI_NETWORK_STATISTICS) - 1,
                                  sizeof(EFI_NETWORK_STATISTICS), 1000};

    for (unsigned i = 0; i < 4 * (ARRAY_LENGTH(sizes) + 1); i++) {
        BOOLEAN resets = i % 2 != 0;
        bool has_table = i / 2 % 2 != 0;
        bool has_size = i / 4 < ARRAY_LENGTH(sizes);
        UINTN size = has_size ? sizes[i / 4] : 0;
        uint8_t table[1000];
        EFI_STATUS expected = answer_by_state(fixture);
        EFI_STATUS status;

        if (expected == EFI_SUCCESS && has_size && size > 0 && !has_table)
            expected = EFI_INVALID_PARAMETER; /* room that is nowhere */
        if (expected == EFI_SUCCESS && !has_size && has_table)
            expected = EFI_INVALID_PARAMETER;
        if (expected == EFI_SUCCESS && has_size && size < sizeof(EFI_NETWORK_STATISTICS))
            expected = EFI_BUFFER_TOO_SMALL;
        memset(table, 0xa5, sizeof(table));
        status = fixture->protocol->Statistics(fixture->protocol, resets, has_size ? &size : NULL,
                                               has_table ? (void *)table : NULL);
        assert_status(expected, status);
        if (has_size && (status == EFI_SUCCESS || status == EFI_BUFFER_TOO_SMALL))
            assert_int_equal(sizeof(EFI_NETWORK_STATISTICS), size);
        else if (has_size)
            assert_int_equal(sizes[i / 4], size);
        for (size_t byte = has_size ? sizes[i / 4] : 0; byte < sizeof(table); byte++)
            assert_int_equal(0xa5, table[byte]);
    }
}

static void statistics_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_statistics);
}

static void walk_mcast_ip_to_mac(struct snp_fixture *fixture)
{
    static const struct {
        EFI_IP_ADDRESS ip;
        bool is_given;
        bool is_multicast[2]; /* as IPv4, as IPv6 */
    } cases[] = {
        {.is_given = false},
        {{.v4.Addr = {224, 0, 0, 1}}, true, {true, false}},
        {{.v4.Addr = {239, 255, 255, 255}}, true, {true, false}},
        {{.v4.Addr = {223, 255, 255, 255}}, true, {false, false}},
        {{.v4.Addr = {240, 0, 0, 1}}, true, {false, false}},
        {{.v4.Addr = {255, 255, 255, 255}}, true, {false, true}},
        {{.v6.Addr = {0xff, 2, [15] = 1}}, true, {false, true}},
        {{.v6.Addr = {0xfe, 0x80, [15] = 1}}, true, {false, false}},
    };

    for (size_t i = 0; i < 4 * ARRAY_LENGTH(cases); i++) {
        BOOLEAN is_ipv6 = i % 2 != 0;
        bool has_mac = i / 2 % 2 != 0;
        EFI_IP_ADDRESS ip = cases[i / 4].ip;
        EFI_MAC_ADDRESS mac;
        EFI_STATUS expected = answer_by_state(fixture);

        if (expected == EFI_SUCCESS &&
            (!has_mac || !cases[i / 4].is_given || !cases[i / 4].is_multicast[is_ipv6]))
            expected = EFI_INVALID_PARAMETER;
        assert_status(expected, fixture->protocol->MCastIpToMac(fixture->protocol, is_ipv6,
                                                                cases[i / 4].is_given ? &ip : NULL,
                                                                has_mac ? &mac : NULL));
    }
}

static void mcast_ip_to_mac_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_mcast_ip_to_mac);
}

static void walk_nv_data(struct snp_fixture *fixture)
{
    static const UINTN numbers[] = {0, 1, 256, (UINTN)-1};

    for (size_t i = 0; i < 4 * ARRAY_LENGTH(numbers) * ARRAY_LENGTH(numbers); i++) {
        uint8_t buffer[1] = {0xa5};
        bool has_buffer = i / 2 % 2 != 0;
        EFI_STATUS expected = answer_by_state(fixture);

        if (expected == EFI_SUCCESS)
            expected = has_buffer ? EFI_UNSUPPORTED : EFI_INVALID_PARAMETER;
        assert_status(expected,
                      fixture->protocol->NvData(fixture->protocol, i % 2 != 0, numbers[i / 4 % 4],
                                                numbers[i / 16], has_buffer ? buffer : NULL));
        assert_int_equal(0xa5, buffer[0]);
    }
}

static void nv_data_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_nv_data);
}

static void walk_get_status(struct snp_fixture *fixture)
{
    for (unsigned i = 0; i < 4; i++) {
        UINT32 interrupts = 0xa5a5a5a5;
        void *buffer = &buffer;
        EFI_STATUS expected = answer_by_state(fixture);

        if (expected == EFI_SUCCESS && i == 0)
            expected = EFI_INVALID_PARAMETER;
        assert_status(expected,
                      fixture->protocol->GetStatus(fixture->protocol, i & 1 ? &interrupts : NULL,
                                                   i & 2 ? &buffer : NULL));
        if (expected == EFI_SUCCESS && (i & 1))
            assert_int_equal(0, interrupts & ~0xfu);
        else
            assert_int_equal(0xa5a5a5a5, interrupts);
        assert_ptr_equal(expected == EFI_SUCCESS && (i & 2) ? NULL : &buffer, buffer);
    }
}

static void get_status_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_get_status);
}

struct transmit_call {
    UINTN header_bytes;
    UINTN bytes;
    bool has_buffer;
    bool has_source;
    bool has_destination;
    bool has_protocol;
};

static EFI_STATUS transmit_answer(const struct transmit_call *call)
{
    if (!call->has_buffer)
        return EFI_INVALID_PARAMETER;
    if (call->header_bytes != 0 && call->header_bytes != FRAME_HEADER_BYTES)
        return EFI_INVALID_PARAMETER;
    if (call->header_bytes != 0 && (!call->has_destination || !call->has_protocol))
        return EFI_INVALID_PARAMETER;
    if (call->bytes < FRAME_HEADER_BYTES)
        return EFI_BUFFER_TOO_SMALL;
    return call->bytes > FRAME_MAX_BYTES ? EFI_INVALID_PARAMETER : EFI_SUCCESS;
}

static void check_transmit_call(struct snp_fixture *fixture, const struct transmit_call *call)
{
    EFI_MAC_ADDRESS source = {.Addr = {2, 1, 1, 1, 1, 1}};
    EFI_MAC_ADDRESS destination = {.Addr = {2, 2, 2, 2, 2, 2}};
    uint8_t buffer[FRAME_MAX_BYTES] = {0};
    UINT16 protocol = PROTOCOL_IPV4;
    EFI_STATUS expected = answer_by_state(fixture);
    EFI_STATUS status;
    const struct fake_frame *sent;

    if (expected == EFI_SUCCESS)
        expected = transmit_answer(call);
    status = fixture->protocol->Transmit(
        fixture->protocol, call->header_bytes, call->bytes, call->has_buffer ? buffer : NULL,
        call->has_source ? &source : NULL, call->has_destination ? &destination : NULL,
        call->has_protocol ? &protocol : NULL);
    if (status != expected)
        fail_msg("Transmit(%#llx, %#llx, buffer %d, source %d, destination %d, protocol %d): %#llx",
                 (unsigned long long)call->header_bytes, (unsigned long long)call->bytes,
                 call->has_buffer, call->has_source, call->has_destination, call->has_protocol,
                 (unsigned long long)status);
    sent = fake_device_take_frame(fixture->device);
    assert_int_equal(expected == EFI_SUCCESS, sent != NULL);
    if (sent && call->header_bytes) {
        const uint8_t *from = call->has_source ? source.Addr : fixture->mode->CurrentAddress.Addr;

        assert_memory_equal(destination.Addr, sent->data, 6);
        assert_memory_equal(from, sent->data + 6, 6);
    }
    if (sent)
        assert_ptr_equal(buffer, collect(fixture));
}

static void walk_transmit(struct snp_fixture *fixture)
{
    static const UINTN headers[] = {
        0, FRAME_HEADER_BYTES, 1, FRAME_HEADER_BYTES - 1, FRAME_HEADER_BYTES + 1, (UINTN)-1};
    static const UINTN sizes[] = {0,
                                  1,
                                  FRAME_HEADER_BYTES - 1,
                                  FRAME_HEADER_BYTES,
                                  FRAME_MIN_BYTES,
                                  FRAME_MAX_BYTES,
                                  FRAME_MAX_BYTES + 1,
                                  (UINTN)UINT32_MAX + 1 + FRAME_MIN_BYTES,
                                  (UINTN)-1};

    for (size_t i = 0; i < 16 * ARRAY_LENGTH(headers) * ARRAY_LENGTH(sizes); i++) {
        struct transmit_call call = {
            .header_bytes = headers[i / 16 % ARRAY_LENGTH(headers)],
            .bytes = sizes[i / 16 / ARRAY_LENGTH(headers)],
            .has_buffer = i & 1,
            .has_source = i & 2,
            .has_destination = i & 4,
            .has_protocol = i & 8,
        };

        check_transmit_call(fixture, &call);
    }
}

static void transmit_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_transmit);
}

/* With a frame that waits and without; it waits until a call takes it. */
static void check_receive_call(struct snp_fixture *fixture, bool has_frame, unsigned which,
                               UINTN room)
{
    uint8_t frame[FRAME_BYTES];
    uint8_t buffer[FRAME_MAX_BYTES];
    UINTN header_bytes = 0xa5a5;
    UINTN bytes = room;
    EFI_MAC_ADDRESS source = {0};
    EFI_MAC_ADDRESS destination = {0};
    UINT16 protocol = 0xa5a5;
    EFI_STATUS expected = answer_by_state(fixture);

    if (expected == EFI_SUCCESS && (!(which & 1) || !(which & 2)))
        expected = EFI_INVALID_PARAMETER;
    if (expected == EFI_SUCCESS && !has_frame)
        expected = EFI_NOT_READY;
    if (expected == EFI_SUCCESS && room < FRAME_BYTES)
        expected = EFI_BUFFER_TOO_SMALL;
    assert_status(expected, fixture->protocol->Receive(
                                fixture->protocol, which & 4 ? &header_bytes : NULL,
                                which & 1 ? &bytes : NULL, which & 2 ? buffer : NULL,
                                which & 8 ? &source : NULL, which & 16 ? &destination : NULL,
                                which & 32 ? &protocol : NULL));
    if (expected == EFI_SUCCESS) {
        frame_write(frame, sizeof(frame), fake_device_mac(fixture->device), FRAME_SEED);
        assert_memory_equal(frame, buffer, sizeof(frame));
    }
    assert_int_equal(
        expected == EFI_SUCCESS || expected == EFI_BUFFER_TOO_SMALL ? FRAME_BYTES : room, bytes);
    assert_int_equal(expected == EFI_SUCCESS && (which & 4) ? FRAME_HEADER_BYTES : 0xa5a5,
                     header_bytes);
    assert_int_equal(expected == EFI_SUCCESS && (which & 32) ? PROTOCOL_IPV4 : 0xa5a5, protocol);
    if (expected == EFI_SUCCESS)
        assert_true(deliver(fixture, FRAME_BYTES, FRAME_SEED)); /* for the next */
}

static void walk_receive(struct snp_fixture *fixture)
{
    static const UINTN rooms[] = {
        0, 1, FRAME_HEADER_BYTES, FRAME_BYTES - 1, FRAME_BYTES, FRAME_MAX_BYTES};

    for (int has_frame = 0; has_frame <= 1; has_frame++) {
        if (has_frame && fixture->mode->State == EfiSimpleNetworkInitialized)
            assert_true(deliver(fixture, FRAME_BYTES, FRAME_SEED));
        for (size_t i = 0; i < 64 * ARRAY_LENGTH(rooms); i++)
            check_receive_call(fixture, has_frame, i % 64, rooms[i / 64]);
    }
    if (fixture->mode->State == EfiSimpleNetworkInitialized)
        assert_receives(fixture, FRAME_BYTES, FRAME_SEED);
}

static void receive_answers_each_combination(void **state)
{
    (void)state;
    in_each_state(walk_receive);
}

/* Neither says anything of what may be given. */
static void initialize_and_reset_take_any_argument(void **state)
{
    static const UINTN sizes[] = {0, 1, 4096, (UINTN)-1};
    struct snp_fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(sizes) * ARRAY_LENGTH(sizes); i++) {
        assert_success(snp_shutdown(fixture));
        assert_success(
            fixture->protocol->Initialize(fixture->protocol, sizes[i % 4], sizes[i / 4]));
        assert_success(fixture->protocol->Reset(fixture->protocol, i % 2 != 0));
        assert_traffic_flows(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receive_filters_answers_each_combination_as_the_specification_says),
        SNP_TEST(whole_mask_is_enabled_without_a_list_when_the_list_is_reset),
        cmocka_unit_test(station_address_answers_each_combination),
        cmocka_unit_test(statistics_answers_each_combination),
        cmocka_unit_test(mcast_ip_to_mac_answers_each_combination),
        cmocka_unit_test(nv_data_answers_each_combination),
        cmocka_unit_test(get_status_answers_each_combination),
        cmocka_unit_test(transmit_answers_each_combination),
        cmocka_unit_test(receive_answers_each_combination),
        SNP_TEST(initialize_and_reset_take_any_argument),
    };

    return cmocka_run_group_tests_name("snp_arguments", tests, NULL, NULL);
}
