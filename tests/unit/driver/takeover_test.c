/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Who has which NIC after the takeover, and what the user is told.
 */
#include "driver_fixture.h"

#include "driver/takeover.h"
#include "rival.h"

#define BY_DRIVER EFI_OPEN_PROTOCOL_BY_DRIVER
#define CONFIG_DEVICE 0x02u
#define NICS 3u

/* NICs that a rival holds, each with a client on its SNP, and our driver installed. The NICs are at
 * 0000:00:03.0 and so on. */
struct takeover_fixture {
    struct driver_fixture *driver;
    struct fake_firmware *firmware;
    struct fake_rival *rival;
    struct fake_consumer *client; /* as MNP */
    struct options options;
};

static struct takeover_fixture *takeover_fixture_new(unsigned nic_count, CHAR16 *rival_name)
{
    struct takeover_fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->driver = driver_fixture_new(nic_count, NULL);
    fixture->firmware = fixture->driver->firmware;
    fixture->options = default_options;
    driver_binding_pause(true);
    fixture->rival = fake_rival_new(fixture->firmware, rival_name);
    fixture->client = fake_firmware_hold_protocol(fixture->firmware, NULL, &snp_guid, false);
    for (unsigned i = 0; i < nic_count; i++)
        (void)fake_firmware_connect(fixture->firmware,
                                    fake_device_handle(fixture->driver->fake.devices[i]));
    driver_binding_pause(false);
    fake_firmware_baseline(fixture->firmware);
    return fixture;
}

static int takeover_setup(void **state)
{
    static CHAR16 name[] = L"Rival";

    *state = takeover_fixture_new(NICS, name);
    return 0;
}

/* The rival is gone first, so that it does not get the NICs. */
static void takeover_fixture_free(struct takeover_fixture *fixture)
{
    fixture->rival->refuses_to_stop = false;
    fixture->client->refuses_to_stop = false;
    for (unsigned i = 0; i < fixture->driver->fake.device_count; i++)
        (void)fake_firmware_disconnect(fixture->firmware,
                                       fake_device_handle(fixture->driver->fake.devices[i]));
    driver_fixture_free(fixture->driver);
    free(fixture);
}

static int takeover_teardown(void **state)
{
    takeover_fixture_free(*state);
    return 0;
}

#define TAKEOVER_TEST(test) cmocka_unit_test_setup_teardown(test, takeover_setup, takeover_teardown)

static EFI_HANDLE controller(const struct takeover_fixture *fixture, unsigned index)
{
    return fake_device_handle(fixture->driver->fake.devices[index]);
}

static bool is_ours(const struct takeover_fixture *fixture, unsigned index)
{
    return driver_binding_holds(controller(fixture, index));
}

static bool is_rivals(const struct takeover_fixture *fixture, unsigned index)
{
    return fake_rival_child(fixture->rival, controller(fixture, index));
}

static const char *console(const struct takeover_fixture *fixture)
{
    return fake_firmware_console(fixture->firmware);
}

static void run(struct takeover_fixture *fixture)
{
    takeover_run(fixture->driver->image, &fixture->options);
}

static struct pci_address_list only_address_of(unsigned index)
{
    return (struct pci_address_list){1, {{0, 0, (uint8_t)(index + 3), 0}}};
}

static void every_nic_comes_over_with_its_line(void **state)
{
    struct takeover_fixture *fixture = *state;

    run(fixture);
    for (unsigned i = 0; i < NICS; i++) {
        assert_true(is_ours(fixture, i));
        assert_false(is_rivals(fixture, i));
    }
    assert_int_equal(NICS, fixture->rival->stops);
    assert_string_equal("virtio-net 0000:00:03.0: taken over from Rival\r\n"
                        "virtio-net 0000:00:04.0: taken over from Rival\r\n"
                        "virtio-net 0000:00:05.0: taken over from Rival\r\n",
                        console(fixture));
}

static void the_stack_moves_on_top_of_us(void **state)
{
    struct takeover_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;

    leave_stack_to_firmware(fixture->driver);
    run(fixture);
    assert_int_equal(NICS, fixture->client->stops);
    assert_int_equal(2 * NICS, fixture->client->starts);
    network = network_of(fixture->driver, child_at(fixture->driver, 0));
    bring_up(network);
    assert_traffic_flows(network, fixture->driver->fake.devices[0]);
}

