# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What `make bench` measures: the list of figures, their targets, and how results are written.

A Figure is one number of one driver on one device. results.json has all of them, table.md one row
per figure with a column per driver and device. Exact figures are the same in every run with the
same firmware and QEMU; noisy ones are comparable only within one sitting.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Sequence

DRIVERS = ("virtio-net.efi", "firmware", "ipxe")
DEVICES = ("modern", "packed", "legacy")
# Our driver on each device, then the others. These do not negotiate RING_PACKED: to them the packed
# device is the modern one once more, and nothing is measured.
COLUMNS = tuple(
    (driver, device)
    for driver in DRIVERS
    for device in DEVICES
    if device != "packed" or driver == DRIVERS[0]
)
SPLIT_ONLY = f"{' and '.join(DRIVERS[1:])} do not take packed rings, and have no such column"


@dataclass(frozen=True)
class Figure:
    """One number. value None: it could not be measured, and `note` says why."""

    driver: str  # one of DRIVERS
    device: str  # one of DEVICES
    name: str  # snake_case, one of CATALOGUE
    unit: str
    value: float | None
    exact: bool
    note: str = ""


@dataclass(frozen=True)
class Kind:
    """The name of a figure, and its targets per device."""

    name: str
    title: str
    unit: str
    exact: bool
    targets: Mapping[str, float] | None = None  # device -> at most this


def _split(target: float) -> Mapping[str, float]:
    return {"modern": target}


def _modern(target: float) -> Mapping[str, float]:
    return {"modern": target, "packed": target}


def _all(target: float) -> Mapping[str, float]:
    return dict.fromkeys(DEVICES, target)


_ACCESSES = (
    ("doorbell", "doorbells"),
    ("common", "common configuration"),
    ("device", "device configuration"),
    ("isr", "ISR"),
)


def _accesses(phase: str, title: str, target: float) -> list[Kind]:
    """The accesses of one phase: their sum, then each kind of register."""
    name, unit = f"accesses_{phase}", "accesses"
    parts = [Kind(f"{name}_{part}", f"… {text}", unit, True) for part, text in _ACCESSES]
    return [Kind(name, f"Device accesses {title}", unit, True, _modern(target)), *parts]


CATALOGUE: tuple[Kind, ...] = (
    Kind("receive_64", "Receive, 64 bytes", "instructions", True, _split(220)),
    Kind("receive_1514", "Receive, 1,514 bytes", "instructions", True, _split(410)),
    Kind("receive_empty", "Receive, nothing there", "instructions", True, _modern(45)),
    Kind("transmit_64", "Transmit, 64 bytes", "instructions", True, _split(260)),
    Kind("transmit_1514", "Transmit, 1,514 bytes", "instructions", True, _split(450)),
    Kind("get_status_buffer", "GetStatus that returns a buffer", "instructions", True, _modern(120)),
    Kind("get_status_none", "GetStatus that returns none", "instructions", True),
    *_accesses("rx_flood", "per received frame, flood", 0.02),
    *_accesses("tx_flood", "per sent frame, flood", 0.25),
    Kind(
        "accesses_tx_flood_eager",
        "… on a device that sends in QEMU's own time",
        "accesses",
        False,
        _modern(0.25),
    ),
    *_accesses("round_trip", "per round trip", 1),
    *_accesses("get_status", "in GetStatus", 0),
    *_accesses("receive_empty", "in an empty Receive", 0),
    Kind("tftp_accesses", "Device accesses per packet, TFTP", "accesses", False, _all(0.6)),
    *(Kind(f"tftp_accesses_{part}", f"… {text}", "accesses", False) for part, text in _ACCESSES),
    Kind("rx_frames_per_second", "Frames received per second, 64 bytes", "frames/s", False),
    Kind("rx_1514_frames_per_second", "Frames received per second, 1,514 bytes", "frames/s", False),
    Kind("tx_frames_per_second", "Frames sent per second, 64 bytes", "frames/s", False),
    Kind("tx_1514_frames_per_second", "Frames sent per second, 1,514 bytes", "frames/s", False),
    Kind("round_trips_per_second", "Round trips per second", "round trips/s", False),
    Kind("start_to_first_frame", "From Start to the first frame", "ms", False),
    Kind("http_seconds", "HTTP download of 64 MiB", "s", False),
    Kind("http_ratio", "… against the firmware's driver", "ratio", False, _modern(0.95)),
    Kind("http_cpu_seconds", "… CPU time of QEMU", "s", False),
    Kind("http_cpu_ratio", "… CPU time against the firmware's driver", "ratio", False),
    Kind("tftp_seconds", "TFTP download of 8 MiB", "s", False),
    Kind("tftp_ratio", "… against the firmware's driver", "ratio", False),
    Kind("memory", "Memory, bound and initialized", "KiB", True),
    Kind("image_size", "Image in memory", "bytes", True),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in CATALOGUE}


def figure(driver: str, device: str, name: str, value: float | None, note: str = "") -> Figure:
    """A Figure with the CATALOGUE entry of `name`; KeyError without one."""
    kind = KINDS[name]
    return Figure(driver, device, name, kind.unit, value, kind.exact, note)


def write_json(figures: Sequence[Figure], versions: Mapping[str, str], path: Path) -> None:
    """All figures, with the versions used and without a date."""
    content = {"versions": dict(versions), "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> tuple[list[Figure], dict[str, str]]:
    content = json.loads(path.read_text())
    return [Figure(**entry) for entry in content["figures"]], content["versions"]


def text_of(value: float) -> str:
    """At most three decimals, and none that are not significant."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """Markdown: a row per figure, a column per driver and device, notes below.

    Rows and columns without any figure are left out. A figure above its target is marked with `!`.
    """
    by_key = {(entry.name, entry.driver, entry.device): entry for entry in figures}
    measured = {(entry.driver, entry.device) for entry in figures}
    columns = [column for column in COLUMNS if column in measured]
    notes: list[str] = []
    heads = [_head(*column, notes) for column in columns]
    rows = [["Figure", "Unit", "Exact", "Target", *heads]]
    for kind in CATALOGUE:
        entries = [by_key.get((kind.name, *column)) for column in columns]
        if any(entries):
            goal = text_of(max(kind.targets.values())) if kind.targets else ""
            cells = [_cell(entry, kind, notes) for entry in entries]
            rows.append([kind.title, kind.unit, "yes" if kind.exact else "no", goal, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    text = "".join(f"| {line} |\n" for line in lines)
    if notes:
        text += "\n" + "".join(f"{i}. {note}\n" for i, note in enumerate(notes, 1))
    return text


def _head(driver: str, device: str, notes: list[str]) -> str:
    if device != "packed":
        return f"{driver}, {device}"
    return f"{driver}, {device}{_mark(SPLIT_ONLY, notes)}"


def _mark(note: str, notes: list[str]) -> str:
    if note not in notes:
        notes.append(note)
    return f" ({notes.index(note) + 1})"


def _cell(entry: Figure | None, kind: Kind, notes: list[str]) -> str:
    if entry is None:
        return ""
    text = "none" if entry.value is None else text_of(entry.value)
    target = (kind.targets or {}).get(entry.device)
    if entry.driver == DRIVERS[0] and None not in (target, entry.value) and entry.value > target:
        text += " !"
    return text + (_mark(entry.note, notes) if entry.note else "")
