/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Whose service has the NIC: by `stack=firmware` and `stack=own` in the load option, and when the
 * NIC comes over from another driver, whose SNP the firmware's service had.
 */
#include "mnp_fixture.h"
#include "rival.h"

#define FIRMWARE_VERSION 0xau /* of edk2's MnpDxe */

static EFI_GUID snp_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;

/* A driver that is loaded with these options, beside the firmware's service. */
static struct mnp_fixture *load_with(CHAR16 *options, size_t bytes, struct fake_consumer **ret_mnp)
{
    struct mnp_fixture *fixture = calloc(1, sizeof(*fixture));
    EFI_LOADED_IMAGE *loaded;

    fake_fixture_init(&fixture->fake, 1, NULL);
    fixture->firmware = fixture->fake.firmware;
    fixture->device = fixture->fake.device;
    *ret_mnp = fake_firmware_hold_protocol(fixture->firmware, NULL, &snp_guid, false);
    (*ret_mnp)->binding.Version = FIRMWARE_VERSION;
    fixture->image = fake_firmware_load_image(fixture->firmware, NULL);
    loaded = fake_firmware_loaded_image(fixture->firmware, fixture->image);
    loaded->LoadOptions = options;
    loaded->LoadOptionsSize = (UINT32)bytes;
    assert_success(efi_main(fixture->image, ST));
    connect_all(fixture);
    assert_non_null(fixture->nic);
    return fixture;
}

/* holds: mnp.binding.option */
static void own_stack_is_the_default_and_can_be_chosen(void **state)
{
    static CHAR16 own[] = L"stack=own";
    static CHAR16 none[] = L"";
    CHAR16 *texts[] = {own, none};
    const size_t bytes[] = {sizeof(own), sizeof(none)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct fake_consumer *firmware_mnp;
        struct mnp_fixture *fixture = load_with(texts[i], bytes[i], &firmware_mnp);

        assert_non_null(services(fixture));
        assert_int_equal(0, firmware_mnp->starts);
        mnp_fixture_free(fixture);
    }
}

/* holds: mnp.binding.option */
static void firmwares_stack_gets_the_nic_when_it_is_chosen(void **state)
{
    static CHAR16 options[] = L"stack=firmware";
    struct fake_consumer *firmware_mnp;
    struct mnp_fixture *fixture = load_with(options, sizeof(options), &firmware_mnp);

    (void)state;
    assert_null(services(fixture));
    assert_null(vlan_config(fixture));
    assert_int_equal(1, firmware_mnp->starts);
    /* One driver binding of ours, and the firmware's. */
    assert_int_equal(
        2, fake_firmware_count_handles(fixture->firmware, &gEfiDriverBindingProtocolGuid));
    assert_success(fake_firmware_disconnect(fixture->firmware, fixture->nic));
    assert_int_equal(1, firmware_mnp->stops);
    mnp_fixture_free(fixture);
}

/* holds: mnp.binding.takeover */
static void service_comes_with_a_nic_that_is_taken_over_and_goes_with_it(void **state)
{
    static CHAR16 name[] = L"Rival";
    struct mnp_fixture *fixture = calloc(1, sizeof(*fixture));
    struct fake_consumer *firmware_mnp;
    struct mnp_child child;
    EFI_HANDLE controller;

    (void)state;
    fake_fixture_init(&fixture->fake, 1, NULL);
    fixture->firmware = fixture->fake.firmware;
    fixture->device = fixture->fake.device;
    controller = fake_device_handle(fixture->device);
    (void)fake_rival_new(fixture->firmware, name);
    firmware_mnp = fake_firmware_hold_protocol(fixture->firmware, NULL, &snp_guid, false);
    firmware_mnp->binding.Version = FIRMWARE_VERSION;
    assert_success(fake_firmware_connect(fixture->firmware, controller));
    assert_int_equal(1, firmware_mnp->starts);
    fake_firmware_baseline(fixture->firmware);

    fixture->image = fake_firmware_load_image(fixture->firmware, NULL);
    assert_success(efi_main(fixture->image, ST));
    assert_int_equal(1, firmware_mnp->stops);
    assert_int_equal(1, firmware_mnp->starts);
    connect_all(fixture);
    assert_non_null(services(fixture));
    child = child_for(fixture, 0);
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);

    assert_success(unload(fixture));
    assert_int_equal(2, firmware_mnp->starts); /* on the rival's SNP */
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_service_guid));
    assert_success(fake_firmware_disconnect(fixture->firmware, controller));
    mnp_fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_stack_is_the_default_and_can_be_chosen),
        cmocka_unit_test(firmwares_stack_gets_the_nic_when_it_is_chosen),
        cmocka_unit_test(service_comes_with_a_nic_that_is_taken_over_and_goes_with_it),
    };

    return cmocka_run_group_tests_name("mnp_option", tests, NULL, NULL);
}
