/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Against the definition: 16 bits at a time, carries added at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/inet_sum.h"

#define LENGTH_MAX 300u
#define PLACES 9u

static uint16_t sum_by_definition(uint32_t before, const uint8_t *bytes, size_t length_bytes)
{
    uint64_t sum = before;

    for (size_t i = 0; i < length_bytes; i++)
        sum += i % 2 ? (uint64_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* In memory of its own, so that a byte outside is noticed. */
static void assert_sum(uint32_t before, const uint8_t *content, size_t length_bytes, size_t place)
{
    uint8_t *memory = malloc(place + length_bytes);
    uint8_t *bytes = memory + place;

    memcpy(bytes, content, length_bytes);
    assert_int_equal(inet_sum_fold(inet_sum_add(before, bytes, length_bytes)),
                     sum_by_definition(before, bytes, length_bytes));
    free(memory);
}

static void sum_is_right_at_every_length_and_place(void **state)
{
    uint8_t content[LENGTH_MAX];

    (void)state;
    srand(1);
    for (size_t length_bytes = 0; length_bytes <= LENGTH_MAX; length_bytes++) {
        for (size_t i = 0; i < LENGTH_MAX; i++)
            content[i] = (uint8_t)rand();
        for (size_t place = 1; place <= PLACES; place++)
            assert_sum((uint32_t)rand(), content, length_bytes, place);
    }
}

static void no_carry_is_lost(void **state)
{
    static const uint32_t sums[] = {0, 1, 0xffff, 0x10000, 0xfffffffe, 0xffffffff};
    uint8_t content[LENGTH_MAX];

    (void)state;
    memset(content, 0xff, sizeof(content));
    for (size_t length_bytes = 1; length_bytes <= LENGTH_MAX; length_bytes++) {
        for (unsigned i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
            assert_sum(sums[i], content, length_bytes, 1);
    }
}

static void longest_frame_has_a_sum(void **state)
{
    static uint8_t content[UINT16_MAX];

    (void)state;
    srand(2);
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(rand() | 0xf0);
    assert_sum(0xffffffff, content, sizeof(content), 1);
}

static void stored_checksum_makes_the_sum_of_all_ones(void **state)
{
    uint8_t bytes[] = {0x45, 0, 0, 0x14, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2};

    (void)state;
    inet_sum_store(bytes + 10, inet_sum_add(0, bytes, sizeof(bytes)));
    assert_int_equal(inet_sum_fold(inet_sum_add(0, bytes, sizeof(bytes))), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_is_right_at_every_length_and_place),
        cmocka_unit_test(no_carry_is_lost),
        cmocka_unit_test(longest_frame_has_a_sum),
        cmocka_unit_test(stored_checksum_makes_the_sum_of_all_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
