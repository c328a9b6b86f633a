/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Reads and writes configuration strings: pure text, no firmware.
 */
#include "driver/config_string.h"

#include "base/device_path.h"

#define GUID_KEY L"GUID="
#define NAME_KEY L"&NAME="
#define PATH_KEY L"&PATH="
#define OFFSET_KEY L"&OFFSET="
#define WIDTH_KEY L"&WIDTH="
#define VALUE_KEY L"&VALUE="
#define CHARS_OF(text) (sizeof(text) / sizeof(CHAR16) - 1)

static size_t path_bytes(const EFI_DEVICE_PATH *path)
{
    return device_path_bytes(path) + sizeof(EFI_DEVICE_PATH); /* with the end node */
}

size_t config_header_chars(const CHAR16 *name, const EFI_DEVICE_PATH *path)
{
    size_t name_chars = 0;

    while (name[name_chars])
        name_chars++;
    return CHARS_OF(GUID_KEY) + 2 * sizeof(EFI_GUID) + CHARS_OF(NAME_KEY) + 4 * name_chars +
           CHARS_OF(PATH_KEY) + 2 * path_bytes(path) + 1;
}

static void append_bytes(struct text *text, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_append_hex(text, ((const uint8_t *)bytes)[i], 2);
}

void config_header_append(struct text *text, const EFI_GUID *guid, const CHAR16 *name,
                          const EFI_DEVICE_PATH *path)
{
    text_append(text, GUID_KEY);
    append_bytes(text, guid, sizeof(*guid));
    text_append(text, NAME_KEY);
    while (*name)
        text_append_hex(text, *name++, 4);
    text_append(text, PATH_KEY);
    append_bytes(text, path, path_bytes(path));
}

/* Keys are upper case. Digits may be either, so comparing in one case is enough. */
static CHAR16 fold(CHAR16 c)
{
    return c >= L'A' && c <= L'Z' ? (CHAR16)(c | 0x20) : c;
}

static const CHAR16 *skip(const CHAR16 *string, const CHAR16 *prefix)
{
    for (; *prefix; prefix++, string++) {
        if (fold(*string) != fold(*prefix))
            return NULL;
    }
    return string;
}

const CHAR16 *config_header_skip(const CHAR16 *string, const CHAR16 *header)
{
    const CHAR16 *rest = skip(string, header);

    return rest && (*rest == 0 || *rest == L'&') ? rest : NULL;
}

static int digit_of(CHAR16 c)
{
    c = fold(c);
    if (c >= L'0' && c <= L'9')
        return c - L'0';
    return c >= L'a' && c <= L'f' ? c - L'a' + 10 : -1;
}

/* The digits after `key`, of a number below 0x10000. NULL: anything else. */
static const CHAR16 *read_number(const CHAR16 *at, const CHAR16 *key, uint16_t *ret_number)
{
    uint32_t number = 0;

    at = skip(at, key);
    if (!at || digit_of(*at) < 0)
        return NULL;
    for (; digit_of(*at) >= 0; at++) {
        number = number * 16 + (uint32_t)digit_of(*at);
        if (number > UINT16_MAX)
            return NULL;
    }
    *ret_number = (uint16_t)number;
    return at;
}

static const CHAR16 *read_value(const CHAR16 *at, struct config_element *element)
{
    at = skip(at, VALUE_KEY);
    if (!at)
        return NULL;
    element->digits = at;
    while (digit_of(*at) >= 0)
        at++;
    element->digit_count = (size_t)(at - element->digits);
    return element->digit_count > 0 && element->digit_count <= 2u * element->width ? at : NULL;
}

bool config_element_next(const CHAR16 **at, size_t block_bytes, bool has_value,
                         struct config_element *ret_element)
{
    struct config_element element = {.text = *at};
    const CHAR16 *end;

    end = read_number(*at, OFFSET_KEY, &element.offset);
    if (end)
        end = read_number(end, WIDTH_KEY, &element.width);
    if (!end || element.width == 0 || (size_t)element.offset + element.width > block_bytes)
        return false;
    element.length = (size_t)(end - *at);
    if (has_value)
        end = read_value(end, &element);
    if (!end || (*end != 0 && *end != L'&'))
        return false;
    *ret_element = element;
    *at = end;
    return true;
}

void config_element_get(const struct config_element *element, uint8_t *block)
{
    uint8_t *bytes = block + element->offset;

    __builtin_memset(bytes, 0, element->width);
    for (size_t i = 0; i < element->digit_count; i++) {
        unsigned digit = (unsigned)digit_of(element->digits[element->digit_count - 1 - i]) & 0xfu;

        bytes[i / 2] = (uint8_t)(bytes[i / 2] | digit << (i % 2 ? 4 : 0));
    }
}

void config_element_append(const struct config_element *element, const uint8_t *block,
                           struct text *text)
{
    text_append_part(text, element->text, element->length);
    text_append(text, VALUE_KEY);
    for (unsigned i = element->width; i > 0; i--)
        text_append_hex(text, block[element->offset + i - 1], 2);
}

size_t config_element_chars(const struct config_element *element)
{
    return element->length + CHARS_OF(VALUE_KEY) + 2u * element->width;
}
