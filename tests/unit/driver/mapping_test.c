/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The life of a NIC under each way in which a platform can map its memory: anywhere, above 4 GiB,
 * below although above was asked for, moved to and fro, not at all, and not as a whole.
 */
#include <stdio.h>

#include "driver/diagnostics.h"
#include "driver_fixture.h"

#define FOUR_GIB UINT64_C(0x100000000)
#define LAPS 3u
#define RING_SIZE 64u
#define JUMBO_MTU 9000u

/* Where the device finds its memory. */
enum place { BELOW_4GIB, ABOVE_4GIB };

struct platform {
    const char *name;
    struct fake_device_options options;
    enum place place;
};

/* A legacy device takes a page number of 32 bits, so it is kept below. */
static const struct platform platforms[] = {
    {"modern, below 4 GiB", {.transport = FAKE_MODERN}, BELOW_4GIB},
    {"modern, above 4 GiB", {.transport = FAKE_MODERN, .pci.dma_above_4gib = true}, ABOVE_4GIB},
    {"modern, jumbo frames above 4 GiB",
     {.transport = FAKE_MODERN, .mtu = JUMBO_MTU, .pci.dma_above_4gib = true},
     ABOVE_4GIB},
    {"modern, above 4 GiB where that cannot be",
     {.transport = FAKE_MODERN, .pci = {.dma_above_4gib = true, .no_dual_address_cycle = true}},
     BELOW_4GIB},
    {"modern, bounced", {.transport = FAKE_MODERN, .pci.bounces_common_buffers = true}, BELOW_4GIB},
    {"modern, bounced above 4 GiB",
     {.transport = FAKE_MODERN, .pci = {.bounces_common_buffers = true, .dma_above_4gib = true}},
     ABOVE_4GIB},
    {"transitional, above 4 GiB", {.pci.dma_above_4gib = true}, ABOVE_4GIB},
    {"legacy, below 4 GiB", {.transport = FAKE_LEGACY}, BELOW_4GIB},
    {"legacy, on a platform that would map above 4 GiB",
     {.transport = FAKE_LEGACY, .pci.dma_above_4gib = true},
     BELOW_4GIB},
    {"legacy, bounced", {.transport = FAKE_LEGACY, .pci.bounces_common_buffers = true}, BELOW_4GIB},
};

static void assert_mapped_at(const struct driver_fixture *fixture, enum place place)
{
    struct fake_pci_function *function = fake_device_pci(fixture->device);

    assert_true(fake_pci_mapping_count(function) > 0);
    assert_true(place == ABOVE_4GIB ? fake_pci_maps_within(function, FOUR_GIB, UINT64_MAX)
                                    : fake_pci_maps_within(function, 0, FOUR_GIB));
}

static void assert_nothing_mapped(const struct driver_fixture *fixture)
{
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));
}

/* Every buffer of both rings several times. */
static void assert_laps_flow(const struct driver_fixture *fixture)
{
    for (unsigned i = 0; i < LAPS * RING_SIZE; i++)
        assert_traffic_flows(network(fixture), fixture->device);
}

static void use_control_queue(const struct driver_fixture *fixture)
{
    EFI_MAC_ADDRESS group = {.Addr = {0x01, 0, 0x5e, 1, 2, 3}};
    EFI_MAC_ADDRESS station = {.Addr = {0x02, 1, 2, 3, 4, 5}};

    assert_success(network(fixture)->ReceiveFilters(
        network(fixture), EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST, 0, FALSE, 1, &group));
    assert_success(network(fixture)->StationAddress(network(fixture), FALSE, &station));
    assert_memory_equal(station.Addr, fake_device_mac(fixture->device), 6);
}

static void test_extended(const struct driver_fixture *fixture)
{
    EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *diagnostics =
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_diagnostics2_guid);
    CHAR8 language[] = "en";
    EFI_GUID *format;
    CHAR16 *report;
    UINTN bytes;

    assert_success(diagnostics->RunDiagnostics(diagnostics, fixture->controller, NULL,
                                               EfiDriverDiagnosticTypeExtended, language, &format,
                                               &bytes, &report));
    assert_success(BS->FreePool(report));
    assert_success(BS->FreePool(format));
    while (fake_device_take_frame(fixture->device))
        ;
}

static struct driver_fixture *fixture_new(const struct platform *platform)
{
    struct fake_device_options options = platform->options;

    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        options.queue_size[i] = RING_SIZE;
    return driver_fixture_new(1, &options);
}

