# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Set-up of the QEMU tests: what they need is there, a server per process, one line per case."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import guest
import network
import pytest
import selection
from platforms import PLATFORMS

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", choices=selection.WHICH, default="all", help="see selection.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = [f"{item.path.name}::{item.name}" for item in items]
    if {file.name for file in HERE.glob("test_*.py")} <= {item.path.name for item in items}:
        if wrong := selection.stale(cases):
            raise pytest.UsageError(f"selection.py: no case fits {', '.join(wrong)}")
    chosen = selection.select(cases, config.getoption("--cases"))
    config.hook.pytest_deselected(
        items=[item for item, case in zip(items, cases) if case not in chosen]
    )
    items[:] = [item for item, case in zip(items, cases) if case in chosen]


def pytest_configure(config: pytest.Config) -> None:
    config.option.verbose = max(config.option.verbose, 1)
    try:
        guest.require_everything(PLATFORMS)
    except guest.SetupError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    if report.when == "call" and report.outcome in ("passed", "failed"):
        word = report.outcome.upper()
        return report.outcome, word[0], f"{word} in {report.duration:.0f} s"
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A guest's error, or that of this machine, says it all: no traceback through the library."""
    outcome = yield
    report = outcome.get_result()
    if call.excinfo and isinstance(call.excinfo.value, (guest.GuestError, guest.SetupError)):
        in_test = [entry for entry in call.excinfo.traceback if entry.path == item.path]
        line = f"{item.path.name}:{in_test[-1].lineno + 1}: " if in_test else ""
        report.longrepr = line + str(call.excinfo.value)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.Server]:
    served = network.Server(tmp_path_factory.mktemp("served"))
    yield served
    served.close()
