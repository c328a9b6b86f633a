#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: download_chart.py [--check]

Draws docs/bench-downloads.svg from the table "Boot programs" in docs/PERFORMANCE.md, which comes
from `make clients`. --check writes nothing and fails when the chart is not that of the table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from charts import Chart, Row, svg  # noqa: E402
from figures import DRIVERS, Figure  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "PERFORMANCE.md"
SECTION = re.compile(r"^## Boot programs\n(.*?)^## ", re.DOTALL | re.MULTILINE)
DEVICE = "modern"
TITLE = "Seconds to download what a boot program needs"
SUBTITLE = "one run each, modern device, QEMU without KVM; shorter is better"
OURS, FIRMWARE = DRIVERS[:2]


def rows(section: str) -> dict[Row, dict[str, Figure]]:
    """One group per row of the table; a cell is `firmware's seconds, ours`."""
    header, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    column, client, groups = header.index(DEVICE), "", {}
    for cells in lines:
        client = cells[0] or client
        theirs, ours = (float(value) for value in cells[column].split(","))
        name = f"{client}\n{cells[1]}"
        groups[Row(name, name)] = {
            driver: Figure(driver, DEVICE, name, "s", value, exact=False)
            for driver, value in ((OURS, ours), (FIRMWARE, theirs))
        }
    return groups


def main() -> int:
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        print(__doc__.split("\n")[0], file=sys.stderr)
        return 2
    section = SECTION.search(DOCUMENT.read_text(encoding="utf-8"))
    if not section:
        print(f"download_chart: {DOCUMENT}: no section \"Boot programs\"", file=sys.stderr)
        return 1
    chart = Chart("bench-downloads.svg", TITLE, SUBTITLE, ())
    drawn, file = svg(chart, rows(section[1])), DOCUMENT.parent / chart.file
    if not arguments:
        file.write_text(drawn, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
        print(f"download_chart: {file} is not that of the table: run {sys.argv[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
