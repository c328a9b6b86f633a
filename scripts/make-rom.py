#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/make-rom.py OUT.rom VENDOR:DEVICE[,DEVICE...] DRIVER.efi...

Writes a PCI expansion ROM with one image per driver. Each driver's header gives its architecture.
PCI Firmware Specification 3.0, 5.1 (header, PCI data structure), UEFI 2.10, 14.4.2 (EFI header).

The padding to 512 bytes precedes the driver, and nothing follows it: firmware treats everything from
EfiImageHeaderOffset on as the driver, and bytes after a signature invalidate it.
"""
import re
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from whole_file import write  # noqa: E402

UNIT_BYTES = 512
NETWORK_CONTROLLER = 0x020000
EFI_IMAGE, LAST_IMAGE = 3, 0x80
PCIR_OFFSET, PCIR_BYTES = 0x1C, 0x1C
SUBSYSTEMS = (11, 12)  # boot service driver, runtime driver: firmware ignores all others


class BadInput(Exception):
    """Says what is wrong with the arguments."""


def read_driver(path):
    """The file's content, its machine and its subsystem."""
    image = Path(path).read_bytes()
    if image[:2] != b"MZ" or len(image) < 0x40:
        raise BadInput(f"{path}: not a PE image")
    pe = struct.unpack_from("<I", image, 0x3C)[0]
    if image[pe : pe + 4] != b"PE\0\0" or len(image) < pe + 24 + 70:
        raise BadInput(f"{path}: not a PE image")
    machine, subsystem = struct.unpack_from("<H86xH", image, pe + 4)
    if subsystem not in SUBSYSTEMS:
        raise BadInput(f"{path}: not a UEFI driver (subsystem {subsystem})")
    return image, machine, subsystem


def make_image(path, vendor, devices, is_last):
    driver, machine, subsystem = read_driver(path)
    device_list = struct.pack(f"<{len(devices)}HH", *devices, 0)
    # One byte for the checksum; the rest makes the driver's last byte the last of the image.
    headers_bytes = PCIR_OFFSET + PCIR_BYTES + len(device_list) + 1
    headers_bytes += -(headers_bytes + len(driver)) % UNIT_BYTES
    units = (headers_bytes + len(driver)) // UNIT_BYTES
    if units > 0xFFFF:
        raise BadInput(f"{path}: too large for an option ROM")
    header = struct.pack("<HHIHHH8xHH", 0xAA55, units, 0x0EF1, subsystem, machine, 0,
                         headers_bytes, PCIR_OFFSET)
    pcir = struct.pack("<4sHHHHB3sHHBBHHH", b"PCIR", vendor, devices[0], PCIR_BYTES, PCIR_BYTES, 3,
                       NETWORK_CONTROLLER.to_bytes(3, "little"), units, 0, EFI_IMAGE,
                       LAST_IMAGE if is_last else 0, 0, 0, 0)
    image = bytearray(header.ljust(PCIR_OFFSET, b"\0") + pcir + device_list)
    image = image.ljust(headers_bytes, b"\0") + driver
    image[headers_bytes - 1] = -sum(image) % 256
    return image


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__.splitlines()[0])
    out, ids, *drivers = sys.argv[1:]
    try:
        match = re.fullmatch(r"([0-9a-f]{4}):([0-9a-f]{4}(?:,[0-9a-f]{4})*)", ids, re.IGNORECASE)
        if not match:
            raise BadInput(f"{ids}: not VENDOR:DEVICE[,DEVICE...] in hexadecimal")
        vendor, devices = int(match[1], 16), [int(text, 16) for text in match[2].split(",")]
        images = [make_image(path, vendor, devices, path is drivers[-1]) for path in drivers]
        write(Path(out), b"".join(images))
    except (BadInput, OSError) as error:
        sys.exit(f"make-rom: {error}")


if __name__ == "__main__":
    main()
