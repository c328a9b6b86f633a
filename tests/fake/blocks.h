/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#ifndef FAKE_BLOCKS_H
#define FAKE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* `size` bytes of `fill`, on a page if `size` is whole pages. AddressSanitizer sees accesses beyond
 * them and after fake_block_free(). */
void *fake_block_new(size_t size, uint8_t fill);
void fake_block_free(void *memory);

#endif
