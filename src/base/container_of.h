/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#ifndef CONTAINER_OF_H
#define CONTAINER_OF_H

#include <stddef.h>
#include <stdint.h>

/* The structure of `type` whose `member` is at `pointer`. Firmware passes our own protocol
 * back to us, and the structure around it holds its state. A pointer of the wrong
 * type does not compile. The cast goes through an integer so that it works for const and
 * non-const alike. */
#define container_of(pointer, type, member)                                                        \
    ((type *)/* NOLINT(performance-no-int-to-ptr) */                                               \
     ((uintptr_t)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

#endif
