/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Device paths, as far as a NIC's place in the tree goes. Source: UEFI 2.10, 10.
 */
#ifndef DEVICE_PATH_H
#define DEVICE_PATH_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes in front of the end node of a path that the firmware vouches for. */
size_t device_path_bytes(const EFI_DEVICE_PATH *path);

/* True when `path` lies below `parent`, or is the same. */
bool device_path_is_below(const EFI_DEVICE_PATH *path, const EFI_DEVICE_PATH *parent);

#endif
