/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * RFC 1071's sum of bytes. They lie at the very end of an object, so that a byte beyond them is
 * outside. Assumed: nobody changes them meanwhile.
 */
#include "base/inet_sum.h"

#define BYTES_MAX 256u
#define VALUES_MAX 5u /* equality of sums is hard to decide */
#define PLACES_MAX 80u

/* No byte outside, whatever the length. */
void prove_inet_sum_bounds(void)
{
    static uint8_t memory[BYTES_MAX];
    size_t length_bytes = nondet_size();

    assume(length_bytes <= BYTES_MAX);
    (void)inet_sum_add(nondet_uint32(), memory + BYTES_MAX - length_bytes, length_bytes);
}

/* The sum is the one that RFC 1071 defines: words of 16 bits, carries added at the end. */
void prove_inet_sum_value(void)
{
    uint8_t bytes[VALUES_MAX];
    size_t length_bytes = nondet_size();
    uint16_t before = nondet_uint16();
    uint32_t wanted = before;

    assume(length_bytes <= VALUES_MAX);
    for (size_t i = 0; i < length_bytes; i++)
        wanted += i % 2 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (wanted >> 16)
        wanted = (wanted & 0xffff) + (wanted >> 16);
    claim(inet_sum_fold(inet_sum_add(before, bytes, length_bytes)) == wanted, "RFC 1071's sum");
}

/* Each byte counts once, at its place, whatever the length: the sum of bytes of which all but one
 * are 0. Which bytes are read depends on their number alone, so any bytes are the sum of such. */
void prove_inet_sum_places(void)
{
    static uint8_t memory[PLACES_MAX];
    size_t length_bytes = nondet_size();
    size_t place = nondet_size();
    uint8_t value = nondet_uint8();

    assume(length_bytes <= PLACES_MAX && place < length_bytes);
    memory[place] = value;
    claim(inet_sum_fold(inet_sum_add(0, memory, length_bytes)) ==
              (place % 2 ? (uint16_t)(value << 8) : value),
          "each byte counts once");
}
