#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: client_times.py [CLIENT...]

Times the clients of clients.py, all or the named ones, over the firmware's driver and over this
one, on modern, legacy and packed devices, one after the other in one sitting. Prints a row for each
step, and writes the table to build/qemu/clients.md. The seconds are of one run each: compare pairs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import lan  # noqa: E402
from boot_options import ADD_DRIVER  # noqa: E402
from clients import CLIENTS, MEMORY_MIB  # noqa: E402
from evidence import assert_negotiated_by_us, assert_not_negotiated_by_us  # noqa: E402
from guest import LEGACY, MODERN, OUTPUT, PACKED, Guest, GuestError, Nic, SetupError  # noqa: E402
from platforms import DRIVER  # noqa: E402

TIMEOUT_S = 600
DEVICES = {"modern": MODERN, "legacy": LEGACY, "packed": PACKED}
HEADER = "| client | device | step | firmware's driver, s | this driver, s |\n|---|---|---|---|---|\n"


def seconds_of(name: str, device: str, driver: Path | None) -> dict[str, float]:
    """The seconds of each step. A client that fails has none, and the reason is printed."""
    client = CLIENTS[name]
    check = assert_negotiated_by_us if driver else assert_not_negotiated_by_us
    who = "ours" if driver else "firmware"
    try:
        with tempfile.TemporaryDirectory() as folder:
            sha256 = client.prepare(Path(folder))
            with lan.Lan(Path(folder), boot=client.boot) as wire, Guest(
                f"client-times-{name}-{device}-{who}",
                nics=[Nic(DEVICES[device], netdev=wire.netdev)],
                files=client.files(),
                inside=wire.inside,
                timeout=TIMEOUT_S,
                memory_mib=MEMORY_MIB,
                reboots=client.is_http,
                driver=driver,
            ) as guest:
                if driver and client.is_http:
                    guest.run(ADD_DRIVER)
                guest.load_driver()
                guest.run("connect -r", timeout=60)
                return client.run(guest, sha256, lambda: check(guest))
    except GuestError as error:
        print(f"client_times: {error}", file=sys.stderr)
        return {}


def main() -> int:
    names = sys.argv[1:] or list(CLIENTS)
    unknown = [name for name in names if name not in CLIENTS]
    if unknown or DRIVER is None:
        wrong = f"{unknown[0]}: not one of {', '.join(CLIENTS)}" if unknown else "DRIVER=none"
        print(f"client_times: {wrong}", file=sys.stderr)
        return 1
    table = HEADER
    failed = 0
    try:
        for name in names:
            for device in DEVICES:
                theirs, ours = (seconds_of(name, device, driver) for driver in (None, DRIVER))
                failed += not ours
                for step in ours or theirs or {"all": 0}:
                    cells = [f"{s[step]:.1f}" if step in s else "failed" for s in (theirs, ours)]
                    row = f"| {name} | {device} | {step} | {cells[0]} | {cells[1]} |\n"
                    table += row
                    print(row, end="", flush=True)
    except SetupError as error:
        print(f"client_times: {error}", file=sys.stderr)
        return 1
    (OUTPUT / "clients.md").write_text(table)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
