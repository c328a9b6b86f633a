# SPDX-License-Identifier: BSD-2-Clause-Patent
"""DHCP, ping, TFTP and HTTP over every kind of virtio-net device, with the bytes compared."""

from __future__ import annotations

from dataclasses import dataclass

import evidence
import network
import pytest
from guest import LEGACY, MODERN, PACKED, TRANSITIONAL, Guest, Nic
from platforms import AAVMF, NEWER, OVMF, OVMF32, Platform, offers

TIMEOUT_S = 240


@dataclass(frozen=True)
class Case:
    name: str
    machine: str | None  # None is the platform's
    options: str
    transport: str  # the one that the driver must choose
    pci_device: int
    features: frozenset[str] = frozenset()  # that it must negotiate
    queue_sizes: tuple[int, int] = (256, 256)
    extra: tuple[str, ...] = ()
    platform: Platform = OVMF


VERSION_1 = frozenset({"VIRTIO_F_VERSION_1"})
RING_PACKED = frozenset({"VIRTIO_F_VERSION_1", "VIRTIO_F_RING_PACKED"})
IN_ORDER = ",in_order=on"
IN_ORDER_SPLIT = frozenset({"VIRTIO_F_VERSION_1", "VIRTIO_F_IN_ORDER"})
IOMMU = frozenset({"VIRTIO_F_VERSION_1", "VIRTIO_F_ACCESS_PLATFORM"})
VTD = ("-device", "intel-iommu,intremap=on")

CASES = [
    Case("modern-q35", "q35", MODERN, "modern", 0x1041, VERSION_1),
    Case("modern-pc", "pc", MODERN, "modern", 0x1041, VERSION_1),
    Case("transitional-q35", "q35", TRANSITIONAL, "modern", 0x1000, VERSION_1),
    Case("transitional-pc", "pc", TRANSITIONAL, "modern", 0x1000, VERSION_1),
    Case("legacy-q35", "q35", LEGACY, "legacy", 0x1000),
    Case("legacy-pc", "pc", LEGACY, "legacy", 0x1000),
    Case("iommu-q35", "q35", MODERN + ",iommu_platform=on", "modern", 0x1041, IOMMU),
    Case("iommu-vtd-q35", "q35", MODERN + ",iommu_platform=on", "modern", 0x1041, IOMMU, extra=VTD),
    Case(
        "small-queue-modern",
        "q35",
        MODERN + ",rx_queue_size=256,tx_queue_size=256",
        "modern",
        0x1041,
        VERSION_1,
    ),
    Case(
        "small-queue-legacy",
        "pc",
        LEGACY + ",rx_queue_size=256,tx_queue_size=256",
        "legacy",
        0x1000,
    ),
    # A legacy device dictates the size of its queues, however large.
    Case(
        "large-queue-legacy",
        "pc",
        LEGACY + ",rx_queue_size=1024",
        "legacy",
        0x1000,
        queue_sizes=(1024, 256),
    ),
    Case("packed-q35", "q35", PACKED, "modern", 0x1041, RING_PACKED),
    Case("packed-aavmf", None, PACKED, "modern", 0x1041, RING_PACKED, platform=AAVMF),
    Case("packed-ovmf32", None, PACKED, "modern", 0x1041, RING_PACKED, platform=OVMF32),
    Case("modern-aavmf", None, MODERN, "modern", 0x1041, VERSION_1, platform=AAVMF),
    Case("legacy-aavmf", None, LEGACY, "legacy", 0x1000, platform=AAVMF),
    Case("modern-ovmf32", None, MODERN, "modern", 0x1041, VERSION_1, platform=OVMF32),
    Case("legacy-ovmf32", None, LEGACY, "legacy", 0x1000, platform=OVMF32),
    Case(
        "iommu-smmu-aavmf",
        AAVMF.machine + ",iommu=smmuv3",
        MODERN + ",iommu_platform=on",
        "modern",
        0x1041,
        IOMMU,
        platform=AAVMF,
    ),
    Case(
        "iommu-vtd-ovmf32",
        None,
        MODERN + ",iommu_platform=on",
        "modern",
        0x1041,
        IOMMU,
        extra=VTD,
        platform=OVMF32,
    ),
    *(
        [
            Case("in-order", "q35", MODERN + IN_ORDER, "modern", 0x1041, IN_ORDER_SPLIT),
            Case(
                "in-order-packed",
                "q35",
                PACKED + IN_ORDER,
                "modern",
                0x1041,
                IN_ORDER_SPLIT | RING_PACKED,
            ),
        ]
        if offers("in_order")
        else []
    ),
    *(
        Case(f"{kind}-{platform.arch}", None, *device, platform=platform)
        for platform in NEWER
        for kind, device in {
            "modern": (MODERN, "modern", 0x1041, VERSION_1),
            "legacy": (LEGACY, "legacy", 0x1000),
            "packed": (PACKED, "modern", 0x1041, RING_PACKED),
        }.items()
    ),
]


# holds: virtio.discovery.transitional, virtio.split.legacy
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_network_works(case: Case, server: network.Server) -> None:
    nic = Nic(case.options, netdev=server.netdev())
    with Guest(
        f"network-{case.name}",
        platform=case.platform,
        machine=case.machine,
        nics=[nic],
        timeout=TIMEOUT_S,
        extra=case.extra,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, case.transport)

        network.get_lease(guest)
        assert_device(guest, case)
        network.ping(guest, "10.0.2.2")
        downloaded = network.download_all(guest, server)
        evidence.assert_ours(guest, case.transport)

        guest.power_off()
        for name in downloaded:
            network.compare_download(guest, server, name)


def assert_device(guest: Guest, case: Case) -> None:
    """Seen from outside: it is the intended device, driven in the intended way."""
    device = evidence.device_state(guest)
    if device.pci_device != case.pci_device:
        raise guest.error(f"PCI device {case.pci_device:04x}", f"{device.pci_device:04x}")
    if not case.features <= device.features:
        raise guest.error(f"the features {sorted(case.features)}", str(sorted(device.features)))
    if "DRIVER_OK" not in device.status:
        raise guest.error("DRIVER_OK", str(sorted(device.status)))
    # QEMU 10 gives a legacy device 1,024 entries whatever it was told; the driver cannot change it.
    seen, wanted = device.queue_sizes, case.queue_sizes
    enough = all(entries >= least for entries, least in zip(seen, wanted))
    if seen != wanted and not (case.transport == "legacy" and enough):
        raise guest.error(f"queues of {wanted}", str(seen))
