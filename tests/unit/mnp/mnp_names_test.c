/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What `drivers`, `devtree` and `dh` show of the service.
 */
#include "mnp_fixture.h"

static EFI_COMPONENT_NAME2_PROTOCOL *names(const struct mnp_fixture *fixture)
{
    EFI_COMPONENT_NAME2_PROTOCOL *names =
        fake_firmware_interface(fixture->firmware, service_driver(fixture)->DriverBindingHandle,
                                &gEfiComponentName2ProtocolGuid);

    assert_non_null(names);
    return names;
}

static EFI_STATUS controller_name(const struct mnp_fixture *fixture, EFI_HANDLE controller,
                                  EFI_HANDLE child, CHAR16 **ret_name)
{
    EFI_COMPONENT_NAME2_PROTOCOL *protocol = names(fixture);
    CHAR8 language[] = "en";

    *ret_name = NULL;
    return protocol->GetControllerName(protocol, controller, child, language, ret_name);
}

/* holds: mnp.binding.names */
static void service_has_a_driver_name_of_its_own(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_COMPONENT_NAME2_PROTOCOL *nic_names =
        fake_firmware_interface(fixture->firmware, fixture->image, &gEfiComponentName2ProtocolGuid);
    EFI_COMPONENT_NAME2_PROTOCOL *protocol = names(fixture);
    CHAR8 language[] = "en";
    CHAR16 *nic_name;
    CHAR16 *name;

    assert_success(protocol->GetDriverName(protocol, language, &name));
    assert_success(nic_names->GetDriverName(nic_names, language, &nic_name));
    assert_true(name[0] != 0);
    assert_ptr_not_equal(nic_name, name);
    assert_non_null(fake_firmware_interface(fixture->firmware,
                                            service_driver(fixture)->DriverBindingHandle,
                                            &gEfiComponentNameProtocolGuid));
}

/* holds: mnp.binding.names */
static void handles_of_the_service_are_named_after_the_nic(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);
    EFI_COMPONENT_NAME2_PROTOCOL *nic_names =
        fake_firmware_interface(fixture->firmware, fixture->image, &gEfiComponentName2ProtocolGuid);
    struct mnp_child child = child_new(fixture);
    CHAR8 language[] = "en";
    CHAR16 *nic_name;
    CHAR16 *name;
    EFI_HANDLE vlan;

    assert_success(nic_names->GetControllerName(nic_names, fake_device_handle(fixture->device),
                                                NULL, language, &nic_name));
    assert_success(controller_name(fixture, fixture->nic, NULL, &name));
    assert_ptr_equal(nic_name, name);
    assert_success(controller_name(fixture, fixture->nic, child.handle, &name));
    assert_ptr_not_equal(nic_name, name); /* `devtree` shows the NIC by its name once below PCI */
    child_destroy(fixture, &child);

    assert_success(vlans->Set(vlans, 5, 0));
    vlan = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, 0);
    assert_success(controller_name(fixture, fixture->nic, vlan, &name));
    assert_ptr_not_equal(nic_name, name);
}

/* holds: mnp.binding.names */
static void handles_of_others_have_no_name_from_the_service(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_HANDLE other = fake_firmware_load_image(fixture->firmware, NULL);
    CHAR16 *name;

    assert_true(
        EFI_ERROR(controller_name(fixture, fake_device_handle(fixture->device), NULL, &name)));
    assert_true(EFI_ERROR(controller_name(fixture, other, NULL, &name)));
    assert_true(EFI_ERROR(controller_name(fixture, fixture->nic, other, &name)));
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_true(EFI_ERROR(controller_name(fixture, fixture->nic, NULL, &name)));
    assert_null(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(service_has_a_driver_name_of_its_own),
        MNP_TEST(handles_of_the_service_are_named_after_the_nic),
        MNP_TEST(handles_of_others_have_no_name_from_the_service),
    };

    return cmocka_run_group_tests_name("mnp_names", tests, NULL, NULL);
}
