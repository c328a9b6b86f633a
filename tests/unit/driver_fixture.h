/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The driver installed on an image handle, with fake NICs before it, and a client of what it
 * offers, for the tests of whole drivers.
 */
#ifndef DRIVER_FIXTURE_H
#define DRIVER_FIXTURE_H

#include <efi.h>
#include <efinet.h>

#include "assert_status.h"
#include "base/guids.h"
#include "driver/driver_binding.h"
#include "fixture.h"
#include "uefi_ext/adapter_information.h"
#include "uefi_ext/driver_diagnostics2.h"

#define DRIVER_TEST(test) cmocka_unit_test_setup_teardown(test, driver_setup, driver_teardown)
#define FRAME_BYTES 100u

/* Options as they are when the user has chosen none. */
static const struct options default_options = {.takeover = true, .verbosity = VERBOSITY_TAKEOVERS};

struct driver_fixture {
    struct fake_fixture fake;
    struct fake_firmware *firmware;
    struct fake_device *device; /* the first */
    EFI_HANDLE controller;      /* its handle */
    EFI_HANDLE image;
    EFI_DRIVER_BINDING_PROTOCOL *binding;
};

static inline struct driver_fixture *driver_fixture_new(unsigned device_count,
                                                        const struct fake_device_options *options)
{
    struct driver_fixture *fixture = calloc(1, sizeof(*fixture));

    fake_fixture_init(&fixture->fake, device_count, options);
    fixture->firmware = fixture->fake.firmware;
    fixture->device = fixture->fake.device;
    fixture->controller = device_count > 0 ? fake_device_handle(fixture->device) : NULL;
    fixture->image = fake_firmware_load_image(fixture->firmware, NULL);
    assert_success(driver_binding_install(fixture->image, &default_options));
    fixture->binding =
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_binding_guid);
    assert_non_null(fixture->binding);
    return fixture;
}

static inline EFI_STATUS unload_driver(const struct driver_fixture *fixture)
{
    return fake_firmware_loaded_image(fixture->firmware, fixture->image)->Unload(fixture->image);
}

/* Ends a fixture whose driver is not installed any more. */
static inline void driver_fixture_end(struct driver_fixture *fixture)
{
    fake_firmware_assert_nothing_leaked(fixture->firmware);
    fake_fixture_fini(&fixture->fake);
    free(fixture);
}

static inline void driver_fixture_free(struct driver_fixture *fixture)
{
    assert_success(unload_driver(fixture));
    driver_fixture_end(fixture);
}

/* Reinstall the driver with `stack=firmware`, so that clients of SNP find it free. */
static inline void leave_stack_to_firmware(struct driver_fixture *fixture)
{
    struct options options = default_options;

    options.stack = STACK_FIRMWARE;
    assert_success(unload_driver(fixture));
    assert_success(driver_binding_install(fixture->image, &options));
}

static inline int driver_setup(void **state)
{
    *state = driver_fixture_new(1, NULL);
    return 0;
}

static inline int driver_teardown(void **state)
{
    driver_fixture_free(*state);
    return 0;
}

static inline EFI_STATUS supported(const struct driver_fixture *fixture, EFI_HANDLE controller)
{
    return fixture->binding->Supported(fixture->binding, controller, NULL);
}

static inline EFI_STATUS start(const struct driver_fixture *fixture, EFI_HANDLE controller)
{
    return fixture->binding->Start(fixture->binding, controller, NULL);
}

static inline EFI_STATUS stop_child(const struct driver_fixture *fixture, EFI_HANDLE controller,
                                    EFI_HANDLE child)
{
    return fixture->binding->Stop(fixture->binding, controller, 1, &child);
}

static inline EFI_STATUS stop_controller(const struct driver_fixture *fixture,
                                         EFI_HANDLE controller)
{
    return fixture->binding->Stop(fixture->binding, controller, 0, NULL);
}

static inline unsigned child_count(const struct driver_fixture *fixture)
{
    return fake_firmware_count_handles(fixture->firmware, &snp_guid);
}

