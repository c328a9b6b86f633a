/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * cmocka, with the headers that it wants before it, and assertions for EFI_STATUS.
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

#endif
