# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A lying device under real firmware: our driver responds, recovers, and serves the other NIC.

The device is a process of ours outside QEMU (wire/hostile.py). QEMU's own options and monitor do
what it cannot.
"""

from __future__ import annotations

import re
import time

import evidence
import network
import pytest
from guest import BUILD, MODERN, TRANSPORTS, Guest, Nic
from wire.hostile import (
    ANY,
    BROKEN,
    DEAF,
    MISBEHAVIOURS,
    SPOILT,
    WORKS,
    HostileNet,
    Misbehaviour,
)
from wire.vhost_user import IPV4

TIMEOUT_S = 300
COMMIT_TIMEOUT_S = 60  # it takes milliseconds, but for a process that gets no time
APP = BUILD / "x86_64" / "apps" / "snphostile.efi"
SNPINFO = BUILD / "x86_64" / "apps" / "snpinfo.efi"
OWN = IPV4.rsplit(".", 1)[0] + ".1"
# Under the firmware's stack one of each kind is enough; each takes ten seconds.
BESIDE = {
    "rx_used_id_twice",
    "tx_used_index_jumps",
    "interrupts_never_end",
    "buffers_written_in_flight",
    "frames_never_end",
    "available_ring_rewritten",
}
AWKWARD = ["host_mtu=1", "host_mtu=67", "mq=on,vectors=4", "ctrl_vq=off,rx_queue_size=1024"]
OUTCOME = re.compile(
    r"^HOSTILE (\d+) transmit=(.*) receive=(.*) status=(.*) odd=(\d+) answered=(\d) recovered=(\d)$",
    re.MULTILINE,
)


def hostile_guest(case: str, device: HostileNet) -> Guest:
    """NIC 0 is the hostile one, NIC 1 QEMU's own."""
    return Guest(
        f"hostile-{case}",
        machine=device.machine,
        nics=[Nic(MODERN, netdev=device.netdev), Nic(MODERN)],
        files={APP.name: APP},
        timeout=TIMEOUT_S,
        extra=device.extra,
    )


def test_every_misbehaviour_is_answered_and_recovered_from() -> None:
    with HostileNet() as device, hostile_guest("snp", device) as guest:
        guest.load_driver()
        adapter = evidence.assert_ours(guest, "modern")[0]
        output = guest.run(f"{APP.name} {len(MISBEHAVIOURS)}", timeout=TIMEOUT_S)
        seen = OUTCOME.findall(output)
        broken = 0
        for index, which in enumerate(MISBEHAVIOURS):
            if len(seen) <= index or int(seen[index][0]) != index:
                raise guest.error(f"an outcome of {which.name}", output[-200:])
            broken += assert_outcome(guest, device, which, seen[index][1:])
        if not output.endswith("HOSTILE end: Success"):
            raise guest.error("`HOSTILE end: Success`", output[-200:])

        # Each lie was noticed once, and nothing else.
        counted = evidence.diagnose(guest, adapter).number("Errors by cause: ring broken by device")
        if counted != broken:
            raise guest.error(f"{broken} broken rings in drvdiag", str(counted))
        evidence.assert_ours(guest, "modern")
        guest.power_off()


def assert_outcome(
    guest: Guest, device: HostileNet, which: Misbehaviour, seen: tuple[str, ...]
) -> bool:
    """Check that the effect is the expected one; return whether the driver declared a ring broken."""
    *statuses, odd, answered, recovered = seen
    said = f"{which.name}: {', '.join(seen)}"
    if not device.committed[which.name]:
        raise guest.error(f"{which.name} to be committed", "that it was not")
    if (odd, recovered) != ("0", "1"):
        raise guest.error("no status that no method may give, and recovery", said)
    is_broken = "Device Error" in statuses
    expected = {BROKEN: (True, "0"), DEAF: (False, "0"), WORKS: (False, "1")}
    expected |= {SPOILT: (False, answered), ANY: (is_broken, answered)}
    if (is_broken, answered) != expected[which.effect]:
        raise guest.error(f"{which.name} to have the effect `{which.effect}`", said)
    return is_broken


