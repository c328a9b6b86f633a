# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The far end of the wire: one host thread on a lossless `-netdev stream` of a guest.

    with Peer() as peer, Guest("case", nics=[Nic(netdev=peer.netdev)]) as guest:
        ...

It does what the guest's frames request, and knows nothing of SNP. The operations of our frames,
whose layout is in wire/stream.py:

    HELLO largest    the source is the guest's address from now on, and the largest DATA frame
                     has this many bytes, 1514 if 0; REPLY
    FLOOD n, first   send n DATA frames, numbered from first
    DATA number      a counted frame, its size and payload made from its number
    RESET n          forget what was counted, expect DATA from number n on
    COUNT n          REPLY, with what was counted, n DATA frames having been sent: the payload is
                     received, lost, out of order, corrupt
    INJECT ms, size  send the payload as a frame of this many bytes after this many milliseconds,
                     truncated or padded with zeros
    REPORT           REPLY: the number of frames since the last REPORT, the last one's size, and
                     its bytes as payload
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from typing import Iterator

from wire.stream import (
    ADDRESS,
    COUNT,
    DATA,
    ETHERTYPE,
    FLOOD,
    HEADER,
    HELLO,
    INJECT,
    LARGEST,
    REPORT,
    RESET,
    SMALLEST,
    Stream,
    take_frames,
    with_length,
)

OUTPUT_BYTES = 1 << 17


def _table() -> bytes:
    """128 KiB of xorshift32: the content differs at every 8-byte step."""
    words, state = [], 0x2545F491
    for _ in range(32768):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        words.append(state)
    return struct.pack("<32768I", *words)


TABLE = _table()


def data_frame(destination: bytes, source: bytes, number: int, largest: int = LARGEST) -> bytes:
    """DATA frame `number`: all sizes in turn, every 16th the largest, payloads unlike each other."""
    size = largest if number % 16 == 15 else SMALLEST + number * 397 % (largest - SMALLEST + 1)
    offset = number * 8 % 4096
    header = HEADER.pack(destination, source, ETHERTYPE, DATA, number, size)
    return header + TABLE[offset : offset + size - HEADER.size]


class Peer(Stream):
    def __init__(self) -> None:
        super().__init__()
        self.received = self.lost = self.out_of_order = self.corrupt = 0
        self.sent = 0  # DATA frames
        self.largest_seen = 0  # bytes, of any frame
        self._largest = LARGEST  # bytes, of DATA
        self._expected = 0
        self._last = b""
        self._since_report = 0
        self._floods: deque[Iterator[bytes]] = deque()
        self._delayed: list[tuple[float, bytes]] = []
        self._output = bytearray()

    def flood(self, destination: bytes, frames_per_second: int) -> None:
        """Send DATA frames to an address without request, until the end or the next flood()."""
        self._floods = deque([self._paced(destination, frames_per_second)])

    def _paced(self, destination: bytes, frames_per_second: int) -> Iterator[bytes]:
        began = time.monotonic()
        number = 0
        while True:
            if number < (time.monotonic() - began) * frames_per_second:
                yield data_frame(destination, ADDRESS, number)
                number += 1
            else:
                yield b""  # not yet

    def _serve(self, wire: socket.socket) -> None:
        wire.setblocking(False)
        buffer = bytearray()
        while not self._closing.is_set():
            idle = self._refill()
            wait = 0.005 if self._delayed or idle else 0.1
            pending = [wire] if self._output else []
            readable, writable, _ = select.select([wire], pending, [], wait)
            try:
                if writable:
                    del self._output[: wire.send(self._output)]
                if readable:
                    data = wire.recv(1 << 16)
                    if not data:
                        return
                    buffer += data
            except (BlockingIOError, ConnectionError):
                continue
            for start, end in take_frames(buffer):
                self._take(bytes(buffer[start:end]))

    def _refill(self) -> bool:
        """Move frames that are due into the output buffer. True while a flood waits for its time."""
        now = time.monotonic()
        for due in [entry for entry in self._delayed if entry[0] <= now]:
            self._delayed.remove(due)
            self._send(due[1])
        floods = self._floods  # flood() may replace them meanwhile
        while floods and self._backlog() < OUTPUT_BYTES:
            frame = next(floods[0], None)
            if frame is None:
                floods.popleft()
            elif not frame:
                return True
            else:
                self._send(frame)
                self.sent += 1
        return False

    def _backlog(self) -> int:
        """The bytes that wait to be sent."""
        return len(self._output)

    def _send(self, frame: bytes) -> None:
        self._output += with_length(frame)

    def _take(self, frame: bytes) -> None:
        self.largest_seen = max(self.largest_seen, len(frame))
        if len(frame) < HEADER.size or frame[12:14] != ETHERTYPE:
            self.other += 1
            self._remember(frame)
            return
        _, source, _, operation, first, second = HEADER.unpack_from(frame)
        if operation == DATA:
            self._count(frame, source, first)
        elif operation == HELLO:
            self._guest = source
            self._largest = first or LARGEST
            self._reply()
        elif operation == FLOOD:
            numbers = range(second, second + first)
            self._floods.append(
                data_frame(self._guest, ADDRESS, number, self._largest) for number in numbers
            )
        elif operation == RESET:
            self.received = self.lost = self.out_of_order = self.corrupt = 0
            self._expected = first
            self._reply()
        elif operation == COUNT:
            lost = self.lost + max(0, first - self._expected)
            counts = (self.received, lost, self.out_of_order, self.corrupt)
            self._reply(payload=struct.pack(">4I", *counts))
        elif operation == INJECT:
            inner = frame[HEADER.size : HEADER.size + second].ljust(second, b"\0")
            self._delayed.append((time.monotonic() + first / 1000, inner))
        elif operation == REPORT:
            self._reply(self._since_report, len(self._last), self._last[: LARGEST - HEADER.size])
            self._since_report = 0
        else:
            self._remember(frame)

    def _remember(self, frame: bytes) -> None:
        self._last = frame
        self._since_report += 1

    def _count(self, frame: bytes, source: bytes, number: int) -> None:
        self._remember(frame)
        self.received += 1
        if number < self._expected:
            self.out_of_order += 1
        else:
            self.lost += number - self._expected
            self._expected = number + 1
        if frame != data_frame(ADDRESS, source, number, self._largest):
            self.corrupt += 1

    def _reply(self, first: int = 0, second: int = 0, payload: bytes = b"") -> None:
        self._send(self._reply_frame(first, second, payload))
