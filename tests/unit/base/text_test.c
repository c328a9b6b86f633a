/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Texts for people, and that they never leave their buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CAPACITY 64u
#define CANARY 0xbeef

static void assert_text(const struct text *text, const CHAR16 *expected)
{
    size_t length = 0;

    while (expected[length])
        length++;
    assert_int_equal(text->length, length);
    assert_memory_equal(text->buffer, expected, (length + 1) * sizeof(CHAR16));
}

static void a_new_text_is_empty(void **state)
{
    CHAR16 buffer[CAPACITY] = L"old";
    struct text text = {.length = 3};

    (void)state;
    text_init(&text, buffer, CAPACITY);
    assert_text(&text, L"");
}

static void pieces_follow_each_other(void **state)
{
    CHAR16 buffer[CAPACITY];
    struct text text;

    (void)state;
    text_init(&text, buffer, CAPACITY);
    text_append(&text, L"one ");
    text_append(&text, L"");
    text_append(&text, L"two");
    assert_text(&text, L"one two");
}

static void what_does_not_fit_is_cut_off_at_every_capacity(void **state)
{
    static const CHAR16 whole[] = L"0123456789abcdef";

    (void)state;
    for (size_t capacity = 1; capacity <= COUNT(whole) + 1; capacity++) {
        size_t length = capacity < COUNT(whole) ? capacity - 1 : COUNT(whole) - 1;
        CHAR16 buffer[CAPACITY];
        struct text text;

        for (size_t i = 0; i < CAPACITY; i++)
            buffer[i] = CANARY;
        text_init(&text, buffer, capacity);
        text_append(&text, L"0123456789");
        text_append_hex(&text, 0xabcdef, 6);
        assert_int_equal(text.length, length);
        assert_memory_equal(buffer, whole, length * sizeof(CHAR16));
        assert_int_equal(buffer[length], 0);
        for (size_t i = capacity; i < CAPACITY; i++)
            assert_int_equal(buffer[i], CANARY);
    }
}

