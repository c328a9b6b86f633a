/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The checksum of IP, TCP and UDP: one's complement sums of 16 bits. Pure memory code.
 * Source: RFC 1071.
 */
#ifndef INET_SUM_H
#define INET_SUM_H

#include <stddef.h>
#include <stdint.h>

/* Add the bytes to an RFC 1071 sum in memory order. The sum's own first byte is at an even
 * offset, and so is `bytes`. Any length, any alignment. */
uint32_t inet_sum_add(uint32_t sum, const uint8_t *bytes, size_t length_bytes);

/* Fold a sum to 16 bits. */
uint16_t inet_sum_fold(uint32_t sum);

/* Store the checksum for `sum` in the 16 bits of `field`. */
void inet_sum_store(uint8_t *field, uint32_t sum);

#endif
