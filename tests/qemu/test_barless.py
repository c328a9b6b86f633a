# SPDX-License-Identifier: BSD-2-Clause-Patent
"""NICs whose BARs the firmware does not reach: all registers through PCI configuration space.

apps/barless.c takes the BARs away. QEMU's own capability (VIRTIO 1.2, 4.1.4.9) remains. Its use is shown
by the driver's message and counted in QEMU's trace of configuration space.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import evidence
import network
import pytest
from guest import MODERN, OUTPUT, TRANSITIONAL, Guest, Nic
from platforms import AAVMF, OVMF, OVMF32, Platform, offers
from wire.peer import Peer

TIMEOUT_S = 240
BARLESS = "barless.efi"
FLOOD = "snpflood.efi"
FRAMES = 2000
SAID = "registers are reached through configuration space"
SET_VERBOSE = (
    "setvar VirtioNetOptions -guid 6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61 -bs -nv "
    '=L"verbose=2"'
)
TRACED = re.compile(r"^pci_cfg_write (\S+) \S+ @0x([0-9a-f]+) <- 0x[0-9a-f]+$")


def take_bars(guest: Guest, *slots: int) -> None:
    answer = guest.run(f"load -nc fs0:\\{BARLESS}", timeout=60)
    for slot in slots:
        taken = f"BARLESS slot {slot} {'fails' if slot % 2 else 'refused'}"
        if taken not in answer:
            raise guest.error(f"`{taken}`", f"`{answer[-200:]}`")


def assert_through_window(guest: Guest, answer: str) -> None:
    """Each NIC is ours, and its registers are reached through configuration space."""
    said = len(re.findall(rf"virtio-net 0000:00:0[0-9]\.0: {SAID}", answer))
    if said < len(guest.nics):
        raise guest.error(f"`{SAID}` for each NIC", f"it {said} times")
    for adapter in evidence.assert_ours(guest, "modern"):
        rows = evidence.diagnose(guest, adapter).rows
        if rows["registers"] != "through configuration space":
            raise guest.error("registers through configuration space", rows["registers"])


def count_window_writes(trace: Path) -> Counter[int]:
    """Writes to the virtio-net device's configuration space after the header, by offset."""
    counted: Counter[int] = Counter()
    with trace.open(errors="replace") as lines:
        for line in lines:
            found = TRACED.match(line)
            if found and found[1] == "virtio-net-pci" and int(found[2], 16) >= 0x40:
                counted[int(found[2], 16)] += 1
    return counted


# QEMU ends with an assertion (virtio_address_space_lookup) where PCI memory is an alias, as on the
# machines called virt: from 10 on of aarch64, and those of riscv64 and loongarch64, which are not asked.
PLATFORMS = (OVMF, OVMF32) if offers("in_order") else (OVMF, OVMF32, AAVMF)


# holds: virtio.discovery.unreachable
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.arch)
def test_network_stack_without_bars(platform: Platform) -> None:
    with Guest(
        f"barless-{platform.arch}",
        platform=platform,
        nics=[Nic(MODERN), Nic(TRANSITIONAL)],
        files={BARLESS: platform.app(BARLESS)},
        timeout=TIMEOUT_S,
    ) as guest:
        take_bars(guest, 2, 3)
        guest.run(SET_VERBOSE)
        answer = guest.load_driver()
        assert_through_window(guest, answer)
        for index in range(len(guest.nics)):
            address = network.get_lease(guest, index)
            network.ping(guest, "10.0.2.2", source=address)
        guest.power_off()


# holds: virtio.discovery.unreachable
@pytest.mark.parametrize("slot", [2, 3], ids=["refused", "fails"])
def test_flood_without_bars_loses_nothing(slot: int) -> None:
    trace = OUTPUT / f"barless-{slot}.trace"
    trace.parent.mkdir(parents=True, exist_ok=True)
    trace.unlink(missing_ok=True)
    with Peer() as peer, Guest(
        f"barless-flood-{slot}",
        nics=[Nic(f"{MODERN},addr={slot}", netdev=peer.netdev)],
        files={name: OVMF.app(name) for name in (BARLESS, FLOOD)},
        timeout=TIMEOUT_S,
        extra=["-D", str(trace)],
    ) as guest:
        take_bars(guest, slot)
        guest.run(SET_VERBOSE)
        assert_through_window(guest, guest.load_driver())
        guest.qmp("trace-event-set-state", name="pci_cfg_write", enable=True)
        output = guest.run(f"{FLOOD} {FRAMES}", timeout=TIMEOUT_S)
        guest.qmp("trace-event-set-state", name="pci_cfg_write", enable=False)
        guest.power_off()
        for way in ("out tx", "in rx", "both tx", "both rx"):
            if not re.search(rf"FLOOD {way} .*lost=0 out_of_order=0 corrupt=0", output):
                raise guest.error(f"a flood `{way}` that loses nothing", f"`{output[-200:]}`")
        if not output.endswith("FLOOD PASS"):
            raise guest.error("`FLOOD PASS`", f"`{output[-200:]}`")
        # BAR, offset, length and data; where registers are read, the data is not written.
        counted = count_window_writes(trace).most_common(4)
        if len(counted) < 4 or counted[3][1] < 100:
            raise guest.error("hundreds of writes to each field of the window", str(counted))
        print(f"writes by field of the window: {counted}")
    trace.unlink()
