/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Supported, Start, Stop and Unload before a firmware that keeps the books.
 */
#include "driver_fixture.h"
#include "hii.h"

#define BY_DRIVER EFI_OPEN_PROTOCOL_BY_DRIVER
#define EXCLUSIVE EFI_OPEN_PROTOCOL_EXCLUSIVE
#define BY_CHILD EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER
#define CONFIG_VENDOR 0x00u
#define CONFIG_DEVICE 0x02u
#define CONFIG_REVISION 0x08u
#define CONFIG_SUBSYSTEM 0x2eu

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

static void put16(struct fake_device *device, unsigned offset, unsigned value)
{
    uint8_t *config = fake_device_pci(device)->config;

    config[offset] = (uint8_t)value;
    config[offset + 1] = (uint8_t)(value >> 8);
}

/* Whole, as the firmware sees it, or not there at all. */
static void assert_bound(const struct driver_fixture *fixture, EFI_HANDLE controller)
{
    assert_int_equal(1, count_opens(fixture, controller, BY_DRIVER));
    assert_int_equal(1, count_opens(fixture, controller, EXCLUSIVE));
    assert_int_equal(1, count_opens(fixture, controller, BY_CHILD));
}

static void assert_not_bound(const struct driver_fixture *fixture, EFI_HANDLE controller)
{
    assert_int_equal(0, count_opens(fixture, controller, BY_DRIVER | EXCLUSIVE | BY_CHILD));
}

static void install_puts_the_drivers_protocols_on_the_image(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL *family =
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_family_override_guid);

    assert_non_null(family);
    assert_int_equal(0x20000000, family->GetVersion(family));
    assert_int_equal(0x20000000, fixture->binding->Version);
    assert_ptr_equal(fixture->image, fixture->binding->ImageHandle);
    assert_ptr_equal(fixture->image, fixture->binding->DriverBindingHandle);
    assert_non_null(
        fake_firmware_interface(fixture->firmware, fixture->image, &component_name2_guid));
    assert_non_null(
        fake_firmware_interface(fixture->firmware, fixture->image, &component_name_guid));
    assert_non_null(fake_firmware_loaded_image(fixture->firmware, fixture->image)->Unload);
}

static void image_starts_by_installing_the_driver(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE image = fake_firmware_load_image(fake->firmware, NULL);
    EFI_SYSTEM_TABLE *system_table = ST;

    ST = NULL;
    BS = NULL;
    RT = NULL;
    assert_success(efi_main(image, system_table));
    assert_ptr_equal(system_table->BootServices, BS);
    assert_ptr_equal(system_table->RuntimeServices, RT);
    assert_non_null(fake_firmware_interface(fake->firmware, image, &driver_binding_guid));
    assert_success(driver_binding_uninstall());
    fake_firmware_assert_nothing_leaked(fake->firmware);
}

static void supported_goes_by_the_pci_identity(void **state)
{
    const struct {
        unsigned vendor;
        unsigned device;
        unsigned subsystem;
        uint8_t revision;
        EFI_STATUS status;
    } cases[] = {
        {0x1af4, 0x1041, 0x1100, 1, EFI_SUCCESS},
        {0x1af4, 0x1041, 0x0001, 1, EFI_SUCCESS},
        {0x1af4, 0x1041, 0x0000, 0, EFI_SUCCESS},
        {0x1af4, 0x1041, 0xffff, 255, EFI_SUCCESS},
        {0x1af4, 0x1000, 0x0001, 0, EFI_SUCCESS},
        {0x1af4, 0x1000, 0x0001, 1, EFI_SUCCESS},
        {0x1af4, 0x1000, 0x0002, 0, EFI_UNSUPPORTED}, /* a block device */
        {0x1af4, 0x1000, 0x0000, 0, EFI_UNSUPPORTED},
        {0x1af4, 0x1000, 0x0101, 0, EFI_UNSUPPORTED},
        {0x1af4, 0x1001, 0x0001, 0, EFI_UNSUPPORTED},
        {0x1af4, 0x1040, 0x0001, 1, EFI_UNSUPPORTED},
        {0x1af4, 0x1042, 0x0001, 1, EFI_UNSUPPORTED},
        {0x1af4, 0x1141, 0x0001, 1, EFI_UNSUPPORTED},
        {0x1af5, 0x1041, 0x0001, 1, EFI_UNSUPPORTED},
        {0x8086, 0x1000, 0x0001, 0, EFI_UNSUPPORTED},
        {0xffff, 0xffff, 0xffff, 255, EFI_UNSUPPORTED},
    };
    struct driver_fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        put16(fixture->device, CONFIG_VENDOR, cases[i].vendor);
        put16(fixture->device, CONFIG_DEVICE, cases[i].device);
        put16(fixture->device, CONFIG_SUBSYSTEM, cases[i].subsystem);
        fake_device_pci(fixture->device)->config[CONFIG_REVISION] = cases[i].revision;
        if (supported(fixture, fixture->controller) != cases[i].status)
            fail_msg("case %zu, %04x:%04x", i, cases[i].vendor, cases[i].device);
    }
}

