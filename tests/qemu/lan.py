# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A LAN with a real router on it: Linux's IP stacks, dnsmasq for router advertisements, DHCP, DHCPv6
and TFTP, and a web server, all in their own network namespace. A tap is the guest's wire.

    with Lan(folder) as lan, Guest("case", nics=[Nic(netdev=lan.netdev)], inside=lan.inside) as g:
        ...

Unlike QEMU's user network it leases addresses, and finds its neighbours by multicast. Needs
/dev/net/tun, and root or unprivileged user namespaces.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Sequence

from guest import SetupError, require

ROUTER = "fd00::1"
ROUTER_V4 = "10.99.0.1"
LEASES_V4 = ("10.99.0.16", "10.99.0.31")
GLOBAL_PREFIX = "2001:db8::"  # /64, that the router of a LAN to boot from advertises
LEASES = ("fd00::1000", "fd00::10ff")  # first, last
PORT = 80
START_TIMEOUT_S = 10
NEIGHBOUR_TIMEOUT_S = 10

TUN = Path("/dev/net/tun")
SET_UP = f"""
ip link set lo up
ip tuntap add tap0 mode tap
ip address add {ROUTER}/64 dev tap0 nodad
ip address add {GLOBAL_PREFIX}1/64 dev tap0 nodad
ip address add {ROUTER_V4}/24 dev tap0
ip link set tap0 up
echo ready
exec cat  # until this process's end closes the pipe
"""


class Lan:
    """A context manager; `folder` is served at http://[ROUTER]:PORT/, and keeps the logs.

    boot, the name of a file in the folder, makes it a LAN to boot from: IPv4 by DHCP, which names
    that file for PXE; `folder` by TFTP and HTTP at ROUTER_V4; and any IPv6 address in GLOBAL_PREFIX,
    as its router advertises it. Without boot, IPv6 addresses come by DHCPv6 alone.
    """

    netdev = "tap,ifname=tap0,script=no,downscript=no"

    def __init__(self, folder: Path, boot: str = "") -> None:
        self.folder = folder
        self._boot = boot
        self.inside: list[str] = []  # prefix of a command that runs in the namespace
        self._leases = folder / "leases"
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Lan:
        try:
            require(["unshare", "nsenter", "setpriv", "ip", "dnsmasq"])
            self._make_namespace()
            self._serve_addresses()
            self._serve_files()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.communicate()
        self._processes.clear()

    def leases(self) -> list[str]:
        """The addresses in dnsmasq's lease file that are leased by DHCPv6 for a limited time."""
        text = self._leases.read_text() if self._leases.exists() else ""
        _, _, v6 = text.partition("duid ")
        return re.findall(r"^[1-9]\d* \d+ (\S+) \S+ [0-9a-f:]+$", v6, re.MULTILINE)

    def neighbour(self, address: str) -> str:
        """Forget `address`, look it up by Linux's neighbour discovery, and return its MAC, or ""."""
        self._run("ip", "-6", "neigh", "flush", "dev", "tap0")
        deadline = time.monotonic() + NEIGHBOUR_TIMEOUT_S
        while time.monotonic() < deadline:
            self._run("bash", "-c", f"echo > /dev/udp/{address}/9")
            if found := re.search(r"lladdr (\S+)", self._run("ip", "-6", "neigh", "show", address)):
                return found[1]
            time.sleep(0.2)
        return ""

    # Inside

    def _make_namespace(self) -> None:
        if not os.access(TUN, os.R_OK | os.W_OK):
            raise SetupError(f"{TUN}: cannot be opened, so there is no LAN to test on")
        user = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
        command = ["unshare", *user, "--net", "sh", "-euc", SET_UP]
        holder = self._start("namespace", command, "ready")
        self.inside = ["nsenter", f"--target={holder.pid}", "--net"]
        self.inside += ["--user", "--preserve-credentials"] if user else []

    def _serve_addresses(self) -> None:
        # no-daemon: it also stays the user that it is, of which a user namespace has but one.
        options = ["no-daemon", "conf-file=/dev/null", "log-dhcp"]
        options += [f"dhcp-leasefile={self._leases}"]
        options += ["port=0", "interface=tap0", "bind-dynamic", "enable-ra"]
        if self._boot:
            options += [f"dhcp-range={LEASES_V4[0]},{LEASES_V4[1]},1h", f"dhcp-boot={self._boot}"]
            options += ["enable-tftp", f"tftp-root={self.folder}"]
            options += [f"dhcp-range={GLOBAL_PREFIX},ra-only,slaac,64,1h"]
        else:
            options += [f"dhcp-range={LEASES[0]},{LEASES[1]},64,1h"]
        command = ["dnsmasq"] + [f"--{option}" for option in options]
        self._start("dnsmasq", command, "router advertisement on")

    def _serve_files(self) -> None:
        command = ["/usr/bin/python3", "-u", "-m", "http.server", "--bind", "::"]
        command += ["--directory", str(self.folder), str(PORT)]
        self._start("http", command, "Serving HTTP")

    def _start(self, name: str, command: Sequence[str], sign: str) -> subprocess.Popen[str]:
        """Start a process that ends with this one, and wait for the line that says it is ready."""
        log = self.folder / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*self.inside, "setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._processes.append(process)
        deadline = time.monotonic() + START_TIMEOUT_S
        while sign not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                said = " / ".join(log.read_text().strip().splitlines()[-2:]) or "no message"
                raise SetupError(f"no LAN to test on: {name}: {said}")
            time.sleep(0.05)
        return process

    def _run(self, *command: str) -> str:
        done = subprocess.run([*self.inside, *command], capture_output=True, text=True, timeout=10)
        return done.stdout
