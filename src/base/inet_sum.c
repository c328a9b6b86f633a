/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "base/inet_sum.h"

#include <stdbool.h>

uint16_t inet_sum_fold(uint32_t sum)
{
    sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

#if defined(__x86_64__) || defined(__i386__)
#define READS_UNALIGNED true
#else
#define READS_UNALIGNED false /* the compiler would make single bytes of a word */
#endif

/* As many bytes at once as a register holds. */
typedef size_t sum_word;

#define WORD_BYTES sizeof(sum_word)
#define ROUND_WORDS 8u
#define ROUND_BYTES (ROUND_WORDS * WORD_BYTES)

static inline bool is_readable(const uint8_t *bytes)
{
    return READS_UNALIGNED || (uintptr_t)bytes % WORD_BYTES == 0;
}

static inline sum_word read_word(const uint8_t *bytes)
{
    sum_word word;

    __builtin_memcpy(&word, __builtin_assume_aligned(bytes, READS_UNALIGNED ? 1 : WORD_BYTES),
                     sizeof(word));
    return word;
}

/* Words, with their carries apart: an addition and an addition with carry. */
struct sum {
    sum_word low;
    sum_word carries;
};

static inline void add_word(struct sum *sum, sum_word word)
{
    sum->low += word;
    sum->carries += sum->low < word;
}

static inline sum_word read_pair(const uint8_t *bytes)
{
    return bytes[0] | (sum_word)bytes[1] << 8;
}

uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    const uint8_t *end = bytes + length_bytes;
    struct sum total = {.low = sum};
    uint64_t folded;

    /* The order of the pairs does not matter, so some may come before the first whole word. */
    for (; end - bytes >= 2 && !is_readable(bytes); bytes += 2)
        add_word(&total, read_pair(bytes));
    for (; end - bytes >= (ptrdiff_t)ROUND_BYTES; bytes += ROUND_BYTES) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < ROUND_WORDS; i++)
            add_word(&total, read_word(bytes + i * WORD_BYTES));
    }
    for (; end - bytes >= (ptrdiff_t)WORD_BYTES; bytes += WORD_BYTES)
        add_word(&total, read_word(bytes));
    for (; end - bytes >= 2; bytes += 2)
        add_word(&total, read_pair(bytes));
    if (bytes < end)
        add_word(&total, *bytes); /* UEFI is little-endian: the first byte is the low one */

    folded = (total.low & UINT32_MAX) + ((uint64_t)total.low >> 32) + total.carries;
    folded = (folded & UINT32_MAX) + (folded >> 32);
    return inet_sum_fold((uint32_t)(folded & 0xffffu) + (uint32_t)(folded >> 16));
}

void inet_sum_store(uint8_t *field, uint32_t sum)
{
    uint16_t checksum = (uint16_t)~inet_sum_fold(sum);

    __builtin_memcpy(field, &checksum, sizeof(checksum));
}
