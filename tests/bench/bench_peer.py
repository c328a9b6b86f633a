# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The far end of the wire for snpbench.efi: faster than the guest, so that the guest is measured.

    with BenchPeer() as peer, Guest("case", nics=[Nic(netdev=peer.netdev)]) as guest:
        ...

Frames are laid out as in tests/qemu/wire/peer.py, with these operations:

    HELLO            REPLY, which makes a round trip; the source is the guest's address from now on
    FLOOD n, size    send n DATA frames of `size` bytes, numbered from 0
    DATA number      a frame that counts
    COUNT            REPLY, with the payload: DATA frames since the last COUNT, how many of them
                     came in another place than their number says

DATA is gathered and parsed at the next command: a frame costs next to nothing while a flood lasts.
"""

from __future__ import annotations

import select
import shutil
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path

from wire.peer import ADDRESS, COUNT, DATA, ETHERTYPE, FLOOD, HEADER, HELLO, REPLY, SMALLEST

CONNECT_TIMEOUT_S = 30
GATHER_BYTES = 8 << 20
CHUNK_FRAMES = 512
RECEIVE_BYTES = 1 << 20
SOCKET_BYTES = 1 << 22


class BenchPeer:
    """A context manager. `netdev` is the -netdev value to give to the guest's NIC."""

    def __init__(self) -> None:
        self.other = 0  # frames that are not ours
        self._guest = b"\xff" * 6
        self._counted = self._misplaced = 0
        self._folder = Path(tempfile.mkdtemp(prefix="wire."))  # a socket path has 107 bytes
        self._path = self._folder / "wire"
        self.netdev = f"stream,server=on,addr.type=unix,addr.path={self._path}"
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> BenchPeer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        self._wire = self._connect()
        if self._wire is None:
            return
        gathered = bytearray()
        with self._wire:
            try:
                while not self._closing.is_set():
                    if not select.select([self._wire], [], [], 0.1)[0]:
                        continue
                    data = self._wire.recv(RECEIVE_BYTES)
                    if not data:
                        return
                    gathered += data
                    if len(gathered) > GATHER_BYTES or self._ends_in_command(gathered):
                        self._parse(gathered)
            except OSError:  # the guest has ended
                return

    def _connect(self) -> socket.socket | None:
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while time.monotonic() < deadline and not self._closing.is_set():
            wire = socket.socket(socket.AF_UNIX)
            try:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
                wire.connect(str(self._path))
                return wire
            except OSError:
                wire.close()
                time.sleep(0.02)
        return None

    def _send(self, data: bytes) -> None:
        """All of it, unless the guest ends or the test does."""
        left = memoryview(data)
        while left and not self._closing.is_set():
            if select.select([], [self._wire], [], 0.1)[1]:
                left = left[self._wire.send(left, socket.MSG_DONTWAIT) :]

    def _ends_in_command(self, gathered: bytearray) -> bool:
        """Whether the last frame is a whole one of SMALLEST bytes that is not DATA.

        What is no command of ours but looks like DATA waits for the next one; nothing is lost.
        """
        frame = gathered[-SMALLEST:]
        length = gathered[-SMALLEST - 4 : -SMALLEST]
        if int.from_bytes(length, "big") != SMALLEST:
            return False
        return frame[12:14] != ETHERTYPE or frame[14] != DATA

    def _parse(self, gathered: bytearray) -> None:
        at = 0
        while len(gathered) - at >= 4:
            end = at + 4 + int.from_bytes(gathered[at : at + 4], "big")
            if end > len(gathered):
                break
            if end - at >= 4 + HEADER.size and gathered[at + 16 : at + 18] == ETHERTYPE:
                self._take(gathered, at + 4)
            else:
                self.other += 1
            at = end
        del gathered[:at]

    def _take(self, gathered: bytearray, at: int) -> None:
        _, source, _, operation, first, second = HEADER.unpack_from(gathered, at)
        if operation == DATA:
            self._misplaced += first != self._counted
            self._counted += 1
        elif operation == HELLO:
            self._guest = source
            self._reply()
        elif operation == FLOOD:
            self._flood(first, second)
        elif operation == COUNT:
            self._reply(struct.pack(">2I", self._counted, self._misplaced))
            self._counted = self._misplaced = 0

    def _flood(self, count: int, size: int) -> None:
        fill = bytes(size - HEADER.size)
        length = size.to_bytes(4, "big")
        for first in range(0, count, CHUNK_FRAMES):
            numbers = range(first, min(count, first + CHUNK_FRAMES))
            self._send(
                b"".join(
                    length + HEADER.pack(self._guest, ADDRESS, ETHERTYPE, DATA, number, size) + fill
                    for number in numbers
                )
            )

    def _reply(self, payload: bytes = b"") -> None:
        frame = HEADER.pack(self._guest, ADDRESS, ETHERTYPE, REPLY, 0, 0) + payload
        self._send(SMALLEST.to_bytes(4, "big") + frame.ljust(SMALLEST, b"\0"))