static void supported_leaves_no_trace(void **state)
{
    struct driver_fixture *fixture = *state;
    uint64_t attributes = fake_device_pci(fixture->device)->attributes;

    fake_firmware_baseline(fixture->firmware);
    fake_device_clear_access_counts(fixture->device);
    assert_success(supported(fixture, fixture->controller));
    assert_not_bound(fixture, fixture->controller);
    assert_int_equal(0, fake_device_access_count(fixture->device));
    assert_int_equal(attributes, fake_device_pci(fixture->device)->attributes);
    assert_string_equal("", fake_firmware_console(fixture->firmware));
    fake_firmware_assert_nothing_leaked(fixture->firmware);
}

static void supported_refuses_a_handle_without_pci_io(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_status(EFI_UNSUPPORTED, supported(fixture, fixture->image));
}

static void supported_passes_on_that_the_identity_could_not_be_read(void **state)
{
    struct driver_fixture *fixture = *state;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_PCI);
    for (unsigned nth = 1; nth <= 2; nth++) {
        fake_firmware_fail_nth(fixture->firmware, nth);
        assert_status(EFI_DEVICE_ERROR, supported(fixture, fixture->controller));
        assert_not_bound(fixture, fixture->controller);
    }
}

static void supported_ignores_the_remaining_path(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_DEVICE_PATH *nowhere = (void *)(uintptr_t)8;

    assert_success(fixture->binding->Supported(fixture->binding, fixture->controller, nowhere));
}

static void supported_evicts_nobody(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *other =
        fake_firmware_hold_protocol(fixture->firmware, fixture->controller, &pci_io_guid, false);

    assert_status(EFI_ACCESS_DENIED, supported(fixture, fixture->controller));
    assert_int_equal(0, other->stops);
}

static void supported_says_that_a_controller_is_started(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_success(start(fixture, fixture->controller));
    assert_status(EFI_ALREADY_STARTED, supported(fixture, fixture->controller));
    assert_bound(fixture, fixture->controller);
}

static void start_makes_one_child_with_a_stopped_interface(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_HANDLE child;

    assert_success(start(fixture, fixture->controller));
    assert_int_equal(1, child_count(fixture));
    child = child_at(fixture, 0);
    assert_ptr_not_equal(fixture->controller, child);
    assert_non_null(fake_firmware_interface(fixture->firmware, child, &device_path_guid));
    assert_int_equal(EfiSimpleNetworkStopped, network_of(fixture, child)->Mode->State);
    assert_bound(fixture, fixture->controller);
    assert_int_equal(0, fake_device_status(fixture->device));
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));
    assert_string_equal("", fake_firmware_console(fixture->firmware));
}

static void child_path_is_the_parents_and_a_mac_node(void **state)
{
    struct driver_fixture *fixture = *state;
    const uint8_t expected[] = {
        /* ACPI(PNP0A03,0) */
        0x02, 0x01, 0x0c, 0x00, 0xd0, 0x41, 0x03, 0x0a, 0x00, 0x00, 0x00, 0x00,
        /* Pci(3,0) */
        0x01, 0x01, 0x06, 0x00, 0x00, 0x03,
        /* MAC(525400123456,1): 32 bytes of address */
        0x03, 0x0b, 0x25, 0x00, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
        /* end */
        0x7f, 0xff, 0x04, 0x00};

    assert_success(start(fixture, fixture->controller));
    assert_memory_equal(
        expected,
        fake_firmware_interface(fixture->firmware, child_at(fixture, 0), &device_path_guid),
        sizeof(expected));
}

static void second_start_is_refused_and_changes_nothing(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_success(start(fixture, fixture->controller));
    assert_status(EFI_ALREADY_STARTED, start(fixture, fixture->controller));
    assert_int_equal(1, child_count(fixture));
    assert_bound(fixture, fixture->controller);
}

