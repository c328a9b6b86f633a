#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: bench.py [--budgets | --scaling FRAMES | --boot | --modules | --document]

Measures three drivers side by side, in one sitting: this driver, the firmware's own and iPXE's
option ROM, each on a modern and on a legacy device, and this one on a packed ring too. Writes
results.json and table.md to build/bench/, and prints the table. A driver's failures are notes in
the table; the exit status is 1 only if nothing could be measured.

--budgets         measure this driver's exact figures and write them to tests/bench/budgets.json
--scaling FRAMES  cost per frame by ring size, by number of NICs and over FRAMES frames
--boot            downloads over each network stack: boot.md and boot.json
--modules         instructions of an HTTP Boot and of TFTP by module of the firmware: modules.md
--document        measure nothing: update docs/ from results.json, boot.md and modules.md, those that are there
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "qemu")]

import boot_bench  # noqa: E402
import budgets  # noqa: E402
import document  # noqa: E402
import figures  # noqa: E402
import guest  # noqa: E402
import module_bench  # noqa: E402
import platforms  # noqa: E402
import scaling  # noqa: E402

RESULTS = guest.BUILD / "bench"
# Each has run() -> list[Figure], in this order.
PARTS = ("snp_bench", "stack_bench")


def versions() -> dict[str, str]:
    """The versions of QEMU and firmware used."""
    qemu = subprocess.run([platforms.QEMU, "--version"], capture_output=True, text=True, check=True)
    found = {"QEMU": re.search(r"version (.*)", qemu.stdout)[1]}
    for package in ("ovmf", "ipxe-qemu"):
        query = ["dpkg-query", "--show", "--showformat", "${Version}", package]
        done = subprocess.run(query, capture_output=True, text=True)
        found[package] = done.stdout or "unknown"
    return found


def write_document() -> int:
    results, docs = RESULTS / "results.json", guest.ROOT / "docs"
    tables = [file for name in ("boot", "modules") if (file := RESULTS / f"{name}.md").is_file()]
    if not results.is_file() and not tables:
        print(f"bench: {RESULTS}: no results (run `make bench`)", file=sys.stderr)
        return 1
    try:
        if results.is_file():
            print("\n".join(map(str, document.write(*figures.read_json(results), docs))))
        for file in tables:
            print(document.write_table(file.stem, file.read_text(), docs))
    except document.DocumentError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def side_by_side() -> int:
    measured: list[figures.Figure] = []
    measured_with = versions()
    for part in PARTS:  # keep what was measured, whatever happens to the next
        if importlib.util.find_spec(part):
            measured += importlib.import_module(part).run()
            figures.write_json(measured, measured_with, RESULTS / "results.json")
    table = figures.table(measured)
    (RESULTS / "table.md").write_text(table)
    if importlib.util.find_spec("charts"):
        importlib.import_module("charts").draw(measured, RESULTS)
    print(table, end="")
    return 0 if any(figure.value is not None for figure in measured) else 1


def write_boot() -> int:
    runners = boot_bench.run(RESULTS / "boot.json")
    table = boot_bench.table(runners)
    (RESULTS / "boot.md").write_text(table)
    print(table, end="")
    return 0 if any(runner.times for runner in runners) else 1


def write_modules() -> int:
    print(module_bench.run(RESULTS / "modules.md"), end="")
    return 0


def write_scaling(frames: int) -> int:
    table = scaling.run(frames)
    (RESULTS / "scaling.md").write_text(table)
    print(table, end="")
    return 0


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["--document"]:
        return write_document()
    try:
        guest.require_everything([platforms.OVMF])
        guest.require(files=[guest.BUILD / "x86_64" / "apps" / "snpbench.efi"])
        RESULTS.mkdir(parents=True, exist_ok=True)
        if not arguments:
            return side_by_side()
        if arguments == ["--budgets"]:
            budgets.write()
            return 0
        if arguments == ["--boot"]:
            return write_boot()
        if arguments == ["--modules"]:
            return write_modules()
        if len(arguments) == 2 and arguments[0] == "--scaling" and arguments[1].isdecimal():
            return write_scaling(int(arguments[1]))
    except (guest.SetupError, guest.GuestError, budgets.NotMeasured, module_bench.NoPlugin) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(__doc__.splitlines()[0], file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
