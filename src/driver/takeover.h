/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Hands NICs that another driver holds over to this one, once, when the image
 * starts. A polite driver would wait for a reset that most users never think of:
 * the firmware's own driver keeps a NIC for as long as its network stack is on it.
 */
#ifndef TAKEOVER_H
#define TAKEOVER_H

#include <efi.h>

#include "driver/options.h"

/* Take over every NIC that `options` admit, except the one that `image` was loaded through.
 * The driver binding is installed. One line per NIC says whom it was taken from, or why
 * not. A NIC that does not come over is given back to any driver that wants it. */
void takeover_run(EFI_HANDLE image, const struct options *options);

#endif
