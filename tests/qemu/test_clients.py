# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Real boot programs over the driver's SNP, as distributions ship them.

iPXE's snponly.efi (Debian's package ipxe) is loaded by the firmware's PXE through this driver, takes
SNP EXCLUSIVE and brings a network stack of its own. It enables the whole filter mask in one call; a
driver that refuses that gets a client without multicast, which hears no router advertisement.
"""

from __future__ import annotations

import re
from pathlib import Path

import evidence
import network
import pytest
from guest import LEGACY, MODERN, PACKED, Guest, Nic, require
from platforms import OVMF

TIMEOUT_S = 240
IPXE = Path("/usr/lib/ipxe/snponly.efi")
NETBOOT = OVMF.app("netboot.efi")
GATEWAY = "10.0.2.2"
PREFIX = "2001:db8::"  # QEMU's own, fec0::, is no global one

# At the banner; the prompt for Ctrl-B that follows is wiped out again.
BANNER = r"iPXE [^\n]*\n[^\n]*\n+(?=Press Ctrl-B)"
PROMPT = r"iPXE>"

DEVICES = {"modern": (MODERN, "modern"), "legacy": (LEGACY, "legacy"), "packed": (PACKED, "modern")}


def ipxe(guest: Guest, command: str, timeout: float = 60) -> str:
    """Run a command at iPXE's prompt and return what it says."""
    guest.send(command + "\r")
    return guest.expect(PROMPT, timeout, what=f"iPXE's prompt after `{command}`")


@pytest.mark.parametrize("device", DEVICES)
def test_ipxe_snponly_works(device: str, server: network.Server) -> None:
    """IPv6 from QEMU's router advertisement, IPv4 by DHCP, a file by TFTP and by HTTP, of which
    iPXE tells the size alone, and a program by HTTP that runs and says whose NIC it came over."""
    require(files=[IPXE])
    options, transport = DEVICES[device]
    server.add(IPXE)
    server.add(NETBOOT)
    netdev = f"{server.netdev()},ipv4=on,ipv6=on,ipv6-prefix={PREFIX},bootfile={IPXE.name}"
    with Guest(
        f"client-ipxe-{device}",
        nics=[Nic(options, netdev=netdev)],
        files={NETBOOT.name: NETBOOT},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, transport)
        guest.send(f"{NETBOOT.name} load\r")
        guest.expect(BANNER, 120, what="iPXE, loaded by PXE")
        guest.send("\x02")
        guest.expect(PROMPT, 20, what="iPXE's prompt")

        assert_ipv6(guest)
        if "ok" not in ipxe(guest, "dhcp net0"):
            raise guest.error("a lease for iPXE", "none")
        fetch(guest, f"tftp://{GATEWAY}/{IPXE.name}", IPXE.stat().st_size)
        fetch(guest, f"http://{GATEWAY}:{server.port}/{network.HTTP_FILE}", network.HTTP_BYTES)
        boot(guest, f"http://{GATEWAY}:{server.port}/{NETBOOT.name}")


def assert_ipv6(guest: Guest) -> None:
    """A router advertisement, sent to all nodes, arrives and gives a global address."""
    answer = ipxe(guest, "ifconf -c ipv6 net0")
    routes = ipxe(guest, "route")
    if not re.search(rf"net0: {PREFIX}[0-9a-f:]+/64 gw fe80::2\b", routes):
        expected = "a global IPv6 address and a gateway"
        raise guest.error(expected, f"`{answer.strip()[-100:]}`, `{routes.strip()[-200:]}`")


def fetch(guest: Guest, uri: str, size: int) -> None:
    ipxe(guest, "imgfree")
    ipxe(guest, f"imgfetch {uri}")
    seen = ipxe(guest, "imgstat")
    if not re.search(rf"\b{size} bytes\b", seen):
        raise guest.error(f"{size} bytes of {uri}", f"`{seen.strip()[-200:]}`")


def boot(guest: Guest, uri: str) -> None:
    """Chain to netboot.efi, which ends in a shell."""
    ipxe(guest, "imgfree")
    guest.send(f"chain {uri}\r")
    seen = guest.expect(r"NETBOOT over [^\n]*\n", 60, what=f"{uri} to run")
    if not re.search(rf"NETBOOT over {evidence.OUR_NAME.pattern}\s*\n", seen):
        raise guest.error(f"a boot over {evidence.OUR_NAME.pattern}", f"`{seen.strip()[-200:]}`")
