/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_VLAN_CONFIG_PROTOCOL: the services that come and go with Set and Remove, the variable, and
 * the tags of frames.
 */
#include <stdio.h>

#include "mnp_fixture.h"

#define NAME_CHARS 13u
#define ATTRIBUTES (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS)

static EFI_STATUS vlan_set(const struct mnp_fixture *fixture, unsigned id, unsigned priority)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);

    return vlans->Set(vlans, (UINT16)id, (UINT8)priority);
}

static EFI_STATUS vlan_remove(const struct mnp_fixture *fixture, unsigned id)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);

    return vlans->Remove(vlans, (UINT16)id);
}

/* The handle of VLAN `id`: the NIC's path and one more node. NULL: there is none. */
static EFI_HANDLE vlan_handle(const struct mnp_fixture *fixture, unsigned id)
{
    const uint8_t *nic_path =
        fake_firmware_interface(fixture->firmware, fixture->nic, &gEfiDevicePathProtocolGuid);
    EFI_HANDLE handle;
    size_t bytes = 0;

    while (!IsDevicePathEnd((const EFI_DEVICE_PATH *)(nic_path + bytes)))
        bytes += (size_t)DevicePathNodeLength((const EFI_DEVICE_PATH *)(nic_path + bytes));
    for (unsigned i = 0;
         (handle = fake_firmware_find_handle(fixture->firmware, &mnp_service_guid, i)); i++) {
        const uint8_t *path =
            fake_firmware_interface(fixture->firmware, handle, &gEfiDevicePathProtocolGuid);
        VLAN_DEVICE_PATH node;

        assert_non_null(path);
        memcpy(&node, path + bytes, sizeof(node));
        if (handle == fixture->nic || node.VlanId != id)
            continue;
        assert_memory_equal(nic_path, path, bytes);
        assert_int_equal(MESSAGING_DEVICE_PATH, node.Header.Type);
        assert_int_equal(MSG_VLAN_DP, node.Header.SubType);
        assert_int_equal(6, node.Header.Length[0]);
        assert_int_equal(0, node.Header.Length[1]);
        assert_true(IsDevicePathEnd((const EFI_DEVICE_PATH *)(path + bytes + sizeof(node))));
        return handle;
    }
    return NULL;
}

static unsigned service_count(const struct mnp_fixture *fixture)
{
    return fake_firmware_count_handles(fixture->firmware, &mnp_service_guid);
}

static void variable_name(const struct mnp_fixture *fixture, CHAR16 *name)
{
    const uint8_t *mac = fake_device_mac(fixture->device);
    char text[NAME_CHARS];

    snprintf(text, sizeof(text), "%02X%02X%02X%02X%02X%02X", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    for (unsigned i = 0; i < NAME_CHARS; i++)
        name[i] = (CHAR16)text[i];
}

/* The variable holds these tags, in any order; none: it does not exist. */
static void assert_variable(const struct mnp_fixture *fixture, unsigned count, const UINT16 *tags)
{
    CHAR16 name[NAME_CHARS];
    UINT16 actual[64];
    UINTN bytes = sizeof(actual);
    UINT32 attributes = 0;
    EFI_STATUS status;

    variable_name(fixture, name);
    status = RT->GetVariable(name, &vlan_config_guid, &attributes, &bytes, actual);
    if (count == 0) {
        assert_status(EFI_NOT_FOUND, status);
        return;
    }
    assert_success(status);
    assert_int_equal(ATTRIBUTES, attributes);
    assert_int_equal(count * sizeof(UINT16), bytes);
    for (unsigned i = 0; i < count; i++) {
        bool is_there = false;

        for (unsigned j = 0; j < count; j++)
            is_there |= actual[j] == tags[i];
        assert_true(is_there);
    }
}

static void set_variable(const struct mnp_fixture *fixture, unsigned count, UINT16 *tags)
{
    CHAR16 name[NAME_CHARS];

    variable_name(fixture, name);
    assert_success(
        RT->SetVariable(name, &vlan_config_guid, ATTRIBUTES, count * sizeof(UINT16), tags));
}

/* holds: mnp.vlan.arguments */
static void functions_check_their_arguments(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);
    EFI_VLAN_FIND_DATA *entries = NULL;
    UINT16 count = 0;
    UINT16 bad = 4095;

    assert_status(EFI_INVALID_PARAMETER, vlans->Set(NULL, 1, 0));
    assert_status(EFI_INVALID_PARAMETER, vlan_set(fixture, 4095, 0));
    assert_status(EFI_INVALID_PARAMETER, vlan_set(fixture, 0xffff, 0));
    assert_status(EFI_INVALID_PARAMETER, vlan_set(fixture, 1, 8));
    assert_status(EFI_INVALID_PARAMETER, vlan_set(fixture, 1, 255));
    assert_status(EFI_INVALID_PARAMETER, vlans->Find(NULL, NULL, &count, &entries));
    assert_status(EFI_INVALID_PARAMETER, vlans->Find(vlans, &bad, &count, &entries));
    assert_status(EFI_INVALID_PARAMETER, vlans->Find(vlans, NULL, NULL, &entries));
    assert_status(EFI_INVALID_PARAMETER, vlans->Find(vlans, NULL, &count, NULL));
    assert_status(EFI_INVALID_PARAMETER, vlans->Remove(NULL, 1));
    assert_status(EFI_INVALID_PARAMETER, vlan_remove(fixture, 4095));
    assert_non_null(services(fixture));
    assert_int_equal(1, service_count(fixture));
    assert_variable(fixture, 0, NULL);
}

