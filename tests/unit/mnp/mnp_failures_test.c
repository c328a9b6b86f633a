/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The failure loop through the service's life: the nth firmware call of an operation fails, n = 1,
 * 2, … until none does. What fails leaves nothing behind and everything as it was, and the second
 * try succeeds.
 */
#include "mnp_failures.h"

static unsigned children_count(const struct bench *bench)
{
    return fake_firmware_count_handles(bench->fixture->firmware, &mnp_guid);
}

static unsigned driver_opens(const struct bench *bench)
{
    return fake_firmware_count_opens(bench->fixture->firmware, bench->fixture->nic,
                                     &gEfiSimpleNetworkProtocolGuid, EFI_OPEN_PROTOCOL_BY_DRIVER);
}

/* ---- the binding ---- */

static void prepare_disconnected(struct bench *bench)
{
    assert_success(fake_firmware_disconnect(bench->fixture->firmware, bench->fixture->nic));
}

static EFI_STATUS run_supported(struct bench *bench)
{
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(bench->fixture);

    return driver->Supported(driver, bench->fixture->nic, NULL);
}

static EFI_STATUS run_start(struct bench *bench)
{
    EFI_DRIVER_BINDING_PROTOCOL *driver = service_driver(bench->fixture);

    return driver->Start(driver, bench->fixture->nic, NULL);
}

static void check_not_bound(struct bench *bench)
{
    assert_null(services(bench->fixture));
    assert_null(vlan_config(bench->fixture));
    assert_int_equal(0, driver_opens(bench));
    assert_int_equal(0, services_count(bench));
    assert_int_equal(EfiSimpleNetworkStopped, bench->fixture->snp->Mode->State);
}

static void check_supported(struct bench *bench)
{
    check_not_bound(bench);
    assert_success(run_start(bench));
}

/* The driver is loaded, and nothing is connected. */
static void prepare_nic_disconnected(struct bench *bench)
{
    assert_success(fake_firmware_disconnect(bench->fixture->firmware,
                                            fake_device_handle(bench->fixture->device)));
}

/* A service that cannot start leaves the NIC bound, and the firmware free to try again. */
static EFI_STATUS run_connect(struct bench *bench)
{
    connect_all(bench->fixture);
    return bench->fixture->nic && services(bench->fixture) ? EFI_SUCCESS : EFI_ABORTED;
}

static void check_connect_failed(struct bench *bench)
{
    if (bench->fixture->nic)
        check_not_bound(bench);
}

static void prepare_unloaded(struct bench *bench)
{
    assert_success(unload(bench->fixture));
}

static EFI_STATUS run_load(struct bench *bench)
{
    return efi_main(bench->fixture->image, ST);
}

static void check_not_loaded(struct bench *bench)
{
    assert_null(
        fake_firmware_find_handle(bench->fixture->firmware, &gEfiDriverBindingProtocolGuid, 0));
    fake_firmware_assert_nothing_leaked(bench->fixture->firmware);
}

static void check_loaded(struct bench *bench)
{
    connect_all(bench->fixture);
    assert_works(bench);
}

static void prepare_vlans_disconnected(struct bench *bench)
{
    prepare_vlans(bench);
    prepare_disconnected(bench);
}

/* Some of the VLANs may be left out, but there is a service. */
static void check_start_with_vlans(struct bench *bench)
{
    assert_non_null(vlan_config(bench->fixture));
    assert_int_equal(1, driver_opens(bench));
    assert_between(services_count(bench), 1, 2);
    prepare_disconnected(bench);
    assert_success(run_start(bench));
    assert_int_equal(2, services_count(bench));
    assert_works(bench);
}

static void prepare_children(struct bench *bench)
{
    token_init(&bench->token);
    bench->child = child_for(bench->fixture, ARP);
    bench->other = child_for(bench->fixture, ARP);
    assert_success(receive(&bench->child, &bench->token));
}

static EFI_STATUS run_disconnect(struct bench *bench)
{
    return fake_firmware_disconnect(bench->fixture->firmware, bench->fixture->nic);
}