static void our_own_stack_comes_with_us(void **state)
{
    struct takeover_fixture *fixture = *state;

    run(fixture);
    assert_int_equal(NICS, fixture->client->stops);
    assert_int_equal(NICS, fixture->client->starts);
    assert_int_equal(NICS, fake_firmware_count_handles(fixture->firmware,
                                                       &managed_network_service_binding_guid));
}

static void a_second_takeover_leaves_what_is_ours(void **state)
{
    struct takeover_fixture *fixture = *state;
    EFI_HANDLE child;

    run(fixture);
    child = child_at(fixture->driver, 0);
    run(fixture);
    assert_ptr_equal(child, child_at(fixture->driver, 0));
    assert_int_equal(NICS, fixture->client->stops);
}

static void a_rival_without_a_name_is_called_so(void **state)
{
    struct takeover_fixture *fixture = takeover_fixture_new(1, NULL);

    (void)state;
    run(fixture);
    assert_string_equal("virtio-net 0000:00:03.0: taken over from a driver without a name\r\n",
                        console(fixture));
    takeover_fixture_free(fixture);
}

static void functions_that_are_no_nics_are_left_alone(void **state)
{
    struct takeover_fixture *fixture = *state;

    fake_device_pci(fixture->driver->fake.devices[1])->config[CONFIG_DEVICE] = 0x42;
    run(fixture);
    assert_true(is_ours(fixture, 0));
    assert_true(is_rivals(fixture, 1));
    assert_true(is_ours(fixture, 2));
    assert_null(strstr(console(fixture), "00:04.0"));
    fake_device_pci(fixture->driver->fake.devices[1])->config[CONFIG_DEVICE] = 0;
}

static void without_takeover_all_stays_and_is_said(void **state)
{
    struct takeover_fixture *fixture = *state;

    fixture->options.takeover = false;
    run(fixture);
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_rivals(fixture, i));
    assert_int_equal(0, fixture->client->stops);
    assert_text_contains("virtio-net 0000:00:04.0: takeover is off, so it stays with Rival\r\n",
                         console(fixture));
}

static void a_nic_that_is_skipped_stays(void **state)
{
    struct takeover_fixture *fixture = *state;

    fixture->options.skip = only_address_of(1);
    run(fixture);
    assert_true(is_ours(fixture, 0));
    assert_true(is_rivals(fixture, 1));
    assert_true(is_ours(fixture, 2));
    assert_null(strstr(console(fixture), "00:04.0"));
}

static void with_only_the_others_stay(void **state)
{
    struct takeover_fixture *fixture = *state;

    fixture->options.only = only_address_of(1);
    run(fixture);
    assert_true(is_rivals(fixture, 0));
    assert_true(is_ours(fixture, 1));
    assert_true(is_rivals(fixture, 2));
}

/* A client that has the SNP of NIC `index` and does not let go. */
static struct fake_consumer *hold_child(struct takeover_fixture *fixture, unsigned index)
{
    EFI_HANDLE child = fake_rival_child(fixture->rival, controller(fixture, index));

    assert_success(fake_firmware_disconnect(fixture->firmware, child));
    return fake_firmware_hold_protocol(fixture->firmware, child, &snp_guid, true);
}

static void a_rival_that_refuses_keeps_its_nic(void **state)
{
    struct takeover_fixture *fixture = *state;

    fixture->rival->refuses_to_stop = true;
    run(fixture);
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_rivals(fixture, i));
    assert_text_contains("virtio-net 0000:00:04.0: in use, so it stays with Rival\r\n",
                         console(fixture));
    assert_int_equal(2 * NICS, fixture->client->starts); /* the stack is back on top of it */
}

