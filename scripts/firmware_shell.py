#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Extracts the UEFI shell from a firmware image, for the disk of a guest whose firmware does not start it.

usage: firmware_shell.py FIRMWARE OUT

Since 2025.05 edk2's firmware still contains its shell, but has no boot option for it. Writes that
shell to OUT, or nothing if the firmware is older. Status 1 if the firmware contains no shell, as when
it was built for Secure Boot.

PI 1.8, volume 3: 3.2.3 (file header), 3.2.4 (sections); the volumes that matter are in an LZMA
compressed section.
"""

from __future__ import annotations

import lzma
import re
import sys
import uuid
from pathlib import Path
from typing import Iterator

from whole_file import write

FIRST_WITHOUT_OPTION = "2025.05"

LZMA_SECTION = uuid.UUID("ee4e5898-3914-4259-9d6e-dc7bd79403cf").bytes_le
SHELL_FILE = uuid.UUID("7c04a583-9e3e-4f1c-ad65-e05268d0b4d1").bytes_le
FILE_HEADER_BYTES, SECTION_HEADER_BYTES = 24, 4
FILE_APPLICATION, SECTION_PE32 = 0x09, 0x10
VERSION = re.compile(rb"2\x000\x00[0-9]\x00[0-9]\x00[.]\x00[0-9]\x00[0-9]\x00")


def _size(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 3], "little")


def _volumes(image: bytes) -> Iterator[bytes]:
    yield image
    for found in re.finditer(re.escape(LZMA_SECTION), image):
        # The offset of the data, from the section's header, follows the GUID.
        begin = found.start() - SECTION_HEADER_BYTES + _size(image, found.end()) % 0x10000
        try:
            yield lzma.LZMADecompressor(format=lzma.FORMAT_ALONE).decompress(image[begin:])
        except lzma.LZMAError:
            continue  # the GUID alone, without a section


def _program_of(file: bytes) -> bytes | None:
    at = FILE_HEADER_BYTES
    while at + SECTION_HEADER_BYTES < len(file) and (size := _size(file, at)):
        if file[at + 3] == SECTION_PE32:
            return file[at + SECTION_HEADER_BYTES : at + size]
        at += (size + 3) // 4 * 4
    return None


def find_shell(image: bytes) -> tuple[bytes | None, bool]:
    """The shell's PE image, or None, and whether the firmware starts it by itself."""
    shell, versions = None, set()
    for volume in _volumes(image):
        versions |= {match.decode("utf-16-le") for match in VERSION.findall(volume)}
        for found in re.finditer(re.escape(SHELL_FILE), volume):
            at = found.start()
            if volume[at + 18] == FILE_APPLICATION:
                shell = _program_of(volume[at : at + _size(volume, at + 20)]) or shell
    return shell, all(version < FIRST_WITHOUT_OPTION for version in versions)


def main() -> int:
    if len(sys.argv) != 3:
        print(next(line for line in __doc__.splitlines() if line.startswith("usage")), file=sys.stderr)
        return 2
    firmware, out = sys.argv[1], Path(sys.argv[2])
    try:
        shell, starts = find_shell(Path(firmware).read_bytes())
        if shell is None:
            print(f"firmware_shell: {firmware} contains no shell", file=sys.stderr)
            return 1
        if not starts:
            write(out, shell)
    except OSError as error:
        print(f"firmware_shell: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