static void start_evicts_a_driver_that_lets_go(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *other =
        fake_firmware_hold_protocol(fixture->firmware, fixture->controller, &pci_io_guid, false);

    assert_success(start(fixture, fixture->controller));
    assert_int_equal(1, other->stops);
    assert_bound(fixture, fixture->controller);
}

static void start_leaves_alone_a_driver_that_does_not_let_go(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *other =
        fake_firmware_hold_protocol(fixture->firmware, fixture->controller, &pci_io_guid, true);

    assert_status(EFI_ACCESS_DENIED, start(fixture, fixture->controller));
    assert_int_equal(1, other->refusals);
    assert_int_equal(0, child_count(fixture));
    assert_int_equal(1, count_opens(fixture, fixture->controller, BY_DRIVER)); /* the other's */
    other->refuses_to_stop = false;
}

/* A firmware that connects controllers again while somebody opens EXCLUSIVE. */
static struct driver_fixture *nested_fixture;
static EFI_HANDLE nested_controller;
static EFI_OPEN_PROTOCOL real_open_protocol;
static EFI_STATUS nested_supported;
static EFI_STATUS nested_start;

static EFI_STATUS EFIAPI open_and_connect(EFI_HANDLE handle, EFI_GUID *guid, VOID **ret_interface,
                                          EFI_HANDLE agent, EFI_HANDLE controller,
                                          UINT32 attributes)
{
    if (attributes & EXCLUSIVE) {
        BS->OpenProtocol = real_open_protocol;
        nested_supported = supported(nested_fixture, nested_controller);
        nested_start = start(nested_fixture, nested_controller);
    }
    return real_open_protocol(handle, guid, ret_interface, agent, controller, attributes);
}

static void connect_in_start(struct driver_fixture *fixture, EFI_HANDLE controller)
{
    nested_fixture = fixture;
    nested_controller = controller;
    real_open_protocol = BS->OpenProtocol;
    BS->OpenProtocol = open_and_connect;
}

static void start_within_start_of_the_same_controller_is_refused(void **state)
{
    struct driver_fixture *fixture = *state;

    connect_in_start(fixture, fixture->controller);
    assert_success(start(fixture, fixture->controller));
    assert_status(EFI_ALREADY_STARTED, nested_supported);
    assert_status(EFI_ALREADY_STARTED, nested_start);
    assert_int_equal(1, child_count(fixture));
    assert_bound(fixture, fixture->controller);
}

static void start_within_start_of_another_controller_succeeds(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(2, NULL);
    EFI_HANDLE other = fake_device_handle(fixture->fake.devices[1]);

    (void)state;
    connect_in_start(fixture, other);
    assert_success(start(fixture, fixture->controller));
    assert_success(nested_supported);
    assert_success(nested_start);
    assert_int_equal(2, child_count(fixture));
    driver_fixture_free(fixture);
}

static void start_after_a_failed_start_is_not_refused(void **state)
{
    struct driver_fixture *fixture = *state;

    fake_device_misbehave(fixture->device, FAKE_FEATURES_OK_DROPPED);
    assert_true(EFI_ERROR(start(fixture, fixture->controller)));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
    assert_success(supported(fixture, fixture->controller));
    assert_success(start(fixture, fixture->controller));
}

