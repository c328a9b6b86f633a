/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Options and lists of addresses, from texts of any length. What options.c proves of the functions
 * below is not proven again: they are replaced here by any answer that they may give, and claim
 * that they are asked about the text alone. For this the driver is compiled without `static`, as
 * proofs.txt says. With OWN_ADDRESS, OWN_ADDRESSES and OWN_APPLY the functions that an earlier
 * proof of this file is about are replaced as well.
 */
#include "driver/options.h"

#define TEXT_MAX 0x10000u
#define PARSE_MAX 6u

struct span {
    const CHAR16 *at;
    const CHAR16 *end;
};

bool parse_address(struct span span, struct pci_address *ret_address);
const CHAR16 *set_addresses(struct pci_address_list *list, struct span value);
const CHAR16 *apply(struct options *options, struct span item);

static struct span whole; /* the text, which ends where its object ends */
static struct options given;
static bool is_complaint_due;

/* The end of an object, from any of its characters on. */
static struct span any_text(size_t max)
{
    CHAR16 *memory = malloc(max * sizeof(*memory));
    size_t length = nondet_size();

    assume(memory != NULL && length <= max);
    whole = (struct span){memory + max - length, memory + max};
    return whole;
}

static bool is_in_text(struct span span)
{
    return __CPROVER_same_object(span.at, whole.at) && __CPROVER_same_object(span.end, whole.at) &&
           whole.at <= span.at && span.at <= span.end && span.end <= whole.end;
}

/* ---- what options.c proves ---- */

struct span split(struct span *rest, CHAR16 separator)
{
    struct span head = *rest;
    size_t length = nondet_size();

    (void)separator;
    claim(is_in_text(*rest), "what is split is in the text");
    assume(length <= (size_t)(rest->end - rest->at));
    head.end = head.at + length;
    rest->at = head.end == rest->end ? head.end : head.end + 1;
    return head;
}

bool parse_hex(struct span span, uint32_t max, uint32_t *ret_value)
{
    uint32_t value = nondet_uint32();

    claim(is_in_text(span), "a number is in the text");
    if (nondet_bool())
        return false;
    assume(value <= max);
    *ret_value = value;
    return true;
}

unsigned count_of(struct span span, CHAR16 character)
{
    (void)character;
    claim(is_in_text(span), "what is counted is in the text");
    return nondet_uint16();
}

bool is_word(struct span span, const CHAR16 *word)
{
    (void)word;
    claim(is_in_text(span), "a word is in the text");
    return nondet_bool();
}

static bool is_address(const struct pci_address *address)
{
    return address->device <= 0x1f && address->function <= 7;
}

/* ---- the proofs ---- */

#ifndef OWN_ADDRESS
void prove_options_address(void)
{
    struct pci_address before = {nondet_uint16(), nondet_uint8(), nondet_uint8(), nondet_uint8()};
    struct pci_address address = before;

    if (parse_address(any_text(TEXT_MAX), &address))
        claim(is_address(&address), "an address has a device and a function that PCI has");
    else
        claim(pci_address_is_equal(&address, &before), "what is no address changes nothing");
}
#else
bool parse_address(struct span span, struct pci_address *ret_address)
{
    struct pci_address address = {nondet_uint16(), nondet_uint8(), nondet_uint8(), nondet_uint8()};

    claim(is_in_text(span), "an address is in the text");
    claim(__CPROVER_w_ok(ret_address, sizeof(*ret_address)), "it has a place in the list");
    if (nondet_bool())
        return false;
    assume(is_address(&address));
    *ret_address = address;
    return true;
}
#endif

#if defined(OWN_ADDRESS) && !defined(OWN_ADDRESSES)
/* A list has at most as many addresses as it has places, and at least one. A text that is not
 * understood leaves the list as it was. */