/* holds: mnp.vlan.set, mnp.vlan.remove, mnp.vlan.handle */
static void first_vlan_replaces_the_untagged_service_and_the_last_brings_it_back(void **state)
{
    struct mnp_fixture *fixture = *state;
    const UINT16 tags[] = {VLAN_TAG(5, 3), VLAN_TAG(4094, 0)};
    EFI_HANDLE handle;

    assert_success(vlan_set(fixture, 5, 3));
    assert_null(services(fixture));
    assert_non_null(vlan_config(fixture));
    handle = vlan_handle(fixture, 5);
    assert_non_null(handle);
    assert_int_equal(1,
                     fake_firmware_count_opens(fixture->firmware, fixture->nic, &vlan_config_guid,
                                               EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    assert_variable(fixture, 1, tags);

    assert_success(vlan_set(fixture, 4094, 0));
    assert_non_null(vlan_handle(fixture, 4094));
    assert_ptr_equal(handle, vlan_handle(fixture, 5));
    assert_int_equal(2, service_count(fixture));
    assert_variable(fixture, 2, tags);

    assert_success(vlan_remove(fixture, 5));
    assert_null(vlan_handle(fixture, 5));
    assert_null(services(fixture));
    assert_variable(fixture, 1, tags + 1);
    assert_status(EFI_NOT_FOUND, vlan_remove(fixture, 5));

    assert_success(vlan_remove(fixture, 4094));
    assert_non_null(services(fixture));
    assert_int_equal(1, service_count(fixture));
    assert_variable(fixture, 0, NULL);
    assert_status(EFI_NOT_FOUND, vlan_remove(fixture, 4094));
    assert_status(EFI_NOT_FOUND, vlan_remove(fixture, 0));
}

/* holds: mnp.vlan.untagged */
static void vlan_0_is_the_untagged_service(void **state)
{
    struct mnp_fixture *fixture = *state;
    const UINT16 tags[] = {VLAN_TAG(0, 2), VLAN_TAG(7, 0)};
    struct mnp_child child = child_for(fixture, 0);

    assert_success(vlan_set(fixture, 0, 2));
    assert_traffic_flows(fixture, &child); /* untagged, and the child is still there */
    assert_variable(fixture, 1, tags);
    assert_success(vlan_set(fixture, 7, 0));
    assert_traffic_flows(fixture, &child);
    assert_int_equal(2, service_count(fixture));
    assert_variable(fixture, 2, tags);
    assert_success(vlan_remove(fixture, 7));
    assert_traffic_flows(fixture, &child);
    assert_variable(fixture, 1, tags);
    assert_success(vlan_remove(fixture, 0));
    assert_traffic_flows(fixture, &child);
    assert_variable(fixture, 0, NULL);
    child_destroy(fixture, &child);
}

/* holds: mnp.vlan.untagged */
static void untagged_service_goes_when_other_vlans_are_left(void **state)
{
    struct mnp_fixture *fixture = *state;

    assert_success(vlan_set(fixture, 7, 0));
    assert_success(vlan_set(fixture, 0, 0));
    assert_non_null(services(fixture));
    assert_int_equal(2, service_count(fixture));
    assert_success(vlan_remove(fixture, 0));
    assert_null(services(fixture));
    assert_success(vlan_remove(fixture, 7));
    assert_non_null(services(fixture));
}

/* holds: mnp.vlan.find */
static void find_names_all_vlans_or_one(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(fixture);
    const EFI_VLAN_FIND_DATA set[] = {{0, 1}, {5, 7}, {4094, 0}};
    EFI_VLAN_FIND_DATA *entries = (EFI_VLAN_FIND_DATA *)&entries;
    UINT16 count = 99;
    UINT16 id = 5;

    assert_status(EFI_NOT_FOUND, vlans->Find(vlans, NULL, &count, &entries));
    assert_status(EFI_NOT_FOUND, vlans->Find(vlans, &id, &count, &entries));
    for (unsigned i = 0; i < ARRAY_LENGTH(set); i++)
        assert_success(vlan_set(fixture, set[i].VlanId, set[i].Priority));

    assert_success(vlans->Find(vlans, NULL, &count, &entries));
    assert_int_equal(ARRAY_LENGTH(set), count);
    for (unsigned i = 0; i < ARRAY_LENGTH(set); i++) {
        unsigned matches = 0;

        for (unsigned j = 0; j < count; j++)
            matches += entries[j].VlanId == set[i].VlanId && entries[j].Priority == set[i].Priority;
        assert_int_equal(1, matches);
    }
    assert_success(BS->FreePool(entries));

    for (unsigned i = 0; i < ARRAY_LENGTH(set); i++) {
        id = set[i].VlanId;
        assert_success(vlans->Find(vlans, &id, &count, &entries));
        assert_int_equal(1, count);
        assert_int_equal(set[i].VlanId, entries->VlanId);
        assert_int_equal(set[i].Priority, entries->Priority);
        assert_success(BS->FreePool(entries));
    }
    id = 6;
    assert_status(EFI_NOT_FOUND, vlans->Find(vlans, &id, &count, &entries));
}

/* holds: mnp.vlan.change */
static void set_again_changes_the_priority_and_keeps_the_children(void **state)
{
    struct mnp_fixture *fixture = *state;
    const UINT16 tag = VLAN_TAG(5, 6);
    struct mnp_child child;
    EFI_HANDLE handle;

    assert_success(vlan_set(fixture, 5, 0));
    handle = vlan_handle(fixture, 5);
    child = child_on(fixture, handle);
    assert_success(configure(&child, &plain_config));
    assert_success(vlan_set(fixture, 5, 6));
    assert_ptr_equal(handle, vlan_handle(fixture, 5));
    assert_success(state_of(&child));
    assert_variable(fixture, 1, &tag);
    child_destroy_on(fixture, handle, &child);
}

/* holds: mnp.vlan.variable */
static void vlans_are_there_again_after_a_restart(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_VLAN_CONFIG_PROTOCOL *vlans;
    EFI_VLAN_FIND_DATA *entries;
    UINT16 count;
    UINT16 id = 5;

    assert_success(vlan_set(fixture, 5, 3));
    assert_success(vlan_set(fixture, 9, 0));
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_int_equal(0, service_count(fixture));
    assert_null(vlan_config(fixture));
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_null(services(fixture));
    assert_non_null(vlan_handle(fixture, 5));
    assert_non_null(vlan_handle(fixture, 9));
    vlans = vlan_config(fixture);
    assert_success(vlans->Find(vlans, &id, &count, &entries));
    assert_int_equal(3, entries->Priority);
    assert_success(BS->FreePool(entries));
}

/* holds: mnp.vlan.variable */
static void variable_is_named_after_the_mac_in_upper_case(void **state)
{
    const struct fake_device_options options = {.mac = {0x52, 0xab, 0xcd, 0xef, 0x0a, 0xf0}};
    struct mnp_fixture *fixture = mnp_fixture_new(1, &options, false);
    CHAR16 name[] = L"52ABCDEF0AF0";
    UINT16 tag = 0;
    UINTN bytes = sizeof(tag);

    (void)state;
    assert_success(vlan_set(fixture, 0x123, 5));
    assert_success(RT->GetVariable(name, &vlan_config_guid, NULL, &bytes, &tag));
    assert_int_equal(sizeof(tag), bytes);
    assert_int_equal(0xa123, tag);
    mnp_fixture_free(fixture);
}

/* holds: mnp.vlan.variable */
static void variable_can_hold_anything(void **state)
{
    struct mnp_fixture *fixture = *state;
    UINT16 twice[] = {VLAN_TAG(5, 3), VLAN_TAG(6, 0), VLAN_TAG(5, 1), VLAN_TAG(6, 0)};
    UINT16 bad[] = {0xffff, 0x0fff, VLAN_TAG(5, 0)};
    UINT16 useless[] = {0xffff};
    uint8_t odd[] = {5, 0, 6};
    CHAR16 name[NAME_CHARS];

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    set_variable(fixture, ARRAY_LENGTH(twice), twice);
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_int_equal(2, service_count(fixture));
    assert_non_null(vlan_handle(fixture, 5));
    assert_non_null(vlan_handle(fixture, 6));

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    set_variable(fixture, ARRAY_LENGTH(bad), bad);
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_int_equal(1, service_count(fixture));
    assert_non_null(vlan_handle(fixture, 5));

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    set_variable(fixture, ARRAY_LENGTH(useless), useless);
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_int_equal(1, service_count(fixture));
    assert_non_null(services(fixture));

    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    variable_name(fixture, name);
    assert_success(RT->SetVariable(name, &vlan_config_guid, ATTRIBUTES, sizeof(odd), odd));
    assert_success(fake_firmware_connect(fixture->firmware, fixture->nic));
    assert_int_equal(1, service_count(fixture));
    assert_non_null(vlan_handle(fixture, 5));
}

/* holds: mnp.vlan.refused */
static void vlan_whose_client_does_not_let_go_stays(void **state)
{
    struct mnp_fixture *fixture = *state;
    const UINT16 tag = VLAN_TAG(5, 0);
    struct fake_consumer *client;
    struct mnp_child child;

    assert_success(vlan_set(fixture, 5, 0));
    child = child_on(fixture, vlan_handle(fixture, 5));
    assert_success(configure(&child, &plain_config));
    client = fake_firmware_hold_protocol(fixture->firmware, child.handle, &mnp_guid, true);
    assert_true(EFI_ERROR(vlan_remove(fixture, 5)));
    assert_variable(fixture, 1, &tag);
    assert_non_null(vlan_handle(fixture, 5));
    assert_null(services(fixture));
    assert_success(state_of(&child));
    client->refuses_to_stop = false;
    assert_success(vlan_remove(fixture, 5));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
    assert_non_null(services(fixture));
}

/* holds: mnp.vlan.refused */
static void untagged_service_whose_client_does_not_let_go_stays(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct fake_consumer *client =
        fake_firmware_hold_protocol(fixture->firmware, child.handle, &mnp_guid, true);

    assert_true(EFI_ERROR(vlan_set(fixture, 5, 0)));
    assert_variable(fixture, 0, NULL);
    assert_int_equal(1, service_count(fixture));
    assert_traffic_flows(fixture, &child);
    client->refuses_to_stop = false;
    assert_success(vlan_set(fixture, 5, 0));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(functions_check_their_arguments),
        MNP_TEST(first_vlan_replaces_the_untagged_service_and_the_last_brings_it_back),
        MNP_TEST(vlan_0_is_the_untagged_service),
        MNP_TEST(untagged_service_goes_when_other_vlans_are_left),
        MNP_TEST(find_names_all_vlans_or_one),
        MNP_TEST(set_again_changes_the_priority_and_keeps_the_children),
        MNP_TEST(vlans_are_there_again_after_a_restart),
        cmocka_unit_test(variable_is_named_after_the_mac_in_upper_case),
        MNP_TEST(variable_can_hold_anything),
        MNP_TEST(vlan_whose_client_does_not_let_go_stays),
        MNP_TEST(untagged_service_whose_client_does_not_let_go_stays),
    };

    return cmocka_run_group_tests_name("mnp_vlan", tests, NULL, NULL);
}
