/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the failure loops through the service's life have in common.
 */
#ifndef MNP_FAILURES_H
#define MNP_FAILURES_H

#include "mnp_fixture.h"

struct bench;
#define BENCH struct bench
#include "failures.h"

/* What operations work on. */
struct bench {
    struct mnp_fixture *fixture;
    struct mnp_child child;
    struct mnp_child other; /* configured, unless the operation says otherwise */
    struct mnp_token token;
    const struct setting *setting;
};

static struct bench *bench_new(const struct setting *setting)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    bench->fixture = mnp_fixture_new(1, &setting->options, true);
    bench->setting = setting;
    return bench;
}

static struct fake_firmware *bench_firmware(const struct bench *bench)
{
    return bench->fixture->firmware;
}

static void bench_free(struct bench *bench)
{
    mnp_fixture_free(bench->fixture);
    free(bench);
}

static inline unsigned services_count(const struct bench *bench)
{
    return fake_firmware_count_handles(bench->fixture->firmware, &mnp_service_guid);
}

static inline void assert_works(struct bench *bench)
{
    struct mnp_child child = child_for(bench->fixture, 0);

    assert_traffic_flows(bench->fixture, &child);
    child_destroy(bench->fixture, &child);
}

static inline void check_nothing(struct bench *bench)
{
    (void)bench;
}

static inline void prepare_vlans(struct bench *bench)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(bench->fixture);

    assert_success(vlans->Set(vlans, 5, 1));
    assert_success(vlans->Set(vlans, 0, 0));
}

static const struct setting settings[] = {
    {"without PciIo", {.transport = FAKE_MODERN}, FAKE_CALL_ALL & ~FAKE_CALL_PCI, false},
    {"without anything from there on",
     {.transport = FAKE_MODERN},
     FAKE_CALL_ALL & ~FAKE_CALL_PCI,
     true},
    {"modern", {.transport = FAKE_MODERN}, FAKE_CALL_ALL, false},
    {"legacy", {.transport = FAKE_LEGACY}, FAKE_CALL_ALL, false},
};

#endif
