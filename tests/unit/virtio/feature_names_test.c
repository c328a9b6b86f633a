/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Feature bits by name. The names here are VIRTIO 1.2's, 5.1.3, 5.1.3.2 and 6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/feature_names.h"

#define CAPACITY 2048u

static const char *const names[64] = {
    [0] = "CSUM",
    [1] = "GUEST_CSUM",
    [2] = "CTRL_GUEST_OFFLOADS",
    [3] = "MTU",
    [5] = "MAC",
    [6] = "GSO",
    [7] = "GUEST_TSO4",
    [8] = "GUEST_TSO6",
    [9] = "GUEST_ECN",
    [10] = "GUEST_UFO",
    [11] = "HOST_TSO4",
    [12] = "HOST_TSO6",
    [13] = "HOST_ECN",
    [14] = "HOST_UFO",
    [15] = "MRG_RXBUF",
    [16] = "STATUS",
    [17] = "CTRL_VQ",
    [18] = "CTRL_RX",
    [19] = "CTRL_VLAN",
    [20] = "CTRL_RX_EXTRA",
    [21] = "GUEST_ANNOUNCE",
    [22] = "MQ",
    [23] = "CTRL_MAC_ADDR",
    [24] = "NOTIFY_ON_EMPTY",
    [27] = "ANY_LAYOUT",
    [28] = "INDIRECT_DESC",
    [29] = "EVENT_IDX",
    [32] = "VERSION_1",
    [33] = "ACCESS_PLATFORM",
    [34] = "RING_PACKED",
    [35] = "IN_ORDER",
    [36] = "ORDER_PLATFORM",
    [37] = "SR_IOV",
    [38] = "NOTIFICATION_DATA",
    [39] = "NOTIF_CONFIG_DATA",
    [40] = "RING_RESET",
    [53] = "NOTF_COAL",
    [54] = "GUEST_USO4",
    [55] = "GUEST_USO6",
    [56] = "HOST_USO",
    [57] = "HASH_REPORT",
    [59] = "GUEST_HDRLEN",
    [60] = "RSS",
    [61] = "RSC_EXT",
    [62] = "STANDBY",
    [63] = "SPEED_DUPLEX",
};

/* As ASCII, until the next call. */
static const char *text_of(uint64_t features)
{
    static char ascii[CAPACITY];
    CHAR16 buffer[CAPACITY];
    struct text text;

    text_init(&text, buffer, CAPACITY);
    feature_names_append(&text, features);
    for (size_t i = 0; i <= text.length; i++)
        ascii[i] = (char)buffer[i];
    return ascii;
}

static void every_bit_has_its_name_or_its_number(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        char number[8];

        snprintf(number, sizeof(number), "bit%u", bit);
        assert_string_equal(names[bit] ? names[bit] : number, text_of(UINT64_C(1) << bit));
    }
}

static void no_bit_is_none(void **state)
{
    (void)state;
    assert_string_equal("none", text_of(0));
}

static void bits_come_in_their_order_with_a_space_between(void **state)
{
    (void)state;
    assert_string_equal("CSUM bit4 STATUS VERSION_1 SPEED_DUPLEX",
                        text_of(UINT64_C(1) << 63 | UINT64_C(1) << 32 | 1u << 16 | 1u << 4 | 1u));
}

static void all_64_bits_fit_into_1000_characters(void **state)
{
    (void)state;
    assert_true(strlen(text_of(UINT64_MAX)) < 1000);
}

static void names_are_cut_off_where_the_text_ends(void **state)
{
    CHAR16 buffer[8];
    struct text text;

    (void)state;
    text_init(&text, buffer, 8);
    feature_names_append(&text, UINT64_MAX);
    assert_int_equal(7, text.length);
    assert_int_equal(0, buffer[7]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_has_its_name_or_its_number),
        cmocka_unit_test(no_bit_is_none),
        cmocka_unit_test(bits_come_in_their_order_with_a_space_between),
        cmocka_unit_test(all_64_bits_fit_into_1000_characters),
        cmocka_unit_test(names_are_cut_off_where_the_text_ends),
    };

    return cmocka_run_group_tests_name("feature_names", tests, NULL, NULL);
}
