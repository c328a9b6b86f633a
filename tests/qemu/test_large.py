# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Segments that the device joins: a host that has 64 KiB in hand gives them to the guest in one go.

Only while the driver's Managed Network service owns the NIC. The device's registers say what was
negotiated, and the driver's counters what came.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import evidence
import lan
import network
import pytest
from clients import LINUX, NETBOOT
from guest import LEGACY, MODERN, PACKED, TRANSITIONAL, Guest, Nic, require
from holders import HOLDERS
from linux.initramfs import initramfs
from wire.joining import JoiningNet

TIMEOUT_S = 300
BYTES = 4 << 20
FILE = "random.bin"
GLOBAL_ROUTER = f"{lan.GLOBAL_PREFIX}1"
LINUX_TIMEOUT_S = 60


@dataclass(frozen=True)
class Device:
    options: str
    transport: str = "modern"  # the one that the driver must choose
    extra: tuple[str, ...] = ()


DEVICES = {
    "modern": Device(MODERN),
    "transitional": Device(TRANSITIONAL),
    "legacy": Device(LEGACY + ",any_layout=on", "legacy"),  # QEMU offers it only on request
    "packed": Device(PACKED),
    "iommu": Device(MODERN + ",iommu_platform=on", extra=("-device", "intel-iommu")),
}
LARGE_FEATURES = {
    f"VIRTIO_NET_F_{name}" for name in ("GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6", "MRG_RXBUF")
}


def make_file(folder: Path) -> bytes:
    data = os.urandom(BYTES)
    (folder / FILE).write_bytes(data)
    return data


def start(guest: Guest, transport: str = "modern") -> evidence.Adapter:
    """The firmware's stack on our service, with an address by DHCP."""
    guest.load_driver()
    guest.run("connect -r", timeout=60)
    adapter = evidence.assert_ours(guest, transport)[0]
    evidence.assert_stack(guest, adapter)
    network.get_lease(guest)
    return adapter


def assert_negotiated(guest: Guest, offered: set[str], expected: set[str]) -> None:
    """What our driver has negotiated of the features for large frames."""
    evidence.assert_negotiated_by_us(guest)
    found = evidence.registers_of(guest)
    seen = (found.offered & LARGE_FEATURES, found.features & LARGE_FEATURES)
    if seen != (offered, expected):
        raise guest.error(
            f"{sorted(expected)} of {sorted(offered)}", f"{sorted(seen[1])} of {sorted(seen[0])}"
        )


def download_large(guest: Guest, adapter: evidence.Adapter, server: str, name: str) -> None:
    """Over the firmware's stack and our service, in frames of which some are large."""
    counted = evidence.Counted(guest, adapter)
    network.download(guest, f"http://{server}/{FILE}", name)
    if not counted.assert_received(BYTES):
        raise guest.error("frames that the device joined", "none")
    assert_negotiated(guest, LARGE_FEATURES, LARGE_FEATURES)


# holds: virtio.net.large_owner, mnp.join.device
@pytest.mark.parametrize("name", DEVICES)
def test_device_joins_segments_for_the_service_alone(name: str, tmp_path: Path) -> None:
    """A download, then iPXE with SNP EXCLUSIVE and a download of its own, then one more."""
    device, program, data = DEVICES[name], HOLDERS["ipxe"], make_file(tmp_path)
    program.serve(tmp_path)
    with lan.Lan(tmp_path, boot=program.name) as wire, Guest(
        f"large-{name}",
        nics=[Nic(device.options, netdev=wire.netdev)],
        inside=wire.inside,
        files={NETBOOT.name: NETBOOT},
        extra=device.extra,
        timeout=TIMEOUT_S,
    ) as guest:
        adapter = start(guest, device.transport)
        download_large(guest, adapter, lan.ROUTER_V4, "first.bin")

        with program.holding(guest):
            assert_negotiated(guest, LARGE_FEATURES, set())

        guest.run("connect -r", timeout=60)
        network.get_lease(guest)
        download_large(guest, adapter, lan.ROUTER_V4, "second.bin")
        guest.power_off()
        network.assert_same(guest, "first.bin", data)
        network.assert_same(guest, "second.bin", data)


# holds: mnp.join.device, virtio.net.merged, virtio.net.checksum
def test_device_outside_qemu_joins_segments(tmp_path: Path) -> None:
    """A back end of ours (vhost-user) spreads frames over buffers, over IPv4 and over IPv6."""
    data = make_file(tmp_path)
    with lan.Lan(tmp_path, boot="none") as wire, JoiningNet(wire.open_tap()) as device, Guest(
        "large-vhost-user",
        machine=device.machine,
        nics=[Nic(MODERN, netdev=device.netdev)],
        extra=device.extra,
        inside=wire.inside,
        timeout=TIMEOUT_S,
    ) as guest:
        adapter = start(guest)
        download_large(guest, adapter, lan.ROUTER_V4, "v4.bin")
        network.get_address_v6(guest, prefix="2001:0DB8")
        download_large(guest, adapter, f"[{GLOBAL_ROUTER}]", "v6.bin")
        seen = (device.joined, device.spread, device.unfinished)
        if min(seen) < 2:
            raise guest.error("frames joined, spread, and with a checksum to finish", str(seen))
        guest.power_off()
        network.assert_same(guest, "v4.bin", data)
        network.assert_same(guest, "v6.bin", data)


# holds: virtio.net.large
def test_device_without_offloads_joins_nothing(tmp_path: Path) -> None:
    data = make_file(tmp_path)
    with lan.Lan(tmp_path, boot="none") as wire, Guest(
        "large-without",
        nics=[Nic(MODERN, netdev=wire.netdev + ",vnet_hdr=off")],
        inside=wire.inside,
        timeout=TIMEOUT_S,
    ) as guest:
        adapter = start(guest)
        counted = evidence.Counted(guest, adapter)
        network.download(guest, f"http://{lan.ROUTER_V4}/{FILE}", FILE)
        if joined := counted.assert_received(BYTES):
            raise guest.error("no frame that the device joined", f"{joined}")
        assert_negotiated(guest, {"VIRTIO_NET_F_MRG_RXBUF"}, set())
        guest.power_off()
        network.assert_same(guest, FILE, data)


# holds: mnp.join.device
def test_second_guest_on_a_bridge_sends_large_frames(tmp_path: Path) -> None:
    """Linux in another guest serves the file; its frames reach ours as it has handed them over."""
    require(files=[LINUX / "vmlinuz", LINUX / "busybox", LINUX / "complete"])
    data = os.urandom(BYTES)
    initrd = initramfs(LINUX, init="server.sh", files={f"www/{FILE}": data})
    with lan.Lan(tmp_path, boot="none", bridge=True) as wire, Guest(
        "large-server",
        nics=[Nic(MODERN, netdev=wire.second_netdev, mac="52:54:00:12:34:99")],
        inside=wire.inside,
        files={"vmlinuz": LINUX / "vmlinuz", "initrd.img": initrd},
        driver=None,
        timeout=TIMEOUT_S,
    ) as server, Guest(
        "large-bridge",
        nics=[Nic(MODERN, netdev=wire.netdev)],
        inside=wire.inside,
        timeout=TIMEOUT_S,
    ) as guest:
        server.send(
            "fs0:\\vmlinuz initrd=\\initrd.img console=ttyS0 panic=-1"
            f" ADDRESS={lan.SECOND_V4}\r"
        )
        server.expect(r"LINUX serving", LINUX_TIMEOUT_S)
        adapter = start(guest)
        download_large(guest, adapter, lan.SECOND_V4, FILE)
        guest.power_off()
        network.assert_same(guest, FILE, data)
