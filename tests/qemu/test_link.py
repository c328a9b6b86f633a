# SPDX-License-Identifier: BSD-2-Clause-Patent
"""MediaPresent follows the cable: in Mode, in `ifconfig -l` and for the firmware's DHCP client."""

from __future__ import annotations

import time

import evidence
import network
import pytest
from guest import MODERN, TRANSPORTS, Guest, Nic
from platforms import EACH_ARCH, OVMF, Platform

TIMEOUT_S = 180
FOLLOWS_WITHIN_S = 5
NO_LEASE_FOR_S = 4
WATCH_S = 5  # by the guest's clock, in which the four changes take one second
SNPINFO = "snpinfo.efi"
STATUS_OFFSET = 6  # in the device configuration, after the MAC
LINK_UP, ANNOUNCE = 1, 2
PRESENT = "Media present"
ABSENT = "Media disconnected"


def expect_media(guest: Guest, expected: str) -> None:
    deadline = time.monotonic() + FOLLOWS_WITHIN_S
    while (seen := network.interface(guest)["media"]) != expected:
        if time.monotonic() > deadline:
            raise guest.error(f"`{expected}` within {FOLLOWS_WITHIN_S} s", f"`{seen}`")


def assert_mode_follows(guest: Guest) -> None:
    """An application calls GetStatus and nothing else, and watches Mode."""
    guest.start(f"{SNPINFO} watch {WATCH_S}")
    guest.expect(r"\nMEDIA present after 0 ms", 10)
    for up, word in (False, "absent"), (True, "present"), (False, "absent"), (True, "present"):
        guest.set_link(0, up)
        guest.expect(rf"\nMEDIA {word} after", FOLLOWS_WITHIN_S)
    output = guest.finish(WATCH_S + 10)
    if "SNPINFO watch ended: Success" not in output:
        raise guest.error("`SNPINFO watch ended: Success`", f"`{output[-80:]}`")


# holds: snp.get_status.media
@pytest.mark.parametrize(
    ("transport", "platform"),
    [("legacy", OVMF), *(("modern", platform) for platform in EACH_ARCH)],
    ids=lambda value: value.arch if isinstance(value, Platform) else value,
)
def test_media_present_follows_the_link(transport: str, platform: Platform) -> None:
    with Guest(
        f"link-{transport}-{platform.arch}",
        platform=platform,
        nics=[Nic(TRANSPORTS[transport])],
        files={SNPINFO: platform.app(SNPINFO)},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, transport)
        expect_media(guest, PRESENT)
        network.get_lease(guest)

        guest.set_link(0, up=False)
        expect_media(guest, ABSENT)
        guest.set_link(0, up=True)
        expect_media(guest, PRESENT)
        network.ping(guest, "10.0.2.2")

        assert_mode_follows(guest)
        evidence.assert_ours(guest, transport)
        guest.power_off()


# holds: snp.initialize.media
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_link_down_at_start_gives_no_lease_until_it_is_up(transport: str) -> None:
    with Guest(
        f"link-down-{transport}", nics=[Nic(TRANSPORTS[transport])], timeout=TIMEOUT_S, paused=True
    ) as guest:
        guest.set_link(0, up=False)
        guest.resume()
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, transport)
        expect_media(guest, ABSENT)

        name = network.interface(guest)["name"]
        guest.run(f"ifconfig -s {name} dhcp")
        deadline = time.monotonic() + NO_LEASE_FOR_S
        while time.monotonic() < deadline:
            seen = network.interface(guest)
            if (seen["media"], seen["address"]) != (ABSENT, network.NO_ADDRESS):
                raise guest.error(f"{ABSENT} and no address", f"{seen['media']}, {seen['address']}")

        guest.set_link(0, up=True)
        expect_media(guest, PRESENT)
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        guest.power_off()


# holds: virtio.control.announcement
def test_announcement_is_acknowledged() -> None:
    """QEMU asks for one, as after a migration. A paused guest cannot answer, a running one does.

    The request is a bit of the device's status. QEMU repeats it until it is acknowledged.
    """
    with Guest("link-announce", nics=[Nic(MODERN)], timeout=TIMEOUT_S) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = evidence.assert_ours(guest, "modern")[0]
        network.get_lease(guest)

        guest.qmp("stop")
        guest.qmp("announce-self", initial=50, max=50, rounds=1, step=0)
        await_status(guest, LINK_UP | ANNOUNCE)
        guest.qmp("cont")
        await_status(guest, LINK_UP)

        evidence.assert_healthy(guest, evidence.diagnose(guest, adapter), ["frames can flow"])
        network.ping(guest, "10.0.2.2")
        guest.power_off()


def await_status(guest: Guest, expected: int) -> None:
    deadline = time.monotonic() + FOLLOWS_WITHIN_S
    while True:
        config = evidence.config_bytes(guest, STATUS_OFFSET + 2)
        if config[:STATUS_OFFSET] != bytes.fromhex(guest.nics[0].mac_of(0).replace(":", "")):
            raise guest.error("the device's MAC at the start of its configuration", config.hex())
        status = int.from_bytes(config[STATUS_OFFSET:], "little")
        if status == expected:
            return
        if time.monotonic() > deadline:
            raise guest.error(f"status {expected} within {FOLLOWS_WITHIN_S} s", str(status))
        time.sleep(0.05)
