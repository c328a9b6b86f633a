# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What each driver gives a user of the firmware's own network stack.

Seconds: the shell's `http` and `tftp` download from this machine through QEMU's user network. In
each round every driver has a guest of its own for one download of each kind, one driver after the
other, so that other load on this machine affects all alike. The guest is booted anew each time,
because the layout of the firmware's pool can make one boot take a third more instructions for the
same download than the next. The result is the median of the rounds, and the median of the ratios to
the firmware's driver in the same round. This driver on a packed ring is compared with the firmware's
on the modern device. On a busy machine QEMU's CPU time is more meaningful, except for TFTP, where it
is the time spent polling.

Accesses: the reads and writes of the NIC's registers during one TFTP download, from QEMU's trace
events, and the packets in the same time, from a capture. There the NIC has ioeventfd=off, because
QEMU under TCG does not trace doorbells that go to an eventfd.
"""

from __future__ import annotations

import os
import re
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Sequence

import devices
import evidence
import network
from figures import COLUMNS, DRIVERS, Figure, figure
from guest import DRIVER, Guest, GuestError, Nic

ROUNDS = int(os.environ.get("ROUNDS", "5"))
DOWNLOAD_TIMEOUT_S = 120
GUEST_TIMEOUT_S = 400
DISK_MIB = 120  # for both downloads
HTTP_FILE, HTTP_BYTES = "http.bin", 64 << 20
TFTP_FILE, TFTP_BYTES = "tftp.bin", 8 << 20
COUNTED_FILE, COUNTED_BYTES = "counted.bin", 2 << 20
BLOCK_BYTES = 1468  # at most, in a TFTP packet
SIZES = {HTTP_FILE: HTTP_BYTES, TFTP_FILE: TFTP_BYTES, COUNTED_FILE: COUNTED_BYTES}

OURS, FIRMWARE, IPXE = DRIVERS
NAMES = {  # of who holds PciIo
    (FIRMWARE, "modern"): "Virtio 1.0 PCI Driver",
    (FIRMWARE, "legacy"): "Virtio PCI Driver",
    (IPXE, "modern"): "virtio-net.efidrv",
    (IPXE, "legacy"): "virtio-net.efidrv",
}

EVENTS = ("memory_region_ops_read", "memory_region_ops_write")
ACCESS = re.compile(r"^memory_region_ops_(?:read|write) .*? addr 0x([0-9a-f]+) ", re.MULTILINE)
# Where QEMU has the registers: the BAR, and the offset at which each kind begins.
LAYOUTS = {
    "modern": (4, ((0x3000, "doorbell"), (0x2000, "device"), (0x1000, "isr"), (0, "common"))),
    "legacy": (0, ((20, "device"), (19, "isr"), (18, "common"), (16, "doorbell"), (0, "common"))),
}
KINDS = ("doorbell", "common", "device", "isr")
TIMES = ("http", "http_cpu", "tftp")


def run(rounds: int = ROUNDS) -> list[Figure]:
    """All figures of the stack. A driver that fails has notes in place of values."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="stack-bench.") as folder:
        server = network.Server(Path(folder), sizes=SIZES)
        try:
            for transport in LAYOUTS:
                columns = [each for each in COLUMNS if devices.ALL[each[1]].transport == transport]
                for driver, device in columns:
                    say(f"accesses per packet, {driver}, {device}")
                    found += count_accesses(driver, device, server)
                found += time_downloads(columns, server, rounds)
        finally:
            server.close()
    return found


def say(step: str) -> None:
    print(f"bench: {step}", file=sys.stderr, flush=True)


def assert_held(guest: Guest, driver: str, device: str) -> None:
    """Raise GuestError unless `driver` has the guest's NIC."""
    if driver == OURS:
        evidence.assert_ours(guest, devices.ALL[device].transport)
        return
    names = [name for adapter in evidence.adapters(guest) for name in adapter.driver_names]
    if NAMES[driver, device] not in names:
        raise guest.error(f"{NAMES[driver, device]} on the NIC", str(names))


def make_guest(
    part: str, driver: str, device: str, server: network.Server, options: str = "", **more: Any
) -> Guest:
    """A guest, not started, in which `driver` will have the NIC."""
    romfile = None if driver == IPXE else ""
    nic = Nic(devices.ALL[device].options + options, server.netdev(), romfile=romfile)
    case = f"bench-{part}-{device}-{driver}"
    loaded = DRIVER if driver == OURS else None
    return Guest(case, nics=[nic], driver=loaded, timeout=GUEST_TIMEOUT_S, **more)


def connect(guest: Guest, driver: str, device: str) -> None:
    guest.load_driver()
    guest.run("connect -r", timeout=60)
    assert_held(guest, driver, device)
    network.get_lease(guest)
    if driver == OURS:
        devices.prove_rings(guest, device)


def download_tftp(guest: Guest, name: str) -> None:
    guest.run(f"tftp 10.0.2.2 {name} {name}", timeout=DOWNLOAD_TIMEOUT_S)


def download_http(guest: Guest, server: network.Server, name: str) -> None:
    url = f"http://10.0.2.2:{server.port}/{name}"
    guest.run(f"http {url} {name}", timeout=DOWNLOAD_TIMEOUT_S)


def reason(error: GuestError) -> str:
    """The error without the case's name and the path of its log."""
    return re.sub(r"^[^:]*: |; console log: .*", "", str(error))


# Seconds