static void failed_start_leaves_nothing_and_tells_the_console_why(void **state)
{
    const struct {
        enum fake_device_misbehaviour which;
        EFI_STATUS status;
        const char *line;
    } cases[] = {
        {FAKE_RESET_NEVER_SETTLES, EFI_TIMEOUT,
         "virtio-net 0000:00:03.0: not started: the device does not confirm its reset (Time out)"},
        {FAKE_FEATURES_OK_DROPPED, EFI_UNSUPPORTED,
         "virtio-net 0000:00:03.0: not started: the device refuses the features it offered "
         "(Unsupported)"},
        {FAKE_GENERATION_NEVER_SETTLES, EFI_TIMEOUT,
         "virtio-net 0000:00:03.0: not started: device configuration is missing or never settles "
         "(Time out)"},
        {FAKE_CAPABILITY_LIST_LOOPS, EFI_UNSUPPORTED,
         "virtio-net 0000:00:03.0: not started: no usable virtio registers: capabilities or BARs "
         "malformed (Unsupported)"},
        {FAKE_CAPABILITY_OUTSIDE_BAR, EFI_UNSUPPORTED, "no usable virtio registers"},
        {FAKE_CAPABILITY_OFFSET_OVERFLOWS, EFI_UNSUPPORTED, "no usable virtio registers"},
        {FAKE_CAPABILITY_OUTSIDE_CONFIG, EFI_UNSUPPORTED, "no usable virtio registers"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct driver_fixture *fixture = driver_fixture_new(1, NULL);

        fake_device_misbehave(fixture->device, cases[i].which);
        fake_firmware_baseline(fixture->firmware);
        assert_status(cases[i].status, start(fixture, fixture->controller));
        assert_text_contains(cases[i].line, fake_firmware_console(fixture->firmware));
        assert_text_contains("\r\n", fake_firmware_console(fixture->firmware));
        assert_not_bound(fixture, fixture->controller);
        fake_firmware_assert_nothing_leaked(fixture->firmware);

        /* the ledger that the end of the fixture checks begins with the firmware */
        fake_device_misbehave(fixture->device, FAKE_BEHAVES);
        assert_success(start(fixture, fixture->controller));
        assert_success(unload_driver(fixture));
        fake_fixture_fini(&fixture->fake);
        free(fixture);
    }
}

static void failed_start_without_a_console_is_silent(void **state)
{
    struct driver_fixture *fixture = *state;

    ST->ConOut = NULL;
    fake_device_misbehave(fixture->device, FAKE_FEATURES_OK_DROPPED);
    assert_status(EFI_UNSUPPORTED, start(fixture, fixture->controller));
    fake_device_misbehave(fixture->device, FAKE_BEHAVES);
}

static void start_that_the_firmware_refuses_says_at_which_step(void **state)
{
    const char *const causes[] = {
        NULL, /* PciIo itself, which the firmware's own message tells */
        "the controller has no device path",
        "the firmware refuses a handle for the NIC",
        "the firmware refuses the child handle",
    };

    (void)state;
    for (unsigned step = 0; step < ARRAY_LENGTH(causes); step++) {
        struct driver_fixture *fixture = driver_fixture_new(1, NULL);

        fake_firmware_count_only(fixture->firmware, FAKE_CALL_PROTOCOL);
        fake_firmware_fail_nth(fixture->firmware, step + 1);
        assert_status(EFI_OUT_OF_RESOURCES, start(fixture, fixture->controller));
        if (causes[step])
            assert_text_contains(causes[step], fake_firmware_console(fixture->firmware));
        assert_not_bound(fixture, fixture->controller);
        driver_fixture_free(fixture);
    }
}

static void start_of_a_controller_without_a_path_says_why(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_pci_function *function = fake_device_pci(fixture->device);

    assert_success(BS->UninstallProtocolInterface(fixture->controller, &device_path_guid,
                                                  function->device_path));
    assert_status(EFI_UNSUPPORTED, start(fixture, fixture->controller));
    assert_text_contains("the controller has no device path",
                         fake_firmware_console(fixture->firmware));
    assert_not_bound(fixture, fixture->controller);
}

static void stop_of_child_and_controller_undoes_start(void **state)
{
    struct driver_fixture *fixture = *state;

    fake_firmware_baseline(fixture->firmware);
    for (unsigned i = 0; i < 10; i++) {
        assert_success(start(fixture, fixture->controller));
        assert_success(stop_child(fixture, fixture->controller, child_at(fixture, 0)));
        assert_int_equal(0, child_count(fixture));
        assert_int_equal(1, count_opens(fixture, fixture->controller, BY_DRIVER));
        assert_success(stop_controller(fixture, fixture->controller));
        assert_not_bound(fixture, fixture->controller);
        fake_firmware_assert_nothing_leaked(fixture->firmware);
    }
}

static void stop_without_children_is_refused_while_the_child_lives(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;

    assert_success(start(fixture, fixture->controller));
    assert_status(EFI_DEVICE_ERROR, stop_controller(fixture, fixture->controller));
    assert_bound(fixture, fixture->controller);
    network = network_of(fixture, child_at(fixture, 0));
    bring_up(network);
    assert_traffic_flows(network, fixture->device);
}

static void stop_without_children_is_refused_when_the_firmware_does_not_tell(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_success(start(fixture, fixture->controller));
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_status(EFI_DEVICE_ERROR, stop_controller(fixture, fixture->controller));
    assert_bound(fixture, fixture->controller);
}

static void stop_refuses_a_child_that_is_not_its_own(void **state)
{
    struct driver_fixture *fixture = *state;

    assert_success(start(fixture, fixture->controller));
    assert_status(EFI_DEVICE_ERROR, stop_child(fixture, fixture->controller, fixture->image));
    assert_bound(fixture, fixture->controller);
}

static void stop_looks_at_each_of_several_children(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_HANDLE children[2];

    assert_success(start(fixture, fixture->controller));
    children[0] = child_at(fixture, 0);
    children[1] = fixture->image; /* is none */
    assert_status(EFI_DEVICE_ERROR,
                  fixture->binding->Stop(fixture->binding, fixture->controller, 2, children));
    assert_int_equal(0, child_count(fixture));
    assert_success(stop_controller(fixture, fixture->controller));
}

static void stop_ends_an_interface_in_use(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;

    assert_success(start(fixture, fixture->controller));
    network = network_of(fixture, child_at(fixture, 0));
    bring_up(network);
    assert_traffic_flows(network, fixture->device);
    assert_success(stop_child(fixture, fixture->controller, child_at(fixture, 0)));
    assert_int_equal(0, fake_device_status(fixture->device));
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));
    assert_success(stop_controller(fixture, fixture->controller));
}

