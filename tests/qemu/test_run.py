# SPDX-License-Identifier: BSD-2-Clause-Patent
"""scripts/run.sh, which `make run` calls: a shell with the driver loaded and a lease, on each
architecture, and its messages if something is missing."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from typing import IO

import pytest
from guest import DRIVER, ESCAPE, ROOT
from platforms import EACH_ARCH, Platform

TIMEOUT_S = 360
LEASE_TRIES = 30
SCRIPT = ROOT / "scripts/run.sh"


def read_until(output: IO[bytes], pattern: str) -> str:
    """Everything up to the pattern, or to the end; without the codes that draw the screen."""
    raw = b""
    while data := os.read(output.fileno(), 65536):
        raw += data
        if re.search(pattern, text := ESCAPE.sub(b"", raw).decode("latin1")):
            return text
    return ESCAPE.sub(b"", raw).decode("latin1")


@pytest.mark.parametrize("platform", EACH_ARCH, ids=lambda platform: platform.arch)
def test_run_leads_to_a_shell_with_the_driver_loaded_and_a_lease(platform: Platform) -> None:
    assert DRIVER is not None, "without a driver there is nothing to run"
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", SCRIPT],
        env=os.environ | {"ARCH": platform.arch},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            text = read_until(process.stdout, r"Ctrl-A X\s+FS0:\\> $")
            assert re.search(r"virtio-net\.efi' loaded at [0-9A-F]+ - Success", text), text[-500:]
            process.stdin.write(b"drivers\r")
            text = read_until(process.stdout, r"FS0:\\> $")
            ours = r" 20000000 B - X +1 +1 Virtio Network Driver \(virtio-net"
            assert re.search(ours, text), text[-500:]
            for _ in range(LEASE_TRIES):  # startup.nsh asked for one
                process.stdin.write(b"ifconfig -l eth0\r")
                text = read_until(process.stdout, r"FS0:\\> $")
                if re.search(r"ipv4 address +: 10\.0\.2\.15\b", text):
                    break
                process.stdin.write(b"stall 1000000\r")
                read_until(process.stdout, r"FS0:\\> $")
            else:
                pytest.fail(f"no lease: {text[-500:]}")
            process.stdin.write(b"reset -s\r")
            read_until(process.stdout, r"(?!)")
            assert process.wait() == 0
        finally:
            watchdog.cancel()
            process.kill()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ARCH": "mips"}, "ARCH=mips: not one of x86_64, ia32, aarch64, riscv64, loongarch64"),
        ({"ARCH": "ia32", "DRIVER": "/no"}, "/no: missing or empty (run make ARCH=ia32)"),
        ({"OVMF_VARS": "/no"}, "/no: missing or empty (run scripts/setup.sh --all)"),
        ({"QEMU": "no-qemu"}, "no-qemu: not installed (run scripts/setup.sh --all)"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_run_says_what_is_missing(variables: dict[str, str], words: str) -> None:
    done = subprocess.run(
        [SCRIPT],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"run: {words}\n")
