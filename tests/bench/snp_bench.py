# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Measures the SNP drivers by snpbench.efi in a guest: instructions, device accesses, rates.

Three kinds of guest per driver and device:

exact   -icount: the TSC counts guest instructions. The device sends on a timer of the guest's
        (tx=timer), so that how many frames a doorbell covers depends on the guest alone.
eager   -icount, but the device sends when QEMU's main loop comes to it, as is QEMU's default.
rate    no -icount: frames and round trips against the clock, one guest after the other.

Doorbells can be traced only when no event file descriptor takes them: ioeventfd=off, but in `rate`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Iterator, Sequence

import devices
import evidence
import guest as guests
from bench_peer import BenchPeer
from figures import COLUMNS, DEVICES, DRIVERS, Figure, figure
from guest import Guest, GuestError, Nic

APP = guests.BUILD / "x86_64" / "apps" / "snpbench.efi"
# One instruction in 2^SHIFT ns. At 0 the firmware's waits, which are in ns, take a minute.
SHIFT = 3
ICOUNT = ("-icount", f"shift={SHIFT},sleep=off")
PHASE_PORT = ("-chardev", "null,id=phase", "-device", "isa-debugcon,iobase=0x403,chardev=phase")
TRACED = ("memory_region_ops_read", "memory_region_ops_write")
EXACT_FRAMES = 1024
FLOOD_FRAMES = 4 * EXACT_FRAMES
ROUNDS = 3  # that snpbench.efi makes
RATE_FRAMES = 20_000
LIMIT_S = 75  # for one measurement; a driver that is still busy hangs
GUEST_LIMIT_S = 240

OTHERS = {
    ("firmware", "modern"): {"Virtio 1.0 PCI Driver", "Virtio Network Driver"},
    ("firmware", "legacy"): {"Virtio PCI Driver", "Virtio Network Driver"},
    ("ipxe", "modern"): {"virtio-net.efidrv"},
    ("ipxe", "legacy"): {"virtio-net.efidrv"},
}

CALLS = {  # figure: the phase and the call that it is the cost of
    "receive_64": ("receive_64", "receive"),
    "receive_1514": ("receive_1514", "receive"),
    "receive_empty": ("receive_empty", "receive_empty"),
    "transmit_64": ("tx_flood", "transmit"),
    "transmit_1514": ("tx_1514_flood", "transmit"),
    "get_status_buffer": ("tx_flood", "get_status_buffer"),
    "get_status_none": ("get_status", "get_status_none"),
}
LETTERS = {  # phase: how the application announces it, and how many units it has
    "rx_flood": ("r", FLOOD_FRAMES),
    "tx_flood": ("t", FLOOD_FRAMES),
    "round_trip": ("p", 16),
    "get_status": ("g", EXACT_FRAMES),
    "receive_empty": ("e", EXACT_FRAMES),
}
PARTS = ("doorbell", "common", "device", "isr")
RATES = {
    "rx_frames_per_second": "rx_64",
    "rx_1514_frames_per_second": "rx_1514",
    "round_trips_per_second": "round_trips",
    "tx_frames_per_second": "tx_64",
    "tx_1514_frames_per_second": "tx_1514",
}


@dataclass
class Report:
    """The output of snpbench.efi, and the trace of each phase, in the order of the rounds."""

    lines: dict[tuple[str, str], list[list[int]]] = field(default_factory=dict)
    accesses: dict[str, list[Counter[str]]] = field(default_factory=dict)  # by letter
    trouble: str = ""  # why it ended early
    losses: dict[str, str] = field(default_factory=dict)  # phase -> what did not arrive, or how

    def parse(self, text: str) -> None:
        for phase, name, rest in re.findall(r"^BENCH (\w+) (\w+)((?: \d+)+)$", text, re.M):
            self.lines.setdefault((phase, name), []).append([int(n) for n in rest.split()])
        if failed := re.search(r"^BENCH FAILED (.*)$", text, re.M):
            self.trouble = failed[1]
        for (phase, name), values in self.lines.items():
            if name in ("lost", "out_of_place", "of_wrong_size", "late"):
                words = f"{max(value[0] for value in values)} frames {name.replace('_', ' ')}"
                self.losses[phase] = words

    def costs(self, phase: str, call: str) -> list[float]:
        """Instructions per call, by round."""
        values = self.lines.get((phase, call), [])
        return [ticks / calls / (1 << SHIFT) for calls, ticks in values]

    def value(self, phase: str, name: str) -> int | None:
        values = self.lines.get((phase, name))
        return values[-1][0] if values else None