@dataclass
class Runner:
    """One driver on one device, and its times in each round until it failed."""

    driver: str
    device: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in TIMES})
    failure: str = ""


def time_downloads(
    columns: Sequence[tuple[str, str]], server: network.Server, rounds: int
) -> list[Figure]:
    """Seconds of both downloads, and their ratios to the firmware's driver, for each column."""
    runners = [Runner(*column) for column in columns]
    for number in range(rounds):
        for runner in runners:
            if runner.failure:
                continue
            case = f"{runner.driver}, {runner.device}"
            say(f"downloads, {case}, round {number + 1} of {rounds}")
            try:
                _download(runner, server)
            except GuestError as error:
                runner.failure = reason(error)
    return [figure for runner in runners for figure in _figures_of(runner, runners)]


def _download(runner: Runner, server: network.Server) -> None:
    driver, device = runner.driver, runner.device
    with make_guest("downloads", driver, device, server, disk_mib=DISK_MIB) as guest:
        connect(guest, driver, device)
        began, began_cpu = time.monotonic(), guest.cpu_seconds()
        download_http(guest, server, HTTP_FILE)
        between, between_cpu = time.monotonic(), guest.cpu_seconds()
        download_tftp(guest, TFTP_FILE)
        ended = time.monotonic()
        assert_held(guest, driver, device)
        guest.power_off()
    for name in (HTTP_FILE, TFTP_FILE):
        network.compare_download(guest, server, name)
    times = (between - began, between_cpu - began_cpu, ended - between)
    for kind, seconds in zip(TIMES, times):
        runner.seconds[kind].append(seconds)


def _figures_of(runner: Runner, runners: Sequence[Runner]) -> Iterator[Figure]:
    firmware = next(each for each in runners if each.driver == FIRMWARE)
    for kind, seconds in runner.seconds.items():
        pairs = list(zip(seconds, firmware.seconds[kind]))
        value = ratio = None
        if not runner.failure:
            value = statistics.median(seconds)
            if not firmware.failure:
                ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        yield figure(runner.driver, runner.device, f"{kind}_seconds", value, runner.failure)
        yield figure(runner.driver, runner.device, f"{kind}_ratio", ratio, runner.failure)


# Accesses


def count_accesses(driver: str, device: str, server: network.Server) -> list[Figure]:
    """Accesses per packet of one TFTP download, in all and of each kind of register."""
    names = {kind: f"tftp_accesses_{kind}" for kind in KINDS}
    try:
        counts, packets = _count(driver, device, server)
    except GuestError as error:
        return [
            figure(driver, device, name, None, reason(error))
            for name in ("tftp_accesses", *names.values())
        ]
    total = figure(driver, device, "tftp_accesses", sum(counts.values()) / packets)
    parts = [figure(driver, device, name, counts[kind] / packets) for kind, name in names.items()]
    return [total, *parts]


def _count(driver: str, device: str, server: network.Server) -> tuple[Counter[str], int]:
    with tempfile.TemporaryDirectory(prefix="stack-bench.") as folder:
        capture = Path(folder, "capture")
        dump = f"filter-dump,id=dump,netdev=net0,status=off,file={capture}"
        guest = make_guest(
            "accesses", driver, device, server, ",ioeventfd=off", extra=["-object", dump]
        )
        with guest:
            connect(guest, driver, device)
            switch(guest, True)
            with traced(guest):
                download_tftp(guest, COUNTED_FILE)
            switch(guest, False)
            counts = accesses(guest, devices.ALL[device].transport)
            assert_held(guest, driver, device)
            guest.power_off()
        network.compare_download(guest, server, COUNTED_FILE)
        packets = count_packets(capture.read_bytes())
    if not counts.total() or packets < COUNTED_BYTES // BLOCK_BYTES:
        seen = f"{counts.total()} in {packets} packets"
        raise guest.error("accesses and packets in the download's trace", seen)
    return counts, packets


def accesses(guest: Guest, transport: str) -> Counter[str]:
    """The accesses to the NIC's registers in the trace, of each kind of register."""
    bar, layout = LAYOUTS[transport]
    answer: Any = guest.qmp("query-pci")
    nic = next(each for bus in answer for each in bus["devices"] if each["qdev_id"] == "nic0")
    region = next(each for each in nic["regions"] if each["bar"] == bar)
    begin, end = region["address"], region["address"] + region["size"]
    counts: Counter[str] = Counter({kind: 0 for kind in KINDS})
    for match in ACCESS.finditer((guest.folder / "qemu.log").read_text(errors="replace")):
        if begin <= (address := int(match[1], 16)) < end:
            counts[next(kind for offset, kind in layout if address - begin >= offset)] += 1
    return counts


@contextmanager
def traced(guest: Guest) -> Iterator[None]:
    """Trace all accesses to registers meanwhile. The NIC has ioeventfd=off."""
    for enable in (True, False):
        for event in EVENTS:
            guest.qmp("trace-event-set-state", name=event, enable=enable)
        if enable:
            yield


def switch(guest: Guest, is_on: bool) -> None:
    """Switch the capture on or off."""
    guest.qmp("qom-set", path="/objects/dump", property="status", value="on" if is_on else "off")


def count_packets(capture: bytes) -> int:
    """The packets in a capture file; struct.error for one that is cut off."""
    packets, at = 0, 24
    while at < len(capture):
        (length,) = struct.unpack_from("=I", capture, at + 8)
        packets, at = packets + 1, at + 16 + length
    return packets