/* Children may be gone already; what is there works. */
static void check_stop_failed(struct bench *bench)
{
    assert_non_null(services(bench->fixture));
    assert_int_equal(1, driver_opens(bench));
    assert_works(bench);
}

static void check_stop(struct bench *bench)
{
    check_not_bound(bench);
    assert_int_equal(0, children_count(bench));
    assert_int_equal(1, bench->token.signals);
    assert_status(EFI_ABORTED, bench->token.token.Status);
    token_fini(&bench->token);
    assert_success(fake_firmware_connect(bench->fixture->firmware, bench->fixture->nic));
    assert_works(bench);
}

static EFI_STATUS run_unload(struct bench *bench)
{
    return unload(bench->fixture);
}

static void check_unload_failed(struct bench *bench)
{
    connect_all(bench->fixture);
    if (bench->fixture->nic) /* else the NIC's driver has taken its child away, and no more */
        assert_works(bench);
}

static void check_unload(struct bench *bench)
{
    assert_int_equal(1, bench->token.signals);
    token_fini(&bench->token);
    check_not_loaded(bench);
    assert_success(run_load(bench)); /* for the end */
}

/* ---- children ---- */

static EFI_STATUS run_create_child(struct bench *bench)
{
    EFI_SERVICE_BINDING *binding = services(bench->fixture);

    bench->child.handle = NULL;
    return binding->CreateChild(binding, &bench->child.handle);
}

