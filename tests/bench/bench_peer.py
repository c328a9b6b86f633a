# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The far end of the wire for snpbench.efi: faster than the guest, so that the guest is measured.

    with BenchPeer() as peer, Guest("case", nics=[Nic(netdev=peer.netdev)]) as guest:
        ...

Frames are laid out as in tests/qemu/wire/stream.py, with these operations:

    HELLO            REPLY, which makes a round trip; the source is the guest's address from now on
    FLOOD n, size    send n DATA frames of `size` bytes, numbered from 0
    DATA number      a frame that counts
    COUNT            REPLY, with the payload: DATA frames since the last COUNT, how many of them
                     came in another place than their number says

DATA is gathered and parsed at the next command: a frame costs next to nothing while a flood lasts.
"""

from __future__ import annotations

import select
import socket
import struct

from wire.stream import (
    ADDRESS,
    COUNT,
    DATA,
    ETHERTYPE,
    FLOOD,
    HEADER,
    HELLO,
    SMALLEST,
    Stream,
    take_frames,
    with_length,
)

GATHER_BYTES = 8 << 20
CHUNK_FRAMES = 512
RECEIVE_BYTES = 1 << 20
SOCKET_BYTES = 1 << 22


class BenchPeer(Stream):
    def __init__(self) -> None:
        super().__init__()
        self._counted = self._misplaced = 0

    def _serve(self, wire: socket.socket) -> None:
        self._wire = wire
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        gathered = bytearray()
        try:
            while not self._closing.is_set():
                if not select.select([wire], [], [], 0.1)[0]:
                    continue
                data = wire.recv(RECEIVE_BYTES)
                if not data:
                    return
                gathered += data
                if len(gathered) > GATHER_BYTES or self._ends_in_command(gathered):
                    self._parse(gathered)
        except OSError:  # the guest has ended
            return

    def _send(self, data: bytes) -> None:
        """Send everything, unless the guest or the test ends."""
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
        for start, end in take_frames(gathered):
            if end - start >= HEADER.size and gathered[start + 12 : start + 14] == ETHERTYPE:
                self._take(gathered, start)
            else:
                self.other += 1

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
        self._send(with_length(self._reply_frame(payload=payload)))
