/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * cmocka, with the headers that it wants before it, and assertions for EFI_STATUS and ranges.
 */
#ifndef ASSERT_STATUS_H
#define ASSERT_STATUS_H

#include <efi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define assert_status(expected, actual)                                                            \
    assert_int_equal((uint64_t)(expected), (uint64_t)(EFI_STATUS)(actual))
#define assert_success(actual) assert_status(EFI_SUCCESS, actual)

/* cmocka 2 has deprecated assert_in_range; what replaces it there, cmocka 1 does not have. */
#define assert_between(value, least, most) check_between(value, least, most, __FILE__, __LINE__)

static inline void check_between(uint64_t value, uint64_t least, uint64_t most, const char *file,
                                 int line)
{
    if (value >= least && value <= most)
        return;
    print_error("%llu is not within %llu and %llu\n", (unsigned long long)value,
                (unsigned long long)least, (unsigned long long)most);
    _fail(file, line);
}

#endif
