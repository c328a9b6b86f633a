/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The service's driver binding: who is bound, who gives way to whom, and what is left.
 */
#include "mnp_fixture.h"
#include "rival.h"

#define FIRMWARE_VERSION 0xau /* of edk2's MnpDxe */
#define NICS 8u

static EFI_GUID snp_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;

static unsigned opens(const struct mnp_fixture *fixture, EFI_HANDLE handle, const EFI_GUID *guid,
                      UINT32 attributes)
{
    return fake_firmware_count_opens(fixture->firmware, handle, guid, attributes);
}

static EFI_STATUS is_supported(const struct mnp_fixture *fixture, EFI_HANDLE handle)
{
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);

    return driver->Supported(driver, handle, NULL);
}

static void assert_not_bound(const struct mnp_fixture *fixture)
{
    assert_null(services(fixture));
    assert_null(vlan_config(fixture));
    assert_int_equal(0, opens(fixture, fixture->nic, &snp_guid, EFI_OPEN_PROTOCOL_BY_DRIVER));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
}

static void assert_service_works(const struct mnp_fixture *fixture)
{
    struct mnp_child child;

    assert_non_null(services(fixture));
    assert_non_null(vlan_config(fixture));
    child = child_for(fixture, 0);
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
}

/* holds: mnp.binding.bound */
static void service_is_on_the_handle_that_has_snp(void **state)
{
    struct mnp_fixture *fixture = *state;

    assert_non_null(services(fixture));
    assert_non_null(vlan_config(fixture));
    assert_int_equal(1, fake_firmware_count_handles(fixture->firmware, &mnp_service_guid));
    assert_int_equal(1, opens(fixture, fixture->nic, &snp_guid, EFI_OPEN_PROTOCOL_BY_DRIVER));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
    assert_int_equal(EfiSimpleNetworkStopped, fixture->snp->Mode->State);
    assert_service_works(fixture);
}

/* holds: mnp.binding.version */
static void service_has_a_driver_binding_above_the_firmwares(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);

    assert_true(driver->Version > FIRMWARE_VERSION);
    assert_ptr_equal(fixture->image, driver->ImageHandle);
    assert_ptr_not_equal(fixture->image, driver->DriverBindingHandle);
    assert_ptr_equal(driver, fake_firmware_interface(fixture->firmware, driver->DriverBindingHandle,
                                                     &gEfiDriverBindingProtocolGuid));
}

/* holds: mnp.binding.version */
static void service_comes_before_another_driver_for_snp(void **state)
{
    struct mnp_fixture *fixture = mnp_fixture_load(1, NULL, false);
    struct fake_consumer *firmware_mnp =
        fake_firmware_hold_protocol(fixture->firmware, NULL, &snp_guid, false);

    (void)state;
    firmware_mnp->binding.Version = FIRMWARE_VERSION;
    connect_all(fixture);
    assert_non_null(services(fixture));
    assert_int_equal(0, firmware_mnp->starts);
    mnp_fixture_free(fixture);
}

/* holds: mnp.binding.supported */
static void service_wants_the_snp_of_our_nics_alone(void **state)
{
    static EFI_SIMPLE_NETWORK_MODE foreign_mode = {.HwAddressSize = 6, .MediaHeaderSize = 14};
    static EFI_SIMPLE_NETWORK_PROTOCOL foreign = {.Mode = &foreign_mode};
    struct mnp_fixture *fixture = *state;
    EFI_HANDLE other = fake_firmware_new_handle(fixture->firmware, &snp_guid, &foreign);
    EFI_HANDLE bare = fake_firmware_load_image(fixture->firmware, NULL);

    assert_status(EFI_UNSUPPORTED, is_supported(fixture, other));
    assert_status(EFI_UNSUPPORTED, is_supported(fixture, bare));
    assert_status(EFI_UNSUPPORTED, is_supported(fixture, fake_device_handle(fixture->device)));
    assert_status(EFI_UNSUPPORTED, is_supported(fixture, fixture->image));
    assert_status(EFI_ALREADY_STARTED, is_supported(fixture, fixture->nic));
    (void)fake_firmware_connect(fixture->firmware, other);
    assert_null(services_of(fixture, other));
    assert_int_equal(0, opens(fixture, other, &snp_guid, UINT32_MAX));

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_success(is_supported(fixture, fixture->nic));
    assert_null(services(fixture)); /* asking does nothing */
}

