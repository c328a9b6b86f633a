/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Does AddressSanitizer watch the memory of the fake firmware?
 */
#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "assert_status.h"
#include "blocks.h"

#define FILL 0xaf
#define LARGE ((size_t)328208) /* stays with blocks.c; ends in the middle of a page */
#define ROUNDS 10u

static void assert_watched(size_t size)
{
    uint8_t *block = fake_block_new(size, FILL);

    for (size_t i = 0; i < size; i++)
        assert_int_equal(FILL, block[i]);
    assert_null(__asan_region_is_poisoned(block, size));
    assert_true(__asan_address_is_poisoned(block - 1));
    assert_true(__asan_address_is_poisoned(block + size));
    fake_block_free(block);
    assert_ptr_equal(block, __asan_region_is_poisoned(block, size));
    assert_true(__asan_address_is_poisoned(block + size - 1));
}

static void neither_side_of_a_block_nor_a_freed_one_may_be_accessed(void **state)
{
    const size_t sizes[] = {1, 24, 4095, 4096, 65535, 65536, LARGE - 1, LARGE, (size_t)1 << 20};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        for (unsigned int round = 0; round < ROUNDS; round++)
            assert_watched(sizes[i]);
}

static void freed_block_is_not_the_next_of_its_size(void **state)
{
    uint8_t *freed = fake_block_new(LARGE, FILL), *next;

    (void)state;
    fake_block_free(freed);
    next = fake_block_new(LARGE, FILL);
    assert_ptr_not_equal(freed, next);
    assert_true(__asan_address_is_poisoned(freed));
    fake_block_free(next);
}

static void whole_pages_begin_at_a_page(void **state)
{
    (void)state;
    for (size_t size = 4096; size <= (size_t)1 << 17; size += 4096) {
        uint8_t *block = fake_block_new(size, FILL);

        assert_int_equal(0, (uintptr_t)block % 4096);
        fake_block_free(block);
    }
}

/* blocks.c keeps 256. */
static void blocks_that_are_too_many_to_keep_are_watched_as_well(void **state)
{
    uint8_t *blocks[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++)
        blocks[i] = fake_block_new(LARGE, (uint8_t)i);
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        assert_int_equal((uint8_t)i, blocks[i][LARGE - 1]);
        assert_true(__asan_address_is_poisoned(blocks[i] + LARGE));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++)
        fake_block_free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neither_side_of_a_block_nor_a_freed_one_may_be_accessed),
        cmocka_unit_test(freed_block_is_not_the_next_of_its_size),
        cmocka_unit_test(whole_pages_begin_at_a_page),
        cmocka_unit_test(blocks_that_are_too_many_to_keep_are_watched_as_well),
    };

    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
