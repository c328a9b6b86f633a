# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Places of a NIC: root bus, root port, bridge, one function of several; BARs low and high.

On every firmware and machine. QEMU confirms the place.
"""

from __future__ import annotations

from dataclasses import dataclass

import evidence
import network
import pytest
from guest import LEGACY, MODERN, TRANSITIONAL, Guest, Nic
from platforms import AAVMF, NEWER, OVMF, OVMF32, OVMF_SECURE, OVMF_STRICT_NX, Platform

TIMEOUT_S = 120
FOUR_GIB = 1 << 32
LEGACY_BAR = 0
MODERN_BAR = 4  # of QEMU's device: 64 bits, prefetchable, so firmware may place it high


@dataclass(frozen=True)
class Place:
    """The bridges, the options of each NIC, and the PCI function that each NIC becomes."""

    bridges: tuple[str, ...]
    nics: tuple[str, ...]
    functions: tuple[str, ...]  # bus:slot.function, as firmware numbers buses


ROOT_BUS = Place((), ("addr=5.0",), ("0:5.0",))
ROOT_PORT = Place(("pcie-root-port,id=above,chassis=1",), ("bus=above",), ("1:0.0",))
PCI_BRIDGE = Place(("pci-bridge,id=above,chassis_nr=1",), ("bus=above,addr=3",), ("1:3.0",))
PCIE_BRIDGE = Place(("pcie-pci-bridge,id=above",), ("bus=above,addr=3",), ("1:3.0",))
FUNCTIONS = Place((), ("addr=5.0,multifunction=on", "addr=5.1"), ("0:5.0", "0:5.1"))


@dataclass(frozen=True)
class Case:
    name: str
    platform: Platform
    place: Place
    machine: str | None = None  # the platform's
    options: str = MODERN


CASES = [
    Case("ovmf-q35-root-port", OVMF, ROOT_PORT),
    Case("ovmf-q35-bridge", OVMF, PCIE_BRIDGE),
    Case("ovmf-q35-functions", OVMF, FUNCTIONS),
    Case("ovmf-pc-bridge", OVMF, PCI_BRIDGE, "pc", LEGACY),
    Case("ovmf-pc-functions", OVMF, FUNCTIONS, "pc"),
    Case("secure-q35-root-bus", OVMF_SECURE, ROOT_BUS),
    Case("secure-q35-root-port", OVMF_SECURE, ROOT_PORT),
    Case("ovmf32-q35-root-port", OVMF32, ROOT_PORT),
    Case("ovmf32-q35-bridge", OVMF32, PCIE_BRIDGE),
    Case("ovmf32-q35-functions", OVMF32, FUNCTIONS, options=TRANSITIONAL),
    Case("aavmf-virt-root-port", AAVMF, ROOT_PORT),
    Case("aavmf-virt-bridge", AAVMF, PCIE_BRIDGE),
    Case("aavmf-virt-functions", AAVMF, FUNCTIONS, options=TRANSITIONAL),
    # The bridge needs the largest I/O window, so it gets the first ports, before the disk.
    Case("aavmf-virt-first-ports", AAVMF, PCI_BRIDGE, options=LEGACY),
    *(Case(f"{platform.arch}-virt-root-port", platform, ROOT_PORT) for platform in NEWER),
]
if OVMF_STRICT_NX.firmware.exists():  # from Debian 13 on
    CASES += [Case("strictnx-q35-root-port", OVMF_STRICT_NX, ROOT_PORT)]


# holds: virtio.discovery.no_address
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nic_works_where_it_sits(case: Case, server: network.Server) -> None:
    nics = [Nic(f"{case.options},{at}", netdev=server.netdev()) for at in case.place.nics]
    with Guest(
        f"place-{case.name}",
        platform=case.platform,
        machine=case.machine,
        nics=nics,
        bridges=case.place.bridges,
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, "legacy" if case.options == LEGACY else "modern")
        for index, function in enumerate(case.place.functions):
            assert_place(guest, case, index, function)
        # With two NICs on similar networks it is the last one, selected by its address.
        source = network.get_lease(guest, len(nics) - 1)
        network.ping(guest, "10.0.2.2", source=source)
        downloaded = network.download_all(guest, server) if len(nics) == 1 else []
        guest.power_off()
        for name in downloaded:
            network.compare_download(guest, server, name)


def assert_place(guest: Guest, case: Case, index: int, function: str) -> None:
    """QEMU's view: NIC `index` is that function; its BAR is high wherever firmware reaches that."""
    device = evidence.pci_device(guest, index)
    seen = "{bus}:{slot}.{function}".format(**device)
    if seen != function:
        raise guest.error(f"nic{index} at {function}", seen)
    if case.options == LEGACY:
        ports = evidence.bar_address(guest, index, LEGACY_BAR)
        if (ports == 0) != (case.platform.arch == "aarch64"):
            raise guest.error("I/O 0 for the BAR where that is no port", f"{ports:#x}")
        return
    address = evidence.bar_address(guest, index, MODERN_BAR)
    is_wanted_high = case.platform.has_high_bars
    if (address >= FOUR_GIB) != is_wanted_high or address == 0:
        height = "above" if is_wanted_high else "below"
        raise guest.error(f"BAR {MODERN_BAR} of nic{index} {height} 4 GiB", f"{address:#x}")
