/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Device paths, which may be anybody's. A path has any content, and is an object of exactly the
 * length to which one is followed, DEVICE_PATH_BYTES_MAX, so that a byte beyond it is outside. That
 * length is made smaller here, as proofs.txt says.
 *
 * Assumed: a path is in memory as far as it is followed.
 */
#include "base/device_path.h"

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
    size_t at = nondet_size();

    claim(bytes <= DEVICE_PATH_BYTES_MAX - 4, "an end node has room");
    claim(bytes == 0 || is_end_at(path, bytes), "a path ends at its end node");
    if (!device_path_is_below(path, parent))
        return;
    claim(parent_bytes <= bytes, "a path is not shorter than its parent");
    assume(at < parent_bytes);
    claim(((const uint8_t *)path)[at] == ((const uint8_t *)parent)[at], "and begins with it");
}
