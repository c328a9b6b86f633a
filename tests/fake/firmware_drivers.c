/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * ConnectController, DisconnectController, images, and a consumer driver. Each
 * call of a driver binding is watched: Supported and a failed Start must leave
 * nothing behind, and a Stop that succeeds must have let go.
 */
#include "firmware_internal.h"

#include <stdlib.h>

#define CANDIDATES_MAX 32u
#define CONNECT_DEPTH_MAX 16u
#define CHILDREN_MAX 16u

#define CONSUMER_VERSION 0x10u

struct held_protocol {
    struct fake_consumer consumer; /* first: the binding is at its start */
    struct fake_firmware *firmware;
    EFI_GUID guid;
    EFI_HANDLE only_handle; /* NULL: any */
};

struct candidate {
    EFI_DRIVER_BINDING_PROTOCOL *binding;
    uint64_t rank; /* highest first */
};

/* Drivers named by the caller come first, in the caller's order, then those with a family
 * override, then the others; within both groups the highest version. UEFI 2.10, 7.3.12. */
static uint64_t rank(struct fake_firmware *firmware, EFI_HANDLE driver,
                     const EFI_DRIVER_BINDING_PROTOCOL *binding, const EFI_HANDLE *named)
{
    const uint64_t named_rank = UINT64_C(2) << 32;
    const uint64_t family_rank = UINT64_C(1) << 32;
    EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL *family =
        fake_firmware_interface(firmware, driver, &gEfiDriverFamilyOverrideProtocolGuid);

    for (unsigned i = 0; named && named[i]; i++)
        if (named[i] == driver)
            return named_rank + CANDIDATES_MAX - i;
    return family ? family_rank + family->GetVersion(family) : binding->Version;
}

static size_t find_candidates(struct fake_firmware *firmware, struct candidate *candidates,
                              const EFI_HANDLE *named)
{
    size_t count = 0;
    EFI_HANDLE driver;

    while (count < CANDIDATES_MAX &&
           (driver = fake_firmware_find_handle(firmware, &gEfiDriverBindingProtocolGuid,
                                               (unsigned)count))) {
        EFI_DRIVER_BINDING_PROTOCOL *binding =
            fake_firmware_interface(firmware, driver, &gEfiDriverBindingProtocolGuid);
        struct candidate candidate = {binding, rank(firmware, driver, binding, named)};
        size_t place = count++;

        for (; place > 0 && candidates[place - 1].rank < candidate.rank; place--)
            candidates[place] = candidates[place - 1];
        candidates[place] = candidate;
    }
    return count;
}

static bool supports(struct fake_firmware *firmware, EFI_DRIVER_BINDING_PROTOCOL *binding,
                     EFI_HANDLE controller)
{
    size_t resources = fake_firmware_count_resources(firmware);
    EFI_TPL tpl = firmware->tpl;
    EFI_STATUS status = binding->Supported(binding, controller, NULL);

    if (fake_firmware_count_resources(firmware) != resources || firmware->tpl != tpl)
        fake_report("Supported left something behind");
    return !EFI_ERROR(status);
}

static bool start(struct fake_firmware *firmware, EFI_DRIVER_BINDING_PROTOCOL *binding,
                  EFI_HANDLE controller)
{
    size_t resources = fake_firmware_count_resources(firmware);
    EFI_TPL tpl = firmware->tpl;
    EFI_STATUS status = binding->Start(binding, controller, NULL);

    if (firmware->tpl != tpl)
        fake_report("Start returned with TPL %u", (unsigned)firmware->tpl);
    if (EFI_ERROR(status) && fake_firmware_count_resources(firmware) > resources)
        fake_report("a failed Start left something behind");
    return !EFI_ERROR(status);
}

static bool connect_one(struct fake_firmware *firmware, EFI_HANDLE controller,
                        const EFI_HANDLE *named)
{
    struct candidate candidates[CANDIDATES_MAX];
    size_t count = find_candidates(firmware, candidates, named);
    bool any_supports = true;
    bool any_started = false;

    while (any_supports) {
        any_supports = false;
        for (size_t i = 0; i < count; i++) {
            EFI_DRIVER_BINDING_PROTOCOL *binding = candidates[i].binding;

            if (!binding || !supports(firmware, binding, controller))
                continue;
            candidates[i].binding = NULL;
            any_supports = true;
            any_started |= start(firmware, binding, controller);
        }
    }
    return any_started;
}

static size_t add_once(EFI_HANDLE *handles, size_t count, size_t count_max, EFI_HANDLE handle)
{
    for (size_t i = 0; i < count; i++)
        if (handles[i] == handle)
            return count;
    if (count < count_max)
        handles[count++] = handle;
    return count;
}

/* The controller's children, of one driver or, with a NULL agent, of all. */
static size_t find_children(struct fake_firmware *firmware, EFI_HANDLE controller, EFI_HANDLE agent,
                            EFI_HANDLE *children)
{
    const struct fake_handle *handle = fake_handle_find(firmware, controller);
    size_t count = 0;

    for (struct fake_protocol *each = handle ? handle->protocols : NULL; each; each = each->next) {
        for (struct fake_open *open = each->opens; open; open = open->next) {
            if ((open->attributes & EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER) &&
                (!agent || open->agent == agent))
                count = add_once(children, count, CHILDREN_MAX, open->controller);
        }
    }
    return count;
}

