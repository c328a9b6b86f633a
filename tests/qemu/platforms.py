# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Platforms of guests, as data: an architecture's QEMU and firmware, and our build for it.

A new firmware is a new Platform here, and a row in the tests that should run on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import firmware_shell  # noqa: E402

BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
DRIVER: Path | None = Path(os.environ.get("DRIVER") or BUILD / "x86_64" / "virtio-net.efi")
if DRIVER == Path("none"):  # to see every case fail on the firmware's own driver
    DRIVER = None
QEMU = os.environ.get("QEMU", "qemu-system-x86_64")
FIRMWARE = Path(os.environ.get("OVMF_CODE", "/usr/share/OVMF/OVMF_CODE_4M.fd"))
VARIABLES = Path(os.environ.get("OVMF_VARS", "/usr/share/OVMF/OVMF_VARS_4M.fd"))

USB_KEYBOARD = ("-device", "qemu-xhci", "-device", "usb-kbd")
# Only SMM may write the variables; without it these builds of OVMF do not start.
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
    memory_mib: int = 512
    has_high_bars: bool = True  # above 4 GiB, also behind a root port
    wraps_at_80: bool = False  # a console of its firmware's breaks long lines
    downloads: tuple[str, ...] = ("tftp", "http", "https")  # what the firmware does, as it is packaged
    keyboard: tuple[str, ...] = ()  # for the setup, where the machine has none
    io_window: int | None = None  # where memory leads to I/O ports, for which x86 has instructions

    @property
    def driver(self) -> Path | None:
        """Our driver. DRIVER names another for x86_64; with DRIVER=none there is none."""
        is_named = DRIVER is None or self.arch == "x86_64"
        return DRIVER if is_named else BUILD / self.arch / "virtio-net.efi"

    @property
    def packaged_shell(self) -> Path:
        short = {"x86_64": "x64", "aarch64": "aa64"}.get(self.arch, self.arch)
        return Path(f"/usr/share/efi-shell-{short}/shell{short}.efi")

    @property
    def shell(self) -> bytes | None:
        """The shell for the disk, from the firmware or a package; None if it starts its own."""
        return _shell_for_disk(self.firmware, self.packaged_shell)

    @property
    def boot_index(self) -> str:
        """The disk's bootindex. If a device has one, newer firmware connects no other, not even the
        one for random numbers, and then starts no network."""
        needs_others = self.shell is not None and "virtio-rng-pci" in self.arguments
        return "" if needs_others else ",bootindex=0"

    @property
    def boots_network(self) -> bool:
        """Whether it reaches the NIC's own boot options. A shell on the disk comes first, and
        Debian 13's AAVMF, unlike its OVMF, creates none at its first boot."""
        return self.shell is None and not (self.arch == "aarch64" and offers("in_order"))

    @property
    def shell_path(self) -> str:
        """Where the firmware looks for a program to boot (UEFI 2.10, 3.5.1.1)."""
        short = {"x86_64": "X64", "aarch64": "AA64"}.get(self.arch, self.arch.upper())
        return f"EFI/BOOT/BOOT{short}.EFI"

    def app(self, name: str) -> Path:
        return BUILD / self.arch / "apps" / name


@cache
def _shell_for_disk(firmware: Path, packaged: Path) -> bytes | None:
    if not firmware.exists():
        return None  # guest.require() says so
    inside, is_started = firmware_shell.find_shell(firmware.read_bytes())
    if inside is None and packaged.exists():
        return packaged.read_bytes()
    return None if is_started else inside


