# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Traffic through the firmware's network stack, and the server for the guest's downloads.

A Server's folder is served by QEMU's built-in TFTP server and by a web server on 127.0.0.1, which
the guest reaches at its gateway's address.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Mapping

from guest import PATIENCE, Guest

DHCP_TIMEOUT_S = 30 * PATIENCE
PING_TIMEOUT_S = 120
TFTP_BYTES = 512 << 10
HTTP_BYTES = 3 << 20
TFTP_FILE = "tftp.bin"
HTTP_FILE = "http.bin"
SIZES = {TFTP_FILE: TFTP_BYTES, HTTP_FILE: HTTP_BYTES}
NO_ADDRESS = "0.0.0.0"


class Server:
    """A folder with random files, served over HTTP; QEMU serves it over TFTP (see netdev()).

    host is 127.0.0.1 or ::1; the guest reaches them at 10.0.2.2 and fec0::2. sizes are the files'
    names and bytes.
    """

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", sizes: Mapping[str, int] = SIZES
    ) -> None:
        self.folder = folder
        self.files = {name: os.urandom(size) for name, size in sizes.items()}
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        handler = functools.partial(_QuietHandler, directory=str(folder))
        kind = _ServerV6 if ":" in host else http.server.ThreadingHTTPServer
        self._server = kind((host, 0), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, file: Path) -> None:
        """Serve a copy of `file` too, under its own name."""
        shutil.copy(file, self.folder)

    def netdev(self) -> str:
        """The -netdev value of a NIC that can download from here."""
        return f"user,tftp={self.folder}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _ServerV6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def hub(*netdevs: str) -> list[str]:
    """QEMU's arguments for further network backends on hub 0."""
    arguments = []
    for index, netdev in enumerate(netdevs):
        kind, _, rest = netdev.partition(",")
        arguments += ["-netdev", f"{kind},id=hubbed{index}" + (f",{rest}" if rest else "")]
        arguments += ["-netdev", f"hubport,id=port{index},hubid=0,netdev=hubbed{index}"]
    return arguments


def interfaces(guest: Guest, name: str = "") -> dict[str, dict[str, str]]:
    """`ifconfig -l` (of one interface or all), by MAC: name, media, policy and address."""
    found = {}
    for text in re.split(r"^-{20,}$", guest.run(f"ifconfig -l {name}"), flags=re.MULTILINE):
        fields = dict(re.findall(r"^([a-zA-Z0-9 ]+?) *: *(\S.*?)? *$", text, flags=re.MULTILINE))
        if "mac addr" in fields:
            found[fields["mac addr"].lower()] = {
                "name": fields["name"],
                "media": fields["Media State"],
                "policy": fields["policy"],
                "address": fields["ipv4 address"],
            }
    return found


def interface(guest: Guest, index: int = 0, name: str = "") -> dict[str, str]:
    """The interface of NIC `index`. Knowing its name avoids listing all of them."""
    found = interfaces(guest, name)
    mac = guest.nics[index].mac_of(index)
    if mac not in found:
        raise guest.error(f"{mac} in `ifconfig -l`", str(list(found)))
    return found[mac]


def get_lease(guest: Guest, index: int = 0) -> str:
    """Ask for an address by DHCP, poll until it is there, and return it."""
    name = interface(guest, index)["name"]
    guest.run(f"ifconfig -s {name} dhcp")
    deadline = time.monotonic() + DHCP_TIMEOUT_S
    while (address := interface(guest, index, name)["address"]) == NO_ADDRESS:
        if time.monotonic() > deadline:
            raise guest.error(f"a DHCP lease within {DHCP_TIMEOUT_S} s", f"address {address}")
        time.sleep(0.3)
    return address


def get_address_v6(guest: Guest, index: int = 0, prefix: str = "FEC0") -> str:
    """Follow the routers of the network, poll until there is an address, and return it."""
    name = interface(guest, index)["name"]
    guest.run(f"ifconfig6 -s {name} auto")
    deadline = time.monotonic() + DHCP_TIMEOUT_S
    pattern = rf"^({prefix}:[0-9A-F:]+)/\d+$"
    while not (seen := re.search(pattern, _addresses_v6(guest, name), re.MULTILINE)):
        if time.monotonic() > deadline:
            raise guest.error(f"an IPv6 address within {DHCP_TIMEOUT_S} s", "none in `ifconfig6 -l`")
        time.sleep(0.3)
    return seen[1]


