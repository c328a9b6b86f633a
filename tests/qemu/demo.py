#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: demo.py

Boots QEMU with UEFI firmware and the driver on a FAT drive and shows: our line of `drivers`, the
lease, ping, a TFTP and an HTTP download compared with the originals. Status 0 only if all of it
happened through our driver; what a firmware cannot do is named as left out. ARCH is x86_64
(default), ia32, aarch64, riscv64 or loongarch64; for x86_64 DRIVER, OVMF_CODE, OVMF_VARS and QEMU
override the files used.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

import evidence  # noqa: E402
import network  # noqa: E402
from guest import Guest, GuestError, Nic, SetupError, require_everything  # noqa: E402
from platforms import AAVMF, LOONGARCH, OVMF, OVMF32, RISCV, Platform  # noqa: E402

TIMEOUT_S = 180
NIC_OPTIONS = "disable-legacy=off,disable-modern=off"
PINGS = 5
PLATFORMS = {platform.arch: platform for platform in (OVMF, OVMF32, AAVMF, RISCV, LOONGARCH)}


def say(label: str, text: str) -> None:
    print(f"  {label:<9}{text}", flush=True)


def timed_download(label: str, source: str, download: object, *arguments: object) -> float:
    say(label, f"{source} ...")
    began = time.monotonic()
    download(*arguments)  # type: ignore[operator]
    return time.monotonic() - began


def demo(platform: Platform, driver_file: Path, server: network.Server) -> str:
    """Run it all; returns the closing line. Raises GuestError if something is not as shown."""
    nic = Nic(NIC_OPTIONS, netdev=server.netdev())
    where = f"QEMU {platform.machine}, {platform.firmware.name}, virtio-net-pci"
    say("boot", f"{where}, {driver_file.name} on a FAT drive ...")
    with Guest("demo", platform=platform, nics=[nic], timeout=TIMEOUT_S) as guest:
        say("load", "at the UEFI shell: load fs0:\\virtio-net.efi, connect -r ...")
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        driver = evidence.our_drivers(guest)[0]
        lines = guest.run("drivers").splitlines()
        say("drivers", next(line for line in lines if line.startswith(driver.handle)))
        say("", f"alone on \"{adapter.controller_name}\"")

        say("dhcp", "ifconfig -s eth0 dhcp ...")
        address = network.get_lease(guest)
        lease = [line.strip() for line in guest.run("ifconfig -l eth0").splitlines()]
        wanted = ("name", "Media State", "mac addr", "ipv4 address", "subnet mask", "default")
        for line in lease:
            if line.startswith(wanted):
                say("", line)
        say("ping", f"ping 10.0.2.2, {PINGS} times ...")
        say("", network.ping(guest, "10.0.2.2", PINGS))

        seconds_of = {}
        if "tftp" in platform.downloads:
            name = network.TFTP_FILE
            seconds_of[name] = timed_download("tftp", name, network.download_tftp, guest)
        if "http" in platform.downloads:
            name = network.HTTP_FILE
            url = f"http://10.0.2.2:{server.port}/{name}"
            seconds_of[name] = timed_download(
                "http", url, network.download_http, guest, server.port
            )
        for missing in sorted({"tftp", "http"} - set(platform.downloads)):
            say(missing, "left out: this firmware cannot")
        evidence.assert_ours(guest, "modern")

        say("off", "reset -s, then compare the downloads on the guest's drive ...")
        guest.power_off()
        for name, seconds in seconds_of.items():
            size = network.compare_download(guest, server, name)
            digest = hashlib.sha256(server.files[name]).hexdigest()[:16]
            say("", f"{name}: {size} bytes in {seconds:.1f} s, all as sent (sha256 {digest}...)")
        log = guest.console_log
    say("log", str(log))
    return (
        f"Shown through {driver.name}: lease {address}, {PINGS} of {PINGS} pings, "
        f"{len(seconds_of)} downloads with every byte right, in {guest.seconds:.0f} s."
    )


def main() -> int:
    try:
        arch = os.environ.get("ARCH", OVMF.arch)
        if arch not in PLATFORMS:
            raise SetupError(f"ARCH={arch}: not one of {', '.join(PLATFORMS)}")
        platform = PLATFORMS[arch]
        require_everything([platform])
        if platform.driver is None:
            raise SetupError("DRIVER=none: the demo is of our driver")
        with tempfile.TemporaryDirectory() as folder:
            print(demo(platform, platform.driver, network.Server(Path(folder))))
    except (GuestError, SetupError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
