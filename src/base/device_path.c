/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Walks device paths node by node, and makes longer ones.
 */
#include "base/device_path.h"

#include <efilib.h>
#include <stdint.h>

static size_t node_bytes(const EFI_DEVICE_PATH *node)
{
    return (size_t)node->Length[0] | (size_t)node->Length[1] << 8;
}

static bool is_end(const EFI_DEVICE_PATH *node)
{
    return node->Type == END_DEVICE_PATH_TYPE && node->SubType == END_ENTIRE_DEVICE_PATH_SUBTYPE;
}

/* The path may be anybody's. A node shorter than its own header would be walked forever,
 * and a path that never ends through all of memory. */
static bool measure(const EFI_DEVICE_PATH *path, size_t *ret_bytes)
{
    const uint8_t *start = (const uint8_t *)path;
    size_t bytes = 0;

    while (bytes <= DEVICE_PATH_BYTES_MAX - sizeof(*path)) {
        const EFI_DEVICE_PATH *node = (const EFI_DEVICE_PATH *)(start + bytes);

        *ret_bytes = bytes;
        if (is_end(node))
            return true;
        if (node_bytes(node) < sizeof(*node))
            return false;
        bytes += node_bytes(node);
    }
    return false;
}

size_t device_path_bytes(const EFI_DEVICE_PATH *path)
{
    size_t bytes;

    return measure(path, &bytes) ? bytes : 0;
}

bool device_path_is_below(const EFI_DEVICE_PATH *path, const EFI_DEVICE_PATH *parent)
{
    size_t bytes;
    size_t parent_bytes;

    return measure(path, &bytes) && measure(parent, &parent_bytes) && bytes >= parent_bytes &&
           __builtin_memcmp(path, parent, parent_bytes) == 0;
}

EFI_STATUS device_path_append(const EFI_DEVICE_PATH *path, const EFI_DEVICE_PATH *node,
                              EFI_DEVICE_PATH **ret_path)
{
    EFI_DEVICE_PATH end = {END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(end), 0}};
    size_t path_bytes = device_path_bytes(path);
    uint8_t *longer;
    EFI_STATUS status;

    if (path_bytes == 0)
        return EFI_UNSUPPORTED;
    status = BS->AllocatePool(EfiBootServicesData, path_bytes + node_bytes(node) + sizeof(end),
                              (void **)&longer);
    if (EFI_ERROR(status))
        return status;
    __builtin_memcpy(longer, path, path_bytes);
    __builtin_memcpy(longer + path_bytes, node, node_bytes(node));
    __builtin_memcpy(longer + path_bytes + node_bytes(node), &end, sizeof(end));
    *ret_path = (EFI_DEVICE_PATH *)longer;
    return EFI_SUCCESS;
}
