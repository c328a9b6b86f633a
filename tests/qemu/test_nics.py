# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Many NICs at once, of all kinds, each on a network of its own."""

from __future__ import annotations

import evidence
import network
import pytest
from guest import LEGACY, MODERN, TRANSITIONAL, Guest, Nic
from platforms import EACH_ARCH, OVMF, Platform

TIMEOUT_S = 400
COUNT = 8
PLACES = [(OVMF, "pc"), *((platform, None) for platform in EACH_ARCH)]  # None: the platform's
DEVICES = [  # in turn: options, the transport that the driver must choose
    (MODERN, "modern"),
    (TRANSITIONAL, "modern"),
    (LEGACY, "legacy"),
]


@pytest.mark.parametrize(
    ("platform", "machine"), PLACES, ids=lambda value: str(getattr(value, "arch", value or "default"))
)
def test_many_nics_work_at_once(
    platform: Platform, machine: str | None, server: network.Server
) -> None:
    talking = [0, 1, 2, COUNT - 1]
    nics = []
    for index in range(COUNT):
        options = DEVICES[index % len(DEVICES)][0]
        subnet = f"net=10.0.{10 + index}.0/24"
        nics.append(Nic(options, netdev=f"{server.netdev()},{subnet}"))

    with Guest(
        f"nics-{platform.arch}-{machine}",
        platform=platform,
        machine=machine,
        nics=nics,
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=120)
        transports = [DEVICES[index % len(DEVICES)][1] for index in range(COUNT)]
        evidence.assert_ours(guest, transports)

        leases = {index: network.get_lease(guest, index) for index in talking}
        for index, address in leases.items():
            if not address.startswith(f"10.0.{10 + index}."):
                raise guest.error(f"a lease from network 10.0.{10 + index}.0", address)
            network.ping(guest, f"10.0.{10 + index}.2", count=2, source=address)
        network.download_tftp(guest, f"10.0.{10 + talking[-1]}.2", talking[-1])

        guest.power_off()
        network.compare_download(guest, server, network.TFTP_FILE)