static void stop_asks_the_client_first(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *client;

    assert_success(start(fixture, fixture->controller));
    client = fake_firmware_hold_protocol(fixture->firmware, child_at(fixture, 0), &snp_guid, false);
    assert_success(stop_child(fixture, fixture->controller, child_at(fixture, 0)));
    assert_int_equal(1, client->stops);
    assert_success(stop_controller(fixture, fixture->controller));
}

static void stop_that_a_client_refuses_leaves_everything_whole(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;
    struct fake_consumer *client;
    EFI_HANDLE child;

    assert_success(start(fixture, fixture->controller));
    child = child_at(fixture, 0);
    network = network_of(fixture, child);
    bring_up(network);
    client = fake_firmware_hold_protocol(fixture->firmware, child, &snp_guid, true);

    for (unsigned i = 0; i < 3; i++) {
        assert_status(EFI_DEVICE_ERROR, stop_child(fixture, fixture->controller, child));
        assert_bound(fixture, fixture->controller);
        assert_ptr_equal(child, child_at(fixture, 0));
        assert_ptr_equal(network, network_of(fixture, child));
        assert_non_null(fake_firmware_interface(fixture->firmware, child, &device_path_guid));
        assert_traffic_flows(network, fixture->device);
    }

    client->refuses_to_stop = false;
    assert_success(stop_child(fixture, fixture->controller, child));
    assert_success(stop_controller(fixture, fixture->controller));
    assert_not_bound(fixture, fixture->controller);
}

static void stop_that_the_holder_of_the_path_refuses_leaves_everything_whole(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *client;
    EFI_HANDLE child;

    assert_success(start(fixture, fixture->controller));
    child = child_at(fixture, 0);
    client = fake_firmware_hold_protocol(fixture->firmware, child, &device_path_guid, true);
    assert_status(EFI_DEVICE_ERROR, stop_child(fixture, fixture->controller, child));
    assert_bound(fixture, fixture->controller);
    assert_non_null(network_of(fixture, child));
    bring_up(network_of(fixture, child));
    assert_traffic_flows(network_of(fixture, child), fixture->device);
    client->refuses_to_stop = false;
}

/* Whichever protocol it is that somebody does not let go of. */
static void holder_of_any_protocol_of_the_child_leaves_everything_whole(void **state)
{
    EFI_GUID *const guids[] = {&snp_guid, &adapter_information_guid, &device_path_guid,
                               &hii_config_access_guid};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(guids); i++) {
        struct driver_fixture *fixture = driver_fixture_new(1, NULL);
        EFI_SIMPLE_NETWORK_PROTOCOL *network;
        struct fake_consumer *holder;
        EFI_HANDLE child;

        (void)fake_hii_new(fixture->firmware);
        fake_firmware_baseline(fixture->firmware);
        assert_success(start(fixture, fixture->controller));
        child = child_at(fixture, 0);
        network = network_of(fixture, child);
        bring_up(network);
        holder = fake_firmware_hold_protocol(fixture->firmware, child, guids[i], true);

        for (unsigned attempt = 0; attempt < 3; attempt++) {
            assert_status(EFI_DEVICE_ERROR, stop_child(fixture, fixture->controller, child));
            assert_true(EFI_ERROR(unload_driver(fixture)));
            assert_bound(fixture, fixture->controller);
            assert_ptr_equal(network, network_of(fixture, child));
            for (size_t j = 0; j < ARRAY_LENGTH(guids); j++)
                assert_non_null(fake_firmware_interface(fixture->firmware, child, guids[j]));
            assert_traffic_flows(network, fixture->device);
        }
        holder->refuses_to_stop = false;
        driver_fixture_free(fixture);
    }
}

