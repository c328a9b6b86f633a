# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Boot programs that hold SNP EXCLUSIVE, which ends the firmware's network stack, and let go of it.

    program = HOLDERS["ipxe"]
    program.serve(folder)
    with lan.Lan(folder, boot=program.name) as wire, Guest(…, files={NETBOOT.name: NETBOOT}) as guest:
        …
        with program.holding(guest):
            …
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import lan
from clients import (
    FETCH_TIMEOUT_S,
    GRUB,
    GRUB_NAME,
    GRUB_PROMPT,
    IPXE,
    IPXE_BANNER,
    IPXE_PROMPT,
    NETBOOT,
    START_TIMEOUT_S,
)
from guest import Guest, require

TEXT = "through SNP alone"


@dataclass(frozen=True)
class Holder:
    """`commands` make it fetch a file, the last one says `said` then."""

    file: Path
    name: str  # as served
    banner: str
    key: str  # that leads from there to the prompt
    prompt: str
    commands: tuple[str, ...]
    said: str

    def serve(self, folder: Path) -> None:
        """Put into `folder` what holding() needs, but random.bin."""
        require(files=[self.file, NETBOOT])
        (folder / self.name).write_bytes(self.file.read_bytes())
        (folder / "text").write_text(TEXT + "\n")

    @contextmanager
    def holding(self, guest: Guest) -> Iterator[None]:
        """Start it by PXE and have it fetch a file; it holds SNP for a `with` and then ends."""
        guest.send(f"{NETBOOT.name} load\r")
        guest.expect(self.banner, START_TIMEOUT_S, what=f"{self.name}, loaded by PXE")
        guest.send(self.key)
        guest.expect(self.prompt, 20, what=f"the prompt of {self.name}")
        for command in self.commands:
            guest.send(command + "\r")
            output = guest.expect(self.prompt, FETCH_TIMEOUT_S, what=f"a prompt after `{command}`")
        if not re.search(self.said, output):
            raise guest.error(f"`{self.said}` after `{command}`", output[-200:])
        yield
        guest.send("exit\r")
        guest.expect("NETBOOT loaded: ", 60, what=f"the end of {self.name}")
        guest.finish()


HOLDERS = {
    "ipxe": Holder(
        IPXE,
        IPXE.name,
        IPXE_BANNER,
        "\x02",
        IPXE_PROMPT,
        ("dhcp net0", f"imgfetch http://{lan.ROUTER_V4}/random.bin"),
        r"random\.bin\.\.\. ok",
    ),
    "grub": Holder(
        GRUB,
        GRUB_NAME,
        GRUB_PROMPT,
        "\r",
        GRUB_PROMPT,
        ("net_bootp", f"cat (tftp,{lan.ROUTER_V4})/text"),
        TEXT,
    ),
}
