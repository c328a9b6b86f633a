/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The parser of options: what it takes, and what it says of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "driver/options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ITEM_MAX 512u

#define NO_BOOLEAN L"takeover must be on or off"
#define NO_LEVEL L"verbose must be 0, 1 or 2"
#define NO_STACK L"stack must be own or firmware"
#define NO_ADDRESS L"not a list of PCI addresses such as 00:03.0"
#define TOO_MANY L"too many addresses"
#define NO_OPTION L"no such option"

struct complaints {
    unsigned count;
    CHAR16 item[ITEM_MAX]; /* the last one's */
    const CHAR16 *why;
};

static size_t length_of(const CHAR16 *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

static bool is_same(const CHAR16 *left, const CHAR16 *right)
{
    size_t length = length_of(left);

    return length == length_of(right) && memcmp(left, right, length * sizeof(*left)) == 0;
}

static void complain(void *context, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    struct complaints *complaints = context;

    assert_true(length < ITEM_MAX);
    memcpy(complaints->item, item, length * sizeof(*item));
    complaints->item[length] = 0;
    complaints->why = why;
    complaints->count++;
}

static struct complaints parse(struct options *options, const CHAR16 *text)
{
    struct complaints complaints = {0};

    options_parse(options, text, length_of(text), complain, &complaints);
    return complaints;
}

static void assert_defaults(const struct options *options)
{
    assert_true(options->takeover);
    assert_int_equal(VERBOSITY_TAKEOVERS, options->verbosity);
    assert_int_equal(STACK_OWN, options->stack);
    assert_int_equal(0, options->only.count);
    assert_int_equal(0, options->skip.count);
}

static void options_begin_with_takeover_and_its_lines(void **state)
{
    struct options options;

    (void)state;
    memset(&options, 0xff, sizeof(options));
    options_init(&options);
    assert_defaults(&options);
}

static void each_option_has_its_values(void **state)
{
    const struct {
        const CHAR16 *text;
        bool takeover;
        enum verbosity verbosity;
        enum stack stack;
    } cases[] = {
        {L"", true, VERBOSITY_TAKEOVERS, STACK_OWN},
        {L"takeover=on", true, VERBOSITY_TAKEOVERS, STACK_OWN},
        {L"takeover=off", false, VERBOSITY_TAKEOVERS, STACK_OWN},
        {L"verbose=0", true, VERBOSITY_ERRORS, STACK_OWN},
        {L"verbose=1", true, VERBOSITY_TAKEOVERS, STACK_OWN},
        {L"verbose=2", true, VERBOSITY_ALL, STACK_OWN},
        {L"verbose=02", true, VERBOSITY_ALL, STACK_OWN},
        {L"verbose=2 takeover=off", false, VERBOSITY_ALL, STACK_OWN},
        {L"stack=own", true, VERBOSITY_TAKEOVERS, STACK_OWN},
        {L"stack=firmware", true, VERBOSITY_TAKEOVERS, STACK_FIRMWARE},
        {L"stack=firmware takeover=off", false, VERBOSITY_TAKEOVERS, STACK_FIRMWARE},
        {L"  \t takeover=off \r\n verbose=0 ", false, VERBOSITY_ERRORS, STACK_OWN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options options;

        options_init(&options);
        assert_int_equal(0, parse(&options, cases[i].text).count);
        assert_int_equal(cases[i].takeover, options.takeover);
        assert_int_equal(cases[i].verbosity, options.verbosity);
        assert_int_equal(cases[i].stack, options.stack);
    }
}

static void an_address_is_read_as_lspci_writes_it(void **state)
{
    const struct {
        const CHAR16 *text;
        struct pci_address address;
    } cases[] = {
        {L"only=00:03.0", {0, 0, 3, 0}},
        {L"only=0:3.0", {0, 0, 3, 0}},
        {L"only=0000:00:03.0", {0, 0, 3, 0}},
        {L"only=a:1b.7", {0, 0xa, 0x1b, 7}},
        {L"only=A:1B.7", {0, 0xa, 0x1b, 7}},
        {L"only=ff:1f.7", {0, 0xff, 0x1f, 7}},
        {L"only=ffff:fe:1e.6", {0xffff, 0xfe, 0x1e, 6}},
        {L"only=1:02:03.4", {1, 2, 3, 4}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options options;

        options_init(&options);
        assert_int_equal(0, parse(&options, cases[i].text).count);
        assert_int_equal(1, options.only.count);
        assert_true(pci_address_is_equal(&cases[i].address, &options.only.addresses[0]));
    }
}

static void a_list_keeps_its_order_and_its_name(void **state)
{
    const struct pci_address expected[] = {{0, 0, 3, 0}, {0, 1, 0, 1}, {2, 0, 4, 0}};
    struct options options;

    (void)state;
    options_init(&options);
    assert_int_equal(0, parse(&options, L"skip=00:03.0,01:00.1,2:0:4.0").count);
    assert_int_equal(0, options.only.count);
    assert_int_equal(COUNT(expected), options.skip.count);
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_true(pci_address_is_equal(&expected[i], &options.skip.addresses[i]));
}

static void what_is_malformed_is_named_and_changes_nothing(void **state)
{
    const struct {
        const CHAR16 *item;
        const CHAR16 *why;
    } cases[] = {
        {L"takeover", NO_BOOLEAN},
        {L"takeover=", NO_BOOLEAN},
        {L"takeover=yes", NO_BOOLEAN},
        {L"takeover=onn", NO_BOOLEAN},
        {L"takeover=o", NO_BOOLEAN},
        {L"takeover=ON", NO_BOOLEAN},
        {L"takeover=off=off", NO_BOOLEAN},
        {L"verbose", NO_LEVEL},
        {L"verbose=", NO_LEVEL},
        {L"verbose=3", NO_LEVEL},
        {L"verbose=-1", NO_LEVEL},
        {L"verbose=100000000", NO_LEVEL},
        {L"stack", NO_STACK},
        {L"stack=", NO_STACK},
        {L"stack=on", NO_STACK},
        {L"stack=owner", NO_STACK},
        {L"stack=firm", NO_STACK},
        {L"stack=Firmware", NO_STACK},
        {L"stack=own=own", NO_STACK},
        {L"stack=1", NO_STACK},
        {L"only", NO_ADDRESS},
        {L"only=", NO_ADDRESS},
        {L"only=,", NO_ADDRESS},
        {L"only=00:03.0,,00:04.0", NO_ADDRESS},
        {L"only=00:03", NO_ADDRESS},
        {L"only=03.0", NO_ADDRESS},
        {L"only=00.03.0", NO_ADDRESS},
        {L"only=00:03.0.0", NO_ADDRESS},
        {L"only=0:0:0:3.0", NO_ADDRESS},
        {L"only=00:03.", NO_ADDRESS},
        {L"only=00:.0", NO_ADDRESS},
        {L"only=:03.0", NO_ADDRESS},
        {L"only=:00:03.0", NO_ADDRESS},
        {L"only=00.0:03", NO_ADDRESS},
        {L"only=00:20.0", NO_ADDRESS},
        {L"only=00:03.8", NO_ADDRESS},
        {L"only=100:03.0", NO_ADDRESS},
        {L"only=10000:00:03.0", NO_ADDRESS},
        {L"only=0g:03.0", NO_ADDRESS},
        {L"only=0G:03.0", NO_ADDRESS},
        {L"only=0::03.0", NO_ADDRESS},
        {L"only=.", NO_ADDRESS},
        {L"only=:.", NO_ADDRESS},
        {L"only=0x0:03.0", NO_ADDRESS},
        {L"only=00:03.0;00:04.0", NO_ADDRESS},
        {L"skip", NO_ADDRESS},
        {L"skip=all", NO_ADDRESS},
        {L"color=red", NO_OPTION},
        {L"takeove=off", NO_OPTION},
        {L"takeovers=off", NO_OPTION},
        {L"Takeover=off", NO_OPTION},
        {L"stac=own", NO_OPTION},
        {L"stacks=own", NO_OPTION},
        {L"=off", NO_OPTION},
        {L"=", NO_OPTION},
        {L"-h", NO_OPTION},
        {L"\x01\xffff\x7f", NO_OPTION},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options options;
        struct complaints complaints;

        options_init(&options);
        complaints = parse(&options, cases[i].item);
        if (complaints.count != 1 || !is_same(cases[i].why, complaints.why) ||
            !is_same(cases[i].item, complaints.item))
            fail_msg("case %zu", i);
        assert_defaults(&options);
    }
}

static void what_is_malformed_does_not_hide_its_neighbours(void **state)
{
    struct options options;
    struct complaints complaints;

    (void)state;
    options_init(&options);
    complaints = parse(&options, L"takeover=off nonsense verbose=2");
    assert_int_equal(1, complaints.count);
    assert_true(is_same(L"nonsense", complaints.item));
    assert_false(options.takeover);
    assert_int_equal(VERBOSITY_ALL, options.verbosity);
}

static void every_malformed_item_is_named(void **state)
{
    struct options options;

    (void)state;
    options_init(&options);
    assert_int_equal(3, parse(&options, L"a b=c takeover=maybe").count);
}

static void a_later_setting_replaces_an_earlier_one(void **state)
{
    struct options options;

    (void)state;
    options_init(&options);
    assert_int_equal(
        0, parse(&options, L"takeover=off skip=00:01.0,00:02.0 takeover=on skip=00:03.0").count);
    assert_int_equal(0, parse(&options, L"stack=firmware stack=own").count);
    assert_int_equal(STACK_OWN, options.stack);
    assert_true(options.takeover);
    assert_int_equal(1, options.skip.count);
    assert_int_equal(3, options.skip.addresses[0].device);
}

static void a_malformed_list_leaves_the_earlier_one(void **state)
{
    struct options options;

    (void)state;
    options_init(&options);
    assert_int_equal(1, parse(&options, L"only=00:01.0 only=00:02.0,x").count);
    assert_int_equal(1, options.only.count);
    assert_int_equal(1, options.only.addresses[0].device);
}

/* "only=" and `count` addresses. */
static struct complaints parse_many(struct options *options, unsigned count)
{
    CHAR16 text[16 * ITEM_MAX] = L"only=";
    size_t length = length_of(text);

    for (unsigned i = 0; i < count; i++) {
        memcpy(&text[length], L"00:01.0,", 8 * sizeof(CHAR16));
        length += 8;
    }
    length--; /* the last comma */
    text[length] = 0;
    return parse(options, text);
}

static void a_list_is_full_with_its_last_place_and_not_before(void **state)
{
    struct options options;
    struct complaints complaints;

    (void)state;
    options_init(&options);
    assert_int_equal(0, parse_many(&options, OPTIONS_ADDRESSES_MAX).count);
    assert_int_equal(OPTIONS_ADDRESSES_MAX, options.only.count);
    options_init(&options);
    complaints = parse_many(&options, OPTIONS_ADDRESSES_MAX + 1);
    assert_int_equal(1, complaints.count);
    assert_true(is_same(TOO_MANY, complaints.why));
    assert_int_equal(0, options.only.count);
}

static void a_terminator_ends_the_text(void **state)
{
    static const CHAR16 text[] = L"verbose=2\0takeover=off rubbish";
    struct complaints complaints = {0};
    struct options options;

    (void)state;
    options_init(&options);
    options_parse(&options, text, COUNT(text), complain, &complaints);
    assert_int_equal(0, complaints.count);
    assert_int_equal(VERBOSITY_ALL, options.verbosity);
    assert_true(options.takeover);
}

static void nothing_is_read_behind_the_length(void **state)
{
    CHAR16 text[] = {L'v', L'e', L'r', L'b', L'o', L's', L'e', L'=', L'2'};
    struct complaints complaints = {0};
    struct options options;

    (void)state;
    options_init(&options);
    options_parse(&options, text, COUNT(text), complain, &complaints); /* ASan's to watch */
    assert_int_equal(VERBOSITY_ALL, options.verbosity);
    options_parse(&options, text, COUNT(text) - 1, complain, &complaints);
    assert_int_equal(1, complaints.count);
}

static void printed_text_names_the_stack_if_it_is_the_firmwares(void **state)
{
    const struct {
        const CHAR16 *text;
        const CHAR16 *printed;
    } cases[] = {
        {L"", L"takeover=on verbose=1"},
        {L"stack=own", L"takeover=on verbose=1"},
        {L"skip=0:4.0 stack=firmware", L"takeover=on verbose=1 stack=firmware skip=00:04.0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHAR16 buffer[OPTIONS_TEXT_MAX];
        struct options options;
        struct text text;

        options_init(&options);
        assert_int_equal(0, parse(&options, cases[i].text).count);
        text_init(&text, buffer, COUNT(buffer));
        options_append(&options, &text);
        if (!is_same(cases[i].printed, buffer))
            fail_msg("case %zu", i);
    }
}

/* Every option at its longest, and full lists of addresses with segments. */
static void longest_text_is_printed_whole(void **state)
{
    CHAR16 buffer[OPTIONS_TEXT_MAX];
    struct options options = {false, VERBOSITY_ALL, STACK_FIRMWARE, {0}, {0}};
    struct options again;
    struct complaints complaints;
    struct text text;

    (void)state;
    options.only.count = options.skip.count = OPTIONS_ADDRESSES_MAX;
    for (unsigned i = 0; i < OPTIONS_ADDRESSES_MAX; i++)
        options.only.addresses[i] = options.skip.addresses[i] =
            (struct pci_address){0xffff, 0xff, (uint8_t)i, 7};
    text_init(&text, buffer, COUNT(buffer));
    options_append(&options, &text);
    options_init(&again);
    complaints = parse(&again, buffer);
    assert_int_equal(0, complaints.count);
    assert_int_equal(STACK_FIRMWARE, again.stack);
    assert_int_equal(OPTIONS_ADDRESSES_MAX, again.skip.count);
    assert_true(pci_address_is_equal(&options.skip.addresses[OPTIONS_ADDRESSES_MAX - 1],
                                     &again.skip.addresses[OPTIONS_ADDRESSES_MAX - 1]));
}

static void functions_are_admitted_by_both_lists(void **state)
{
    const struct pci_address third = {0, 0, 3, 0};
    const struct {
        const CHAR16 *text;
        bool is_admitted;
    } cases[] = {
        {L"", true},
        {L"only=00:03.0", true},
        {L"only=00:02.0,00:03.0", true},
        {L"only=00:02.0", false},
        {L"only=00:03.1", false},
        {L"only=01:03.0", false},
        {L"only=1:00:03.0", false},
        {L"skip=00:03.0", false},
        {L"skip=00:02.0,00:03.0", false},
        {L"skip=00:02.0", true},
        {L"only=00:03.0 skip=00:03.0", false},
        {L"only=00:03.0 skip=00:02.0", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options options;

        options_init(&options);
        assert_int_equal(0, parse(&options, cases[i].text).count);
        if (options_admit(&options, &third) != cases[i].is_admitted)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_begin_with_takeover_and_its_lines),
        cmocka_unit_test(each_option_has_its_values),
        cmocka_unit_test(an_address_is_read_as_lspci_writes_it),
        cmocka_unit_test(a_list_keeps_its_order_and_its_name),
        cmocka_unit_test(what_is_malformed_is_named_and_changes_nothing),
        cmocka_unit_test(what_is_malformed_does_not_hide_its_neighbours),
        cmocka_unit_test(every_malformed_item_is_named),
        cmocka_unit_test(a_later_setting_replaces_an_earlier_one),
        cmocka_unit_test(a_malformed_list_leaves_the_earlier_one),
        cmocka_unit_test(a_list_is_full_with_its_last_place_and_not_before),
        cmocka_unit_test(a_terminator_ends_the_text),
        cmocka_unit_test(nothing_is_read_behind_the_length),
        cmocka_unit_test(printed_text_names_the_stack_if_it_is_the_firmwares),
        cmocka_unit_test(longest_text_is_printed_whole),
        cmocka_unit_test(functions_are_admitted_by_both_lists),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
