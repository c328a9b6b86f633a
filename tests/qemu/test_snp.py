# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The contract of EFI_SIMPLE_NETWORK_PROTOCOL, walked by EFI applications on real firmware."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass

import evidence
import pytest
from guest import LEGACY, MODERN, PACKED, TRANSITIONAL, Guest, Nic
from platforms import AAVMF, NEWER, OVMF, OVMF32, Platform
from wire.peer import Peer

TIMEOUT_S = 120
APP_TIMEOUT_S = 60

# Each with the minimum number of checks in a complete run.
CONTRACTS = {"snptest": 150, "snpwire": 50, "snpfilter": 100}


@dataclass(frozen=True)
class Case:
    name: str
    machine: str | None  # None is the platform's
    options: str
    transport: str  # the one that the driver must choose
    platform: Platform = OVMF


CASES = [
    Case("modern", "q35", MODERN, "modern"),
    Case("transitional", "q35", TRANSITIONAL, "modern"),
    Case("legacy", "pc", LEGACY, "legacy"),
    Case("packed", "q35", PACKED, "modern"),
    Case("modern-aavmf", None, MODERN, "modern", AAVMF),
    Case("modern-ovmf32", None, MODERN, "modern", OVMF32),
    *(Case(f"modern-{platform.arch}", None, MODERN, "modern", platform) for platform in NEWER),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_snp_keeps_its_contract(case: Case) -> None:
    with Peer() as peer, Guest(
        f"snp-{case.name}",
        platform=case.platform,
        machine=case.machine,
        nics=[Nic(case.options, netdev=peer.netdev)],
        files={f"{app}.efi": case.platform.app(f"{app}.efi") for app in CONTRACTS},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        evidence.assert_ours(guest, case.transport)
        outputs = {app: guest.run(f"{app}.efi", timeout=APP_TIMEOUT_S) for app in CONTRACTS}
        evidence.assert_ours(guest, case.transport)
        guest.power_off()

        for app, least in CONTRACTS.items():
            assert_passed(guest, app, outputs[app], least)


def assert_passed(guest: Guest, app: str, output: str, least: int) -> None:
    """No check failed, and at least this many were made."""
    failures = re.findall(r"^FAIL (.*)", output, flags=re.MULTILINE)
    if failures:
        raise guest.error(f"every check of {app} to pass", "\n  " + "\n  ".join(failures))
    summary = re.search(rf"{app.upper()} passed=(\d+) failed=0$", output)
    if not summary or int(summary[1]) < least:
        raise guest.error(f"{least} checks of {app} or more", output[-200:])


# What a device can lack, and the feature that it then must not offer.
WITHOUT = {
    "ctrl_vq=off": "VIRTIO_NET_F_CTRL_VQ",
    "ctrl_rx=off": "VIRTIO_NET_F_CTRL_RX",
    "ctrl_rx_extra=off": "VIRTIO_NET_F_CTRL_RX_EXTRA",
    "ctrl_mac_addr=off": "VIRTIO_NET_F_CTRL_MAC_ADDR",
    "ctrl_rx=off,ctrl_mac_addr=off": "VIRTIO_NET_F_CTRL_RX",
}


# holds: snp.filters.supported, snp.filters.frames, snp.address.device, snp.address.source
# holds: virtio.features.needs, virtio.legacy.mac
@pytest.mark.parametrize("transport", ["modern", "legacy"])
def test_frames_that_arrive_depend_on_the_setting_alone(transport: str) -> None:
    """A NIC for each thing that a device can lack, all in one guest, each on its own wire."""
    case = next(case for case in CASES if case.name == transport)
    app = "snpfilter"
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer()) for _ in WITHOUT]
        nics = [
            Nic(f"{case.options},{lack}", netdev=peer.netdev) for lack, peer in zip(WITHOUT, peers)
        ]
        guest = stack.enter_context(
            Guest(
                f"snp-without-{transport}",
                machine=case.machine,
                nics=nics,
                files={f"{app}.efi": case.platform.app(f"{app}.efi")},
                timeout=2 * TIMEOUT_S,
            )
        )
        guest.load_driver()
        evidence.assert_ours(guest, case.transport)
        for index, (lack, feature) in enumerate(WITHOUT.items()):
            if feature in evidence.device_state(guest, index).offered:
                raise guest.error(f"a device without {feature}", "one with it")
            output = guest.run(f"{app}.efi {index}", timeout=APP_TIMEOUT_S)
            assert_passed(guest, app, output, CONTRACTS[app])
        evidence.assert_ours(guest, case.transport)
        guest.power_off()
