/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The status page: what is in the database, what its texts say, and the way of the
 * fields to the variable and back. tests/fake/hii.c checks the package list itself.
 */
#include <efi.h>
#include <efinet.h>
#include <stdio.h>

#include "assert_status.h"
#include "base/guids.h"
#include "driver/adapter.h"
#include "driver/driver_binding.h"
#include "driver/status_form.h"
#include "fixture.h"
#include "hii.h"

#define PAGE_TEST(test) cmocka_unit_test_setup_teardown(test, page_setup, page_teardown)
#define STRING_CHARS_MAX 8192u
#define FIELD_BYTES 510u
#define BLOCK_BYTES (3 + 2 * FIELD_BYTES)
#define NV (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS)

struct page_fixture {
    struct fake_fixture fake;
    struct fake_firmware *firmware;
    struct fake_hii *hii;
    EFI_HANDLE image;
    EFI_HII_CONFIG_ACCESS_PROTOCOL *access; /* of the first NIC */
    const struct fake_form *form;
};

static CHAR16 variable_name[] = L"VirtioNetOptions";

static EFI_HANDLE child(const struct page_fixture *fixture, unsigned index)
{
    return fake_firmware_find_handle(fixture->firmware, &snp_guid, index);
}

static void install_driver(struct page_fixture *fixture)
{
    struct options options;

    options_init(&options);
    fixture->image = fake_firmware_load_image(fixture->firmware, NULL);
    assert_success(driver_binding_install(fixture->image, &options));
}

static EFI_STATUS start(const struct page_fixture *fixture, unsigned index)
{
    EFI_DRIVER_BINDING_PROTOCOL *binding =
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid);

    return binding->Start(binding, fake_device_handle(fixture->fake.devices[index]), NULL);
}

static void find_page(struct page_fixture *fixture)
{
    fixture->access =
        fake_firmware_interface(fixture->firmware, child(fixture, 0), &hii_config_access_guid);
    fixture->form = fixture->hii ? fake_hii_find_form(fixture->hii, child(fixture, 0)) : NULL;
}

static struct page_fixture *page_new(unsigned device_count, bool has_hii)
{
    struct page_fixture *fixture = calloc(1, sizeof(*fixture));

    fake_fixture_init(&fixture->fake, device_count, NULL);
    fixture->firmware = fixture->fake.firmware;
    if (has_hii)
        fixture->hii = fake_hii_new(fixture->firmware);
    fake_firmware_baseline(fixture->firmware);
    install_driver(fixture);
    return fixture;
}

static void page_free(struct page_fixture *fixture)
{
    assert_success(driver_binding_uninstall());
    fake_firmware_assert_nothing_leaked(fixture->firmware);
    fake_fixture_fini(&fixture->fake);
    free(fixture);
}

static int page_setup(void **state)
{
    struct page_fixture *fixture = page_new(1, true);

    assert_success(start(fixture, 0));
    find_page(fixture);
    *state = fixture;
    return 0;
}

static int page_teardown(void **state)
{
    page_free(*state);
    return 0;
}

/* The variable */

static void set_variable(const char *text, UINT32 attributes)
{
    CHAR16 wide[1024];
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        wide[i] = (CHAR16)text[i];
    assert_success(
        RT->SetVariable(variable_name, &variable_guid, attributes, length * sizeof(*wide), wide));
}

/* As ASCII; NULL: there is no variable. */
static const char *get_variable(void)
{
    static char narrow[1025];
    CHAR16 wide[1024];
    UINTN bytes = sizeof(wide);

    if (RT->GetVariable(variable_name, &variable_guid, NULL, &bytes, wide) == EFI_NOT_FOUND)
        return NULL;
    for (size_t i = 0; i < bytes / 2; i++)
        narrow[i] = (char)wide[i];
    narrow[bytes / 2] = '\0';
    return narrow;
}

static UINT32 get_attributes(void)
{
    UINT32 attributes = 0;
    UINTN bytes = 0;

    (void)RT->GetVariable(variable_name, &variable_guid, &attributes, &bytes, NULL);
    return attributes;
}

/* Configuration strings */

struct string {
    CHAR16 text[STRING_CHARS_MAX];
    size_t length;
};

