/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Configuration strings: headers, elements, values.
 */
#include <efi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "driver/config_string.h"

#define BLOCK_BYTES 16u
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Hardware vendor node of 4 bytes and the end. */
static const uint8_t path_bytes[] = {0x01, 0x01, 4, 0, 0x7f, 0xff, 4, 0};
static const EFI_GUID guid = {
    0x01234567, 0x89ab, 0xcdef, {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}};
static const CHAR16 header[] =
    L"GUID=67452301ab89efcd1032547698badcfe&NAME=00410062&PATH=010104007fff0400";

static const EFI_DEVICE_PATH *path(void)
{
    return (const EFI_DEVICE_PATH *)path_bytes;
}

static void header_has_bytes_in_memory_order_and_name_in_characters(void **state)
{
    CHAR16 buffer[ARRAY_LENGTH(header)];
    struct text text;

    (void)state;
    text_init(&text, buffer, ARRAY_LENGTH(buffer));
    config_header_append(&text, &guid, L"Ab", path());
    assert_memory_equal(header, buffer, sizeof(header));
}

static void header_length_counts_the_terminator(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LENGTH(header), config_header_chars(L"Ab", path()));
}

static void header_is_skipped_in_either_case_up_to_an_element_or_the_end(void **state)
{
    (void)state;
    assert_ptr_equal(header + ARRAY_LENGTH(header) - 1, config_header_skip(header, header));
    assert_non_null(config_header_skip(L"guid=AB&OFFSET=0", L"GUID=ab"));
}

static void header_of_another_block_is_not_skipped(void **state)
{
    (void)state;
    assert_null(config_header_skip(L"", L"GUID=ab"));
    assert_null(config_header_skip(L"GUID=a", L"GUID=ab"));
    assert_null(config_header_skip(L"GUID=ac&OFFSET=0", L"GUID=ab"));
    assert_null(config_header_skip(L"GUID=abc&OFFSET=0", L"GUID=ab"));
}

static const struct {
    const CHAR16 *text;
    bool has_value;
    bool is_element;
} elements[] = {
    {L"&OFFSET=0&WIDTH=1", false, true},
    {L"&OFFSET=0000&WIDTH=0010", false, true},
    {L"&OFFSET=f&WIDTH=1&OFFSET=garbage", false, true},
    {L"&OFFSET=00000000000000000000&WIDTH=1", false, true},
    {L"", false, false},
    {L"&", false, false},
    {L"OFFSET=0&WIDTH=1", false, false},
    {L"&OFFSET=&WIDTH=1", false, false},
    {L"&OFFSET=0", false, false},
    {L"&OFFSET=0&", false, false},
    {L"&OFFSET=0&WIDTH", false, false},
    {L"&OFFSET=0&WIDTH=", false, false},
    {L"&OFFSET=0&WIDTH=0", false, false},
    {L"&OFFSET=0&WIDTH=11", false, false},
    {L"&OFFSET=1&WIDTH=10", false, false},
    {L"&OFFSET=10&WIDTH=1", false, false},
    {L"&OFFSET=10000&WIDTH=1", false, false},
    {L"&OFFSET=100000000&WIDTH=1", false, false},
    {L"&OFFSET=-1&WIDTH=1", false, false},
    {L"&OFFSET=g&WIDTH=1", false, false},
    {L"&OFFSET=0&WIDTH=1x", false, false},
    {L"&OFFSET=0&WIDTH=1 ", false, false},
    {L"&OFFSET=0&WIDTH=1&VALUE=01", true, true},
    {L"&OFFSET=0&WIDTH=1&VALUE=1", true, true},
    {L"&OFFSET=0&WIDTH=1", true, false},
    {L"&OFFSET=0&WIDTH=1&VALUE", true, false},
    {L"&OFFSET=0&WIDTH=1&VALUE=", true, false},
    {L"&OFFSET=0&WIDTH=1&VALUE=001", true, false},
    {L"&OFFSET=0&WIDTH=1&VALUE=g", true, false},
    {L"&OFFSET=0&WIDTH=1&VALUE=0\xff10", true, false},
};

static void element_is_read_when_it_is_well_formed_and_inside_the_block(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(elements); i++) {
        struct config_element element;
        const CHAR16 *at = elements[i].text;
        bool is_element = config_element_next(&at, BLOCK_BYTES, elements[i].has_value, &element);

        if (is_element != elements[i].is_element)
            fail_msg("element %zu: %d", i, is_element);
        if (is_element)
            assert_true(*at == 0 || *at == L'&');
        else
            assert_ptr_equal(elements[i].text, at);
    }
}

static void value_is_a_number_whose_last_digits_are_the_first_byte(void **state)
{
    const CHAR16 *at = L"&OFFSET=2&WIDTH=4&VALUE=a1B2c3";
    const uint8_t expected[] = {0xee, 0xee, 0xc3, 0xb2, 0xa1, 0x00, 0xee};
    struct config_element element;
    uint8_t block[7];

    (void)state;
    memset(block, 0xee, sizeof(block));
    assert_true(config_element_next(&at, sizeof(block), true, &element));
    config_element_get(&element, block);
    assert_memory_equal(expected, block, sizeof(block));
}

static void answer_repeats_the_request_and_fills_what_was_counted(void **state)
{
    const CHAR16 *at = L"&OFFSET=01&WIDTH=2&OFFSET=0&WIDTH=1";
    const CHAR16 expected[] = L"&OFFSET=01&WIDTH=2&VALUE=3020";
    const uint8_t block[] = {0x10, 0x20, 0x30};
    CHAR16 buffer[64];
    struct config_element element;
    struct text text;

    (void)state;
    assert_true(config_element_next(&at, sizeof(block), false, &element));
    text_init(&text, buffer, ARRAY_LENGTH(buffer));
    config_element_append(&element, block, &text);
    assert_int_equal(text.length, config_element_chars(&element));
    assert_memory_equal(expected, buffer, sizeof(expected));
    assert_int_equal(ARRAY_LENGTH(expected) - 1, text.length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_has_bytes_in_memory_order_and_name_in_characters),
        cmocka_unit_test(header_length_counts_the_terminator),
        cmocka_unit_test(header_is_skipped_in_either_case_up_to_an_element_or_the_end),
        cmocka_unit_test(header_of_another_block_is_not_skipped),
        cmocka_unit_test(element_is_read_when_it_is_well_formed_and_inside_the_block),
        cmocka_unit_test(value_is_a_number_whose_last_digits_are_the_first_byte),
        cmocka_unit_test(answer_repeats_the_request_and_fills_what_was_counted),
    };

    return cmocka_run_group_tests_name("config_string", tests, NULL, NULL);
}
