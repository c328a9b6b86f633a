/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The text that is made of addresses, any that options_item allows. Lists have up to
 * OPTIONS_ADDRESSES_MAX of them, fewer here than in the driver.
 *
 * The functions are static in the driver: proofs.txt compiles it without that.
 */
#include "driver/options.h"

#define TEXT_MAX 32u

struct span {
    const CHAR16 *at;
    const CHAR16 *end;
};

bool parse_address(struct span span, struct pci_address *ret_address);
void append_address(struct text *text, const struct pci_address *address);

static struct pci_address any_address(void)
{
    struct pci_address address = {nondet_uint16(), nondet_uint8(), nondet_uint8(), nondet_uint8()};

    assume(address.device <= 0x1f && address.function <= 7);
    return address;
}

/* A buffer of any size is the end of an object, and begins with a text of any length. */
static void any_text(struct text *ret_text)
{
    CHAR16 *memory = malloc(TEXT_MAX * sizeof(*memory));

    ret_text->capacity = nondet_size();
    ret_text->length = nondet_size();
    assume(memory != NULL);
    assume(ret_text->capacity <= TEXT_MAX && ret_text->length < ret_text->capacity);
    ret_text->buffer = memory + TEXT_MAX - ret_text->capacity;
    ret_text->buffer[ret_text->length] = 0;
}

/* What is written of an address is read as the same. */
void prove_options_address_text(void)
{
    struct pci_address address = any_address();
    struct pci_address parsed;
    CHAR16 buffer[13];
    struct text text;

    text_init(&text, buffer, sizeof(buffer) / sizeof(buffer[0]));
    append_address(&text, &address);
    claim(text.length == (address.segment ? 12 : 7), "its length does not depend on its values");
    claim(parse_address((struct span){buffer, buffer + text.length}, &parsed), "it is understood");
    claim(pci_address_is_equal(&parsed, &address), "as the same address");
}

/* A list has as many addresses as fit whole, each after the last one. */
void prove_options_list_text(void)
{
    struct pci_address_list list = {.count = nondet_uint8()};
    struct text text;
    size_t before;
    size_t needed = 0;
    size_t fits = 0;

    assume(list.count <= OPTIONS_ADDRESSES_MAX);
    for (unsigned i = 0; i < OPTIONS_ADDRESSES_MAX; i++)
        list.addresses[i] = any_address();
    any_text(&text);
    before = text.length;
    for (unsigned i = 0; i < list.count; i++) {
        needed += (i > 0) + (list.addresses[i].segment ? 12 : 7);
        if (before + needed < text.capacity)
            fits = needed;
    }
    options_append_addresses(&list, &text);
    claim(text.length < text.capacity, "the terminator has room");
    claim(text.buffer[text.length] == 0, "it is terminated");
    claim(text.length == before + fits, "no address is cut off, and none left out that fits");
}