/* EDK2's PXE driver installs the SNP that it found on handles of its own. */
/* holds: mnp.binding.supported */
static void our_snp_on_the_handle_of_somebody_else_is_not_supported(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);
    EFI_HANDLE borrower = fake_firmware_new_handle(fixture->firmware, &snp_guid, fixture->snp);

    assert_status(EFI_UNSUPPORTED, is_supported(fixture, borrower));
    assert_status(EFI_UNSUPPORTED, driver->Start(driver, borrower, NULL));
    assert_int_equal(0, opens(fixture, borrower, &snp_guid, UINT32_MAX));
    assert_status(EFI_DEVICE_ERROR, driver->Stop(driver, borrower, 0, NULL));
    assert_service_works(fixture);
}

/* holds: mnp.binding.supported */
static void rivals_nic_is_left_to_the_firmware(void **state)
{
    static CHAR16 name[] = L"Rival";
    struct mnp_fixture *fixture = mnp_fixture_load(1, NULL, false);
    struct fake_rival *rival = fake_rival_new(fixture->firmware, name);
    EFI_HANDLE controller = fake_device_handle(fixture->device);
    EFI_HANDLE drivers[] = {rival->binding.DriverBindingHandle, NULL};
    EFI_HANDLE child;

    (void)state;
    assert_success(BS->ConnectController(controller, drivers, NULL, TRUE));
    child = fake_rival_child(rival, controller);
    assert_non_null(child);
    assert_null(services_of(fixture, child));
    assert_status(EFI_UNSUPPORTED, is_supported(fixture, child));
    assert_success(fake_firmware_disconnect(fixture->firmware, controller));
    mnp_fixture_free(fixture);
}

/* A client that cannot start on it might never let go of its child. */
/* holds: mnp.binding.supported */
static void device_that_is_gone_is_left_to_the_firmware(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct fake_consumer *firmware_mnp =
        fake_firmware_hold_protocol(fixture->firmware, NULL, &snp_guid, false);
    uint8_t *vendor = fake_device_pci(fixture->device)->config;
    const uint8_t present[] = {vendor[0], vendor[1]};

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    memset(vendor, 0xff, sizeof(present));
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_null(services(fixture));
    assert_int_equal(1, firmware_mnp->starts);
    assert_non_null(strstr(fake_firmware_console(fixture->firmware),
                           "the network stack is left to the firmware: the device is gone"));

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    memcpy(vendor, present, sizeof(present));
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_service_works(fixture);
}

/* holds: mnp.binding.supported */
static void snp_that_another_has_is_not_supported(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_HANDLE agent = fake_firmware_load_image(fixture->firmware, NULL);
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);
    void *interface;

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_success(BS->OpenProtocol(fixture->nic, &snp_guid, &interface, agent, fixture->nic,
                                    EFI_OPEN_PROTOCOL_BY_DRIVER));
    assert_true(EFI_ERROR(is_supported(fixture, fixture->nic)));
    assert_true(EFI_ERROR(driver->Start(driver, fixture->nic, NULL)));
    assert_null(services(fixture));
    assert_success(BS->CloseProtocol(fixture->nic, &snp_guid, agent, fixture->nic));
}

/* holds: mnp.binding.exclusive */
static void exclusive_client_of_snp_gets_it_and_the_service_returns(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_HANDLE agent = fake_firmware_load_image(fixture->firmware, NULL);
    struct mnp_child child = child_for(fixture, 0);
    void *interface;

    assert_traffic_flows(fixture, &child);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t frame[FRAME_MIN] = {0};

        assert_success(BS->OpenProtocol(fixture->nic, &snp_guid, &interface, agent, NULL,
                                        EFI_OPEN_PROTOCOL_EXCLUSIVE));
        assert_not_bound(fixture);
        assert_success(fixture->snp->Start(fixture->snp));
        assert_success(fixture->snp->Initialize(fixture->snp, 0, 0));
        assert_success(
            fixture->snp->Transmit(fixture->snp, 0, sizeof(frame), frame, NULL, NULL, NULL));
        assert_non_null(fake_device_take_frame(fixture->device));
        assert_success(fixture->snp->Shutdown(fixture->snp));
        assert_success(fixture->snp->Stop(fixture->snp));
        (void)fake_firmware_connect(fixture->firmware, fixture->nic);
        assert_not_bound(fixture);
        assert_success(BS->CloseProtocol(fixture->nic, &snp_guid, agent, NULL));

        assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
        assert_service_works(fixture);
    }
}

