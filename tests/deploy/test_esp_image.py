# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/make-esp.sh and build/x86_64/esp.img. tests/qemu/test_esp.py boots it."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/make-esp.sh"
DRIVER = ROOT / "build/x86_64/virtio-net.efi"
IMAGE = ROOT / "build/x86_64/esp.img"


def names(image: Path) -> list[str]:
    listed = subprocess.run(
        ["mdir", "-/", "-b", "-i", image, "::"], capture_output=True, text=True, check=True
    ).stdout
    return sorted(line.removeprefix("::/") for line in listed.split())


def content(image: Path, name: str) -> bytes:
    return subprocess.run(
        ["mcopy", "-i", image, f"::/{name}", "-"], capture_output=True, check=True
    ).stdout


def test_image_holds_driver_script_and_readme():
    assert names(IMAGE) == ["README.txt", "startup.nsh", "virtio-net.efi"]
    assert content(IMAGE, "virtio-net.efi") == DRIVER.read_bytes()


def test_texts_have_dos_line_ends():
    for name in ("README.txt", "startup.nsh"):
        text = content(IMAGE, name)
        assert text.count(b"\n") == text.count(b"\r\n") > 5


def test_volume_is_fat32():
    assert IMAGE.read_bytes()[82:90] == b"FAT32   "


def test_given_shell_is_what_firmware_boots(tmp_path):
    shell = tmp_path / "Shell.efi"
    shell.write_bytes(b"MZ a shell")
    subprocess.run([SCRIPT, DRIVER, tmp_path / "esp.img", shell], check=True)
    assert content(tmp_path / "esp.img", "EFI/BOOT/BOOTX64.EFI") == b"MZ a shell"


def test_refuses_a_missing_driver_and_leaves_no_image(tmp_path):
    done = subprocess.run(
        [SCRIPT, tmp_path / "none.efi", tmp_path / "esp.img"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"make-esp: {tmp_path}/none.efi: missing or empty\n"
    assert list(tmp_path.iterdir()) == []