static void append(struct string *string, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct string *string, const char *format, ...)
{
    char narrow[STRING_CHARS_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(narrow, sizeof(narrow), format, arguments);
    va_end(arguments);
    for (size_t i = 0; narrow[i]; i++) {
        assert_true(string->length < STRING_CHARS_MAX - 1);
        string->text[string->length++] = (CHAR16)narrow[i];
    }
    string->text[string->length] = 0;
}

static void append_header(struct string *string, const struct page_fixture *fixture)
{
    const uint8_t *guid = (const uint8_t *)&variable_guid;
    const uint8_t *path =
        fake_firmware_interface(fixture->firmware, child(fixture, 0), &device_path_guid);
    size_t path_bytes = 0;

    while (path[path_bytes] != 0x7f)
        path_bytes += path[path_bytes + 2];
    path_bytes += 4;

    append(string, "GUID=");
    for (size_t i = 0; i < 16; i++)
        append(string, "%02x", guid[i]);
    append(string, "&NAME=");
    for (size_t i = 0; variable_name[i]; i++)
        append(string, "%04x", variable_name[i]);
    append(string, "&PATH=");
    for (size_t i = 0; i < path_bytes; i++)
        append(string, "%02x", path[i]);
}

static void append_value(struct string *string, const uint8_t *bytes, size_t count)
{
    append(string, "&VALUE=");
    while (count-- > 0)
        append(string, "%02x", bytes[count]);
}

static const struct fake_statement *field(const struct page_fixture *fixture, const char *prompt)
{
    const struct fake_statement *statement = fake_hii_find_statement(fixture->form, prompt);

    if (!statement)
        fail_msg("no field is called %s", prompt);
    return statement;
}

static void append_element(struct string *string, const struct fake_statement *statement)
{
    append(string, "&OFFSET=%04x&WIDTH=%04x", statement->offset, statement->width);
}

static EFI_STATUS route(const struct page_fixture *fixture, struct string *string, long *ret_at)
{
    EFI_STRING progress = NULL;
    EFI_STATUS status = fixture->access->RouteConfig(fixture->access, string->text, &progress);

    *ret_at = progress - string->text;
    return status;
}

/* What the browser does when the user changes a field and saves. */
static EFI_STATUS save_bytes(const struct page_fixture *fixture, const char *prompt,
                             const void *bytes)
{
    const struct fake_statement *statement = field(fixture, prompt);
    struct string *string = calloc(1, sizeof(*string));
    EFI_STATUS status;
    long at;

    append_header(string, fixture);
    append_element(string, statement);
    append_value(string, bytes, statement->width);
    status = route(fixture, string, &at);
    if (!EFI_ERROR(status))
        assert_int_equal(string->length, at);
    else
        assert_int_equal(0, at);
    free(string);
    return status;
}

static EFI_STATUS save_text(const struct page_fixture *fixture, const char *prompt,
                            const char *text)
{
    CHAR16 wide[FIELD_BYTES / 2] = {0};

    for (size_t i = 0; text[i]; i++)
        wide[i] = (CHAR16)text[i];
    return save_bytes(fixture, prompt, wide);
}

static EFI_STATUS save_byte(const struct page_fixture *fixture, const char *prompt, uint8_t byte)
{
    return save_bytes(fixture, prompt, &byte);
}

/* What the browser does when it shows the field. */
static void load_bytes(const struct page_fixture *fixture, const char *prompt, uint8_t *ret_bytes)
{
    const struct fake_statement *statement = field(fixture, prompt);
    struct string *string = calloc(1, sizeof(*string));
    EFI_STRING progress;
    EFI_STRING results;
    size_t value;

    append_header(string, fixture);
    append_element(string, statement);
    assert_success(
        fixture->access->ExtractConfig(fixture->access, string->text, &progress, &results));
    assert_ptr_equal(string->text + string->length, progress);
    assert_memory_equal(string->text, results, string->length * sizeof(CHAR16));
    value = string->length + strlen("&VALUE=");
    for (size_t i = statement->width; i-- > 0;) {
        char digits[3] = {(char)results[value], (char)results[value + 1], '\0'};

        ret_bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
        value += 2;
    }
    assert_int_equal(0, results[value]);
    assert_int_equal(0, results[value + 1]); /* for those who step over the terminator */
    assert_success(BS->FreePool(results));
    free(string);
}

static uint8_t load_byte(const struct page_fixture *fixture, const char *prompt)
{
    uint8_t byte;

    load_bytes(fixture, prompt, &byte);
    return byte;
}

static const char *load_text(const struct page_fixture *fixture, const char *prompt)
{
    static char narrow[FIELD_BYTES / 2 + 1];
    uint8_t bytes[FIELD_BYTES];

    load_bytes(fixture, prompt, bytes);
    for (size_t i = 0; i < FIELD_BYTES / 2; i++)
        narrow[i] = (char)bytes[2 * i];
    return narrow;
}

static const char *row(const struct page_fixture *fixture, const char *prompt)
{
    return fake_hii_string(fixture->form, field(fixture, prompt)->value);
}

static EFI_STATUS call_back(const struct page_fixture *fixture, EFI_BROWSER_ACTION action)
{
    EFI_BROWSER_ACTION_REQUEST request = 99;

    return fixture->access->Callback(fixture->access, action, field(fixture, "Refresh")->question,
                                     EFI_IFR_TYPE_NUM_SIZE_8, NULL, &request);
}

/* What is in the database */

static void each_nic_has_a_page_of_the_setup_class_on_its_child(void **state)
{
    const EFI_GUID setup = EFI_HII_PLATFORM_SETUP_FORMSET_GUID;
    struct page_fixture *fixture = page_new(2, true);

    (void)state;
    assert_success(start(fixture, 0));
    assert_success(start(fixture, 1));
    assert_int_equal(2, fake_hii_form_count(fixture->hii));
    for (unsigned i = 0; i < 2; i++) {
        const struct fake_form *form = fake_hii_find_form(fixture->hii, child(fixture, i));

        assert_non_null(form);
        assert_memory_equal(&setup, &form->class, sizeof(setup));
        assert_non_null(
            fake_firmware_interface(fixture->firmware, child(fixture, i), &hii_config_access_guid));
    }
    page_free(fixture);
}

/* The fake is as strict as it claims. */
static void wrong_byte_in_the_packages_is_noticed(void **state)
{
    const struct page_fixture *fixture = *state;
    EFI_HII_PACKAGE_LIST_HEADER *packages;
    struct adapter *adapter;
    unsigned unnoticed = 0;
    uint8_t *bytes;
    size_t forms_bytes;

    assert_success(adapter_of_child(fixture->image, child(fixture, 0), &adapter));
    assert_success(status_form_create(adapter, &packages));
    bytes = (uint8_t *)packages;
    fake_hii_check(bytes);
    forms_bytes = bytes[20] | (size_t)bytes[21] << 8;
    for (size_t i = 20; i < 20 + forms_bytes; i++) {
        uint8_t right = bytes[i];

        bytes[i] = 0xff;
        fake_reports_record();
        fake_hii_check(bytes);
        unnoticed += fake_reports_taken() == 0;
        bytes[i] = right;
    }
    assert_success(BS->FreePool(packages));
    /* Three GUIDs and a name, 64 bytes, and ids, offsets and flags that could be others. */
    assert_true(unnoticed < 64 + 60);
}

static void store_is_the_variable_by_name_and_guid(void **state)
{
    const struct page_fixture *fixture = *state;

    assert_string_equal("VirtioNetOptions", fixture->form->store_name);
    assert_memory_equal(&variable_guid, &fixture->form->store_guid, sizeof(EFI_GUID));
    assert_int_equal(BLOCK_BYTES, fixture->form->store_size);
}

static void one_statement_alone_is_called_back(void **state)
{
    const struct page_fixture *fixture = *state;
    unsigned count = 0;

    for (unsigned i = 0; i < fixture->form->statement_count; i++)
        count += (fixture->form->statements[i].flags & EFI_IFR_FLAG_CALLBACK) != 0;
    assert_int_equal(1, count);
    assert_int_equal(EFI_IFR_FLAG_CALLBACK, field(fixture, "Refresh")->flags);
}

static void stop_takes_the_page_away(void **state)
{
    struct page_fixture *fixture = *state;
    EFI_HANDLE controller = fake_device_handle(fixture->fake.device);

    assert_success(fake_firmware_disconnect(fixture->firmware, controller));
    assert_int_equal(0, fake_hii_form_count(fixture->hii));
}

static void refused_stop_leaves_a_page(void **state)
{
    struct page_fixture *fixture = *state;
    EFI_HANDLE controller = fake_device_handle(fixture->fake.device);
    struct fake_consumer *holder =
        fake_firmware_hold_protocol(fixture->firmware, child(fixture, 0), &snp_guid, true);

    assert_true(EFI_ERROR(fake_firmware_disconnect(fixture->firmware, controller)));
    find_page(fixture);
    assert_non_null(fixture->form);
    assert_string_equal("modern", row(fixture, "Transport"));
    holder->refuses_to_stop = false;
}

static void held_access_protocol_keeps_the_nic_and_its_page(void **state)
{
    struct page_fixture *fixture = *state;
    EFI_HANDLE controller = fake_device_handle(fixture->fake.device);
    struct fake_consumer *holder = fake_firmware_hold_protocol(fixture->firmware, child(fixture, 0),
                                                               &hii_config_access_guid, true);

    assert_true(EFI_ERROR(fake_firmware_disconnect(fixture->firmware, controller)));
    find_page(fixture);
    assert_non_null(fixture->access);
    assert_non_null(fixture->form);
    holder->refuses_to_stop = false;
}

static void firmware_without_hii_gets_no_page_and_a_nic(void **state)
{
    struct page_fixture *fixture = page_new(1, false);

    (void)state;
    assert_success(start(fixture, 0));
    assert_non_null(child(fixture, 0));
    find_page(fixture);
    assert_null(fixture->access);
    assert_string_equal("", fake_firmware_console(fixture->firmware));
    page_free(fixture);
}

/* False: Start makes fewer than `nth` calls. */
static bool fail_nth_call_of_start(unsigned nth, unsigned *lost_pages)
{
    struct page_fixture *fixture = page_new(1, true);
    EFI_STATUS status;
    bool has_failed;

    fake_firmware_fail_nth(fixture->firmware, nth);
    status = start(fixture, 0);
    has_failed = fake_firmware_has_failed(fixture->firmware);
    fake_firmware_fail_nth(fixture->firmware, 0);

    find_page(fixture);
    if (EFI_ERROR(status)) {
        assert_null(child(fixture, 0));
        assert_int_equal(0, fake_hii_form_count(fixture->hii));
    } else {
        assert_non_null(child(fixture, 0));
        assert_int_equal(fixture->form != NULL, fake_hii_form_count(fixture->hii));
        assert_true(has_failed || fixture->form);
        assert_int_equal(fixture->access != NULL, fixture->form != NULL);
        *lost_pages += !fixture->form;
    }
    page_free(fixture);
    return has_failed;
}

static void failed_call_costs_the_page_and_never_the_nic_or_memory(void **state)
{
    unsigned lost_pages = 0;
    unsigned nth = 1;

    (void)state;
    while (fail_nth_call_of_start(nth, &lost_pages))
        nth++;
    /* Two protocols to find, one to install, page, packages, their place in the database. */
    assert_int_equal(6, lost_pages);
}

static void call_that_fails_ever_after_leaks_nothing(void **state)
{
    bool has_failed = true;

    (void)state;
    for (unsigned nth = 1; has_failed; nth++) {
        struct page_fixture *fixture = page_new(1, true);

        fake_firmware_fail_from(fixture->firmware, nth);
        (void)start(fixture, 0); /* either way, it must clean up */
        has_failed = fake_firmware_has_failed(fixture->firmware);
        fake_firmware_fail_nth(fixture->firmware, 0);
        page_free(fixture);
    }
}

/* What the texts say */

static void transport_row_tells_of_registers_in_configuration_space(void **state)
{
    struct page_fixture *fixture = page_new(1, true);

    (void)state;
    fake_device_pci(fixture->fake.device)->options.bars[4].way = FAKE_BAR_REFUSED;
    assert_success(start(fixture, 0));
    find_page(fixture);
    assert_string_equal("modern, through configuration space", row(fixture, "Transport"));
    page_free(fixture);
}

static void rows_tell_the_state_of_the_nic(void **state)
{
    const struct page_fixture *fixture = *state;

    assert_string_equal("virtio-net.efi " VIRTIO_NET_VERSION_STRING, row(fixture, "Driver"));
    assert_string_equal("modern", row(fixture, "Transport"));
    assert_int_equal(17, strlen(row(fixture, "MAC address")));
    assert_string_equal("up", row(fixture, "Link"));
    assert_string_equal("1500 bytes", row(fixture, "MTU"));
    assert_string_equal("the firmware's", row(fixture, "Network stack"));
    assert_string_equal("none: the NIC is not in use", row(fixture, "Features negotiated"));
    assert_string_equal("0 frames, 0 bytes", row(fixture, "Received"));
    assert_string_equal("0 frames, 0 bytes", row(fixture, "Send errors"));
    assert_string_equal("0", row(fixture, "Device errors"));
    assert_non_null(
        strstr(fake_hii_string(fixture->form, fixture->form->title), row(fixture, "MAC address")));
}

static void bring_up(const struct page_fixture *fixture)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *network =
        fake_firmware_interface(fixture->firmware, child(fixture, 0), &snp_guid);
    uint8_t frame[100];

    assert_success(network->Start(network));
    assert_success(network->Initialize(network, 0, 0));
    memset(frame, 0x42, sizeof(frame));
    assert_success(network->Transmit(network, 0, sizeof(frame), frame, NULL, NULL, NULL));
}

