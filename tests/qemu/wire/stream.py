# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What the far ends of a guest's wire share: a host thread on a lossless `-netdev stream`, and the
layout of our frames, also in tests/qemu/apps/snp_app.h, all numbers big-endian:

    0 destination, 6 source, 12 ethertype 88b5, 14 operation, 15 zero, 16 argument, 20 second
    argument, 24 payload

On the stream each frame follows its length in four bytes.
"""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Iterator, Self

ETHERTYPE = b"\x88\xb5"  # IEEE 802, local experimental
ADDRESS = bytes.fromhex("02005e100001")
HEADER = struct.Struct(">6s6s2sBxII")
HELLO, FLOOD, DATA, RESET, COUNT, INJECT, REPORT, REPLY = range(1, 9)

SMALLEST, LARGEST = 60, 1514
CONNECT_TIMEOUT_S = 30


class Stream:
    """A context manager. `netdev` is the -netdev value to give to the guest's NIC; _serve() is what
    the thread does once the guest has opened its end."""

    def __init__(self) -> None:
        self.other = 0  # frames that are not ours
        self._guest = b"\xff" * 6
        self._folder = Path(tempfile.mkdtemp(prefix="wire."))  # a socket path has 107 bytes
        self._path = self._folder / "wire"
        self.netdev = f"stream,server=on,addr.type=unix,addr.path={self._path}"
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        if wire := self._connect():
            with wire:
                self._serve(wire)

    def _connect(self) -> socket.socket | None:
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while time.monotonic() < deadline and not self._closing.is_set():
            wire = socket.socket(socket.AF_UNIX)
            try:
                wire.connect(str(self._path))
                return wire
            except OSError:
                wire.close()
                time.sleep(0.02)
        return None

    def _serve(self, wire: socket.socket) -> None:
        raise NotImplementedError

    def _reply_frame(self, first: int = 0, second: int = 0, payload: bytes = b"") -> bytes:
        frame = HEADER.pack(self._guest, ADDRESS, ETHERTYPE, REPLY, first, second) + payload
        return frame.ljust(SMALLEST, b"\0")


def with_length(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame


def take_frames(buffer: bytearray) -> Iterator[tuple[int, int]]:
    """The bounds of each complete frame of a stream. At the end they are removed from `buffer`."""
    at = 0
    while len(buffer) - at >= 4:
        end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
        if end > len(buffer):
            break
        yield at + 4, end
        at = end
    del buffer[:at]
