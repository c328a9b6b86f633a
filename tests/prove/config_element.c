/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Elements and headers of configuration strings. What config_string.c, device_path.c and text.c
 * prove of the functions below is not proven again: they are replaced here by any answer that they
 * may give. For this the driver is compiled without `static`, as proofs.txt says.
 *
 * Assumed: what UEFI says, that a string is terminated and a path is whole.
 */
#include "base/device_path.h"
#include "driver/config_string.h"

#define STRING_MAX 0x10000u
#define NAME_MAX 4u
#define PATH_MAX 32u
#define BLOCK_MAX 8u

static const CHAR16 *string_end; /* the terminator of the string that is read */
static size_t path_length;

static bool is_in_string(const CHAR16 *at)
{
    return __CPROVER_same_object(at, string_end) && at <= string_end;
}

/* A number is its key and a digit or more. */
const CHAR16 *read_number(const CHAR16 *at, const CHAR16 *key, uint16_t *ret_number)
{
    size_t length = nondet_size();

    claim(is_in_string(at), "a number is read in the string");
    if (nondet_bool())
        return NULL;
    assume(length > (key[1] == L'O' ? 8u : 7u) && length <= (size_t)(string_end - at));
    *ret_number = nondet_uint16();
    return at + length;
}

const CHAR16 *read_value(const CHAR16 *at, struct config_element *element)
{
    size_t count = nondet_size();

    claim(is_in_string(at), "a value is read in the string");
    if (nondet_bool() || string_end - at < 8)
        return NULL;
    assume(count > 0 && count <= 2u * element->width && count <= (size_t)(string_end - at) - 7);
    element->digits = at + 7;
    element->digit_count = count;
    return at + 7 + count;
}

static void grow(struct text *text, size_t length)
{
    claim(length < text->capacity - text->length, "nothing is cut off");
    text->length += length;
}

void text_append(struct text *text, const CHAR16 *string)
{
    size_t length = 0;

    while (string[length])
        length++;
    grow(text, length);
}

void text_append_part(struct text *text, const CHAR16 *string, size_t length)
{
    claim(__CPROVER_r_ok(string, length * sizeof(*string)), "the part is in its string");
    grow(text, length);
}

void text_append_hex(struct text *text, uint64_t value, unsigned digits)
{
    (void)value;
    claim(digits >= 1 && digits <= 16, "as many digits as text.h allows");
    grow(text, digits);
}

size_t device_path_bytes(const EFI_DEVICE_PATH *path)
{
    (void)path;
    return path_length;
}

/* An element is in the string and its part in the block, and what is none moves nothing. */
void prove_config_element(void)
{
    size_t length = nondet_size();
    CHAR16 *memory;
    size_t block_bytes = nondet_uint16();
    bool has_value = nondet_bool();
    struct config_element element;
    const CHAR16 *start;
    const CHAR16 *at;

    assume(length <= STRING_MAX);
    start = at = memory = malloc((length + 1) * sizeof(CHAR16));
    assume(memory != NULL);
    memory[length] = 0;
    string_end = memory + length;

    if (!config_element_next(&at, block_bytes, has_value, &element)) {
        claim(at == start, "what is no element is not passed");
        return;
    }
    claim(is_in_string(at) && (*at == 0 || *at == L'&'), "the next one begins in the string");
    claim(element.text == start && element.length >= 17 && element.length <= (size_t)(at - start),
          "the element is in the string");
    claim(element.width > 0 && (size_t)element.offset + element.width <= block_bytes,
          "its part is in the block");
    claim(!has_value || (element.digits >= start + element.length && element.digit_count > 0 &&
                         element.digit_count <= 2u * element.width &&
                         element.digits + element.digit_count <= at),
          "its value is in the string and fits");
}

/* An element is answered in as many characters as were counted, from its text and its part. */
void prove_config_answer(void)
{
    struct config_element element = {.offset = nondet_uint16(), .width = nondet_uint16()};
    struct text text = {.length = nondet_uint16()};
    size_t before = text.length;
    uint8_t block[BLOCK_MAX];

    element.length = nondet_uint16();
    assume(element.width > 0 && element.offset + element.width <= BLOCK_MAX);
    element.text = malloc(element.length * sizeof(CHAR16));
    assume(element.text != NULL);

    text.capacity = before + config_element_chars(&element) + 1;
    config_element_append(&element, block, &text);
    claim(text.length + 1 == text.capacity, "it needs what was counted");
}

/* A header is as long as was counted, from its name and its path. */
void prove_config_header_text(void)
{
    EFI_GUID guid;
    CHAR16 memory[NAME_MAX + 1];
    size_t first = nondet_size();
    struct text text = {.length = 0};
    EFI_DEVICE_PATH *path;

    path_length = nondet_size();
    assume(first <= NAME_MAX && path_length <= PATH_MAX - sizeof(*path));
    memory[NAME_MAX] = 0;
    path = malloc(path_length + sizeof(*path));
    assume(path != NULL);

    text.capacity = config_header_chars(memory + first, path);
    config_header_append(&text, &guid, memory + first, path);
    claim(text.length + 1 == text.capacity, "it needs what was counted");
}