/* holds: mnp.binding.stop */
static void service_stops_and_starts_any_number_of_times(void **state)
{
    struct mnp_fixture *fixture = *state;

    for (unsigned i = 0; i < 5; i++) {
        assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
        assert_not_bound(fixture);
        assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
        assert_service_works(fixture);
    }
}

/* holds: mnp.binding.stop */
static void stop_without_children_ends_what_is_left(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);
    struct mnp_child first = child_for(fixture, 0);
    struct mnp_child second = child_for(fixture, ARP);
    struct mnp_token token;

    (void)second;
    token_init(&token);
    assert_success(receive(&first, &token));
    assert_success(driver->Stop(driver, fixture->nic, 0, NULL));
    assert_int_equal(1, token.signals);
    assert_status(EFI_ABORTED, token.token.Status);
    assert_not_bound(fixture);
    token_fini(&token);
}

/* holds: mnp.binding.stop */
static void stop_of_one_child_leaves_the_others(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);
    struct mnp_child first = child_for(fixture, 0);
    struct mnp_child second = child_for(fixture, 0);

    assert_success(driver->Stop(driver, fixture->nic, 1, &first.handle));
    assert_success(driver->Stop(driver, fixture->nic, 1, &fixture->image)); /* none of its */
    assert_int_equal(1, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
    assert_traffic_flows(fixture, &second);
    child_destroy(fixture, &second);
}

/* holds: mnp.binding.stop */
static void stop_of_a_handle_that_is_not_bound_fails(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(fixture);

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_true(EFI_ERROR(driver->Stop(driver, fixture->nic, 0, NULL)));
    assert_true(EFI_ERROR(driver->Stop(driver, fake_device_handle(fixture->device), 0, NULL)));
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_service_works(fixture);
}

/* holds: mnp.binding.refused */
static void service_whose_client_does_not_let_go_stays(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct fake_consumer *client =
        fake_firmware_hold_protocol(fixture->firmware, child.handle, &mnp_guid, true);

    assert_int_equal(1, client->starts);
    assert_true(EFI_ERROR(fake_firmware_disconnect(fixture->firmware, fixture->nic)));
    assert_true(client->refusals > 0);
    assert_traffic_flows(fixture, &child);
    assert_true(EFI_ERROR(unload(fixture)));
    assert_traffic_flows(fixture, &child);

    client->refuses_to_stop = false;
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_not_bound(fixture);
}

/* Whatever of the service somebody holds. */
static void check_held(struct mnp_fixture *fixture, EFI_HANDLE handle, EFI_GUID *guid)
{
    struct fake_consumer *client =
        fake_firmware_hold_protocol(fixture->firmware, handle, guid, true);

    assert_int_equal(1, client->starts);
    assert_true(EFI_ERROR(fake_firmware_disconnect(fixture->firmware, fixture->nic)));
    assert_true(client->refusals > 0);
    assert_service_works(fixture);
    client->refuses_to_stop = false;
    client->is_retired = true;
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_not_bound(fixture);
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_service_works(fixture);
}

/* holds: mnp.binding.refused */
static void service_whose_binding_is_held_stays(void **state)
{
    struct mnp_fixture *fixture = *state;

    check_held(fixture, fixture->nic, &mnp_service_guid);
}

/* holds: mnp.binding.refused */
static void service_whose_vlan_protocol_is_held_stays(void **state)
{
    struct mnp_fixture *fixture = *state;

    check_held(fixture, fixture->nic, &vlan_config_guid);
}

/* holds: mnp.binding.refused */
static void all_vlans_stay_while_a_client_of_one_does_not_let_go(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);
    struct fake_consumer *client;
    struct mnp_child child;
    EFI_HANDLE handle;

    for (UINT16 id = 5; id < 8; id++) {
        assert_success(vlans->Set(vlans, id, 0));
        handle = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, id - 5u);
        if (id == 6)
            child = child_on(fixture, handle);
    }
    client = fake_firmware_hold_protocol(fixture->firmware, child.handle, &mnp_guid, true);
    assert_true(EFI_ERROR(fake_firmware_disconnect(fixture->firmware, fixture->nic)));
    assert_int_equal(3, fake_firmware_count_handles(fixture->firmware, &mnp_service_guid));
    assert_non_null(vlan_config(fixture));
    client->refuses_to_stop = false;
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_not_bound(fixture);
}