static void check_no_child(struct bench *bench)
{
    assert_int_equal(0, children_count(bench));
    assert_int_equal(0, fake_firmware_count_opens(bench->fixture->firmware, bench->fixture->nic,
                                                  &mnp_service_guid,
                                                  EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
}

static void check_child(struct bench *bench)
{
    assert_int_equal(1, children_count(bench));
    child_destroy(bench->fixture, &bench->child);
}

static void prepare_child(struct bench *bench)
{
    bench->child = child_new(bench->fixture);
}

static EFI_STATUS run_destroy_child(struct bench *bench)
{
    EFI_SERVICE_BINDING *binding = services(bench->fixture);

    return binding->DestroyChild(binding, bench->child.handle);
}

static void prepare_configured(struct bench *bench)
{
    bench->child = child_for(bench->fixture, 0);
}

static void check_child_works(struct bench *bench)
{
    assert_traffic_flows(bench->fixture, &bench->child);
}

static EFI_STATUS run_configure(struct bench *bench)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    config.DisableBackgroundPolling = FALSE;
    return configure(&bench->child, &config);
}

static void check_not_configured(struct bench *bench)
{
    assert_status(EFI_NOT_STARTED, state_of(&bench->child));
    assert_int_equal(EfiSimpleNetworkStopped, bench->fixture->snp->Mode->State);
}

static void check_configured(struct bench *bench)
{
    assert_success(state_of(&bench->child));
    check_child_works(bench);
    child_destroy(bench->fixture, &bench->child);
}

static void prepare_other_configured(struct bench *bench)
{
    bench->other = child_for(bench->fixture, 0);
    bench->child = child_new(bench->fixture);
}

/* A device that was cut off in the middle needs a reset; what others have stays configured. */
static void check_other_stays(struct bench *bench)
{
    assert_status(EFI_NOT_STARTED, state_of(&bench->child));
    assert_success(state_of(&bench->other));
    assert_int_equal(EfiSimpleNetworkInitialized, bench->fixture->snp->Mode->State);
}

static void check_both_configured(struct bench *bench)
{
    assert_success(state_of(&bench->child));
    assert_success(state_of(&bench->other));
    child_destroy(bench->fixture, &bench->child);
    child_destroy(bench->fixture, &bench->other);
    assert_works(bench);
}

static EFI_STATUS run_unconfigure(struct bench *bench)
{
    return configure(&bench->child, NULL);
}

static void check_unconfigured(struct bench *bench)
{
    check_not_configured(bench);
    child_destroy(bench->fixture, &bench->child);
    assert_works(bench);
}

static EFI_MAC_ADDRESS group = {.Addr = {0x01, 0x00, 0x5e, 1, 2, 3}};

static EFI_STATUS run_join(struct bench *bench)
{
    return bench->child.mnp->Groups(bench->child.mnp, TRUE, &group);
}

static void check_not_joined(struct bench *bench)
{
    if (EFI_ERROR(state_of(&bench->child)))
        assert_success(run_configure(bench)); /* UEFI allows a reset to the defaults */
    assert_status(EFI_NOT_FOUND, bench->child.mnp->Groups(bench->child.mnp, FALSE, &group));
}

static void check_joined(struct bench *bench)
{
    assert_status(EFI_ALREADY_STARTED, run_join(bench));
    assert_int_equal(1, bench->fixture->snp->Mode->MCastFilterCount);
    child_destroy(bench->fixture, &bench->child);
    assert_works(bench);
}

/* ---- frames ---- */

static void prepare_traffic(struct bench *bench)
{
    prepare_configured(bench);
    token_init(&bench->token);
}

/* A frame each way. What fails costs time, not the frame. */
static EFI_STATUS run_traffic(struct bench *bench)
{
    struct mnp_token *token = &bench->token;
    uint8_t frame[FRAME_MIN];
    EFI_STATUS status = EFI_SUCCESS;

    token->signals = 0;
    frame_write(frame, sizeof(frame), peer_mac, IPV4, 7);
    token_for_frame(token, frame, sizeof(frame));
    assert_success(transmit(&bench->child, token));
    assert_int_equal(1, token->signals);
    assert_success(receive(&bench->child, token));
    deliver(bench->fixture, IPV4, 1);
    (void)poll(&bench->child);
    if (token->signals == 1) {
        assert_success(cancel(&bench->child, token));
        status = EFI_ABORTED;
    } else {
        assert_success(token->token.Status);
        recycle(token);
    }
    return status;
}

static void check_no_traffic(struct bench *bench)
{
    assert_success(state_of(&bench->child));
    assert_success(configure(&bench->child, NULL)); /* a device may need its reset */
    assert_success(run_configure(bench));
}

static void check_traffic(struct bench *bench)
{
    while (fake_device_take_frame(bench->fixture->device))
        ;
    token_fini(&bench->token);
    child_destroy(bench->fixture, &bench->child);
    assert_works(bench); /* also on a device that needed a reset */
}

static const struct operation operations[] = {
    {"load", prepare_unloaded, run_load, check_not_loaded, check_loaded, false},
    {"connect", prepare_nic_disconnected, run_connect, check_connect_failed, assert_works, false},
    {"Supported", prepare_disconnected, run_supported, check_not_bound, check_supported, false},
    {"Start", prepare_disconnected, run_start, check_not_bound, assert_works, false},
    {"Start with VLANs", prepare_vlans_disconnected, run_start, check_not_bound,
     check_start_with_vlans, false},
    {"Stop", prepare_children, run_disconnect, check_stop_failed, check_stop, false},
    {"Unload", prepare_children, run_unload, check_unload_failed, check_unload, true},
    {"CreateChild", check_nothing, run_create_child, check_no_child, check_child, false},
    {"DestroyChild", prepare_configured, run_destroy_child, check_child_works, assert_works, false},
    {"the first Configure", prepare_child, run_configure, check_not_configured, check_configured,
     false},
    {"another Configure", prepare_other_configured, run_configure, check_other_stays,
     check_both_configured, false},
    {"a new Configure", prepare_configured, run_configure, check_not_configured, check_configured,
     false},
    {"Configure(NULL)", prepare_configured, run_unconfigure, check_unconfigured, check_unconfigured,
     false},
    {"Groups", prepare_configured, run_join, check_not_joined, check_joined, false},
    {"traffic", prepare_traffic, run_traffic, check_no_traffic, check_traffic, false},
};

/* holds: mnp.binding.failures */
static void operation_survives_the_failure_of_each_call(void **state)
{
    fail_each_call(*state);
}

int main(void)
{
    return run_failure_loops("mnp_failures", operations, ARRAY_LENGTH(operations), settings,
                             ARRAY_LENGTH(settings), operation_survives_the_failure_of_each_call);
}
