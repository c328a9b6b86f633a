/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Included before every file of a proof, driver and harness. CBMC knows these functions of the C
 * library, and not the compiler's names for them.
 */
#ifndef PROVE_H
#define PROVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *malloc(size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memcpy(void *to, const void *from, size_t size);

/* A proof of code that clears memory supplies this: CBMC's own writes an object byte by byte. */
void prove_memset(void *to, int value, size_t size);

#define __builtin_memcmp memcmp
#define __builtin_memcpy memcpy
#define __builtin_memset prove_memset
#define __builtin_assume_aligned(pointer, alignment) (pointer)

/* Any value, chosen anew at each call. */
bool nondet_bool(void);
uint8_t nondet_uint8(void);
uint16_t nondet_uint16(void);
uint32_t nondet_uint32(void);
uint64_t nondet_uint64(void);
size_t nondet_size(void);

void __CPROVER_assume(bool condition);
void __CPROVER_assert(bool condition, const char *claim);
#define assume(condition) __CPROVER_assume(condition)
#define claim(condition, text) __CPROVER_assert(condition, text)

#endif
