# SPDX-License-Identifier: BSD-2-Clause-Patent
"""scripts/report.sh in a Linux guest, on the variable that the driver left: it says who had the NIC."""

from __future__ import annotations

import re

from guest import BUILD, MODERN, ROOT, Guest, Nic, require
from linux.initramfs import NET_MODULES, initramfs

TIMEOUT_S = 150
LINUX_TIMEOUT_S = 90
LINUX = BUILD / "linux"  # filled by linux/fetch-kernel.sh
MODULES = (*NET_MODULES, "kernel/fs/efivarfs/efivarfs.ko")
VERSION = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


def test_linux_is_told_who_had_the_nic() -> None:
    require(files=[LINUX / "complete"])
    script = {"bin/report.sh": (ROOT / "scripts/report.sh").read_bytes()}
    with Guest(
        "report",
        nics=[Nic(MODERN)],
        files={
            "vmlinuz": LINUX / "vmlinuz",
            "initrd.img": initramfs(LINUX, "report.sh", MODULES, script),
        },
        timeout=TIMEOUT_S,
    ) as guest:
        guest.run("connect -r", timeout=60)  # to the firmware's driver
        guest.load_driver()
        guest.send("fs0:\\vmlinuz initrd=\\initrd.img console=ttyS0 panic=-1\r")
        output = guest.expect(r"LINUX end|LINUX FAIL.*|Kernel panic.*", LINUX_TIMEOUT_S)
        said = re.findall(r"LINUX (.*?)\r?$", output, re.MULTILINE)
        folder = "/sys/firmware/efi/efivars"
        expected = [
            f"status 2 report: {folder}: empty: efivarfs is not mounted (mount -t efivarfs efivarfs {folder})",
            f"status 0 interface=eth0 driver={VERSION} pci=0000:00:02.0 mac={guest.nics[0].mac_of(0)}"
            " transport=modern ring=split from=Virtio 1.0 PCI Driver",
        ]
        if [line for line in said if line.startswith("status")] != expected:
            raise guest.error(str(expected), str(said))
        guest.wait()
