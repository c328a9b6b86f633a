/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The failure loop through the service's life: the nth firmware call of an operation fails, n = 1,
 * 2, … until none does. What fails leaves nothing behind and everything as it was, and the second
 * try succeeds.
 */
#ifndef MNP_FAILURES_H
#define MNP_FAILURES_H

#include <stdio.h>

#include "mnp_fixture.h"

#define CALLS_MAX 10000u

/* What operations work on. */
struct bench {
    struct mnp_fixture *fixture;
    struct mnp_child child;
    struct mnp_child other; /* configured, unless the operation says otherwise */
    struct mnp_token token;
    const struct setting *setting;
};

struct operation {
    const char *name;
    void (*prepare)(struct bench *bench);
    EFI_STATUS (*run)(struct bench *bench);
    void (*check_failed)(struct bench *bench); /* run answered an error */
    void (*check_done)(struct bench *bench);   /* run answered SUCCESS */
    bool needs_firmware; /* to record the NIC's child again that a client did not let go */
};

struct setting {
    const char *name;
    struct fake_device_options options;
    unsigned kinds;  /* of calls that can fail */
    bool ever_after; /* as does each later one */
};

struct loop {
    const struct operation *operation;
    const struct setting *setting;
    char name[128];
};

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

/* False: the operation makes fewer than `nth` calls. */
static inline bool fail_nth_call(const struct loop *loop, unsigned nth)
{
    struct mnp_fixture *fixture = mnp_fixture_new(1, &loop->setting->options, true);
    const struct operation *operation = loop->operation;
    struct bench bench = {.fixture = fixture, .setting = loop->setting};
    EFI_STATUS status;
    bool has_failed;

    operation->prepare(&bench);
    fake_firmware_count_only(fixture->firmware, loop->setting->kinds);
    if (loop->setting->ever_after)
        fake_firmware_fail_from(fixture->firmware, nth);
    else
        fake_firmware_fail_nth(fixture->firmware, nth);
    status = operation->run(&bench);
    has_failed = fake_firmware_has_failed(fixture->firmware);
    if (has_failed && getenv("FAILURES_VERBOSE"))
        print_message("call %u, %s: %#llx\n", nth, fake_firmware_failed_call(fixture->firmware),
                      (unsigned long long)status);
    fake_firmware_fail_nth(fixture->firmware, 0);

    if (EFI_ERROR(status)) {
        assert_true(has_failed);
        operation->check_failed(&bench);
        assert_success(operation->run(&bench));
    }
    operation->check_done(&bench);
    mnp_fixture_free(fixture);
    return has_failed;
}

static inline int run_failure_loops(const char *name, const struct operation *operations,
                                    size_t count, void (*test)(void **state))
{
    struct loop *loops = calloc(count * ARRAY_LENGTH(settings), sizeof(*loops));
    struct CMUnitTest *tests = calloc(count * ARRAY_LENGTH(settings), sizeof(*tests));
    size_t filled = 0;
    int result;

    for (size_t i = 0; i < count * ARRAY_LENGTH(settings); i++) {
        struct loop *loop = &loops[filled];

        loop->operation = &operations[i / ARRAY_LENGTH(settings)];
        loop->setting = &settings[i % ARRAY_LENGTH(settings)];
        if (loop->operation->needs_firmware && loop->setting->ever_after)
            continue;
        snprintf(loop->name, sizeof(loop->name), "%s survives the failure of each call: %s",
                 loop->operation->name, loop->setting->name);
        tests[filled++] =
            (struct CMUnitTest){.name = loop->name, .test_func = test, .initial_state = loop};
    }
    result = _cmocka_run_group_tests(name, tests, filled, NULL, NULL);
    free(tests);
    free(loops);
    return result;
}

#endif
