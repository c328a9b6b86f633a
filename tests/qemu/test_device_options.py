# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Every boolean option of this QEMU's virtio-net, inverted: each on a NIC of its own, bound by our
driver, with a lease and a ping. Options that a new QEMU adds are included automatically."""

from __future__ import annotations

import re
import subprocess
from functools import cache

import evidence
import network
import pytest
from guest import Guest, Nic
from platforms import QEMU

TIMEOUT_S = 240
NICS = 7  # a guest

LEFT_OUT = {
    "disable-modern",  # nothing would be left with disable-legacy=on; test_network has both
    "failover",  # needs a second NIC on standby
}


@cache
def switches() -> list[str]:
    """`option=value` for each boolean option, with the value that is not its default."""
    command = [QEMU, "-device", "virtio-net-pci,help"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except OSError:
        return ["none=on"]  # conftest reports the missing QEMU
    found = re.findall(r"^  ([\w-]+)=<bool>.*\(default: (true|on|false|off)\)", text, flags=re.M)
    values = {"true": "off", "on": "off", "false": "on", "off": "on"}
    return [f"{name}={values[default]}" for name, default in found if name not in LEFT_OUT]


GROUPS = [switches()[at : at + NICS] for at in range(0, len(switches()), NICS)]


@pytest.mark.parametrize("number", range(1, 1 + len(GROUPS)))
def test_nic_works_with_each_switch_turned(number: int, server: network.Server) -> None:
    group = GROUPS[number - 1]
    nics = [
        Nic(f"disable-legacy=on,{switch}", netdev=f"{server.netdev()},net=10.0.{10 + index}.0/24")
        for index, switch in enumerate(group)
    ]
    with Guest(f"device-options-{number}", nics=nics, timeout=TIMEOUT_S) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=120)
        evidence.assert_ours(guest, "modern")
        for index in range(len(group)):
            address = network.get_lease(guest, index)
            network.ping(guest, f"10.0.{10 + index}.2", count=2, source=address)
        evidence.assert_ours(guest, "modern")
        guest.power_off()
