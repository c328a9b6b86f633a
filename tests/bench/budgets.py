# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What a call and a frame may cost: this driver's exact figures, as committed in budgets.json.

`make bench-budgets` writes the file anew; tests/qemu/test_cost.py compares.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import snp_bench
from figures import DEVICES, DRIVERS

FILE = Path(__file__).parent / "budgets.json"
COMPILER = 12  # the release of GCC whose code FILE counts
SLACK, SLACK_OF_OTHERS = 0.05, 0.1  # another GCC's code: 38 instructions for 35, with GCC 16
ACCESSES = tuple(f"accesses_{phase}" for phase in snp_bench.LETTERS)
GUARDED = (*snp_bench.CALLS, *ACCESSES)
RX_BATCH = 64  # a quarter of the bench's RX ring is returned at once
# How far the device is when it is asked whether it wants a doorbell depends on the process at
# the other end of the wire. What the driver promises whatever that does is the budget here.
BOUNDS = {"accesses_rx_flood": 1 / RX_BATCH}


class NotMeasured(Exception):
    """A figure that has a budget could not be had."""


def measure(device: str) -> dict[str, float]:
    """GUARDED, of this driver; NotMeasured when one is missing, or when frames were."""
    report = snp_bench.measure_exact(DRIVERS[0], device, case=f"cost-{device}")
    if report.trouble or report.losses:
        raise NotMeasured(f"{device}: {report.trouble or report.losses}")
    found = {
        figure.name: figure.value
        for figure in snp_bench.exact_figures(report, DRIVERS[0], device)
        if figure.name in GUARDED
    }
    missing = [name for name in GUARDED if found.get(name) is None]
    if missing:
        raise NotMeasured(f"{device}: no {', '.join(missing)}")
    return {name: round(found[name], 4) for name in GUARDED}


def compiler() -> int:
    """The release of GCC that is here."""
    command = ["gcc", "-dumpversion"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.partition(".")[0])


def excesses(measured: dict[str, float], allowed: dict[str, float]) -> list[str]:
    """A line for each figure above its budget plus slack, and for each without a budget."""
    lines = []
    slack = SLACK if compiler() == COMPILER else SLACK_OF_OTHERS
    for name, value in measured.items():
        if name not in allowed:
            lines.append(f"{name} is {value:g} and has no budget")
        elif value > allowed[name] * (1 + slack):
            budget = allowed[name]
            lines.append(f"{name} is {value:g}, its budget {budget:g} and {slack:.0%} of slack")
    return lines


def read() -> dict[str, dict[str, float]]:
    return json.loads(FILE.read_text())


def write() -> None:
    """Measure all devices and write FILE."""
    if compiler() != COMPILER:
        raise NotMeasured(f"the budgets are those of GCC {COMPILER}; this is GCC {compiler()}")
    with ThreadPoolExecutor(2) as pool:
        found = {
            device: {**measured, **BOUNDS}
            for device, measured in zip(DEVICES, pool.map(measure, DEVICES))
        }
    FILE.write_text(json.dumps(found, indent=1) + "\n")
    print(FILE.read_text(), end="")
