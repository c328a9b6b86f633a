/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What libefi's Print does in 15 KiB, for the few things said here.
 */
#include "base/text.h"

#include "base/mac.h"
#include "base/pci_address.h"

void text_init(struct text *text, CHAR16 *buffer, size_t capacity)
{
    *text = (struct text){.buffer = buffer, .capacity = capacity};
    buffer[0] = 0;
}

static void append_char(struct text *text, CHAR16 character)
{
    if (text->length + 1 >= text->capacity)
        return;
    text->buffer[text->length++] = character;
    text->buffer[text->length] = 0;
}

void text_append(struct text *text, const CHAR16 *string)
{
    while (*string)
        append_char(text, *string++);
}

void text_append_part(struct text *text, const CHAR16 *string, size_t length)
{
    for (size_t i = 0; i < length; i++)
        append_char(text, string[i] < L' ' ? L'?' : string[i]);
}

void text_append_padded(struct text *text, const CHAR16 *string, size_t width)
{
    size_t length = 0;

    while (string[length])
        length++;
    text_append(text, string);
    while (length++ < width)
        append_char(text, L' ');
}

/* Divides 16 bits at a time: ia32 would need libgcc for a 64-bit division. */
static unsigned divide_by_ten(uint64_t *value)
{
    uint64_t quotient = 0;
    uint32_t rest = 0;

    for (unsigned shift = 64; shift > 0;) {
        shift -= 16;
        rest = rest << 16 | (uint16_t)(*value >> shift);
        quotient |= (uint64_t)(rest / 10) << shift;
        rest %= 10;
    }
    *value = quotient;
    return rest;
}

void text_append_decimal(struct text *text, uint64_t value)
{
    CHAR16 digits[20];
    unsigned count = 0;

    do
        digits[count++] = (CHAR16)(L'0' + divide_by_ten(&value));
    while (value > 0);
    while (count > 0)
        append_char(text, digits[--count]);
}

void text_append_hex(struct text *text, uint64_t value, unsigned digits)
{
    while (digits > 0)
        append_char(text, L"0123456789abcdef"[value >> (4 * --digits) & 0xf]);
}

void text_append_mac(struct text *text, const uint8_t *mac)
{
    for (unsigned i = 0; i < MAC_BYTES; i++) {
        if (i > 0)
            append_char(text, L':');
        text_append_hex(text, mac[i], 2);
    }
}

void text_append_pci_location(struct text *text, EFI_PCI_IO_PROTOCOL *pci_io)
{
    struct pci_address address;

    if (EFI_ERROR(pci_address_get(pci_io, &address))) {
        append_char(text, L'?');
        return;
    }
    text_append_hex(text, address.segment, 4);
    append_char(text, L':');
    text_append_hex(text, address.bus, 2);
    append_char(text, L':');
    text_append_hex(text, address.device, 2);
    append_char(text, L'.');
    text_append_hex(text, address.function, 1);
}

void text_append_status(struct text *text, EFI_STATUS status)
{
    static const struct {
        EFI_STATUS status;
        CHAR16 name[20];
    } names[] = {
        {EFI_SUCCESS, L"Success"},
        {EFI_UNSUPPORTED, L"Unsupported"},
        {EFI_DEVICE_ERROR, L"Device Error"},
        {EFI_OUT_OF_RESOURCES, L"Out of Resources"},
        {EFI_TIMEOUT, L"Time out"},
        {EFI_ACCESS_DENIED, L"Access Denied"},
        {EFI_NOT_FOUND, L"Not Found"},
        {EFI_ALREADY_STARTED, L"Already started"},
        {EFI_INVALID_PARAMETER, L"Invalid Parameter"},
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].status == status) {
            text_append(text, names[i].name);
            return;
        }
    }
    text_append(text, L"status ");
    text_append_hex(text, status, sizeof(status) * 2);
}

bool text_is_language(const CHAR8 *ours, const CHAR8 *language)
{
    while (*ours && *ours == *language) {
        ours++;
        language++;
    }
    return !*ours && (!*language || *language == '-');
}