def test_other_nic_works_beside_a_hostile_one() -> None:
    """The firmware's stack is on both NICs and polls them throughout."""
    with HostileNet() as device, hostile_guest("beside", device) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        hostile = evidence.assert_ours(guest, "modern")[0]
        address = network.get_lease(guest, 1)
        name = network.interface(guest, 0)["name"]

        for which in (which for which in MISBEHAVIOURS if which.name in BESIDE):
            assert_talks_to_device(guest, name)
            device.misbehave(which.name)
            guest.run(f"ping -s {OWN} {IPV4} -n 1", timeout=30)
            network.ping(guest, "10.0.2.2", count=1, source=address)
            deadline = time.monotonic() + COMMIT_TIMEOUT_S
            while not device.committed[which.name]:
                if time.monotonic() > deadline:
                    raise guest.error(f"{which.name} to be committed", "that it was not")
                time.sleep(0.1)
            starts = device.starts
            guest.run(f"disconnect {hostile.pci_handle}", timeout=60)
            guest.run(f"connect -r {hostile.pci_handle}", timeout=60)
            if device.starts == starts:
                raise guest.error("a device that was started again", f"{starts} starts")
        assert_talks_to_device(guest, name)

        device.die()
        network.ping(guest, "10.0.2.2", count=1, source=address)
        media = network.interface(guest, 0, name)["media"]
        if media != "Media disconnected":
            raise guest.error("no media when the device's process is gone", media)
        evidence.assert_ours(guest, "modern")
        guest.power_off()


def assert_talks_to_device(guest: Guest, name: str) -> None:
    """The firmware pings the hostile device while it behaves."""
    guest.run(f"ifconfig -s {name} static {OWN} 255.255.255.0 {IPV4}")
    network.ping(guest, IPV4, count=1, source=OWN)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_unplugged_nic_harms_nobody(transport: str) -> None:
    """The firmware does not notice when a device is removed. Its registers then read as zeros in a
    memory BAR, and as ones in an I/O BAR."""
    options = TRANSPORTS[transport]
    nics = [Nic(options), Nic(options, netdev="user,net=10.0.3.0/24")]
    with Guest(
        f"hostile-unplugged-{transport}",
        machine="pc",
        nics=nics,
        files={SNPINFO.name: SNPINFO},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        gone = evidence.assert_ours(guest, transport)[0]
        network.get_lease(guest, 0)
        address = network.get_lease(guest, 1)

        unplug(guest, 0)
        network.ping(guest, "10.0.3.2", source=address)
        output = guest.run(f"{SNPINFO.name} watch 1 0", timeout=60)
        if not re.search("SNPINFO watch ended: (Device Error|Unsupported|Time out)", output):
            raise guest.error("an error from Initialize", output[-200:])
        network.ping(guest, "10.0.3.2", source=address)
        # OVMF's IPv6 driver forgets a child of MNP's when it does not start: first what is above us.
        guest.run(f"disconnect {gone.handle}", timeout=60)
        guest.run(f"disconnect {gone.pci_handle}", timeout=60)
        left = [adapter.mac for adapter in evidence.adapters(guest)]
        if left != [nics[1].mac_of(1)]:
            raise guest.error("SNP on the other NIC alone", str(left))
        ours = evidence.our_drivers(guest)[0]
        guest.run(f"unload -n {ours.handle}", timeout=60)
        if evidence.our_drivers(guest):
            raise guest.error("no driver of ours after `unload`", "one")
        guest.power_off()


def unplug(guest: Guest, index: int) -> None:
    """Eject NIC `index` as an operating system would: through QEMU's ACPI registers."""
    slot = evidence.pci_slot(guest, f"nic{index}")
    guest.run("mm AE10 0 -w 4 -io -n")  # bus 0
    guest.run(f"mm AE08 {1 << slot:X} -w 4 -io -n")
    if evidence.pci_slot(guest, f"nic{index}") is not None:
        raise guest.error(f"no nic{index} on the bus", "that it is still there")


def test_awkward_devices_work() -> None:
    """An invalid MTU is not accepted. Unknown extras do not matter."""
    nics = [
        Nic(f"{MODERN},{options}", netdev=f"user,net=10.0.{index + 10}.0/24")
        for index, options in enumerate(AWKWARD)
    ]
    with Guest("hostile-awkward", nics=nics, timeout=TIMEOUT_S) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=120)
        evidence.assert_ours(guest, "modern")
        for index, options in enumerate(AWKWARD):
            address = network.get_lease(guest, index)
            network.ping(guest, f"10.0.{index + 10}.2", source=address)
            device = evidence.device_state(guest, index)
            has = ("VIRTIO_NET_F_MTU" in device.offered, "VIRTIO_NET_F_MTU" in device.features)
            if has != ("host_mtu" in options, False):
                raise guest.error(f"an MTU that is not taken from {options}", str(has))
        guest.power_off()
