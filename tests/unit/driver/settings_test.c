/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the options come from, and that nothing in there keeps the driver from loading.
 */
#include "driver_fixture.h"

#include "driver/settings.h"

#define TEXT_MAX 4096u

static const UINT32 stored = EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS;

static void set_variable(const void *data, size_t bytes)
{
    static CHAR16 name[] = SETTINGS_VARIABLE;
    uint8_t copy[2 * TEXT_MAX];

    memcpy(copy, data, bytes);
    assert_success(RT->SetVariable(name, &variable_guid, stored, bytes, copy));
}

/* As `setvar … =L"…"` stores it, without a terminator. */
#define SET_VARIABLE(text) set_variable(text, sizeof(text) - sizeof((text)[0]))

static void set_load_option(const struct driver_fixture *fixture, void *data, size_t bytes)
{
    EFI_LOADED_IMAGE *loaded = fake_firmware_loaded_image(fixture->firmware, fixture->image);

    loaded->LoadOptions = data;
    loaded->LoadOptionsSize = (UINT32)bytes;
}

/* As bcfg and the shell store it, with a terminator. */
#define SET_LOAD_OPTION(fixture, text) copy_load_option(fixture, text, sizeof(text))

static void copy_load_option(const struct driver_fixture *fixture, const void *data, size_t bytes)
{
    static uint8_t copy[TEXT_MAX];

    memcpy(copy, data, bytes);
    set_load_option(fixture, copy, bytes);
}

static struct options load(const struct driver_fixture *fixture)
{
    struct options options;

    settings_load(fixture->image, &options);
    return options;
}

static const char *console(const struct driver_fixture *fixture)
{
    return fake_firmware_console(fixture->firmware);
}

static void assert_defaults(const struct options *options)
{
    assert_true(options->takeover);
    assert_int_equal(VERBOSITY_TAKEOVERS, options->verbosity);
    assert_int_equal(STACK_OWN, options->stack);
    assert_int_equal(0, options->only.count);
    assert_int_equal(0, options->skip.count);
}

static void without_a_source_there_are_defaults_and_silence(void **state)
{
    struct options options = load(*state);

    assert_defaults(&options);
    assert_string_equal("", console(*state));
}

static void the_variable_is_read_in_ucs2_and_in_ascii(void **state)
{
    SET_VARIABLE(L"takeover=off");
    assert_false(load(*state).takeover);
    SET_VARIABLE("verbose=2");
    assert_int_equal(VERBOSITY_ALL, load(*state).verbosity);
    SET_VARIABLE(L"stack=firmware");
    assert_int_equal(STACK_FIRMWARE, load(*state).stack);
    SET_VARIABLE("verbose=0 "); /* of even length */
    assert_int_equal(VERBOSITY_ERRORS, load(*state).verbosity);
    set_variable(L"verbose=2", sizeof(L"verbose=2")); /* with its terminator */
    assert_int_equal(VERBOSITY_ALL, load(*state).verbosity);
    assert_string_equal("", console(*state));
}

static void the_load_option_is_read_in_ucs2_and_in_ascii(void **state)
{
    SET_LOAD_OPTION(*state, L"takeover=off");
    assert_false(load(*state).takeover);
    SET_LOAD_OPTION(*state, "verbose=2");
    assert_int_equal(VERBOSITY_ALL, load(*state).verbosity);
    assert_string_equal("", console(*state));
}

static void the_load_option_has_the_last_word(void **state)
{
    struct options options;

    SET_VARIABLE(L"takeover=off verbose=0 stack=firmware");
    SET_LOAD_OPTION(*state, L"takeover=on stack=own");
    options = load(*state);
    assert_true(options.takeover);
    assert_int_equal(STACK_OWN, options.stack);
    assert_int_equal(VERBOSITY_ERRORS, options.verbosity);
}

