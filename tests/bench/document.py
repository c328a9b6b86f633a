# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The tables of docs/PERFORMANCE.md and the charts in docs/, from the results of one sitting.

A table is between `<!-- begin NAME -->` and `<!-- end NAME -->`. Everything else in the file is
written by hand and stays unchanged.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping, Sequence

import charts
from figures import COLUMNS, DEVICES, Figure, table, text_of

DOCUMENT = "PERFORMANCE.md"

# Cycles of an exit under KVM; docs/PERFORMANCE.md says where they come from.
DOORBELL_CYCLES = 1_762  # to the kernel, which signals an eventfd
MEMORY_BAR_CYCLES, IO_BAR_CYCLES = 8_796, 5_287  # to QEMU
REGISTER_CYCLES = dict(zip(DEVICES, (MEMORY_BAR_CYCLES, MEMORY_BAR_CYCLES, IO_BAR_CYCLES)))
CLOCK_HZ = 3e9
TFTP_PACKETS = 2 * (64 << 20) // 512  # of 64 MiB in blocks of 512 bytes, each acknowledged


class DocumentError(Exception):
    """The document lacks the expected markers."""


def write(results: Sequence[Figure], versions: Mapping[str, str], folder: Path) -> list[Path]:
    """Update the tables and charts in `folder`; return the files written."""
    document = folder / DOCUMENT
    text = document.read_text(encoding="utf-8")
    drawn = charts.draw(results, folder)
    titles = {chart.file: chart.title for chart in charts.CHARTS}
    images = "\n".join(f"![{titles[file.name]}]({file.name})\n" for file in drawn)
    measured_with = ", ".join(f"{name} {version}" for name, version in versions.items())
    for name, content in (
        ("charts", images),
        ("figures", f"Measured with {measured_with}.\n\n{table(results)}"),
        ("exits", exits_table(results)),
    ):
        text = replaced(text, name, content)
    document.write_text(text, encoding="utf-8")
    return [document, *drawn]


def write_table(name: str, content: str, folder: Path) -> Path:
    """Update the table `name` in `folder`; return the file written."""
    document = folder / DOCUMENT
    document.write_text(replaced(document.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    return document


def replaced(text: str, name: str, content: str) -> str:
    """`text` with `content` between the markers of `name`."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise DocumentError(f"{DOCUMENT}: not exactly one pair of markers for {name}")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)


def exits_table(results: Sequence[Figure]) -> str:
    """What the accesses of a TFTP download cost in exits, cycles and seconds: arithmetic."""
    found = {(each.driver, each.device, each.name): each.value for each in results}
    lines = [
        "| Driver, device | Doorbells | Other registers | Cycles per packet | µs per packet "
        "| Seconds per 64 MiB |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for driver, device in sorted(COLUMNS, key=lambda column: DEVICES.index(column[1])):
        total = found.get((driver, device, "tftp_accesses"))
        doorbells = found.get((driver, device, "tftp_accesses_doorbell"))
        if total is None or doorbells is None:
            continue
        others = total - doorbells
        cycles = doorbells * DOORBELL_CYCLES + others * REGISTER_CYCLES[device]
        seconds = cycles / CLOCK_HZ
        values = (doorbells, others, cycles, seconds * 1e6, seconds * TFTP_PACKETS)
        cells = " | ".join(text_of(value) for value in values)
        lines.append(f"| {driver}, {device} | {cells} |\n")
    return "".join(lines)
