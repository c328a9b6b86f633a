/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The handle database: protocols on handles, their installation and removal, and
 * the services that search it. Opens are in firmware_opens.c.
 */
#include "firmware_internal.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 16u

struct protocol_pair {
    EFI_GUID *guid;
    void *interface;
};

struct fake_handle *fake_handle_find(struct fake_firmware *firmware, EFI_HANDLE handle)
{
    for (struct fake_handle *each = firmware->handles; each; each = each->next)
        if (each == handle && each->protocols)
            return each;
    return NULL;
}

struct fake_handle *fake_handle_check(struct fake_firmware *firmware, EFI_HANDLE handle,
                                      const char *service)
{
    struct fake_handle *found = fake_handle_find(firmware, handle);

    if (!found)
        fake_report("%s: %p is not a handle, or no longer", service, handle);
    return found;
}

struct fake_protocol *fake_protocol_find(struct fake_firmware *firmware, EFI_HANDLE handle,
                                         const EFI_GUID *guid)
{
    struct fake_handle *found = fake_handle_find(firmware, handle);

    for (struct fake_protocol *each = found ? found->protocols : NULL; each; each = each->next)
        if (fake_guids_equal(&each->guid, guid))
            return each;
    return NULL;
}

static struct fake_handle *handle_new(struct fake_firmware *firmware)
{
    struct fake_handle **end = &firmware->handles;

    while (*end)
        end = &(*end)->next;
    *end = calloc(1, sizeof(**end));
    return *end;
}

static struct fake_protocol *protocol_add(struct fake_handle *handle, const EFI_GUID *guid,
                                          void *interface, void *caller)
{
    struct fake_protocol **end = &handle->protocols;

    while (*end)
        end = &(*end)->next;
    *end = calloc(1, sizeof(**end));
    (*end)->guid = *guid;
    (*end)->interface = interface;
    (*end)->resource =
        (struct fake_resource){.kind = "protocol", .name = fake_guid_name(guid), .caller = caller};
    return *end;
}

static void protocol_remove(struct fake_handle *handle, struct fake_protocol *protocol)
{
    struct fake_protocol **link = &handle->protocols;

    while (*link != protocol)
        link = &(*link)->next;
    *link = protocol->next;
    while (protocol->opens) {
        struct fake_open *open = protocol->opens;

        protocol->opens = open->next;
        free(open);
    }
    free(protocol);
}

EFI_HANDLE fake_firmware_new_handle(struct fake_firmware *firmware, const EFI_GUID *guid,
                                    void *interface)
{
    struct fake_handle *handle = handle_new(firmware);

    protocol_add(handle, guid, interface, NULL)->resource.in_baseline = true;
    return handle;
}

void fake_firmware_install(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                           void *interface)
{
    struct fake_handle *found = fake_handle_check(firmware, handle, "fake_firmware_install");

    if (found)
        protocol_add(found, guid, interface, NULL)->resource.in_baseline = true;
}

void *fake_firmware_interface(struct fake_firmware *firmware, EFI_HANDLE handle,
                              const EFI_GUID *guid)
{
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);

    return protocol ? protocol->interface : NULL;
}

EFI_HANDLE fake_firmware_find_handle(struct fake_firmware *firmware, const EFI_GUID *guid,
                                     unsigned index)
{
    for (struct fake_handle *each = firmware->handles; each; each = each->next)
        if (fake_protocol_find(firmware, each, guid) && index-- == 0)
            return each;
    return NULL;
}

unsigned fake_firmware_count_handles(struct fake_firmware *firmware, const EFI_GUID *guid)
{
    unsigned count = 0;

    while (fake_firmware_find_handle(firmware, guid, count))
        count++;
    return count;
}

#define PATH_BYTES_MAX 0x10000u

/* A malformed path, which a test may install, ends where it cannot be followed. */
static size_t device_path_size(const EFI_DEVICE_PATH *path)
{
    size_t size = sizeof(*path);

    for (;;) {
        const EFI_DEVICE_PATH *node =
            (const EFI_DEVICE_PATH *)((const uint8_t *)path + size - sizeof(*path));
        size_t length = (size_t)DevicePathNodeLength(node);

        if (IsDevicePathEnd(node) || length < sizeof(*node) || size + length > PATH_BYTES_MAX)
            return size;
        size += length;
    }
}

