# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A frame flood in each direction, every frame counted, in order and with its content checked.

The sizes go up to the limit of the device's MTU and never above it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import evidence
import pytest
from guest import LEGACY, MODERN, PACKED, TRANSITIONAL, Guest, Nic
from platforms import AAVMF, NEWER, OVMF, OVMF32, Platform, offers
from wire.peer import Peer

TIMEOUT_S = 120
APP = "snpflood.efi"


@dataclass(frozen=True)
class Case:
    name: str
    options: str
    transport: str  # the one that the driver must choose
    frames: int  # in each direction
    machine: str | None = None  # the platform's
    extra: tuple[str, ...] = ()
    mtu: int = 1500
    platform: Platform = OVMF


IOMMU = ("-device", "intel-iommu")

CASES = [
    Case("modern", MODERN, "modern", 40_000),
    Case("transitional", TRANSITIONAL, "modern", 20_000),
    Case("legacy", LEGACY, "legacy", 20_000, "pc"),
    Case("packed", PACKED, "modern", 40_000),
    Case("packed-iommu", PACKED + ",iommu_platform=on", "modern", 10_000, extra=IOMMU),
    Case("packed-no-event-idx", PACKED + ",event_idx=off", "modern", 10_000),
    Case("mtu-9000-packed", PACKED + ",host_mtu=9000", "modern", 5_000, mtu=9000),
    Case("packed-aavmf", PACKED, "modern", 10_000, platform=AAVMF),
    Case("packed-ovmf32", PACKED, "modern", 10_000, platform=OVMF32),
    Case("legacy-large-queue", LEGACY + ",rx_queue_size=1024", "legacy", 10_000),
    Case("modern-iommu", MODERN + ",iommu_platform=on", "modern", 10_000, extra=IOMMU),
    Case("mtu-9000-modern", MODERN + ",host_mtu=9000", "modern", 5_000, mtu=9000),
    Case("mtu-9000-legacy", LEGACY + ",host_mtu=9000", "legacy", 5_000, "pc", mtu=9000),
    Case("mtu-65535", MODERN + ",host_mtu=65535", "modern", 1_000, mtu=65535),
    Case("mtu-68", MODERN + ",host_mtu=68", "modern", 5_000, mtu=68),
    Case("modern-aavmf", MODERN, "modern", 10_000, platform=AAVMF),
    Case("legacy-aavmf", LEGACY, "legacy", 5_000, platform=AAVMF),
    Case("mtu-9000-aavmf", MODERN + ",host_mtu=9000", "modern", 2_000, mtu=9000, platform=AAVMF),
    Case("modern-ovmf32", MODERN, "modern", 20_000, platform=OVMF32),
    Case("legacy-ovmf32", LEGACY, "legacy", 10_000, platform=OVMF32),
    Case("mtu-9000-ovmf32", MODERN + ",host_mtu=9000", "modern", 2_000, mtu=9000, platform=OVMF32),
    *(
        [
            Case("in-order", MODERN + ",in_order=on", "modern", 20_000),
            Case("in-order-packed", PACKED + ",in_order=on", "modern", 20_000),
        ]
        if offers("in_order")
        else []
    ),
    *(
        Case(f"{kind}-{platform.arch}", *device, platform=platform)
        for platform in NEWER
        for kind, device in {
            "modern": (MODERN, "modern", 10_000),
            "legacy": (LEGACY, "legacy", 5_000),
            "packed": (PACKED, "modern", 10_000),
        }.items()
    ),
]


# holds: snp.transmit.too_large, virtio.split.publish, virtio.split.event, virtio.split.used
# holds: virtio.packed.publish, virtio.net.header, virtio.net.mtu
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_flood_loses_nothing(case: Case) -> None:
    with Peer() as peer, Guest(
        f"flood-{case.name}",
        platform=case.platform,
        machine=case.machine,
        nics=[Nic(case.options, netdev=peer.netdev)],
        files={APP: case.platform.app(APP)},
        timeout=TIMEOUT_S,
        extra=case.extra,
    ) as guest:
        guest.load_driver()
        evidence.assert_ours(guest, case.transport)
        output = guest.run(f"{APP} {case.frames}", timeout=TIMEOUT_S)
        evidence.assert_ours(guest, case.transport)
        guest.power_off()

        both = case.frames // 4
        for line in (
            f"out tx sent={case.frames} acknowledged={case.frames}",
            f"in rx received={case.frames}",
            f"both tx sent={both} acknowledged={both}",
            f"both rx received={both}",
        ):
            clean = f"FLOOD {line} lost=0 out_of_order=0 corrupt=0"
            if clean not in output:
                wrong = re.search(rf"FLOOD {line.split('=')[0]}.*", output)
                raise guest.error(f"`{clean}`", f"`{wrong[0] if wrong else output[-200:]}`")
        largest = case.mtu + 14
        refused = f"FLOOD largest={largest} above=Invalid Parameter"
        if refused not in output:
            raise guest.error(f"`{refused}`", f"`{output[-200:]}`")
        if not output.endswith("FLOOD PASS"):
            raise guest.error("`FLOOD PASS`", f"`{output[-200:]}`")
        if peer.largest_seen != largest:
            raise guest.error(f"{largest} bytes in the largest frame sent", f"{peer.largest_seen}")
        # The peer's own count of the last flood, not the guest's.
        counts = (peer.received, peer.lost, peer.out_of_order, peer.corrupt)
        if counts != (both, 0, 0, 0):
            raise guest.error(f"a peer that counted {both} frames, all good", str(counts))