static void the_variable_is_the_one_of_our_vendor(void **state)
{
    static CHAR16 name[] = SETTINGS_VARIABLE;
    static CHAR16 text[] = L"takeover=off";
    struct options options;

    assert_success(RT->SetVariable(name, &pci_io_guid, stored, sizeof(text), text));
    options = load(*state);
    assert_defaults(&options);
}

static void the_images_own_name_is_no_option(void **state)
{
    SET_LOAD_OPTION(*state, L"virtio-net.efi takeover=off");
    assert_false(load(*state).takeover);
    SET_LOAD_OPTION(*state, L"fs0:\\EFI\\VIRTIO-NET.EFI takeover=off");
    assert_false(load(*state).takeover);
    SET_LOAD_OPTION(*state, L"virtio-net.efi");
    assert_true(load(*state).takeover);
    SET_LOAD_OPTION(*state, L".efi verbose=2");
    assert_int_equal(VERBOSITY_ALL, load(*state).verbosity);
    assert_string_equal("", console(*state));
}

static void a_name_that_is_not_an_images_is_an_item(void **state)
{
    SET_LOAD_OPTION(*state, L"efi");
    (void)load(*state);
    assert_text_contains("virtio-net: load option: ignored efi: no such option\r\n",
                         console(*state));
    SET_LOAD_OPTION(*state, L"virtio-net.img verbose=2");
    assert_int_equal(VERBOSITY_ALL, load(*state).verbosity);
    assert_text_contains("ignored virtio-net.img: no such option\r\n", console(*state));
    SET_LOAD_OPTION(*state, L"x=.efi verbose=0");
    assert_int_equal(VERBOSITY_ERRORS, load(*state).verbosity);
    assert_text_contains("ignored x=.efi: no such option\r\n", console(*state));
    SET_LOAD_OPTION(*state, L"a.efj");
    (void)load(*state);
    assert_text_contains("ignored a.efj: no such option\r\n", console(*state));
    SET_LOAD_OPTION(*state, L"d-efi");
    (void)load(*state);
    assert_text_contains("ignored d-efi: no such option\r\n", console(*state));
}

static void a_name_reaches_up_to_the_last_place(void **state)
{
    static CHAR16 text[1024];

    for (size_t i = 0; i < ARRAY_LENGTH(text); i++)
        text[i] = L' ';
    memcpy(text, L"x.efi", 5 * sizeof(CHAR16));
    memcpy(&text[1024 - 12], L"takeover=off", 12 * sizeof(CHAR16));
    set_load_option(*state, text, sizeof(text)); /* ASan's to watch */
    assert_false(load(*state).takeover);
    assert_string_equal("", console(*state));
}

static void a_character_beyond_ascii_is_not_taken_for_another(void **state)
{
    SET_VARIABLE(L"takeover=\x016f\x0166\x0166");
    assert_true(load(*state).takeover);
    assert_text_contains("takeover must be on or off", console(*state));
}

static void what_is_not_understood_is_named_with_its_source(void **state)
{
    SET_VARIABLE(L"color=red takeover=off");
    SET_LOAD_OPTION(*state, L"verbose=9");
    assert_false(load(*state).takeover);
    assert_string_equal("virtio-net: VirtioNetOptions: ignored color=red: no such option\r\n"
                        "virtio-net: load option: ignored verbose=9: verbose must be 0, 1 or 2\r\n",
                        console(*state));
}

static void a_long_item_leaves_room_for_the_reason(void **state)
{
    char text[200];

    memset(text, 'x', sizeof(text));
    set_variable(text, sizeof(text));
    (void)load(*state);
    assert_text_contains("xxx: no such option\r\n", console(*state));
}

static void the_longest_text_is_taken_and_one_more_is_not(void **state)
{
    static CHAR16 text[1025];
    struct options options;

    for (size_t i = 0; i < ARRAY_LENGTH(text); i++)
        text[i] = L' ';
    memcpy(&text[1024 - 12], L"takeover=off", 12 * sizeof(CHAR16));
    set_variable(text, 1024 * sizeof(CHAR16));
    options = load(*state);
    assert_false(options.takeover);
    assert_string_equal("", console(*state));

    set_variable(text, sizeof(text));
    options = load(*state);
    assert_defaults(&options);
    assert_string_equal("virtio-net: VirtioNetOptions: ignored: too long\r\n", console(*state));
}

