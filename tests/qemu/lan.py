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
import socket
import subprocess
import time
from pathlib import Path
from typing import Sequence

from guest import BUILD, PATIENCE, SetupError, require

ROUTER = "fd00::1"
ROUTER_V4 = "10.99.0.1"
SECOND_V4 = "10.99.0.2"  # free for another guest
LEASES_V4 = ("10.99.0.16", "10.99.0.31")
VLAN = 7
ROUTER_VLAN = "10.99.7.1"
LEASES_VLAN = ("10.99.7.16", "10.99.7.31")
TRUNK_PORTS = ("9001", "9002")  # UDP, of the switch and of QEMU
TARGET, LUN, ISCSI_PORT = "iqn.2026-11.test.boot:disk", 1, 3260
TGT = BUILD / "clients/tgt"  # filled by linux/fetch-clients.sh
NAME = "boot.test"  # of the router, in the DNS of a LAN to boot from
GLOBAL_PREFIX = "2001:db8::"  # /64, that the router of a LAN to boot from advertises
LEASES = ("fd00::1000", "fd00::10ff")  # first, last
PORT = 80
START_TIMEOUT_S = 10 * PATIENCE
NEIGHBOUR_TIMEOUT_S = 10 * PATIENCE

TUN = Path("/dev/net/tun")
SET_UP = """
ip link set lo up
ip tuntap add tap0 mode tap
"""
SET_UP_BRIDGE = """
ip tuntap add tap1 mode tap
ip link add bridge0 type bridge
ip link set tap0 master bridge0 up
ip link set tap1 master bridge0 up
"""
SET_UP_HOST = f"""
ip address add {ROUTER}/64 dev $host nodad
ip address add {GLOBAL_PREFIX}1/64 dev $host nodad
ip address add {ROUTER_V4}/24 dev $host
ip link set $host up
"""
SET_UP_VLAN = f"""
ip tuntap add tap{VLAN} mode tap
ip address add {ROUTER_VLAN}/24 dev tap{VLAN}
ip link set tap{VLAN} up
"""
HOLD = """
echo ready
exec cat  # until this process's end closes the pipe
"""