/* The NICs are let go of before it shows that the image's protocols are held, and come back. */
static void holder_of_any_protocol_of_the_image_leaves_the_driver_whole(void **state)
{
    EFI_GUID *const guids[] = {
        &driver_binding_guid,      &driver_family_override_guid, &driver_supported_efi_version_guid,
        &driver_diagnostics2_guid, &component_name2_guid,        &component_name_guid};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(guids); i++) {
        struct driver_fixture *fixture = driver_fixture_new(1, NULL);
        struct fake_consumer *holder;

        assert_success(start(fixture, fixture->controller));
        holder = fake_firmware_hold_protocol(fixture->firmware, fixture->image, guids[i], true);
        for (unsigned attempt = 0; attempt < 3; attempt++) {
            assert_true(EFI_ERROR(unload_driver(fixture)));
            for (size_t j = 0; j < ARRAY_LENGTH(guids); j++)
                assert_non_null(
                    fake_firmware_interface(fixture->firmware, fixture->image, guids[j]));
            assert_bound(fixture, fixture->controller);
            bring_up(network_of(fixture, child_at(fixture, 0)));
            assert_traffic_flows(network_of(fixture, child_at(fixture, 0)), fixture->device);
        }
        holder->refuses_to_stop = false;
        driver_fixture_free(fixture);
    }
}

static void stop_after_a_failed_exit_frees_everything_and_start_brings_it_back(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;

    assert_success(start(fixture, fixture->controller));
    bring_up(network_of(fixture, child_at(fixture, 0)));
    fake_firmware_fail_to_exit(fixture->firmware);
    assert_success(stop_child(fixture, fixture->controller, child_at(fixture, 0)));
    assert_success(stop_controller(fixture, fixture->controller));
    assert_int_equal(0, fake_pci_mapping_count(fake_device_pci(fixture->device)));

    assert_success(start(fixture, fixture->controller));
    network = network_of(fixture, child_at(fixture, 0));
    bring_up(network);
    assert_traffic_flows(network, fixture->device);
}

static void attributes_are_what_they_were(void **state)
{
    const uint64_t initial[] = {
        0,
        EFI_PCI_IO_ATTRIBUTE_IO,
        EFI_PCI_IO_ATTRIBUTE_MEMORY,
        EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY | EFI_PCI_IO_ATTRIBUTE_BUS_MASTER,
        EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(initial); i++) {
        for (enum fake_transport transport = FAKE_TRANSITIONAL; transport <= FAKE_LEGACY;
             transport++) {
            struct fake_device_options options = {.transport = transport,
                                                  .pci.initial_attributes = initial[i]};
            struct driver_fixture *fixture = driver_fixture_new(1, &options);

            assert_success(start(fixture, fixture->controller));
            bring_up(network_of(fixture, child_at(fixture, 0)));
            assert_success(fake_firmware_disconnect(fixture->firmware, fixture->controller));
            assert_int_equal(initial[i], fake_device_pci(fixture->device)->attributes);
            driver_fixture_free(fixture);
        }
    }
}

static void connect_prefers_this_driver_to_the_firmwares(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *other =
        fake_firmware_hold_protocol(fixture->firmware, NULL, &pci_io_guid, false);

    assert_success(fake_firmware_connect(fixture->firmware, fixture->controller));
    assert_int_equal(0, other->starts);
    assert_bound(fixture, fixture->controller);
}

static void connect_and_disconnect_may_be_repeated(void **state)
{
    struct driver_fixture *fixture = *state;
    struct fake_consumer *client;

    leave_stack_to_firmware(fixture);
    client = fake_firmware_hold_protocol(fixture->firmware, NULL, &snp_guid, false);

    for (unsigned i = 1; i <= 10; i++) {
        assert_success(fake_firmware_connect(fixture->firmware, fixture->controller));
        assert_int_equal(i, client->starts);
        bring_up(network_of(fixture, child_at(fixture, 0)));
        assert_traffic_flows(network_of(fixture, child_at(fixture, 0)), fixture->device);
        assert_success(fake_firmware_disconnect(fixture->firmware, fixture->controller));
        assert_int_equal(i, client->stops);
        assert_int_equal(0, child_count(fixture));
    }
}

