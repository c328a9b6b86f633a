/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The other driver. It opens and installs without going through the services, so nothing
 * that it does counts as a call or a leak. It stops by the services' rules.
 */
#include "rival.h"

#include <string.h>

#include "firmware_internal.h"

#define RIVAL_VERSION 0x10u

struct rival_node {
    EFI_DEVICE_PATH header;
    uint8_t address[32];
    uint8_t type;
};

static void open_quietly(struct fake_rival *rival, EFI_HANDLE controller, EFI_HANDLE by,
                         UINT32 attributes)
{
    const struct fake_open open = {
        .resource = {.kind = "open protocol", .name = "of a rival", .in_baseline = true},
        .agent = rival->binding.DriverBindingHandle,
        .controller = by,
        .attributes = attributes,
        .count = 1,
    };

    (void)fake_open_add(rival->firmware, controller, &gEfiPciIoProtocolGuid, &open);
}

static void close_quietly(struct fake_rival *rival, EFI_HANDLE controller, EFI_HANDLE by)
{
    (void)fake_open_remove(rival->firmware, controller, &gEfiPciIoProtocolGuid,
                           rival->binding.DriverBindingHandle, by);
}

static size_t path_bytes(const EFI_DEVICE_PATH *path)
{
    const EFI_DEVICE_PATH *node = path;

    while (!IsDevicePathEnd(node))
        node = (const EFI_DEVICE_PATH *)((const uint8_t *)node + DevicePathNodeLength(node));
    return (size_t)((const uint8_t *)node - (const uint8_t *)path);
}

/* The path of `parent` and a MAC node whose address bytes are all `fill`. */
static void *path_below(struct fake_rival *rival, EFI_HANDLE parent, uint8_t fill)
{
    static const EFI_DEVICE_PATH end = {
        END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(end), 0}};
    struct rival_node node = {{MESSAGING_DEVICE_PATH, MSG_MAC_ADDR_DP, {sizeof(node), 0}}, {0}, 1};
    const EFI_DEVICE_PATH *above =
        fake_firmware_interface(rival->firmware, parent, &gEfiDevicePathProtocolGuid);
    size_t bytes = path_bytes(above);
    uint8_t *path = fake_owned_new(rival->firmware, bytes + sizeof(node) + sizeof(end));

    memset(node.address, fill, sizeof(node.address));
    memcpy(path, above, bytes);
    memcpy(path + bytes, &node, sizeof(node));
    memcpy(path + bytes + sizeof(node), &end, sizeof(end));
    return path;
}

static EFI_STATUS EFIAPI rival_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                         EFI_DEVICE_PATH *remaining)
{
    struct fake_rival *rival = (struct fake_rival *)this;

    (void)remaining;
    if (fake_firmware_count_opens(rival->firmware, controller, &gEfiPciIoProtocolGuid,
                                  EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE) > 0)
        return EFI_ACCESS_DENIED;
    return fake_protocol_find(rival->firmware, controller, &gEfiPciIoProtocolGuid)
               ? EFI_SUCCESS
               : EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI rival_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                     EFI_DEVICE_PATH *remaining)
{
    struct fake_rival *rival = (struct fake_rival *)this;
    EFI_HANDLE child;

    (void)remaining;
    open_quietly(rival, controller, controller, EFI_OPEN_PROTOCOL_BY_DRIVER);
    child = fake_firmware_new_handle(
        rival->firmware, &gEfiSimpleNetworkProtocolGuid,
        fake_owned_new(rival->firmware, sizeof(EFI_SIMPLE_NETWORK_PROTOCOL)));
    fake_firmware_install(rival->firmware, child, &gEfiDevicePathProtocolGuid,
                          path_below(rival, controller, 0x52));
    open_quietly(rival, controller, child, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
    rival->starts++;
    return EFI_SUCCESS;
}

static EFI_STATUS stop_child(struct fake_rival *rival, EFI_HANDLE controller, EFI_HANDLE child)
{
    EFI_STATUS status;

    close_quietly(rival, controller, child);
    status = BS->UninstallMultipleProtocolInterfaces(
        child, &gEfiSimpleNetworkProtocolGuid,
        fake_firmware_interface(rival->firmware, child, &gEfiSimpleNetworkProtocolGuid),
        &gEfiDevicePathProtocolGuid,
        fake_firmware_interface(rival->firmware, child, &gEfiDevicePathProtocolGuid), NULL);
    if (EFI_ERROR(status))
        open_quietly(rival, controller, child, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
    return status;
}

static EFI_STATUS EFIAPI rival_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                    UINTN child_count, EFI_HANDLE *children)
{
    struct fake_rival *rival = (struct fake_rival *)this;

    rival->stop_calls++;
    if (rival->in_stop)
        rival->in_stop(rival->context);
    if (rival->refuses_to_stop)
        return EFI_DEVICE_ERROR;
    for (UINTN i = 0; i < child_count; i++)
        if (EFI_ERROR(stop_child(rival, controller, children[i])))
            return EFI_DEVICE_ERROR;
    if (child_count == 0) {
        close_quietly(rival, controller, controller);
        rival->stops++;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_driver_name(EFI_COMPONENT_NAME2_PROTOCOL *this, CHAR8 *language,
                                         CHAR16 **ret_name)
{
    const struct fake_rival *rival =
        (const void *)((const uint8_t *)this - offsetof(struct fake_rival, names));

    if (strcmp((const char *)language, "en") != 0)
        return EFI_UNSUPPORTED;
    *ret_name = rival->name;
    return EFI_SUCCESS;
}

struct fake_rival *fake_rival_new(struct fake_firmware *firmware, CHAR16 *name)
{
    struct fake_rival *rival = fake_owned_new(firmware, sizeof(*rival));
    EFI_HANDLE handle =
        fake_firmware_new_handle(firmware, &gEfiDriverBindingProtocolGuid, &rival->binding);

    *rival = (struct fake_rival){
        .binding = {rival_supported, rival_start, rival_stop, RIVAL_VERSION, handle, handle},
        .names.GetDriverName = get_driver_name,
        .firmware = firmware,
        .name = name,
    };
    if (name)
        fake_firmware_install(firmware, handle, &gEfiComponentName2ProtocolGuid, &rival->names);
    return rival;
}

EFI_HANDLE fake_rival_child(struct fake_rival *rival, EFI_HANDLE controller)
{
    const struct fake_protocol *pci_io =
        fake_protocol_find(rival->firmware, controller, &gEfiPciIoProtocolGuid);

    for (const struct fake_open *open = pci_io->opens; open; open = open->next)
        if (open->agent == rival->binding.DriverBindingHandle &&
            (open->attributes & EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER))
            return open->controller;
    return NULL;
}

EFI_HANDLE fake_rival_handle_below(struct fake_rival *rival, EFI_HANDLE parent)
{
    return fake_firmware_new_handle(rival->firmware, &gEfiDevicePathProtocolGuid,
                                    path_below(rival, parent, 0x99));
}
