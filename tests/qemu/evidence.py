# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Which driver has the NICs, according to the guest's handle database and to QEMU.

The firmware has a virtio-net driver of its own, so traffic alone proves nothing.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Any, Sequence

import registers
from guest import Guest

OUR_NAME = re.compile(r"Virtio Network Driver \(virtio-net\.efi [^)]+\)")
STACKS = {  # the option's value -> the name of the service's driver
    "own": r"Virtio Network Stack \(virtio-net\.efi ",
    "firmware": "MNP Network Service Driver",
}
OUR_VERSION = 0x20000000
OUR_FEATURE = "VIRTIO_RING_F_EVENT_IDX"
QEMU_COMMON_BAR = 4  # begins with the common configuration; only a modern device has it
QEMU_DEVICE_CONFIG = 0x2000  # where it has the device's
CONTROLLER_NAME = "Virtio Network Adapter ({transport}, {mac})"


@dataclass(frozen=True)
class Driver:
    """One line of the shell's `drivers`."""

    handle: str
    version: int
    devices: int
    children: int
    name: str
    image: str  # its device path, as text


@dataclass(frozen=True)
class Adapter:
    """A NIC with EFI_SIMPLE_NETWORK_PROTOCOL: its child handle and the PCI handle above it."""

    handle: str
    pci_handle: str
    mac: str
    controller_name: str
    driver_names: tuple[str, ...]


@dataclass(frozen=True)
class DeviceState:
    """A virtio-net device, seen from outside the guest."""

    pci_device: int
    offered: frozenset[str]  # features
    features: frozenset[str]  # negotiated
    status: frozenset[str]
    queue_sizes: tuple[int, int]  # RX, TX


def drivers(guest: Guest) -> list[Driver]:
    """All drivers of the guest."""
    found = []
    for row in csv.reader(guest.run("drivers -sfo", timeout=180).splitlines()):
        if row and row[0] == "DriversInfo":
            found.append(Driver(row[1], int(row[2], 16), int(row[6]), int(row[7]), row[8], row[9]))
    if not found:
        raise guest.error("drivers in `drivers -sfo`", "none")
    return found


def our_drivers(guest: Guest) -> list[Driver]:
    """The drivers with our name: one if loaded, else none."""
    return [driver for driver in drivers(guest) if OUR_NAME.fullmatch(driver.name)]


def assert_loaded_from_rom(guest: Guest) -> None:
    """The image's path is a range of the NIC's ROM, so no file was loaded."""
    ours = our_drivers(guest)
    if len(ours) != 1:
        raise guest.error("our driver, loaded from the ROM", f"{len(ours)} of them")
    details = guest.run(f"dh -d {ours[0].handle}")
    if "Offset(0x" not in details:
        raise guest.error("an image loaded from a ROM (`Offset(…)`)", details.strip()[-200:])


def adapters(guest: Guest) -> list[Adapter]:
    """The NICs that have an SNP child, by MAC."""
    found = []
    for handle, text in handles(guest.run("dh -d -p SimpleNetwork", timeout=180)).items():
        path = re.search(r"Device Path +: (\S+)/MAC\(([0-9A-Fa-f]{12}),0x1\)\n", text)
        parent = re.search(r"Parent\[([0-9A-F]+)\]", text)
        if not path or not parent:
            continue  # PXE's SNP, a grandchild
        mac = ":".join(re.findall("..", path[2].lower()))
        above = guest.run(f"dh -d {parent[1]}", timeout=180)
        name = re.search(r"Controller Name +: (.*)", above)
        managed_by = above.partition("Managed by")[2].partition("Parent Controllers")[0]
        names = tuple(re.findall(r"Drv\[[0-9A-F]+\] +: (.*)", managed_by))
        found.append(Adapter(handle, parent[1], mac, name[1] if name else "", names))
    return sorted(found, key=lambda adapter: adapter.mac)


