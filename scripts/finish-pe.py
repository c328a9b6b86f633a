#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/finish-pe.py IMAGE.efi

Finishes, in place, a PE32 or PE32+ image that objcopy wrote: sets NX_COMPAT and then the checksum.
The flag is a promise, so an image is rejected if a section is both writable and executable, or if
sections share a page. An image without code at its entry point is rejected too: start-up object and
linker script did not match. The same input gives the same output.
"""
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from whole_file import write  # noqa: E402

PE32, PE32_PLUS = 0x10B, 0x20B  # the fields used here lie at the same offsets in both
NX_COMPAT = 0x0100
EXECUTE, WRITE = 0x20000000, 0x80000000
PAGE_BYTES = 4096


class BadImage(Exception):
    """Says what is wrong with the image."""


def headers(image):
    """Offsets of the COFF header, the optional header and the section table, and their count."""
    if image[:2] != b"MZ" or len(image) < 0x40:
        raise BadImage("not a PE image: no MZ")
    coff = struct.unpack_from("<I", image, 0x3C)[0] + 4
    if image[coff - 4 : coff] != b"PE\0\0" or len(image) < coff + 20 + 112:
        raise BadImage("not a PE image: no PE signature")
    section_count, optional_bytes = struct.unpack_from("<2xH12xH", image, coff)
    optional = coff + 20
    if struct.unpack_from("<H", image, optional)[0] not in (PE32, PE32_PLUS):
        raise BadImage("neither PE32 nor PE32+")
    sections = optional + optional_bytes
    if len(image) < sections + section_count * 40:
        raise BadImage("the section table is cut short")
    return optional, sections, section_count


def check_sections(image, sections, count, entry):
    """entry is the address of the entry point."""
    end = 0
    has_entry = False
    for i in range(count):
        name, size, address, rights = struct.unpack_from("<8sII20xI", image, sections + i * 40)
        text = name.rstrip(b"\0").decode("ascii", "replace")
        if rights & WRITE and rights & EXECUTE:
            raise BadImage(f"section {text} is writable and executable")
        if address % PAGE_BYTES or address < end:
            raise BadImage(f"section {text} is not on pages of its own")
        end = address + size
        has_entry |= bool(rights & EXECUTE) and address <= entry < end
    if not has_entry:
        raise BadImage(f"no code at the entry point, {entry:#x}")


def checksum(image, field):
    """The PE checksum: 16-bit words added with end-around carry, plus the length."""
    data = bytes(image[:field]) + bytes(4) + bytes(image[field + 4 :]) + bytes(len(image) % 2)
    total = sum(struct.unpack(f"<{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total + len(image)


def finish(image):
    optional, sections, count = headers(image)
    entry = struct.unpack_from("<I", image, optional + 16)[0]
    check_sections(image, sections, count, entry)
    flags = struct.unpack_from("<H", image, optional + 70)[0]
    struct.pack_into("<H", image, optional + 70, flags | NX_COMPAT)
    struct.pack_into("<I", image, optional + 64, checksum(image, optional + 64))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    path = Path(sys.argv[1])
    try:
        image = bytearray(path.read_bytes())
        finish(image)
        write(path, image)
    except (BadImage, OSError) as error:
        sys.exit(f"finish-pe: {path}: {error}")


if __name__ == "__main__":
    main()
