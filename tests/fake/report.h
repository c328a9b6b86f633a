/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Reports of rules that the driver broke. A report fails the running cmocka test. Tests of
 * the fakes themselves, and fuzzers, install another reporter.
 */
#ifndef FAKE_REPORT_H
#define FAKE_REPORT_H

typedef void fake_reporter(const char *message);

/* NULL, the default: cmocka's fail_msg(). Other reporters may
 * return; the fake then continues in the most harmless way. */
void fake_report_to(fake_reporter *reporter);

/* Count reports instead of failing, until fake_reports_taken(). */
void fake_reports_record(void);

/* Ends the recording and returns the number of reports in it. */
unsigned fake_reports_taken(void);

/* The first report of the last recording, "" if there was none. */
const char *fake_first_report(void);

void fake_report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
