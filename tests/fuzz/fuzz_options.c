/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Everything that a user or another program can put where options are read: the variable, the
 * load option, the texts that options.c parses, and the strings that a form browser passes to the
 * status page.
 *
 * Input: a byte that selects one of the three, and what it reads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guids.h"
#include "driver/driver_binding.h"
#include "driver/settings.h"
#include "fixture.h"
#include "fuzz.h"
#include "hii.h"
#include "uefi_ext/hii.h"

#define NV (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS)
#define STRING_CHARS_MAX 4096u
#define HEADER_CHARS_MAX 512u

static CHAR16 variable_name[] = SETTINGS_VARIABLE;

static bool are_equal(const struct pci_address_list *left, const struct pci_address_list *right)
{
    if (left->count != right->count)
        return false;
    for (unsigned i = 0; i < left->count; i++) {
        if (!pci_address_is_equal(&left->addresses[i], &right->addresses[i]))
            return false;
    }
    return true;
}

static void refuse(void *context, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    (void)context, (void)item, (void)length, (void)why;
    fuzz_fail("what options_append wrote is not understood");
}

/* Options are as the header says, and their text parses back to the same. */
static void check_options(const struct options *options)
{
    CHAR16 *buffer = malloc(OPTIONS_TEXT_MAX * sizeof(*buffer));
    struct options again;
    struct text text;

    fuzz_claim(options->verbosity <= VERBOSITY_ALL, "verbosity %u", options->verbosity);
    fuzz_claim(options->stack <= STACK_FIRMWARE, "stack %u", options->stack);
    fuzz_claim(options->only.count <= OPTIONS_ADDRESSES_MAX &&
                   options->skip.count <= OPTIONS_ADDRESSES_MAX,
               "%u and %u addresses", options->only.count, options->skip.count);
    text_init(&text, buffer, OPTIONS_TEXT_MAX);
    options_append(options, &text);
    fuzz_claim(text.length < OPTIONS_TEXT_MAX && !buffer[text.length], "a text that does not end");
    options_init(&again);
    options_parse(&again, buffer, text.length, refuse, NULL);
    fuzz_claim(again.takeover == options->takeover && again.verbosity == options->verbosity &&
                   again.stack == options->stack && are_equal(&again.only, &options->only) &&
                   are_equal(&again.skip, &options->skip),
               "the text of options makes other options");
    free(buffer);
}

/* Of exact length, so that a read past the end is detected. */
static void *take_copy(struct fuzz_input *input, size_t bytes)
{
    void *copy = malloc(bytes);

    fuzz_take_bytes(input, copy, bytes);
    return copy;
}

static void fuzz_settings(struct fuzz_input *input)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_HANDLE image = fake_firmware_load_image(firmware, NULL);
    uint16_t choice = fuzz_take16(input);
    size_t variable_bytes = choice & 0xfff;
    UINT32 attributes = choice & 0x1000 ? EFI_VARIABLE_BOOTSERVICE_ACCESS : NV;
    EFI_LOADED_IMAGE *loaded = fake_firmware_loaded_image(firmware, image);
    struct options options;
    struct options saved;
    void *variable;

    if (variable_bytes > fuzz_left(input))
        variable_bytes = fuzz_left(input);
    variable = take_copy(input, variable_bytes);
    if (variable_bytes > 0)
        (void)RT->SetVariable(variable_name, &variable_guid, attributes, variable_bytes, variable);
    loaded->LoadOptionsSize = (UINT32)fuzz_left(input);
    loaded->LoadOptions = take_copy(input, fuzz_left(input));

    settings_load(image, &options);
    check_options(&options);
    fuzz_claim(!settings_save(&options), "options are not saved");
    settings_load_variable(&saved);
    check_options(&saved);
    fuzz_claim(are_equal(&saved.only, &options.only) && are_equal(&saved.skip, &options.skip) &&
                   saved.takeover == options.takeover && saved.verbosity == options.verbosity &&
                   saved.stack == options.stack,
               "other options are read than were saved");
    free(loaded->LoadOptions);
    loaded->LoadOptions = NULL;
    free(variable);
    fake_firmware_assert_nothing_leaked(firmware);
    fake_firmware_free(firmware);
}

struct parsed {
    const CHAR16 *text;
    size_t length;
};

static void on_complaint(void *context, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    const struct parsed *parsed = context;

    fuzz_claim(item >= parsed->text && length > 0 &&
                   (size_t)(item - parsed->text) + length <= parsed->length,
               "a complaint of what is not in the text");
    fuzz_claim(why && *why, "a complaint without a reason");
}

static void fuzz_texts(struct fuzz_input *input)
{
    size_t capacity = 1u + fuzz_take8(input);
    size_t length = fuzz_left(input) / sizeof(CHAR16);
    CHAR16 *chars = take_copy(input, length * sizeof(CHAR16));
    struct parsed parsed = {chars, length};
    struct pci_address_list list = {0};
    struct options options;
    CHAR16 *buffer = malloc(capacity * sizeof(*buffer));
    struct text text;

    options_init(&options);
    options_parse(&options, chars, length, on_complaint, &parsed);
    check_options(&options);

    (void)options_parse_addresses(&list, chars, length);
    fuzz_claim(list.count <= OPTIONS_ADDRESSES_MAX, "%u addresses", list.count);
    text_init(&text, buffer, capacity);
    options_append_addresses(&list, &text);
    fuzz_claim(text.length < capacity && !buffer[text.length], "a text that does not end");
    if (text.length > 0)
        fuzz_claim(!options_parse_addresses(&list, buffer, text.length),
                   "what options_append_addresses wrote is not understood");
    free(buffer);
    free(chars);
}

