/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Transmit: arguments, headers, fragments, and what a frame costs.
 */
#include "mnp_transmit.h"

#define FRAGMENTS_MAX 16u

/* A token with room for more than one fragment. */
struct long_token {
    struct mnp_token token;
    union {
        EFI_MANAGED_NETWORK_TRANSMIT_DATA data;
        uint8_t room[sizeof(EFI_MANAGED_NETWORK_TRANSMIT_DATA) +
                     FRAGMENTS_MAX * sizeof(EFI_MANAGED_NETWORK_FRAGMENT_DATA)];
    };
};

static EFI_MANAGED_NETWORK_FRAGMENT_DATA *fragments_of(struct long_token *token)
{
    return token->data.FragmentTable;
}

static uint8_t payload[FRAME_SPACE];
static EFI_MAC_ADDRESS destination = {.Addr = {0x02, 9, 8, 7, 6, 5}};
static EFI_MAC_ADDRESS source = {.Addr = {0x02, 1, 2, 3, 4, 5}};

/* holds: mnp.transmit.arguments */
static void transmit_checks_its_arguments(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    const struct {
        EFI_MAC_ADDRESS *destination;
        UINT32 data_length;
        UINT16 header_length;
        UINT16 fragment_count;
        UINT32 lengths[3];
        bool no_buffer; /* of the last fragment */
        EFI_STATUS status;
    } cases[] = {
        {&destination, 100, 0, 1, {100}, false, EFI_SUCCESS},
        {&destination, 100, 0, 2, {60, 40}, false, EFI_SUCCESS},
        {&destination, 1500, 0, 3, {500, 999, 1}, false, EFI_SUCCESS},
        {NULL, 86, 14, 1, {100}, false, EFI_SUCCESS},
        {NULL, 86, 14, 2, {14, 86}, false, EFI_SUCCESS},
        {NULL, 86, 14, 3, {20, 79, 1}, false, EFI_SUCCESS},
        {NULL, 1500, 14, 1, {1514}, false, EFI_SUCCESS},

        {&destination, 86, 14, 1, {100}, false, EFI_INVALID_PARAMETER}, /* both */
        {NULL, 100, 0, 1, {100}, false, EFI_INVALID_PARAMETER},         /* neither */
        {NULL, 87, 13, 1, {100}, false, EFI_INVALID_PARAMETER},
        {NULL, 85, 15, 1, {100}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 0, {100}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 1, {99}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 1, {101}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 2, {100, 0}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 2, {0, 100}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 2, {50, 50}, true, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 1, {100}, true, EFI_INVALID_PARAMETER},
        {&destination, 1501, 0, 1, {1501}, false, EFI_INVALID_PARAMETER},
        {NULL, 1501, 14, 1, {1515}, false, EFI_INVALID_PARAMETER},
        {NULL, 86, 14, 2, {13, 87}, false, EFI_SUCCESS}, /* edk2 wants the header in one */
        /* sums that overflow 32 bits */
        {&destination, 100, 0, 2, {UINT32_MAX, 101}, false, EFI_INVALID_PARAMETER},
        {&destination, 100, 0, 3, {0x80000000, 0x80000000, 100}, false, EFI_INVALID_PARAMETER},
        {NULL, UINT32_MAX, 14, 1, {13}, false, EFI_INVALID_PARAMETER},
        {NULL, UINT32_MAX - 13, 14, 1, {14}, false, EFI_INVALID_PARAMETER},
        {&destination, UINT32_MAX, 0, 1, {UINT32_MAX}, false, EFI_INVALID_PARAMETER},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct long_token token;
        EFI_STATUS status;

        token_init(&token.token);
        token.token.token.Packet.TxData = &token.data;
        token.data = (EFI_MANAGED_NETWORK_TRANSMIT_DATA){
            .DestinationAddress = cases[i].destination,
            .ProtocolType = IPV4,
            .DataLength = cases[i].data_length,
            .HeaderLength = cases[i].header_length,
            .FragmentCount = cases[i].fragment_count,
        };
        for (unsigned j = 0; j < 3; j++) {
            bool no_buffer = cases[i].no_buffer && j + 1 == cases[i].fragment_count;

            fragments_of(&token)[j] = (EFI_MANAGED_NETWORK_FRAGMENT_DATA){
                cases[i].lengths[j], no_buffer ? NULL : payload};
        }
        status = transmit(&child, &token.token);
        if (status != cases[i].status)
            fail_msg("case %zu answers %#llx", i, (unsigned long long)status);
        if (!fake_device_take_frame(fixture->device) != EFI_ERROR(status))
            fail_msg("case %zu sends a frame, or does not", i);
        assert_int_equal(!EFI_ERROR(status), token.token.signals);
        token_fini(&token.token);
    }
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.arguments */
static void transmit_wants_token_event_and_data(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    struct mnp_token token;
    EFI_EVENT event;

    token_init(&token);
    token_for_frame(&token, payload, 100);
    assert_status(EFI_NOT_STARTED, transmit(&child, &token));
    assert_success(configure(&child, &plain_config));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Transmit(NULL, &token.token));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Transmit(child.mnp, NULL));
    event = token.token.Event;
    token.token.Event = NULL;
    assert_status(EFI_INVALID_PARAMETER, transmit(&child, &token));
    token.token.Event = event;
    token.token.Packet.TxData = NULL;
    assert_status(EFI_INVALID_PARAMETER, transmit(&child, &token));
    assert_int_equal(0, token.signals);
    assert_null(fake_device_take_frame(fixture->device));
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.header */
static void header_is_built_from_addresses_and_type(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, ARP); /* what it receives is of no matter */
    struct mnp_token token;

    token_init(&token);
    for (unsigned i = 0; i < 2; i++) {
        const struct fake_frame *sent;

        token_for_frame(&token, payload, 100);
        frame_write(payload, sizeof(payload), other_mac, IPV4, i);
        token.tx_data.DestinationAddress = &destination;
        token.tx_data.SourceAddress = i ? &source : NULL;
        token.tx_data.ProtocolType = 0x86dd;
        token.tx_data.HeaderLength = 0;
        token.tx_data.DataLength = 100;
        assert_success(transmit(&child, &token));
        assert_int_equal(i + 1, token.signals);
        assert_success(token.token.Status);
        sent = sent_frame(fixture);
        assert_int_equal(HEADER_BYTES + 100, sent->length);
        assert_memory_equal(destination.Addr, sent->data, 6);
        assert_memory_equal(i ? source.Addr : fixture->snp->Mode->CurrentAddress.Addr,
                            sent->data + 6, 6);
        assert_int_equal(0x86, sent->data[12]);
        assert_int_equal(0xdd, sent->data[13]);
        assert_memory_equal(payload, sent->data + HEADER_BYTES, 100);
    }
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.fragments */
static void fragments_arrive_as_one_frame(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct long_token token;
    uint8_t frame[FRAME_MAX];

    token_init(&token.token);
    token.token.token.Packet.TxData = &token.data;
    for (unsigned count = 1; count <= FRAGMENTS_MAX; count++) {
        const struct fake_frame *sent;
        size_t offset = 0;

        frame_write(frame, sizeof(frame), other_mac, IPV4, count);
        token.data = (EFI_MANAGED_NETWORK_TRANSMIT_DATA){
            .HeaderLength = HEADER_BYTES,
            .DataLength = sizeof(frame) - HEADER_BYTES,
            .FragmentCount = (UINT16)count,
        };
        for (unsigned i = 0; i < count; i++) {
            size_t length = i + 1 == count ? sizeof(frame) - offset : HEADER_BYTES + 7 * i;

            fragments_of(&token)[i] =
                (EFI_MANAGED_NETWORK_FRAGMENT_DATA){(UINT32)length, frame + offset};
            offset += length;
        }
        assert_success(transmit(&child, &token.token));
        sent = sent_frame(fixture);
        assert_int_equal(sizeof(frame), sent->length);
        assert_memory_equal(frame, sent->data, sizeof(frame));
    }
    token_fini(&token.token);
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.padding */
static void short_frame_is_padded_with_zeros(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;
    uint8_t zeros[FRAME_MIN] = {0};
    uint8_t frame[FRAME_MAX];

    token_init(&token);
    memset(frame, 0xee, sizeof(frame));
    for (unsigned i = 0; i < 2 * RING_FRAMES; i++) { /* in slots that held long ones */
        size_t length = i < RING_FRAMES ? FRAME_MAX : 20 + i % 40;
        const struct fake_frame *sent;

        token_for_frame(&token, frame, length);
        assert_success(transmit(&child, &token));
        sent = sent_frame(fixture);
        assert_int_equal(length < FRAME_MIN ? FRAME_MIN : length, sent->length);
        assert_memory_equal(frame, sent->data, length);
        assert_memory_equal(zeros, sent->data + length, sent->length - length);
    }
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.transmit.media */
static void frame_without_a_link_ends_with_no_media(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    token_init(&token);
    fake_device_set_link(fixture->device, false);
    fake_firmware_advance_us(fixture->firmware, 600000); /* edk2 looks every 500 ms */
    assert_success(send(&child, &token, 1));
    assert_int_equal(1, token.signals);
    assert_status(EFI_NO_MEDIA, token.token.Status);
    assert_null(fake_device_take_frame(fixture->device));

    fake_device_set_link(fixture->device, true);
    fake_firmware_advance_us(fixture->firmware, 600000);
    assert_success(send(&child, &token, 2));
    assert_int_equal(2, token.signals);
    assert_success(token.token.Status);
    assert_sent(fixture, 2);
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.cost.transmit */
static void frame_that_is_sent_costs_no_firmware_call(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    token_init(&token);
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_ALL & ~FAKE_CALL_PCI);
    fake_firmware_fail_nth(fixture->firmware, 0);
    for (unsigned i = 0; i < 4 * RING_FRAMES; i++) {
        assert_success(send(&child, &token, i));
        assert_int_equal(i + 1, token.signals);
        assert_sent(fixture, i);
    }
    assert_int_equal(0, fake_firmware_call_count(fixture->firmware));
    token_fini(&token);
    child_destroy(fixture, &child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(transmit_checks_its_arguments),
        MNP_TEST(transmit_wants_token_event_and_data),
        MNP_TEST(header_is_built_from_addresses_and_type),
        MNP_TEST(fragments_arrive_as_one_frame),
        MNP_TEST(short_frame_is_padded_with_zeros),
        MNP_TEST(frame_without_a_link_ends_with_no_media),
        MNP_TEST(frame_that_is_sent_costs_no_firmware_call),
    };

    return cmocka_run_group_tests_name("mnp_transmit", tests, NULL, NULL);
}