class Lan:
    """A context manager; `folder` is served at http://[ROUTER]:PORT/, and keeps the logs.

    boot, the name of a file in the folder, makes it a LAN to boot from: IPv4 by DHCP, which names
    that file for PXE and the DNS server; `folder` by TFTP and HTTP at ROUTER_V4, which the DNS server
    knows as NAME; and any IPv6 address in GLOBAL_PREFIX, as its router advertises it. Without boot,
    IPv6 addresses come by DHCPv6 alone.

    With disk, an image, there is an iSCSI target at ROUTER_V4 too, and DHCP names it (RFC 4173).

    With trunk the guest is at the trunk port of a switch, where its untagged frames are on that network,
    and those with VLAN's tag on another one, with the same servers at ROUTER_VLAN; DHCP names the boot file
    for HTTP boot there, too.

    With loss, a percentage, so many of the long frames to the guest are lost, and as many arrive late.

    With bridge there is room for a second guest, at second_netdev.
    """

    netdev = "tap,ifname=tap0,script=no,downscript=no"
    second_netdev = "tap,ifname=tap1,script=no,downscript=no"

    def __init__(
        self,
        folder: Path,
        boot: str = "",
        trunk: bool = False,
        disk: Path | None = None,
        loss: float = 0,
        bridge: bool = False,
    ) -> None:
        self.folder = folder
        self._disk = disk
        self._trunk = trunk
        if trunk:
            switch, guest = TRUNK_PORTS
            self.netdev = f"socket,udp=127.0.0.1:{switch},localaddr=127.0.0.1:{guest}"
        self._loss = loss
        if loss:
            self.netdev = f"stream,server=on,addr.type=unix,addr.path={folder}/wire"
        self._bridge = bridge
        self._host = "bridge0" if bridge else "tap0"  # the router's end
        self._boot = boot
        self.inside: list[str] = []  # prefix of a command that runs in the namespace
        self._leases = folder / "leases"
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Lan:
        try:
            require(["unshare", "nsenter", "setpriv", "ip", "dnsmasq"])
            self._make_namespace()
            if self._trunk:
                self._start_switch()
            if self._loss:
                self._start_lossy_wire()
            self._serve_addresses()
            self._serve_files()
            if self._disk:
                self._serve_disk(self._disk)
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

    def cpu_seconds(self) -> float:
        """CPU time so far of the servers, and of the kernel for them."""
        stats = [Path(f"/proc/{process.pid}/stat").read_text() for process in self._processes]
        ticks = [stat.rpartition(")")[2].split()[11:13] for stat in stats]  # proc(5): utime, stime
        return sum(int(user) + int(kernel) for user, kernel in ticks) / os.sysconf("SC_CLK_TCK")

    def leases(self) -> list[str]:
        """The addresses in dnsmasq's lease file that are leased by DHCPv6 for a limited time."""
        text = self._leases.read_text() if self._leases.exists() else ""
        _, _, v6 = text.partition("duid ")
        return re.findall(r"^[1-9]\d* \d+ (\S+) \S+ [0-9a-f:]+$", v6, re.MULTILINE)

    def neighbour(self, address: str) -> str:
        """Forget `address`, look it up by Linux's neighbour discovery, and return its MAC, or ""."""
        self._run("ip", "-6", "neigh", "flush", "dev", self._host)
        deadline = time.monotonic() + NEIGHBOUR_TIMEOUT_S
        while time.monotonic() < deadline:
            self._run("bash", "-c", f"echo > /dev/udp/{address}/9")
            if found := re.search(r"lladdr (\S+)", self._run("ip", "-6", "neigh", "show", address)):
                return found[1]
            time.sleep(0.2)
        return ""

    def open_tap(self) -> int:
        """The host's end of the guest's wire, for a device outside QEMU; see tap.py."""
        here, there = socket.socketpair()
        with here, there:
            command = ["/usr/bin/python3", str(Path(__file__).with_name("tap.py"))]
            command += ["tap0", str(there.fileno())]
            subprocess.run(
                [*self.inside, *command],
                check=True,
                pass_fds=[there.fileno()],
                timeout=START_TIMEOUT_S,
            )
            return socket.recv_fds(here, 1, 1)[1][0]

    def serve_tls(self, certificate: Path, port: int) -> None:
        """Serve the folder by HTTPS too. `certificate` is a PEM file that also holds the key."""
        command = ["/usr/bin/python3", str(Path(__file__).with_name("tls_server.py"))]
        command += [str(self.folder), str(certificate), str(port)]
        self._start(f"https-{port}", command, "Serving HTTPS")

    def tls_log(self, port: int) -> str:
        """What the server of serve_tls() has printed: requests, and handshakes that failed."""
        return (self.folder / f"https-{port}.log").read_text()

    def sent_by_guest(self) -> list[tuple[int, int]]:
        """VLAN and priority of each kind of frame that came out of the guest, 0 and 0 untagged."""
        log = (self.folder / "trunk.log").read_text()
        found = re.findall(r"guest sends VLAN (\d+) priority (\d+)", log)
        return [(int(vlan), int(priority)) for vlan, priority in found]

    def fetched(self, name: str, server: str) -> list[str]:
        """The addresses of those who have fetched the file `name` by `server`, "tftp" or "http"."""
        pattern = {
            "tftp": rf"sent \S+/{re.escape(name)} to (\S+)",
            "http": rf'^(?:::ffff:)?(\S+) .*"GET /{re.escape(name)} HTTP/1\.1" 200',
        }[server]
        log = {"tftp": "dnsmasq", "http": "http"}[server]
        return re.findall(pattern, (self.folder / f"{log}.log").read_text(), re.MULTILINE)

    def lost(self) -> tuple[int, int]:
        """How many frames to the guest were lost so far, and how many late."""
        log = (self.folder / "lossy.log").read_text().split()
        return log.count("lost"), log.count("late")

    def asked_for(self, name: str) -> list[str]:
        """The addresses of those who asked the DNS server for the IPv4 address of `name`."""
        log = (self.folder / "dnsmasq.log").read_text()
        return re.findall(rf"query\[A\] {re.escape(name)} from (\S+)", log)

    # Inside

    def _make_namespace(self) -> None:
        if not os.access(TUN, os.R_OK | os.W_OK):
            raise SetupError(f"{TUN}: cannot be opened, so there is no LAN (run as root, or chmod 666 {TUN})")
        set_up = SET_UP + (SET_UP_BRIDGE if self._bridge else "")
        set_up += f"host={self._host}" + SET_UP_HOST + (SET_UP_VLAN if self._trunk else "") + HOLD
        user = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
        command = ["unshare", *user, "--net", "sh", "-euc", set_up]
        holder = self._start("namespace", command, "ready")
        self.inside = ["nsenter", f"--target={holder.pid}", "--net"]
        self.inside += ["--user", "--preserve-credentials"] if user else []

    def _start_switch(self) -> None:
        command = ["/usr/bin/python3", str(Path(__file__).with_name("trunk.py"))]
        self._start("trunk", [*command, *TRUNK_PORTS, "tap0", f"{VLAN}=tap{VLAN}"], "trunk up")

    def _start_lossy_wire(self) -> None:
        command = ["/usr/bin/python3", str(Path(__file__).with_name("lossy.py"))]
        command += ["tap0", f"{self.folder}/wire", str(self._loss)]
        self._start("lossy", command, "wire up")

    def _serve_addresses(self) -> None:
        # no-daemon: it also stays the user that it is, of which a user namespace has but one.
        options = ["no-daemon", "conf-file=/dev/null", "log-dhcp"]
        options += [f"dhcp-leasefile={self._leases}"]
        options += [f"interface={self._host}", "bind-dynamic", "enable-ra"]
        if self._trunk:
            options += [f"interface=tap{VLAN}"]
            options += [f"dhcp-range=set:vlan,{LEASES_VLAN[0]},{LEASES_VLAN[1]},1h"]
            options += ["dhcp-vendorclass=set:http,HTTPClient"]
            options += ["dhcp-option-force=tag:http,60,HTTPClient"]
            options += [f"dhcp-boot=tag:vlan,tag:http,http://{ROUTER_VLAN}/{self._boot}"]
        if self._disk:
            options += [f"dhcp-option=17,iscsi:{ROUTER_V4}::{ISCSI_PORT}:{LUN}:{TARGET}"]
        if self._boot:
            options += ["no-hosts", "no-resolv", "log-queries", f"host-record={NAME},{ROUTER_V4}"]
            options += [f"dhcp-range={LEASES_V4[0]},{LEASES_V4[1]},1h", f"dhcp-boot={self._boot}"]
            options += ["enable-tftp", f"tftp-root={self.folder}"]
            options += [f"dhcp-range={GLOBAL_PREFIX},ra-only,slaac,64,1h"]
        else:
            options += ["port=0"]
            options += [f"dhcp-range={LEASES[0]},{LEASES[1]},64,1h"]
        command = ["dnsmasq"] + [f"--{option}" for option in options]
        self._start("dnsmasq", command, "router advertisement on")

    def _serve_files(self) -> None:
        command = ["/usr/bin/python3", "-u", "-m", "http.server", "--bind", "::"]
        command += ["--directory", str(self.folder), str(PORT)]
        self._start("http", command, "Serving HTTP")

    def _serve_disk(self, image: Path) -> None:
        require(files=[TGT / "tgtd", TGT / "tgtadm"])
        tgt = ["env", f"LD_LIBRARY_PATH={TGT}", f"TGT_IPC_SOCKET={self.folder}/tgt"]
        self._start("tgtd", [*tgt, TGT / "tgtd", "--foreground"], "bs_init")
        for operation in (
            f"--mode target --op new --tid 1 --targetname {TARGET}",
            f"--mode logicalunit --op new --tid 1 --lun {LUN} --backing-store {image}",
            "--mode target --op bind --tid 1 --initiator-address ALL",
        ):
            command = [*self.inside, *tgt, TGT / "tgtadm", "--lld", "iscsi", *operation.split()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S)
            if done.returncode != 0:
                raise SetupError(f"no LAN to test on: tgtadm {operation}: {done.stderr.strip()}")

    def _start(self, name: str, command: Sequence[str | Path], sign: str) -> subprocess.Popen[str]:
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
        done = subprocess.run([*self.inside, *command], capture_output=True, text=True, timeout=START_TIMEOUT_S)
        return done.stdout
