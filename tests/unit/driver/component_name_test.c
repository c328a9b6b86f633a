/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The names of the driver, its controllers and their children, through both protocols.
 */
#include "driver_fixture.h"

static CHAR16 untouched[] = L"untouched";

static EFI_COMPONENT_NAME2_PROTOCOL *names2(const struct driver_fixture *fixture)
{
    return fake_firmware_interface(fixture->firmware, fixture->image, &component_name2_guid);
}

static EFI_COMPONENT_NAME_PROTOCOL *names(const struct driver_fixture *fixture)
{
    return fake_firmware_interface(fixture->firmware, fixture->image, &component_name_guid);
}

/* A name as ASCII, until the next call. */
static const char *narrow(const CHAR16 *text)
{
    static char buffer[256];
    size_t i = 0;

    for (; text[i] && i < sizeof(buffer) - 1; i++)
        buffer[i] = text[i] < 0x80 ? (char)text[i] : '?';
    buffer[i] = '\0';
    return buffer;
}

static CHAR8 *code(const char *language)
{
    static char buffer[32];

    strncpy(buffer, language, sizeof(buffer) - 1);
    return (CHAR8 *)buffer;
}

static const struct {
    const char *language;
    EFI_STATUS rfc4646;
    EFI_STATUS iso639;
} languages[] = {
    {"en", EFI_SUCCESS, EFI_UNSUPPORTED},        {"en-US", EFI_SUCCESS, EFI_UNSUPPORTED},
    {"en-GB", EFI_SUCCESS, EFI_UNSUPPORTED},     {"eng", EFI_UNSUPPORTED, EFI_SUCCESS},
    {"e", EFI_UNSUPPORTED, EFI_UNSUPPORTED},     {"", EFI_UNSUPPORTED, EFI_UNSUPPORTED},
    {"fr", EFI_UNSUPPORTED, EFI_UNSUPPORTED},    {"fra", EFI_UNSUPPORTED, EFI_UNSUPPORTED},
    {"fr-FR", EFI_UNSUPPORTED, EFI_UNSUPPORTED}, {"english", EFI_UNSUPPORTED, EFI_UNSUPPORTED},
    {"enx", EFI_UNSUPPORTED, EFI_UNSUPPORTED},
};

static void english_is_the_one_language(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_string_equal("en", (const char *)names2(fixture)->SupportedLanguages);
    assert_string_equal("eng", (const char *)names(fixture)->SupportedLanguages);
}

static void driver_name_is_given_in_supported_languages(void **state)
{
    struct driver_fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(languages); i++) {
        CHAR16 *name = untouched;

        assert_status(
            languages[i].rfc4646,
            names2(fixture)->GetDriverName(names2(fixture), code(languages[i].language), &name));
        assert_int_equal(EFI_ERROR(languages[i].rfc4646), name == untouched);
        name = untouched;
        assert_status(languages[i].iso639, names(fixture)->GetDriverName(
                                               names(fixture), code(languages[i].language), &name));
        assert_int_equal(EFI_ERROR(languages[i].iso639), name == untouched);
    }
}

static void driver_name_has_file_name_and_version(void **state)
{
    struct driver_fixture *fixture = *state;
    CHAR16 *name;

    assert_success(names2(fixture)->GetDriverName(names2(fixture), code("en"), &name));
    assert_text_contains("virtio-net.efi", narrow(name));
    assert_text_contains(VIRTIO_NET_VERSION_STRING, narrow(name));
    assert_text_contains("Virtio Network", narrow(name));
}

static void driver_name_needs_its_arguments(void **state)
{
    struct driver_fixture *fixture = *state;
    CHAR16 *name = untouched;

    assert_status(EFI_INVALID_PARAMETER,
                  names2(fixture)->GetDriverName(names2(fixture), NULL, &name));
    assert_status(EFI_INVALID_PARAMETER,
                  names2(fixture)->GetDriverName(names2(fixture), code("en"), NULL));
    assert_status(EFI_INVALID_PARAMETER,
                  names(fixture)->GetDriverName(names(fixture), NULL, &name));
    assert_status(EFI_INVALID_PARAMETER,
                  names(fixture)->GetDriverName(names(fixture), code("eng"), NULL));
    assert_ptr_equal(untouched, name);
}

