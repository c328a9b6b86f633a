# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: tap.py TAP FD: opens TAP, with virtio's header in front of each frame, and passes it through
the Unix socket FD. So a process has a tap of a network namespace that it is not in.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

# linux/if_tun.h
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN = 1, 2, 4, 8


def open_tap(name: str, flags: int = 0) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | flags)
    fcntl.ioctl(tap, TUNSETIFF, request)
    return tap


def set_offloads(tap: int, offloads: int) -> None:
    """Which TUN_F_ the reader of a tap with headers takes."""
    fcntl.ioctl(tap, TUNSETOFFLOAD, offloads)


def set_header_bytes(tap: int, count: int) -> None:
    fcntl.ioctl(tap, TUNSETVNETHDRSZ, struct.pack("i", count))


def main(name: str, fd: str) -> None:
    tap = open_tap(name, IFF_VNET_HDR)
    with socket.socket(fileno=int(fd)) as there:
        socket.send_fds(there, [b"\0"], [tap])


if __name__ == "__main__":
    main(*sys.argv[1:])