/* The child that was made index-th. */
static inline EFI_HANDLE child_at(const struct driver_fixture *fixture, unsigned index)
{
    return fake_firmware_find_handle(fixture->firmware, &snp_guid, index);
}

static inline EFI_SIMPLE_NETWORK_PROTOCOL *network_of(const struct driver_fixture *fixture,
                                                      EFI_HANDLE child)
{
    return fake_firmware_interface(fixture->firmware, child, &snp_guid);
}

/* The first child's. */
static inline EFI_SIMPLE_NETWORK_PROTOCOL *network(const struct driver_fixture *fixture)
{
    return network_of(fixture, child_at(fixture, 0));
}

static inline void bring_up(EFI_SIMPLE_NETWORK_PROTOCOL *network)
{
    assert_success(network->Start(network));
    assert_success(network->Initialize(network, 0, 0));
}

/* A frame each way through an interface that is up. */
static inline void assert_traffic_flows(EFI_SIMPLE_NETWORK_PROTOCOL *network,
                                        struct fake_device *device)
{
    uint8_t frame[FRAME_BYTES];
    uint8_t received[FRAME_BYTES];
    UINTN bytes = sizeof(received);
    const struct fake_frame *sent;

    memset(frame, 0x42, sizeof(frame));
    memcpy(frame, network->Mode->CurrentAddress.Addr, 6);
    assert_success(network->Transmit(network, 0, sizeof(frame), frame, NULL, NULL, NULL));
    sent = fake_device_take_frame(device);
    assert_non_null(sent);
    assert_int_equal(sizeof(frame), sent->length);
    assert_memory_equal(frame, sent->data, sizeof(frame));

    assert_true(fake_device_deliver(device, frame, sizeof(frame)));
    assert_success(network->Receive(network, NULL, &bytes, received, NULL, NULL, NULL));
    assert_int_equal(sizeof(frame), bytes);
    assert_memory_equal(frame, received, sizeof(frame));
}

static inline unsigned count_opens(const struct driver_fixture *fixture, EFI_HANDLE controller,
                                   UINT32 attributes)
{
    return fake_firmware_count_opens(fixture->firmware, controller, &pci_io_guid, attributes);
}

static inline EFI_STATUS join_a_group(const struct driver_fixture *fixture)
{
    EFI_MAC_ADDRESS group = {.Addr = {0x01, 0, 0x5e, 1, 2, 3}};

    return network(fixture)->ReceiveFilters(network(fixture), EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST,
                                            0, FALSE, 1, &group);
}

/* *ret_report is the caller's, or NULL. */
static inline EFI_STATUS run_diagnostics(const struct driver_fixture *fixture,
                                         EFI_DRIVER_DIAGNOSTIC_TYPE type, CHAR16 **ret_report)
{
    EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *diagnostics =
        fake_firmware_interface(fixture->firmware, fixture->image, &driver_diagnostics2_guid);
    CHAR8 language[] = "en";
    EFI_GUID *format = NULL;
    UINTN bytes;
    EFI_STATUS status;

    *ret_report = NULL;
    status = diagnostics->RunDiagnostics(diagnostics, fixture->controller, NULL, type, language,
                                         &format, &bytes, ret_report);
    if (format)
        assert_success(BS->FreePool(format));
    return status;
}

static inline EFI_ADAPTER_INFORMATION_PROTOCOL *adapter_info(const struct driver_fixture *fixture)
{
    return fake_firmware_interface(fixture->firmware, child_at(fixture, 0),
                                   &adapter_information_guid);
}

static inline EFI_STATUS ask_media_state(const struct driver_fixture *fixture)
{
    static EFI_GUID media_guid = EFI_ADAPTER_INFO_MEDIA_STATE_GUID;
    EFI_ADAPTER_INFORMATION_PROTOCOL *info = adapter_info(fixture);
    void *block = NULL;
    UINTN bytes;
    EFI_STATUS status = info->GetInformation(info, &media_guid, &block, &bytes);

    if (block)
        assert_success(BS->FreePool(block));
    return status;
}

static inline void assert_text_contains(const char *part, const char *text)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

#endif
