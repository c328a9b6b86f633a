# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The cost per frame of this driver by ring size, by number of NICs, and after millions of frames.

QEMU's virtio-net devices have rings of 256 entries or more, and the driver uses at most 256. To
measure other sizes, the driver is built once for each, with that one limit changed, and then uses
fewer or more entries. TX rings of more than 256 need a vhost-user backend.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import guest
import snp_bench
from figures import DRIVERS, text_of
from snp_bench import PARTS, ROUNDS, Report

RING_SIZES = (64, 128, 256, 512, 1024)
DEVICE_SIZES = (256, 1024)  # the least and the most of QEMU's
LIMITS = {  # where the driver limits the number of entries
    "src/net/net_device.c": r"(?m)^(#define QUEUE_SIZE_MAX) 256u$",
    "src/ring/virtqueue.h": r"(?m)^(#define VIRTQUEUE_SLOTS_MAX) 256u$",
}
NIC_COUNTS = (1, 2, 4, 8, 16)
BLOCK = 50_000  # frames each way
LONG_LIMIT_S = 3600
COLUMNS = {  # title: phase and call
    "Receive 64": ("receive_64", "receive"),
    "Receive 1,514": ("receive_1514", "receive"),
    "Transmit 64": ("tx_flood", "transmit"),
    "Transmit 1,514": ("tx_1514_flood", "transmit"),
    "GetStatus": ("tx_flood", "get_status_buffer"),
}
ACCESSES = {"accesses per received": "r", "per sent frame": "t"}


def worst(report: Report, phase: str, call: str) -> float | None:
    """The lowest of a NIC's rounds, of the NIC where that is highest."""
    costs = report.costs(phase, call)
    return max(map(min, _by_nic(costs)), default=None)


def _by_nic(values: list) -> list[list]:
    return [values[i : i + ROUNDS] for i in range(0, len(values), ROUNDS)]


def row(name: str, report: Report) -> list[str]:
    values = [worst(report, *what) for what in COLUMNS.values()]
    for letter in ACCESSES.values():
        totals = [sum(counts[part] for part in PARTS) for counts in report.accesses.get(letter, [])]
        most = max(map(min, _by_nic(totals)), default=None)
        values.append(None if most is None else most / snp_bench.FLOOD_FRAMES)
    return [name, *("none" if value is None else text_of(value) for value in values)]


def driver_for(size: int) -> Path:
    """The driver, unchanged except that its rings have up to `size` entries."""
    folder = guest.BUILD / "bench" / f"ring-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("src", "include", "scripts"):
        shutil.copytree(guest.ROOT / part, folder / part)
    for file in (guest.ROOT / "Makefile", *guest.ROOT.glob("*.lds")):
        shutil.copy(file, folder)
    for name, pattern in LIMITS.items():
        text, count = re.subn(pattern, rf"\1 {size}u", (folder / name).read_text())
        if count != 1:
            raise guest.SetupError(f"{name}: no `{pattern}` to build the driver without")
        (folder / name).write_text(text)
    image = "build/x86_64/virtio-net.efi"
    done = subprocess.run(["make", "-s", image], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise guest.SetupError(f"{folder}: no driver: {done.stderr.strip()[-200:]}")
    return folder / image


def measured_rows() -> list[list[str]]:
    """One guest per ring size and per number of NICs, two at a time."""

    def ring(size: int) -> list[str]:
        least, most = DEVICE_SIZES
        report = snp_bench.measure_exact(
            DRIVERS[0],
            "modern",
            case=f"scaling-ring-{size}",
            options=f",rx_queue_size={min(max(size, least), most)}",
            image=driver_for(size),
        )
        return row(f"RX ring of {size}, TX of {min(size, least)}{_trouble(report)}", report)

    def nics(count: int) -> list[str]:
        case = f"scaling-nics-{count}"
        report = snp_bench.measure_exact(DRIVERS[0], "modern", case=case, nics=count)
        name = "1 NIC" if count == 1 else f"{count} NICs, the costliest"
        return row(name + _trouble(report), report)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(ring, RING_SIZES)) + list(pool.map(nics, NIC_COUNTS))


def _trouble(report: Report) -> str:
    parts = [report.trouble, *report.losses.values()]
    return "".join(f" ({part})" for part in parts if part)


def long_rows(frames: int) -> list[list[str]]:
    """The first and the last blocks of a long run, with the free pages after each."""
    report = snp_bench.run_guest(
        "scaling-long",
        DRIVERS[0],
        "modern",
        [f"long {frames} {BLOCK}"],
        options=",ioeventfd=off,tx=timer",
        extra=snp_bench.ICOUNT,
        limit=LONG_LIMIT_S,
    )
    calls = {call: report.costs("block", call) for call in ("receive", "transmit")}
    pages = [value[0] for value in report.lines.get(("block", "free_pages"), [])]
    rows = []
    for index in sorted({0, len(pages) // 2, len(pages) - 1} if pages else ()):
        numbers = [text_of(calls["receive"][index]), text_of(calls["transmit"][index])]
        name = f"frames {index * 2 * BLOCK + 1:,} to {(index + 1) * 2 * BLOCK:,}"
        rows.append([name, *numbers, f"{pages[index]:,}"])
    if _trouble(report) or not rows:
        rows.append([f"ended early{_trouble(report)}", "", "", ""])
    return rows


def _table(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def run(frames: int) -> str:
    """Both tables, in Markdown; costs are instructions per call."""
    text = _table([["Modern device", *COLUMNS, *ACCESSES], *measured_rows()])
    head = [f"Of {frames:,} frames", "Receive 64", "Transmit 64", "free pages"]
    return text + "\n" + _table([head, *long_rows(frames)])