def run_guest(
    case: str,
    driver: str,
    device: str,
    commands: Sequence[str],
    *,
    options: str = "",
    extra: Sequence[str] = (),
    traced: bool = False,
    nics: int = 1,
    limit: float = LIMIT_S,
    image: Path = guests.DRIVER,
) -> Report:
    """Boot a guest whose NICs `driver` has, run snpbench.efi with each of `commands`.

    `image` is our driver's. Never raises GuestError: problems are in the report's `trouble`.
    """
    report = Report()
    romfile = None if driver == "ipxe" else ""
    trace = guests.OUTPUT / f"bench-{case}.trace"
    trace.parent.mkdir(parents=True, exist_ok=True)
    trace.unlink(missing_ok=True)
    guest = None
    base = 0
    before = ""
    is_measured = False
    try:
        with ExitStack() as stack:
            peers = [stack.enter_context(BenchPeer()) for _ in range(nics)]
            guest = Guest(
                f"bench-{case}",
                nics=[
                    Nic(devices.ALL[device].options + options, peer.netdev, romfile=romfile)
                    for peer in peers
                ],
                files={APP.name: APP},
                timeout=GUEST_LIMIT_S + limit,
                extra=[*PHASE_PORT, *extra, "-D", str(trace)],
                driver=image if driver == DRIVERS[0] else None,
            )
            stack.enter_context(guest)
            prove(guest, driver, device)
            base = legacy_base(guest) if device == "legacy" else 0
            for event in TRACED if traced else ():
                guest.qmp("trace-event-set-state", name=event, enable=True)
            before = guest.text
            for command in commands:
                guest.run(f"{APP.name} {command}", timeout=limit)
            is_measured = True
            if driver == DRIVERS[0]:
                devices.prove_rings(guest, device)
    except GuestError as error:
        report.trouble = f"hangs or crashes: {error}"
    text = guest.text[len(before) :] if guest and before else ""
    hung = report.trouble
    report.parse(text)
    report.trouble = hung or report.trouble
    if hung and before and not is_measured:
        last = re.findall(r"^BENCH (\w+)", text, re.M)
        report.trouble = f"hung within {limit:g} s" + (f", after {last[-1]}" if last else "")
    if traced and trace.exists():
        report.accesses = parse_trace(trace, base)
        trace.unlink()
    return report


def prove(guest: Guest, driver: str, device: str) -> None:
    """Put `driver` on the NICs; raise GuestError if another driver has them."""
    if driver == DRIVERS[0]:
        load_alone(guest)
        evidence.assert_ours(guest, devices.ALL[device].transport)
        return
    guest.run("connect -r", timeout=60)
    if evidence.our_drivers(guest):
        raise guest.error(f"the driver {driver} alone", "ours")
    seen = [set(adapter.driver_names) for adapter in evidence.adapters(guest)]
    if seen != [OTHERS[driver, device]] * len(guest.nics):
        raise guest.error(f"{OTHERS[driver, device]} on each NIC", str(seen))


def load_alone(guest: Guest) -> None:
    """Our driver on each NIC, and nothing above it: under -icount the firmware's stack on many
    NICs makes the shell's answers take minutes."""
    guest.load_driver(connect=False)
    ours = evidence.our_drivers(guest)[0].handle
    for handle in evidence.pci_handles(guest):
        guest.run(f"connect {handle} {ours}", timeout=60)


def legacy_base(guest: Guest) -> int:
    """The address of the NIC's BAR 0."""
    for bus in guest.qmp("query-pci"):
        for entry in bus["devices"]:
            if entry["qdev_id"] == "nic0":
                return next(r["address"] for r in entry["regions"] if r["bar"] == 0)
    raise guest.error("nic0 on the PCI bus", "no such device")


TRACE_LINE = re.compile(
    r"memory_region_ops_(?:read|write) cpu \S+ mr \S+ addr 0x(\w+) value 0x(\w+) size \d+ name '(.*)'"
)
REGIONS = {
    "virtio-pci-notify": "doorbell",
    "virtio-pci-common": "common",
    "virtio-pci-device": "device",
    "virtio-pci-isr": "isr",
}


def parse_trace(trace: Path, base: int) -> dict[str, list[Counter[str]]]:
    """The NIC's accesses by phase. QEMU names modern regions; the legacy one goes by offset."""
    found: dict[str, list[Counter[str]]] = defaultdict(list)
    current: Counter[str] = Counter()
    with trace.open(errors="replace") as lines:
        for match in filter(None, map(TRACE_LINE.match, lines)):
            address, value, name = int(match[1], 16), int(match[2], 16), match[3]
            if name == "isa-debugcon":
                current = Counter()
                if chr(value) != "-":
                    found[chr(value)].append(current)
            elif name == "virtio-pci":
                offset = address - base
                part = {16: "doorbell", 19: "isr"}.get(offset)
                current[part or ("device" if offset >= 20 else "common")] += 1
            elif part := REGIONS.get(name.removesuffix("-virtio-net")):
                current[part] += 1
    return found


