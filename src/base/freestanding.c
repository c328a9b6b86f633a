/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the compiler and gnu-efi's headers take for granted: three functions and
 * three pointers. libefi has them too, but brings 30 KiB along and copies byte by
 * byte. Host builds leave this file away: there libc and the fakes provide them.
 */
#include <efi.h>
#include <efilib.h>
#include <stddef.h>
#include <stdint.h>

#include "base/copy.h"

EFI_SYSTEM_TABLE *ST;
EFI_BOOT_SERVICES *BS;
EFI_RUNTIME_SERVICES *RT;

void *memcpy(void *to, const void *from, size_t length_bytes);
void *memset(void *to, int value, size_t length_bytes);
int memcmp(const void *a, const void *b, size_t length_bytes);

void *memcpy(void *to, const void *from, size_t length_bytes)
{
    copy_bytes(to, from, length_bytes);
    return to;
}

void *memset(void *to, int value, size_t length_bytes)
{
    volatile uint8_t *bytes = to; /* volatile: else this loop becomes a call of itself */

    while (length_bytes > 0)
        bytes[--length_bytes] = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t length_bytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (size_t i = 0; i < length_bytes; i++) {
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    }
    return 0;
}
