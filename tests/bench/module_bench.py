# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Where the instructions of a network boot go: millions of them by module of the firmware, for an HTTP
Boot of 64 MiB into RAM and for TFTP in the shell, by each stack.

page_counts.c counts what the guest executes in each page. The shell's `dh` says which image is in which
pages, of the same boot. A page that begins in one image and ends in the next counts for the first.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping

import boot_bench
import lan
import network
import platforms

PAGE_BYTES = 4096
PAIR = struct.Struct("<QQ")
USED = 1
ROWS = 14  # the rest is one row
DOWNLOADS = ("HTTP Boot of 64 MiB", "TFTP of 8 MiB, blocks of 512 bytes")
STACKS = (boot_bench.OWN, boot_bench.WHOLE, boot_bench.OTHER, boot_bench.FIRMWARE)
# What `dh` prints of an image. An image from a disk has no name, but a path.
IMAGE = re.compile(
    r"LoadedImage\([0-9A-F]+\)(?: +Name\.+: *(?P<name>\S+))?.*?FilePath\.+: *(?P<path>\S+).*?"
    r"ImageBase\.+: *(?P<base>[0-9A-F]+).*?ImageSize\.+: *(?P<size>[0-9A-F]+)",
    re.DOTALL,
)


class NoPlugin(Exception):
    """page_counts.c cannot be built."""


def build_plugin(folder: Path) -> Path:
    """page_counts.c for the version of the interface that this QEMU has."""
    said = subprocess.run([platforms.QEMU, "--version"], capture_output=True, text=True, check=True)
    major = int(re.search(r"version (\d+)", said.stdout)[1])
    plugin = folder / "page_counts.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-fvisibility=hidden"]
    command += [f"-DPLUGIN_VERSION={1 if major < 9 else 2}", "-o", str(plugin)]
    command.append(str(Path(__file__).with_name("page_counts.c")))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NoPlugin(f"page_counts.c: {done.stderr.strip()}")
    return plugin


def read_counts(file: Path) -> Counter[int]:
    """By address of the page."""
    return Counter({key & ~USED: count for key, count in PAIR.iter_unpack(file.read_bytes()) if key})


@contextmanager
def counted(file: Path, counts: Counter[int]) -> Iterator[None]:
    """Add to `counts` what is executed meanwhile."""
    counts.subtract(read_counts(file))
    yield
    counts.update(read_counts(file))


def images(listing: str) -> list[tuple[int, int, str]]:
    """First address, last address and name, in order, from the output of `dh -v -p LoadedImage`."""
    found = []
    for image in IMAGE.finditer(listing):
        name = image["name"] or re.split(r"[\\/]", image["path"])[-1].removesuffix(".efi")
        base = int(image["base"], 16)
        found.append((base, base + int(image["size"], 16) - 1, name))
    return sorted(found)


def by_module(counts: Counter[int], where: list[tuple[int, int, str]]) -> Counter[str]:
    modules: Counter[str] = Counter()
    for page, count in counts.items():
        holders = [name for first, last, name in where if first < page + PAGE_BYTES and page <= last]
        modules[holders[0] if holders else "no image"] += count
    return modules


def downloads(stack: str, plugin: Path) -> list[Counter[str]]:
    """What each of DOWNLOADS executes."""
    with tempfile.TemporaryDirectory(prefix="module-bench.") as name:
        folder = Path(name, "served")
        folder.mkdir()
        image, file = boot_bench.fill_image(folder), Path(name, "counts")
        files = boot_bench.fill(folder, {"tftp.bin": boot_bench.SIZES["tftp.bin"]})
        counts: list[Counter[int]] = [Counter() for _ in DOWNLOADS]
        extra = ["-plugin", f"{plugin},counts={file}"]
        with lan.Lan(folder, boot="none") as wire:
            with boot_bench.make_guest("modules", stack, wire, reboots=True, extra=extra) as guest:
                boot_bench.http_boot(guest, stack, counted(file, counts[0]))
                boot_bench.image_in_memory(guest, Path(name), image)
                guest.run("connect -r", timeout=120)
                boot_bench.assert_held(guest, stack)
                network.get_lease(guest)
                with counted(file, counts[1]):
                    guest.run(f"tftp {lan.ROUTER_V4} tftp.bin tftp.bin", timeout=120)
                where = images(guest.run("dh -v -p LoadedImage", timeout=120))
                guest.power_off()
                boot_bench.compare(guest, files)
    return [by_module(each, where) for each in counts]


def table(title: str, found: Mapping[str, Counter[str]]) -> str:
    """Markdown, in millions of instructions."""
    total: Counter[str] = Counter()
    for modules in found.values():
        total += modules
    named = [name for name, _ in total.most_common(ROWS)]
    lines = [f"| {title}, millions | " + " | ".join(map(boot_bench.TITLES.get, found)) + " |\n"]
    lines.append("|---|" + "---|" * len(found) + "\n")
    for name in named:
        cells = [f"{modules[name] / 1e6:,.1f}" for modules in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |\n")
    rest = [sum(n for k, n in modules.items() if k not in named) for modules in found.values()]
    lines.append("| others | " + " | ".join(f"{n / 1e6:,.1f}" for n in rest) + " |\n")
    sums = [modules.total() for modules in found.values()]
    lines.append("| all | " + " | ".join(f"{n / 1e6:,.1f}" for n in sums) + " |\n")
    return "".join(lines)


def run(file: Path) -> str:
    """Measure each stack once, write the tables to `file` and return them. Raises GuestError and NoPlugin."""
    found: dict[str, list[Counter[str]]] = {}
    with tempfile.TemporaryDirectory(prefix="module-bench.") as name:
        plugin = build_plugin(Path(name))
        for stack in STACKS:
            print(f"bench: instructions by module, {stack}", file=sys.stderr, flush=True)
            found[stack] = downloads(stack, plugin)
            tables = [
                table(title, {stack: counts[number] for stack, counts in found.items()})
                for number, title in enumerate(DOWNLOADS)
            ]
            file.write_text("\n".join(tables))
    return file.read_text()
