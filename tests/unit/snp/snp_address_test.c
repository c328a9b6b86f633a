/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Methods that move no frame: MCastIpToMac, NvData.
 */
#include "snp_fixture.h"

/* holds: snp.mcast_ip.ipv4, snp.mcast_ip.ipv6 */
static void multicast_addresses_map_to_macs(void **state)
{
    struct snp_fixture *fixture = *state;
    const struct {
        BOOLEAN is_ipv6;
        uint8_t ip[16];
        uint8_t mac[6];
    } cases[] = {
        {TRUE,
         {0xff, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0xff, 0xfe, 0xfd, 0xfc},
         {0x33, 0x33, 0xff, 0xfe, 0xfd, 0xfc}},
        {FALSE, {224, 0, 0, 1}, {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}},
        {FALSE, {239, 255, 255, 255}, {0x01, 0x00, 0x5e, 0x7f, 0xff, 0xff}},
        {FALSE, {224, 128, 1, 2}, {0x01, 0x00, 0x5e, 0x00, 0x01, 0x02}}, /* 23 bits */
        {FALSE, {232, 127, 254, 3}, {0x01, 0x00, 0x5e, 0x7f, 0xfe, 0x03}},
        {TRUE,
         {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
         {0x33, 0x33, 0x00, 0x00, 0x00, 0x01}},
        {TRUE,
         {0xff, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0xff, 0x12, 0x34, 0x56},
         {0x33, 0x33, 0xff, 0x12, 0x34, 0x56}},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        EFI_IP_ADDRESS ip = {.Addr = {0}};
        EFI_MAC_ADDRESS mac;

        memcpy(&ip, cases[i].ip, sizeof(cases[i].ip));
        memset(&mac, 0x5a, sizeof(mac));
        assert_success(
            fixture->protocol->MCastIpToMac(fixture->protocol, cases[i].is_ipv6, &ip, &mac));
        assert_memory_equal(cases[i].mac, mac.Addr, 6);
        assert_true(is_zero(mac.Addr + 6, 26));
    }
}

/* holds: snp.mcast_ip.refused */
static void addresses_that_are_not_multicast_map_to_nothing(void **state)
{
    struct snp_fixture *fixture = *state;
    const struct {
        BOOLEAN is_ipv6;
        uint8_t ip[16];
    } cases[] = {
        {FALSE, {192, 168, 1, 1}},
        {FALSE, {223, 255, 255, 255}},
        {FALSE, {240, 0, 0, 1}},
        {FALSE, {255, 255, 255, 255}},
        {FALSE, {0xff, 2}}, /* multicast as IPv6 alone */
        {TRUE, {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
        {TRUE, {224, 0, 0, 1}}, /* multicast as IPv4 alone */
        {TRUE, {0}},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        EFI_IP_ADDRESS ip = {.Addr = {0}};
        EFI_MAC_ADDRESS mac;
        EFI_MAC_ADDRESS before;

        memcpy(&ip, cases[i].ip, sizeof(cases[i].ip));
        memset(&mac, 0x5a, sizeof(mac));
        before = mac;
        if (fixture->protocol->MCastIpToMac(fixture->protocol, cases[i].is_ipv6, &ip, &mac) !=
            EFI_INVALID_PARAMETER)
            fail_msg("case %zu is accepted", i);
        assert_memory_equal(&before, &mac, sizeof(mac));
    }
}

/* holds: snp.mcast_ip.refused */
static void mapping_needs_an_address_and_a_place(void **state)
{
    struct snp_fixture *fixture = *state;
    EFI_IP_ADDRESS ip = {.v4.Addr = {224, 0, 0, 1}};
    EFI_MAC_ADDRESS mac;

    for (unsigned is_ipv6 = FALSE; is_ipv6 <= TRUE; is_ipv6++) {
        assert_status(EFI_INVALID_PARAMETER, fixture->protocol->MCastIpToMac(
                                                 fixture->protocol, (BOOLEAN)is_ipv6, NULL, &mac));
        assert_status(EFI_INVALID_PARAMETER, fixture->protocol->MCastIpToMac(
                                                 fixture->protocol, (BOOLEAN)is_ipv6, &ip, NULL));
    }
}

/* holds: snp.nvdata.none */
static void nv_data_does_not_exist(void **state)
{
    struct snp_fixture *fixture = *state;
    uint8_t buffer[4] = {1, 2, 3, 4};

    for (unsigned is_read = FALSE; is_read <= TRUE; is_read++) {
        assert_status(EFI_UNSUPPORTED,
                      fixture->protocol->NvData(fixture->protocol, (BOOLEAN)is_read, 0,
                                                sizeof(buffer), buffer));
        assert_status(EFI_INVALID_PARAMETER,
                      fixture->protocol->NvData(fixture->protocol, (BOOLEAN)is_read, 0,
                                                sizeof(buffer), NULL));
    }
    assert_memory_equal("\1\2\3\4", buffer, sizeof(buffer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNP_TEST(multicast_addresses_map_to_macs),
        SNP_TEST(addresses_that_are_not_multicast_map_to_nothing),
        SNP_TEST(mapping_needs_an_address_and_a_place),
        SNP_TEST(nv_data_does_not_exist),
    };

    return cmocka_run_group_tests_name("snp_address", tests, NULL, NULL);
}
