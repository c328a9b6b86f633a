# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Boot programs as distributions ship them, from the firmware's network boot to a Linux that reports
what it received: what each is served, how it is driven, and when it reached which step.

    sha256 = client.prepare(folder)
    with lan.Lan(folder, boot=client.boot) as wire, Guest(…, files=client.files()) as guest:
        seconds = client.run(guest, sha256, while_running)

A program fetches a kernel and an initrd that contains random bytes, whose SHA-256 Linux prints. This
file knows nothing of drivers: the tests run over ours only, client_times.py also over the firmware's.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

import lan
import pefile
from boot_options import add_http_option, set_boot_next
from guest import BUILD, Guest, require
from linux.initramfs import archive_of, initramfs
from platforms import OVMF

FETCHED = BUILD / "clients"  # filled by linux/fetch-clients.sh
LINUX = BUILD / "linux"  # filled by linux/fetch-kernel.sh
SHIM = FETCHED / "shimx64.efi.signed"
GRUB = FETCHED / "grubnetx64.efi.signed"
SHIM_NAME, GRUB_NAME = "shimx64.efi", "grubnetx64.efi"  # HTTP boot goes by the extension
GRUB_HTTP = FETCHED / "http.mod"
SYSTEMD_BOOT = FETCHED / "systemd-bootx64.efi"
STUB = FETCHED / "linuxx64.efi.stub"
IPXE = Path("/usr/lib/ipxe/snponly.efi")
NETBOOT = OVMF.app("netboot.efi")

HTTP = f"http://{lan.ROUTER_V4}:{lan.PORT}"
TFTP = f"tftp://{lan.ROUTER_V4}"
KERNEL_ARGUMENTS = "console=ttyS0 panic=-1 quiet"
MEMORY_MIB = 1024
PAGE_BYTES = 4096
START_TIMEOUT_S = 90
FETCH_TIMEOUT_S = 120
LINUX_TIMEOUT_S = 90

# At the banner; the prompt for Ctrl-B that follows is wiped out again.
IPXE_BANNER = r"iPXE [^\n]*\n[^\n]*\n+(?=Press Ctrl-B)"
IPXE_PROMPT = r"iPXE>"
GRUB_PROMPT = r"grub> ?$"
GRUB_CFG = f"""
echo CLIENT kernel
linux ($source)/vmlinuz {KERNEL_ARGUMENTS}
echo CLIENT initrd
initrd ($source)/initrd
echo CLIENT boot
boot
"""


class Watch:
    """Seconds between marks on a guest's console, by the name of the step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = now - self._last
        self._last = now


@dataclass
class Client:
    """A boot program: `serve` fills the LAN's folder, `drive` takes it from its start to its `boot`.

    boot is the file that PXE fetches, or, with is_http, HTTP boot. while_running is called once the
    program is running, or on its way, and has the NIC.
    """

    boot: str
    needs: tuple[Path, ...]
    serve: Callable[[Path, bytes], None]
    drive: Callable[[Guest, Watch, Callable[[], None]], None]
    is_http: bool = False
    payload_bytes: int = 60 << 20

    def prepare(self, folder: Path) -> str:
        """Fill `folder`; return the SHA-256 that Linux must print."""
        require(files=[*self.needs, LINUX / "vmlinuz", LINUX / "busybox", LINUX / "complete"])
        payload = os.urandom(self.payload_bytes)
        shutil.copy(LINUX / "vmlinuz", folder)
        initrd = initramfs(LINUX, init="payload.sh", modules=())
        initrd += bytes(-len(initrd) % 4) + archive_of({"payload": payload})
        (folder / "initrd").write_bytes(initrd)
        self.serve(folder, initrd)
        return hashlib.sha256(payload).hexdigest()

    def files(self) -> dict[str, Path | bytes]:
        """What the guest's disk must hold."""
        return {} if self.is_http else {NETBOOT.name: NETBOOT}

    def run(self, guest: Guest, sha256: str, while_running: Callable[[], None]) -> dict[str, float]:
        """From the shell, with the driver loaded (HTTP boot: added with bcfg), to the end of Linux."""
        if self.is_http:
            set_boot_next(guest, add_http_option(guest, f"{HTTP}/{self.boot}"))
            guest.start("reset")
            guest.expect(r"Start HTTP Boot over IPv4", START_TIMEOUT_S)
        else:
            guest.send(f"{NETBOOT.name} load\r")
        watch = Watch()
        self.drive(guest, watch, while_running)
        output = guest.expect(r"LINUX payload [0-9a-f]+\n|Kernel panic.*", LINUX_TIMEOUT_S)
        watch.lap("Linux")
        if f"LINUX payload {sha256}" not in output:
            raise guest.error(f"an initrd with a payload of SHA-256 {sha256}", output[-100:])
        guest.wait()
        return watch.seconds


