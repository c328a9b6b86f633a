# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Instructions per call and device accesses per frame stay within tests/bench/budgets.json.

Counted, never timed: the same on every machine but for doorbells that depend on the process at
the other end of the wire, whose budget is what the driver promises in any case. A packed ring has
budgets of its own. `make bench-budgets` writes new ones; docs/PERFORMANCE.md says how the figures
come about.
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