#define NICS 8u

static struct driver_fixture *nics_fixture_new(void)
{
    struct driver_fixture *fixture = driver_fixture_new(NICS, NULL);

    for (unsigned i = 0; i < NICS; i++) {
        assert_success(start(fixture, fake_device_handle(fixture->fake.devices[i])));
        bring_up(network_of(fixture, child_at(fixture, i)));
    }
    return fixture;
}

static void eight_nics_work_at_once(void **state)
{
    struct driver_fixture *fixture = nics_fixture_new();

    (void)state;
    assert_int_equal(NICS, child_count(fixture));
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < NICS; i++)
            assert_traffic_flows(network_of(fixture, child_at(fixture, i)),
                                 fixture->fake.devices[i]);
    }
    for (unsigned i = 0; i < NICS; i++)
        assert_memory_equal(fake_device_mac(fixture->fake.devices[i]),
                            network_of(fixture, child_at(fixture, i))->Mode->CurrentAddress.Addr,
                            6);
    driver_fixture_free(fixture);
}

static void stop_of_one_nic_leaves_the_others_working(void **state)
{
    struct driver_fixture *fixture = nics_fixture_new();

    (void)state;
    assert_success(
        fake_firmware_disconnect(fixture->firmware, fake_device_handle(fixture->fake.devices[3])));
    assert_int_equal(NICS - 1, child_count(fixture));
    for (unsigned i = 0; i < NICS - 1; i++)
        assert_traffic_flows(network_of(fixture, child_at(fixture, i)),
                             fixture->fake.devices[i < 3 ? i : i + 1]);
    driver_fixture_free(fixture);
}

static void exit_boot_services_resets_every_nic(void **state)
{
    struct driver_fixture *fixture = nics_fixture_new();

    (void)state;
    fake_firmware_exit_boot_services(fixture->firmware);
    for (unsigned i = 0; i < NICS; i++)
        assert_int_equal(0, fake_device_status(fixture->fake.devices[i]));
    fake_fixture_fini(&fixture->fake);
    free(fixture);
}

static void unload_disconnects_every_nic_and_uninstalls(void **state)
{
    struct driver_fixture *fixture = nics_fixture_new();

    (void)state;
    assert_success(unload_driver(fixture));
    assert_int_equal(0, child_count(fixture));
    assert_null(fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid));
    assert_null(fake_firmware_interface(fixture->firmware, fixture->image, &component_name2_guid));
    assert_null(fake_firmware_interface(fixture->firmware, fixture->image, &component_name_guid));
    driver_fixture_end(fixture);
}

static void unload_and_load_may_be_repeated(void **state)
{
    struct driver_fixture *fixture = *state;

    for (unsigned i = 0; i < 10; i++) {
        assert_success(start(fixture, fixture->controller));
        bring_up(network_of(fixture, child_at(fixture, 0)));
        assert_success(unload_driver(fixture));
        fake_firmware_assert_nothing_leaked(fixture->firmware);
        assert_success(driver_binding_install(fixture->image, &default_options));
    }
}

static void unload_works_where_no_controller_is(void **state)
{
    (void)state;
    for (unsigned device_count = 0; device_count < 2; device_count++)
        driver_fixture_free(driver_fixture_new(device_count, NULL));
}

static void unload_leaves_other_drivers_alone(void **state)
{
    struct driver_fixture *fixture = driver_fixture_new(2, NULL);
    struct fake_consumer *other = fake_firmware_hold_protocol(
        fixture->firmware, fake_device_handle(fixture->fake.devices[1]), &pci_io_guid, false);

    (void)state;
    assert_success(start(fixture, fixture->controller));
    assert_success(unload_driver(fixture));
    assert_int_equal(0, other->stops);
    driver_fixture_end(fixture);
}

static void unload_that_a_client_refuses_leaves_the_driver_whole(void **state)
{
    struct driver_fixture *fixture = *state;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;
    struct fake_consumer *client;

    assert_success(start(fixture, fixture->controller));
    network = network_of(fixture, child_at(fixture, 0));
    bring_up(network);
    client = fake_firmware_hold_protocol(fixture->firmware, child_at(fixture, 0), &snp_guid, true);

    assert_true(EFI_ERROR(unload_driver(fixture)));
    assert_ptr_equal(fixture->binding, fake_firmware_interface(fixture->firmware, fixture->image,
                                                               &driver_binding_guid));
    assert_bound(fixture, fixture->controller);
    assert_traffic_flows(network, fixture->device);
    client->refuses_to_stop = false;
}

