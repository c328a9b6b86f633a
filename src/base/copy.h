/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The only copy in the data path. libefi's memcpy moves a byte per iteration. x86's
 * string instruction moves a word at any alignment: one guest instruction per word under
 * emulation, a microcoded burst on a real CPU. On other architectures DMA memory may be
 * mapped as device memory, where an unaligned access faults, and frames have any
 * alignment. There only whole aligned words are accessed.
 */
#ifndef COPY_H
#define COPY_H

#include <stddef.h>
#include <stdint.h>

#define COPY_WORD_BYTES sizeof(uint64_t)
#define COPY_WORD_BITS 64u

typedef uint64_t __attribute__((may_alias)) copy_word;

static inline void copy_by_bytes(uint8_t *to, const uint8_t *from, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        uint8_t byte = from[i];

        __asm__("" : "+r"(byte)); /* keeps this loop from becoming a call of memcpy */
        to[i] = byte;
    }
}

/* Copy `count` words to an aligned `to`, each combined from the two aligned words that
 * contain it. A word is read only if at least one of its bytes is copied. Little-endian. */
static inline void copy_words(copy_word *to, const uint8_t *from, size_t count)
{
    unsigned shift = (uintptr_t)from % COPY_WORD_BYTES * 8;
    const copy_word *source = (const void *)(from - (uintptr_t)from % COPY_WORD_BYTES);
    copy_word low;

    if (shift == 0) {
        for (size_t i = 0; i < count; i++) {
            copy_word word = source[i];

            __asm__("" : "+r"(word));
            to[i] = word;
        }
        return;
    }
    low = count > 0 ? source[0] : 0;
    for (size_t i = 0; i < count; i++) {
        copy_word high = source[i + 1];

        to[i] = low >> shift | high << (COPY_WORD_BITS - shift);
        low = high;
    }
}

/* Copy with aligned accesses only, whatever the alignment of either side. */
static inline void copy_aligned(void *to, const void *from, size_t length_bytes)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    size_t head = -(uintptr_t)target % COPY_WORD_BYTES;
    size_t body;

    if (head > length_bytes)
        head = length_bytes;
    copy_by_bytes(target, source, head);
    body = (length_bytes - head) / COPY_WORD_BYTES * COPY_WORD_BYTES;
    copy_words((void *)(target + head), source + head, body / COPY_WORD_BYTES);
    copy_by_bytes(target + head + body, source + head + body, length_bytes - head - body);
}

/* Copy `length_bytes` from `from` to `to`, which do not overlap. Hosted builds
 * (unit tests, fuzzers) use memcpy, which the sanitizers check. */
static inline void copy_bytes(void *to, const void *from, size_t length_bytes)
{
#if __STDC_HOSTED__
    __builtin_memcpy(to, from, length_bytes);
#elif defined(__x86_64__) || defined(__i386__)
#ifdef __x86_64__
#define COPY_STRING "rep movsq"
#else
#define COPY_STRING "rep movsl"
#endif
    size_t words = length_bytes / sizeof(size_t);
    size_t rest = length_bytes % sizeof(size_t);

    __asm__ volatile(COPY_STRING : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
#else
    copy_aligned(to, from, length_bytes);
#endif
}

#endif