EFI_STATUS fake_connect(struct fake_firmware *firmware, EFI_HANDLE controller,
                        const EFI_HANDLE *driver_images, bool is_recursive)
{
    EFI_HANDLE children[CHILDREN_MAX];
    bool any_started;
    size_t count;

    if (firmware->connect_depth == CONNECT_DEPTH_MAX) {
        fake_report("ConnectController calls itself without end");
        return EFI_NOT_FOUND;
    }
    firmware->connect_depth++;
    any_started = connect_one(firmware, controller, driver_images);
    count = is_recursive ? find_children(firmware, controller, NULL, children) : 0;
    for (size_t i = 0; i < count; i++)
        if (fake_handle_find(firmware, children[i]))
            (void)fake_connect(firmware, children[i], NULL, true);
    firmware->connect_depth--;
    return any_started ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static bool manages(struct fake_firmware *firmware, EFI_HANDLE agent, EFI_HANDLE controller)
{
    const struct fake_handle *handle = fake_handle_find(firmware, controller);

    for (struct fake_protocol *each = handle ? handle->protocols : NULL; each; each = each->next)
        for (struct fake_open *open = each->opens; open; open = open->next)
            if (open->agent == agent && (open->attributes & EFI_OPEN_PROTOCOL_BY_DRIVER))
                return true;
    return false;
}

/* Any driver that manages the controller and is not among those already asked. */
static EFI_HANDLE find_manager(struct fake_firmware *firmware, EFI_HANDLE controller,
                               const EFI_HANDLE *asked, size_t asked_count)
{
    const struct fake_handle *handle = fake_handle_find(firmware, controller);

    for (struct fake_protocol *each = handle ? handle->protocols : NULL; each; each = each->next) {
        for (struct fake_open *open = each->opens; open; open = open->next) {
            bool was_asked = false;

            for (size_t i = 0; i < asked_count; i++)
                was_asked |= asked[i] == open->agent;
            if (!was_asked && (open->attributes & EFI_OPEN_PROTOCOL_BY_DRIVER))
                return open->agent;
        }
    }
    return NULL;
}

static EFI_STATUS stop(struct fake_firmware *firmware, EFI_HANDLE controller, EFI_HANDLE driver,
                       EFI_HANDLE child)
{
    EFI_DRIVER_BINDING_PROTOCOL *binding =
        fake_firmware_interface(firmware, driver, &gEfiDriverBindingProtocolGuid);
    EFI_HANDLE children[CHILDREN_MAX];
    size_t count = find_children(firmware, controller, driver, children);
    size_t count_to_stop = child ? 1 : count;
    EFI_TPL tpl = firmware->tpl;
    EFI_STATUS status = EFI_SUCCESS;

    if (!binding)
        return EFI_INVALID_PARAMETER;
    if (count_to_stop > 0)
        status = binding->Stop(binding, controller, count_to_stop, child ? &child : children);
    /* The controller may have gone with its children, from inside. */
    if (!EFI_ERROR(status) && count_to_stop == count && fake_handle_find(firmware, controller)) {
        status = binding->Stop(binding, controller, 0, NULL);
        if (!EFI_ERROR(status) && manages(firmware, driver, controller))
            fake_report("Stop succeeded, but the driver still has the controller open");
    }
    if (firmware->tpl != tpl)
        fake_report("Stop returned with TPL %u", (unsigned)firmware->tpl);
    return status;
}

EFI_STATUS fake_disconnect(struct fake_firmware *firmware, EFI_HANDLE controller, EFI_HANDLE driver,
                           EFI_HANDLE child)
{
    EFI_HANDLE asked[CANDIDATES_MAX];
    size_t asked_count = 0;
    bool any_stopped = false;
    EFI_HANDLE manager;

    if (driver) {
        if (!manages(firmware, driver, controller))
            return EFI_NOT_FOUND;
        return EFI_ERROR(stop(firmware, controller, driver, child)) ? EFI_NOT_FOUND : EFI_SUCCESS;
    }
    while (asked_count < CANDIDATES_MAX &&
           (manager = find_manager(firmware, controller, asked, asked_count))) {
        asked[asked_count++] = manager;
        any_stopped |= !EFI_ERROR(stop(firmware, controller, manager, child));
    }
    return any_stopped || asked_count == 0 ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI connect_controller(EFI_HANDLE controller, EFI_HANDLE *driver_images,
                                            EFI_DEVICE_PATH *remaining, BOOLEAN is_recursive)
{
    struct fake_firmware *firmware = fake_enter("ConnectController", TPL_NOTIFY);

    (void)remaining;
    if (!fake_handle_check(firmware, controller, "ConnectController"))
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "ConnectController"))
        return EFI_OUT_OF_RESOURCES;
    return fake_connect(firmware, controller, driver_images, is_recursive);
}

