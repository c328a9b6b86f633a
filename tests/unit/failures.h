/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The failure loop: the nth firmware call of an operation fails, n = 1, 2, … until none does. What
 * fails must leave nothing behind and everything as it was, and the second try must succeed.
 *
 * Before it includes this, a test defines BENCH, the type that its operations work on; after it,
 * the three bench_ functions.
 */
#ifndef FAILURES_H
#define FAILURES_H

#include <stdio.h>
#include <stdlib.h>

#include "assert_status.h"
#include "firmware.h"
#include "virtio_net_device.h"

#define CALLS_MAX 10000u

struct operation {
    const char *name;
    void (*prepare)(BENCH *bench);
    EFI_STATUS (*run)(BENCH *bench);
    void (*check_failed)(BENCH *bench); /* run answered an error */
    void (*check_done)(BENCH *bench);   /* run answered SUCCESS */
    bool needs_firmware;                /* to be checked, so it cannot be one that is at its end */
};

/* Which firmware, which device. */
struct setting {
    const char *name;
    struct fake_device_options options;
    unsigned kinds;  /* of calls that can fail */
    bool ever_after; /* as does each later one: nothing is left */
};

struct loop {
    const struct operation *operation;
    const struct setting *setting;
    char name[128];
};

static BENCH *bench_new(const struct setting *setting);
static struct fake_firmware *bench_firmware(const BENCH *bench);
static void bench_free(BENCH *bench);

/* False: the operation makes fewer than `nth` calls. */
static bool fail_nth_call(const struct loop *loop, unsigned nth)
{
    const struct operation *operation = loop->operation;
    BENCH *bench = bench_new(loop->setting);
    struct fake_firmware *firmware = bench_firmware(bench);
    EFI_STATUS status;
    bool has_failed;

    operation->prepare(bench);
    fake_firmware_count_only(firmware, loop->setting->kinds);
    if (loop->setting->ever_after)
        fake_firmware_fail_from(firmware, nth);
    else
        fake_firmware_fail_nth(firmware, nth);
    status = operation->run(bench);
    has_failed = fake_firmware_has_failed(firmware);
    if (has_failed && getenv("FAILURES_VERBOSE"))
        print_message("call %u, %s: %#llx\n", nth, fake_firmware_failed_call(firmware),
                      (unsigned long long)status);
    fake_firmware_fail_nth(firmware, 0);

    if (EFI_ERROR(status)) {
        assert_true(has_failed);
        operation->check_failed(bench);
        assert_success(operation->run(bench));
    }
    operation->check_done(bench);
    bench_free(bench);
    return has_failed;
}

static void fail_each_call(const struct loop *loop)
{
    unsigned nth = 1;

    while (fail_nth_call(loop, nth))
        assert_true(++nth < CALLS_MAX);
}

/* Run `test` for each operation with each setting, a struct loop, and return what main does. */
static int run_failure_loops(const char *name, const struct operation *operations,
                             size_t operation_count, const struct setting *settings,
                             size_t setting_count, void (*test)(void **state))
{
    size_t count = operation_count * setting_count;
    struct loop *loops = calloc(count, sizeof(*loops));
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    size_t filled = 0;
    int result;

    for (size_t i = 0; i < count; i++) {
        struct loop *loop = &loops[filled];

        loop->operation = &operations[i / setting_count];
        loop->setting = &settings[i % setting_count];
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
