/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Variables and the time of day.
 */
#include "firmware_internal.h"

#include <stdlib.h>
#include <string.h>

#define NAME_LENGTH_MAX 64u

struct fake_variable {
    struct fake_variable *next;
    CHAR16 name[NAME_LENGTH_MAX];
    EFI_GUID vendor;
    UINT32 attributes;
    UINTN size;
    void *data;
};

static size_t name_length(const CHAR16 *name)
{
    size_t length = 0;

    while (name[length])
        length++;
    return length;
}

static struct fake_variable **find(struct fake_firmware *firmware, const CHAR16 *name,
                                   const EFI_GUID *vendor)
{
    size_t bytes = (name_length(name) + 1) * sizeof(CHAR16);
    struct fake_variable **link = &firmware->variables;

    for (; *link; link = &(*link)->next)
        if (fake_guids_equal(&(*link)->vendor, vendor) && !memcmp((*link)->name, name, bytes))
            break;
    return link;
}

static void forget(struct fake_variable **link)
{
    struct fake_variable *variable = *link;

    *link = variable->next;
    free(variable->data);
    free(variable);
}

static EFI_STATUS EFIAPI get_variable(CHAR16 *name, EFI_GUID *vendor, UINT32 *ret_attributes,
                                      UINTN *size, void *ret_data)
{
    struct fake_firmware *firmware = fake_enter("GetVariable", TPL_CALLBACK);
    const struct fake_variable *variable;

    if (!name || !vendor || !size || name_length(name) >= NAME_LENGTH_MAX) {
        fake_report("GetVariable: bad name, vendor or size");
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_RUNTIME, "GetVariable"))
        return EFI_DEVICE_ERROR;

    variable = *find(firmware, name, vendor);
    if (!variable)
        return EFI_NOT_FOUND;
    if (ret_attributes)
        *ret_attributes = variable->attributes;
    if (*size < variable->size) {
        *size = variable->size;
        return EFI_BUFFER_TOO_SMALL;
    }
    *size = variable->size;
    memcpy(ret_data, variable->data, variable->size);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI set_variable(CHAR16 *name, EFI_GUID *vendor, UINT32 attributes, UINTN size,
                                      void *data)
{
    struct fake_firmware *firmware = fake_enter("SetVariable", TPL_CALLBACK);
    struct fake_variable **link;
    struct fake_variable *variable;

    if (!name || !*name || !vendor || name_length(name) >= NAME_LENGTH_MAX || (size && !data)) {
        fake_report("SetVariable: bad name, vendor or data");
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_RUNTIME, "SetVariable"))
        return EFI_DEVICE_ERROR;

    link = find(firmware, name, vendor);
    if (size == 0 && !*link)
        return EFI_NOT_FOUND;
    if (*link && size > 0 && (*link)->attributes != attributes)
        return EFI_INVALID_PARAMETER; /* only after it was deleted */
    if (*link)
        forget(link);
    if (size == 0)
        return EFI_SUCCESS;

    variable = calloc(1, sizeof(*variable));
    memcpy(variable->name, name, name_length(name) * sizeof(CHAR16));
    variable->vendor = *vendor;
    variable->attributes = attributes;
    variable->size = size;
    variable->data = malloc(size);
    memcpy(variable->data, data, size);
    variable->next = firmware->variables;
    firmware->variables = variable;
    return EFI_SUCCESS;
}

void fake_firmware_forget_volatile_variables(struct fake_firmware *firmware)
{
    struct fake_variable **link = &firmware->variables;

    while (*link) {
        if ((*link)->attributes & EFI_VARIABLE_NON_VOLATILE)
            link = &(*link)->next;
        else
            forget(link);
    }
}

static EFI_STATUS EFIAPI get_time(EFI_TIME *ret_time, EFI_TIME_CAPABILITIES *ret_capabilities)
{
    struct fake_firmware *firmware = fake_enter("GetTime", TPL_CALLBACK);
    uint64_t seconds = fake_firmware_now_us(firmware) / 1000000;

    if (fake_call_fails(firmware, FAKE_CALL_RUNTIME, "GetTime"))
        return EFI_DEVICE_ERROR;
    *ret_time = (EFI_TIME){
        .Year = 2024,
        .Month = 1,
        .Day = (UINT8)(1 + seconds / 86400 % 28),
        .Hour = (UINT8)(seconds / 3600 % 24),
        .Minute = (UINT8)(seconds / 60 % 60),
        .Second = (UINT8)(seconds % 60),
        .Nanosecond = (UINT32)(fake_firmware_now_us(firmware) % 1000000 * 1000),
    };
    if (ret_capabilities)
        *ret_capabilities = (EFI_TIME_CAPABILITIES){.Resolution = 1};
    return EFI_SUCCESS;
}

void fake_runtime_services(struct fake_firmware *firmware)
{
    firmware->runtime_services = (EFI_RUNTIME_SERVICES){
        .Hdr.Signature = EFI_RUNTIME_SERVICES_SIGNATURE,
        .GetTime = get_time,
        .GetVariable = get_variable,
        .SetVariable = set_variable,
    };
}

void fake_runtime_free(struct fake_firmware *firmware)
{
    while (firmware->variables)
        forget(&firmware->variables);
}
