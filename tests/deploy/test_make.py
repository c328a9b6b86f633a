# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about what make says when something is missing, before anything is built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHES = os.environ.get("ARCHES", "x86_64 ia32 aarch64").split()  # what make builds here
MISSING = "missing (run scripts/setup.sh --all)"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", f"OUT={folder}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["CC=no-gcc"], f"no-gcc: {MISSING}"),
        (["EFI_LIB=/nowhere"], f"/nowhere/libgnuefi.a: {MISSING}"),
        (["ARCH=mips"], f"ARCH=mips: not one of {' '.join(ARCHES)}"),
    ],
    ids=["compiler", "gnu-efi", "architecture"],
)
def test_what_is_missing_is_named_and_nothing_is_built(tmp_path, arguments, words):
    done = make(tmp_path, *arguments, f"{tmp_path}/virtio-net.efi")
    assert done.returncode != 0
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_gnu_efi_that_is_too_old_is_named(tmp_path):
    """pci22.h of 3.0.9 wants a type that its other headers do not have."""
    headers, out = tmp_path / "efi", tmp_path / "out"
    headers.mkdir()
    (headers / "efi.h").write_text("")
    (headers / "pci22.h").write_text("LIST_ENTRY entry;\n")
    done = make(out, f"EFI_INCLUDE={headers}", f"{out}/virtio-net.efi")
    assert done.returncode != 0
    assert f"{headers}: no headers of gnu-efi 3.0.15 or newer" in done.stderr
    assert "error:" not in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("arch", ["riscv64", "loongarch64"])
def test_architecture_of_a_newer_distribution_is_told_apart(tmp_path, arch):
    done = make(tmp_path, "--dry-run", f"ARCH={arch}", f"{tmp_path}/virtio-net.efi")
    is_told = "(scripts/setup.sh --all adds it on Debian 13 and later)" in done.stderr
    assert is_told == (arch not in ARCHES) == (done.returncode != 0)
