/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What libefi's Print does in 15 KiB, for the few things said here.
 */
#include "text.h"

#include "mac.h"
#include "pci_address.h"

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
