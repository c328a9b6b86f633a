/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static fake_reporter *reporter;
static fake_reporter *reporter_before_recording;
static unsigned recorded_count;
static char first_report[1024];

static void record(const char *message)
{
    if (recorded_count++ == 0)
        snprintf(first_report, sizeof(first_report), "%s", message);
}

void fake_report_to(fake_reporter *new_reporter)
{
    reporter = new_reporter;
}

void fake_reports_record(void)
{
    if (reporter != record)
        reporter_before_recording = reporter;
    reporter = record;
    recorded_count = 0;
    first_report[0] = '\0';
}

unsigned fake_reports_taken(void)
{
    reporter = reporter_before_recording;
    return recorded_count;
}

const char *fake_first_report(void)
{
    return first_report;
}

void fake_report(const char *format, ...)
{
    char message[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);

    if (reporter)
        reporter(message);
    else
        fail_msg("%s", message);
}