static void unload_stops_at_the_nic_whose_client_refuses(void **state)
{
    struct driver_fixture *fixture = nics_fixture_new();
    struct fake_consumer *client = fake_firmware_hold_protocol(
        fixture->firmware, child_at(fixture, NICS - 1), &snp_guid, true);

    (void)state;
    assert_true(EFI_ERROR(unload_driver(fixture)));
    assert_true(child_count(fixture) >= 1);
    assert_non_null(
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid));
    client->refuses_to_stop = false;
    driver_fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVER_TEST(install_puts_the_drivers_protocols_on_the_image),
        cmocka_unit_test_setup_teardown(image_starts_by_installing_the_driver, fake_setup,
                                        fake_teardown),
        DRIVER_TEST(supported_goes_by_the_pci_identity),
        DRIVER_TEST(supported_leaves_no_trace),
        DRIVER_TEST(supported_refuses_a_handle_without_pci_io),
        DRIVER_TEST(supported_passes_on_that_the_identity_could_not_be_read),
        DRIVER_TEST(supported_ignores_the_remaining_path),
        DRIVER_TEST(supported_evicts_nobody),
        DRIVER_TEST(supported_says_that_a_controller_is_started),
        DRIVER_TEST(start_makes_one_child_with_a_stopped_interface),
        DRIVER_TEST(child_path_is_the_parents_and_a_mac_node),
        DRIVER_TEST(second_start_is_refused_and_changes_nothing),
        DRIVER_TEST(start_evicts_a_driver_that_lets_go),
        DRIVER_TEST(start_leaves_alone_a_driver_that_does_not_let_go),
        DRIVER_TEST(start_within_start_of_the_same_controller_is_refused),
        cmocka_unit_test(start_within_start_of_another_controller_succeeds),
        DRIVER_TEST(start_after_a_failed_start_is_not_refused),
        cmocka_unit_test(failed_start_leaves_nothing_and_tells_the_console_why),
        DRIVER_TEST(failed_start_without_a_console_is_silent),
        cmocka_unit_test(start_that_the_firmware_refuses_says_at_which_step),
        DRIVER_TEST(start_of_a_controller_without_a_path_says_why),
        DRIVER_TEST(stop_of_child_and_controller_undoes_start),
        DRIVER_TEST(stop_without_children_is_refused_while_the_child_lives),
        DRIVER_TEST(stop_without_children_is_refused_when_the_firmware_does_not_tell),
        DRIVER_TEST(stop_refuses_a_child_that_is_not_its_own),
        DRIVER_TEST(stop_looks_at_each_of_several_children),
        DRIVER_TEST(stop_ends_an_interface_in_use),
        DRIVER_TEST(stop_asks_the_client_first),
        DRIVER_TEST(stop_that_a_client_refuses_leaves_everything_whole),
        DRIVER_TEST(stop_that_the_holder_of_the_path_refuses_leaves_everything_whole),
        cmocka_unit_test(holder_of_any_protocol_of_the_child_leaves_everything_whole),
        cmocka_unit_test(holder_of_any_protocol_of_the_image_leaves_the_driver_whole),
        DRIVER_TEST(stop_after_a_failed_exit_frees_everything_and_start_brings_it_back),
        cmocka_unit_test(attributes_are_what_they_were),
        DRIVER_TEST(connect_prefers_this_driver_to_the_firmwares),
        DRIVER_TEST(connect_and_disconnect_may_be_repeated),
        cmocka_unit_test(eight_nics_work_at_once),
        cmocka_unit_test(stop_of_one_nic_leaves_the_others_working),
        cmocka_unit_test(exit_boot_services_resets_every_nic),
        cmocka_unit_test(unload_disconnects_every_nic_and_uninstalls),
        DRIVER_TEST(unload_and_load_may_be_repeated),
        cmocka_unit_test(unload_works_where_no_controller_is),
        cmocka_unit_test(unload_leaves_other_drivers_alone),
        DRIVER_TEST(unload_that_a_client_refuses_leaves_the_driver_whole),
        cmocka_unit_test(unload_stops_at_the_nic_whose_client_refuses),
    };

    return cmocka_run_group_tests_name("driver_binding", tests, NULL, NULL);
}
