# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Replaces a file completely or not at all."""


def write(path, data):
    """Write the bytes `data` to the Path `path`. If that fails (OSError, for example because the disk
    is full), an existing file is unchanged and nothing else is left behind."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
