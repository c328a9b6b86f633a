/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * For tests of the fakes themselves: an act that breaks a rule is reported.
 */
#ifndef ASSERT_REPORTED_H
#define ASSERT_REPORTED_H

#include <string.h>

#include "report.h"

/* The act is reported, and the first report says `what`. */
#define assert_reported(what, act)                                                                 \
    do {                                                                                           \
        fake_reports_record();                                                                     \
        act;                                                                                       \
        if (fake_reports_taken() == 0)                                                             \
            fail_msg("not reported: %s", what);                                                    \
        if (!strstr(fake_first_report(), what))                                                    \
            fail_msg("reported \"%s\", not \"%s\"", fake_first_report(), what);                    \
    } while (0)

#endif