def _addresses_v6(guest: Guest, name: str) -> str:
    text = guest.run(f"ifconfig6 -l {name}")
    return text.partition("host addr")[2].partition("dns server")[0]


def ping(
    guest: Guest, address: str, count: int = 3, source: str = "", command: str = "ping"
) -> str:
    """Ping until `count` requests in a row are answered, and say so in a line.

    A request more is sent, in front, and its answer is not asked for: that one leaves at
    TPL_APPLICATION, and the ping of firmware like OVMF 2022.11 notes a request only after Transmit.
    Where the host lets the guest wait, MNP's timer hands it the answer before, and it is ignored;
    ping then waits for it, 5 seconds of a guest that misses ticks.
    source is an own address; with more than one NIC it says which one to use. command is ping or
    ping6.
    """
    option = f"-s {source} " if source else ""
    output = guest.run(f"{command} {option}{address} -n {1 + count}", timeout=PING_TIMEOUT_S)
    answered = {int(number) for number in re.findall(r"\bicmp_seq=(\d+)\b", output)}
    missing = set(range(2, 2 + count)) - answered
    if missing:
        seen = re.search(r".*packets transmitted.*", output)
        said = seen[0] if seen else output.strip()[-80:]
        raise guest.error(f"an answer to each request from 2 to {1 + count}", f"`{said}`")
    return f"{count} of {count} answered"


def _download(guest: Guest, command: str, url: str, name: str, index: int = 0) -> None:
    """With a command of the shell, or with our fetch.efi if the shell lacks it."""
    if "is not recognized" in guest.run(command, timeout=90):
        guest.run(f"{guest.FETCH} {url} {name} {index}", timeout=90)


def download(guest: Guest, url: str, name: str) -> None:
    """Download by HTTP or HTTPS to the guest's disk; assert_same() tells whether it worked."""
    # The shell's `http` knows IPv4 only.
    command = f"{guest.FETCH} {url} {name}" if "[" in url else f"http {url} {name}"
    _download(guest, command, url, name)


def download_tftp(guest: Guest, server: str = "10.0.2.2", index: int = 0) -> None:
    """Download TFTP_FILE to the guest's disk, by NIC `index`; compare_download() tells whether it worked."""
    option = f"-i {interface(guest, index)['name']} " if index else ""
    command = f"tftp {option}{server} {TFTP_FILE} {TFTP_FILE}"
    _download(guest, command, f"tftp://{server}/{TFTP_FILE}", TFTP_FILE, index)


def download_http(guest: Guest, port: int, server: str = "10.0.2.2") -> None:
    """Download HTTP_FILE to the guest's disk; compare_download() tells whether it worked."""
    download(guest, f"http://{server}:{port}/{HTTP_FILE}", HTTP_FILE)


def download_all(guest: Guest, server: Server) -> list[str]:
    """Download by every protocol that the firmware has; return the names on the guest's disk."""
    names = []
    if "tftp" in guest.platform.downloads:
        download_tftp(guest)
        names.append(TFTP_FILE)
    if "http" in guest.platform.downloads:
        download_http(guest, server.port)
        names.append(HTTP_FILE)
    return names


def assert_same(guest: Guest, name: str, data: bytes) -> None:
    """The file on the powered-off guest's disk has these bytes."""
    seen = guest.read_file(name)
    if seen != data:
        right = len(os.path.commonprefix([seen, data]))
        raise guest.error(f"{name} of {len(data)} bytes", f"{len(seen)}, the first {right} of them right")


def compare_download(guest: Guest, server: Server, name: str, copy: str = "") -> int:
    """Compare a file on the powered-off guest's disk with the original; return its size.

    copy is the file's name on the disk, if it differs.
    """
    assert_same(guest, copy or name, server.files[name])
    return len(server.files[name])