@cache
def offers(option: str) -> bool:
    """Whether QEMU's virtio-net has an option, such as in_order, which came with QEMU 10."""
    command = [QEMU, "-device", "virtio-net-pci,help"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return False  # a missing QEMU is reported elsewhere
    return f" {option}=" in done.stdout


@cache
def is_of_2026(arch: str) -> bool:
    """Whether the firmware for `arch` has an EDK2 of 2026 or later: Debian's version begins with its date."""
    command = ["dpkg-query", "-W", "-f", "${Version}", f"qemu-efi-{arch}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return False  # a missing firmware is reported elsewhere
    return done.returncode == 0 and done.stdout >= "2026"


def rng_device(arch: str) -> tuple[str, str]:
    """QEMU's arguments for random numbers, where the CPU has none: a virtio-rng, or, for firmware that may
    hang in its driver, a driver of ours in a device's ROM. docs/TESTING.md says more."""
    if is_of_2026(arch):
        return "-device", "virtio-rng-pci"
    rom = BUILD / arch / "apps" / "rng.rom"
    return "-device", f"virtio-balloon-pci,disable-legacy=on,romfile={rom}"


def downloads(arch: str) -> tuple[str, ...]:
    """Debian 13's firmware for the architectures that are new in it starts no TCP driver. Sid's has no TLS
    on loongarch64, and on riscv64 does not take certificates from QEMU."""
    return ("tftp", "http") if is_of_2026(arch) else ("tftp",)


OVMF = Platform("x86_64", QEMU, FIRMWARE, VARIABLES)
OVMF_SECURE = Platform(
    "x86_64",
    QEMU,
    FIRMWARE.with_name("OVMF_CODE_4M.secboot.fd"),
    VARIABLES,
    machine="q35,smm=on",
    arguments=SECURE_FLASH,
)
# Refuses an image with a section that is writable and executable; Debian 13 and later.
OVMF_STRICT_NX = replace(OVMF_SECURE, firmware=FIRMWARE.with_name("OVMF_CODE_4M.secboot.strictnx.fd"))
OVMF32 = Platform(
    "ia32",
    "qemu-system-i386",
    Path("/usr/share/OVMF/OVMF32_CODE_4M.fd"),
    Path("/usr/share/OVMF/OVMF32_VARS_4M.fd"),
    has_high_bars=False,
)
if not OVMF32.firmware.exists():  # Debian 12 has only the SMM build, which excludes the machine pc
    OVMF32 = replace(
        OVMF32,
        firmware=OVMF32.firmware.with_name("OVMF32_CODE_4M.secboot.fd"),
        machine="q35,smm=on",
        arguments=SECURE_FLASH,
    )
AAVMF = Platform(
    "aarch64",
    "qemu-system-aarch64",
    Path("/usr/share/AAVMF/AAVMF_CODE.fd"),
    Path("/usr/share/AAVMF/AAVMF_VARS.fd"),
    machine="virt,gic-version=3",
    # The firmware's stack wants random numbers since 2024, for which max has an instruction. It is slower.
    cpu="max,pauth=off" if offers("in_order") else "cortex-a57",
    keyboard=USB_KEYBOARD,
    io_window=0x3EFF0000,
)
RISCV = Platform(
    "riscv64",
    "qemu-system-riscv64",
    Path("/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd"),
    Path("/usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd"),
    machine="virt,acpi=off",
    arguments=rng_device("riscv64"),
    keyboard=USB_KEYBOARD,
    wraps_at_80=True,
    downloads=downloads("riscv64"),
    io_window=0x3000000,
)
LOONGARCH = Platform(
    "loongarch64",
    "qemu-system-loongarch64",
    Path("/usr/share/qemu-efi-loongarch64/QEMU_EFI.fd"),
    Path("/usr/share/qemu-efi-loongarch64/QEMU_VARS.fd"),
    machine="virt",
    arguments=rng_device("loongarch64"),
    memory_mib=2048,  # this machine needs at least 1 GiB
    keyboard=USB_KEYBOARD,
    has_high_bars=False,
    wraps_at_80=True,
    downloads=downloads("loongarch64"),
    io_window=0x18000000,
)
# What make builds here; the last two where the distribution has firmware and compilers for them.
ARCHES = os.environ.get("ARCHES", "x86_64 ia32 aarch64").split()
NEWER = tuple(platform for platform in (RISCV, LOONGARCH) if platform.arch in ARCHES)
NEWER_WITH_HTTP = tuple(platform for platform in NEWER if "http" in platform.downloads)
EACH_ARCH = (OVMF, OVMF32, AAVMF, *NEWER)
PLATFORMS = (*EACH_ARCH, OVMF_SECURE)


@cache
def is_left_out(platform: Platform) -> bool:
    """Whether the distribution has no firmware for it, like Debian 14 and later for ia32."""
    if platform.arch != "ia32" or platform.firmware.exists():
        return False
    try:
        done = subprocess.run(["apt-cache", "show", "ovmf-ia32"], capture_output=True, timeout=60)
    except OSError:
        return False
    return b"Package:" not in done.stdout
