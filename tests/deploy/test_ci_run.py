# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about .ci/run: its last line and its status, whatever `make check` prints."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("recipe", "passes", "last"),
    [
        (r"printf 'ok  one\n3 passed, 0 failed\n'", True, "3 passed, 0 failed"),
        (r"printf '3 passed, 1 failed\n'; exit 1", False, "3 passed, 1 failed"),
        (r"printf 'cc: error'; exit 1", False, "0 passed, 1 failed"),
        (r"printf '2 passed, 0 failed\n4 passed, 0 failed\n'", True, "4 passed, 0 failed"),
    ],
    ids=["passes", "fails", "ends-early", "prints-two-counts"],
)
def test_last_line_is_the_count(recipe: str, passes: bool, last: str, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(f"check:\n\t@{recipe}\n")
    done = subprocess.run([tmp_path / ".ci/run"], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[-2:] == [last, ""]
    assert (done.returncode == 0) == passes


def test_line_comes_through_as_it_is_and_at_once(tmp_path: Path) -> None:
    """`make check` takes most of an hour, in which somebody watches."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    text = "check:\n\t@printf '  a \\\\ b\\t\\n'; read go <go; echo '1 passed, 0 failed'\n"
    (tmp_path / "Makefile").write_text(text)
    os.mkfifo(tmp_path / "go")
    go = os.open(tmp_path / "go", os.O_RDWR)  # which waits for no reader
    with subprocess.Popen([tmp_path / ".ci/run"], stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout and select.select([run.stdout], [], [], 30)[0], "nothing yet"
            assert run.stdout.readline() == "  a \\ b\t\n"
            os.write(go, b"\n")
            assert run.communicate(timeout=60)[0] == "1 passed, 0 failed\n"
        finally:
            run.kill()
            os.close(go)