def lowest_accesses(report: Report, phase: str) -> dict[str, float] | None:
    """Accesses per unit of the phase, of the round with the fewest: what only time calls for
    falls into one round or another."""
    letter, units = LETTERS[phase]
    rounds = report.accesses.get(letter)
    if not rounds:
        return None
    least = min(rounds, key=lambda counts: counts.total())
    return {part: least[part] / units for part in PARTS}


def exact_figures(report: Report, driver: str, device: str) -> Iterator[Figure]:
    """Figures of an exact guest. A phase that did not end has none."""
    for name, (phase, call) in CALLS.items():
        costs = report.costs(phase, call)
        yield _figure(report, driver, device, name, min(costs, default=None), phase)
    for phase in LETTERS:
        finished = any(key[0] == phase for key in report.lines)
        parts = lowest_accesses(report, phase) if finished else None
        total = sum(parts.values()) if parts else None
        yield _figure(report, driver, device, f"accesses_{phase}", total, phase)
        for part in PARTS if parts else ():
            yield figure(driver, device, f"accesses_{phase}_{part}", parts[part])
    for name, key in (("memory", "kib"), ("image_size", "image_bytes")):
        yield _figure(report, driver, device, name, report.value("memory", key), "memory")


def _figure(
    report: Report, driver: str, device: str, name: str, value: float | None, phase: str
) -> Figure:
    note = report.losses.get(phase, "")
    if value is None:
        note = report.trouble or "not measured"
    return figure(driver, device, name, value, f"{driver}, {device}: {note}" if note else "")


def measure_exact(
    driver: str,
    device: str,
    *,
    case: str = "",
    options: str = "",
    nics: int = 1,
    image: Path = guests.DRIVER,
) -> Report:
    commands = [f"exact {EXACT_FRAMES} {nics}"] + (["memory"] if nics == 1 else [])
    return run_guest(
        case or f"exact-{driver}-{device}",
        driver,
        device,
        commands,
        options=f",ioeventfd=off,tx=timer{options}",
        extra=ICOUNT,
        traced=True,
        nics=nics,
        limit=LIMIT_S * (1 + nics // 4),
        image=image,
    )


def eager_figures(driver: str, device: str) -> list[Figure]:
    """The one figure that depends on when the device sends."""
    report = run_guest(
        f"eager-{driver}-{device}",
        driver,
        device,
        [f"exact {EXACT_FRAMES}"],
        options=",ioeventfd=off",
        extra=ICOUNT,
        traced=True,
    )
    rounds = report.accesses.get("t", [])
    finished = any(key[0] == "tx_flood" for key in report.lines)
    value = mean(counts.total() for counts in rounds) / FLOOD_FRAMES if finished else None
    return [_figure(report, driver, device, "accesses_tx_flood_eager", value, "tx_flood")]


def rate_figures(driver: str, device: str) -> list[Figure]:
    """Medians of the rounds."""
    case = f"rate-{driver}-{device}"
    report = run_guest(case, driver, device, [f"rate {RATE_FRAMES}"])
    frequency = report.value("start", "ticks_per_second")
    found = []
    for name, phase in RATES.items():
        values = report.lines.get((phase, "frames"))
        value = median(n * frequency / ticks for n, ticks in values) if values else None
        found.append(_figure(report, driver, device, name, value, phase))
    ticks = report.value("start", "ticks")
    value = ticks * 1000 / frequency if ticks and frequency else None
    found.append(_figure(report, driver, device, "start_to_first_frame", value, "start"))
    return found


def say(text: str) -> None:
    print(f"bench: {text}", flush=True)


def run() -> list[Figure]:
    """All figures. Exact guests run two at a time; of the others each has the machine to itself."""
    def exactly(column: tuple[str, str]) -> list[Figure]:
        say(f"instructions and device accesses: {', '.join(column)}")
        return list(exact_figures(measure_exact(*column), *column)) + eager_figures(*column)

    found: list[Figure] = []
    with ThreadPoolExecutor(2) as pool:
        for figures in pool.map(exactly, COLUMNS):
            found += figures
    for driver, device in sorted(COLUMNS, key=lambda column: DEVICES.index(column[1])):
        say(f"rates: {driver}, {device}")
        found += rate_figures(driver, device)
    return found