static void a_nic_whose_client_refuses_stays_and_the_others_come(void **state)
{
    struct takeover_fixture *fixture = *state;
    struct fake_consumer *holder = hold_child(fixture, 1);

    run(fixture);
    assert_true(is_ours(fixture, 0));
    assert_true(is_rivals(fixture, 1));
    assert_true(is_ours(fixture, 2));
    assert_int_equal(0, holder->stops);
    assert_text_contains("virtio-net 0000:00:04.0: in use, so it stays with Rival\r\n",
                         console(fixture));
    holder->refuses_to_stop = false;
    holder->is_retired = true;
}

static void nobody_is_stopped_while_an_application_has_snp(void **state)
{
    const UINT32 attributes[] = {EFI_OPEN_PROTOCOL_EXCLUSIVE, BY_DRIVER,
                                 BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
        static CHAR16 name[] = L"Rival";
        struct takeover_fixture *fixture = takeover_fixture_new(1, name);
        EFI_HANDLE child = fake_rival_child(fixture->rival, controller(fixture, 0));
        EFI_HANDLE application = fake_firmware_load_image(fixture->firmware, NULL);
        unsigned stops;
        void *network;

        assert_success(fake_firmware_disconnect(fixture->firmware, child));
        assert_success(
            BS->OpenProtocol(child, &snp_guid, &network, application, child, attributes[i]));
        stops = fixture->client->stops;
        run(fixture);
        assert_true(is_rivals(fixture, 0));
        assert_int_equal(stops, fixture->client->stops);
        assert_int_equal(0, fixture->rival->stop_calls);
        assert_string_equal("virtio-net 0000:00:03.0: in use, so it stays with Rival\r\n",
                            console(fixture));
        assert_success(BS->CloseProtocol(child, &snp_guid, application, child));
        takeover_fixture_free(fixture);
    }
}

/* PXE puts an SNP of its own below the NIC's. */
static void an_application_is_seen_on_any_snp_of_the_nic(void **state)
{
    struct takeover_fixture *fixture = *state;
    EFI_HANDLE child = fake_rival_child(fixture->rival, controller(fixture, 0));
    EFI_HANDLE grandchild = fake_rival_handle_below(fixture->rival, child);
    EFI_HANDLE application = fake_firmware_load_image(fixture->firmware, NULL);
    void *network;

    fake_firmware_install(fixture->firmware, grandchild, &snp_guid, &fixture->options);
    assert_success(fake_firmware_disconnect(fixture->firmware, child));
    assert_success(BS->OpenProtocol(child, &snp_guid, &network, application, child,
                                    EFI_OPEN_PROTOCOL_EXCLUSIVE));
    run(fixture);
    assert_true(is_rivals(fixture, 0));
    assert_true(is_ours(fixture, 1));
    assert_int_equal(2 * (NICS - 1), fixture->rival->stop_calls); /* child and controller */
    assert_success(BS->CloseProtocol(child, &snp_guid, application, child));
}

static void an_application_that_only_looks_at_snp_holds_nothing_up(void **state)
{
    struct takeover_fixture *fixture = *state;
    EFI_HANDLE child = fake_rival_child(fixture->rival, controller(fixture, 0));
    EFI_HANDLE application = fake_firmware_load_image(fixture->firmware, NULL);
    void *network;

    assert_success(BS->OpenProtocol(child, &snp_guid, &network, application, child,
                                    EFI_OPEN_PROTOCOL_GET_PROTOCOL));
    run(fixture);
    assert_true(is_ours(fixture, 0));
}

static void the_nic_that_the_image_was_loaded_through_stays(void **state)
{
    struct takeover_fixture *fixture = *state;
    EFI_HANDLE network = fake_rival_child(fixture->rival, controller(fixture, 1));
    EFI_HANDLE devices[] = {network, fake_rival_handle_below(fixture->rival, network)};

    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        fake_firmware_loaded_image(fixture->firmware, fixture->driver->image)->DeviceHandle =
            devices[i];
        run(fixture);
        assert_true(is_ours(fixture, 0));
        assert_true(is_rivals(fixture, 1));
        assert_true(is_ours(fixture, 2));
    }
    assert_int_equal(2, fixture->client->stops); /* the stack stays, too */
    assert_text_contains("virtio-net 0000:00:04.0: this driver was loaded through it, so it stays "
                         "with Rival\r\n",
                         console(fixture));
}

