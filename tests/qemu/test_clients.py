# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Real boot programs over the driver's SNP, as distributions ship them, on a LAN with dnsmasq.

iPXE's snponly.efi enables the whole filter mask in one call. If a driver refuses that, iPXE runs
without multicast and hears no router advertisements. The shell refuses `load snponly.efi` because it
is no driver, and from a disk it finds no NIC, because it drives the one that it was loaded through.
GRUB and shim hold SNP open themselves and through the firmware's PXE. systemd-boot and the unified
kernel image come in one file through the firmware's HTTP boot.
"""

from __future__ import annotations

from pathlib import Path

import evidence
import lan
import pytest
from boot_options import ADD_DRIVER
from clients import CLIENTS, MEMORY_MIB
from guest import LEGACY, MODERN, PACKED, Guest, Nic

TIMEOUT_S = 300
DEVICES = {"modern": (MODERN, "modern"), "legacy": (LEGACY, "legacy"), "packed": (PACKED, "modern")}


# holds: snp.filters.no_list
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CLIENTS)
def test_client_boots_linux(name: str, device: str, tmp_path: Path) -> None:
    """The initrd arrives intact, and the firmware's driver never has the NIC."""
    client = CLIENTS[name]
    options, transport = DEVICES[device]
    sha256 = client.prepare(tmp_path)
    with lan.Lan(tmp_path, boot=client.boot) as wire, Guest(
        f"client-{name}-{device}",
        nics=[Nic(options, netdev=wire.netdev)],
        files=client.files(),
        inside=wire.inside,
        timeout=TIMEOUT_S,
        memory_mib=MEMORY_MIB,
        reboots=client.is_http,
    ) as guest:
        if client.is_http:
            guest.run(ADD_DRIVER)
        else:
            guest.load_driver()
            guest.run("connect -r", timeout=60)
            evidence.assert_ours(guest, transport)
        client.run(guest, sha256, lambda: evidence.assert_negotiated_by_us(guest))