static EFI_STATUS EFIAPI disconnect_controller(EFI_HANDLE controller, EFI_HANDLE driver,
                                               EFI_HANDLE child)
{
    struct fake_firmware *firmware = fake_enter("DisconnectController", TPL_NOTIFY);

    if (!fake_handle_check(firmware, controller, "DisconnectController") ||
        (driver && !fake_handle_check(firmware, driver, "DisconnectController")) ||
        (child && !fake_handle_check(firmware, child, "DisconnectController")))
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "DisconnectController"))
        return EFI_OUT_OF_RESOURCES;
    return fake_disconnect(firmware, controller, driver, child);
}

EFI_STATUS fake_firmware_connect(struct fake_firmware *firmware, EFI_HANDLE controller)
{
    return fake_connect(firmware, controller, NULL, true);
}

EFI_STATUS fake_firmware_disconnect(struct fake_firmware *firmware, EFI_HANDLE controller)
{
    return fake_disconnect(firmware, controller, NULL, NULL);
}

static EFI_STATUS EFIAPI consumer_supported(EFI_DRIVER_BINDING_PROTOCOL *this,
                                            EFI_HANDLE controller, EFI_DEVICE_PATH *remaining)
{
    struct held_protocol *held = (struct held_protocol *)this;

    (void)remaining;
    if (held->consumer.is_retired || (held->only_handle && held->only_handle != controller))
        return EFI_UNSUPPORTED;
    if (fake_firmware_count_opens(held->firmware, controller, &held->guid,
                                  EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE) > 0)
        return EFI_ACCESS_DENIED;
    return fake_protocol_find(held->firmware, controller, &held->guid) ? EFI_SUCCESS
                                                                       : EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI consumer_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                        EFI_DEVICE_PATH *remaining)
{
    struct held_protocol *held = (struct held_protocol *)this;
    const struct fake_open open = {
        .resource = {.kind = "open protocol", .name = "of a consumer", .in_baseline = true},
        .agent = this->DriverBindingHandle,
        .controller = controller,
        .attributes = EFI_OPEN_PROTOCOL_BY_DRIVER,
        .count = 1,
    };
    EFI_STATUS status = fake_open_add(held->firmware, controller, &held->guid, &open);

    (void)remaining;
    if (!EFI_ERROR(status))
        held->consumer.starts++;
    return status;
}

static EFI_STATUS EFIAPI consumer_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                       UINTN child_count, EFI_HANDLE *children)
{
    struct held_protocol *held = (struct held_protocol *)this;

    (void)child_count;
    (void)children;
    if (held->consumer.refuses_to_stop) {
        held->consumer.refusals++;
        return EFI_DEVICE_ERROR;
    }
    fake_open_remove(held->firmware, controller, &held->guid, this->DriverBindingHandle,
                     controller);
    held->consumer.stops++;
    return EFI_SUCCESS;
}

struct fake_consumer *fake_firmware_hold_protocol(struct fake_firmware *firmware, EFI_HANDLE handle,
                                                  const EFI_GUID *guid, bool refuses_to_stop)
{
    struct held_protocol *held = fake_owned_new(firmware, sizeof(*held));
    EFI_DRIVER_BINDING_PROTOCOL *binding = &held->consumer.binding;

    *held = (struct held_protocol){
        .consumer.binding = {consumer_supported, consumer_start, consumer_stop,
                             .Version = CONSUMER_VERSION},
        .consumer.refuses_to_stop = refuses_to_stop,
        .firmware = firmware,
        .guid = *guid,
        .only_handle = handle,
    };
    binding->DriverBindingHandle =
        fake_firmware_new_handle(firmware, &gEfiDriverBindingProtocolGuid, binding);
    binding->ImageHandle = binding->DriverBindingHandle;
    if (handle && !EFI_ERROR(consumer_supported(binding, handle, NULL)))
        (void)consumer_start(binding, handle, NULL);
    return &held->consumer;
}

EFI_HANDLE fake_firmware_load_image(struct fake_firmware *firmware, EFI_HANDLE device)
{
    EFI_LOADED_IMAGE *image = fake_owned_new(firmware, sizeof(*image));

    *image = (EFI_LOADED_IMAGE){
        .Revision = EFI_LOADED_IMAGE_PROTOCOL_REVISION,
        .SystemTable = &firmware->system_table,
        .DeviceHandle = device,
        .ImageCodeType = EfiBootServicesCode,
        .ImageDataType = EfiBootServicesData,
    };
    return fake_firmware_new_handle(firmware, &gEfiLoadedImageProtocolGuid, image);
}

EFI_LOADED_IMAGE *fake_firmware_loaded_image(struct fake_firmware *firmware, EFI_HANDLE image)
{
    return fake_firmware_interface(firmware, image, &gEfiLoadedImageProtocolGuid);
}

void fake_driver_services(struct fake_firmware *firmware)
{
    firmware->boot_services.ConnectController = connect_controller;
    firmware->boot_services.DisconnectController = disconnect_controller;
}
