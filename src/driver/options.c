/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The parser and the printer: pure text, no firmware.
 */
#include "driver/options.h"

#define PCI_DEVICE_MAX 0x1fu
#define PCI_FUNCTION_MAX 0x7u
#define ADDRESS_CHARS 7u /* 00:03.0 */
#define SEGMENT_CHARS 5u /* 0000: */

/* "takeover=off verbose=2 stack=firmware", and two lists with their names. */
_Static_assert(37 + 2 * (6 + OPTIONS_ADDRESSES_MAX * (SEGMENT_CHARS + ADDRESS_CHARS + 1)) <
                   OPTIONS_TEXT_MAX,
               "the longest text does not fit");

/* A part of a text: from `at` up to, but not including, `end`. */
struct span {
    const CHAR16 *at;
    const CHAR16 *end;
};

void options_init(struct options *options)
{
    *options =
        (struct options){.takeover = true, .verbosity = VERBOSITY_TAKEOVERS, .stack = STACK_OWN};
}

static bool is_separator(CHAR16 character)
{
    return character == L' ' || character == L'\t' || character == L'\r' || character == L'\n';
}

static bool is_word(struct span span, const CHAR16 *word)
{
    while (span.at < span.end && *word && *span.at == *word) {
        span.at++;
        word++;
    }
    return span.at == span.end && !*word;
}

/* Cut off the text before the next `separator`, and the separator itself. */
static struct span split(struct span *rest, CHAR16 separator)
{
    struct span head = *rest;

    while (rest->at < rest->end && *rest->at != separator)
        rest->at++;
    head.end = rest->at;
    if (rest->at < rest->end)
        rest->at++;
    return head;
}

static bool parse_hex(struct span span, uint32_t max, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (span.at == span.end)
        return false;
    for (; span.at < span.end; span.at++) {
        CHAR16 c = *span.at;
        uint32_t digit;

        if (c >= L'0' && c <= L'9')
            digit = (uint32_t)(c - L'0');
        else if (c >= L'a' && c <= L'f')
            digit = (uint32_t)(c - L'a') + 10;
        else if (c >= L'A' && c <= L'F')
            digit = (uint32_t)(c - L'A') + 10;
        else
            return false;
        value = value * 16 + digit;
        if (value > max)
            return false;
    }
    *ret_value = value;
    return true;
}

static unsigned count_of(struct span span, CHAR16 character)
{
    unsigned count = 0;

    for (; span.at < span.end; span.at++)
        count += *span.at == character;
    return count;
}

static bool parse_address(struct span span, struct pci_address *ret_address)
{
    uint32_t segment = 0;
    uint32_t bus;
    uint32_t device;
    uint32_t function;

    if (count_of(span, L':') == 2 && !parse_hex(split(&span, L':'), UINT16_MAX, &segment))
        return false;
    if (!parse_hex(split(&span, L':'), UINT8_MAX, &bus) ||
        !parse_hex(split(&span, L'.'), PCI_DEVICE_MAX, &device) ||
        !parse_hex(span, PCI_FUNCTION_MAX, &function))
        return false;
    *ret_address =
        (struct pci_address){(uint16_t)segment, (uint8_t)bus, (uint8_t)device, (uint8_t)function};
    return true;
}

static const CHAR16 *set_addresses(struct pci_address_list *list, struct span value)
{
    struct pci_address_list parsed = {0};

    do {
        if (parsed.count == OPTIONS_ADDRESSES_MAX)
            return L"too many addresses";
        if (!parse_address(split(&value, L','), &parsed.addresses[parsed.count++]))
            return L"not a list of PCI addresses such as 00:03.0";
    } while (value.at < value.end);
    *list = parsed;
    return NULL;
}

static const CHAR16 *set_takeover(struct options *options, struct span value)
{
    if (!is_word(value, L"on") && !is_word(value, L"off"))
        return L"takeover must be on or off";
    options->takeover = is_word(value, L"on");
    return NULL;
}

