/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Who has a controller's PciIo open.
 */
#include "driver/pci_opener.h"
#include "driver_fixture.h"

static EFI_HANDLE controller_of(const struct fake_fixture *fake)
{
    return fake_device_handle(fake->device);
}

static void open_by(EFI_HANDLE controller, EFI_HANDLE agent, EFI_HANDLE child, UINT32 attributes)
{
    void *interface;

    assert_success(
        BS->OpenProtocol(controller, &pci_io_guid, &interface, agent, child, attributes));
}

/* What a failed search leaves untouched. */
static const EFI_OPEN_PROTOCOL_INFORMATION_ENTRY untouched = {.OpenCount = 0x1234};

static void assert_not_found(EFI_STATUS expected, EFI_HANDLE controller, EFI_HANDLE agent,
                             UINT32 attribute)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener = untouched;

    assert_status(expected, pci_opener_find(controller, agent, attribute, &opener));
    assert_memory_equal(&untouched, &opener, sizeof(opener));
}

static void driver_and_children_are_found_by_attribute(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE controller = controller_of(fake);
    EFI_HANDLE agent = fake_firmware_load_image(fake->firmware, NULL);
    EFI_HANDLE child = fake_firmware_load_image(fake->firmware, NULL);
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener;

    open_by(controller, agent, controller, EFI_OPEN_PROTOCOL_BY_DRIVER);
    open_by(controller, agent, child, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
    assert_success(pci_opener_find(controller, agent, EFI_OPEN_PROTOCOL_BY_DRIVER, &opener));
    assert_ptr_equal(agent, opener.AgentHandle);
    assert_ptr_equal(controller, opener.ControllerHandle);
    assert_int_equal(EFI_OPEN_PROTOCOL_BY_DRIVER, opener.Attributes);
    assert_success(
        pci_opener_find(controller, agent, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER, &opener));
    assert_ptr_equal(child, opener.ControllerHandle);
}

static void one_attribute_among_several_is_enough(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE controller = controller_of(fake);
    EFI_HANDLE agent = fake_firmware_load_image(fake->firmware, NULL);
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener;

    open_by(controller, agent, controller,
            EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE);
    assert_success(pci_opener_find(controller, agent, EFI_OPEN_PROTOCOL_BY_DRIVER, &opener));
    assert_success(pci_opener_find(controller, NULL, EFI_OPEN_PROTOCOL_EXCLUSIVE, &opener));
}

static void anyone_is_found_without_an_agent(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE controller = controller_of(fake);
    EFI_HANDLE agent = fake_firmware_load_image(fake->firmware, NULL);
    EFI_HANDLE other = fake_firmware_load_image(fake->firmware, NULL);
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener;

    open_by(controller, other, controller, EFI_OPEN_PROTOCOL_BY_DRIVER);
    assert_success(pci_opener_find(controller, NULL, EFI_OPEN_PROTOCOL_BY_DRIVER, &opener));
    assert_ptr_equal(other, opener.AgentHandle);
    assert_not_found(EFI_NOT_FOUND, controller, agent, EFI_OPEN_PROTOCOL_BY_DRIVER);
}

static void other_attributes_do_not_count(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE controller = controller_of(fake);
    EFI_HANDLE agent = fake_firmware_load_image(fake->firmware, NULL);

    open_by(controller, agent, controller, EFI_OPEN_PROTOCOL_GET_PROTOCOL);
    open_by(controller, agent, controller, EFI_OPEN_PROTOCOL_BY_DRIVER);
    assert_not_found(EFI_NOT_FOUND, controller, agent, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
    assert_not_found(EFI_NOT_FOUND, controller, NULL, EFI_OPEN_PROTOCOL_EXCLUSIVE);
}

static void nobody_is_found_where_nobody_is(void **state)
{
    struct fake_fixture *fake = *state;

    assert_not_found(EFI_NOT_FOUND, controller_of(fake), NULL, EFI_OPEN_PROTOCOL_BY_DRIVER);
}

static void handle_without_pci_io_is_the_firmwares_to_answer(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE image = fake_firmware_load_image(fake->firmware, NULL);
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener = untouched;
    EFI_STATUS status = pci_opener_find(image, NULL, EFI_OPEN_PROTOCOL_BY_DRIVER, &opener);

    assert_true(EFI_ERROR(status));
    assert_memory_equal(&untouched, &opener, sizeof(opener));
}

static void firmware_that_does_not_tell_is_no_absence(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE controller = controller_of(fake);

    fake_firmware_fail_nth(fake->firmware, 1);
    assert_not_found(EFI_OUT_OF_RESOURCES, controller, NULL, EFI_OPEN_PROTOCOL_BY_DRIVER);
    fake_firmware_fail_nth(fake->firmware, 0);
}

static void list_is_freed_whatever_it_says(void **state)
{
    struct fake_fixture *fake = *state;
    EFI_HANDLE controller = controller_of(fake);
    EFI_HANDLE agent = fake_firmware_load_image(fake->firmware, NULL);
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener;

    open_by(controller, agent, controller, EFI_OPEN_PROTOCOL_BY_DRIVER);
    fake_firmware_baseline(fake->firmware);
    assert_success(pci_opener_find(controller, agent, EFI_OPEN_PROTOCOL_BY_DRIVER, &opener));
    assert_not_found(EFI_NOT_FOUND, controller, agent, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
    fake_firmware_assert_nothing_leaked(fake->firmware);
}

#define OPENER_TEST(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPENER_TEST(driver_and_children_are_found_by_attribute),
        OPENER_TEST(one_attribute_among_several_is_enough),
        OPENER_TEST(anyone_is_found_without_an_agent),
        OPENER_TEST(other_attributes_do_not_count),
        OPENER_TEST(nobody_is_found_where_nobody_is),
        OPENER_TEST(handle_without_pci_io_is_the_firmwares_to_answer),
        OPENER_TEST(firmware_that_does_not_tell_is_no_absence),
        OPENER_TEST(list_is_freed_whatever_it_says),
    };

    return cmocka_run_group_tests_name("pci_opener", tests, NULL, NULL);
}