static void opened_form_shows_the_counters_and_the_link_of_now(void **state)
{
    const struct page_fixture *fixture = *state;

    bring_up(fixture);
    fake_device_set_link(fixture->fake.device, false);
    assert_string_equal("0 frames, 0 bytes", row(fixture, "Sent"));
    assert_success(call_back(fixture, EFI_BROWSER_ACTION_FORM_OPEN));
    assert_string_equal("1 frames, 100 bytes", row(fixture, "Sent"));
    assert_string_equal("down", row(fixture, "Link"));
    assert_non_null(strstr(row(fixture, "Features negotiated"), "VERSION_1"));
}

static void refresh_reads_again(void **state)
{
    const struct page_fixture *fixture = *state;

    bring_up(fixture);
    assert_success(call_back(fixture, EFI_BROWSER_ACTION_CHANGED));
    assert_string_equal("1 frames, 100 bytes", row(fixture, "Sent"));
}

static void other_actions_and_questions_are_unsupported(void **state)
{
    const struct page_fixture *fixture = *state;
    EFI_BROWSER_ACTION_REQUEST request;

    assert_status(EFI_UNSUPPORTED, call_back(fixture, EFI_BROWSER_ACTION_CHANGING));
    assert_status(EFI_UNSUPPORTED, call_back(fixture, EFI_BROWSER_ACTION_FORM_CLOSE));
    assert_status(EFI_UNSUPPORTED, call_back(fixture, 0x1000));
    assert_status(EFI_UNSUPPORTED, fixture->access->Callback(
                                       fixture->access, EFI_BROWSER_ACTION_CHANGED,
                                       field(fixture, "Leave alone")->question, 0, NULL, &request));
    assert_int_equal(0, fake_hii_set_count(fixture->hii));
}

