# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A virtio-net device outside QEMU that joins segments: between the guest and a tap of Linux's.

    with lan.Lan(folder, boot=name) as wire, JoiningNet(wire.open_tap()) as device, Guest(…) as guest:
        ...

Linux does the joining: to a driver that takes large frames the tap gives what its TCP has in hand, with
the checksum to finish. The device spreads that over the guest's buffers, and counts it.
"""

from __future__ import annotations

import os
import struct

from tap import TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, set_header_bytes, set_offloads
from wire.peer import OUTPUT_BYTES
from wire.vhost_user import NET_HEADER, Ring, VhostUserNet

OFFLOADS = {1 << 1: TUN_F_CSUM, 1 << 7: TUN_F_TSO4, 1 << 8: TUN_F_TSO6}  # GUEST_CSUM, TSO4, TSO6
F_MRG_RXBUF = 1 << 15
NEEDS_CSUM = 1
BUFFERS_OFFSET = 10  # of num_buffers
READ_BYTES = NET_HEADER.size + 14 + 65535


class JoiningNet(VhostUserNet):
    """`tap` is closed at the end."""

    OFFERED = VhostUserNet.OFFERED | F_MRG_RXBUF | sum(OFFLOADS)

    def __init__(self, tap: int) -> None:
        super().__init__()
        os.set_blocking(tap, False)
        set_header_bytes(tap, NET_HEADER.size)
        self._tap = tap
        # Of the frames delivered:
        self.joined = 0  # segments
        self.spread = 0  # over several buffers
        self.unfinished = 0  # not joined, and with a checksum to finish

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        os.close(self._tap)

    def negotiated(self, features: int) -> None:
        set_offloads(self._tap, sum(OFFLOADS[bit] for bit in OFFLOADS if features & bit))
        while self._read():
            pass  # it may be of a kind that the driver no longer takes

    def _read(self) -> bytes:
        try:
            return os.read(self._tap, READ_BYTES)
        except BlockingIOError:
            return b""

    def _refill(self) -> bool:
        while self._backlog() < OUTPUT_BYTES and (data := self._read()):
            if self.rings:
                self._frames.append(data)
        return False

    def _take(self, frame: bytes) -> None:
        os.write(self._tap, bytes(NET_HEADER.size) + frame)

    def deliver(self, ring: Ring, _: bytes = b"") -> None:
        while self._frames and (heads := self._heads_for(ring, len(self._frames[0]))):
            data = bytearray(self._frames.popleft())
            struct.pack_into("<H", data, BUFFERS_OFFSET, len(heads))
            self._record(data, len(heads))
            used = []
            for head in heads:
                assert ring.take() == head
                length = self.write(ring, head, data)
                del data[:length]
                used.append((head, length))
            ring.put_all(used)

    def _heads_for(self, ring: Ring, size: int) -> list[int]:
        """The available buffers that hold `size` bytes together; none if there are not enough."""
        heads = []
        for head in ring.waiting():
            heads.append(head)
            size -= sum(map(len, ring.buffers(head)))
            if size <= 0:
                return heads
        return []

    def _record(self, data: bytearray, buffers: int) -> None:
        flags, gso_type = data[:2]
        self.joined += gso_type != 0
        self.spread += buffers > 1
        self.unfinished += gso_type == 0 and bool(flags & NEEDS_CSUM)
