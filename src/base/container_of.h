/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#ifndef CONTAINER_OF_H
#define CONTAINER_OF_H

#include <stddef.h>
#include <stdint.h>

/* The structure of `type` whose `member` is at `pointer`. Firmware hands a protocol back to
 * us; what belongs to it surrounds it. A pointer of another type does not compile. It goes
 * through an integer since that alone serves const and other pointers. */
#define container_of(pointer, type, member)                                                        \
    ((type *)/* NOLINT(performance-no-int-to-ptr) */                                               \
     ((uintptr_t)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

#endif
