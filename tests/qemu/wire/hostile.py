# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A virtio-net device that misbehaves on command, from outside QEMU.

It is a well-behaved VhostUserNet until misbehave() or a frame of the guest's, MISBEHAVE number address,
names one of MISBEHAVIOURS; it answers such a frame with REPLY, begins when the guest has read that and
made the 32-bit number at this address in its memory other than 0, and counts its turns there. The guest's
next reset of the device makes it behave again. `committed` counts how often each thing was really done.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Callable

from wire.peer import data_frame
from wire.stream import ADDRESS, ETHERTYPE, HEADER, REPLY
from wire.vhost_user import DESCRIPTOR, NET_HEADER, Ring, Rings, VhostUserNet

MISBEHAVE = REPLY + 1
GSO_TCPV4, NEEDS_CSUM = 1, 1
TOO_MANY = 0xFFFF
LENGTH = 60  # of a frame, where it is not the lie

# What the guest should see.
BROKEN = "broken"  # DEVICE_ERROR until the next reset
DEAF = "deaf"  # no error, but no frame arrives
SPOILT = "spoilt"  # no error, whatever becomes of the frames
WORKS = "works"  # nothing
ANY = "any"  # the device may spoil the ring; only recovery is promised


@dataclass(frozen=True)
class Misbehaviour:
    """`act` is called repeatedly and returns whether it did its harm this time."""

    name: str
    effect: str
    act: Callable[["HostileNet", Rings], bool]


