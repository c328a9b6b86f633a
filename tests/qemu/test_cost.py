# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Instructions per call and device accesses per frame stay within tests/bench/budgets.json.

Counts, never times. The figures are the same on every machine, except doorbells that depend on the
process at the other end of the wire; their budget is what the driver promises in any case. A packed
ring has its own budgets. `make bench-budgets` writes new ones. docs/PERFORMANCE.md describes how the
figures are measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import budgets  # noqa: E402
import figures  # noqa: E402


@pytest.mark.parametrize("device", figures.DEVICES)
def test_no_call_costs_more_than_its_budget(device: str) -> None:
    try:
        measured = budgets.measure(device)
    except budgets.NotMeasured as error:
        pytest.fail(str(error), pytrace=False)
    above = budgets.excesses(measured, budgets.read()[device])
    if above:
        pytest.fail(f"{device}: " + "; ".join(above), pytrace=False)
