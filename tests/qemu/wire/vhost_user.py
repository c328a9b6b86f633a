# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A virtio-net device outside QEMU: the back end of a `-netdev vhost-user`, well behaved.

    with VhostUserNet() as device, Guest("case", nics=[Nic(netdev=device.netdev)],
                                         machine=device.machine, extra=device.extra) as guest:
        ...

QEMU gives it the guest's memory and the two rings; configuration, feature bits, resets and the
control queue stay QEMU's. It does what a Peer does, and answers ARP and ping at IPV4. One thread
serves all, and looks at the rings every few milliseconds even without a doorbell.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass
from typing import Sequence

from wire.peer import Peer
from wire.stream import ADDRESS, CONNECT_TIMEOUT_S

RX, TX = 0, 1
NET_HEADER = struct.Struct("<BBHHHHH")  # VIRTIO 1.2, 5.1.6
DESCRIPTOR = struct.Struct("<QIHH")
F_NEXT, F_WRITE = 1, 2
F_EVENT_IDX, F_PROTOCOL_FEATURES, F_VERSION_1 = 1 << 29, 1 << 30, 1 << 32
POLL_S = 0.003
IPV4 = "10.9.0.2"
IPV4_BYTES = socket.inet_aton(IPV4)

# The vhost-user protocol: requests, and the header's flags.
GET_FEATURES, SET_FEATURES, SET_MEM_TABLE = 1, 2, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, GET_QUEUE_NUM = 15, 17
MESSAGE = struct.Struct("<III")
REPLY_FLAGS = 1 | 4  # version 1, a reply
NO_FD = 1 << 8
MESSAGE_FDS = 8


class Memory:
    """The guest's memory, by the guest's addresses and by QEMU's."""

    def __init__(self, payload: bytes, fds: list[int]) -> None:
        self._regions = []
        for index, fd in enumerate(fds):
            start, size, user, offset = struct.unpack_from("<4Q", payload, 8 + 32 * index)
            mapped = memoryview(mmap.mmap(fd, offset + size))[offset:]
            self._regions.append((start, user, size, mapped))

    def guest(self, address: int, size: int) -> memoryview:
        """Memory at a guest-physical address; LookupError if there is none."""
        for start, _, length, mapped in self._regions:
            if start <= address and address + size <= start + length:
                return mapped[address - start : address - start + size]
        raise LookupError(f"no guest memory at {address:#x}")

    def user(self, address: int, size: int) -> memoryview:
        """Memory at an address of QEMU's."""
        for _, user, length, mapped in self._regions:
            if user <= address and address + size <= user + length:
                return mapped[address - user : address - user + size]
        raise LookupError(f"no memory of QEMU's at {address:#x}")


@dataclass
class Setup:
    """What QEMU has told about one ring so far."""

    size: int = 0
    base: int = 0
    kick: int = -1
    call: int = -1
    addresses: tuple[int, ...] = ()  # descriptors, used, available


class Ring:
    """One split virtqueue, from the device's side."""

    def __init__(self, setup: Setup, memory: Memory) -> None:
        size = self.size = setup.size
        table, used, available = setup.addresses
        self.memory = memory
        self.live = memory.user(table, 16 * size)
        self.table: memoryview | bytearray = self.live  # the descriptors that the device goes by
        self.available = memory.user(available, 6 + 2 * size).cast("H")
        after = memory.user(used, 6 + 8 * size)
        self.used = after[:4].cast("H")  # flags, index
        self.elements = after[4 : 4 + 8 * size].cast("I")
        self.event = after[4 + 8 * size :].cast("H")
        self.taken = setup.base  # available entries
        self.done = self.used[1]  # used entries
        self.kick, self.call = setup.kick, setup.call

    def waiting(self) -> list[int]:
        """The heads that the guest has made available and that are not taken yet."""
        count = (self.available[1] - self.taken) % 65536
        return [self.available[2 + (self.taken + i) % self.size] for i in range(count)]

    def take(self) -> int | None:
        if self.available[1] == self.taken:
            self.event[0] = self.taken  # ring when there is more
            return None
        head = self.available[2 + self.taken % self.size]
        self.taken = (self.taken + 1) % 65536
        return head

    def put(self, identifier: int, length: int) -> None:
        """Mark `identifier` as used."""
        self.put_all([(identifier, length)])

    def put_all(self, parts: Sequence[tuple[int, int]]) -> None:
        """Mark several as used, identifier and length each, at once."""
        for identifier, length in parts:
            at = 2 * (self.done % self.size)
            self.elements[at], self.elements[at + 1] = identifier, length
            self.done = (self.done + 1) % 65536
        self.used[1] = self.done

    def buffers(self, head: int) -> list[memoryview]:
        """The memory of a chain, according to its descriptors."""
        found = []
        while len(found) < self.size:
            address, length, flags, following = DESCRIPTOR.unpack_from(self.table, 16 * head)
            found.append(self.memory.guest(address, length))
            if not flags & F_NEXT:
                break
            head = following
        return found


