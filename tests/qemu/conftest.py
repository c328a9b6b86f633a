# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Set-up of the QEMU tests: checks their requirements, one server per process, one line per case."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import guest
import network
import pytest
import selection
from platforms import PLATFORMS, Platform, is_left_out, offers

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", choices=selection.WHICH, default="all", help="see selection.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = [f"{item.path.name}::{item.name}" for item in items]
    if {file.name for file in HERE.glob("test_*.py")} <= {item.path.name for item in items}:
        if wrong := selection.stale(cases):
            raise pytest.UsageError(f"selection.py: no case fits {', '.join(wrong)}")
    there = [item for item in items if not any(map(is_left_out, platforms_of(item)))]
    cases = [f"{item.path.name}::{item.name}" for item in there]
    chosen = selection.select(cases, config.getoption("--cases"), is_newer=offers("in_order"))
    config.hook.pytest_deselected(
        items=[item for item in items if f"{item.path.name}::{item.name}" not in chosen]
    )
    items[:] = [item for item, case in zip(there, cases) if case in chosen]


def platforms_of(item: pytest.Item) -> list[Platform]:
    """The platforms that a case's parameters name, directly or in its row."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    named = [getattr(value, "platform", value) for value in values]
    return [value for value in named if isinstance(value, Platform)]


def pytest_report_header() -> list[str]:
    left_out = [platform.arch for platform in PLATFORMS if is_left_out(platform)]
    return [f"left out, as this distribution has no firmware for it: {arch}" for arch in left_out]


def pytest_configure(config: pytest.Config) -> None:
    config.option.verbose = max(config.option.verbose, 1)
    try:
        guest.require_everything([each for each in PLATFORMS if not is_left_out(each)])
    except guest.SetupError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    if report.when == "call" and report.outcome in ("passed", "failed"):
        word = report.outcome.upper()
        return report.outcome, word[0], f"{word} in {report.duration:.0f} s"
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """An error of a guest or of this machine needs no traceback through the library."""
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