/* Its ROM is in memory by now. */
static void the_nic_whose_own_rom_the_image_is_comes_over(void **state)
{
    struct takeover_fixture *fixture = *state;

    takeover_run(fake_firmware_load_image(fixture->firmware, controller(fixture, 1)),
                 &fixture->options);
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_ours(fixture, i));
}

/* A foreign SNP whose path nobody could follow to its end holds nothing up. */
static void malformed_paths_of_others_hold_nothing_up(void **state)
{
    static uint8_t paths[][12] = {{1, 1, 0, 0}, {1, 1, 3, 0}, {2, 1, 6, 0, 0, 0}};
    struct takeover_fixture *fixture = *state;
    static EFI_SIMPLE_NETWORK_PROTOCOL foreign;

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        EFI_HANDLE handle = fake_firmware_new_handle(fixture->firmware, &snp_guid, &foreign);

        fake_firmware_install(fixture->firmware, handle, &device_path_guid, paths[i]);
    }
    run(fixture);
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_ours(fixture, i));
}

static void an_image_from_elsewhere_holds_no_nic_up(void **state)
{
    struct takeover_fixture *fixture = *state;
    EFI_HANDLE without_path =
        fake_firmware_new_handle(fixture->firmware, &rng_guid, fixture->client);

    fake_firmware_loaded_image(fixture->firmware, fixture->driver->image)->DeviceHandle =
        without_path;
    run(fixture);
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_ours(fixture, i));
}

static void a_nic_that_we_cannot_start_goes_back(void **state)
{
    struct takeover_fixture *fixture = *state;

    fake_device_misbehave(fixture->driver->fake.devices[1], FAKE_RESET_NEVER_SETTLES);
    run(fixture);
    assert_true(is_ours(fixture, 0));
    assert_true(is_rivals(fixture, 1));
    assert_true(is_ours(fixture, 2));
    assert_int_equal(NICS + 1, fixture->rival->starts);
    assert_text_contains("virtio-net 0000:00:04.0: not started: ", console(fixture));
    assert_text_contains("virtio-net 0000:00:04.0: in use, so it stays with Rival\r\n",
                         console(fixture));
    fake_device_misbehave(fixture->driver->fake.devices[1], FAKE_BEHAVES);
}

static void a_nic_that_nobody_drives_waits(void **state)
{
    struct takeover_fixture *fixture = *state;

    assert_success(fake_firmware_disconnect(fixture->firmware, controller(fixture, 1)));
    run(fixture);
    assert_false(is_ours(fixture, 1));
    assert_false(is_rivals(fixture, 1));
    assert_null(strstr(console(fixture), "00:04.0"));
}

struct question {
    struct driver_fixture *driver;
    unsigned times;
};

static void ask_driver(void *context)
{
    struct question *question = context;
    struct fake_device **devices = question->driver->fake.devices;

    question->times++;
    for (unsigned i = 0; i < NICS; i++) {
        assert_status(EFI_ALREADY_STARTED,
                      supported(question->driver, fake_device_handle(devices[i])));
        assert_status(EFI_ALREADY_STARTED, start(question->driver, fake_device_handle(devices[i])));
    }
}

/* As edk2 does, which connects a controller again when a disconnect fails. */
static void a_connect_in_the_middle_of_a_disconnect_does_not_reach_us(void **state)
{
    struct takeover_fixture *fixture = *state;
    struct question question = {fixture->driver, 0};

    fixture->rival->in_stop = ask_driver;
    fixture->rival->context = &question;
    run(fixture);
    assert_int_equal(2 * NICS, question.times); /* child and controller */
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_ours(fixture, i));
    fixture->rival->in_stop = NULL;
}

/* One NIC taken, one in use, one skipped, one that nobody drives. */
static const char *console_at(struct takeover_fixture *fixture, enum verbosity verbosity)
{
    struct fake_consumer *holder = hold_child(fixture, 1);

    fixture->options.verbosity = verbosity;
    fixture->options.skip = only_address_of(2);
    assert_success(fake_firmware_disconnect(fixture->firmware, controller(fixture, 3)));
    run(fixture);
    holder->refuses_to_stop = false;
    holder->is_retired = true;
    return console(fixture);
}

