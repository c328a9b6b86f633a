/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What is inlined on the path of a frame. The driver is optimized as a whole at link
 * time (see the Makefile), so an `inline` function may be inlined into callers in other
 * files. These two words are stronger than that.
 */
#ifndef HOT_PATH_H
#define HOT_PATH_H

/* On the path of every frame: inline into each caller. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* On the path of hardly any frame: keep out of line, so that it uses none of its callers'
 * registers. */
#define OUT_OF_LINE __attribute__((noinline))

/* Nearly every frame takes the other branch, which is laid out straight on. */
#define UNLIKELY(condition) __builtin_expect(condition, 0)

#endif
