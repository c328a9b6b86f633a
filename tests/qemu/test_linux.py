# SPDX-License-Identifier: BSD-2-Clause-Patent
"""ExitBootServices into Linux, under traffic: the device is quiet then, and Linux can drive it.

The NIC is on a hub with QEMU's user network and the far end of a wire that floods it throughout.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import evidence
import network
import pytest
from guest import BUILD, LEGACY, MODERN, Guest, Nic, require
from linux.initramfs import initramfs
from wire.peer import Peer

TIMEOUT_S = 150
BOOT_TIMEOUT_S = 60
FLOOD_FRAMES_PER_SECOND = 2000
LINUX = BUILD / "linux"  # filled by linux/fetch-kernel.sh


@dataclass(frozen=True)
class Case:
    name: str
    machine: str
    options: str
    transport: str  # the one that the driver must choose


CASES = [
    Case("modern", "q35", MODERN, "modern"),
    Case("legacy", "q35", LEGACY, "legacy"),
]


# holds: snp.exit.quiet
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_linux_takes_over(case: Case, server: network.Server) -> None:
    require(files=[LINUX / "vmlinuz", LINUX / "busybox", LINUX / "complete"])
    with Peer() as peer, Guest(
        f"linux-{case.name}",
        machine=case.machine,
        nics=[Nic(case.options, netdev="hubport,hubid=0")],
        files={"vmlinuz": LINUX / "vmlinuz", "initrd.img": initramfs(LINUX)},
        timeout=TIMEOUT_S,
        extra=network.hub("user", peer.netdev),
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, case.transport)
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        assert_driver_ok(guest, True)

        mac = guest.nics[0].mac_of(0)
        peer.flood(bytes.fromhex(mac.replace(":", "")), FLOOD_FRAMES_PER_SECOND)
        name, content = network.TFTP_FILE, server.files[network.TFTP_FILE]
        guest.send(
            "fs0:\\vmlinuz initrd=\\initrd.img console=ttyS0 panic=-1 efi=debug"
            f" URL=http://10.0.2.2:{server.port}/{name}\r"
        )
        guest.expect(r"EFI stub: Loaded initrd", BOOT_TIMEOUT_S)
        sent_before = peer.sent
        guest.expect(r"Linux version", BOOT_TIMEOUT_S)
        # Linux has not touched the device yet; keep it so while we look.
        guest.qmp("stop")
        assert_driver_ok(guest, False)
        guest.qmp("cont")
        if peer.sent == sent_before:
            raise guest.error("traffic during ExitBootServices", f"none after {sent_before} frames")

        output = guest.expect(r"LINUX end|LINUX FAIL.*|Kernel panic.*", BOOT_TIMEOUT_S)
        for line in (
            "LINUX driver virtio_net",
            f"LINUX mac {mac}",
            "LINUX address 10.0.2.15",
            "LINUX ping 3 packets transmitted, 3 packets received, 0% packet loss",
            f"LINUX fetched {hashlib.sha256(content).hexdigest()}",
            "LINUX memory 0 complaints",
            "LINUX end",
        ):
            if line not in output:
                seen = re.findall(r"(?:LINUX|Kernel panic).*", output)
                raise guest.error(f"`{line}`", f"`{'; '.join(seen)}`")
        guest.wait()


def assert_driver_ok(guest: Guest, expected: bool) -> None:
    """Whether the device has a driver that lets it write to memory, by its status register."""
    status = evidence.device_state(guest).status
    if ("DRIVER_OK" in status) != expected:
        wanted = "with" if expected else "reset at ExitBootServices, without"
        raise guest.error(f"a device {wanted} DRIVER_OK", str(sorted(status)))
