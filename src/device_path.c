/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Walks device paths node by node.
 */
#include "device_path.h"

#include <stdint.h>

static size_t node_bytes(const EFI_DEVICE_PATH *node)
{
    return (size_t)node->Length[0] | (size_t)node->Length[1] << 8;
}

static bool is_end(const EFI_DEVICE_PATH *node)
{
    return node->Type == END_DEVICE_PATH_TYPE && node->SubType == END_ENTIRE_DEVICE_PATH_SUBTYPE;
}

size_t device_path_bytes(const EFI_DEVICE_PATH *path)
{
    const uint8_t *at = (const uint8_t *)path;

    while (!is_end((const EFI_DEVICE_PATH *)at))
        at += node_bytes((const EFI_DEVICE_PATH *)at);
    return (size_t)(at - (const uint8_t *)path);
}

bool device_path_is_below(const EFI_DEVICE_PATH *path, const EFI_DEVICE_PATH *parent)
{
    size_t bytes = device_path_bytes(parent);

    return device_path_bytes(path) >= bytes && __builtin_memcmp(path, parent, bytes) == 0;
}