static void life_works_wherever_memory_is_mapped(void **state)
{
    const struct platform *platform = *state;
    struct driver_fixture *fixture = fixture_new(platform);

    for (unsigned life = 0; life < 2; life++) {
        assert_success(start(fixture, fixture->controller));
        assert_nothing_mapped(fixture);
        bring_up(network(fixture));
        assert_mapped_at(fixture, platform->place);
        assert_laps_flow(fixture);
        use_control_queue(fixture);
        assert_success(network(fixture)->Reset(network(fixture), FALSE));
        assert_mapped_at(fixture, platform->place);
        assert_laps_flow(fixture);
        test_extended(fixture);
        assert_laps_flow(fixture);
        assert_success(network(fixture)->Shutdown(network(fixture)));
        assert_nothing_mapped(fixture);
        assert_success(network(fixture)->Initialize(network(fixture), 0, 0));
        assert_laps_flow(fixture);
        assert_success(fake_firmware_disconnect(fixture->firmware, fixture->controller));
        assert_nothing_mapped(fixture);
    }
    driver_fixture_free(fixture);
}

/* From the nth request on the platform has no memory for the device, until it has again. */
static bool fail_from(const struct platform *platform, unsigned nth)
{
    struct driver_fixture *fixture = fixture_new(platform);
    bool has_failed;

    assert_success(start(fixture, fixture->controller));
    assert_success(network(fixture)->Start(network(fixture)));
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_DMA);
    fake_firmware_fail_from(fixture->firmware, nth);
    (void)network(fixture)->Initialize(network(fixture), 0, 0);
    has_failed = fake_firmware_has_failed(fixture->firmware);
    if (has_failed) {
        assert_int_equal(EfiSimpleNetworkStarted, network(fixture)->Mode->State);
        assert_nothing_mapped(fixture);
        fake_firmware_fail_from(fixture->firmware, nth);
        assert_status(EFI_OUT_OF_RESOURCES, network(fixture)->Initialize(network(fixture), 0, 0));
        fake_firmware_fail_nth(fixture->firmware, 0);
        assert_success(network(fixture)->Initialize(network(fixture), 0, 0));
    }
    assert_mapped_at(fixture, platform->place);
    assert_laps_flow(fixture);

    fake_firmware_fail_from(fixture->firmware, nth);
    assert_status(has_failed ? EFI_DEVICE_ERROR : EFI_SUCCESS,
                  network(fixture)->Reset(network(fixture), FALSE));
    fake_firmware_fail_nth(fixture->firmware, 0);
    if (has_failed)
        assert_nothing_mapped(fixture);
    assert_success(network(fixture)->Reset(network(fixture), FALSE));
    assert_laps_flow(fixture);
    driver_fixture_free(fixture);
    return has_failed;
}

static void life_goes_on_when_mapping_has_failed(void **state)
{
    unsigned nth = 1;

    while (fail_from(*state, nth))
        nth++;
    assert_int_equal(nth, 13); /* two rings, two pools, a ring and a buffer of the control queue */
}

static void mapping_in_pieces_is_refused_and_given_back(void **state)
{
    struct platform platform = *(const struct platform *)*state;
    struct driver_fixture *fixture;

    platform.options.pci.map_limit_bytes = 4096;
    fixture = fixture_new(&platform);
    assert_success(start(fixture, fixture->controller));
    assert_success(network(fixture)->Start(network(fixture)));
    assert_status(EFI_OUT_OF_RESOURCES, network(fixture)->Initialize(network(fixture), 0, 0));
    assert_nothing_mapped(fixture);
    fake_device_pci(fixture->device)->options.map_limit_bytes = 0;
    assert_success(network(fixture)->Initialize(network(fixture), 0, 0));
    assert_laps_flow(fixture);
    driver_fixture_free(fixture);
}

#define CLAIM(test)                                                                                \
    {                                                                                              \
#test, test                                                                                \
    }

static const struct {
    const char *name;
    CMUnitTestFunction test;
} claims[] = {
    CLAIM(life_works_wherever_memory_is_mapped),
    CLAIM(life_goes_on_when_mapping_has_failed),
    CLAIM(mapping_in_pieces_is_refused_and_given_back),
};

int main(void)
{
    static char names[ARRAY_LENGTH(platforms) * ARRAY_LENGTH(claims)][128];
    struct CMUnitTest tests[ARRAY_LENGTH(names)];

    for (size_t i = 0; i < ARRAY_LENGTH(tests); i++) {
        /* cmocka hands the state out as it came: a copy that may be changed. */
        static struct platform copies[ARRAY_LENGTH(platforms)];
        size_t platform = i % ARRAY_LENGTH(platforms);
        size_t claim = i / ARRAY_LENGTH(platforms);

        copies[platform] = platforms[platform];
        snprintf(names[i], sizeof(names[i]), "%s: %s", claims[claim].name,
                 platforms[platform].name);
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = claims[claim].test, .initial_state = &copies[platform]};
    }
    return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
