/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Texts in a buffer, which ends where an object ends and is filled up to any place. What is
 * appended has any characters.
 */
#include "base/text.h"

#define CAPACITY_MAX 6u
#define STRING_MAX 5u

/* Nothing outside the buffer is written. The text is terminated, what was there stays, and it grows
 * by what is appended, or as far as it fits. */
void prove_text(void)
{
    struct text text = {.capacity = nondet_size(), .length = nondet_size()};
    CHAR16 memory[CAPACITY_MAX];
    CHAR16 string[STRING_MAX + 1];
    size_t count = nondet_size();
    size_t at = nondet_size();
    size_t before = text.length;
    CHAR16 kept;

    assume(text.capacity <= CAPACITY_MAX && text.length < text.capacity && at < text.capacity);
    assume(count <= STRING_MAX);
    text.buffer = memory + CAPACITY_MAX - text.capacity;
    assume(text.buffer[text.length] == 0);
    kept = text.buffer[at];

    switch (nondet_uint8()) {
    case 0:
        for (size_t i = 0; i < STRING_MAX; i++)
            assume((string[i] == 0) == (i == count) || i > count);
        string[STRING_MAX] = 0;
        text_append(&text, string);
        break;
    case 1:
        text_append_part(&text, string + STRING_MAX + 1 - count, count);
        break;
    default:
        text_append_hex(&text, nondet_uint64(), (unsigned)count);
        break;
    }
    claim(text.length == (before + count < text.capacity ? before + count : text.capacity - 1),
          "it grows by what is appended, as far as that fits");
    claim(text.buffer[text.length] == 0, "it is terminated");
    claim(at >= before || text.buffer[at] == kept, "what was there stays");
}

/* In a proof of its own the driver's function is not static. */
unsigned divide_by_ten(uint64_t *value);

void prove_text_divide(void)
{
    uint64_t value = nondet_uint64();
    uint64_t quotient = value;
    unsigned rest = divide_by_ten(&quotient);

    claim(rest < 10, "a rest is a digit");
    claim(quotient <= UINT64_MAX / 10 && quotient * 10 + rest == value, "the division is correct");
}