def drive_grub(guest: Guest, watch: Watch, while_running: Callable[[], None]) -> None:
    """From GRUB's start, when it has found its configuration or been given it."""
    guest.expect(r"CLIENT kernel", FETCH_TIMEOUT_S, what="GRUB to read grub.cfg")
    fetch_by_grub(guest, watch, while_running)


def fetch_by_grub(guest: Guest, watch: Watch, while_running: Callable[[], None]) -> None:
    """From the first line of grub.cfg."""
    watch.lap("to grub.cfg")
    while_running()
    guest.expect(r"CLIENT initrd", FETCH_TIMEOUT_S, what="GRUB to fetch the kernel")
    watch.lap("kernel")
    guest.expect(r"CLIENT boot", FETCH_TIMEOUT_S, what="GRUB to fetch the initrd")
    watch.lap("initrd")


def serve_shim(folder: Path, _: bytes) -> None:
    shutil.copy(SHIM, folder / SHIM_NAME)
    shutil.copy(GRUB, folder / "grubx64.efi")
    (folder / "grub").mkdir()
    (folder / "grub/grub.cfg").write_text("source=$root\n" + GRUB_CFG)


def drive_shim(guest: Guest, watch: Watch, while_running: Callable[[], None]) -> None:
    guest.expect(r"Fetching Netboot Image grubx64", START_TIMEOUT_S, what="shim, loaded by PXE")
    watch.lap("shim")
    drive_grub(guest, watch, while_running)


def serve_grub_over_http(folder: Path, _: bytes) -> None:
    shutil.copy(GRUB, folder / GRUB_NAME)
    (folder / "grub/x86_64-efi").mkdir(parents=True)
    shutil.copy(GRUB_HTTP, folder / "grub/x86_64-efi")
    (folder / "grub/grub.cfg").write_text(f"source=http,{lan.ROUTER_V4}\n" + GRUB_CFG)


def drive_grub_over_http(guest: Guest, watch: Watch, while_running: Callable[[], None]) -> None:
    """Debian 12's GRUB does not use the lease of HTTP boot, and has no HTTP built in.

    Debian 13's continues with the firmware's HTTP by itself.
    """
    said = guest.expect(f"CLIENT kernel|{GRUB_PROMPT}", START_TIMEOUT_S, what="GRUB, loaded by HTTP")
    if "CLIENT" in said:
        fetch_by_grub(guest, watch, while_running)
        return
    watch.lap("to the prompt")
    for command in ("net_bootp", f"set prefix=(tftp,{lan.ROUTER_V4})/grub", "insmod http"):
        guest.send(command + "\r")
        said = guest.expect(GRUB_PROMPT, FETCH_TIMEOUT_S, what=f"GRUB's prompt after `{command}`")
        if "error" in said:
            raise guest.error(f"GRUB to obey `{command}`", said.strip()[-100:])
    guest.send(f"configfile (http,{lan.ROUTER_V4})/grub/grub.cfg\r")
    drive_grub(guest, watch, while_running)


