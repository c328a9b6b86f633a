# SPDX-License-Identifier: BSD-2-Clause-Patent
"""One image of a PCI expansion ROM, read according to the specification; for check-rom.py.

PCI Firmware Specification 3.0, 5.1 (header, PCI data structure); UEFI 2.10, 14.4.2 (EFI header).
Shares nothing with make-rom.py, so that one cannot repeat the other's mistake.
"""
import struct

MACHINES = {0x14C: "ia32", 0x1C2: "arm", 0xAA64: "aarch64", 0x8664: "x86_64", 0xEBC: "ebc",
            0x5032: "riscv32", 0x5064: "riscv64", 0x6264: "loongarch64"}


class Damage(Exception):
    """A defect. The rest of the image cannot be trusted."""


def demand(is_good, complaint):
    if not is_good:
        raise Damage(complaint)


def field(data, offset, kind, what):
    demand(offset + struct.calcsize("<" + kind) <= len(data), f"{what} lies beyond the end")
    value = struct.unpack_from("<" + kind, data, offset)
    return value[0] if len(value) == 1 else value


def split_image(rom):
    """The first image, its PCIR offset, its code type, and whether it is the last."""
    signature = field(rom, 0, "2s", "truncated: the signature")
    demand(signature == b"\x55\xaa", f"wrong signature {signature.hex(' ')}, not 55 aa")
    pcir = field(rom, 0x18, "H", "truncated: the PCIR offset")
    demand(pcir >= 0x1A and pcir % 4 == 0 and rom[pcir : pcir + 4] == b"PCIR",
           f"bad PCIR offset {pcir:#x}: no PCIR structure there")
    units, code, indicator = field(rom, pcir + 0x10, "H2xBB", "truncated: the PCIR structure")
    demand(units * 512 >= pcir + 0x18, f"bad image length of {units} times 512 bytes")
    demand(units * 512 <= len(rom),
           f"truncated, or bad image length: {units * 512} bytes, {len(rom)} are there")
    return rom[: units * 512], pcir, code, bool(indicator & 0x80)


def device_ids(image, pcir):
    vendor, *devices, pointer, length, revision = field(image, pcir + 4, "HHHHB", "PCIR")
    demand((revision, length >= 0x1C) in [(0, False), (0, True), (3, True)],
           f"bad PCIR revision {revision} or length {length}")
    demand(pcir + length <= len(image), f"bad PCIR length {length}: it ends beyond the image")
    if revision and pointer:
        demand(pointer >= length, f"bad device list pointer {pointer:#x}: inside the PCIR structure")
        while entry := field(image, pcir + pointer, "H", "bad device list pointer: an entry"):
            devices.append(entry)
            pointer += 2
    return {f"{vendor:04x}:{device:04x}" for device in devices}


def check_driver(image):
    """Check the EFI header and the PE image; return a description of the driver."""
    units, magic, *kind, packed, offset = field(image, 2, "HIHHH8xH", "bad EFI header: it")
    demand(magic == 0x0EF1, f"bad EFI header: signature {magic:#x}, not 0xef1")
    demand(kind[0] in (11, 12) and kind[1] in MACHINES and packed in (0, 1),
           f"bad EFI header: subsystem {kind[0]}, machine {kind[1]:#x}, compression {packed}")
    demand(0 < units * 512 <= len(image), f"bad EFI header: {units} times 512 bytes")
    if packed:
        return f"compressed {MACHINES[kind[1]]} driver"
    driver = image[offset : units * 512]
    demand(offset >= 0x1A and driver[:2] == b"MZ", f"PE not found at {offset:#x}: no MZ")
    pe = field(driver, 0x3C, "I", "PE not found: its offset")
    demand(driver[pe : pe + 4] == b"PE\0\0", f"PE not found at {offset:#x}: no PE signature")
    machine, count, header_bytes, subsystem = field(driver, pe + 4, "HH12xH70xH", "PE header")
    demand(kind == [subsystem, machine], f"bad EFI header: subsystem {kind[0]}, machine "
           f"{kind[1]:#x}, but the PE has {subsystem} and {machine:#x}")
    for i in range(count):
        at = pe + 24 + header_bytes + 40 * i
        size, start = field(driver, at + 16, "II", "PE section table")
        demand(start + size <= len(driver), "PE cut short: a section lies beyond the end")
    return f"{MACHINES[machine]} driver at {offset:#x}"