static void callback_above_tpl_callback_touches_nothing(void **state)
{
    const struct page_fixture *fixture = *state;
    EFI_TPL tpl = BS->RaiseTPL(TPL_NOTIFY);

    assert_status(EFI_UNSUPPORTED, call_back(fixture, EFI_BROWSER_ACTION_FORM_OPEN));
    BS->RestoreTPL(tpl);
    assert_int_equal(0, fake_hii_set_count(fixture->hii));
}

static void callback_survives_texts_that_cannot_be_set(void **state)
{
    const struct page_fixture *fixture = *state;

    fake_firmware_fail_from(fixture->firmware, 1);
    assert_success(call_back(fixture, EFI_BROWSER_ACTION_FORM_OPEN));
    fake_firmware_fail_nth(fixture->firmware, 0);
    assert_string_equal("up", row(fixture, "Link"));
}

/* From the variable to the fields */

static void fields_show_the_defaults_without_a_variable(void **state)
{
    const struct page_fixture *fixture = *state;

    assert_int_equal(1, load_byte(fixture, "Take over NICs"));
    assert_int_equal(1, load_byte(fixture, "Console messages"));
    assert_int_equal(STACK_OWN, load_byte(fixture, "Use network stack of"));
    assert_string_equal("", load_text(fixture, "Use only"));
    assert_string_equal("", load_text(fixture, "Leave alone"));
}