static void an_ascii_text_of_as_many_bytes_is_too_long_as_well(void **state)
{
    char text[1025];
    struct options options;

    memset(text, ' ', sizeof(text));
    memcpy(text, "takeover=off", 12);
    set_variable(text, sizeof(text));
    options = load(*state);
    assert_defaults(&options);
    assert_string_equal("virtio-net: VirtioNetOptions: ignored: too long\r\n", console(*state));
}

static void a_load_option_that_is_too_long_is_named(void **state)
{
    static CHAR16 text[TEXT_MAX];
    struct options options;

    for (size_t i = 0; i < ARRAY_LENGTH(text); i++)
        text[i] = L'a';
    set_load_option(*state, text, sizeof(text));
    options = load(*state);
    assert_defaults(&options);
    assert_string_equal("virtio-net: load option: ignored: too long\r\n", console(*state));
}

static void a_variable_that_cannot_be_read_is_named(void **state)
{
    struct driver_fixture *fixture = *state;
    struct options options;

    SET_VARIABLE(L"takeover=off");
    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    fake_firmware_fail_nth(fixture->firmware, 1);
    options = load(fixture);
    assert_defaults(&options);
    assert_string_equal("virtio-net: VirtioNetOptions: ignored: cannot be read\r\n",
                        console(fixture));
}

static void odd_sizes_and_places_are_read(void **state)
{
    static uint8_t buffer[64] __attribute__((aligned(8)));
    uint8_t *one_byte = calloc(1, 1);

    memcpy(&buffer[1], L"takeover=off", sizeof(L"takeover=off"));
    set_load_option(*state, &buffer[1], sizeof(L"takeover=off") + 1);
    assert_false(load(*state).takeover);
    set_load_option(*state, &buffer[1], 0);
    assert_true(load(*state).takeover);
    set_load_option(*state, NULL, 10);
    assert_true(load(*state).takeover);
    set_load_option(*state, one_byte, 1); /* ASan's to watch */
    assert_true(load(*state).takeover);
    free(one_byte);
    assert_string_equal("", console(*state));
}

static void rubbish_is_ignored(void **state)
{
    uint8_t bytes[256];
    struct options options;
    uint32_t random = 1;

    for (unsigned round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(random >> 24);
        }
        set_variable(bytes, 1 + round % sizeof(bytes));
        set_load_option(*state, bytes, 1 + round * 7 % sizeof(bytes));
        options = load(*state);
        assert_defaults(&options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVER_TEST(without_a_source_there_are_defaults_and_silence),
        DRIVER_TEST(the_variable_is_read_in_ucs2_and_in_ascii),
        DRIVER_TEST(the_load_option_is_read_in_ucs2_and_in_ascii),
        DRIVER_TEST(the_load_option_has_the_last_word),
        DRIVER_TEST(the_variable_is_the_one_of_our_vendor),
        DRIVER_TEST(the_images_own_name_is_no_option),
        DRIVER_TEST(a_name_that_is_not_an_images_is_an_item),
        DRIVER_TEST(a_name_reaches_up_to_the_last_place),
        DRIVER_TEST(a_character_beyond_ascii_is_not_taken_for_another),
        DRIVER_TEST(what_is_not_understood_is_named_with_its_source),
        DRIVER_TEST(a_long_item_leaves_room_for_the_reason),
        DRIVER_TEST(the_longest_text_is_taken_and_one_more_is_not),
        DRIVER_TEST(an_ascii_text_of_as_many_bytes_is_too_long_as_well),
        DRIVER_TEST(a_load_option_that_is_too_long_is_named),
        DRIVER_TEST(a_variable_that_cannot_be_read_is_named),
        DRIVER_TEST(odd_sizes_and_places_are_read),
        DRIVER_TEST(rubbish_is_ignored),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
