# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Load: the same cases short in `make qemu`, and in full in `make soak`.

Environment: SCALE, the share of the full load; 1 in `make soak`. What each case did, how long it
took and what memory it left behind is appended to build/qemu/soak.log.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from typing import Iterator

import evidence
import network
from guest import BUILD, MODERN, OUTPUT, Guest, Nic
from test_rounds import usage
from wire.peer import Peer

SCALE = float(os.environ.get("SCALE", "0"))
FRAMES = max(20_000, round(10_000_000 * SCALE))  # each way
CYCLES = max(50, round(1000 * SCALE))
FLAPS = max(10, round(1000 * SCALE))
LOADS = max(3, round(200 * SCALE))
TURNS = max(2, round(40 * SCALE))
NICS = 24
TALKING = range(NICS) if SCALE >= 1 else (0, 11, NICS - 1)

APPS = BUILD / "x86_64" / "apps"
OUR_STACK = "Virtio Network Stack "
BROKEN_BY_DEVICE = "Errors by cause: ring broken by device"
FRAMES_PER_SECOND = 2000
FOLLOWS_WITHIN_S = 10
STACK_PAGES = 8  # that OVMF's network stack keeps each time it is connected again


def seconds(amount: int, each: float) -> float:
    """The time limit of a case, from its amount and the time for each on a slow machine."""
    return 120 + amount * each


def soak_guest(case: str, peer: Peer, limit: float, *apps: str) -> Guest:
    return Guest(
        f"soak-{case}",
        nics=[Nic(MODERN, netdev=peer.netdev)],
        files={f"{app}.efi": APPS / f"{app}.efi" for app in apps},
        timeout=limit,
    )


def mac_of(guest: Guest) -> bytes:
    return bytes.fromhex(guest.nics[0].mac_of(0).replace(":", ""))


@contextmanager
def noted(
    guest: Guest, what: str, pages_allowed: int = STACK_PAGES, handles_allowed: int = 0
) -> Iterator[None]:
    """Log what was done, and fail if it cost handles or memory or broke a ring."""
    before, began = usage(guest), time.monotonic()
    yield
    took, after = time.monotonic() - began, usage(guest)
    lost = after.pages - before.pages
    with (OUTPUT / "soak.log").open("a") as log:
        log.write(
            f"{what}: {took:.0f} s; free pages {-before.pages} before, {-after.pages} after;"
            f" handles {before.handles}, {after.handles}\n"
        )
    handles = after.handles - before.handles
    if lost > pages_allowed or handles > handles_allowed:
        allowed = f"{pages_allowed} pages and {handles_allowed} handles"
        raise guest.error(f"{what} to cost at most {allowed}", f"{lost} and {handles}")


def assert_line(guest: Guest, output: str, pattern: str) -> None:
    if not re.search(pattern, output, re.MULTILINE):
        raise guest.error(f"`{pattern}`", output[-300:])


