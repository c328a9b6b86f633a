# SPDX-License-Identifier: BSD-2-Clause-Patent
"""IPv6 in the firmware's stack: an address, also by DHCPv6, neighbours, ping6, HTTP.

None of it works without multicast reception. The router advertises itself to 33:33:0:0:0:1, and
whoever looks for the guest, such as a DHCPv6 server that answers, asks 33:33:ff and the end of the
guest's address.
"""

from __future__ import annotations

import os
import zlib
from ipaddress import IPv6Address
from pathlib import Path
from typing import Iterator

import evidence
import lan
import network
import pytest
from guest import LEGACY, MODERN, Guest, Nic
from platforms import EACH_ARCH, OVMF, Platform

TIMEOUT_S = 180
ROUTER = "fec0::2"
ALL_NODES = "33:33:00:00:00:01"
NETDEV = "user,ipv4=off,ipv6=on"

DEVICES = {  # options, transport, whether the device itself can filter by a list
    "modern": (MODERN, "modern", True),
    "legacy": (LEGACY, "legacy", True),
    "without-filter": ("disable-legacy=on,ctrl_rx=off", "modern", False),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[network.Server]:
    served = network.Server(tmp_path, host="::1")
    yield served
    served.close()


# holds: snp.filters.frames, virtio.control.tables
@pytest.mark.parametrize(
    ("device", "platform"),
    [*((device, OVMF) for device in DEVICES), *(("modern", other) for other in EACH_ARCH[1:])],
    ids=lambda value: value.arch if isinstance(value, Platform) else value,
)
def test_ipv6_works_by_multicast(device: str, platform: Platform, server: network.Server) -> None:
    options, transport, filters = DEVICES[device]
    nic = Nic(options, netdev=NETDEV)
    with Guest(
        f"ipv6-{device}-{platform.arch}",
        platform=platform,
        nics=[nic],
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, transport)[0]

        address = network.get_address_v6(guest)
        network.ping(guest, ROUTER, command="ping6")
        data = server.files[network.HTTP_FILE]
        if "http" in platform.downloads:
            download(guest, f"http://[{ROUTER}]:{server.port}/{network.HTTP_FILE}", data)
        assert_multicast(guest, adapter, address, filters)
        evidence.assert_ours(guest, transport)

        guest.power_off()


# holds: snp.filters.frames
@pytest.mark.parametrize("device", DEVICES)
def test_dhcpv6_leases_an_address(device: str, tmp_path: Path) -> None:
    """On a network whose router says that addresses come only from its DHCPv6 server."""
    options, transport, filters = DEVICES[device]
    data = os.urandom(network.HTTP_BYTES)
    (tmp_path / network.HTTP_FILE).write_bytes(data)
    with lan.Lan(tmp_path) as wire, Guest(
        f"dhcpv6-{device}",
        nics=[Nic(options, netdev=wire.netdev)],
        inside=wire.inside,
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, transport)[0]

        address = network.get_address_v6(guest, prefix="FD00")
        leases = wire.leases()
        if leases != [str(IPv6Address(address))]:
            raise guest.error(f"{address} to be the one lease of dnsmasq", str(leases))
        found = wire.neighbour(leases[0])
        if found != adapter.mac:
            raise guest.error(f"{adapter.mac} as the neighbour with {address}", f"`{found}`")
        network.ping(guest, lan.ROUTER, command="ping6")
        download(guest, f"http://[{lan.ROUTER}]:{lan.PORT}/{network.HTTP_FILE}", data)
        assert_multicast(guest, adapter, address, filters)
        evidence.assert_ours(guest, transport)

        guest.power_off()


def download(guest: Guest, url: str, data: bytes) -> None:
    """Download by the firmware's HTTP driver, and compare length and checksum."""
    output = guest.run(f"{guest.FETCH} {url}", timeout=60)
    expected = f"FETCH bytes={len(data)} crc32={zlib.crc32(data):08x}"
    if output.strip().lower() != expected.lower():
        raise guest.error(f"`{expected}`", f"`{output[-200:].strip()}`")


def assert_multicast(
    guest: Guest, adapter: evidence.Adapter, address: str, filters: bool
) -> None:
    """Groups were received, and a filtering device used the list that it was given."""
    diagnosis = evidence.diagnose(guest, adapter)
    evidence.assert_healthy(guest, diagnosis, ["frames can flow"])
    for row in ("Received: multicast frames", "Sent: multicast frames"):
        if diagnosis.number(row) == 0:
            raise guest.error(f"{row} above 0", "0")
    groups = {ALL_NODES, "33:33:ff:" + IPv6Address(address).packed[-3:].hex(":")}
    state = guest.qmp("query-rx-filter", name="nic0")[0]  # type: ignore[index]
    seen = (state["promiscuous"], state["multicast"])
    if filters and (seen != (False, "normal") or not groups <= set(state["multicast-table"])):
        expected = f"a device that filters and lets {sorted(groups)} pass"
        raise guest.error(expected, f"{seen}, {state['multicast-table']}")
    if not filters and not state["promiscuous"]:
        raise guest.error("a device that lets all frames pass", str(seen))