class HostileNet(VhostUserNet):
    def __init__(self, memory_mib: int = 512, machine: str = "q35") -> None:
        super().__init__(memory_mib, machine)
        self.committed: Counter[str] = Counter()
        self._current: Misbehaviour | None = None
        self._asked_for = ""
        self._counter: memoryview | None = None  # in the guest's memory
        self._has_lied = False
        self._snapshots: dict[int, bytes] = {}
        self._guest_buffers: list[memoryview] = []

    def misbehave(self, name: str) -> None:
        """From now on, until the guest resets the device."""
        self._has_lied = False
        self._current = next(which for which in MISBEHAVIOURS if which.name == name)

    def stopped(self) -> None:
        self._current = None
        self._asked_for = ""
        self._counter = None
        self._snapshots.clear()
        self._guest_buffers.clear()

    def serve(self, rings: Rings) -> None:
        if self._current is None:
            super().serve(rings)
            if self._asked_for and self._counter and self._counter[0]:
                self.misbehave(self._asked_for)
                self._asked_for = ""
            return
        if self._current.act(self, rings):
            self.committed[self._current.name] += 1
        if self._counter:
            self._counter[0] = (self._counter[0] + 1) % (1 << 32)

    def _take(self, frame: bytes) -> None:
        if len(frame) >= HEADER.size and frame[12:15] == ETHERTYPE + bytes([MISBEHAVE]):
            self._reply()
            *_, number, address = HEADER.unpack_from(frame)
            self._asked_for = MISBEHAVIOURS[number].name
            assert self._memory is not None
            self._counter = self._memory.guest(address, 4).cast("I")
        else:
            super()._take(frame)

    def _hear_kicks(self, kicks: list[int]) -> None:
        if self._current is None or self._current.name != "kicks_never_read":
            super()._hear_kicks(kicks)

    # Lies in a used ring: one, and then silence

    def lie(self, ring: Ring, tell: Callable[[Ring], bool]) -> bool:
        if self._has_lied or not tell(ring):
            return False
        self._has_lied = True
        return True

    # Harm that goes on while the device works

    def serve_well(self, rings: Rings) -> bool:
        super().serve(rings)
        return True

    def with_header(self, rings: Rings, header: bytes) -> bool:
        self.take_sent(rings.tx)
        had = len(self._frames)
        self.deliver(rings.rx, header)
        return had > 0

    def with_length(self, rings: Rings, length: Callable[[int], int]) -> bool:
        """Receive, with used lengths computed from the buffer's."""
        self.take_sent(rings.tx)
        if not self._frames or (head := rings.rx.take()) is None:
            return False
        frame = NET_HEADER.pack(0, 0, 0, 0, 0, 0, 1) + self._frames.popleft()
        self.write(rings.rx, head, frame)
        rings.rx.put(head, length(sum(map(len, rings.rx.buffers(head)))))
        return True

    def spoil_flags(self, rings: Rings) -> bool:
        self.serve_well(rings)
        for ring in rings.of:
            ring.used[0] = 0xFFFF
            ring.event[0] = struct.unpack("<H", os.urandom(2))[0]
        return True

    def rewrite_descriptors(self, rings: Rings) -> bool:
        """The device uses their former values. The guest changes only the lengths of what it sends."""
        for index, ring in enumerate(rings.of):
            live = ring.live
            if index not in self._snapshots:
                self._snapshots[index] = bytes(live)
            merged = bytearray(self._snapshots[index])
            for at in range(0, len(merged), DESCRIPTOR.size):
                merged[at + 8 : at + 12] = live[at + 8 : at + 12]
                rubbish = os.urandom(8)
                live[at : at + 8] = rubbish
                live[at + 12 : at + 16] = rubbish[:4]
            ring.table = merged
        return self.serve_well(rings)

    def rewrite_available(self, rings: Rings) -> bool:
        for ring in rings.of:
            for at in range(len(ring.available)):
                ring.available[at] = struct.unpack("<H", os.urandom(2))[0]
        return True

    def scribble(self, rings: Rings) -> bool:
        """Write all over the guest's buffers, those included that it has read or not yet read."""
        if not self._guest_buffers:
            for ring in rings.of:
                for head in range(ring.size):
                    address, length, _, _ = DESCRIPTOR.unpack_from(ring.table, 16 * head)
                    if length:
                        self._guest_buffers.append(ring.memory.guest(address, length))
        self.serve_well(rings)
        for buffer in self._guest_buffers:
            buffer[:] = os.urandom(len(buffer))
        return True

    def flood_guest(self, rings: Rings) -> bool:
        self.take_sent(rings.tx)
        frame = data_frame(self._guest, ADDRESS, 0)
        for _ in rings.rx.waiting():
            self._frames.appendleft(frame)
            self.deliver(rings.rx)
        return True

    def interrupt(self, rings: Rings) -> bool:
        self.serve_well(rings)
        for ring in rings.of:
            if ring.call >= 0:
                os.write(ring.call, struct.pack("<Q", 1))
        return True


def give(ring: Ring, identifier: int, length: int = LENGTH) -> bool:
    ring.put(identifier, length)
    return True


def give_twice(ring: Ring) -> bool:
    head = ring.take()
    return head is not None and give(ring, head) and give(ring, head)


def give_what_is_not_in_flight(ring: Ring) -> bool:
    """A slot that the guest still owns. Something is in flight, so the index itself is no lie."""
    waiting = ring.waiting()
    idle = set(range(ring.size)) - set(waiting)
    return bool(waiting and idle) and give(ring, min(idle))


def give_with_length(ring: Ring, length: Callable[[int], int]) -> bool:
    head = ring.take()
    return head is not None and give(ring, head, length(sum(map(len, ring.buffers(head)))))


def move_index(ring: Ring, by: int) -> bool:
    ring.used[1] = (ring.done + by) % 65536
    return True


def announce_without_writing(ring: Ring) -> bool:
    """The index says that everything is used; the entries are old."""
    waiting = ring.waiting()
    return bool(waiting) and move_index(ring, len(waiting))


TRUE_WHEN_ALL_ARE_IN_FLIGHT = (give_what_is_not_in_flight, announce_without_writing)


