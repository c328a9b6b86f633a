# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: trunk.py HERE THERE TAP VLAN=TAP...: a switch with a trunk port to the guest. Kernels without
VLANs are no obstacle, as this tags and untags itself.

The port is a pair of UDP ports on loopback, of a `-netdev socket,udp=`: frames come in at HERE and go
out to THERE. Untagged frames are TAP's, those with VLAN's tag the other TAP's. Frames of other VLANs
are dropped. Prints each kind of frame when the guest first sends it.
"""

from __future__ import annotations

import os
import select
import socket
import sys

from tap import open_tap

TPID = b"\x81\x00"  # IEEE 802.1Q
ADDRESSES = 12  # bytes in front of a tag
FRAME_MAX = 65536
BUFFER_BYTES = 4 << 20


def main(here: str, there: str, untagged: str, *tagged: str) -> None:
    taps = {0: open_tap(untagged)}
    taps |= {int(number): open_tap(name) for number, _, name in (at.partition("=") for at in tagged)}
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    port.bind(("127.0.0.1", int(here)))
    port.connect(("127.0.0.1", int(there)))
    seen = set()
    print("trunk up", flush=True)
    while True:
        for ready in select.select([port, *taps.values()], [], [])[0]:
            try:
                if ready is port:
                    frame = port.recv(FRAME_MAX)
                    vlan, priority = 0, 0
                    if frame[ADDRESSES : ADDRESSES + 2] == TPID:
                        tag = int.from_bytes(frame[ADDRESSES + 2 : ADDRESSES + 4], "big")
                        vlan, priority = tag & 0xFFF, tag >> 13
                        frame = frame[:ADDRESSES] + frame[ADDRESSES + 4 :]
                    if (vlan, priority) not in seen:
                        seen.add((vlan, priority))
                        print(f"guest sends VLAN {vlan} priority {priority}", flush=True)
                    if vlan in taps:
                        os.write(taps[vlan], frame)
                else:
                    vlan = next(number for number, tap in taps.items() if tap == ready)
                    frame = os.read(ready, FRAME_MAX)
                    tag = TPID + vlan.to_bytes(2, "big") if vlan else b""
                    port.send(frame[:ADDRESSES] + tag + frame[ADDRESSES:])
            except ConnectionRefusedError:
                pass  # no guest at the port


if __name__ == "__main__":
    main(*sys.argv[1:])
