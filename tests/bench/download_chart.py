#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: download_chart.py [--check]

Draws docs/bench-boot.svg and docs/bench-downloads.svg from the tables "Network boot over each stack"
and "Boot programs" in docs/PERFORMANCE.md, which come from `make bench-boot` and `make clients`. --check
writes nothing and fails when a chart is not that of its table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Callable, Mapping

sys.dont_write_bytecode = True

from charts import LABELS, Chart, Row, svg  # noqa: E402
from figures import DRIVERS, Figure  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "PERFORMANCE.md"
OURS, FIRMWARE, IPXE = DRIVERS
Groups = Mapping[Row, Mapping[str, Figure]]

PROGRAMS = Chart(
    "bench-downloads.svg",
    "Seconds to download what a boot program needs",
    "one run each, modern device, QEMU without KVM; shorter is better",
    (),
)
DEVICE = "modern"

BOOT = Chart(
    "bench-boot.svg",
    "Seconds to download over each network stack",
    "median of three rounds, modern device, QEMU without KVM; shorter is better",
    (),
    {**LABELS, IPXE: "iPXE's own stack"},
)
STACKS = {
    OURS: "this driver, `stack=own`",
    FIRMWARE: "the firmware's driver",
    IPXE: "iPXE's own stack",
}  # the columns to draw
FIGURE = "wall, s"
ONE_ROUND = "512 MiB"  # not a median, and too long to be drawn beside the others


def cells_of(section: str) -> list[list[str]]:
    """The rows of the section's first table, with its header."""
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    lines = table[0].splitlines() if table else []
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return rows[:1] + rows[2:]


def group(title: str, values: Mapping[str, float]) -> tuple[Row, dict[str, Figure]]:
    return Row(title, title), {
        driver: Figure(driver, DEVICE, title, "s", value, exact=False)
        for driver, value in values.items()
    }


def programs(section: str) -> Groups:
    """One group per row of the table; a cell is `firmware's seconds, ours`."""
    header, *lines = cells_of(section)
    column, client, groups = header.index(DEVICE), "", []
    for cells in lines:
        client = cells[0] or client
        theirs, ours = (float(value) for value in cells[column].split(","))
        groups.append(group(f"{client}\n{cells[1]}", {OURS: ours, FIRMWARE: theirs}))
    return dict(groups)


def boot(section: str) -> Groups:
    """One group per download; a cell is `seconds (ratio)`, or `none`."""
    header, *lines = cells_of(section)
    groups = []
    for cells in lines:
        values = {driver: cells[header.index(title)] for driver, title in STACKS.items()}
        if cells[1] == FIGURE and ONE_ROUND not in cells[0]:
            seconds = {driver: float(text.split()[0]) for driver, text in values.items() if text != "none"}
            groups.append(group(cells[0].replace(", ", "\n", 1), seconds))
    return dict(groups)


# Each chart, the section of the document that has its table, and who reads it.
CHARTS: tuple[tuple[Chart, str, Callable[[str], Groups]], ...] = (
    (BOOT, "Network boot over each stack", boot),
    (PROGRAMS, "Boot programs", programs),
)


def main() -> int:
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        print(__doc__.split("\n")[0], file=sys.stderr)
        return 2
    text = DOCUMENT.read_text(encoding="utf-8")
    for chart, title, read in CHARTS:
        section = re.search(rf"^## {title}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
        if not section:
            print(f'download_chart: {DOCUMENT}: no section "{title}"', file=sys.stderr)
            return 1
        drawn, file = svg(chart, read(section[1])), DOCUMENT.parent / chart.file
        if not arguments:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            print(f"download_chart: {file} is not that of the table: run {sys.argv[0]}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
