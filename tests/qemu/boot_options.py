# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The firmware's boot options for a NIC: one for HTTP boot, made here, and booting one."""

from __future__ import annotations

import struct

from guest import Guest

GLOBAL_GUID = "8BE4DF61-93CA-11D2-AA0D-00E098032B8C"
ADD_DRIVER = 'bcfg driver add 0 fs0:\\virtio-net.efi "virtio-net"'


def http_option(mac: str, slot: int, uri: str) -> bytes:
    """EFI_LOAD_OPTION for …/Pci(slot,0)/MAC(mac,1)/IPv4(0.0.0.0)/Uri(uri); UEFI 2.10, 3.1.3, 10.3."""
    node = lambda kind, sub, data: struct.pack("<BBH", kind, sub, 4 + len(data)) + data
    address = bytes.fromhex(mac.replace(":", ""))
    path = node(2, 1, struct.pack("<II", 0x0A0341D0, 0)) + node(1, 1, bytes([0, slot]))
    path += node(3, 11, address.ljust(32, b"\0") + b"\1") + node(3, 12, bytes(23))
    path += node(3, 24, uri.encode()) + node(0x7F, 0xFF, b"")
    return struct.pack("<IH", 1, len(path)) + "HTTP\0".encode("utf-16le") + path


def add_http_option(guest: Guest, uri: str) -> str:
    """A boot option that fetches `uri` over NIC 0, which is in PCI slot 2; return its name."""
    option = http_option(guest.nics[0].mac_of(0), 2, uri).hex()
    guest.run(f"setvar Boot0077 -guid {GLOBAL_GUID} -nv -bs -rt =H{option}")
    return "Boot0077"


def set_boot_next(guest: Guest, option: str) -> None:
    """The next reset boots the option `BootNNNN`."""
    number = int(option[4:], 16).to_bytes(2, "little").hex()
    guest.run(f"setvar BootNext -guid {GLOBAL_GUID} -nv -bs -rt =H{number}")
