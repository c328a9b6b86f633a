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

/* One's complement addition. */
static inline uint64_t add_word(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

/* Add whole words, each at a multiple of its size where that matters, and move on. */
#define ADD_WORDS(word_type)                                                                       \
    while (length_bytes >= sizeof(word_type) &&                                                    \
           (READS_UNALIGNED || (uintptr_t)bytes % sizeof(word_type) == 0)) {                       \
        word_type word;                                                                            \
                                                                                                   \
        __builtin_memcpy(&word, __builtin_assume_aligned(bytes, ALIGNMENT(word_type)),             \
                         sizeof(word));                                                            \
        total = add_word(total, word);                                                             \
        bytes += sizeof(word);                                                                     \
        length_bytes -= sizeof(word);                                                              \
    }
#define ALIGNMENT(word_type) (READS_UNALIGNED ? 1 : sizeof(word_type))

uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    uint64_t total = sum;

    ADD_WORDS(uint64_t)
    ADD_WORDS(uint32_t)
    for (; length_bytes >= sizeof(uint16_t); length_bytes -= sizeof(uint16_t)) {
        total = add_word(total, (uint64_t)(bytes[0] | (unsigned)bytes[1] << 8));
        bytes += sizeof(uint16_t);
    }
    if (length_bytes > 0)
        total = add_word(total, *bytes); /* UEFI is little-endian: the first byte is the low one */
    total = (total & UINT32_MAX) + (total >> 32);
    return inet_sum_fold((uint32_t)(total & 0xffffu) + (uint32_t)(total >> 16 & 0xffffu) +
                         (uint32_t)(total >> 32));
}

void inet_sum_store(uint8_t *field, uint32_t sum)
{
    uint16_t checksum = (uint16_t)~inet_sum_fold(sum);

    __builtin_memcpy(field, &checksum, sizeof(checksum));
}
