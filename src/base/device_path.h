/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Device paths: only what locates a NIC in the tree. Source: UEFI 2.10, 10.
 */
#ifndef DEVICE_PATH_H
#define DEVICE_PATH_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

/* A path is followed for at most this many bytes, its end node included. */
#define DEVICE_PATH_BYTES_MAX 0x10000u

/* Bytes before the end node. 0 for an empty path and for a malformed one (a node shorter
 * than its header, or no end within DEVICE_PATH_BYTES_MAX). */
size_t device_path_bytes(const EFI_DEVICE_PATH *path);

/* True when `path` is below `parent` or equal to it. False if either is malformed. */
bool device_path_is_below(const EFI_DEVICE_PATH *path, const EFI_DEVICE_PATH *parent);

/* `path` and one more node, in a pool block. Errors: EFI_UNSUPPORTED, the path is empty or
 * malformed; EFI_OUT_OF_RESOURCES. */
EFI_STATUS device_path_append(const EFI_DEVICE_PATH *path, const EFI_DEVICE_PATH *node,
                              EFI_DEVICE_PATH **ret_path) __attribute__((warn_unused_result));

#endif
