/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * OpenProtocol and its relatives: which agent may have which protocol open, and who
 * must give way. UEFI 2.10, 7.3.9 to 7.3.11; where that leaves a choice, like edk2.
 */
#include "firmware_internal.h"

#include <stdlib.h>

#define BY_DRIVER EFI_OPEN_PROTOCOL_BY_DRIVER
#define EXCLUSIVE EFI_OPEN_PROTOCOL_EXCLUSIVE

static bool arguments_are_valid(struct fake_firmware *firmware, EFI_HANDLE handle, EFI_HANDLE agent,
                                EFI_HANDLE controller, UINT32 attributes)
{
    switch (attributes) {
    case EFI_OPEN_PROTOCOL_BY_HANDLE_PROTOCOL:
    case EFI_OPEN_PROTOCOL_GET_PROTOCOL:
    case EFI_OPEN_PROTOCOL_TEST_PROTOCOL:
        return true;
    case EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER:
        return handle != controller && fake_handle_find(firmware, agent) &&
               fake_handle_find(firmware, controller);
    case BY_DRIVER:
    case BY_DRIVER | EXCLUSIVE:
        return fake_handle_find(firmware, agent) && fake_handle_find(firmware, controller);
    case EXCLUSIVE:
        return fake_handle_find(firmware, agent);
    default:
        return false;
    }
}

static struct fake_open *find_user(struct fake_firmware *firmware, EFI_HANDLE handle,
                                   const EFI_GUID *guid, UINT32 attributes)
{
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);
    struct fake_open *open = protocol ? protocol->opens : NULL;

    while (open && !(open->attributes & attributes))
        open = open->next;
    return open;
}

/* May the protocol be opened like this? Disconnects its drivers if the attributes ask for it. */
static EFI_STATUS make_way(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                           UINT32 attributes)
{
    const struct fake_open *user;

    if (!(attributes & (BY_DRIVER | EXCLUSIVE)))
        return EFI_SUCCESS;
    if (find_user(firmware, handle, guid, EXCLUSIVE))
        return EFI_ACCESS_DENIED;
    if (attributes == BY_DRIVER)
        return find_user(firmware, handle, guid, BY_DRIVER) ? EFI_ACCESS_DENIED : EFI_SUCCESS;

    while ((user = find_user(firmware, handle, guid, BY_DRIVER)))
        if (EFI_ERROR(fake_disconnect(firmware, handle, user->agent, NULL)))
            return EFI_ACCESS_DENIED;
    return EFI_SUCCESS;
}

static struct fake_open *find_same(struct fake_protocol *protocol, EFI_HANDLE agent,
                                   EFI_HANDLE controller, UINT32 attributes)
{
    struct fake_open *open = protocol->opens;

    while (open && (open->agent != agent || open->controller != controller ||
                    open->attributes != attributes))
        open = open->next;
    return open;
}

EFI_STATUS fake_open_add(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                         const struct fake_open *wanted)
{
    EFI_STATUS status = make_way(firmware, handle, guid, wanted->attributes);
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);
    struct fake_open **end;

    if (EFI_ERROR(status))
        return status;
    if (!protocol)
        return EFI_UNSUPPORTED;
    if (!wanted->agent)
        return EFI_SUCCESS;
    for (end = &protocol->opens; *end; end = &(*end)->next)
        ;
    *end = malloc(sizeof(**end));
    **end = *wanted;
    return EFI_SUCCESS;
}

/* Record one more use, new or repeated. */
static EFI_STATUS note_open(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                            const struct fake_open *wanted)
{
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);
    struct fake_open *same =
        wanted->agent ? find_same(protocol, wanted->agent, wanted->controller, wanted->attributes)
                      : NULL;

    if (same && (wanted->attributes & BY_DRIVER))
        return EFI_ALREADY_STARTED;
    if (!same || (wanted->attributes & EXCLUSIVE))
        return fake_open_add(firmware, handle, guid, wanted);
    same->count++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **ret_interface,
                                       EFI_HANDLE agent, EFI_HANDLE controller, UINT32 attributes)
{
    struct fake_firmware *firmware = fake_enter("OpenProtocol", TPL_NOTIFY);
    bool is_test = attributes == EFI_OPEN_PROTOCOL_TEST_PROTOCOL;
    struct fake_protocol *protocol;
    void *interface;
    EFI_STATUS status;

    /* A query is the way to find out whether something is a handle. Any other call with an invalid
     * handle is a mistake. */
    if (is_test ? !fake_handle_find(firmware, handle)
                : !fake_handle_check(firmware, handle, "OpenProtocol"))
        return EFI_INVALID_PARAMETER;
    if (!guid || (!ret_interface && !is_test) ||
        !arguments_are_valid(firmware, handle, agent, controller, attributes)) {
        fake_report("OpenProtocol: attributes %#x do not fit the other arguments", attributes);
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "OpenProtocol"))
        return EFI_OUT_OF_RESOURCES;

    protocol = fake_protocol_find(firmware, handle, guid);
    if (!protocol)
        return EFI_UNSUPPORTED;
    interface = protocol->interface;
    status = note_open(firmware, handle, guid,
                       &(const struct fake_open){
                           .resource = {.kind = "open protocol",
                                        .name = fake_guid_name(guid),
                                        .caller = __builtin_return_address(0)},
                           .agent = agent,
                           .controller = controller,
                           .attributes = attributes,
                           .count = 1,
                       });
    if (!is_test && (!EFI_ERROR(status) || status == EFI_ALREADY_STARTED))
        *ret_interface = interface;
    return status;
}

