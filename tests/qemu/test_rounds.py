# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Unload and load, disconnect and connect, repeatedly, with nothing left over.

Without -r no other driver of the firmware connects along with the NIC, and not a single page may be
missing. With -r OVMF's network stack loses 4 to 5 pages per round, whatever driver is below it. The
unit tests' ledger finds leaks of less than a page in eight rounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import evidence
import network
import pytest
from guest import TRANSPORTS, Guest, Nic

TIMEOUT_S = 240
ROUNDS = 10
WARM_UP_ROUNDS = 2
# When the firmware's network stack comes and goes too; our image alone has more pages than that
# in eight rounds, and so has each ring or pool.
STACK_NOISE = 6 * (ROUNDS - WARM_UP_ROUNDS)


@dataclass(frozen=True)
class Usage:
    """The memory that the firmware has given to its drivers."""

    handles: int
    pages: int


def usage(guest: Guest) -> Usage:
    handles = evidence.handles(guest.run("dh"))
    table = guest.run("memmap")
    available = re.search(r"^ *Available *: +([\d,]+) Pages", table, re.MULTILINE)
    if not handles or not available:
        raise guest.error("handles of `dh` and pages of `memmap`", "none")
    return Usage(len(handles), -int(available[1].replace(",", "")))


def assert_nothing_left(guest: Guest, first: Usage, last: Usage, pages_allowed: int) -> None:
    rounds = ROUNDS - WARM_UP_ROUNDS
    if last.handles != first.handles:
        seen = f"{last.handles - first.handles:+d}"
        raise guest.error(f"as many handles as {rounds} rounds before", seen)
    if last.pages - first.pages > pages_allowed:
        seen = f"{last.pages - first.pages}"
        raise guest.error(f"at most {pages_allowed} pages lost in {rounds} rounds", seen)


def assert_not_ours(guest: Guest) -> None:
    for adapter in evidence.adapters(guest):
        if any(evidence.OUR_NAME.fullmatch(name) for name in adapter.driver_names):
            raise guest.error(f"{adapter.mac} without our driver", str(adapter.driver_names))


def unload(guest: Guest) -> None:
    ours = evidence.our_drivers(guest)
    if len(ours) != 1:
        raise guest.error("our driver in `drivers`, once", f"{len(ours)} times")
    guest.run(f"unload -n {ours[0].handle}", timeout=60)
    assert_not_ours(guest)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_disconnect_and_connect_leave_nothing_over(transport: str) -> None:
    with Guest(
        f"rounds-connect-{transport}", nics=[Nic(TRANSPORTS[transport])], timeout=TIMEOUT_S
    ) as guest:
        guest.load_driver()
        pci_handle = evidence.assert_ours(guest, transport)[0].pci_handle

        for number in range(1, ROUNDS + 1):
            guest.run(f"disconnect {pci_handle}")
            assert_not_ours(guest)
            if number == WARM_UP_ROUNDS:
                first = usage(guest)
            if number == ROUNDS:
                assert_nothing_left(guest, first, usage(guest), pages_allowed=0)
            guest.run(f"connect {pci_handle}")
            evidence.assert_ours(guest, transport)

        # With the network stack on top, which keeps SNP initialized.
        for number in range(1, ROUNDS + 1):
            guest.run(f"disconnect {pci_handle}", timeout=60)
            if number == WARM_UP_ROUNDS:
                first = usage(guest)
            if number == ROUNDS:
                assert_nothing_left(guest, first, usage(guest), pages_allowed=STACK_NOISE)
            guest.run(f"connect -r {pci_handle}", timeout=60)

        evidence.assert_ours(guest, transport)
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        guest.power_off()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_unload_and_load_leave_nothing_over(transport: str) -> None:
    with Guest(
        f"rounds-load-{transport}", nics=[Nic(TRANSPORTS[transport])], timeout=TIMEOUT_S
    ) as guest:
        guest.load_driver()
        pci_handle = evidence.assert_ours(guest, transport)[0].pci_handle
        unload(guest)

        for number in range(1, ROUNDS + 1):
            guest.load_driver(connect=False)
            guest.run(f"connect {pci_handle}")
            evidence.assert_ours(guest, transport)
            unload(guest)
            if number == WARM_UP_ROUNDS:
                first = usage(guest)
        # Each unload gives the NIC back to the firmware's driver and its stack, each load takes it.
        assert_nothing_left(guest, first, usage(guest), pages_allowed=STACK_NOISE)

        # Unload in the middle of its work, then work again.
        for _ in range(2):
            guest.load_driver()
            guest.run("connect -r", timeout=60)
            evidence.assert_ours(guest, transport)
            network.get_lease(guest)
            network.ping(guest, "10.0.2.2")
            unload(guest)
        if evidence.our_drivers(guest):
            raise guest.error("no driver of ours after `unload`", "one")
        guest.power_off()
