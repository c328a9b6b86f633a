# SPDX-License-Identifier: BSD-2-Clause-Patent
"""scripts/firmware_shell.py: the shell comes out of firmware that does not start it, and only then."""

from __future__ import annotations

import lzma
import subprocess
import uuid
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "firmware_shell.py"
LZMA_SECTION = uuid.UUID("ee4e5898-3914-4259-9d6e-dc7bd79403cf").bytes_le
SHELL_FILE = uuid.UUID("7c04a583-9e3e-4f1c-ad65-e05268d0b4d1").bytes_le
SHELL = b"MZ" + bytes(range(256)) * 3
APPLICATION, DRIVER = 0x09, 0x07
NAME_SECTION, PE32_SECTION = 0x15, 0x10


def section(kind: int, data: bytes) -> bytes:
    whole = (4 + len(data)).to_bytes(3, "little") + bytes([kind]) + data
    return whole + bytes(-len(whole) % 4)


def shell_file(kind: int = APPLICATION) -> bytes:
    body = section(NAME_SECTION, b"S\0h\0\0\0") + section(PE32_SECTION, SHELL)
    header = SHELL_FILE + b"\xaa\x55" + bytes([kind, 0])
    return header + (24 + len(body)).to_bytes(3, "little") + b"\xf8" + body


def firmware(folder: Path, version: str, file: bytes) -> Path:
    """The GUID by itself, as code names it, then the section with a version, a reference and `file`."""
    volume = version.encode("utf-16-le") + SHELL_FILE + bytes(32) + file
    packed = lzma.compress(volume, format=lzma.FORMAT_ALONE)
    header = (24 + len(packed)).to_bytes(3, "little") + b"\x02" + LZMA_SECTION + b"\x18\0\x01\0"
    path = folder / "CODE.fd"
    path.write_bytes(bytes(64) + LZMA_SECTION + bytes(40) + header + packed + bytes(64))
    return path


def run(*arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("version", ["2025.05", "2026.08"])
def test_shell_that_the_firmware_does_not_start_is_written(tmp_path, version):
    out = tmp_path / "shell.efi"
    done = run(firmware(tmp_path, version, shell_file()), out)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_bytes() == SHELL


@pytest.mark.parametrize("version", ["", "2025.02"])
def test_older_firmware_starts_its_own(tmp_path, version):
    out = tmp_path / "shell.efi"
    done = run(firmware(tmp_path, version, shell_file()), out)
    assert (done.returncode, done.stderr) == (0, "")
    assert not out.exists()


@pytest.mark.parametrize("file", [b"", shell_file(DRIVER)], ids=["nothing", "another-kind"])
def test_firmware_without_a_shell_is_named(tmp_path, file):
    path, out = firmware(tmp_path, "2026.08", file), tmp_path / "shell.efi"
    done = run(path, out)
    assert (done.returncode, done.stderr) == (1, f"firmware_shell: {path} contains no shell\n")
    assert not out.exists()


def test_what_cannot_be_read_or_written_is_named(tmp_path):
    path = firmware(tmp_path, "2026.08", shell_file())
    for arguments, culprit in (
        ((tmp_path / "none.fd", tmp_path / "out"), "none.fd"),
        ((path, tmp_path / "none" / "out"), "none/out"),
    ):
        done = run(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("firmware_shell: ") and culprit in done.stderr
        assert "Traceback" not in done.stderr
    assert run(path).returncode == 2