static EFI_STATUS EFIAPI handle_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **ret_interface)
{
    struct fake_firmware *firmware = fake_enter("HandleProtocol", TPL_NOTIFY);
    struct fake_protocol *protocol;

    if (!fake_handle_check(firmware, handle, "HandleProtocol") || !guid || !ret_interface)
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "HandleProtocol"))
        return EFI_OUT_OF_RESOURCES;
    protocol = fake_protocol_find(firmware, handle, guid);
    if (!protocol)
        return EFI_UNSUPPORTED;
    *ret_interface = protocol->interface;
    return EFI_SUCCESS;
}

bool fake_open_remove(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                      EFI_HANDLE agent, EFI_HANDLE controller)
{
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);
    struct fake_open **link = protocol ? &protocol->opens : NULL;
    bool found = false;

    while (link && *link) {
        struct fake_open *open = *link;

        if (open->agent != agent || open->controller != controller) {
            link = &open->next;
            continue;
        }
        *link = open->next;
        free(open);
        found = true;
    }
    return found;
}

static EFI_STATUS EFIAPI close_protocol(EFI_HANDLE handle, EFI_GUID *guid, EFI_HANDLE agent,
                                        EFI_HANDLE controller)
{
    struct fake_firmware *firmware = fake_enter("CloseProtocol", TPL_NOTIFY);

    if (!fake_handle_check(firmware, handle, "CloseProtocol") || !guid)
        return EFI_INVALID_PARAMETER;
    if (fake_open_remove(firmware, handle, guid, agent, controller))
        return EFI_SUCCESS;
    fake_report("CloseProtocol: %s is not open for this agent and controller",
                fake_guid_name(guid));
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI
open_protocol_information(EFI_HANDLE handle, EFI_GUID *guid,
                          EFI_OPEN_PROTOCOL_INFORMATION_ENTRY **ret_entries, UINTN *ret_count)
{
    struct fake_firmware *firmware = fake_enter("OpenProtocolInformation", TPL_NOTIFY);
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);
    UINTN count = 0;

    if (!protocol)
        return EFI_NOT_FOUND;
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "OpenProtocolInformation"))
        return EFI_OUT_OF_RESOURCES;
    for (const struct fake_open *open = protocol->opens; open; open = open->next)
        count++;
    *ret_entries =
        fake_pool_new(firmware, count * sizeof(**ret_entries) + 1, __builtin_return_address(0));
    *ret_count = count;
    count = 0;
    for (const struct fake_open *open = protocol->opens; open; open = open->next)
        (*ret_entries)[count++] = (EFI_OPEN_PROTOCOL_INFORMATION_ENTRY){
            open->agent, open->controller, open->attributes, open->count};
    return EFI_SUCCESS;
}

unsigned fake_firmware_count_opens(struct fake_firmware *firmware, EFI_HANDLE handle,
                                   const EFI_GUID *guid, UINT32 attributes)
{
    struct fake_protocol *protocol = fake_protocol_find(firmware, handle, guid);
    unsigned count = 0;

    for (const struct fake_open *open = protocol ? protocol->opens : NULL; open; open = open->next)
        if (open->attributes & attributes)
            count++;
    return count;
}

void fake_open_services(struct fake_firmware *firmware)
{
    EFI_BOOT_SERVICES *services = &firmware->boot_services;

    services->HandleProtocol = handle_protocol;
    services->OpenProtocol = open_protocol;
    services->CloseProtocol = close_protocol;
    services->OpenProtocolInformation = open_protocol_information;
}
