#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/check-rom.py [--sum] FILE.rom [VENDOR:DEVICE...]

Verifies a PCI expansion ROM. Prints one line per image and one per defect; status 1 if there are
any. Every image must name each VENDOR:DEVICE. The byte sum must be zero in PC-AT images (code
type 0), and with --sum in all images. Compressed drivers are not examined.
"""
import sys
from pathlib import Path

from rom_image import Damage, check_driver, demand, device_ids, split_image


def check(rom, wanted, sum_of_all):
    """Yield lines that describe the ROM, and the Damage found."""
    at, number, is_last = 0, 1, False
    while not is_last:
        name = f"image {number} at {at:#x}: "
        if at and at == len(rom):
            yield Damage(name + "missing last-image bit: the file ends here")
            return
        try:
            image, pcir, code, is_last = split_image(rom[at:])
        except Damage as damage:
            yield Damage(f"{name}{damage}")
            return
        try:
            ids = device_ids(image, pcir)
            text = check_driver(image) if code == 3 else f"code type {code}"
            yield f"{name}{len(image)} bytes, {text}, {' '.join(sorted(ids))}"
            missing = " ".join(id for id in wanted if id not in ids)
            demand(not missing, f"does not name {missing}")
        except Damage as damage:
            yield Damage(f"{name}{damage}")
        total = sum(image[: image[2] * 512] if code == 0 else image if sum_of_all else b"") % 256
        if total:
            yield Damage(f"{name}bad checksum: the bytes add up to {total:#x}")
        at, number = at + len(image), number + 1
    if rom[at : at + 2] == b"\x55\xaa":
        yield Damage(f"{name}has the last-image bit, but another image follows")


def main():
    arguments = [text for text in sys.argv[1:] if text != "--sum"]
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__.splitlines()[0])
    try:
        rom = Path(arguments[0]).read_bytes()
    except OSError as error:
        sys.exit(f"check-rom: {error}")
    found = list(check(rom, [id.lower() for id in arguments[1:]], "--sum" in sys.argv))
    damages = [line for line in found if isinstance(line, Damage)]
    for line in found:
        print(f"check-rom: {arguments[0]}: {line}" if line in damages else line)
    sys.exit(1 if damages else 0)


if __name__ == "__main__":
    main()
