# SPDX-License-Identifier: BSD-2-Clause-Patent
"""IPv6 in the firmware's stack: an address by autoconfiguration, neighbours, ping6, HTTP.

Nothing of it works without multicast reception: the router advertises its prefix to 33:33:0:0:0:1,
and who looks for the guest asks 33:33:ff and the end of its address.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Iterator

import evidence
import network
import pytest
from guest import BUILD, Guest, Nic

TIMEOUT_S = 180
APP = BUILD / "x86_64" / "apps" / "httpv6.efi"
ROUTER = "fec0::2"
ALL_NODES = "33:33:00:00:00:01"
NETDEV = "user,ipv4=off,ipv6=on"

DEVICES = {  # options, transport, whether the device itself can filter by a list
    "modern": ("disable-legacy=on,disable-modern=off", "modern", True),
    "legacy": ("disable-legacy=off,disable-modern=on", "legacy", True),
    "without-filter": ("disable-legacy=on,ctrl_rx=off", "modern", False),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[network.Server]:
    served = network.Server(tmp_path, host="::1")
    yield served
    served.close()


@pytest.mark.parametrize("device", DEVICES)
def test_ipv6_works_by_multicast(device: str, server: network.Server) -> None:
    options, transport, filters = DEVICES[device]
    nic = Nic(options, netdev=NETDEV)
    with Guest(
        f"ipv6-{device}", nics=[nic], files={APP.name: APP}, timeout=TIMEOUT_S
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, transport)[0]

        address = network.get_address_v6(guest)
        network.ping(guest, ROUTER, command="ping6")
        download(guest, server)
        assert_multicast(guest, adapter, address, filters)
        evidence.assert_ours(guest, transport)

        guest.power_off()


def download(guest: Guest, server: network.Server) -> None:
    """Download HTTP_FILE by the firmware's HTTP driver, and compare length and checksum."""
    url = f"http://[{ROUTER}]:{server.port}/{network.HTTP_FILE}"
    output = guest.run(f"{APP.name} {url}", timeout=60)
    data = server.files[network.HTTP_FILE]
    expected = f"HTTPV6 bytes={len(data)} crc32={zlib.crc32(data):08x}"
    if output.strip().lower() != expected.lower():
        raise guest.error(f"`{expected}`", f"`{output[-200:].strip()}`")


def assert_multicast(
    guest: Guest, adapter: evidence.Adapter, address: str, filters: bool
) -> None:
    """Groups were received, and where the device filters, by the list that it was given."""
    diagnosis = evidence.diagnose(guest, adapter)
    evidence.assert_healthy(guest, diagnosis, ["frames can flow"])
    for row in ("Received: multicast frames", "Sent: multicast frames"):
        if diagnosis.number(row) == 0:
            raise guest.error(f"{row} above 0", "0")
    last = address.replace(":", "")[-6:].lower()
    groups = {ALL_NODES, "33:33:ff:" + ":".join(last[at : at + 2] for at in (0, 2, 4))}
    state = guest.qmp("query-rx-filter", name="nic0")[0]  # type: ignore[index]
    seen = (state["promiscuous"], state["multicast"])
    if filters and (seen != (False, "normal") or not groups <= set(state["multicast-table"])):
        expected = f"a device that filters and lets {sorted(groups)} pass"
        raise guest.error(expected, f"{seen}, {state['multicast-table']}")
    if not filters and not state["promiscuous"]:
        raise guest.error("a device that lets all frames pass", str(seen))
