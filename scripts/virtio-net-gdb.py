# SPDX-License-Identifier: BSD-2-Clause-Patent
"""gdb command `virtio-net`: finds the driver in a running UEFI machine and loads its symbols.

    gdb -x virtio-net-gdb.py -ex 'target remote 127.0.0.1:1234' -ex virtio-net
    (gdb) break mnp_transmit
    (gdb) continue

The driver must be loaded by then. `virtio-net FOLDER` names the folder of virtio-net.efi and
virtio-net.debug, both of the same build. By default every 64-bit architecture's folder next to this
file, or in build, is tried, and the build that the firmware has loaded is used. Architectures other
than x86_64 need gdb-multiarch.

Works on any 64-bit UEFI firmware until it hands over to an operating system, because it reads what
the specification provides for debuggers (UEFI 2.10, 18.4): a pointer to the system table on a 4 MiB
boundary, and through it a list of all loaded images.
"""
import struct
import zlib
from pathlib import Path

import gdb

HERE = Path(__file__).resolve().parent
ARCHES = ("x86_64", "aarch64", "riscv64", "loongarch64")
FOLDERS = [place / arch for place in (HERE, HERE.parent / "build") for arch in ARCHES]
STEP, LIMIT = 4 << 20, 64 << 30
DEBUG_IMAGE_INFO_TABLE = bytes.fromhex("772e1549 da1a 6447 b7a27afefed95e8b")  # a GUID


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def unpack(layout, address):
    return struct.unpack(layout, read(address, struct.calcsize(layout)))


def find_system_table():
    """Ascending, so that RAM comes before devices whose registers have read side effects."""
    for address in range(STEP, LIMIT, STEP):
        try:
            pointer = read(address, 24)  # signature, address, CRC-32 and padding
            if not pointer.startswith(b"IBI SYST"):
                continue
            table, crc = struct.unpack_from("<QI", pointer, 8)
            # The table of a pointer left by an earlier boot is gone.
            if zlib.crc32(pointer[:16] + bytes(8)) == crc and read(table, 8) == pointer[:8]:
                return table
        except gdb.MemoryError:
            continue
    raise gdb.GdbError("no UEFI system table in memory: is the guest in its firmware?")


def loaded_images(system_table):
    """(base, size) of each image that the firmware has loaded."""
    count, tables = unpack("<QQ", system_table + 104)
    for index in range(count):
        guid, table = unpack("<16sQ", tables + 24 * index)
        if guid == DEBUG_IMAGE_INFO_TABLE:
            _, slots, infos = unpack("<IIQ", table)
            for info in unpack(f"<{slots}Q", infos):
                if info:  # type, image; only one type exists
                    yield unpack("<QQ", unpack("<Q", info + 8)[0] + 64)


def code_of(image):
    """Offset and bytes of .text, which neither loading nor signing changes."""
    header = struct.unpack_from("<I", image, 0x3C)[0]
    sections, optional = struct.unpack_from("<H12xH", image, header + 6)
    for index in range(sections):
        entry = header + 24 + optional + 40 * index
        name, size, offset, _, start = struct.unpack_from("<8sIIII", image, entry)
        if name == b".text\0\0\0":
            return offset, image[start:start + size]
    raise gdb.GdbError("virtio-net.efi has no .text: not our driver")


class VirtioNet(gdb.Command):
    """virtio-net [FOLDER]: load the symbols of virtio-net.efi where the firmware put it."""

    def __init__(self):
        super().__init__("virtio-net", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        found = [folder for folder in ([Path(argument)] if argument else FOLDERS)
                 if all((folder / f"virtio-net.{kind}").exists() for kind in ("efi", "debug"))]
        if not found:
            raise gdb.GdbError("no virtio-net.efi with its virtio-net.debug: name their folder")
        images = list(loaded_images(find_system_table()))
        for folder in found:
            offset, code = code_of((folder / "virtio-net.efi").read_bytes())
            for base, size in images:
                if size >= offset + len(code) and read(base + offset, len(code)) == code:
                    print(f"virtio-net.efi is loaded at {base:#x}")
                    gdb.execute(f"add-symbol-file {folder}/virtio-net.debug -o {base:#x}", to_string=True)
                    return
        tried = ", ".join(map(str, found))
        raise gdb.GdbError(f"the firmware has not loaded this build of the driver: {tried}")



VirtioNet()