def lies() -> list[Misbehaviour]:
    """The possible lies in a used ring, for each of the two rings."""
    tellers: dict[str, Callable[[Ring], bool]] = {
        "used_id_is_queue_size": lambda ring: bool(ring.waiting()) and give(ring, ring.size),
        "used_id_is_maximal": lambda ring: bool(ring.waiting()) and give(ring, 0xFFFFFFFF),
        "used_id_not_in_flight": give_what_is_not_in_flight,
        "used_id_twice": give_twice,
        "used_index_jumps": lambda ring: move_index(ring, ring.size + 1),
        "used_index_runs_backwards": lambda ring: move_index(ring, -1 - ring.size),
        "used_index_without_entries": announce_without_writing,
    }
    only_rx: dict[str, Callable[[Ring], bool]] = {
        "length_is_zero": lambda ring: give_with_length(ring, lambda _: 0),
        "length_below_header": lambda ring: give_with_length(ring, lambda _: NET_HEADER.size - 1),
        "length_above_buffer": lambda ring: give_with_length(ring, lambda size: size + 1),
        "length_is_maximal": lambda ring: give_with_length(ring, lambda _: 0xFFFFFFFF),
    }

    def lie(way: str, name: str, tell: Callable[[Ring], bool]) -> Misbehaviour:
        def act(device: HostileNet, rings: Rings) -> bool:
            return device.lie(rings.rx if way == "rx" else rings.tx, tell)

        # The driver looks at completed sends when it needs room: all are in flight then.
        is_true_by_then = way == "tx" and tell in TRUE_WHEN_ALL_ARE_IN_FLIGHT
        return Misbehaviour(f"{way}_{name}", ANY if is_true_by_then else BROKEN, act)

    found = [lie("rx", name, tell) for name, tell in (tellers | only_rx).items()]
    return found + [lie("tx", name, tell) for name, tell in tellers.items()]


def take_sent_with(length: int) -> Callable[[HostileNet, Rings], bool]:
    def act(device: HostileNet, rings: Rings) -> bool:
        had = bool(rings.tx.waiting())
        device.take_sent(rings.tx, length)
        device.deliver(rings.rx)
        return had

    return act


def header(flags: int = 0, gso: int = 0, buffers: int = 1) -> Callable[[HostileNet, Rings], bool]:
    made = NET_HEADER.pack(flags, gso, 0, 0, 0, 0, buffers)
    return lambda device, rings: device.with_header(rings, made)


MISBEHAVIOURS = lies() + [
    Misbehaviour("tx_length_is_maximal", WORKS, take_sent_with(0xFFFFFFFF)),
    Misbehaviour("flags_and_events_are_garbage", WORKS, HostileNet.spoil_flags),
    Misbehaviour("descriptors_rewritten", WORKS, HostileNet.rewrite_descriptors),
    Misbehaviour("kicks_never_read", WORKS, HostileNet.serve_well),
    Misbehaviour("interrupts_never_end", WORKS, HostileNet.interrupt),
    Misbehaviour("buffer_count_is_maximal", WORKS, header(buffers=TOO_MANY)),
    Misbehaviour("gso_type_set", DEAF, header(gso=GSO_TCPV4)),
    Misbehaviour("needs_csum_set", DEAF, header(flags=NEEDS_CSUM)),
    Misbehaviour(
        "frame_is_too_short",
        DEAF,
        lambda device, rings: device.with_length(rings, lambda _: NET_HEADER.size + 13),
    ),
    Misbehaviour(
        "frame_is_too_long", DEAF, lambda device, rings: device.with_length(rings, lambda size: size)
    ),
    Misbehaviour("nothing_is_ever_used", DEAF, lambda device, rings: True),
    Misbehaviour("buffers_written_in_flight", SPOILT, HostileNet.scribble),
    Misbehaviour("frames_never_end", SPOILT, HostileNet.flood_guest),
    Misbehaviour("available_ring_rewritten", ANY, HostileNet.rewrite_available),
]
