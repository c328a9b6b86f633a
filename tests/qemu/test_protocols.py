# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What the shell shows of the driver and its NICs: drvdiag, dh, devices, devtree, drivers."""

from __future__ import annotations

import re

import evidence
import network
import pytest
from guest import TRANSPORTS, Guest, Nic
from platforms import EACH_ARCH, OVMF, Platform

TIMEOUT_S = 180
PINGS = 3
TX_SLOTS = 256

STANDARD = [
    "the device answers and asks for no reset",
    "the device offers what it offered at the start",
    "frames can flow",
    "the receive ring is sound",
    "the transmit ring is sound",
    "the control queue answers",
]
EXTENDED = STANDARD + [
    "the device starts after a reset",
    "every receive buffer is with the device",
    "every transmit slot sends a frame",
    "the filter can be programmed",
]

ON_IMAGE = [
    "DriverBinding",
    "ComponentName2",
    "SupportedEfiSpecVersion",
    "DriverFamilyOverride",
    "DriverDiagnostics2",
    "LoadedImage",
]

INFORMATION = ["MediaState", "NetworkBoot", "UndiIpv6Support"]


# holds: snp.statistics.drvdiag
@pytest.mark.parametrize(
    ("transport", "platform"),
    [("legacy", OVMF), *(("modern", platform) for platform in EACH_ARCH)],
    ids=lambda value: value.arch if isinstance(value, Platform) else value,
)
def test_shell_shows_all_of_the_driver(transport: str, platform: Platform) -> None:
    with Guest(
        f"protocols-{transport}-{platform.arch}",
        platform=platform,
        nics=[Nic(TRANSPORTS[transport])],
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, transport)[0]
        driver = evidence.our_drivers(guest)[0]
        network.get_lease(guest)

        assert_diagnostics(guest, adapter)
        network.ping(guest, "10.0.2.2", PINGS)
        assert_image(guest, driver, adapter)
        assert_child(guest, adapter)
        assert_lists(guest, driver, adapter)
        evidence.assert_ours(guest, transport)
        guest.power_off()


def assert_diagnostics(guest: Guest, adapter: evidence.Adapter) -> None:
    """Both tests pass, and the report says what the registers say and what was done."""
    before = evidence.diagnose(guest, adapter)
    evidence.assert_healthy(guest, before, STANDARD)
    device = evidence.device_state(guest)
    expected, seen = short_names(device.features), before.features("negotiated")
    if seen != expected:
        raise guest.error(f"features negotiated: {sorted(expected)}", str(sorted(seen)))
    expected, seen = short_names(device.offered), before.features("offered")
    if seen != expected or not before.features("negotiated") <= seen:
        raise guest.error(f"features offered: {sorted(expected)}", str(sorted(seen)))
    rows = {"MTU, bytes": "1500", "link": "up", "frames flow": "yes"}
    if not rows.items() <= before.rows.items() or "" in before.rows.values():
        raise guest.error(str(rows), str(before.rows))
    for row, size in zip(("receive ring", "transmit ring"), device.queue_sizes):
        if not re.match(rf"{size} entries, \d+ buffers of \d+ bytes, \d+ with the device$",
                        before.rows[row]):
            raise guest.error(f"{row} of {size} entries", before.rows[row])

    network.ping(guest, "10.0.2.2", PINGS)
    after = evidence.diagnose(guest, adapter)
    for row in ("Received: unicast frames", "Sent: unicast frames"):
        if after.number(row) - before.number(row) < PINGS:
            raise guest.error(f"{PINGS} more {row}", f"{before.rows[row]}, {after.rows[row]}")

    extended = evidence.diagnose(guest, adapter, "-e")
    evidence.assert_healthy(guest, extended, EXTENDED)
    more = extended.number("Sent: unicast frames") - after.number("Sent: unicast frames")
    if more >= TX_SLOTS:
        raise guest.error("the test's own frames to be counted by nobody", f"{more} more sent")


def short_names(features: frozenset[str]) -> frozenset[str]:
    """VIRTIO_NET_F_MAC as MAC, as the driver's report has it."""
    return frozenset(name.partition("_F_")[2] for name in features)


def assert_image(guest: Guest, driver: evidence.Driver, adapter: evidence.Adapter) -> None:
    text = guest.run(f"dh -d -v {driver.handle}", timeout=60)
    for protocol in ON_IMAGE:
        if not re.search(rf"^{protocol}\(", text, re.MULTILINE):
            raise guest.error(f"{protocol} on the image", text)
    # The shells of 2025 only say that a loaded image exists.
    unload = [r"Unload\.*: (?!0+$)[0-9A-F]+$"] if "Revision...." in text else []
    for pattern in (
        *unload,
        rf"Driver Name \[{driver.handle}\] +: {evidence.OUR_NAME.pattern}$",
        rf"Driver Version +: {evidence.OUR_VERSION:08X}$",
        r"Driver Type +: Bus$",
        r"Diagnostics +: YES$",
        rf"Ctrl\[{adapter.pci_handle}\] +: {re.escape(adapter.controller_name)}$",
        rf"Child\[{adapter.handle}\] +: {re.escape(adapter.controller_name)}$",
    ):
        if not re.search(pattern, text, re.MULTILINE):
            raise guest.error(f"`{pattern}` in `dh -d -v`", text)


def assert_child(guest: Guest, adapter: evidence.Adapter) -> None:
    """SNP, path and adapter information. The link state comes from the device."""
    text = guest.run(f"dh -v {adapter.handle}", timeout=60)
    for protocol in ("SimpleNetwork", "DevicePath", "AdapterInfo"):
        if not re.search(rf"^{protocol}\(", text, re.MULTILINE):
            raise guest.error(f"{protocol} on the child", text)
    if "NetworkInterfaceIdentifier" in text:
        raise guest.error("no NetworkInterfaceIdentifier on the child", text)
    types = re.findall(r"gEfiAdapterInfo(\w+)Guid$", text, re.MULTILINE)
    if types != INFORMATION or not re.search(r"UNDI IPv6 Supported: 1", text):
        raise guest.error(f"adapter information {INFORMATION}, IPv6 supported", text)
    for up, state in (True, "Success"), (False, "No Media"), (True, "Success"):
        guest.set_link(0, up)
        text = guest.run(f"dh -v {adapter.handle}", timeout=60)
        seen = re.search(r"MediaState: 0x[0-9A-F]+ - (.*?) *$", text, re.MULTILINE)
        if not seen or seen[1] != state:
            raise guest.error(f"MediaState {state}", str(seen and seen[0]))


def assert_lists(guest: Guest, driver: evidence.Driver, adapter: evidence.Adapter) -> None:
    name = re.escape(adapter.controller_name)
    for command, pattern in (
        ("devices", rf"^ *{adapter.pci_handle} B - X +1 +1 +1 {name}$"),  # 1 driver, 1 child
        ("devices", rf"^ *{adapter.handle} B - - +1 +\d+ +\d+ {name}$"),
        (
            "devtree",
            rf"^( *)Ctrl\[{adapter.pci_handle}\] {name}\n\1  Ctrl\[{adapter.handle}\] {name}$",
        ),
        ("drivers", rf"^ *{driver.handle} 20000000 B - X +1 +1 Virtio Network Driver \(virtio"),
    ):
        output = guest.run(command, timeout=60)
        if not re.search(pattern, output, re.MULTILINE):
            raise guest.error(f"`{pattern}` in `{command}`", output)
