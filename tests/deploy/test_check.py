# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/check.sh: what it counts, and that each failure is said again at the end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = """
%: ; @true
lint-%: ; @true
lint-tidy: ; @echo 'noise'; exit 1
fuzz: ; @echo 'ok    rings'; echo 'FAIL  config: crashed'; exit 1
image deploy: ; @cp $@-given.xml build/check/$@.xml; grep -q 'failures="0"' $@-given.xml
qemu: ; @exit 2
"""
CASE = '<testcase classname="tests.image.test_rom" name="{name}" time="1">{child}</testcase>'
CHILDREN = {
    "good": "",
    "asserts": '<failure message="no">test_rom.py:7: in test\n    assert 1 == 2\nE   assert 1 == 2\nE    + 3</failure>',
    "guest": "<failure message='no'>test_x.py:9: case: expected a lease; saw none</failure>",
    "raises": "<error message='failed on setup'>E   OSError: no room</error>",
    "skips": '<skipped message="no tool">test_rom.py:3: no tool</skipped>',
}


def run_check(tree: Path, suite: str, children: tuple[str, ...] = ()) -> list[str]:
    (tree / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/check.sh", tree / "scripts")
    (tree / "scripts/setup.sh").write_text("#!/bin/sh\n")
    (tree / "scripts/setup.sh").chmod(0o755)
    (tree / "Makefile").write_text(MAKEFILE)
    cases = "".join(CASE.format(name=name, child=CHILDREN[name]) for name in children)
    bad = len(children) - children.count("good")
    suites = f'<testsuites><testsuite failures="{bad}">{cases}</testsuite></testsuites>'
    (tree / f"{suite}-given.xml").write_text(suites)
    done = subprocess.run(
        [tree / "scripts/check.sh", suite], capture_output=True, text=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert (done.returncode == 0) == lines[-1].endswith(" 0 failed"), done.stderr
    took = next(i for i, line in enumerate(lines) if line.startswith(f"== {suite} took"))
    assert lines[-2].startswith("total time: ")
    return [*lines[took + 1 : -2], lines[-1]]


@pytest.mark.parametrize(
    ("child", "said"),
    [
        ("asserts", "assert 1 == 2"),
        ("guest", "test_x.py:9: case: expected a lease; saw none"),
        ("raises", "OSError: no room"),
        ("skips", "test_rom.py:3: no tool"),
    ],
)
def test_failure_of_pytest_is_said_at_the_end(child: str, said: str, tmp_path: Path) -> None:
    end = run_check(tmp_path, "image", ("good", child, "good"))
    assert end == [f"FAIL  tests.image.test_rom {child}: {said}", "2 passed, 1 failed"]


def test_success_says_nothing_but_the_count(tmp_path: Path) -> None:
    assert run_check(tmp_path, "deploy", ("good", "good")) == ["2 passed, 0 failed"]


@pytest.mark.parametrize(
    ("suite", "end"),
    [
        ("lint", ["FAIL  lint tidy", "9 passed, 1 failed"]),
        ("fuzz", ["FAIL  config: crashed", "1 passed, 1 failed"]),
        ("qemu", ["FAIL  qemu: exit status 2", "0 passed, 1 failed"]),
    ],
)
def test_failure_of_another_kind_is_said_at_the_end(
    suite: str, end: list[str], tmp_path: Path
) -> None:
    assert run_check(tmp_path, suite) == end


def test_suite_without_a_test_fails(tmp_path: Path) -> None:
    assert run_check(tmp_path, "image")[-2:] == ["FAIL  image: no test ran", "0 passed, 1 failed"]