void prove_options_addresses(void)
{
    struct pci_address_list before = {.count = nondet_uint32()};
    struct pci_address_list list;
    unsigned at = nondet_uint16();

    assume(at < OPTIONS_ADDRESSES_MAX);
    before.addresses[at].device = nondet_uint8();
    list = before;
    if (set_addresses(&list, any_text(TEXT_MAX))) {
        claim(list.count == before.count &&
                  pci_address_is_equal(&list.addresses[at], &before.addresses[at]),
              "what is not understood changes nothing");
        return;
    }
    claim(list.count >= 1 && list.count <= OPTIONS_ADDRESSES_MAX, "a list has places for all");
    claim(at >= list.count || is_address(&list.addresses[at]), "which are addresses");
}
#elif defined(OWN_ADDRESSES)
const CHAR16 *set_addresses(struct pci_address_list *list, struct span value)
{
    claim(list == &given.only || list == &given.skip, "a list of the options is set");
    claim(is_in_text(value), "a list is in the text");
    if (nondet_bool())
        return L"no";
    list->count = nondet_uint8();
    assume(list->count >= 1 && list->count <= OPTIONS_ADDRESSES_MAX);
    return NULL;
}
#endif

#ifdef OWN_ADDRESSES
static bool are_sane(const struct options *options)
{
    return options->verbosity <= VERBOSITY_ALL && options->stack <= STACK_FIRMWARE &&
           options->only.count <= OPTIONS_ADDRESSES_MAX &&
           options->skip.count <= OPTIONS_ADDRESSES_MAX;
}

static void make_options(void)
{
    given.takeover = nondet_bool();
    given.verbosity = nondet_bool()   ? VERBOSITY_ERRORS
                      : nondet_bool() ? VERBOSITY_TAKEOVERS
                                      : VERBOSITY_ALL;
    given.stack = nondet_bool() ? STACK_OWN : STACK_FIRMWARE;
    given.only.count = nondet_uint8();
    given.skip.count = nondet_uint8();
    assume(are_sane(&given));
}
#endif

#if defined(OWN_ADDRESSES) && !defined(OWN_APPLY)
/* An item sets one option to a value that it may have, or is not understood and changes nothing. */
void prove_options_item(void)
{
    struct options before;

    make_options();
    before = given;
    if (apply(&given, any_text(TEXT_MAX)))
        claim(given.takeover == before.takeover && given.verbosity == before.verbosity &&
                  given.stack == before.stack && given.only.count == before.only.count &&
                  given.skip.count == before.skip.count,
              "what is not understood changes nothing");
    claim(are_sane(&given), "each option has a value that it may have");
}
#elif defined(OWN_APPLY)
static bool separates(CHAR16 c)
{
    return c == L' ' || c == L'\t' || c == L'\r' || c == L'\n';
}

static struct span last_item;

const CHAR16 *apply(struct options *options, struct span item)
{
    size_t at = nondet_size();

    claim(options == &given, "the options are the caller's");
    claim(is_in_text(item) && item.at < item.end, "an item is in the text, and not empty");
    claim(item.end == whole.end || *item.end == 0 || separates(*item.end), "it is whole");
    claim(!last_item.at || item.at > last_item.end, "it comes after the last one");
    last_item = item;
    if (at < (size_t)(item.end - item.at))
        claim(item.at[at] != 0 && !separates(item.at[at]), "nothing separates it");
    is_complaint_due = nondet_bool();
    return is_complaint_due ? L"no" : NULL;
}

static void complain(void *context, const CHAR16 *item, size_t length, const CHAR16 *why)
{
    claim(context == &whole && why, "a complaint has its context and its reason");
    claim(is_complaint_due && item == last_item.at && length == (size_t)(last_item.end - item),
          "it names the item that was not understood");
    is_complaint_due = false;
}

/* Every item up to the end is applied, in order; of each that is not understood there is one
 * complaint. */
void prove_options_parse(void)
{
    struct span text = any_text(PARSE_MAX);
    size_t at = nondet_size();

    options_parse(&given, text.at, (size_t)(text.end - text.at), complain, &whole);
    claim(!is_complaint_due, "no complaint is missing");
    for (size_t i = 0; i < PARSE_MAX && i < (size_t)(text.end - text.at); i++)
        assume(text.at[i] != 0 || i > at); /* up to here there is no terminator */
    if (at < (size_t)(text.end - text.at) && !separates(text.at[at]))
        claim(last_item.at && at < (size_t)(last_item.end - text.at), "no item is left out");
}
#endif