static void hex_has_the_digits_asked_for(void **state)
{
    static const struct {
        uint64_t value;
        unsigned digits;
        CHAR16 expected[17];
    } cases[] = {
        {0, 1, L"0"},
        {0, 4, L"0000"},
        {0xf, 1, L"f"},
        {0x1a, 2, L"1a"},
        {0x1a, 4, L"001a"},
        {0x12345, 2, L"45"},
        {0x0123456789abcdef, 16, L"0123456789abcdef"},
        {UINT64_MAX, 16, L"ffffffffffffffff"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHAR16 buffer[CAPACITY];
        struct text text;

        text_init(&text, buffer, CAPACITY);
        text_append_hex(&text, cases[i].value, cases[i].digits);
        assert_text(&text, cases[i].expected);
    }
}

static void a_mac_is_six_pairs_between_colons(void **state)
{
    static const uint8_t mac[] = {0x52, 0x54, 0x00, 0x0a, 0xb0, 0xff};
    CHAR16 buffer[CAPACITY];
    struct text text;

    (void)state;
    text_init(&text, buffer, CAPACITY);
    text_append_mac(&text, mac);
    assert_text(&text, L"52:54:00:0a:b0:ff");
}

static EFI_STATUS EFIAPI get_location(EFI_PCI_IO_PROTOCOL *this, UINTN *ret_segment, UINTN *ret_bus,
                                      UINTN *ret_device, UINTN *ret_function)
{
    (void)this;
    *ret_segment = 0x12ab;
    *ret_bus = 0xfe;
    *ret_device = 0x1f;
    *ret_function = 7;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_no_location(EFI_PCI_IO_PROTOCOL *this, UINTN *ret_segment,
                                         UINTN *ret_bus, UINTN *ret_device, UINTN *ret_function)
{
    (void)this, (void)ret_segment, (void)ret_bus, (void)ret_device, (void)ret_function;
    return EFI_UNSUPPORTED;
}

static void a_pci_location_is_written_as_lspci_does(void **state)
{
    EFI_PCI_IO_PROTOCOL pci_io = {.GetLocation = get_location};
    CHAR16 buffer[CAPACITY];
    struct text text;

    (void)state;
    text_init(&text, buffer, CAPACITY);
    text_append_pci_location(&text, &pci_io);
    assert_text(&text, L"12ab:fe:1f.7");
}

static void an_unknown_pci_location_is_a_question_mark(void **state)
{
    EFI_PCI_IO_PROTOCOL pci_io = {.GetLocation = get_no_location};
    CHAR16 buffer[CAPACITY];
    struct text text;

    (void)state;
    text_init(&text, buffer, CAPACITY);
    text_append_pci_location(&text, &pci_io);
    assert_text(&text, L"?");
}

static void a_status_has_its_name_or_its_number(void **state)
{
    static const struct {
        EFI_STATUS status;
        CHAR16 expected[32];
    } cases[] = {
        {EFI_SUCCESS, L"Success"},
        {EFI_UNSUPPORTED, L"Unsupported"},
        {EFI_DEVICE_ERROR, L"Device Error"},
        {EFI_OUT_OF_RESOURCES, L"Out of Resources"},
        {EFI_TIMEOUT, L"Time out"},
        {EFI_ACCESS_DENIED, L"Access Denied"},
        {EFI_NOT_FOUND, L"Not Found"},
        {EFI_ALREADY_STARTED, L"Already started"},
        {EFI_INVALID_PARAMETER, L"Invalid Parameter"},
        {EFIERR(99), L"status 8000000000000063"},
        {1, L"status 0000000000000001"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHAR16 buffer[CAPACITY];
        struct text text;

        text_init(&text, buffer, CAPACITY);
        text_append_status(&text, cases[i].status);
        assert_text(&text, cases[i].expected);
    }
}

static void part_of_a_string_has_no_control_characters(void **state)
{
    CHAR16 buffer[CAPACITY];
    struct text text;

    (void)state;
    text_init(&text, buffer, CAPACITY);
    text_append_part(&text, L"a\tb\r\ncd", 6);
    assert_text(&text, L"a?b??c");
    text_append_part(&text, L"nothing", 0);
    assert_text(&text, L"a?b??c");
}

static void padding_fills_up_and_never_cuts(void **state)
{
    CHAR16 buffer[CAPACITY];
    struct text text;

    (void)state;
    text_init(&text, buffer, CAPACITY);
    text_append_padded(&text, L"ab", 4);
    text_append_padded(&text, L"abcd", 4);
    text_append_padded(&text, L"abcdef", 4);
    text_append(&text, L"|");
    assert_text(&text, L"ab  abcdabcdef|");
}

static void decimals_are_right_in_all_64_bits(void **state)
{
    CHAR16 buffer[80];
    struct text text;

    (void)state;
    text_init(&text, buffer, sizeof(buffer) / sizeof(*buffer));
    text_append_decimal(&text, 0);
    text_append(&text, L" ");
    text_append_decimal(&text, 4294967296);
    text_append(&text, L" ");
    text_append_decimal(&text, 1234567890123456789);
    text_append(&text, L" ");
    text_append_decimal(&text, UINT64_MAX);
    assert_text(&text, L"0 4294967296 1234567890123456789 18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_of_a_string_has_no_control_characters),
        cmocka_unit_test(padding_fills_up_and_never_cuts),
        cmocka_unit_test(a_new_text_is_empty),
        cmocka_unit_test(pieces_follow_each_other),
        cmocka_unit_test(what_does_not_fit_is_cut_off_at_every_capacity),
        cmocka_unit_test(decimals_are_right_in_all_64_bits),
        cmocka_unit_test(hex_has_the_digits_asked_for),
        cmocka_unit_test(a_mac_is_six_pairs_between_colons),
        cmocka_unit_test(a_pci_location_is_written_as_lspci_does),
        cmocka_unit_test(an_unknown_pci_location_is_a_question_mark),
        cmocka_unit_test(a_status_has_its_name_or_its_number),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