static void form_proposes_the_defaults_of_the_options(void **state)
{
    const struct page_fixture *fixture = *state;
    struct options options;

    options_init(&options);
    assert_int_equal(options.takeover, field(fixture, "Take over NICs")->standard);
    assert_int_equal(options.verbosity, field(fixture, "Console messages")->standard);
    assert_int_equal(options.stack, field(fixture, "Use network stack of")->standard);
}

static void choices_are_named_by_their_values(void **state)
{
    static const struct {
        const char *prompt;
        unsigned value;
        const char *name;
    } choices[] = {
        {"Console messages", VERBOSITY_ERRORS, "Errors"},
        {"Console messages", VERBOSITY_TAKEOVERS, "Errors and takeovers"},
        {"Console messages", VERBOSITY_ALL, "Everything"},
        {"Use network stack of", STACK_OWN, "This driver"},
        {"Use network stack of", STACK_FIRMWARE, "The firmware"},
    };
    const struct page_fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(choices); i++)
        assert_string_equal(
            choices[i].name,
            fake_hii_string(fixture->form,
                            field(fixture, choices[i].prompt)->choices[choices[i].value]));
}

static void fields_show_the_variable_and_say_nothing_of_its_errors(void **state)
{
    const struct page_fixture *fixture = *state;

    set_variable("takeover=off nonsense verbose=2 skip=0:4.1 only=00:03.0,0001:02:1f.7 "
                 "stack=firmware",
                 NV);
    assert_int_equal(0, load_byte(fixture, "Take over NICs"));
    assert_int_equal(2, load_byte(fixture, "Console messages"));
    assert_int_equal(STACK_FIRMWARE, load_byte(fixture, "Use network stack of"));
    assert_string_equal("00:03.0,0001:02:1f.7", load_text(fixture, "Use only"));
    assert_string_equal("00:04.1", load_text(fixture, "Leave alone"));
    assert_string_equal("", fake_firmware_console(fixture->firmware));
}

static EFI_STATUS extract(const struct page_fixture *fixture, CHAR16 *request, long *ret_at)
{
    EFI_STRING progress = NULL;
    EFI_STRING results = NULL;
    EFI_STATUS status =
        fixture->access->ExtractConfig(fixture->access, request, &progress, &results);

    *ret_at = progress - request;
    if (!EFI_ERROR(status))
        assert_success(BS->FreePool(results));
    else
        assert_null(results);
    return status;
}