/* holds: mnp.binding.nic */
static void service_ends_with_its_nic(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_HANDLE controller = fake_device_handle(fixture->device);
    struct mnp_child child = child_for(fixture, 0);

    (void)child;
    assert_success(fake_firmware_disconnect(fixture->firmware, controller));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_service_guid));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &snp_guid));
    connect_all(fixture);
    assert_service_works(fixture);
}

/* holds: mnp.binding.unload */
static void unload_takes_both_bindings_away(void **state)
{
    struct mnp_fixture *fixture = mnp_fixture_new(2, NULL, true);
    struct mnp_child child = child_for(fixture, 0);

    (void)state;
    (void)child;
    assert_success(unload(fixture));
    assert_null(fake_firmware_find_handle(fixture->firmware, &gEfiDriverBindingProtocolGuid, 0));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_service_guid));
    mnp_fixture_end(fixture);
}

/* holds: mnp.binding.nics */
static void each_of_several_nics_has_a_service_of_its_own(void **state)
{
    struct mnp_fixture *fixture = mnp_fixture_new(NICS, NULL, false);
    struct mnp_child children[NICS];
    struct mnp_fixture nic = *fixture;

    (void)state;
    for (unsigned i = 0; i < NICS; i++) {
        children[i] = child_on(fixture, nic_at(fixture, i));
        assert_success(configure(&children[i], &plain_config));
    }
    for (unsigned i = 0; i < NICS; i++) {
        nic.device = fixture->fake.devices[i];
        assert_traffic_flows(&nic, &children[i]);
        for (unsigned j = 0; j < NICS; j++)
            assert_status(EFI_NOT_READY, poll(&children[j]));
    }
    assert_success(fake_firmware_disconnect(fixture->firmware, nic_at(fixture, 3)));
    nic.device = fixture->fake.devices[4];
    assert_traffic_flows(&nic, &children[4]);
    mnp_fixture_free(fixture);
}

/* holds: mnp.binding.exit */
static void device_is_quiet_after_exit_boot_services(void **state)
{
    struct mnp_fixture *fixture = mnp_fixture_new(1, NULL, true);
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token token;

    (void)state;
    token_init(&token);
    assert_success(receive(&child, &token));
    deliver(fixture, IPV4, 1);
    fake_firmware_exit_boot_services(fixture->firmware);
    assert_false(fake_device_is_live(fixture->device));
    fake_firmware_advance_us(fixture->firmware, 1000000);
    fake_fixture_fini(&fixture->fake);
    free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(service_is_on_the_handle_that_has_snp),
        MNP_TEST(service_has_a_driver_binding_above_the_firmwares),
        cmocka_unit_test(service_comes_before_another_driver_for_snp),
        MNP_TEST(service_wants_the_snp_of_our_nics_alone),
        MNP_TEST(our_snp_on_the_handle_of_somebody_else_is_not_supported),
        cmocka_unit_test(rivals_nic_is_left_to_the_firmware),
        MNP_TEST(device_that_is_gone_is_left_to_the_firmware),
        MNP_TEST(snp_that_another_has_is_not_supported),
        MNP_TEST(exclusive_client_of_snp_gets_it_and_the_service_returns),
        MNP_TEST(service_stops_and_starts_any_number_of_times),
        MNP_TEST(stop_without_children_ends_what_is_left),
        MNP_TEST(stop_of_one_child_leaves_the_others),
        MNP_TEST(stop_of_a_handle_that_is_not_bound_fails),
        MNP_TEST(service_whose_client_does_not_let_go_stays),
        MNP_TEST(service_whose_binding_is_held_stays),
        MNP_TEST(service_whose_vlan_protocol_is_held_stays),
        MNP_TEST(all_vlans_stay_while_a_client_of_one_does_not_let_go),
        MNP_TEST(service_ends_with_its_nic),
        cmocka_unit_test(unload_takes_both_bindings_away),
        cmocka_unit_test(each_of_several_nics_has_a_service_of_its_own),
        cmocka_unit_test(device_is_quiet_after_exit_boot_services),
    };

    return cmocka_run_group_tests_name("mnp_service", tests, NULL, NULL);
}