static bool device_path_exists(struct fake_firmware *firmware, const EFI_DEVICE_PATH *path)
{
    size_t size = device_path_size(path);
    EFI_HANDLE handle;

    for (unsigned i = 0;
         (handle = fake_firmware_find_handle(firmware, &gEfiDevicePathProtocolGuid, i)); i++) {
        const EFI_DEVICE_PATH *other =
            fake_firmware_interface(firmware, handle, &gEfiDevicePathProtocolGuid);

        if (device_path_size(other) == size && memcmp(other, path, size) == 0)
            return true;
    }
    return false;
}

static EFI_STATUS install(struct fake_firmware *firmware, EFI_HANDLE *handle, EFI_GUID *guid,
                          void *interface, void *caller)
{
    struct fake_handle *found;

    if (!handle || !guid) {
        fake_report("InstallProtocolInterface: no handle pointer or no GUID");
        return EFI_INVALID_PARAMETER;
    }
    found = *handle ? fake_handle_check(firmware, *handle, "InstallProtocolInterface")
                    : handle_new(firmware);
    if (!found || fake_protocol_find(firmware, found, guid))
        return EFI_INVALID_PARAMETER;
    protocol_add(found, guid, interface, caller);
    *handle = found;
    return EFI_SUCCESS;
}

static struct fake_open *find_open(struct fake_protocol *protocol, UINT32 attributes)
{
    struct fake_open *open = protocol->opens;

    while (open && !(open->attributes & attributes))
        open = open->next;
    return open;
}

/* Ask the drivers that hold the protocol to stop. False if one of them refused; then all get
 * their device back. */
static bool evict_users(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid)
{
    struct fake_protocol *protocol;
    struct fake_open *open = NULL;
    bool refused = false;

    while (!refused && (protocol = fake_protocol_find(firmware, handle, guid)) &&
           (open = find_open(protocol, EFI_OPEN_PROTOCOL_BY_DRIVER)))
        refused = EFI_ERROR(fake_disconnect(firmware, handle, open->agent, NULL));

    protocol = fake_protocol_find(firmware, handle, guid);
    if (!refused && protocol &&
        find_open(protocol, EFI_OPEN_PROTOCOL_EXCLUSIVE | EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER))
        refused = true;
    if (refused)
        (void)fake_connect(firmware, handle, NULL, true);
    return !refused;
}

static EFI_STATUS uninstall(struct fake_firmware *firmware, EFI_HANDLE handle, EFI_GUID *guid,
                            void *interface)
{
    struct fake_handle *found = fake_handle_check(firmware, handle, "UninstallProtocolInterface");
    struct fake_protocol *protocol = found ? fake_protocol_find(firmware, handle, guid) : NULL;

    if (!found)
        return EFI_INVALID_PARAMETER;
    if (!protocol || protocol->interface != interface) {
        fake_report("UninstallProtocolInterface: %s is not there, or another interface",
                    fake_guid_name(guid));
        return EFI_NOT_FOUND;
    }
    if (!evict_users(firmware, handle, guid))
        return EFI_ACCESS_DENIED;
    protocol = fake_protocol_find(firmware, handle, guid);
    if (protocol)
        protocol_remove(found, protocol);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI install_protocol_interface(EFI_HANDLE *handle, EFI_GUID *guid,
                                                    EFI_INTERFACE_TYPE type, void *interface)
{
    struct fake_firmware *firmware = fake_enter("InstallProtocolInterface", TPL_NOTIFY);

    if (type != EFI_NATIVE_INTERFACE)
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "InstallProtocolInterface"))
        return EFI_OUT_OF_RESOURCES;
    return install(firmware, handle, guid, interface, __builtin_return_address(0));
}

static EFI_STATUS EFIAPI uninstall_protocol_interface(EFI_HANDLE handle, EFI_GUID *guid,
                                                      void *interface)
{
    struct fake_firmware *firmware = fake_enter("UninstallProtocolInterface", TPL_NOTIFY);

    return uninstall(firmware, handle, guid, interface);
}

