/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Register accesses that a test's own PCI function has noted, against those that are right.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct access {
    char kind; /* 'r' or 'w' */
    unsigned bar;
    uint64_t offset;
    unsigned width;
    uint64_t value;
};

static inline void assert_accesses(const struct access *log, size_t count,
                                   const struct access *expected, size_t expected_count)
{
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(log[i].kind, expected[i].kind);
        assert_int_equal(log[i].bar, expected[i].bar);
        assert_int_equal(log[i].offset, expected[i].offset);
        assert_int_equal(log[i].width, expected[i].width);
        assert_int_equal(log[i].value, expected[i].value);
    }
}

#define ASSERT_LOG(board, ...)                                                                     \
    assert_accesses((board)->log, (board)->count, (const struct access[]){__VA_ARGS__},            \
                    sizeof((const struct access[]){__VA_ARGS__}) / sizeof(struct access))

#endif