static void verbosity_chooses_the_lines(void **state)
{
    static CHAR16 name[] = L"Rival";
    const char *const expected[] = {
        [VERBOSITY_ERRORS] = "virtio-net 0000:00:04.0: in use, so it stays with Rival\r\n",
        [VERBOSITY_TAKEOVERS] = "virtio-net 0000:00:03.0: taken over from Rival\r\n"
                                "virtio-net 0000:00:04.0: in use, so it stays with Rival\r\n",
        [VERBOSITY_ALL] = "virtio-net 0000:00:03.0: taken over from Rival\r\n"
                          "virtio-net 0000:00:04.0: in use, so it stays with Rival\r\n"
                          "virtio-net 0000:00:05.0: left alone, as the options say\r\n"
                          "virtio-net 0000:00:06.0: held by no driver; waits to be connected\r\n",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(expected); i++) {
        struct takeover_fixture *fixture = takeover_fixture_new(4, name);

        assert_string_equal(expected[i], console_at(fixture, (enum verbosity)i));
        takeover_fixture_free(fixture);
    }
}

static void quiet_says_nothing_of_what_goes_as_it_should(void **state)
{
    struct takeover_fixture *fixture = *state;

    fixture->options.verbosity = VERBOSITY_ERRORS;
    fixture->options.takeover = false;
    run(fixture);
    fixture->options.takeover = true;
    fake_firmware_loaded_image(fixture->firmware, fixture->driver->image)->DeviceHandle =
        fake_rival_child(fixture->rival, controller(fixture, 0));
    run(fixture);
    assert_string_equal("", console(fixture));
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

static void the_image_starts_by_taking_over_what_its_options_admit(void **state)
{
    static CHAR16 load_option[] = L"skip=00:04.0";
    struct takeover_fixture *fixture = *state;
    EFI_HANDLE image = fixture->driver->image;
    EFI_LOADED_IMAGE *loaded = fake_firmware_loaded_image(fixture->firmware, image);

    assert_success(unload_driver(fixture->driver));
    loaded->LoadOptions = load_option;
    loaded->LoadOptionsSize = sizeof(load_option);
    assert_success(efi_main(image, ST));
    assert_true(is_ours(fixture, 0));
    assert_true(is_rivals(fixture, 1));
    assert_true(is_ours(fixture, 2));

    /* Also when it is connected later on. */
    assert_success(fake_firmware_disconnect(fixture->firmware, controller(fixture, 1)));
    assert_success(fake_firmware_connect(fixture->firmware, controller(fixture, 1)));
    assert_true(is_rivals(fixture, 1));
}

static void without_a_pci_function_nothing_happens(void **state)
{
    struct takeover_fixture *fixture = takeover_fixture_new(0, NULL);

    (void)state;
    run(fixture);
    assert_string_equal("", console(fixture));
    takeover_fixture_free(fixture);
}

/* Whichever call of the firmware fails, nothing leaks, and a NIC that somebody had has a driver. */
static bool survives_failure_of(unsigned nth, unsigned kinds)
{
    static CHAR16 name[] = L"Rival";
    struct takeover_fixture *fixture = takeover_fixture_new(1, name);
    const char *call;
    bool has_failed;

    fake_firmware_count_only(fixture->firmware, kinds);
    fake_firmware_fail_nth(fixture->firmware, nth);
    run(fixture);
    has_failed = fake_firmware_has_failed(fixture->firmware);
    call = fake_firmware_failed_call(fixture->firmware);
    fake_firmware_fail_nth(fixture->firmware, 0);
    if (!is_ours(fixture, 0) && !is_rivals(fixture, 0))
        fail_msg("no driver after call %u, %s", nth, call);
    takeover_fixture_free(fixture);
    return has_failed;
}

static void no_failed_call_leaves_a_nic_without_a_driver(void **state)
{
    const unsigned kinds[] = {FAKE_CALL_PROTOCOL, FAKE_CALL_MEMORY | FAKE_CALL_EVENT,
                              FAKE_CALL_ALL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        unsigned nth = 1;

        while (survives_failure_of(nth, kinds[i]))
            nth++;
        assert_true(nth > 1);
    }
}

static void unload_gives_every_nic_back(void **state)
{
    struct takeover_fixture *fixture = *state;

    run(fixture);
    assert_success(unload_driver(fixture->driver));
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_rivals(fixture, i));
    assert_int_equal(2 * NICS, fixture->client->starts);
    assert_success(driver_binding_install(fixture->driver->image, &fixture->options));
}