static EFI_STATUS EFIAPI reinstall_protocol_interface(EFI_HANDLE handle, EFI_GUID *guid,
                                                      void *old_interface, void *new_interface)
{
    struct fake_firmware *firmware = fake_enter("ReinstallProtocolInterface", TPL_NOTIFY);
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);

    if (!protocol || protocol->interface != old_interface)
        return EFI_NOT_FOUND;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "ReinstallProtocolInterface"))
        return EFI_OUT_OF_RESOURCES;
    if (!evict_users(firmware, handle, guid))
        return EFI_ACCESS_DENIED;
    protocol = fake_protocol_find(firmware, handle, guid);
    if (protocol)
        protocol->interface = new_interface;
    (void)fake_connect(firmware, handle, NULL, true);
    return EFI_SUCCESS;
}

static size_t read_pairs(struct protocol_pair *pairs, __builtin_ms_va_list arguments)
{
    size_t count = 0;
    EFI_GUID *guid;

    while ((guid = __builtin_va_arg(arguments, EFI_GUID *))) {
        if (count == PAIRS_MAX) {
            fake_report("more than %u protocols: is the final NULL missing?", PAIRS_MAX);
            break;
        }
        pairs[count++] = (struct protocol_pair){guid, __builtin_va_arg(arguments, void *)};
    }
    return count;
}

static EFI_STATUS EFIAPI install_multiple(EFI_HANDLE *handle, ...)
{
    struct fake_firmware *firmware = fake_enter("InstallMultipleProtocolInterfaces", TPL_NOTIFY);
    EFI_HANDLE original = handle ? *handle : NULL;
    struct protocol_pair pairs[PAIRS_MAX];
    EFI_STATUS status = EFI_SUCCESS;
    __builtin_ms_va_list arguments;
    size_t installed = 0;
    size_t count;

    __builtin_ms_va_start(arguments, handle);
    count = read_pairs(pairs, arguments);
    __builtin_ms_va_end(arguments);

    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "InstallMultipleProtocolInterfaces"))
        return EFI_OUT_OF_RESOURCES;
    for (; installed < count && !EFI_ERROR(status); installed++) {
        const struct protocol_pair *pair = &pairs[installed];

        if (fake_guids_equal(pair->guid, &gEfiDevicePathProtocolGuid) &&
            device_path_exists(firmware, pair->interface))
            status = EFI_ALREADY_STARTED;
        else
            status =
                install(firmware, handle, pair->guid, pair->interface, __builtin_return_address(0));
        if (EFI_ERROR(status))
            break;
    }
    if (!EFI_ERROR(status))
        return EFI_SUCCESS;

    while (installed-- > 0)
        (void)uninstall(firmware, *handle, pairs[installed].guid, pairs[installed].interface);
    *handle = original;
    return status;
}

/* As in edk2, a refusal restores what was removed and returns INVALID_PARAMETER. */
static EFI_STATUS EFIAPI uninstall_multiple(EFI_HANDLE handle, ...)
{
    struct fake_firmware *firmware = fake_enter("UninstallMultipleProtocolInterfaces", TPL_NOTIFY);
    struct protocol_pair pairs[PAIRS_MAX];
    __builtin_ms_va_list arguments;
    size_t removed = 0;
    size_t count;

    __builtin_ms_va_start(arguments, handle);
    count = read_pairs(pairs, arguments);
    __builtin_ms_va_end(arguments);

    while (removed < count &&
           !EFI_ERROR(uninstall(firmware, handle, pairs[removed].guid, pairs[removed].interface)))
        removed++;
    if (removed == count)
        return EFI_SUCCESS;

    while (removed-- > 0)
        (void)install(firmware, &handle, pairs[removed].guid, pairs[removed].interface,
                      __builtin_return_address(0));
    return EFI_INVALID_PARAMETER;
}

