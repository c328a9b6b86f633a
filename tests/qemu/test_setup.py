# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The status page in OVMF's setup: opened by keyboard, read from the screen, an option changed and
saved; then the variable, and its effect on the driver's next start."""

from __future__ import annotations

import re

import evidence
import network
from guest import Guest, Nic
from setup_screen import PAGES_MAX, Setup

TIMEOUT_S = 300
VARIABLE = "VirtioNetOptions"
VENDOR = "6E3A2B54-3A3C-4F6C-9D0E-5C1F0F7B8A61"
PNG = b"\x89PNG\r\n\x1a\n"


def dump(guest: Guest) -> str:
    """The variable's text, from the shell's hex dump."""
    answer = guest.run(f"dmpstore {VARIABLE} -guid {VENDOR}")
    digits = "".join(re.findall(r"^ +[0-9A-F]{8}: ((?:[0-9A-F]{2}[ -])+)", answer, re.MULTILINE))
    return bytes.fromhex(re.sub("[ -]", "", digits)).decode("utf-16-le")


def test_page_shows_the_nic_and_saves_its_options(server: network.Server) -> None:
    nic = Nic("disable-legacy=on,speed=1000,duplex=full", netdev=server.netdev())
    with Guest("setup", nics=[nic], extra=["-device", "VGA"], timeout=TIMEOUT_S) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=120)
        evidence.assert_ours(guest, ["modern"])
        network.get_lease(guest, 0)

        setup = Setup(guest)
        guest.send("exit\r")
        setup.open_nic()
        setup.open("Virtio Network Adapter")
        setup.expect_row("Driver", r"virtio-net\.efi \d+\.\d+\.\d+")
        setup.expect_row("PCI address", r"0000:00:02\.0")
        setup.expect_row("MAC address", nic.mac_of(0))
        setup.expect_row("Link", "up")
        setup.expect_row("Speed", "1000 Mbit/s")
        setup.expect_row("Network stack", "this driver's; 0 segments( joined( into 0)?)?") # the rest is in the next line
        setup.expect("VERSION_1")
        assert setup.screenshot("status-page.png").startswith(PNG)
        setup.scroll_to_row("Received", r"[1-9]\d* frames, \d+ bytes")
        # The list of features has lines of its own, more of them with a newer QEMU.
        setup.scroll_to_row("Sent", r"[1-9]\d* frames, \d+ bytes")

        # The page shows the current state, also while it is open.
        guest.set_link(0, up=False)
        setup.open("Refresh")
        setup.press(*["pgup"] * PAGES_MAX)
        setup.expect_row("Link", "down")
        guest.set_link(0, up=True)

        setup.highlight("Take over NICs")
        setup.expect_row("Take over NICs", r"\[X\]")
        setup.press("spc")
        setup.expect_row("Take over NICs", r"\[ \]")
        setup.highlight("Use network stack of")
        setup.expect_row("Use network stack of", "<This driver>")
        setup.press("ret", "down", "ret")
        setup.expect_row("Use network stack of", "<The firmware>")
        setup.open("Leave alone")
        setup.type("0:1f.7")
        setup.press("f10")
        setup.expect("Save configuration changes?")
        setup.press("y")
        setup.expect_row("Leave alone", r"0:1f\.7")

        # An invalid list of addresses is not saved.
        setup.open("Use only")
        setup.type("eth0")
        setup.press("f10")
        setup.expect("Save configuration changes?")
        setup.press("y")
        setup.expect("Submit Fail")
        setup.press("d")
        setup.expect_row("Use only", "_")

        setup.leave_for_shell()
        assert dump(guest) == "takeover=off verbose=1 stack=firmware skip=00:1f.7"

        # Without us the firmware's driver has the NIC, and now keeps it.
        guest.run(f"unload -n {evidence.our_drivers(guest)[0].handle}", timeout=60)
        assert "takeover is off, so it stays with" in guest.load_driver()
        guest.power_off()
