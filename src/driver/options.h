/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The user's options. One parser serves the load option (`bcfg driver -opt`) and the NV
 * variable, which exists because `load` passes no options.
 *
 * A text is a list of NAME=VALUE, separated by spaces:
 *   takeover=on|off             take over NICs that another driver holds (on)
 *   verbose=0|1|2               console messages: errors; takeovers; all (1)
 *   stack=own|firmware          whose Managed Network service clients find (own)
 *   only=ADDRESS[,ADDRESS…]     use only these PCI functions
 *   skip=ADDRESS[,ADDRESS…]     leave these alone
 * An ADDRESS is [SEGMENT:]BUS:DEVICE.FUNCTION in hexadecimal, such as 00:03.0. A later
 * setting replaces an earlier one.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pci_address.h"
#include "base/text.h"

#define OPTIONS_ADDRESSES_MAX 32u
#define OPTIONS_TEXT_MAX 896u

struct pci_address_list {
    unsigned count;
    struct pci_address addresses[OPTIONS_ADDRESSES_MAX];
};

enum verbosity {
    VERBOSITY_ERRORS,
    VERBOSITY_TAKEOVERS,
    VERBOSITY_ALL,
};

/* Who serves EFI_MANAGED_NETWORK_PROTOCOL on the NICs of this driver. */
enum stack {
    STACK_OWN,
    STACK_FIRMWARE,
};

struct options {
    bool takeover;
    enum verbosity verbosity;
    enum stack stack;
    struct pci_address_list only; /* empty: all */
    struct pci_address_list skip;
};

/* Called for each item that was not understood. `item` is the item in the text, `length`
 * characters, not terminated. */
typedef void options_complaint(void *context, const CHAR16 *item, size_t length, const CHAR16 *why);

void options_init(struct options *options);

/* Apply a text of `length` characters. A terminator may end it earlier; what follows the
 * terminator is ignored. An item that is not understood is reported and changes nothing. */
void options_parse(struct options *options, const CHAR16 *text, size_t length,
                   options_complaint *complain, void *context);

/* Set `list` to the addresses in a text of `length` characters, in the syntax of `only=`,
 * or to none if it is empty. Returns NULL, or why the text was not understood; the list
 * is then unchanged. */
const CHAR16 *options_parse_addresses(struct pci_address_list *list, const CHAR16 *text,
                                      size_t length);

/* The reverse. Leaves out the first address that does not fit, and all after it. */
void options_append_addresses(const struct pci_address_list *list, struct text *text);

/* Append a text from which options_parse makes the same options of the defaults: at most
 * OPTIONS_TEXT_MAX characters, the terminator included. */
void options_append(const struct options *options, struct text *text);

/* False for a PCI function that the user wants left alone. */
bool options_admit(const struct options *options, const struct pci_address *address);

#endif