def test_millions_of_frames_each_way() -> None:
    """Both ends compare every byte of every frame with the content that its number implies."""
    limit = seconds(FRAMES, 0.001)
    with Peer() as peer, soak_guest("frames", peer, limit, "snpflood") as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        with noted(guest, f"{FRAMES} frames each way, then {FRAMES // 4} both ways at once"):
            output = guest.run(f"snpflood.efi {FRAMES}", timeout=limit)
        clean = "lost=0 out_of_order=0 corrupt=0"
        assert_line(guest, output, f"^FLOOD out tx sent={FRAMES} acknowledged={FRAMES} {clean}")
        assert_line(guest, output, f"^FLOOD in rx received={FRAMES} {clean}$")
        assert_line(guest, output, "^FLOOD PASS$")
        counts = (peer.received, peer.lost, peer.out_of_order, peer.corrupt)
        if counts != (FRAMES // 4, 0, 0, 0) or peer.sent != FRAMES + FRAMES // 4:
            raise guest.error("a peer that counted the same", f"{counts}, sent {peer.sent}")
        assert_no_ring_broke(guest, adapter)
        guest.power_off()


def assert_our_stack_serves(guest: Guest) -> None:
    stacks = [one for one in evidence.drivers(guest) if one.name.startswith(OUR_STACK)]
    if [stack.devices for stack in stacks] != [len(guest.nics)]:
        raise guest.error(f"`{OUR_STACK}` on {len(guest.nics)} NICs", str(stacks))


def test_millions_of_frames_through_the_service() -> None:
    """As above, through our Managed Network service, which the firmware's IP uses meanwhile."""
    limit = seconds(FRAMES, 0.001)
    with Peer() as peer, soak_guest("service", peer, limit, "mnpflood") as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        assert_our_stack_serves(guest)
        # The service keeps the packets that it once needed.
        assert_line(guest, guest.run("mnpflood.efi 4000", timeout=60), "^MNPFLOOD PASS$")
        peer.sent = 0
        what = f"{FRAMES} frames each way through the service, then {FRAMES // 4} both ways at once"
        with noted(guest, what):
            output = guest.run(f"mnpflood.efi {FRAMES}", timeout=limit)
        clean = "lost=0 out_of_order=0 corrupt=0"
        sent = f"sent={FRAMES} acknowledged={FRAMES}"
        assert_line(guest, output, f"^MNPFLOOD out tx {sent} {clean}$")
        assert_line(guest, output, f"^MNPFLOOD in rx received={FRAMES} {clean}$")
        assert_line(guest, output, "^MNPFLOOD PASS$")
        counts = (peer.received, peer.lost, peer.out_of_order, peer.corrupt)
        if counts != (FRAMES // 4, 0, 0, 0) or peer.sent != FRAMES + FRAMES // 4:
            raise guest.error("a peer that counted the same", f"{counts}, sent {peer.sent}")
        assert_our_stack_serves(guest)
        assert_no_ring_broke(guest, adapter)
        guest.power_off()


def assert_no_ring_broke(guest: Guest, adapter: evidence.Adapter) -> None:
    broken = evidence.diagnose(guest, adapter).number(BROKEN_BY_DEVICE)
    if broken:
        raise guest.error("no ring to break", f"{broken} broken")


def test_initialize_and_shutdown_under_traffic() -> None:
    limit = seconds(CYCLES, 1)
    with Peer() as peer, soak_guest("cycles", peer, limit, "snpcycle") as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        peer.flood(mac_of(guest), FRAMES_PER_SECOND)
        with noted(guest, f"{CYCLES} times Initialize and Shutdown under traffic"):
            output = guest.run(f"snpcycle.efi {CYCLES}", timeout=limit)
        counts = f"rounds={CYCLES} received={CYCLES} answered={CYCLES} pages=0"
        assert_line(guest, output, f"^CYCLE {counts} last=Success$")
        assert_line(guest, output, "^CYCLE PASS$")
        assert_no_ring_broke(guest, adapter)
        guest.power_off()


def test_link_flaps_are_all_seen() -> None:
    limit = seconds(FLAPS, 2)
    with Peer() as peer, soak_guest("flaps", peer, limit, "snpinfo", "snpflood") as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        with noted(guest, f"{FLAPS} link flaps", 2 * STACK_PAGES):
            guest.start(f"snpinfo.efi watch {limit:.0f}")
            guest.expect(r"\nMEDIA present after 0 ms", 20)
            for _ in range(FLAPS):
                guest.set_link(0, up=False)
                guest.expect(r"\nMEDIA absent after", FOLLOWS_WITHIN_S)
                guest.set_link(0, up=True)
                guest.expect(r"\nMEDIA present after", FOLLOWS_WITHIN_S)
            guest.send("x")
            assert_line(guest, guest.finish(30), "^SNPINFO watch ended: Success$")
            # The wire is whole again.
            assert_line(guest, guest.run("snpflood.efi 2000", timeout=60), "^FLOOD PASS$")
        assert_no_ring_broke(guest, adapter)
        guest.power_off()


def test_load_and_unload_under_traffic() -> None:
    limit = seconds(LOADS, 20)
    with Peer() as peer, soak_guest("loads", peer, limit, "snpcycle") as guest:
        guest.load_driver()
        pci_handle = evidence.assert_ours(guest, "modern")[0].pci_handle
        guest.run("connect -r", timeout=60)
        peer.flood(mac_of(guest), FRAMES_PER_SECOND)
        # What stays is the firmware's, and the same with stack=firmware: some 80 small pool blocks a round,
        # 4 KiB in all. 60 are the shell's. VlanConfigDriverBindingStop (NetworkPkg/VlanConfigDxe/
        # VlanConfigDriver.c) does not free its private data, HttpBootDestroyIp4Children and …Ip6Children
        # (NetworkPkg/HttpBootDxe/HttpBootDxe.c) not their device paths, and Ip4Dxe and Ip6Dxe keep a
        # few. No block, page or event of this driver is among them. A block that is kept keeps its
        # page, too: 3 pages a round with stack=firmware, 3 to 22 with our service.
        with noted(guest, f"{LOADS} times unload and load", LOADS * 3 * STACK_PAGES):
            for _ in range(LOADS):
                guest.run(f"unload -n {evidence.our_drivers(guest)[0].handle}", timeout=60)
                guest.load_driver(connect=False)
                guest.run(f"connect -r {pci_handle}", timeout=60)
                if len(evidence.our_drivers(guest)) != 1:
                    raise guest.error("our driver, once", str(evidence.our_drivers(guest)))
        evidence.assert_ours(guest, "modern")
        assert_line(guest, guest.run("snpcycle.efi 5", timeout=60), "^CYCLE PASS$")
        guest.power_off()


def test_two_applications_take_turns() -> None:
    """Each takes the NIC from the firmware's stack, works, and gives it back."""
    limit = seconds(TURNS, 40)
    with Peer() as peer, soak_guest("turns", peer, limit, "snpflood", "snpwire") as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        with noted(guest, f"{TURNS} turns of two applications", 2 * TURNS * STACK_PAGES):
            for _ in range(TURNS):
                assert_line(guest, guest.run("snpflood.efi 2000", timeout=60), "^FLOOD PASS$")
                output = guest.run("snpwire.efi", timeout=60)
                assert_line(guest, output, r"^SNPWIRE passed=[5-9]\d failed=0$")
        assert_no_ring_broke(guest, adapter)
        guest.power_off()


def test_twenty_four_nics_at_once() -> None:
    """All are bound. The firmware's stack, which costs seconds per NIC, is on those in use."""
    nics = [Nic(MODERN, netdev=f"user,net=10.0.{index}.0/24") for index in range(100, 100 + NICS)]
    with Guest("soak-nics", nics=nics, timeout=seconds(NICS, 20)) as guest:
        guest.load_driver(connect=False)
        handles = evidence.pci_handles(guest)
        for handle in handles:
            guest.run(f"connect {handle}")
        adapters = evidence.assert_ours(guest, "modern")
        for index in TALKING:
            guest.run(f"connect -r {handles[index]}", timeout=60)
        # A lease makes a handle of the firmware's.
        what = f"{NICS} NICs, {len(TALKING)} of them pinging"
        with noted(guest, what, NICS * STACK_PAGES, len(TALKING)):
            for index in TALKING:
                address = network.get_lease(guest, index)
                network.ping(guest, f"10.0.{100 + index}.2", count=1, source=address)
        # With the stack on all of them, the shell takes minutes to list its drivers.
        for adapter in adapters:
            guest.run(f"disconnect {adapter.handle}", timeout=60)
        evidence.assert_ours(guest, "modern")
        guest.power_off()