static const CHAR16 *set_verbosity(struct options *options, struct span value)
{
    uint32_t level;

    if (!parse_hex(value, VERBOSITY_ALL, &level))
        return L"verbose must be 0, 1 or 2";
    options->verbosity = (enum verbosity)level;
    return NULL;
}

static const CHAR16 *set_stack(struct options *options, struct span value)
{
    if (!is_word(value, L"own") && !is_word(value, L"firmware"))
        return L"stack must be own or firmware";
    options->stack = is_word(value, L"own") ? STACK_OWN : STACK_FIRMWARE;
    return NULL;
}

/* Returns why the item was not understood, or NULL. */
static const CHAR16 *apply(struct options *options, struct span item)
{
    struct span value = item;
    struct span name = split(&value, L'=');

    if (is_word(name, L"takeover"))
        return set_takeover(options, value);
    if (is_word(name, L"verbose"))
        return set_verbosity(options, value);
    if (is_word(name, L"stack"))
        return set_stack(options, value);
    if (is_word(name, L"only"))
        return set_addresses(&options->only, value);
    if (is_word(name, L"skip"))
        return set_addresses(&options->skip, value);
    return L"no such option";
}

void options_parse(struct options *options, const CHAR16 *text, size_t length,
                   options_complaint *complain, void *context)
{
    struct span item = {text, text};
    const CHAR16 *end = text;

    while (end < text + length && *end)
        end++;
    for (;;) {
        const CHAR16 *why;

        while (item.at < end && is_separator(*item.at))
            item.at++;
        if (item.at == end)
            return;
        item.end = item.at;
        while (item.end < end && !is_separator(*item.end))
            item.end++;

        why = apply(options, item);
        if (why)
            complain(context, item.at, (size_t)(item.end - item.at), why);
        item.at = item.end;
    }
}

const CHAR16 *options_parse_addresses(struct pci_address_list *list, const CHAR16 *text,
                                      size_t length)
{
    if (length > 0)
        return set_addresses(list, (struct span){text, text + length});
    list->count = 0;
    return NULL;
}

static void append_address(struct text *text, const struct pci_address *address)
{
    if (address->segment) {
        text_append_hex(text, address->segment, 4);
        text_append(text, L":");
    }
    text_append_hex(text, address->bus, 2);
    text_append(text, L":");
    text_append_hex(text, address->device, 2);
    text_append(text, L".");
    text_append_hex(text, address->function, 1);
}

void options_append_addresses(const struct pci_address_list *list, struct text *text)
{
    for (unsigned i = 0; i < list->count; i++) {
        const struct pci_address *address = &list->addresses[i];
        size_t length = (i > 0) + ADDRESS_CHARS + (address->segment ? SEGMENT_CHARS : 0);

        if (text->length + length >= text->capacity)
            return;
        text_append(text, i > 0 ? L"," : L"");
        append_address(text, address);
    }
}

static void append_list(struct text *text, const CHAR16 *name, const struct pci_address_list *list)
{
    if (list->count == 0)
        return;
    text_append(text, name);
    options_append_addresses(list, text);
}

void options_append(const struct options *options, struct text *text)
{
    text_append(text, options->takeover ? L"takeover=on verbose=" : L"takeover=off verbose=");
    text_append_decimal(text, options->verbosity);
    text_append(text, options->stack == STACK_FIRMWARE ? L" stack=firmware" : L"");
    append_list(text, L" only=", &options->only);
    append_list(text, L" skip=", &options->skip);
}

static bool is_listed(const struct pci_address_list *list, const struct pci_address *address)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (pci_address_is_equal(&list->addresses[i], address))
            return true;
    }
    return false;
}

bool options_admit(const struct options *options, const struct pci_address *address)
{
    if (options->only.count > 0 && !is_listed(&options->only, address))
        return false;
    return !is_listed(&options->skip, address);
}