@dataclass
class Rings:
    """The device's two rings while the guest's driver has them running."""

    rx: Ring
    tx: Ring

    @property
    def of(self) -> tuple[Ring, Ring]:
        return self.rx, self.tx


class VhostUserNet(Peer):
    """A context manager. `netdev`, `machine` and `extra` are for the Nic and the Guest."""

    OFFERED = F_EVENT_IDX | F_PROTOCOL_FEATURES | F_VERSION_1

    def __init__(self, memory_mib: int = 512, machine: str = "q35") -> None:
        super().__init__()
        self.netdev = "vhost-user,chardev=hostile"
        self.machine = f"{machine},memory-backend=shared"
        self.extra = [
            *("-object", f"memory-backend-memfd,id=shared,size={memory_mib}M,share=on"),
            *("-chardev", f"socket,id=hostile,path={self._path}"),
        ]
        self.starts = 0  # of the rings
        self.rings: Rings | None = None
        self._memory: Memory | None = None
        self._setups = (Setup(), Setup())
        self._frames: deque[bytes] = deque()  # for the guest
        self._dying = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(1)
        self._listener.settimeout(CONNECT_TIMEOUT_S)

    def _run(self) -> None:
        try:
            wire, _ = self._listener.accept()
        except OSError:
            return
        with wire:
            while not self._closing.is_set() and not self._dying.is_set():
                kicks = [ring.kick for ring in self.rings.of] if self.rings else []
                readable, _, _ = select.select([wire, *kicks], [], [], POLL_S)
                self._hear_kicks([fd for fd in kicks if fd in readable])
                if wire in readable and not self._obey(wire):
                    return
                self._refill()
                if self.rings:
                    self.serve(self.rings)

    def _hear_kicks(self, kicks: list[int]) -> None:
        for kick in kicks:
            os.read(kick, 8)

    def die(self) -> None:
        """Close the connection to QEMU, for good."""
        self._dying.set()
        self._thread.join(5)

    # The rings

    def serve(self, rings: Rings) -> None:
        """Take what the guest sends, and deliver what it should receive."""
        self.take_sent(rings.tx)
        self.deliver(rings.rx)

    def take_sent(self, ring: Ring, used_length: int = 0) -> None:
        while (head := ring.take()) is not None:
            data = b"".join(ring.buffers(head))
            self._take(data[NET_HEADER.size :])
            ring.put(head, used_length)

    def deliver(self, ring: Ring, header: bytes = NET_HEADER.pack(0, 0, 0, 0, 0, 0, 1)) -> None:
        while self._frames and (head := ring.take()) is not None:
            ring.put(head, self.write(ring, head, header + self._frames.popleft()))

    def write(self, ring: Ring, head: int, data: bytes) -> int:
        """Write header and frame into a chain of the guest's; return how much went in."""
        at = 0
        for buffer in ring.buffers(head):
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            at += len(part)
        return at

    # What a Peer does, on this transport

    def _backlog(self) -> int:
        return sum(map(len, self._frames))

    def _send(self, frame: bytes) -> None:
        self._frames.append(frame)

    def _take(self, frame: bytes) -> None:
        if answer := answer_arp(frame) or answer_ping(frame):
            self._send(answer)
        else:
            super()._take(frame)

    # The protocol

    def _obey(self, wire: socket.socket) -> bool:
        """Carry out one request of QEMU's. False when QEMU is gone."""
        try:
            head, fds, _, _ = socket.recv_fds(wire, MESSAGE.size, MESSAGE_FDS)
            if len(head) < MESSAGE.size:
                return False
            request, _, size = MESSAGE.unpack(head)
            payload = wire.recv(size, socket.MSG_WAITALL) if size else b""
            answer = self._request(request, payload, list(fds))
            if answer is not None:
                wire.sendall(MESSAGE.pack(request, REPLY_FLAGS, len(answer)) + answer)
        except OSError:
            return False
        return True

    def _request(self, request: int, payload: bytes, fds: list[int]) -> bytes | None:
        if request == GET_FEATURES:
            return struct.pack("<Q", self.OFFERED)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", 0)
        if request == GET_QUEUE_NUM:
            return struct.pack("<Q", 1)
        if request == SET_FEATURES:
            self.negotiated(*struct.unpack("<Q", payload))
        elif request == SET_MEM_TABLE:
            self._memory = Memory(payload, fds)
            for fd in fds:
                os.close(fd)
        elif SET_VRING_NUM <= request <= SET_VRING_ERR:
            return self._set_ring(request, payload, fds)
        return None

    def _set_ring(self, request: int, payload: bytes, fds: list[int]) -> bytes | None:
        index, number = struct.unpack_from("<II", payload)
        index &= NO_FD - 1
        setup = self._setups[index]
        if request == SET_VRING_NUM:
            setup.size = number
        elif request == SET_VRING_BASE:
            setup.base = number
        elif request == SET_VRING_ADDR:
            setup.addresses = struct.unpack_from("<3Q", payload, 8)
        elif request == SET_VRING_KICK:
            setup.kick = replace_fd(setup.kick, fds)
            self._start_when_ready()
        elif request == SET_VRING_CALL:
            setup.call = replace_fd(setup.call, fds)
            if self.rings:
                self.rings.of[index].call = setup.call
        elif request == GET_VRING_BASE:
            self._stop()
            setup.kick = replace_fd(setup.kick, [])
            return struct.pack("<II", index, setup.base)
        return None

    def _start_when_ready(self) -> None:
        if self._memory and all(setup.kick >= 0 and setup.addresses for setup in self._setups):
            self.rings = Rings(*(Ring(setup, self._memory) for setup in self._setups))
            self.starts += 1

    def _stop(self) -> None:
        """The guest has reset the device: no ring is touched from now on."""
        if self.rings:
            for setup, ring in zip(self._setups, self.rings.of):
                setup.base = ring.taken
            self.rings = None
            self._frames.clear()
            self.stopped()

    # For subclasses that do more

    def negotiated(self, features: int) -> None:
        """QEMU has told what the guest's driver accepted."""

    def stopped(self) -> None:
        """The rings are gone."""


def replace_fd(old: int, fds: list[int]) -> int:
    if old >= 0:
        os.close(old)
    return fds[0] if fds else -1


def answer_arp(frame: bytes) -> bytes:
    """The answer to a request for IPV4's address, else nothing."""
    if frame[12:22] != bytes.fromhex("0806 0001 0800 0604 0001") or frame[38:42] != IPV4_BYTES:
        return b""
    who = frame[22:32]  # hardware and protocol address
    answer = who[:6] + ADDRESS + frame[12:21] + b"\2" + ADDRESS + IPV4_BYTES + who
    return answer.ljust(60, b"\0")


def answer_ping(frame: bytes) -> bytes:
    """The answer to an ICMP echo request to IPV4, else nothing."""
    if frame[12:15] != b"\x08\0\x45" or frame[23] != 1 or frame[30:35] != IPV4_BYTES + b"\x08":
        return b""
    checksum = int.from_bytes(frame[36:38], "big") + 0x0800  # of 8 less in the type's byte
    checksum = (checksum & 0xFFFF) + (checksum >> 16)
    start = frame[6:12] + ADDRESS + frame[12:26] + frame[30:34] + frame[26:30]
    return start + b"\0" + frame[35:36] + checksum.to_bytes(2, "big") + frame[38:]
