/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Reads the two sources of options, speaks for the parser, and writes the variable.
 */
#include "driver/settings.h"

#include <efilib.h>

#include "base/guids.h"
#include "base/log.h"

#define TEXT_CHARS_MAX 1024u
#define VARIABLE_ATTRIBUTES (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS)

_Static_assert(OPTIONS_TEXT_MAX <= TEXT_CHARS_MAX, "what is written can be read");

static CHAR16 variable_name[] = SETTINGS_VARIABLE;
static CHAR16 load_option_name[] = L"load option";

static void complain(void *context, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    log_option(context, item, length, why);
}

static void stay_silent(void *context, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    (void)context;
    (void)item;
    (void)length;
    (void)why;
}

/* An image started by name in the shell has its command line as load options, which begins
 * with its own name. */
static size_t skip_command_name(const CHAR16 *text, size_t length)
{
    static const CHAR16 suffix[] = L".efi";
    size_t name = 0;
    size_t matched = 0;

    while (name < length && text[name] && text[name] != L' ' && text[name] != L'=')
        name++;
    if (name < 4)
        return 0;
    for (size_t i = 0; i < 4; i++)
        matched += (text[name - 4 + i] | 0x20) == (suffix[i] | 0x20);
    return matched == 4 ? name : 0;
}

/* UCS-2 text of ASCII characters has a zero in every second byte. */
static bool is_ucs2(const uint8_t *bytes, size_t length_bytes)
{
    return length_bytes >= 2 && bytes[1] == 0;
}

/* `bytes` may be unaligned. `source` names the options' origin on the console. */
static void parse_bytes(struct options *options, const uint8_t *bytes, size_t length_bytes,
                        options_complaint *complaint, CHAR16 *source)
{
    CHAR16 text[TEXT_CHARS_MAX];
    size_t width = is_ucs2(bytes, length_bytes) ? sizeof(CHAR16) : 1;
    size_t length = length_bytes / width;
    size_t name;

    if (length > TEXT_CHARS_MAX) {
        complaint(source, L"", 0, L"too long");
        return;
    }
    if (length == 0)
        return;
    for (size_t i = 0; i < length; i++)
        text[i] = (CHAR16)(bytes[i * width] | (width > 1 ? bytes[i * width + 1] << 8 : 0));
    name = skip_command_name(text, length);
    options_parse(options, text + name, length - name, complaint, source);
}

static void load_variable(struct options *options, options_complaint *complaint)
{
    uint8_t bytes[TEXT_CHARS_MAX * sizeof(CHAR16)];
    UINTN length_bytes = sizeof(bytes);
    EFI_STATUS status;

    status = RT->GetVariable(variable_name, &variable_guid, NULL, &length_bytes, bytes);
    if (status == EFI_BUFFER_TOO_SMALL)
        complaint(variable_name, L"", 0, L"too long");
    else if (status != EFI_NOT_FOUND && EFI_ERROR(status))
        complaint(variable_name, L"", 0, L"cannot be read");
    else if (!EFI_ERROR(status))
        parse_bytes(options, bytes, length_bytes, complaint, variable_name);
}

static void load_load_option(EFI_HANDLE image, struct options *options)
{
    EFI_LOADED_IMAGE *loaded;

    if (!EFI_ERROR(BS->OpenProtocol(image, &loaded_image_guid, (void **)&loaded, image, NULL,
                                    EFI_OPEN_PROTOCOL_GET_PROTOCOL)) &&
        loaded->LoadOptions)
        parse_bytes(options, loaded->LoadOptions, loaded->LoadOptionsSize, complain,
                    load_option_name);
}

void settings_load(EFI_HANDLE image, struct options *ret_options)
{
    options_init(ret_options);
    load_variable(ret_options, complain);
    load_load_option(image, ret_options);
}

void settings_load_variable(struct options *ret_options)
{
    options_init(ret_options);
    load_variable(ret_options, stay_silent);
}

/* Attributes that somebody else chose are kept, provided that the variable survives a reset. */
static EFI_STATUS choose_attributes(UINT32 *ret_attributes)
{
    UINT32 attributes = VARIABLE_ATTRIBUTES;
    UINTN length_bytes = 0;
    EFI_STATUS status;

    status = RT->GetVariable(variable_name, &variable_guid, &attributes, &length_bytes, NULL);
    if (status == EFI_BUFFER_TOO_SMALL && !(attributes & EFI_VARIABLE_NON_VOLATILE)) {
        status = RT->SetVariable(variable_name, &variable_guid, attributes, 0, NULL);
        attributes = VARIABLE_ATTRIBUTES;
    } else if (status == EFI_BUFFER_TOO_SMALL || status == EFI_NOT_FOUND) {
        status = EFI_SUCCESS;
    }
    *ret_attributes = attributes;
    return status;
}

EFI_STATUS settings_save(const struct options *options)
{
    CHAR16 buffer[OPTIONS_TEXT_MAX];
    struct text text;
    UINT32 attributes;
    EFI_STATUS status;

    text_init(&text, buffer, OPTIONS_TEXT_MAX);
    options_append(options, &text);
    status = choose_attributes(&attributes);
    if (EFI_ERROR(status))
        return status;
    return RT->SetVariable(variable_name, &variable_guid, attributes, text.length * sizeof(CHAR16),
                           buffer);
}
