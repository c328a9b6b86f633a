# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Segments that the device joins: a host that has 64 KiB in hand gives them to the guest in one go.

Only while the driver's Managed Network service owns the NIC. The device's registers say what was
negotiated, and the driver's counters what came.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import evidence
import lan
import network
import pytest
from clients import FETCH_TIMEOUT_S, NETBOOT, START_TIMEOUT_S
from guest import LEGACY, MODERN, PACKED, Guest, Nic, require
from test_stack import HOLDERS, Counted, assert_same, download

TIMEOUT_S = 300
BYTES = 4 << 20
DEVICES = {
    "modern": (MODERN, "modern"),
    "legacy": (LEGACY + ",any_layout=on", "legacy"),  # QEMU offers it only on request
    "packed": (PACKED, "modern"),
}
LARGE_FEATURES = {
    f"VIRTIO_NET_F_{name}" for name in ("GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6", "MRG_RXBUF")
}
ROW = "Received: joined by device"


def assert_large(guest: Guest, is_large: bool) -> None:
    """Our driver has negotiated all features for large frames, or none of them."""
    evidence.assert_negotiated_by_us(guest)
    state = evidence.device_state(guest)
    if not LARGE_FEATURES <= state.offered:
        raise guest.error(f"{sorted(LARGE_FEATURES)} offered", str(sorted(state.offered)))
    if state.features & LARGE_FEATURES != (LARGE_FEATURES if is_large else set()):
        expected = "all" if is_large else "none"
        raise guest.error(f"{expected} of {sorted(LARGE_FEATURES)}", str(sorted(state.features)))


def download_large(guest: Guest, adapter: evidence.Adapter, name: str) -> None:
    """Over the firmware's stack and our service, in frames of which some are large."""
    before = evidence.diagnose(guest, adapter).number(ROW)
    counted = Counted(guest, adapter)
    download(guest, f"http://{lan.ROUTER_V4}/random.bin", name)
    counted.assert_received(BYTES)
    assert_large(guest, True)
    after = evidence.diagnose(guest, adapter).number(ROW)
    if after <= before:
        raise guest.error(f"`{ROW}` above {before}", str(after))


# holds: virtio.net.large_owner, mnp.join.device
@pytest.mark.parametrize("device", DEVICES)
def test_device_joins_segments_for_the_service_alone(device: str, tmp_path: Path) -> None:
    """A download, then iPXE with SNP EXCLUSIVE and a download of its own, then one more."""
    options, transport = DEVICES[device]
    file, name, banner, key, prompt, commands, said = HOLDERS["ipxe"]
    require(files=[file, NETBOOT])
    data = os.urandom(BYTES)
    (tmp_path / "random.bin").write_bytes(data)
    (tmp_path / name).write_bytes(file.read_bytes())
    with lan.Lan(tmp_path, boot=name) as wire, Guest(
        f"large-{device}",
        nics=[Nic(options, netdev=wire.netdev)],
        inside=wire.inside,
        files={NETBOOT.name: NETBOOT},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, transport)[0]
        evidence.assert_stack(guest, adapter)
        network.get_lease(guest)
        download_large(guest, adapter, "first.bin")

        guest.send(f"{NETBOOT.name} load\r")
        guest.expect(banner, START_TIMEOUT_S, what=f"{name}, loaded by PXE")
        guest.send(key)
        guest.expect(prompt, 20, what=f"the prompt of {name}")
        for command in commands:
            guest.send(command + "\r")
            output = guest.expect(prompt, FETCH_TIMEOUT_S, what=f"a prompt after `{command}`")
        if not re.search(said, output):
            raise guest.error(f"`{said}` after `{command}`", output[-200:])
        assert_large(guest, False)
        guest.send("exit\r")
        guest.expect("NETBOOT loaded: ", 60, what=f"the end of {name}")
        guest.finish()

        guest.run("connect -r", timeout=60)
        network.get_lease(guest)
        download_large(guest, adapter, "second.bin")
        guest.power_off()
        assert_same(guest, "first.bin", data)
        assert_same(guest, "second.bin", data)
