# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The firmware's setup: what its screen shows, which entry is highlighted, keys pressed.

Reads what the firmware draws on the serial console, and types over QMP. Knows the few escape codes
that EDK2's terminal sends: cursor position, clear, colours.
"""

from __future__ import annotations

import re
import time

from guest import Guest

ROWS, COLUMNS = 50, 200  # at least; OVMF has 31 and 100, and 42 and 160 in 2026
CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[^\[]|(.)", re.DOTALL)
BLACK_BACKGROUND = 40  # of the highlighted entry, and of the frame of keys below
QUIET_S = 0.2  # the screen is complete after this long without output
PAINT_TIMEOUT_S = 60
KEY_TIMEOUT_S = 3
PAGES_MAX = 4
ENTRIES_MAX = 40
PAGES_DEEP = 8
FRONT_PAGE, BOOT_MENU = "Boot Maintenance Manager", "Please select boot device"
NOTHING_TO_BOOT = "Press any key to enter the Boot Manager Menu"


class Screen:
    """What the screen shows after `raw` was written to it."""

    def __init__(self, raw: bytes) -> None:
        self._cells = [[(" ", 0)] * COLUMNS for _ in range(ROWS)]
        row = column = background = 0
        for match in CODE.finditer(raw.decode("utf-8", "replace")):
            numbers, code, character = match.groups()
            if code == "H":
                row, column = (int(number) - 1 for number in (numbers or "1;1").split(";"))
            elif code in ("C", "D"):
                by = int(numbers or 1)
                column = max(column + (by if code == "C" else -by), 0)
            elif code == "J":
                self._cells = [[(" ", 0)] * COLUMNS for _ in range(ROWS)]
            elif code == "m":
                for number in numbers.split(";"):
                    background = int(number) if 40 <= int(number or 0) <= 47 else background
            elif character == "\r":
                column = 0
            elif character == "\n":
                row = min(row + 1, ROWS - 1)
            elif character == "\b":
                column = max(column - 1, 0)
            elif character and character >= " ":
                if row < ROWS and column < COLUMNS:
                    self._cells[row][column] = (character, background)
                column += 1

    @property
    def text(self) -> str:
        return "\n".join("".join(cell[0] for cell in row).rstrip() for row in self._cells)

    @property
    def highlighted(self) -> str:
        """The row of the highlighted entry or field; "" if there is none."""
        for row in self._cells[3:]:
            if any(cell[0] > " " and cell[1] == BLACK_BACKGROUND for cell in row):
                return "".join(cell[0] for cell in row).strip(" >│|")
        return ""

    def row(self, label: str) -> str:
        """The second column of the row `label`, "" if there is no such row."""
        match = re.search(rf"^ +{label} {{2,}}(\S.*?)(?: {{3,}}|$)", self.text, re.MULTILINE)
        return match[1].strip() if match else ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Screen) and self._cells == other._cells


class Setup:
    """The setup of a guest that was just told to enter it, as by the shell's `exit`."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def open_devices(self) -> None:
        """The device manager."""
        # A shell that came from a disk ends in a list of what to boot.
        text = self.expect(FRONT_PAGE, BOOT_MENU, NOTHING_TO_BOOT).text
        if NOTHING_TO_BOOT in text:
            self.press("ret")
            text = self.expect(FRONT_PAGE, BOOT_MENU).text
        if BOOT_MENU in text:
            self.open("EFI Firmware Setup")
            self.expect(FRONT_PAGE)
        self.open("Device Manager")

    def open_nic(self, index: int = 0) -> None:
        """The list of the pages of NIC `index`."""
        self.open_devices()
        self.open("Network Device List")
        self.open(f"MAC:{self._guest.nics[index].mac_of(index).upper()}")

    def leave_for_shell(self) -> None:
        """From any page to the shell's prompt."""
        for _ in range(PAGES_DEEP):
            if FRONT_PAGE in self.look().text:
                break
            self.press("esc")
        self.expect(FRONT_PAGE)
        self.open("Boot Manager")
        self.open("EFI Internal Shell")
        self._guest.enter_shell()

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by QEMU's names for them."""
        for key in keys:
            self._guest.qmp("send-key", keys=[{"type": "qcode", "data": key}])
            self.look()

    def look(self) -> Screen:
        """The screen, once the firmware has drawn it."""
        raw = self._guest.folder / "serial.raw"
        deadline = time.monotonic() + PAINT_TIMEOUT_S
        size = -1
        while size != raw.stat().st_size and time.monotonic() < deadline:
            size = raw.stat().st_size
            time.sleep(QUIET_S)
        return Screen(raw.read_bytes())

    def expect(self, *texts: str) -> Screen:
        """Wait until the screen shows one of `texts`."""
        deadline = time.monotonic() + PAINT_TIMEOUT_S
        while not any(text in (screen := self.look()).text for text in texts):
            if time.monotonic() > deadline:
                shown = " | ".join(screen.text.split("\n"))
                wanted = " or ".join(f"`{text}`" for text in texts)
                raise self._guest.error(f"{wanted} on the screen", re.sub(r"\s+", " ", shown))
        return screen

    def expect_row(self, label: str, pattern: str) -> None:
        """Wait until the second column of the row `label` matches `pattern`."""
        deadline = time.monotonic() + PAINT_TIMEOUT_S
        while not re.fullmatch(pattern, seen := self.look().row(label)):
            if time.monotonic() > deadline:
                raise self._guest.error(f"`{pattern}` in the row `{label}`", f"`{seen}`")

    def scroll_to_row(self, label: str, pattern: str) -> None:
        """Move down until the second column of the row `label` matches `pattern`."""
        for _ in range(ENTRIES_MAX):
            if re.fullmatch(pattern, self.look().row(label)):
                return
            self.press("down")
        self.expect_row(label, pattern)

    def highlight(self, label: str) -> None:
        """Move to the entry whose text begins with `label`."""
        for _ in range(ENTRIES_MAX):
            screen = self.look()
            # Since 2024 the firmware draws an arrow in front of what leads to another page.
            if screen.highlighted.removeprefix("►").strip().startswith(label):
                return
            self.press("down")
            deadline = time.monotonic() + KEY_TIMEOUT_S
            while self.look() == screen and time.monotonic() < deadline:
                pass
        raise self._guest.error(f"an entry `{label}`", f"`{screen.highlighted}` at last")

    def open(self, label: str) -> None:
        """Move to an entry and press Enter."""
        self.highlight(label)
        self.press("ret")

    def type(self, text: str) -> None:
        """Type a text and Enter into the field that was opened."""
        self._guest.send(text + "\r")
        self.look()

    def screenshot(self, name: str) -> bytes:
        """The graphical screen as PNG; kept in the case's folder."""
        path = self._guest.folder / name
        self._guest.qmp("screendump", filename=str(path), format="png")
        return path.read_bytes()
