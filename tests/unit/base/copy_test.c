/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The copy for machines on which an unaligned access may fault, at every alignment of
 * either side. UBSan sees a misaligned word, ASan one that lies outside the source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/copy.h"

#define ALIGNMENTS 8u
#define GUARD 0x5au

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + 1);
}

/* Exactly the words that hold the bytes, so that one word too many is not ours. */
static uint8_t *make_source(size_t offset, size_t length_bytes)
{
    size_t words = (offset + length_bytes + COPY_WORD_BYTES - 1) / COPY_WORD_BYTES;
    uint8_t *memory = malloc(words > 0 ? words * COPY_WORD_BYTES : 1);

    assert_non_null(memory);
    for (size_t i = 0; i < length_bytes; i++)
        memory[offset + i] = pattern(i);
    return memory;
}

static void check_copy(size_t to_offset, size_t from_offset, size_t length_bytes)
{
    size_t room = ALIGNMENTS + length_bytes + ALIGNMENTS;
    uint8_t *source = make_source(from_offset, length_bytes);
    uint8_t *target = malloc(room);

    assert_non_null(target);
    memset(target, GUARD, room);
    copy_aligned(target + to_offset, source + from_offset, length_bytes);
    for (size_t i = 0; i < room; i++) {
        size_t at = i - to_offset;

        assert_int_equal(target[i], at < length_bytes ? pattern(at) : GUARD);
    }
    free(target);
    free(source);
}

static void copy_aligned_moves_every_length_at_every_alignment(void **state)
{
    static const size_t frames[] = {59, 60, 1513, 1514, 9014};

    (void)state;
    for (size_t to = 0; to < ALIGNMENTS; to++) {
        for (size_t from = 0; from < ALIGNMENTS; from++) {
            for (size_t length = 0; length <= 4 * COPY_WORD_BYTES; length++)
                check_copy(to, from, length);
            for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++)
                check_copy(to, from, frames[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_aligned_moves_every_length_at_every_alignment),
    };

    return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