static void controller_name_is_given_in_supported_languages(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_success(start(fixture, fixture->controller));
    for (size_t i = 0; i < ARRAY_LENGTH(languages); i++) {
        CHAR16 *name = untouched;

        assert_status(languages[i].rfc4646,
                      names2(fixture)->GetControllerName(names2(fixture), fixture->controller, NULL,
                                                         code(languages[i].language), &name));
        assert_int_equal(EFI_ERROR(languages[i].rfc4646), name == untouched);
        name = untouched;
        assert_status(languages[i].iso639,
                      names(fixture)->GetControllerName(names(fixture), fixture->controller, NULL,
                                                        code(languages[i].language), &name));
        assert_int_equal(EFI_ERROR(languages[i].iso639), name == untouched);
    }
}

static void controller_and_child_are_named_by_transport_and_mac(void **state)
{
    const struct {
        enum fake_transport transport;
        const char *name;
    } cases[] = {
        {FAKE_MODERN, "Virtio Network Adapter (modern, 52:54:00:12:34:56)"},
        {FAKE_TRANSITIONAL, "Virtio Network Adapter (modern, 52:54:00:12:34:56)"},
        {FAKE_LEGACY, "Virtio Network Adapter (legacy, 52:54:00:12:34:56)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake_device_options options = {.transport = cases[i].transport};
        struct driver_fixture *fixture = driver_fixture_new(1, &options);
        CHAR16 *name;

        assert_success(start(fixture, fixture->controller));
        assert_success(names2(fixture)->GetControllerName(names2(fixture), fixture->controller,
                                                          NULL, code("en"), &name));
        assert_string_equal(cases[i].name, narrow(name));
        assert_success(names2(fixture)->GetControllerName(names2(fixture), fixture->controller,
                                                          child_at(fixture, 0), code("en"), &name));
        assert_string_equal(cases[i].name, narrow(name));
        assert_success(names(fixture)->GetControllerName(names(fixture), fixture->controller,
                                                         child_at(fixture, 0), code("eng"), &name));
        assert_string_equal(cases[i].name, narrow(name));
        driver_fixture_free(fixture);
    }
}

static void controller_name_needs_its_arguments(void **state)
{
    struct driver_fixture *fixture = *state;
    CHAR16 *name = untouched;
    EFI_HANDLE controller = fixture->controller;

    assert_success(start(fixture, controller));
    assert_status(EFI_INVALID_PARAMETER, names2(fixture)->GetControllerName(
                                             names2(fixture), NULL, NULL, code("en"), &name));
    assert_status(EFI_INVALID_PARAMETER, names2(fixture)->GetControllerName(
                                             names2(fixture), controller, NULL, NULL, &name));
    assert_status(EFI_INVALID_PARAMETER, names2(fixture)->GetControllerName(
                                             names2(fixture), controller, NULL, code("en"), NULL));
    assert_status(EFI_INVALID_PARAMETER, names(fixture)->GetControllerName(
                                             names(fixture), NULL, NULL, code("eng"), &name));
    assert_status(EFI_INVALID_PARAMETER,
                  names(fixture)->GetControllerName(names(fixture), controller, NULL, NULL, &name));
    assert_status(EFI_INVALID_PARAMETER, names(fixture)->GetControllerName(
                                             names(fixture), controller, NULL, code("eng"), NULL));
    assert_ptr_equal(untouched, name);
}

static void what_is_no_handle_is_an_invalid_parameter(void **state)
{
    struct driver_fixture *fixture = *state;
    CHAR16 *name = untouched;
    uint64_t anything[8] = {0};

    assert_success(start(fixture, fixture->controller));
    assert_status(EFI_INVALID_PARAMETER,
                  names2(fixture)->GetControllerName(names2(fixture), fixture->controller, anything,
                                                     code("en"), &name));
    assert_status(EFI_INVALID_PARAMETER, names2(fixture)->GetControllerName(
                                             names2(fixture), anything, NULL, code("en"), &name));
    assert_status(EFI_INVALID_PARAMETER,
                  names(fixture)->GetControllerName(names(fixture), fixture->controller, anything,
                                                    code("eng"), &name));
    assert_status(EFI_INVALID_PARAMETER, names(fixture)->GetControllerName(
                                             names(fixture), anything, NULL, code("eng"), &name));
    assert_ptr_equal(untouched, name);
}

static void handles_of_others_have_no_name(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(3, NULL);
    EFI_HANDLE second = fake_device_handle(fixture->fake.devices[1]);
    EFI_HANDLE not_started = fake_device_handle(fixture->fake.devices[2]);

    (void)state;
    assert_success(start(fixture, fixture->controller));
    assert_success(start(fixture, second));
    {
        const struct {
            EFI_HANDLE controller;
            EFI_HANDLE child;
        } cases[] = {
            {not_started, NULL},
            {not_started, child_at(fixture, 0)},
            {fixture->image, NULL},
            {child_at(fixture, 0), NULL},
            {fixture->controller, child_at(fixture, 1)}, /* another NIC's */
            {fixture->controller, fixture->image},
            {fixture->controller, fixture->controller},
        };

        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
            CHAR16 *name = untouched;

            assert_status(EFI_UNSUPPORTED,
                          names2(fixture)->GetControllerName(names2(fixture), cases[i].controller,
                                                             cases[i].child, code("en"), &name));
            assert_status(EFI_UNSUPPORTED,
                          names(fixture)->GetControllerName(names(fixture), cases[i].controller,
                                                            cases[i].child, code("eng"), &name));
            assert_ptr_equal(untouched, name);
        }
    }
    driver_fixture_free(fixture);
}

