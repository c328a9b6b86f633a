# SPDX-License-Identifier: BSD-2-Clause-Patent
"""After ExitBootServices the device changes no byte of free memory.

An application leaves boot services under traffic and computes the checksum of each page of memory
twice, while the far end of the wire keeps sending. The NIC is on a hub with QEMU's user network,
which accepts the frames whatever the NIC does; otherwise the wire would block.
"""

from __future__ import annotations

import re
import time

import evidence
import network
import pytest
from guest import BUILD, TRANSPORTS, Guest, Nic
from wire.peer import Peer

TIMEOUT_S = 150
APP = BUILD / "x86_64" / "apps" / "canary.efi"
MEMORY_MIB = 256
PAGES_AT_LEAST = (MEMORY_MIB << 20) // 4096 * 3 // 4
# Slow while the first sums are taken, or a ring that is still alive would be full before.
BRISK, SLOW = 2000, 20  # frames a second
FRAMES_AFTER_EXIT = 3000
SENDS_WITHIN_S = 30


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_byte_changes_after_exit_boot_services(transport: str) -> None:
    with Peer() as peer, Guest(
        f"canary-{transport}",
        nics=[Nic(TRANSPORTS[transport], netdev="hubport,hubid=0")],
        files={APP.name: APP},
        timeout=TIMEOUT_S,
        extra=network.hub("user", peer.netdev),
        memory_mib=MEMORY_MIB,
    ) as guest:
        guest.load_driver()
        evidence.assert_ours(guest, transport)
        mac = bytes.fromhex(guest.nics[0].mac_of(0).replace(":", ""))
        peer.flood(mac, BRISK)
        guest.start(APP.name)
        guest.expect("CANARY flowing", 40)
        peer.flood(mac, SLOW)
        guest.send("x")
        guest.expect("CANARY exited", 40)

        sent = peer.sent
        peer.flood(mac, BRISK)
        deadline = time.monotonic() + SENDS_WITHIN_S
        while peer.sent < sent + FRAMES_AFTER_EXIT and time.monotonic() < deadline:
            time.sleep(0.05)
        if peer.sent < sent + FRAMES_AFTER_EXIT:
            raise guest.error(f"{FRAMES_AFTER_EXIT} frames after exit", str(peer.sent - sent))
        guest.send("x")
        output = guest.expect(r"CANARY pages=.*\n", 40)
        guest.wait()
        seen = re.search(r"CANARY pages=(\w+) changed=(\w+)", output)
        if int(seen[1], 16) < PAGES_AT_LEAST:
            raise guest.error(f"{PAGES_AT_LEAST} pages summed up", str(int(seen[1], 16)))
        if int(seen[2], 16) != 0:
            raise guest.error("no page changed after ExitBootServices", output.strip())
