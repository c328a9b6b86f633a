# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Replaces a file whole or not at all."""


def write(path, data):
    """Write the bytes `data` to the Path `path`. When that fails, with OSError, a file that was
    there is as it was, and nothing else is left; so also when the disk is full."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
