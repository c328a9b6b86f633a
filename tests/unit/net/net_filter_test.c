/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Which destinations pass each receive filter setting, and what kind of address is which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_filter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t station[MAC_BYTES] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t listed[MAC_BYTES] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01};
static const uint8_t unlisted[MAC_BYTES] = {0x33, 0x33, 0x00, 0x00, 0x00, 0x01};
static const uint8_t stranger[MAC_BYTES] = {0x52, 0x54, 0x00, 0x65, 0x43, 0x21};

/* holds: snp.filters.frames */
static void each_setting_admits_its_own_destinations_only(void **state)
{
    static const struct {
        const char *name;
        struct net_filter filter;
        bool admits_station;
        bool admits_broadcast;
        bool admits_listed;
        bool admits_unlisted;
        bool admits_stranger;
    } cases[] = {
        {"nothing", {.multicast_count = 1}, false, false, false, false, false},
        {"unicast", {.unicast = true, .multicast_count = 1}, true, false, false, false, false},
        {"broadcast", {.broadcast = true, .multicast_count = 1}, false, true, false, false, false},
        {"multicast", {.multicast = true, .multicast_count = 1}, false, false, true, false, false},
        {"multicast, empty list", {.multicast = true}, false, false, false, false, false},
        {"all multicast", {.all_multicast = true}, false, false, true, true, false},
        {"promiscuous", {.promiscuous = true}, true, true, true, true, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct net_filter filter = cases[i].filter;

        memcpy(filter.multicast_list[0], listed, MAC_BYTES);
        if (net_filter_admits(&filter, station, station) != cases[i].admits_station ||
            net_filter_admits(&filter, station, broadcast) != cases[i].admits_broadcast ||
            net_filter_admits(&filter, station, listed) != cases[i].admits_listed ||
            net_filter_admits(&filter, station, unlisted) != cases[i].admits_unlisted ||
            net_filter_admits(&filter, station, stranger) != cases[i].admits_stranger)
            fail_msg("setting \"%s\"", cases[i].name);
    }
}

static void every_entry_of_the_list_counts_up_to_the_count(void **state)
{
    struct net_filter filter = {.multicast = true};

    (void)state;
    for (uint8_t i = 0; i < NET_FILTER_MULTICAST_MAX; i++) {
        memcpy(filter.multicast_list[i], listed, MAC_BYTES);
        filter.multicast_list[i][5] = i;
    }
    for (uint8_t count = 0; count <= NET_FILTER_MULTICAST_MAX; count++) {
        filter.multicast_count = count;
        for (uint8_t i = 0; i < NET_FILTER_MULTICAST_MAX; i++)
            assert_int_equal(net_filter_admits(&filter, station, filter.multicast_list[i]),
                             i < count);
    }
}

static void every_byte_of_an_address_counts(void **state)
{
    struct net_filter filter = {
        .unicast = true, .broadcast = true, .multicast = true, .multicast_count = 1};

    (void)state;
    memcpy(filter.multicast_list[0], listed, MAC_BYTES);
    for (unsigned i = 0; i < MAC_BYTES; i++) {
        const uint8_t *const addresses[] = {station, broadcast, listed};

        for (unsigned j = 0; j < COUNT(addresses); j++) {
            uint8_t other[MAC_BYTES];

            memcpy(other, addresses[j], MAC_BYTES);
            other[i] ^= 0x40;
            assert_true(net_filter_admits(&filter, station, addresses[j]));
            assert_false(net_filter_admits(&filter, station, other));
        }
    }
}

static void the_kinds_of_addresses_are_told_apart(void **state)
{
    static const struct {
        uint8_t mac[MAC_BYTES];
        bool is_group;
        bool is_broadcast;
        bool is_station;
    } cases[] = {
        {{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, false, false, true},
        {{0x00, 0x00, 0x00, 0x00, 0x00, 0x01}, false, false, true},
        {{0x02, 0x00, 0x00, 0x00, 0x00, 0x00}, false, false, true},
        {{0x00, 0x01, 0x00, 0x00, 0x00, 0x00}, false, false, true},
        {{0x00, 0x00, 0x10, 0x00, 0x00, 0x00}, false, false, true},
        {{0x00, 0x00, 0x00, 0x80, 0x00, 0x00}, false, false, true},
        {{0x00, 0x00, 0x00, 0x00, 0x08, 0x00}, false, false, true},
        {{0x00, 0x00, 0x00, 0x00, 0x00, 0x00}, false, false, false},
        {{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}, true, false, false},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, true, false, false},
        {{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}, false, false, true},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true, true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(mac_is_group(cases[i].mac), cases[i].is_group);
        assert_int_equal(mac_is_broadcast(cases[i].mac), cases[i].is_broadcast);
        assert_int_equal(mac_is_station(cases[i].mac), cases[i].is_station);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_setting_admits_its_own_destinations_only),
        cmocka_unit_test(every_entry_of_the_list_counts_up_to_the_count),
        cmocka_unit_test(every_byte_of_an_address_counts),
        cmocka_unit_test(the_kinds_of_addresses_are_told_apart),
    };

    return cmocka_run_group_tests_name("net_filter", tests, NULL, NULL);
}