static void controller_of_another_driver_has_no_name(void **state)
{
    struct driver_fixture *fixture = *state;
    CHAR16 *name = untouched;

    fake_firmware_hold_protocol(fixture->firmware, fixture->controller, &pci_io_guid, false);
    assert_status(EFI_UNSUPPORTED,
                  names2(fixture)->GetControllerName(names2(fixture), fixture->controller, NULL,
                                                     code("en"), &name));
    assert_ptr_equal(untouched, name);
}

static void each_nic_has_its_own_name(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(2, NULL);
    CHAR16 *first;
    CHAR16 *second;

    (void)state;
    assert_success(start(fixture, fixture->controller));
    assert_success(start(fixture, fake_device_handle(fixture->fake.devices[1])));
    assert_success(names2(fixture)->GetControllerName(names2(fixture), fixture->controller, NULL,
                                                      code("en"), &first));
    assert_success(names2(fixture)->GetControllerName(
        names2(fixture), fake_device_handle(fixture->fake.devices[1]), NULL, code("en"), &second));
    assert_string_equal("Virtio Network Adapter (modern, 52:54:00:12:34:56)", narrow(first));
    assert_string_equal("Virtio Network Adapter (modern, 52:54:00:12:34:57)", narrow(second));
    driver_fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVER_TEST(english_is_the_one_language),
        DRIVER_TEST(driver_name_is_given_in_supported_languages),
        DRIVER_TEST(driver_name_has_file_name_and_version),
        DRIVER_TEST(driver_name_needs_its_arguments),
        DRIVER_TEST(controller_name_is_given_in_supported_languages),
        cmocka_unit_test(controller_and_child_are_named_by_transport_and_mac),
        DRIVER_TEST(controller_name_needs_its_arguments),
        DRIVER_TEST(what_is_no_handle_is_an_invalid_parameter),
        cmocka_unit_test(handles_of_others_have_no_name),
        DRIVER_TEST(controller_of_another_driver_has_no_name),
        cmocka_unit_test(each_nic_has_its_own_name),
    };

    return cmocka_run_group_tests_name("component_name", tests, NULL, NULL);
}
