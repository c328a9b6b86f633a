# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What network boot takes: downloads over this driver with its own Managed Network service, with and
without large frames from the device, over this driver with the firmware's, over the firmware's driver,
and by iPXE's own stack and driver.

All use the same modern device, on a tap to Linux's TCP and dnsmasq (tests/qemu/lan.py). In each round
each of them has a freshly booted guest, one after the other, so that other load on this machine affects
all alike. A figure is the median of the rounds; a ratio is the median of the ratios within a round.

HTTP Boot: from the console's "Downloading" to its "100%", of 64 MiB, and once of 512 MiB. The RAM disk is then read out of the guest's
memory. The shell's downloads are those of `http` and `tftp` to a FAT drive, and are compared on it.
iPXE's are those of `imgfetch` into memory. Debian's iPXE trusts no certificate that a test can make, so
it has no HTTPS here.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator, Mapping, Sequence

import evidence
import lan
import network
import stack_bench
from boot_options import ADD_DRIVER, add_http_option, set_boot_next
from clients import IPXE_BANNER, IPXE_PROMPT, ipxe
from figures import text_of
from guest import DRIVER, MODERN, Guest, GuestError, Nic, require
from test_stack import CACERTS, HTTPS_PORT, make_certificate, signature_list

ROUNDS = int(os.environ.get("ROUNDS", "3"))
GUEST_TIMEOUT_S = 600
DOWNLOAD_TIMEOUT_S, BOOT_TIMEOUT_S = 60, 400
MEMORY_MIB, LARGE_MEMORY_MIB = 1024, 2048
DISK_MIB = 140
OWN, WHOLE, OTHER, FIRMWARE, IPXE = STACKS = ("own", "own, frames whole", "firmware", "firmware's driver", "iPXE")
OPTIONS = {OWN: "own", WHOLE: "own", OTHER: "firmware"}  # of this driver
NO_LARGE_FRAMES = ",guest_tso4=off,guest_tso6=off"
TITLES = {
    OWN: "this driver, `stack=own`",
    WHOLE: "… on a device that joins no segments",
    OTHER: "this driver, `stack=firmware`",
    FIRMWARE: "the firmware's driver",
    IPXE: "iPXE's own stack",
}
OUR_SERVICE, MNP_SERVICE = "Virtio Network Stack", "MNP Network Service Driver"  # in `drivers`
IPXE_EFI = Path("/boot/ipxe.efi")  # of Debian's package ipxe, with drivers of its own
SET_OPTIONS = "setvar VirtioNetOptions -guid 6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61 -bs -nv "
HTTP = f"http://{lan.ROUTER_V4}"
LARGE_BLOCK = 1468  # of TFTP, one frame
LOSS_PERCENT = 1.0
ONCE = ("counts", "large")  # in the first round only
BOOT_BYTES, LARGE_BOOT_BYTES = 64 << 20, 512 << 20
SIZES = {"http.bin": 64 << 20, "tls.bin": 16 << 20, "tftp.bin": 8 << 20}
LOSSY_SIZES = {"http.bin": 16 << 20}
COUNTED_MIB = 16


@dataclass(frozen=True)
class Kind:
    """A download: its title, and what issue 14 wants of `own`, as ratios to the firmware's driver."""

    title: str
    cpu: float | None = None
    wall: float | None = None
    host: bool = False  # whether to show the host's own part


KINDS: Mapping[str, Kind] = {
    "http_boot": Kind("HTTP Boot, 64 MiB into RAM", 0.12, 0.11, host=True),
    "http_boot_large": Kind("HTTP Boot, 512 MiB into RAM", 0.12, 0.11, host=True),
    "http": Kind("HTTP, 64 MiB, shell to FAT drive", 0.25),
    "https": Kind("HTTPS, 16 MiB, shell to FAT drive"),
    "tftp": Kind("TFTP, 8 MiB, blocks of 512 bytes", 0.8),
    "tftp_large": Kind(f"TFTP, 8 MiB, blocks of {LARGE_BLOCK:,} bytes"),
    "http_loss": Kind("HTTP, 16 MiB, 1 % lost and 1 % late"),
}