static void request_without_elements_is_answered_in_full(void **state)
{
    const struct page_fixture *fixture = *state;
    struct string *expected = calloc(1, sizeof(*expected));
    CHAR16 request[1024];

    append_header(expected, fixture);
    memcpy(request, expected->text, (expected->length + 1) * sizeof(CHAR16));
    append(expected, "&OFFSET=0000&WIDTH=03FF&VALUE=");
    for (unsigned i = 0; i < 2; i++) {
        EFI_STRING progress;
        EFI_STRING results;
        size_t length = 0;

        assert_success(fixture->access->ExtractConfig(fixture->access, i ? request : NULL,
                                                      &progress, &results));
        assert_memory_equal(expected->text, results, expected->length * sizeof(CHAR16));
        while (results[length])
            length++;
        assert_int_equal(expected->length + 2 * BLOCK_BYTES, length);
        assert_int_equal(i ? L'\0' : 0, progress ? *progress : 0);
        assert_int_equal(i, progress != NULL);
        assert_success(BS->FreePool(results));
    }
    free(expected);
}

static void request_for_another_block_is_not_found(void **state)
{
    const struct page_fixture *fixture = *state;
    CHAR16 nothing[] = L"";
    CHAR16 garbage[] = L"GUID=00&NAME=00&PATH=00&OFFSET=0&WIDTH=1";
    struct string *string = calloc(1, sizeof(*string));
    long at;

    assert_status(EFI_NOT_FOUND, extract(fixture, nothing, &at));
    assert_int_equal(0, at);
    assert_status(EFI_NOT_FOUND, extract(fixture, garbage, &at));
    assert_int_equal(0, at);
    append_header(string, fixture);
    string->text[string->length - 9] ^= 1; /* in the path */
    append(string, "&OFFSET=0&WIDTH=1");
    assert_status(EFI_NOT_FOUND, extract(fixture, string->text, &at));
    assert_int_equal(0, at);
    free(string);
}

static void request_that_is_ill_formed_is_refused_where_it_is(void **state)
{
    static const char *const bad[] = {
        "&OFFSET=03ff&WIDTH=1",
        "&OFFSET=0&WIDTH=0400",
        "&VALUE=00",
        "&OFFSET=&WIDTH=1",
        "&Takeover",
        "&",
    };
    const struct page_fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct string *string = calloc(1, sizeof(*string));
        size_t good;
        long at;

        append_header(string, fixture);
        append(string, "&OFFSET=0&WIDTH=1");
        good = string->length;
        append(string, "%s", bad[i]);
        assert_status(EFI_INVALID_PARAMETER, extract(fixture, string->text, &at));
        assert_int_equal(good, at);
        free(string);
    }
}

static void extract_needs_a_place_for_its_answers(void **state)
{
    const struct page_fixture *fixture = *state;
    EFI_STRING string;

    assert_status(EFI_INVALID_PARAMETER,
                  fixture->access->ExtractConfig(fixture->access, NULL, NULL, &string));
    assert_status(EFI_INVALID_PARAMETER,
                  fixture->access->ExtractConfig(fixture->access, NULL, &string, NULL));
}

static void extract_without_memory_says_so(void **state)
{
    const struct page_fixture *fixture = *state;
    EFI_STRING progress;
    EFI_STRING results;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY);
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_status(EFI_OUT_OF_RESOURCES,
                  fixture->access->ExtractConfig(fixture->access, NULL, &progress, &results));
    fake_firmware_fail_nth(fixture->firmware, 0);
}

/* From the fields to the variable */

static void saved_fields_are_the_variable(void **state)
{
    const struct page_fixture *fixture = *state;

    assert_success(save_byte(fixture, "Take over NICs", 0));
    assert_string_equal("takeover=off verbose=1", get_variable());
    assert_int_equal(NV, get_attributes());
    assert_success(save_byte(fixture, "Console messages", 2));
    assert_success(save_text(fixture, "Use only", "0:3.0,0001:2:1F.7"));
    assert_success(save_text(fixture, "Leave alone", "00:04.0"));
    assert_string_equal("takeover=off verbose=2 only=00:03.0,0001:02:1f.7 skip=00:04.0",
                        get_variable());
    assert_success(save_byte(fixture, "Use network stack of", STACK_FIRMWARE));
    assert_success(save_text(fixture, "Use only", ""));
    assert_string_equal("takeover=off verbose=2 stack=firmware skip=00:04.0", get_variable());
    assert_success(save_byte(fixture, "Use network stack of", STACK_OWN));
    assert_string_equal("takeover=off verbose=2 skip=00:04.0", get_variable());
}