static void unload_connects_no_nic_that_was_not_ours(void **state)
{
    struct takeover_fixture *fixture = *state;

    assert_success(fake_firmware_disconnect(fixture->firmware, controller(fixture, 1)));
    run(fixture);
    assert_success(unload_driver(fixture->driver));
    assert_true(is_rivals(fixture, 0));
    assert_false(is_rivals(fixture, 1));
    assert_success(driver_binding_install(fixture->driver->image, &fixture->options));
}

static void unload_that_a_client_refuses_keeps_every_nic(void **state)
{
    struct takeover_fixture *fixture = *state;
    struct fake_consumer *holder;

    run(fixture);
    assert_success(
        fake_firmware_disconnect(fixture->firmware, child_at(fixture->driver, NICS - 1)));
    holder = fake_firmware_hold_protocol(fixture->firmware, child_at(fixture->driver, NICS - 1),
                                         &snp_guid, true);
    assert_true(EFI_ERROR(unload_driver(fixture->driver)));
    for (unsigned i = 0; i < NICS; i++)
        assert_true(is_ours(fixture, i));
    holder->refuses_to_stop = false;
    holder->is_retired = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKEOVER_TEST(every_nic_comes_over_with_its_line),
        TAKEOVER_TEST(the_stack_moves_on_top_of_us),
        TAKEOVER_TEST(our_own_stack_comes_with_us),
        TAKEOVER_TEST(a_second_takeover_leaves_what_is_ours),
        cmocka_unit_test(a_rival_without_a_name_is_called_so),
        TAKEOVER_TEST(functions_that_are_no_nics_are_left_alone),
        TAKEOVER_TEST(without_takeover_all_stays_and_is_said),
        TAKEOVER_TEST(a_nic_that_is_skipped_stays),
        TAKEOVER_TEST(with_only_the_others_stay),
        TAKEOVER_TEST(a_rival_that_refuses_keeps_its_nic),
        TAKEOVER_TEST(a_nic_whose_client_refuses_stays_and_the_others_come),
        cmocka_unit_test(nobody_is_stopped_while_an_application_has_snp),
        TAKEOVER_TEST(an_application_is_seen_on_any_snp_of_the_nic),
        TAKEOVER_TEST(an_application_that_only_looks_at_snp_holds_nothing_up),
        TAKEOVER_TEST(the_nic_that_the_image_was_loaded_through_stays),
        TAKEOVER_TEST(the_nic_whose_own_rom_the_image_is_comes_over),
        TAKEOVER_TEST(malformed_paths_of_others_hold_nothing_up),
        TAKEOVER_TEST(an_image_from_elsewhere_holds_no_nic_up),
        TAKEOVER_TEST(a_nic_that_we_cannot_start_goes_back),
        TAKEOVER_TEST(a_nic_that_nobody_drives_waits),
        TAKEOVER_TEST(a_connect_in_the_middle_of_a_disconnect_does_not_reach_us),
        cmocka_unit_test(verbosity_chooses_the_lines),
        TAKEOVER_TEST(quiet_says_nothing_of_what_goes_as_it_should),
        TAKEOVER_TEST(the_image_starts_by_taking_over_what_its_options_admit),
        cmocka_unit_test(without_a_pci_function_nothing_happens),
        cmocka_unit_test(no_failed_call_leaves_a_nic_without_a_driver),
        TAKEOVER_TEST(unload_gives_every_nic_back),
        TAKEOVER_TEST(unload_connects_no_nic_that_was_not_ours),
        TAKEOVER_TEST(unload_that_a_client_refuses_keeps_every_nic),
    };

    return cmocka_run_group_tests_name("takeover", tests, NULL, NULL);
}