struct page_fuzz {
    struct fake_fixture fake;
    EFI_HII_CONFIG_ACCESS_PROTOCOL *access;
    CHAR16 header[HEADER_CHARS_MAX];
    size_t header_length;
};

/* An answer to a request for everything begins with the header. */
static void find_header(struct page_fuzz *fuzz)
{
    EFI_STRING progress;
    EFI_STRING results;
    size_t length = 0;

    fuzz_claim(!fuzz->access->ExtractConfig(fuzz->access, NULL, &progress, &results),
               "everything cannot be extracted");
    for (unsigned ampersands = 0; ampersands < 3; length++)
        ampersands += results[length] == u'&';
    length--;
    fuzz_claim(length < HEADER_CHARS_MAX, "a header of %zu characters", length);
    memcpy(fuzz->header, results, length * sizeof(CHAR16));
    fuzz->header_length = length;
    (void)BS->FreePool(results);
}

static void begin_page(struct page_fuzz *fuzz)
{
    struct options options;
    EFI_HANDLE image;
    EFI_HANDLE child;

    fake_fixture_init(&fuzz->fake, 1, NULL);
    (void)fake_hii_new(fuzz->fake.firmware);
    fake_firmware_baseline(fuzz->fake.firmware);
    options_init(&options);
    image = fake_firmware_load_image(fuzz->fake.firmware, NULL);
    fuzz_claim(!driver_binding_install(image, &options), "the driver cannot be installed");
    fuzz_claim(!fake_firmware_connect(fuzz->fake.firmware, fake_device_handle(fuzz->fake.device)),
               "the driver does not start");
    child = fake_firmware_find_handle(fuzz->fake.firmware, &snp_guid, 0);
    fuzz->access = fake_firmware_interface(fuzz->fake.firmware, child, &hii_config_access_guid);
    fuzz_claim(fuzz->access, "there is no page");
    find_header(fuzz);
}

static void end_page(struct page_fuzz *fuzz)
{
    fuzz_claim(!driver_binding_uninstall(), "the driver does not let go");
    fake_firmware_assert_nothing_leaked(fuzz->fake.firmware);
    fake_fixture_fini(&fuzz->fake);
}

/* Up to a zero byte: each byte is a character, 0xff introduces one of two bytes. */
static CHAR16 *take_string(struct page_fuzz *fuzz, struct fuzz_input *input, bool has_header,
                           size_t *ret_length)
{
    CHAR16 *chars = malloc(STRING_CHARS_MAX * sizeof(*chars));
    size_t length = has_header ? fuzz->header_length : 0;
    CHAR16 *exact;
    CHAR16 next;

    memcpy(chars, fuzz->header, length * sizeof(*chars));
    while (length < STRING_CHARS_MAX - 1 && (next = fuzz_take8(input)) != 0) {
        next = next == 0xff ? fuzz_take16(input) : next;
        if (next == 0)
            break;
        chars[length++] = next;
    }
    chars[length++] = 0;
    exact = malloc(length * sizeof(*exact));
    memcpy(exact, chars, length * sizeof(*exact));
    free(chars);
    *ret_length = length - 1;
    return exact;
}

static void check_variable(void)
{
    struct options options;

    settings_load_variable(&options);
    check_options(&options);
}

static void route(const struct page_fuzz *fuzz, CHAR16 *string, size_t length)
{
    EFI_STRING progress = NULL;
    EFI_STATUS status = fuzz->access->RouteConfig(fuzz->access, string, &progress);

    fuzz_claim(progress >= string && progress <= string + length, "progress is outside");
    fuzz_claim(EFI_ERROR(status) || *progress == 0, "not all of a string was routed");
    check_variable();
}

/* An answer can be routed back unchanged: nothing in it is refused. */
static void extract(const struct page_fuzz *fuzz, CHAR16 *string, size_t length)
{
    EFI_STRING progress = NULL;
    EFI_STRING results = NULL;
    EFI_STATUS status = fuzz->access->ExtractConfig(fuzz->access, string, &progress, &results);
    size_t results_length = 0;

    fuzz_claim(progress >= string && progress <= string + length, "progress is outside");
    if (EFI_ERROR(status)) {
        fuzz_claim(!results, "a result in spite of %#llx", (unsigned long long)status);
        return;
    }
    fuzz_claim(*progress == 0, "not all of a string was extracted");
    while (results[results_length])
        results_length++;
    if (results_length > fuzz->header_length)
        fuzz_claim(!fuzz->access->RouteConfig(fuzz->access, results, &progress),
                   "an answer cannot be routed back");
    (void)BS->FreePool(results);
}

static void fuzz_page(struct fuzz_input *input)
{
    struct page_fuzz fuzz = {.header_length = 0};

    begin_page(&fuzz);
    while (fuzz_left(input) > 0) {
        uint8_t choice = fuzz_take8(input);
        size_t length;
        CHAR16 *string = take_string(&fuzz, input, !(choice & 2), &length);

        if (choice & 1)
            route(&fuzz, string, length);
        else if (choice & 4)
            (void)RT->SetVariable(variable_name, &variable_guid, NV, length * sizeof(CHAR16),
                                  string);
        else
            extract(&fuzz, string, length);
        free(string);
    }
    end_page(&fuzz);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    fuzz_begin(&input, data, size);
    switch (fuzz_take8(&input) % 3) {
    case 0:
        fuzz_texts(&input);
        break;
    case 1:
        fuzz_settings(&input);
        break;
    default:
        fuzz_page(&input);
    }
    return 0;
}