def serve_image(folder: Path, initrd: bytes) -> None:
    """A disk image with systemd-boot and a unified kernel image, put together by objcopy."""
    parts = {
        ".osrel": b'ID=virtio-net\nNAME="virtio-net"\nVERSION_ID=1\n',
        ".cmdline": KERNEL_ARGUMENTS.encode(),
        ".linux": (LINUX / "vmlinuz").read_bytes(),
        ".initrd": initrd,
    }
    command = ["objcopy"]
    header = pefile.PE(STUB, fast_load=True).OPTIONAL_HEADER
    address = header.ImageBase + header.SizeOfImage  # ukify(1) appends the same way
    for name, data in parts.items():
        (folder / name).write_bytes(data)
        command += ["--add-section", f"{name}={folder / name}"]
        command += ["--change-section-vma", f"{name}={address:#x}"]
        address += -(-len(data) // PAGE_BYTES) * PAGE_BYTES
    uki, image = folder / "uki.efi", folder / "boot.img"
    subprocess.run([*command, str(STUB), str(uki)], check=True)
    with image.open("wb") as file:
        file.truncate(max(uki.stat().st_size + (4 << 20), 36 << 20) >> 20 << 20)
    for tool in (
        ["mformat", "-i", image, "-F", "::"],
        ["mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/Linux"],
        ["mcopy", "-i", image, SYSTEMD_BOOT, "::/EFI/BOOT/BOOTX64.EFI"],
        ["mcopy", "-i", image, uki, "::/EFI/Linux/linux.efi"],
    ):
        subprocess.run(tool, check=True)


def drive_image(guest: Guest, watch: Watch, while_running: Callable[[], None]) -> None:
    guest.expect(r"Downloading\.\.\.", START_TIMEOUT_S, what="the firmware to fetch the image")
    while_running()
    guest.expect(r'BdsDxe: starting Boot0077 "HTTP"', FETCH_TIMEOUT_S, what="the image to start")
    watch.lap("image")


def serve_ipxe(folder: Path, _: bytes) -> None:
    shutil.copy(IPXE, folder)


def ipxe(guest: Guest, command: str, timeout: float = FETCH_TIMEOUT_S) -> str:
    """Run a command at iPXE's prompt and return what it says."""
    guest.send(command + "\r")
    return guest.expect(IPXE_PROMPT, timeout, what=f"iPXE's prompt after `{command}`")


def drive_ipxe(guest: Guest, watch: Watch, while_running: Callable[[], None]) -> None:
    guest.expect(IPXE_BANNER, START_TIMEOUT_S, what="iPXE, loaded by PXE")
    guest.send("\x02")
    guest.expect(IPXE_PROMPT, 20, what="iPXE's prompt")
    watch.lap("to the prompt")
    answer = ipxe(guest, "ifconf -c ipv6 net0")
    routes = ipxe(guest, "route")
    watch.lap("IPv6 address")
    if not re.search(rf"net0: {lan.GLOBAL_PREFIX}[0-9a-f:]+/64 gw fe80::", routes):
        expected = "a global IPv6 address and a gateway"
        raise guest.error(expected, f"`{answer.strip()[-100:]}`, `{routes.strip()[-200:]}`")
    if "ok" not in ipxe(guest, "dhcp net0"):
        raise guest.error("a lease for iPXE", "none")
    watch.lap("lease")
    while_running()
    for command in (
        f"kernel {TFTP}/vmlinuz initrd=initrd {KERNEL_ARGUMENTS}",
        f"initrd {HTTP}/initrd",
    ):
        if "ok" not in (said := ipxe(guest, command)):
            raise guest.error(f"iPXE to obey `{command}`", said.strip()[-100:])
        watch.lap(command.split()[0])
    guest.send("boot\r")


CLIENTS: Mapping[str, Client] = {
    "ipxe": Client(IPXE.name, (IPXE, NETBOOT), serve_ipxe, drive_ipxe, payload_bytes=8 << 20),
    "shim-grub-tftp": Client(SHIM_NAME, (SHIM, GRUB, NETBOOT), serve_shim, drive_shim),
    "grub-http": Client(
        GRUB_NAME, (GRUB, GRUB_HTTP), serve_grub_over_http, drive_grub_over_http, is_http=True
    ),
    "systemd-boot-uki-http": Client(
        "boot.img",
        (SYSTEMD_BOOT, STUB),
        serve_image,
        drive_image,
        is_http=True,
        payload_bytes=8 << 20,
    ),
}
