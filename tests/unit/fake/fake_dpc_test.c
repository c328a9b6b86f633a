/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Do deferred procedures run as edk2's do?
 */
#include "assert_status.h"
#include "fake_dpc.h"
#include "fixture.h"

struct log {
    struct fake_firmware *firmware;
    struct fake_dpc *dpc;
    unsigned count;
    struct {
        unsigned who;
        EFI_TPL tpl;
    } runs[8];
};

struct job {
    struct log *log;
    unsigned who;
    struct job *next; /* queued by this one; NULL: none */
};

static VOID EFIAPI run(VOID *context)
{
    struct job *job = context;
    struct log *log = job->log;

    log->runs[log->count].who = job->who;
    log->runs[log->count++].tpl = fake_firmware_tpl(log->firmware);
    if (job->next)
        assert_success(
            log->dpc->protocol.QueueDpc(&log->dpc->protocol, TPL_CALLBACK, run, job->next));
}

static void begin(struct log *log, const struct fake_fixture *fixture)
{
    *log = (struct log){.firmware = fixture->firmware};
    log->dpc = fake_dpc_new(fixture->firmware, NULL);
}

static void queue(struct log *log, EFI_TPL tpl, struct job *job)
{
    job->log = log;
    assert_success(log->dpc->protocol.QueueDpc(&log->dpc->protocol, tpl, run, job));
}

static EFI_STATUS dispatch(struct log *log)
{
    return log->dpc->protocol.DispatchDpc(&log->dpc->protocol);
}

static void dispatch_without_procedures_finds_none(void **state)
{
    struct log log;

    begin(&log, *state);
    assert_status(EFI_NOT_FOUND, dispatch(&log));
}

static void procedures_run_at_their_tpl_highest_first_and_in_order(void **state)
{
    struct job jobs[4] = {{.who = 1}, {.who = 2}, {.who = 3}, {.who = 4}};
    const unsigned order[] = {2, 4, 1, 3};
    struct log log;

    begin(&log, *state);
    for (unsigned i = 0; i < ARRAY_LENGTH(jobs); i++)
        queue(&log, i % 2 ? TPL_NOTIFY : TPL_CALLBACK, &jobs[i]);
    assert_int_equal(0, log.count);
    assert_success(dispatch(&log));
    assert_int_equal(ARRAY_LENGTH(jobs), log.count);
    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++) {
        assert_int_equal(order[i], log.runs[i].who);
        assert_int_equal(i < 2 ? TPL_NOTIFY : TPL_CALLBACK, log.runs[i].tpl);
    }
    assert_status(EFI_NOT_FOUND, dispatch(&log));
}

static void procedures_below_the_callers_tpl_wait(void **state)
{
    struct job low = {.who = 1};
    struct job high = {.who = 2};
    struct log log;
    EFI_TPL tpl;

    begin(&log, *state);
    queue(&log, TPL_CALLBACK, &low);
    queue(&log, TPL_NOTIFY, &high);
    tpl = BS->RaiseTPL(TPL_NOTIFY);
    assert_success(dispatch(&log));
    assert_status(EFI_NOT_FOUND, dispatch(&log));
    BS->RestoreTPL(tpl);
    assert_int_equal(1, log.count);
    assert_int_equal(2, log.runs[0].who);
    assert_success(dispatch(&log));
    assert_int_equal(1, log.runs[1].who);
}

static void procedure_queued_by_another_runs_in_the_same_dispatch(void **state)
{
    struct log log;
    struct job second = {.who = 2};
    struct job first = {.who = 1, .next = &second};

    begin(&log, *state);
    second.log = &log;
    queue(&log, TPL_CALLBACK, &first);
    assert_success(dispatch(&log));
    assert_int_equal(2, log.count);
    assert_int_equal(1, log.dpc->dispatch_depth_max);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(dispatch_without_procedures_finds_none),
        TEST(procedures_run_at_their_tpl_highest_first_and_in_order),
        TEST(procedures_below_the_callers_tpl_wait),
        TEST(procedure_queued_by_another_runs_in_the_same_dispatch),
    };

    return cmocka_run_group_tests_name("fake_dpc", tests, NULL, NULL);
}
