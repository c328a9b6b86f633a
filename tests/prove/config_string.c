/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Configuration strings, which a form browser or any program sends. A string has any characters,
 * and is an object that ends with its terminator, so that a character beyond that is outside.
 *
 * config_number and config_value call functions that are static in the driver: proofs.txt compiles
 * it without that.
 *
 * Assumed: what UEFI says, that a string is terminated.
 */
#include "driver/config_string.h"

#define HEADER_MAX 12u
#define NUMBER_MAX 14u /* "&OFFSET=" and six digits */
#define VALUE_MAX 12u  /* "&VALUE=" and five digits */
#define BLOCK_MAX 4u

const CHAR16 *read_number(const CHAR16 *at, const CHAR16 *key, uint16_t *ret_number);
const CHAR16 *read_value(const CHAR16 *at, struct config_element *element);

void prove_memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)value;
}

/* At most `max` characters, and a terminator. */
static const CHAR16 *any_string(size_t max)
{
    size_t length = nondet_size();
    CHAR16 *string;

    assume(length <= max);
    string = malloc((length + 1) * sizeof(CHAR16));
    assume(string != NULL);
    string[length] = 0;
    return string;
}

/* Nothing beyond either string is read; what follows a header is in the string, and is its end or
 * an element. */
void prove_config_header(void)
{
    const CHAR16 *string = any_string(HEADER_MAX);
    const CHAR16 *header = any_string(HEADER_MAX);
    const CHAR16 *rest = config_header_skip(string, header);

    claim(!rest || (__CPROVER_same_object(rest, string) && __CPROVER_r_ok(rest, sizeof(*rest)) &&
                    (*rest == 0 || *rest == L'&')),
          "the rest is in the string");
}

/* The end of a string of exactly `max` characters, from any of them on. */
static const CHAR16 *any_end(size_t max)
{
    CHAR16 *memory = malloc((max + 1) * sizeof(CHAR16));
    size_t at = nondet_size();

    assume(memory != NULL && at <= max);
    memory[max] = 0;
    return memory + at;
}

static bool is_digit(CHAR16 c)
{
    return (c >= L'0' && c <= L'9') || (c >= L'a' && c <= L'f') || (c >= L'A' && c <= L'F');
}

/* A number has a key and a digit at least, in the string, and is below 0x10000. What is no number
 * changes nothing. */
void prove_config_number(void)
{
    const CHAR16 *string = any_end(NUMBER_MAX);
    uint16_t before = nondet_uint16();
    uint16_t number = before;
    const CHAR16 *rest = read_number(string, L"&OFFSET=", &number);

    if (!rest)
        claim(number == before, "what is no number changes nothing");
    else
        claim(__CPROVER_same_object(rest, string) && rest >= string + 9 &&
                  __CPROVER_r_ok(rest, sizeof(*rest)) && is_digit(rest[-1]) && !is_digit(*rest),
              "the rest begins after the digits");
    claim(!rest || rest - string < 13 || string[8] == L'0', "five digits are too many");
}

/* A value has a key and digits, at most two for each byte, in the string. */
void prove_config_value(void)
{
    const CHAR16 *string = any_end(VALUE_MAX);
    struct config_element element = {.width = nondet_uint16()};
    const CHAR16 *rest = read_value(string, &element);
    size_t at = nondet_size();

    if (!rest)
        return;
    claim(element.digits == string + 7 && rest == element.digits + element.digit_count &&
              __CPROVER_r_ok(rest, sizeof(*rest)),
          "the digits are in the string");
    claim(element.digit_count > 0 && element.digit_count <= 2u * element.width,
          "a value fits into its part");
    assume(at < element.digit_count);
    claim(is_digit(element.digits[at]), "and is all digits");
}

/* A value is written into its part of the block and nowhere else, its last digit first. */
void prove_config_get(void)
{
    CHAR16 digits[2 * BLOCK_MAX];
    uint8_t memory[BLOCK_MAX];
    struct config_element element = {.offset = nondet_uint16(), .width = nondet_uint16()};
    size_t block_bytes = nondet_size();
    size_t at = nondet_size();
    uint8_t *block;
    uint8_t before;
    CHAR16 last;

    assume(block_bytes > 0 && block_bytes <= BLOCK_MAX && at < block_bytes);
    assume(element.width > 0 && (size_t)element.offset + element.width <= block_bytes);
    element.digit_count = nondet_size();
    assume(element.digit_count > 0 && element.digit_count <= 2u * element.width);
    element.digits = digits + 2 * BLOCK_MAX - element.digit_count;
    last = digits[2 * BLOCK_MAX - 1];
    block = memory + BLOCK_MAX - block_bytes;
    before = block[at];

    config_element_get(&element, block);
    if (at < element.offset || at >= (size_t)element.offset + element.width)
        claim(block[at] == before, "what is beside the part is as it was");
    else if (2 * (at - element.offset) >= element.digit_count)
        claim(block[at] == 0, "missing digits are zeros");
    if (at == element.offset && last >= L'0' && last <= L'9')
        claim((block[at] & 0xf) == last - L'0', "the last digit comes first");
}