def assert_ours(guest: Guest, transport: str | Sequence[str]) -> list[Adapter]:
    """Raise GuestError unless our driver, and only it, has all NICs of the guest.

    transport is "modern" or "legacy", or one of them for each NIC. Returns the NICs by MAC.
    """
    ours = our_drivers(guest)
    if len(ours) != 1:
        virtio = [driver.name for driver in drivers(guest) if "etwork Driver" in driver.name]
        raise guest.error(f"our driver in `drivers` ({OUR_NAME.pattern})", f"only {virtio}")
    if ours[0].version != OUR_VERSION:
        raise guest.error(f"version {OUR_VERSION:x} of our driver", f"{ours[0].version:x}")
    count = len(guest.nics)
    if (ours[0].devices, ours[0].children) != (count, count):
        seen = f"{ours[0].devices} and {ours[0].children}"
        raise guest.error(f"our driver to have {count} devices and {count} children", seen)
    found = adapters(guest)
    transports = [transport] * count if isinstance(transport, str) else transport
    expected = {nic.mac_of(index): transports[index] for index, nic in enumerate(guest.nics)}
    if [adapter.mac for adapter in found] != sorted(expected):
        raise guest.error(f"SNP on {sorted(expected)}", str([adapter.mac for adapter in found]))
    for adapter in found:
        if adapter.driver_names != (ours[0].name,):
            raise guest.error(f"{ours[0].name} alone on {adapter.mac}", str(adapter.driver_names))
        name = CONTROLLER_NAME.format(transport=expected[adapter.mac], mac=adapter.mac)
        if adapter.controller_name != name:
            raise guest.error(f"the controller name `{name}`", adapter.controller_name)
    return found


def assert_stack(guest: Guest, adapter: Adapter, owner: str = "own") -> None:
    """The Managed Network service on the NIC is ours ("own") or the firmware's ("firmware")."""
    text = guest.run(f"dh -d {adapter.handle}", timeout=60)
    names = re.findall(r"Drv\[[0-9A-F]+\] +: (.*)", text)
    owners = [each for each in STACKS if any(re.match(STACKS[each], name) for name in names)]
    if owners != [owner]:
        raise guest.error(f"`{STACKS[owner]}` alone on {adapter.mac}", str(names))


def assert_negotiated_by_us(guest: Guest, index: int = 0) -> None:
    """NIC `index` uses event indices, which our driver requests and the firmware's never does."""
    features = registers_of(guest, index).features
    if OUR_FEATURE not in features:
        raise guest.error(f"{OUR_FEATURE} negotiated, by our driver", str(sorted(features)))


def assert_not_negotiated_by_us(guest: Guest, index: int = 0) -> None:
    """For comparisons: the firmware's driver has NIC `index`."""
    features = registers_of(guest, index).features
    if not features or OUR_FEATURE in features:
        raise guest.error(f"features without {OUR_FEATURE}", str(sorted(features)))


@dataclass(frozen=True)
class Diagnosis:
    """A report of our driver's diagnostics, as `drvdiag` shows it."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    rows: dict[str, str]  # "features offered", "Received: multicast frames", …

    def number(self, name: str) -> int:
        return int(self.rows[name])

    def features(self, name: str) -> frozenset[str]:
        return frozenset(self.rows[f"features {name}"].split())


def diagnose(guest: Guest, adapter: Adapter, option: str = "-s") -> Diagnosis:
    """Run the standard test (-s) or the extended one (-e); `drvdiag` itself must succeed."""
    driver = our_drivers(guest)[0].handle
    output = guest.run(f"drvdiag {option} {driver} {adapter.pci_handle}", timeout=180)
    lines = output.splitlines()
    title = {"-s": "Standard test", "-e": "Extended test"}[option]
    verdict = f"DrvDiag - ({driver},{adapter.pci_handle},00) Result Success."
    if lines[:1] != [title] or lines[-1].strip() != verdict:
        raise guest.error(f"a report from `{title}` to `{verdict}`", f"`{output[-200:]}`")
    section, rows = "", {}
    for line in lines:
        if not line.startswith(" "):
            section = f"{line}: " if line in ("Received", "Sent", "Errors by cause") else ""
        elif not line.startswith(("  pass  ", "  FAIL  ")):
            rows[section + line[2:24].strip()] = line[24:]
    return Diagnosis(
        passed=tuple(line[8:] for line in lines if line.startswith("  pass  ")),
        failed=tuple(line[8:] for line in lines if line.startswith("  FAIL  ")),
        rows=rows,
    )


def assert_healthy(guest: Guest, diagnosis: Diagnosis, checks: Sequence[str]) -> None:
    """All `checks` were made and passed, and no error was counted."""
    if diagnosis.failed or not set(checks) <= set(diagnosis.passed):
        raise guest.error(f"`pass` for each of {sorted(checks)}", str(diagnosis))
    rows = ("dropped", "too short", "too long")
    bad = [f"{way}: {row}" for way in ("Received", "Sent") for row in rows]
    bad += [name for name in diagnosis.rows if name.startswith("Errors by cause: ")]
    counted = [f"{name} {diagnosis.rows[name]}" for name in bad if diagnosis.rows[name] != "0"]
    if counted or len(bad) < 9:
        raise guest.error("nine kinds of errors, none counted", str(counted))


class Counted:
    """What our driver has counted since this was made."""

    def __init__(self, guest: Guest, adapter: Adapter) -> None:
        self._guest, self._adapter = guest, adapter
        self._before = diagnose(guest, adapter)

    def assert_received(self, data_bytes: int) -> int:
        """At least so many bytes, and no errors. Returns how many of the frames the device had joined."""
        after = diagnose(self._guest, self._adapter)
        assert_healthy(self._guest, after, ["frames can flow"])
        received, joined = (
            after.number(row) - self._before.number(row)
            for row in ("Received: bytes", "Received: joined by device")
        )
        if received < data_bytes:
            raise self._guest.error(f"{data_bytes} bytes through our driver", f"{received}")
        return joined


def config_bytes(guest: Guest, count: int, index: int = 0) -> bytes:
    """The device configuration of modern NIC `index`, read by QEMU and not through the driver."""
    at = bar_address(guest, index, QEMU_COMMON_BAR) + QEMU_DEVICE_CONFIG
    text = _monitor(guest, f"xp /{count}xb {at:#x}")
    return bytes(int(byte, 16) for byte in re.findall(r"\b0x([0-9a-f]{2})\b", text))


def handles(listing: str) -> dict[str, str]:
    """Split the output of `dh` into its handles: number -> text."""
    parts = re.split(r"^([0-9A-F]+): ", listing, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def pci_handles(guest: Guest) -> list[str]:
    """The NICs' handles, in the order of the NICs."""
    listed = handles(guest.run("dh -d -p PciIo", timeout=180))
    found = []
    for index in range(len(guest.nics)):
        node = f"/Pci(0x{pci_slot(guest, f'nic{index}'):X},0x0)"
        pattern = re.escape(node) + r"\s"
        found += [handle for handle, text in listed.items() if re.search(pattern, text)]
    if len(found) != len(guest.nics):
        raise guest.error(f"{len(guest.nics)} NICs in `dh -d -p PciIo`", f"{len(found)}")
    return found


