/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Device paths, which may be anybody's. A path has any content, and is an object of exactly the
 * length to which one is followed, DEVICE_PATH_BYTES_MAX, so that a byte beyond it is outside. That
 * length is made smaller here, as proofs.txt says.
 *
 * Assumed: a path is in memory as far as it is followed, and a node that is appended is whole.
 */
#include "base/device_path.h"

#include <efilib.h>

#define NODE_MAX 8u

static const void *compared[2];
static size_t compared_bytes;

/* The content of paths does not matter, but what is compared does. */
int memcmp(const void *a, const void *b, size_t size)
{
    claim(size == 0 || (__CPROVER_r_ok(a, size) && __CPROVER_r_ok(b, size)),
          "what is compared is in both paths");
    compared[0] = a;
    compared[1] = b;
    compared_bytes = size;
    return nondet_bool();
}

static EFI_STATUS EFIAPI allocate(EFI_MEMORY_TYPE type, UINTN size, void **ret_buffer)
{
    (void)type;
    if (nondet_bool())
        return EFI_OUT_OF_RESOURCES;
    *ret_buffer = malloc(size);
    assume(*ret_buffer != NULL);
    return EFI_SUCCESS;
}

static EFI_BOOT_SERVICES services = {.AllocatePool = allocate};
EFI_BOOT_SERVICES *BS = &services;

static const EFI_DEVICE_PATH *any_path(void)
{
    const EFI_DEVICE_PATH *path = malloc(DEVICE_PATH_BYTES_MAX);

    assume(path != NULL);
    return path;
}

static bool is_end_at(const EFI_DEVICE_PATH *path, size_t bytes)
{
    const uint8_t *node = (const uint8_t *)path + bytes;

    return node[0] == 0x7f && node[1] == 0xff;
}

/* A path is followed no farther than allowed, and what is measured ends at an end node. One that is
 * below another begins with it. */
void prove_path_walk(void)
{
    const EFI_DEVICE_PATH *path = any_path();
    const EFI_DEVICE_PATH *parent = any_path();
    size_t bytes = device_path_bytes(path);
    size_t parent_bytes = device_path_bytes(parent);

    claim(bytes <= DEVICE_PATH_BYTES_MAX - 4, "an end node has room");
    claim(bytes == 0 || is_end_at(path, bytes), "a path ends at its end node");
    if (!device_path_is_below(path, parent))
        return;
    claim(parent_bytes <= bytes, "a path is not shorter than its parent");
    claim(compared[0] == path && compared[1] == parent && compared_bytes == parent_bytes,
          "and begins with it");
}

/* A longer path has the bytes of the path, then the node, then an end node, and fills its memory.
 */
void prove_path_append(void)
{
    const EFI_DEVICE_PATH *path = any_path();
    size_t path_bytes = device_path_bytes(path);
    size_t node_bytes = nondet_size();
    size_t at = nondet_size();
    EFI_DEVICE_PATH *node;
    EFI_DEVICE_PATH *longer = NULL;

    assume(node_bytes >= sizeof(*node) && node_bytes <= NODE_MAX && at < path_bytes + node_bytes);
    node = malloc(node_bytes);
    assume(node != NULL);
    node->Length[0] = (uint8_t)node_bytes;
    node->Length[1] = 0;
    if (EFI_ERROR(device_path_append(path, node, &longer)))
        return;
    claim(path_bytes > 0, "a path without end is not made longer");
    claim(__CPROVER_OBJECT_SIZE(longer) == path_bytes + node_bytes + 4, "it fills its memory");
    claim(is_end_at(longer, path_bytes + node_bytes), "it ends at its end node");
    claim(((uint8_t *)longer)[at] == (at < path_bytes ? ((const uint8_t *)path)[at]
                                                      : ((const uint8_t *)node)[at - path_bytes]),
          "before that are the path and the node");
}
