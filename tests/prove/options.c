/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Parts of the options' text: words, numbers, lists. A part has any characters, and is an object
 * that ends where the part ends, so that a character beyond it is outside.
 *
 * The functions are static in the driver: proofs.txt compiles it without that.
 */
#include "driver/options.h"

#define CHARS_MAX 12u

struct span {
    const CHAR16 *at;
    const CHAR16 *end;
};

bool is_word(struct span span, const CHAR16 *word);
struct span split(struct span *rest, CHAR16 separator);
bool parse_hex(struct span span, uint32_t max, uint32_t *ret_value);
unsigned count_of(struct span span, CHAR16 character);

/* The end of an object, from any of its characters on. */
static struct span any_span(void)
{
    CHAR16 *memory = malloc(CHARS_MAX * sizeof(*memory));
    size_t length = nondet_size();

    assume(memory != NULL && length <= CHARS_MAX);
    return (struct span){memory + CHARS_MAX - length, memory + CHARS_MAX};
}

/* What is cut off ends before the first separator; the rest begins behind it, and ends where it
 * did. */
void prove_options_split(void)
{
    struct span before = any_span();
    struct span rest = before;
    CHAR16 separator = nondet_uint16();
    struct span head = split(&rest, separator);
    size_t at = nondet_size();

    claim(head.at == before.at && head.end <= before.end && rest.end == before.end,
          "both parts are in the whole");
    claim(head.end == before.end ? rest.at == before.end
                                 : *head.end == separator && rest.at == head.end + 1,
          "what is between them is the separator");
    assume(at < (size_t)(head.end - head.at));
    claim(head.at[at] != separator, "the first one");
}

/* The longest word that options have is 8 characters long. */
void prove_options_word(void)
{
    static const CHAR16 *const words[] = {L"on",      L"off",   L"own",  L"firmware", L"takeover",
                                          L"verbose", L"stack", L"only", L"skip"};
    struct span span = any_span();
    uint8_t which = nondet_uint8();
    size_t length = (size_t)(span.end - span.at);
    size_t at = nondet_size();

    assume(which < sizeof(words) / sizeof(words[0]));
    if (!is_word(span, words[which]))
        return;
    claim(words[which][length] == 0, "a word has its length");
    assume(at < length);
    claim(span.at[at] == words[which][at], "and its characters");
}

static bool is_digit(CHAR16 c)
{
    return (c >= L'0' && c <= L'9') || (c >= L'a' && c <= L'f') || (c >= L'A' && c <= L'F');
}

/* A number is all digits, one at least, and not above its limit. */
void prove_options_number(void)
{
    struct span span = any_span();
    uint32_t max = nondet_uint16();
    uint32_t before = nondet_uint32();
    uint32_t value = before;
    size_t at = nondet_size();

    if (!parse_hex(span, max, &value)) {
        claim(value == before, "what is no number changes nothing");
        return;
    }
    claim(value <= max, "a number is not above its limit");
    claim(span.at < span.end, "it has a digit");
    assume(at < (size_t)(span.end - span.at));
    claim(is_digit(span.at[at]), "and nothing else");
}

void prove_options_count(void)
{
    struct span span = any_span();

    claim(count_of(span, nondet_uint16()) <= (size_t)(span.end - span.at),
          "no character counts twice");
}
