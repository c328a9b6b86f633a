# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/make-esp.sh and build/esp.img. tests/qemu/test_esp.py boots it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/make-esp.sh"
BUILD = ROOT / "build"
IMAGE = BUILD / "esp.img"
ARCHES = os.environ.get("ARCHES", "x86_64 ia32 aarch64").split()  # what make builds here
DRIVERS = {arch: BUILD / arch / "virtio-net.efi" for arch in ARCHES}
BOOT_NAMES = {
    "x86_64": "BOOTX64.EFI",
    "ia32": "BOOTIA32.EFI",
    "aarch64": "BOOTAA64.EFI",
    "riscv64": "BOOTRISCV64.EFI",
    "loongarch64": "BOOTLOONGARCH64.EFI",
}


def names(image: Path) -> list[str]:
    listed = subprocess.run(
        ["mdir", "-/", "-b", "-i", image, "::"], capture_output=True, text=True, check=True
    ).stdout
    found = (line.removeprefix("::/") for line in listed.split())
    return sorted(name for name in found if not name.endswith("/"))


def content(image: Path, name: str) -> bytes:
    return subprocess.run(
        ["mcopy", "-i", image, f"::/{name}", "-"], capture_output=True, check=True
    ).stdout


def refusal(folder: Path, *files: Path) -> str:
    """What make-esp.sh says when it refuses and leaves no image."""
    done = subprocess.run([SCRIPT, folder / "esp.img", *files], capture_output=True, text=True)
    assert done.returncode == 1
    assert not list(folder.glob("esp.img*"))
    return done.stderr


def test_image_holds_each_driver_script_and_readme():
    drivers = {f"{arch}/virtio-net.efi": file for arch, file in DRIVERS.items()}
    assert names(IMAGE) == sorted(["README.txt", "startup.nsh", *drivers])
    for name, file in drivers.items():
        assert content(IMAGE, name) == file.read_bytes()


def test_texts_have_dos_line_ends():
    for name in ("README.txt", "startup.nsh"):
        text = content(IMAGE, name)
        assert text.count(b"\n") == text.count(b"\r\n") > 5


def test_volume_is_fat32():
    assert IMAGE.read_bytes()[82:90] == b"FAT32   "


def test_given_shells_are_what_each_firmware_boots(tmp_path):
    shells = {arch: BUILD / arch / "apps/snpinfo.efi" for arch in DRIVERS}
    subprocess.run([SCRIPT, tmp_path / "esp.img", *DRIVERS.values(), *shells.values()], check=True)
    for arch, shell in shells.items():
        assert content(tmp_path / "esp.img", f"EFI/BOOT/{BOOT_NAMES[arch]}") == shell.read_bytes()
        driver = content(tmp_path / "esp.img", f"{arch}/virtio-net.efi")
        assert driver == DRIVERS[arch].read_bytes()


def test_image_for_one_architecture_has_no_other(tmp_path):
    subprocess.run([SCRIPT, tmp_path / "esp.img", DRIVERS["ia32"]], check=True)
    assert names(tmp_path / "esp.img") == ["README.txt", "ia32/virtio-net.efi", "startup.nsh"]


def test_refuses_a_missing_driver(tmp_path):
    said = refusal(tmp_path, DRIVERS["x86_64"], tmp_path / "none.efi")
    assert said == f"make-esp: {tmp_path}/none.efi: missing or empty\n"


def test_refuses_two_drivers_for_one_architecture(tmp_path):
    said = refusal(tmp_path, DRIVERS["x86_64"], DRIVERS["x86_64"])
    assert said == f"make-esp: {DRIVERS['x86_64']}: x86_64/virtio-net.efi is already taken\n"


def changed(offset: int, data: bytes) -> bytes:
    """x86_64's driver with some bytes of its PE header replaced."""
    image = bytearray(DRIVERS["x86_64"].read_bytes())
    at = int.from_bytes(image[60:64], "little") + offset
    image[at : at + len(data)] = data
    return bytes(image)


WRONG = {
    "a text": lambda: b"not an image\n",
    "a DOS program": lambda: b"MZ" + bytes(62),
    "a header beyond the end": lambda: b"MZ" + bytes(58) + b"\xff\xff\xff\x7f",
    "another processor": lambda: changed(4, b"\x32\x50"),  # riscv32
    "a runtime driver": lambda: changed(92, b"\x0c\0"),
}


@pytest.mark.parametrize("what", WRONG)
def test_refuses_what_is_neither_driver_nor_shell(tmp_path, what):
    (tmp_path / "file.efi").write_bytes(WRONG[what]())
    said = refusal(tmp_path, tmp_path / "file.efi")
    cause = "neither a driver nor a program for UEFI on x86_64, ia32, aarch64, riscv64 or loongarch64"
    assert said == f"make-esp: {tmp_path}/file.efi: {cause}\n"