def registers_of(guest: Guest, index: int = 0) -> registers.Registers:
    """What NIC `index` says of itself."""
    bars = {region["bar"]: region["address"] for region in pci_device(guest, index)["regions"]}
    if QEMU_COMMON_BAR in bars:
        return registers.read_modern(guest, bars[QEMU_COMMON_BAR])
    return registers.read_legacy(guest, bars[0])


def device_state(guest: Guest, index: int = 0) -> DeviceState:
    """NIC `index` as its registers and QEMU show it. Not for vhost-user, whose rings QEMU would stop."""
    path = f"/machine/peripheral/nic{index}/virtio-backend"
    queues = [
        _query(guest, "x-query-virtio-queue-status", path=path, queue=queue) for queue in (0, 1)
    ]
    found = registers_of(guest, index)
    return DeviceState(
        pci_device=pci_device(guest, index)["id"]["device"],
        offered=found.offered,
        features=found.features,
        status=found.status,
        queue_sizes=(queues[0]["vring-num"], queues[1]["vring-num"]),
    )


def pci_slot(guest: Guest, name: str) -> int | None:
    """The slot of a device, None when it is on no PCI bus (any more)."""
    found = _find_on_bus(guest, name)
    return found["slot"] if found else None


def pci_device(guest: Guest, index: int = 0) -> dict[str, Any]:
    """NIC `index` on QEMU's PCI buses, behind any bridge (see QMP's query-pci)."""
    found = _find_on_bus(guest, f"nic{index}")
    if not found:
        raise guest.error(f"nic{index} on the PCI bus", "no such device")
    return found


def bar_address(guest: Guest, index: int, bar: int) -> int:
    """Where the firmware has put a BAR of NIC `index`."""
    regions = pci_device(guest, index)["regions"]
    return next(region["address"] for region in regions if region["bar"] == bar)


def _find_on_bus(guest: Guest, name: str) -> Any:
    waiting = [device for bus in _query(guest, "query-pci") for device in bus["devices"]]
    while waiting:
        device = waiting.pop()
        if device["qdev_id"] == name:
            return device
        waiting += device.get("pci_bridge", {}).get("devices", [])
    return None


def _query(guest: Guest, command: str, **arguments: object) -> Any:
    return guest.qmp(command, **arguments)


def _monitor(guest: Guest, command: str) -> str:
    return str(_query(guest, "human-monitor-command", **{"command-line": command})).replace("\r", "")
