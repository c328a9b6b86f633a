/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Configuration strings, which a form browser or any program sends. A string has any characters,
 * and is an object that ends with its terminator, so that a character beyond that is outside.
 *
 * Assumed: what UEFI says, that a string is terminated.
 */
#include "driver/config_string.h"

#define HEADER_MAX 12u

/* At most `max` characters, and a terminator. */
static const CHAR16 *any_string(size_t max)
{
    size_t length = nondet_size();
    CHAR16 *string;

    assume(length <= max);
    string = malloc((length + 1) * sizeof(CHAR16));
    assume(string != NULL);
    string[length] = 0;
    return string;
}

/* Nothing beyond either string is read; what follows a header is in the string, and is its end or
 * an element. */
void prove_config_header(void)
{
    const CHAR16 *string = any_string(HEADER_MAX);
    const CHAR16 *header = any_string(HEADER_MAX);
    const CHAR16 *rest = config_header_skip(string, header);

    claim(!rest || (__CPROVER_same_object(rest, string) && __CPROVER_r_ok(rest, sizeof(*rest)) &&
                    (*rest == 0 || *rest == L'&')),
          "the rest is in the string");
}