static void field_saved_as_it_was_writes_no_variable(void **state)
{
    const struct page_fixture *fixture = *state;

    assert_success(save_byte(fixture, "Take over NICs", 1));
    assert_null(get_variable());
}

static void field_without_an_option_is_refused_and_changes_nothing(void **state)
{
    static const char *const lists[] = {
        "nonsense", "00:03.0 takeover=off", "00:03.8", "00:20.0",
        "100:03.0", "00:03.0;00:04.0",      ",",       "00:03",
        "=",
    };
    const struct page_fixture *fixture = *state;

    set_variable("verbose=2", NV);
    assert_status(EFI_INVALID_PARAMETER, save_byte(fixture, "Take over NICs", 2));
    assert_status(EFI_INVALID_PARAMETER, save_byte(fixture, "Console messages", 3));
    assert_status(EFI_INVALID_PARAMETER, save_byte(fixture, "Use network stack of", 2));
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        assert_status(EFI_INVALID_PARAMETER, save_text(fixture, "Use only", lists[i]));
        assert_status(EFI_INVALID_PARAMETER, save_text(fixture, "Leave alone", lists[i]));
    }
    assert_string_equal("verbose=2", get_variable());
}

static void field_that_is_full_to_its_last_character_is_read_to_its_end(void **state)
{
    const struct page_fixture *fixture = *state;
    char list[FIELD_BYTES / 2 + 2] = "";

    for (unsigned i = 0; i < 32; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%02x:1f.7", i ? "," : "", i);
    assert_int_equal(FIELD_BYTES / 2, strlen(list));
    assert_success(save_text(fixture, "Use only", list));
    assert_string_equal(list, load_text(fixture, "Use only"));
    memset(list, '0', FIELD_BYTES / 2);
    assert_status(EFI_INVALID_PARAMETER, save_text(fixture, "Use only", list));
}

static void list_too_long_to_be_shown_survives_another_field(void **state)
{
    const struct page_fixture *fixture = *state;
    char text[1024] = "takeover=on verbose=1 skip=";

    for (unsigned i = 0; i < 32; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s0001:00:%02x.0", i ? "," : "",
                 i);
    set_variable(text, NV);
    assert_int_equal(19 * 13 - 1, strlen(load_text(fixture, "Leave alone")));
    assert_success(save_byte(fixture, "Console messages", 2));
    memcpy(strstr(text, "verbose=1"), "verbose=2", 9);
    assert_string_equal(text, get_variable());
}

static void attributes_of_a_variable_that_lasts_are_kept(void **state)
{
    const struct page_fixture *fixture = *state;

    set_variable("verbose=0", NV | EFI_VARIABLE_RUNTIME_ACCESS);
    assert_success(save_byte(fixture, "Take over NICs", 0));
    assert_int_equal(NV | EFI_VARIABLE_RUNTIME_ACCESS, get_attributes());
    assert_string_equal("takeover=off verbose=0", get_variable());
}

static void volatile_variable_becomes_one_that_lasts(void **state)
{
    const struct page_fixture *fixture = *state;

    set_variable("verbose=0", EFI_VARIABLE_BOOTSERVICE_ACCESS);
    assert_success(save_byte(fixture, "Take over NICs", 0));
    assert_int_equal(NV, get_attributes());
    assert_string_equal("takeover=off verbose=0", get_variable());
}

static void variable_that_cannot_be_written_is_told(void **state)
{
    const struct page_fixture *fixture = *state;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_RUNTIME);
    for (unsigned nth = 2; nth <= 3; nth++) { /* the first call reads */
        fake_firmware_fail_nth(fixture->firmware, nth);
        assert_status(EFI_DEVICE_ERROR, save_byte(fixture, "Take over NICs", 0));
        fake_firmware_fail_nth(fixture->firmware, 0);
        assert_null(get_variable());
    }
}

static void configuration_for_another_block_is_not_found(void **state)
{
    const struct page_fixture *fixture = *state;
    struct string *string = calloc(1, sizeof(*string));
    long at;

    append(string, "GUID=00&NAME=00&PATH=00&OFFSET=0&WIDTH=1&VALUE=00");
    assert_status(EFI_NOT_FOUND, route(fixture, string, &at));
    assert_int_equal(0, at);
    assert_null(get_variable());
    free(string);
}

static void configuration_with_garbage_is_refused_where_it_is_and_changes_nothing(void **state)
{
    static const char *const bad[] = {
        "&OFFSET=0&WIDTH=1",
        "&OFFSET=0&WIDTH=1&VALUE=",
        "&OFFSET=0&WIDTH=1&VALUE=x",
        "&OFFSET=0&WIDTH=1&VALUE=001",
        "&OFFSET=03ff&WIDTH=1&VALUE=0",
        "&OFFSET=0&WIDTH=0&VALUE=0",
        "&OFFSET=0&WIDTH=1&VALUE=02",
        "&Takeover=1",
        "&",
    };
    const struct page_fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct string *string = calloc(1, sizeof(*string));
        size_t good;
        long at;

        append_header(string, fixture);
        append(string, "&OFFSET=0&WIDTH=1&VALUE=00");
        good = string->length;
        append(string, "%s", bad[i]);
        assert_status(EFI_INVALID_PARAMETER, route(fixture, string, &at));
        assert_int_equal(good, at);
        assert_null(get_variable());
        free(string);
    }
}

