/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the code that every frame passes through ends up. The driver is optimized as
 * a whole when it is linked (see the Makefile), so an `inline` function may become a
 * part of its callers in other files; two words say more than that.
 */
#ifndef HOT_PATH_H
#define HOT_PATH_H

/* Every frame passes through: inlined into each caller. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Hardly any frame passes through: kept out of line, so that it takes no registers of its
 * callers. */
#define OUT_OF_LINE __attribute__((noinline))

/* Nearly every frame takes the other branch, which is laid out straight on. */
#define UNLIKELY(condition) __builtin_expect(condition, 0)

#endif
