# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: lossy.py TAP SOCKET PERCENT: a wire between TAP and the guest that loses PERCENT of the long
frames to the guest and delivers as many late, after the frame behind them. It does what `tc netem`
does, for kernels that lack it.

SOCKET is the Unix socket of a `-netdev stream`, where each frame follows its length in four bytes.
Short frames, such as those of DHCP, ARP and ping, and the guest's own, always arrive, in order. What is
lost is the same in each run. Prints `lost` or `late` for each such frame.
"""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import time

from tap import open_tap
from trunk import FRAME_MAX

SEED = 1
LONG = 1000  # bytes
CONNECT_TIMEOUT_S = 120
LATE_S = 0.02  # at most, where nothing follows


def connect(path: str) -> socket.socket:
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        wire = socket.socket(socket.AF_UNIX)
        try:
            wire.connect(path)
            return wire
        except OSError:
            wire.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def main(name: str, path: str, percent: str) -> None:
    tap, share, chance = open_tap(name), float(percent) / 100, random.Random(SEED)
    print("wire up", flush=True)
    wire = connect(path)
    held, came = b"", bytearray()
    while True:
        ready = select.select([tap, wire], [], [], LATE_S if held else None)[0]
        if wire in ready:
            if not (data := wire.recv(1 << 20)):
                return
            came += data
            while len(came) >= 4 and len(came) >= (end := 4 + int.from_bytes(came[:4], "big")):
                os.write(tap, came[4:end])
                del came[:end]
        if tap in ready:
            frame = os.read(tap, FRAME_MAX)
            frame = len(frame).to_bytes(4, "big") + frame
            draw = chance.random() if len(frame) > LONG else 1
            if draw < share:
                print("lost", flush=True)
            elif draw < 2 * share and not held:
                print("late", flush=True)
                held = frame
            else:
                wire.sendall(frame + held)
                held = b""
        if held and not ready:
            wire.sendall(held)
            held = b""


if __name__ == "__main__":
    main(*sys.argv[1:])
