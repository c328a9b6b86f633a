# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Where the instructions of a network boot go: millions of them by module of the firmware, for an HTTP
Boot of 64 MiB into RAM, by each stack.

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
from pathlib import Path

import boot_bench
import lan
import platforms
from boot_options import add_http_option, set_boot_next

PAGE_BYTES = 4096
PAIR = struct.Struct("<QQ")
USED = 1
ROWS = 14  # the rest is one row
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


def http_boot(stack: str, plugin: Path) -> Counter[str]:
    with tempfile.TemporaryDirectory(prefix="module-bench.") as name:
        folder = Path(name, "served")
        folder.mkdir()
        image, counts = boot_bench.fill_image(folder), Path(name, "counts")
        extra = ["-plugin", f"{plugin},counts={counts}"]
        with lan.Lan(folder, boot="none") as wire:
            with boot_bench.make_guest("modules", stack, wire, reboots=True, extra=extra) as guest:
                boot_bench.add_driver(guest, stack)
                set_boot_next(guest, add_http_option(guest, f"{boot_bench.HTTP}/boot.img"))
                guest.start("reset")
                guest.expect(r"Downloading", 180)
                before = read_counts(counts)
                guest.expect(r"100%", 2 * boot_bench.DOWNLOAD_TIMEOUT_S)
                after = read_counts(counts)
                guest.enter_shell()
                boot_bench.image_in_memory(guest, Path(name), image)
                guest.run("connect -r", timeout=120)
                boot_bench.assert_held(guest, stack)
                where = images(guest.run("dh -v -p LoadedImage", timeout=120))
    after.subtract(before)
    return by_module(after, where)


def table(found: dict[str, Counter[str]]) -> str:
    """Markdown, in millions of instructions."""
    total: Counter[str] = Counter()
    for modules in found.values():
        total += modules
    named = [name for name, _ in total.most_common(ROWS)]
    lines = ["| Millions of instructions | " + " | ".join(map(boot_bench.TITLES.get, found)) + " |\n"]
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
    """Measure each stack once, write the table to `file` and return it. Raises GuestError and NoPlugin."""
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix="module-bench.") as name:
        plugin = build_plugin(Path(name))
        for stack in STACKS:
            print(f"bench: instructions by module, {stack}", file=sys.stderr, flush=True)
            found[stack] = http_boot(stack, plugin)
            file.write_text(table(found))
    return file.read_text()
