# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The option ROM: `romfile=virtio-net.rom` is all that is needed.

No guest here has the driver on a disk. Only the firmware's PCI bus driver loads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import evidence
import network
import pytest
from guest import BUILD, DRIVER, LEGACY, MODERN, TRANSITIONAL, Guest, Nic
from platforms import EACH_ARCH, OVMF, OVMF_STRICT_NX, Platform

TIMEOUT_S = 90
ROM = str(DRIVER.with_suffix(".rom")) if DRIVER else ""
ROM_OF_ALL = str(BUILD / "virtio-net.rom") if DRIVER else ""
BOOT_FILE = "nicdriver.efi"


@dataclass(frozen=True)
class Case:
    name: str
    machine: str | None  # the platform's
    options: str
    transport: str  # the one that the driver must choose
    platform: Platform = OVMF


CASES = [
    Case("modern", "q35", MODERN, "modern"),
    Case("transitional", "pc", TRANSITIONAL, "modern"),
    Case("legacy", "q35", LEGACY, "legacy"),
]
STRICT_NX = [Case("strictnx", None, MODERN, "modern", OVMF_STRICT_NX)]
if not OVMF_STRICT_NX.firmware.exists():  # from Debian 13 on
    STRICT_NX = []


@pytest.mark.parametrize("case", CASES + STRICT_NX, ids=lambda case: case.name)
def test_rom_has_the_nic(case: Case, server: network.Server) -> None:
    nic = Nic(case.options, netdev=server.netdev(), romfile=ROM)
    with Guest(
        f"rom-{case.name}",
        platform=case.platform,
        machine=case.machine,
        nics=[nic],
        driver=None,
        timeout=TIMEOUT_S,
    ) as guest:
        evidence.assert_loaded_from_rom(guest)
        guest.run("connect -r", timeout=60)  # OVMF connects only what it was told to boot
        evidence.assert_ours(guest, case.transport)
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        network.download_tftp(guest)
        guest.power_off()
        network.compare_download(guest, server, network.TFTP_FILE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_firmware_boots_through_the_rom(case: Case, tmp_path: Path) -> None:
    """PXE without a shell, a key or a bootable disk: the program names the NIC's driver."""
    (tmp_path / BOOT_FILE).write_bytes((BUILD / "x86_64" / "apps" / BOOT_FILE).read_bytes())
    netdev = f"user,tftp={tmp_path},bootfile={BOOT_FILE}"
    nic = Nic(f"{case.options},bootindex=1", netdev=netdev, romfile=ROM)
    with Guest(
        f"rom-pxe-{case.name}",
        machine=case.machine,
        nics=[nic],
        driver=None,
        shell=False,
        paused=True,
        timeout=TIMEOUT_S,
    ) as guest:
        guest.qmp("cont")
        guest.expect("NICDRIVER begins", TIMEOUT_S, what=f"{BOOT_FILE} booted by PXE")
        output = guest.expect("NICDRIVER ends", 10)
        names = [line.partition(": ")[2] for line in output.splitlines() if line[:4] == "NIC "]
        if len(names) != 1 or not evidence.OUR_NAME.fullmatch(names[0]):
            raise guest.error("our driver on the NIC", str(names))
        guest.wait()


@pytest.mark.parametrize("platform", EACH_ARCH, ids=lambda platform: platform.arch)
def test_one_rom_serves_every_architecture(platform: Platform, server: network.Server) -> None:
    nic = Nic(netdev=server.netdev(), romfile=ROM_OF_ALL)
    with Guest(
        f"rom-of-all-{platform.arch}",
        platform=platform,
        nics=[nic],
        driver=None,
        timeout=TIMEOUT_S,
    ) as guest:
        evidence.assert_loaded_from_rom(guest)
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, "modern")
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        downloaded = network.download_all(guest, server)
        guest.power_off()
        for name in downloaded:
            network.compare_download(guest, server, name)