static EFI_STATUS EFIAPI locate_handle_buffer(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid,
                                              void *key, UINTN *ret_count, EFI_HANDLE **ret_handles)
{
    struct fake_firmware *firmware = fake_enter("LocateHandleBuffer", TPL_NOTIFY);
    unsigned count;

    (void)key;
    if (type != ByProtocol || !guid || !ret_count || !ret_handles) {
        fake_report("LocateHandleBuffer: only searches by protocol are modelled");
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "LocateHandleBuffer"))
        return EFI_OUT_OF_RESOURCES;

    count = fake_firmware_count_handles(firmware, guid);
    *ret_count = count;
    *ret_handles = NULL;
    if (count == 0)
        return EFI_NOT_FOUND;
    *ret_handles = fake_pool_new(firmware, count * sizeof(EFI_HANDLE), __builtin_return_address(0));
    for (unsigned i = 0; i < count; i++)
        (*ret_handles)[i] = fake_firmware_find_handle(firmware, guid, i);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_handle(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid, void *key,
                                       UINTN *size, EFI_HANDLE *ret_handles)
{
    struct fake_firmware *firmware = fake_enter("LocateHandle", TPL_NOTIFY);
    UINTN needed;

    (void)key;
    if (type != ByProtocol || !guid || !size) {
        fake_report("LocateHandle: only searches by protocol are modelled");
        return EFI_INVALID_PARAMETER;
    }
    needed = fake_firmware_count_handles(firmware, guid) * sizeof(EFI_HANDLE);
    if (needed == 0)
        return EFI_NOT_FOUND;
    if (*size < needed) {
        *size = needed;
        return EFI_BUFFER_TOO_SMALL;
    }
    *size = needed;
    for (unsigned i = 0; i < needed / sizeof(EFI_HANDLE); i++)
        ret_handles[i] = fake_firmware_find_handle(firmware, guid, i);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *guid, void *registration, void **ret_interface)
{
    struct fake_firmware *firmware = fake_enter("LocateProtocol", TPL_NOTIFY);
    EFI_HANDLE handle;

    (void)registration;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "LocateProtocol"))
        return EFI_NOT_FOUND;
    handle = fake_firmware_find_handle(firmware, guid, 0);
    *ret_interface = fake_firmware_interface(firmware, handle, guid);
    return handle ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI protocols_per_handle(EFI_HANDLE handle, EFI_GUID ***ret_guids,
                                              UINTN *ret_count)
{
    struct fake_firmware *firmware = fake_enter("ProtocolsPerHandle", TPL_NOTIFY);
    struct fake_handle *found = fake_handle_check(firmware, handle, "ProtocolsPerHandle");
    UINTN count = 0;

    if (!found)
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "ProtocolsPerHandle"))
        return EFI_OUT_OF_RESOURCES;
    for (struct fake_protocol *each = found->protocols; each; each = each->next)
        count++;
    *ret_guids = fake_pool_new(firmware, count * sizeof(EFI_GUID *), __builtin_return_address(0));
    *ret_count = count;
    count = 0;
    for (struct fake_protocol *each = found->protocols; each; each = each->next)
        (*ret_guids)[count++] = &each->guid;
    return EFI_SUCCESS;
}

void fake_handle_services(struct fake_firmware *firmware)
{
    EFI_BOOT_SERVICES *services = &firmware->boot_services;

    services->InstallProtocolInterface = install_protocol_interface;
    services->UninstallProtocolInterface = uninstall_protocol_interface;
    services->ReinstallProtocolInterface = reinstall_protocol_interface;
    services->InstallMultipleProtocolInterfaces = install_multiple;
    services->UninstallMultipleProtocolInterfaces = uninstall_multiple;
    services->LocateHandleBuffer = locate_handle_buffer;
    services->LocateHandle = locate_handle;
    services->LocateProtocol = locate_protocol;
    services->ProtocolsPerHandle = protocols_per_handle;
}

void fake_handles_visit(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                        void *argument)
{
    const UINT32 to_be_closed = EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE |
                                EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER;

    for (struct fake_handle *handle = firmware->handles; handle; handle = handle->next) {
        for (struct fake_protocol *each = handle->protocols; each; each = each->next) {
            visitor(&each->resource, argument);
            for (struct fake_open *open = each->opens; open; open = open->next)
                if (open->attributes & to_be_closed)
                    visitor(&open->resource, argument);
        }
    }
}

void fake_handles_free(struct fake_firmware *firmware)
{
    while (firmware->handles) {
        struct fake_handle *handle = firmware->handles;

        while (handle->protocols)
            protocol_remove(handle, handle->protocols);
        firmware->handles = handle->next;
        free(handle);
    }
}
