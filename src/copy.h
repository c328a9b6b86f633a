/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The one copy of the data path. libefi's memcpy moves a byte per iteration;
 * the string instruction moves eight, which is one guest instruction each under
 * emulation and a microcoded burst on a real CPU.
 */
#ifndef COPY_H
#define COPY_H

#include <stddef.h>
#include <stdint.h>

/* Copy `length_bytes` from `from` to `to`, which do not overlap. Hosted builds
 * (unit tests, fuzzers) use memcpy, which the sanitizers can see into. */
static inline void copy_bytes(void *to, const void *from, size_t length_bytes)
{
#if __STDC_HOSTED__
    __builtin_memcpy(to, from, length_bytes);
#elif defined(__x86_64__)
    size_t words = length_bytes / 8;
    size_t rest = length_bytes % 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
#else
    volatile uint8_t *target = to; /* volatile: else this becomes a call of memcpy */
    const uint8_t *source = from;

    while (length_bytes-- > 0)
        *target++ = *source++;
#endif
}

#endif