static void configuration_without_elements_is_refused(void **state)
{
    const struct page_fixture *fixture = *state;
    struct string *string = calloc(1, sizeof(*string));
    EFI_STRING progress;
    long at;

    append_header(string, fixture);
    assert_status(EFI_INVALID_PARAMETER, route(fixture, string, &at));
    assert_int_equal(0, at);
    assert_status(EFI_INVALID_PARAMETER,
                  fixture->access->RouteConfig(fixture->access, NULL, &progress));
    assert_status(EFI_INVALID_PARAMETER,
                  fixture->access->RouteConfig(fixture->access, string->text, NULL));
    free(string);
}

static void whole_block_goes_out_and_comes_back(void **state)
{
    const struct page_fixture *fixture = *state;
    EFI_STRING progress;
    EFI_STRING results;

    set_variable("takeover=off verbose=0 stack=firmware only=00:03.0", NV);
    assert_success(fixture->access->ExtractConfig(fixture->access, NULL, &progress, &results));
    set_variable("verbose=2 skip=00:05.0", NV);
    assert_success(fixture->access->RouteConfig(fixture->access, results, &progress));
    assert_int_equal(0, *progress);
    assert_string_equal("takeover=off verbose=0 stack=firmware only=00:03.0", get_variable());
    assert_success(BS->FreePool(results));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_nic_has_a_page_of_the_setup_class_on_its_child),
        PAGE_TEST(wrong_byte_in_the_packages_is_noticed),
        PAGE_TEST(store_is_the_variable_by_name_and_guid),
        PAGE_TEST(one_statement_alone_is_called_back),
        PAGE_TEST(stop_takes_the_page_away),
        PAGE_TEST(refused_stop_leaves_a_page),
        PAGE_TEST(held_access_protocol_keeps_the_nic_and_its_page),
        cmocka_unit_test(firmware_without_hii_gets_no_page_and_a_nic),
        cmocka_unit_test(failed_call_costs_the_page_and_never_the_nic_or_memory),
        cmocka_unit_test(call_that_fails_ever_after_leaks_nothing),
        PAGE_TEST(rows_tell_the_state_of_the_nic),
        cmocka_unit_test(transport_row_tells_of_registers_in_configuration_space),
        PAGE_TEST(opened_form_shows_the_counters_and_the_link_of_now),
        PAGE_TEST(refresh_reads_again),
        PAGE_TEST(other_actions_and_questions_are_unsupported),
        PAGE_TEST(callback_above_tpl_callback_touches_nothing),
        PAGE_TEST(callback_survives_texts_that_cannot_be_set),
        PAGE_TEST(fields_show_the_defaults_without_a_variable),
        PAGE_TEST(form_proposes_the_defaults_of_the_options),
        PAGE_TEST(choices_are_named_by_their_values),
        PAGE_TEST(fields_show_the_variable_and_say_nothing_of_its_errors),
        PAGE_TEST(request_without_elements_is_answered_in_full),
        PAGE_TEST(request_for_another_block_is_not_found),
        PAGE_TEST(request_that_is_ill_formed_is_refused_where_it_is),
        PAGE_TEST(extract_needs_a_place_for_its_answers),
        PAGE_TEST(extract_without_memory_says_so),
        PAGE_TEST(saved_fields_are_the_variable),
        PAGE_TEST(field_saved_as_it_was_writes_no_variable),
        PAGE_TEST(field_without_an_option_is_refused_and_changes_nothing),
        PAGE_TEST(field_that_is_full_to_its_last_character_is_read_to_its_end),
        PAGE_TEST(list_too_long_to_be_shown_survives_another_field),
        PAGE_TEST(attributes_of_a_variable_that_lasts_are_kept),
        PAGE_TEST(volatile_variable_becomes_one_that_lasts),
        PAGE_TEST(variable_that_cannot_be_written_is_told),
        PAGE_TEST(configuration_for_another_block_is_not_found),
        PAGE_TEST(configuration_with_garbage_is_refused_where_it_is_and_changes_nothing),
        PAGE_TEST(configuration_without_elements_is_refused),
        PAGE_TEST(whole_block_goes_out_and_comes_back),
    };

    return cmocka_run_group_tests_name("status_page", tests, NULL, NULL);
}
