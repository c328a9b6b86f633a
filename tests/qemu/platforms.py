# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What guests run on, as data: an architecture's QEMU and firmware, and our build for it.

A new firmware is a new Platform here, and a row in the tests that are to run on it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
DRIVER: Path | None = Path(os.environ.get("DRIVER") or BUILD / "x86_64" / "virtio-net.efi")
if DRIVER == Path("none"):  # to see every case fail on the firmware's own driver
    DRIVER = None
QEMU = os.environ.get("QEMU", "qemu-system-x86_64")
FIRMWARE = Path(os.environ.get("OVMF_CODE", "/usr/share/OVMF/OVMF_CODE_4M.fd"))
VARIABLES = Path(os.environ.get("OVMF_VARS", "/usr/share/OVMF/OVMF_VARS_4M.fd"))

# SMM alone may write the variables; without it these builds of OVMF do not start.
SECURE_FLASH = ("-global", "driver=cfi.pflash01,property=secure,value=on")


@dataclass(frozen=True)
class Platform:
    """QEMU, its machine unless a case names another, and firmware with an empty variable store.
    """

    arch: str  # of the firmware, and the folder of our build
    qemu: str
    firmware: Path
    variables: Path
    machine: str = "q35"
    cpu: str = "max"
    arguments: tuple[str, ...] = ()
    shell: Path | None = None  # to boot where there is this file, as the firmware has none of its own

    @property
    def driver(self) -> Path | None:
        """Our driver; DRIVER names one for x86_64, and with DRIVER=none there is none at all."""
        is_named = DRIVER is None or self.arch == "x86_64"
        return DRIVER if is_named else BUILD / self.arch / "virtio-net.efi"

    def app(self, name: str) -> Path:
        return BUILD / self.arch / "apps" / name


OVMF = Platform("x86_64", QEMU, FIRMWARE, VARIABLES)
OVMF_SECURE = Platform(
    "x86_64",
    QEMU,
    FIRMWARE.with_name("OVMF_CODE_4M.secboot.fd"),
    VARIABLES,
    machine="q35,smm=on",
    arguments=SECURE_FLASH,
)
# Debian has it with SMM only, hence not for the machine pc.
OVMF32 = Platform(
    "ia32",
    "qemu-system-i386",
    Path("/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd"),
    Path("/usr/share/OVMF/OVMF32_VARS_4M.fd"),
    machine="q35,smm=on",
    arguments=SECURE_FLASH,
    shell=Path("/usr/share/efi-shell-ia32/shellia32.efi"),
)
AAVMF = Platform(
    "aarch64",
    "qemu-system-aarch64",
    Path("/usr/share/AAVMF/AAVMF_CODE.fd"),
    Path("/usr/share/AAVMF/AAVMF_VARS.fd"),
    machine="virt,gic-version=3",
    cpu="cortex-a57",  # max signs pointers, which is slow to emulate
    arguments=("-device", "virtio-rng-pci"),  # the firmware's stack wants it since 2024
)
PLATFORMS = (OVMF, OVMF_SECURE, OVMF32, AAVMF)
