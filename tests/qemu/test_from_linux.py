# SPDX-License-Identifier: BSD-2-Clause-Patent
"""scripts/install.sh in a Linux guest with the real efibootmgr and a real ESP, then a reboot.

Linux runs from an initramfs. The ESP is a partition of a second disk, as in an installed Linux. After
the reboot nobody types `load`: the firmware loads the driver.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import evidence
import network
from guest import BOOT_TIMEOUT_S, BUILD, DRIVER, ROOT, Guest, Nic, require
from linux.initramfs import ESP_MODULES, initramfs

TIMEOUT_S = 180
LINUX_TIMEOUT_S = 90
LINUX = BUILD / "linux"  # filled by linux/fetch-kernel.sh
EFIBOOTMGR = BUILD / "efibootmgr"  # filled by linux/fetch-efibootmgr.sh
SECTOR = 512
ESP_START, ESP_SECTORS = 2048, 16 * 2048


def make_disk(image: Path) -> None:
    """A GPT with one partition, an empty ESP."""
    with image.open("wb") as file:
        file.truncate((ESP_START + ESP_SECTORS + 2048) * SECTOR)
    table = f"label: gpt\nstart={ESP_START}, size={ESP_SECTORS}, type=uefi\n"
    subprocess.run(["/usr/sbin/sfdisk", "--quiet", image], input=table.encode(), check=True)
    place = f"{image}@@{ESP_START * SECTOR}"
    subprocess.run(["mformat", "-i", place, "-T", str(ESP_SECTORS), "::"], check=True)


def to_shell(guest: Guest) -> None:
    guest.expect("any other key to continue", BOOT_TIMEOUT_S, what="the UEFI shell")
    guest.send(" ")
    guest.expect(r"\nFS0:\\> ?$", BOOT_TIMEOUT_S, what="the shell's prompt on FS0:")


def test_install_sh_binds_the_driver_after_a_reboot(tmp_path: Path) -> None:
    require(files=[LINUX / "complete", EFIBOOTMGR / "complete"])
    files = {
        str(path.relative_to(EFIBOOTMGR / "root")): path.read_bytes()
        for path in sorted((EFIBOOTMGR / "root").rglob("*"))
        if path.is_file()
    }
    files["bin/install.sh"] = (ROOT / "scripts/install.sh").read_bytes()
    files["bin/x86_64/virtio-net.efi"] = DRIVER.read_bytes() if DRIVER else b"none"
    esp = tmp_path / "esp.img"
    make_disk(esp)
    extra = ["-drive", f"if=none,id=esp,format=raw,file={esp}"]
    extra += ["-device", "virtio-blk-pci,drive=esp,bootindex=5", "-action", "reboot=reset"]

    with Guest(
        "from-linux",
        nics=[Nic()],
        driver=None,  # only the ESP has it
        files={
            "vmlinuz": LINUX / "vmlinuz",
            "initrd.img": initramfs(LINUX, "install.sh", ESP_MODULES, files),
        },
        timeout=TIMEOUT_S,
        extra=extra,
    ) as guest:
        guest.send("fs0:\\vmlinuz initrd=\\initrd.img console=ttyS0 panic=-1\r")
        output = guest.expect(r"LINUX end|LINUX FAIL.*|Kernel panic.*", LINUX_TIMEOUT_S)
        said = "\n".join(re.findall(r"LINUX .*", output))
        for line in (
            "without-esp: status 1, unchanged",
            "without-efivars: status 1, unchanged",
            "full-esp: status 1, unchanged",
            "install: status 0, changed",
            "install-again: status 0, unchanged",
            "remove: status 0, changed",
            "remove-again: status 0, unchanged",
            "install-to-stay: status 0, changed",
            "end",
        ):
            if f"LINUX {line}" not in said:
                raise guest.error(f"`LINUX {line}`", f"`{said}`")
        for words in ("is efivarfs mounted", "no FAT volume is mounted at", "is the ESP full"):
            if words not in said:
                raise guest.error(f"`{words}`", f"`{said}`")
        # By its partition alone, firmware of August 2026 does not find it at the first boot.
        if not re.search(r"variables Driver0000\* virtio-net\s+PciRoot\(.*\)/HD\(1,GPT,", said):
            raise guest.error("a variable that names the disk", f"`{said}`")

        to_shell(guest)
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, "modern")
        network.get_lease(guest)
        guest.power_off()
