# SPDX-License-Identifier: BSD-2-Clause-Patent
"""scripts/virtio-net-gdb.py finds the driver in a guest, and a breakpoint in it hits."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import network
from guest import BUILD, DRIVER, ROOT, Guest, require

TIMEOUT_S = 120
GDB_TIMEOUT_S = 60
SCRIPT = ROOT / "scripts/virtio-net-gdb.py"


def gdb(guest: Guest, socket: Path, *commands: str) -> str:
    """Attach, find the driver, run the commands; return gdb's output. The guest then continues."""
    assert DRIVER is not None, "without a driver there is nothing to find"
    command = ["gdb", "-nx", "-batch", "-ex", f"source {SCRIPT}", "-ex", f"target remote {socket}"]
    # By itself it finds what make built.
    folder = "" if DRIVER.parent == BUILD / "x86_64" else f" {DRIVER.parent}"
    for line in (f"virtio-net{folder}", *commands, "detach"):
        command += ["-ex", line]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=GDB_TIMEOUT_S,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired as error:
        raise guest.error("gdb to come back", repr(error.output)) from None
    return done.stdout


def gdb_guest(case: str, socket: Path) -> Guest:
    chardev = f"socket,id=gdb,path={socket},server=on,wait=off"
    return Guest(case, timeout=TIMEOUT_S, extra=["-chardev", chardev, "-gdb", "chardev:gdb"])


def test_breakpoint_in_the_driver_hits_with_a_backtrace(tmp_path: Path) -> None:
    require(["gdb"])
    socket = tmp_path / "gdb"
    with gdb_guest("gdb", socket) as guest:
        loaded_at = re.search(r"loaded at ([0-9A-F]+)", guest.load_driver())
        assert loaded_at, "no address from the shell"
        guest.run("connect -r", timeout=60)
        network.get_lease(guest)
        guest.send("ping 10.0.2.2 -n 1000\r")
        guest.expect("bytes from 10.0.2.2", 20)
        output = gdb(guest, socket, "break net_device_send", "continue", "backtrace")
        frame = r"#{} .*\b{} \(.+\) at (\./)?src/{}\.c:\d+"
        for pattern in (
            rf"virtio-net.efi is loaded at 0x{loaded_at[1].lower()}",
            frame.format(0, "net_device_send", "net/net_frames"),
            frame.format("[12]", "mnp_transmit", "mnp/mnp_transmit"),
        ):
            if not re.search(pattern, output):
                raise guest.error(f"`{pattern}` from gdb", f"`{output}`")
        guest.expect("bytes from 10.0.2.2", 20, what="a guest that goes on after gdb")


def test_driver_that_is_not_loaded_is_not_found(tmp_path: Path) -> None:
    require(["gdb"])
    socket = tmp_path / "gdb"
    with gdb_guest("gdb-not-loaded", socket) as guest:
        output = gdb(guest, socket)
        if "has not loaded this build" not in output:
            raise guest.error("`has not loaded this build` from gdb", f"`{output}`")
        guest.power_off()
