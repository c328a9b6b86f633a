/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the fakes say that the driver broke a rule. A report fails the running
 * cmocka test; tests of the fakes themselves, and fuzzers, choose otherwise.
 */
#ifndef FAKE_REPORT_H
#define FAKE_REPORT_H

typedef void fake_reporter(const char *message);

/* NULL, the default: cmocka's fail_msg(). A reporter of another kind may
 * return; the fake then goes on in the most harmless way. */
void fake_report_to(fake_reporter *reporter);

/* Count reports instead of failing, until fake_reports_taken(). */
void fake_reports_record(void);

/* Ends the recording. Returns the number of reports since its start. */
unsigned fake_reports_taken(void);

/* The first report of the last recording, "" when there was none. */
const char *fake_first_report(void);

void fake_report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