# Wall, CPU of QEMU, CPU of the host's network path: the server's processes, and the kernel between
# them and QEMU. What the kernel does when QEMU reads from the tap is in QEMU's.
Taken = tuple[float, float, float]
FIGURES = ("wall", "CPU of QEMU", "CPU of the host's network path")
COUNTS = {"accesses": "register accesses", "entries": "entries of the receive ring"}


@dataclass
class Runner:
    """One stack: seconds of each kind of download, by round, until it failed."""

    stack: str
    times: dict[str, list[Taken]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    counts: dict[str, list[float]] = field(default_factory=dict)  # by COUNTS, per MiB, by round

    @contextmanager
    def timed(self, kind: str, guest: Guest, wire: lan.Lan) -> Iterator[None]:
        before = seconds_now(guest, wire)
        yield
        after = seconds_now(guest, wire)
        wall, cpu, host = taken = (after[0] - before[0], after[1] - before[1], after[2] - before[2])
        self.times.setdefault(kind, []).append(taken)
        say(f"{self.stack}: {kind}: {wall:.2f} s, CPU {cpu:.2f} s, of the host {host:.2f} s")


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def softirq_seconds() -> float:
    """CPU time that the kernel has spent on interrupts, of all processors."""
    columns = Path("/proc/stat").read_text().splitlines()[0].split()  # proc(5): cpu user nice …
    return (int(columns[6]) + int(columns[7])) / os.sysconf("SC_CLK_TCK")  # irq, softirq


def seconds_now(guest: Guest, wire: lan.Lan) -> Taken:
    return time.monotonic(), guest.cpu_seconds(), wire.cpu_seconds() + softirq_seconds()


def fill(folder: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    files = {name: os.urandom(size) for name, size in sizes.items()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


def fill_image(folder: Path, size: int = BOOT_BYTES) -> bytes:
    """Write boot.img, a FAT volume, and return the random bytes in it, which are in one piece.

    Its boot program is empty. The firmware gives up on it, and keeps the RAM disk.
    """
    image, payload = folder / "boot.img", folder / "payload"
    data = os.urandom(size - (4 << 20))
    payload.write_bytes(data)
    with image.open("wb") as file:
        file.truncate(size)
    for command in (
        ["mformat", "-i", image, "-F", "::"],
        ["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"],
        ["mcopy", "-i", image, os.devnull, "::/EFI/BOOT/BOOTX64.EFI"],
        ["mcopy", "-i", image, payload, "::/payload"],
    ):
        subprocess.run(command, check=True)
    payload.unlink()
    return data


def make_guest(
    part: str,
    stack: str,
    wire: lan.Lan,
    options: str = "",
    memory_mib: int = MEMORY_MIB,
    **more: Any,
) -> Guest:
    driver = DRIVER if stack in OPTIONS else None
    options += NO_LARGE_FRAMES if stack == WHOLE else ""
    nic = Nic(MODERN + options, netdev=wire.netdev)
    case = f"bench-boot-{part}-{STACKS.index(stack)}"
    return Guest(
        case,
        nics=[nic],
        inside=wire.inside,
        driver=driver,
        timeout=GUEST_TIMEOUT_S,
        memory_mib=memory_mib,
        disk_mib=DISK_MIB,
        **more,
    )


def add_driver(guest: Guest, stack: str) -> None:
    """The next boot has this driver, with `stack`."""
    if guest.driver:
        guest.run(SET_OPTIONS + f'=L"stack={OPTIONS[stack]}"')
        guest.run(ADD_DRIVER)


def assert_held(guest: Guest, stack: str) -> None:
    """Raise GuestError unless the right driver has the NIC, and the right service serves it."""
    if stack == FIRMWARE:
        evidence.assert_not_negotiated_by_us(guest)
        return
    evidence.assert_ours(guest, "modern")
    users = {
        driver.name.partition(" (")[0]: driver.devices > 0 for driver in evidence.drivers(guest)
    }
    expected = {OUR_SERVICE: OPTIONS[stack] == "own", MNP_SERVICE: stack == OTHER}
    if {name: users.get(name, False) for name in expected} != expected:
        raise guest.error(f"`drivers` to show {expected}", str(users))


def image_in_memory(guest: Guest, folder: Path, data: bytes, memory_mib: int = MEMORY_MIB) -> None:
    """Raise GuestError unless `data` is in one piece in the guest's memory."""
    file = folder / "memory"
    with guest.stopped():
        guest.qmp("pmemsave", val=0, size=memory_mib << 20, filename=str(file))
    memory = file.read_bytes()
    file.unlink()
    at = memory.find(data[:4096])
    while at >= 0 and memory[at : at + len(data)] != data:
        at = memory.find(data[:4096], at + 1)
    if at < 0:
        raise guest.error(f"{len(data)} bytes of the download in memory", "other bytes")


def compare(guest: Guest, names: Mapping[str, bytes]) -> None:
    for name, data in names.items():
        if guest.read_file(name) != data:
            raise guest.error(f"the bytes of {name}", "others")


def http_boot(guest: Guest, stack: str, measured: ContextManager[Any]) -> None:
    """From the shell to the shell, with an HTTP Boot of boot.img between them, of which the download
    is measured."""
    add_driver(guest, stack)
    set_boot_next(guest, add_http_option(guest, f"{HTTP}/boot.img"))
    guest.start("reset")
    guest.expect(r"Downloading", 180)
    with measured:
        guest.expect(r"100%", BOOT_TIMEOUT_S)
    guest.enter_shell()


def firmware_round(runner: Runner) -> None:
    """HTTP Boot, then the downloads in the shell of the same boot."""
    with tempfile.TemporaryDirectory(prefix="boot-bench.") as name:
        folder = Path(name, "served")
        folder.mkdir()
        files, image = fill(folder, SIZES), fill_image(folder)
        certificate = make_certificate(Path(name, "certificate"), lan.NAME)
        trusted = Path(name, "cacerts")
        trusted.write_bytes(signature_list(certificate))
        extra = ["-fw_cfg", f"name={CACERTS},file={trusted}"]
        with lan.Lan(folder, boot="none") as wire:
            wire.serve_tls(certificate, HTTPS_PORT)
            with make_guest("downloads", runner.stack, wire, reboots=True, extra=extra) as guest:
                http_boot(guest, runner.stack, runner.timed("http_boot", guest, wire))
                image_in_memory(guest, Path(name), image)
                guest.run("connect -r", timeout=60)
                assert_held(guest, runner.stack)
                network.get_lease(guest)
                for kind, command in (
                    ("http", f"http {HTTP}/http.bin http.bin"),
                    ("https", f"http https://{lan.NAME}/tls.bin tls.bin"),
                    ("tftp", f"tftp {lan.ROUTER_V4} tftp.bin tftp.bin"),
                    ("tftp_large", f"tftp -s {LARGE_BLOCK} {lan.ROUTER_V4} tftp.bin large.bin"),
                ):
                    with runner.timed(kind, guest, wire):
                        guest.run(command, timeout=DOWNLOAD_TIMEOUT_S)
                guest.power_off()
                compare(
                    guest,
                    {
                        **{name: files[name] for name in ("http.bin", "tls.bin", "tftp.bin")},
                        "large.bin": files["tftp.bin"],
                    },
                )


def connect(guest: Guest, stack: str) -> None:
    """The NIC has an address, by the right driver and service."""
    if guest.driver:
        guest.run(SET_OPTIONS + f'=L"stack={OPTIONS[stack]}"')
    guest.load_driver()
    guest.run("connect -r", timeout=60)
    assert_held(guest, stack)
    network.get_lease(guest)


def lossy_round(runner: Runner) -> None:
    with tempfile.TemporaryDirectory(prefix="boot-bench.") as name:
        folder = Path(name)
        files = fill(folder, LOSSY_SIZES)
        with lan.Lan(folder, boot="none", loss=LOSS_PERCENT) as wire:
            with make_guest("loss", runner.stack, wire) as guest:
                connect(guest, runner.stack)
                with runner.timed("http_loss", guest, wire):
                    guest.run(f"http {HTTP}/http.bin http.bin", timeout=2 * DOWNLOAD_TIMEOUT_S)
                guest.power_off()
                compare(guest, files)


def used_index(guest: Guest) -> int:
    """How many buffers the device has used in the receive ring, modulo 65,536."""
    answer: Any = guest.qmp(
        "x-query-virtio-queue-status", path="/machine/peripheral/nic0/virtio-backend", queue=0
    )
    return int(answer["used-idx"])


def counted_round(runner: Runner) -> None:
    """What a download costs in accesses to the NIC, and in entries of its ring."""
    with tempfile.TemporaryDirectory(prefix="boot-bench.") as name:
        folder = Path(name)
        files = fill(folder, {"http.bin": COUNTED_MIB << 20})
        with lan.Lan(folder, boot="none") as wire:
            with make_guest("counts", runner.stack, wire, ",ioeventfd=off") as guest:
                connect(guest, runner.stack)
                before = used_index(guest)
                with stack_bench.traced(guest):
                    guest.run(f"http {HTTP}/http.bin http.bin", timeout=2 * DOWNLOAD_TIMEOUT_S)
                entries = (used_index(guest) - before) % (1 << 16)
                accesses = stack_bench.accesses(guest, "modern").total()
                guest.power_off()
                compare(guest, files)
    for count, value in (("accesses", accesses), ("entries", entries)):
        runner.counts.setdefault(count, []).append(value / COUNTED_MIB)
        say(f"{runner.stack}: {value / COUNTED_MIB:.1f} {COUNTS[count]} per MiB")


def large_round(runner: Runner) -> None:
    """HTTP Boot of an image that takes long enough for the start of the connection not to count."""
    with tempfile.TemporaryDirectory(prefix="boot-bench.") as name:
        folder = Path(name, "served")
        folder.mkdir()
        image = fill_image(folder, LARGE_BOOT_BYTES)
        with lan.Lan(folder, boot="none") as wire, make_guest(
            "large", runner.stack, wire, reboots=True, memory_mib=LARGE_MEMORY_MIB
        ) as guest:
            http_boot(guest, runner.stack, runner.timed("http_boot_large", guest, wire))
            image_in_memory(guest, Path(name), image, LARGE_MEMORY_MIB)
            guest.run("connect -r", timeout=60)
            assert_held(guest, runner.stack)


def ipxe_fetches(
    runner: Runner, files: Mapping[str, int], kinds: Mapping[str, str], memory_mib: int = MEMORY_MIB
) -> None:
    """Time `imgfetch` of a URL for each kind; files are filled with so many bytes."""
    with tempfile.TemporaryDirectory(prefix="boot-bench.") as name:
        folder = Path(name)
        contents = fill(folder, files)
        with lan.Lan(folder, boot="none") as wire, make_guest(
            "ipxe", IPXE, wire, memory_mib=memory_mib, files={"ipxe.efi": IPXE_EFI}
        ) as guest:
            guest.send("ipxe.efi\r")
            guest.expect(IPXE_BANNER, 60, what="iPXE")
            guest.send("\x02")
            guest.expect(IPXE_PROMPT, 20, what="iPXE's prompt")
            if "ok" not in ipxe(guest, "dhcp net0"):
                raise guest.error("a lease for iPXE", "none")
            for kind, url in kinds.items():
                with runner.timed(kind, guest, wire):
                    said = ipxe(guest, f"imgfetch {url}", BOOT_TIMEOUT_S)
                if "ok" not in said:
                    raise guest.error(f"iPXE to fetch {url}", said.strip()[-100:])
                image_in_memory(guest, folder, contents[url.rpartition("/")[2]], memory_mib)


def ipxe_round(runner: Runner) -> None:
    files = {"boot.img": BOOT_BYTES, "tftp.bin": SIZES["tftp.bin"]}
    tftp = f"tftp://{lan.ROUTER_V4}/tftp.bin"
    ipxe_fetches(runner, files, {"http_boot": f"{HTTP}/boot.img", "tftp_large": tftp})


def ipxe_large_round(runner: Runner) -> None:
    files, kinds = {"boot.img": LARGE_BOOT_BYTES}, {"http_boot_large": f"{HTTP}/boot.img"}
    ipxe_fetches(runner, files, kinds, LARGE_MEMORY_MIB)


# For each part: a round of a firmware's stack, and one of iPXE's.
PLAYS: Mapping[str, tuple[Callable[[Runner], None], Callable[[Runner], None] | None]] = {
    "downloads": (firmware_round, ipxe_round),
    "loss": (lossy_round, None),
    "counts": (counted_round, None),
    "large": (large_round, ipxe_large_round),
}


def attempt(runner: Runner, part: str, play: Callable[[Runner], None]) -> None:
    if part in runner.failures:
        return
    try:
        play(runner)
    except GuestError as error:
        runner.failures[part] = re.sub(r"^[^:]*: |; console log: .*", "", str(error))
        say(f"{runner.stack}: {error}")


def run(file: Path, rounds: int = ROUNDS, parts: Sequence[str] = tuple(PLAYS)) -> list[Runner]:
    """All rounds of the parts; the results are written to `file` after each."""
    require(files=[IPXE_EFI])
    runners = [Runner(stack) for stack in STACKS]
    for number in range(rounds):
        for part in parts:
            if part in ONCE and number > 0:
                continue
            say(f"network boot: {part}, round {number + 1} of {rounds}")
            for runner in runners:
                if play := PLAYS[part][runner.stack == IPXE]:
                    attempt(runner, part, play)
            file.write_text(json.dumps([asdict(runner) for runner in runners], indent=1) + "\n")
    return runners


def cell(taken: Sequence[float], theirs: Sequence[float]) -> str:
    """The median, and in brackets that of the ratios to the firmware's driver, by round."""
    if not taken:
        return "none"
    ratios = [ours / other for ours, other in zip(taken, theirs) if other]
    ratio = f" ({text_of(statistics.median(ratios))})" if ratios and taken is not theirs else ""
    return text_of(statistics.median(taken)) + ratio


def table(runners: Sequence[Runner]) -> str:
    """Markdown: a row per download and figure, a column per stack."""
    lines = ["| Download | Figure | Wanted | " + " | ".join(TITLES[r.stack] for r in runners) + " |\n"]
    lines.append("|---|---|---|" + "---|" * len(runners) + "\n")
    for name, kind in KINDS.items():
        rows = list(zip(FIGURES, (kind.wall, kind.cpu, None)))[: 3 if kind.host else 2]
        for which, (title, wanted) in enumerate(rows):
            taken = {r.stack: [each[which] for each in r.times.get(name, [])] for r in runners}
            cells = [cell(taken[runner.stack], taken[FIRMWARE]) for runner in runners]
            head, goal = kind.title if which == 0 else "", f"({text_of(wanted)})" if wanted else ""
            lines.append(f"| {head} | {title}, s | {goal} | " + " | ".join(cells) + " |\n")
    for name, title in COUNTS.items():
        cells = [cell(runner.counts.get(name, []), []) for runner in runners]
        lines.append(f"| HTTP, {COUNTED_MIB} MiB | {title} per MiB | | " + " | ".join(cells) + " |\n")
    notes = [
        f"- {TITLES[runner.stack]}, {part}: {why}\n"
        for runner in runners
        for part, why in runner.failures.items()
    ]
    return "".join(lines) + ("\n" + "".join(notes) if notes else "")
