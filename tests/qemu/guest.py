# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A QEMU guest with UEFI firmware at its shell, driven over the serial console.

    with Guest("my-case", nics=[Nic()], files={"app.efi": APPS / "app.efi"}) as guest:
        guest.load_driver()
        print(guest.run("app.efi 100", timeout=60))   # types, returns the output
        guest.qmp("set_link", name="net0", up=False)
        guest.power_off()
        data = guest.read_file("out.bin")             # from the guest's FAT disk

Knows QEMU, the disk, the console and the shell's prompt. platforms.py lists QEMUs and firmware;
evidence.py proves that it was our driver.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Callable, Iterator, Mapping, Sequence

from platforms import (  # some of them for the tests
    BUILD,
    DRIVER,
    OVMF,
    ROOT,
    VARIABLES,
    Platform,
)

OUTPUT = BUILD / "qemu"
PLATFORM_DRIVER = Path()  # stands for the platform's
BOOT_TIMEOUT_S = 120
# What a test calls its time limit is what a quiet machine needs several times over. It only ends what
# hangs, so that a busy machine gets this many times as long before a case fails by it.
PATIENCE = 3
ESCAPE = re.compile(rb"\x1b(?:\[[0-9;=?]*[A-Za-z]|[()][A-Z0-9]|[78=>])|[\x00\x07\r]")
BACKSPACES = re.compile(r"\x08+")
PROMPT = re.compile(r"(?:^|\n)(?:Shell|FS\d+:[^\n>]*)> ?$")

# Options of a NIC, by what it offers; and by the transport that the driver must then choose.
MODERN = "disable-legacy=on,disable-modern=off"
PACKED = MODERN + ",packed=on"
TRANSITIONAL = "disable-legacy=off,disable-modern=off"
LEGACY = "disable-legacy=off,disable-modern=on"
TRANSPORTS = {"modern": MODERN, "legacy": LEGACY}


class GuestError(Exception):
    """The guest did not do what was expected. The text names the console log."""


class SetupError(Exception):
    """This machine lacks something that the tests need."""


@dataclass(frozen=True)
class Nic:
    """One NIC: `options` follow the device name, `netdev` is the -netdev without its id.

    The NIC and its netdev get the ids nic0, net0, nic1, …. No option ROM unless `romfile` names
    one; None keeps QEMU's default, iPXE's.
    """

    options: str = "disable-legacy=on"
    netdev: str = "user"
    mac: str | None = None
    device: str = "virtio-net-pci"
    romfile: str | None = ""

    def mac_of(self, index: int) -> str:
        return self.mac or f"52:54:00:12:34:{0x56 + index:02x}"

    def arguments(self, index: int) -> list[str]:
        kind, _, rest = self.netdev.partition(",")
        netdev = f"{kind},id=net{index}" + (f",{rest}" if rest else "")
        device = f"{self.device},id=nic{index},netdev=net{index},mac={self.mac_of(index)}"
        device += "" if self.romfile is None else f",romfile={self.romfile}"
        device += f",{self.options}" if self.options else ""
        return ["-netdev", netdev, "-device", device]


def require(tools: Sequence[str] = (), files: Sequence[Path] = ()) -> None:
    """Raise SetupError, one line, for the first tool or file that is not there."""
    for tool in tools:
        if not shutil.which(tool):
            raise SetupError(f"{tool}: not installed (run scripts/setup.sh --all)")
    for file in files:
        if not file.is_file() or file.stat().st_size == 0:
            is_ours = file == DRIVER or file.is_relative_to(BUILD)
            hint = "run `make arches`" if is_ours else "run scripts/setup.sh --all"
            raise SetupError(f"{file}: missing or empty ({hint})")


def require_everything(platforms: Sequence[Platform]) -> None:
    """require() what guests on `platforms` need."""
    require(["mformat", "mcopy", "mmd", "setpriv"])
    for platform in platforms:
        require_platform(platform)


def require_platform(platform: Platform) -> None:
    """require() what a guest on `platform` needs."""
    require([platform.qemu], [platform.firmware, platform.variables])
    if platform.driver is not None:
        require(files=[platform.driver])


class Guest:
    """A context manager: entering boots to the shell's prompt, leaving kills what is still running.

    case         names the folder of the logs, build/qemu/<case>/
    nics         the NICs, in the order of their PCI slots
    bridges      -device values of bridges for the NICs, which name them by bus= in their options
    platform     QEMU, firmware and our build for it, from platforms.py
    machine      QEMU's -machine; by default the platform's
    files        path on the FAT disk ("EFI/BOOT/BOOTX64.EFI") -> host file or bytes; the driver
                 is always there as virtio-net.efi when it exists
    disk         a FAT image to boot a copy of, instead of one made from `files`
    timeout      limit in seconds for the guest's whole life, times PATIENCE like all limits here
    variables    a variable store to start with; by default the platform's, which is empty
    extra        further QEMU arguments
    inside       the prefix of QEMU's command, such as nsenter and its options
    paused       start with -S; call resume() (before it, qmp() works and the console is silent)
    reboots      reset() is allowed; otherwise QEMU ends when the guest resets, as after a crash
    driver       the driver's host file, or None for none; by default the platform's
    shell        False: the disk gets no shell, so that firmware that starts none goes on to the NICs
    """

    FETCH = "fetch.efi"  # always on the disk, for network.py

    def __init__(
        self,
        case: str,
        *,
        platform: Platform = OVMF,
        machine: str | None = None,
        nics: Sequence[Nic] = (Nic(),),
        bridges: Sequence[str] = (),
        files: Mapping[str, Path | bytes] | None = None,
        timeout: float = 240,
        extra: Sequence[str] = (),
        inside: Sequence[str] = (),
        paused: bool = False,
        reboots: bool = False,
        driver: Path | None = PLATFORM_DRIVER,
        variables: Path | None = None,
        memory_mib: int | None = None,
        disk_mib: int = 33,
        disk: Path | None = None,
        shell: bool = True,
    ) -> None:
        self.case = case
        self.nics = list(nics)
        self._bridges = list(bridges)
        self.timeout = timeout * PATIENCE
        self.folder = OUTPUT / re.sub(r"[^A-Za-z0-9_.=-]+", "_", case)
        self.console_log = self.folder / "console.log"
        self.platform = platform
        self.driver = platform.driver if driver is PLATFORM_DRIVER else driver
        self.variables = variables or platform.variables
        self.seconds = 0.0
        self._machine = machine or platform.machine
        self._files = dict(files or {})
        self._extra = list(extra)
        self._inside = list(inside)
        self._paused = paused
        self._reboots = reboots
        self._memory_mib = memory_mib or platform.memory_mib
        self._disk_mib = disk_mib
        self._given_disk = disk
        self._wants_shell = shell
        self._disk = self.folder / "disk.img"
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._qtest: Qtest | None = None
        self._folder_short: Path | None = None  # for sockets: their path has 107 bytes at most
        self._command = ""
        self._text = ""
        self._seen = 0
        self._grew = threading.Condition()
        self._ended = False
        self._timed_out = False

    # Life

    def __enter__(self) -> Guest:
        try:
            self._start()
            if not self._paused:
                self._boot()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    def resume(self) -> None:
        """Let a guest that was made with paused=True boot to the shell's prompt."""
        self.qmp("cont")
        self._boot()

    def enter_shell(self) -> None:
        """Wait for a shell that the firmware was told to start, and take its prompt."""
        self._boot()

    def power_off(self, timeout: float = 20) -> None:
        """`reset -s`, and wait until QEMU is gone."""
        self.start("reset -s")
        self.wait(timeout)

    def reset(self) -> str:
        """`reset`, boot to the shell's prompt again; return the console output in between."""
        assert self._reboots, "made without reboots=True"
        self.start("reset")
        return self._boot()

    def wait(self, timeout: float = 20) -> None:
        """Wait until QEMU ends by itself."""
        assert self._process is not None
        timeout *= PATIENCE
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.error(f"a power off within {timeout:g} s", "QEMU still runs") from None
        self._kill()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def cpu_seconds(self) -> float:
        """QEMU's CPU time so far, of all its threads together."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")  # proc(5): utime, stime

    # Console

    @property
    def text(self) -> str:
        """All console output so far, without escape codes."""
        with self._grew:
            return self._text

    def run(self, command: str, timeout: float = 90) -> str:
        """Type a shell command, wait for the next prompt and return what it printed."""
        self.start(command)
        return self.finish(timeout)

    def start(self, command: str) -> None:
        """Type a shell command and wait only for its echo, so that its output follows."""
        self._command = command
        self.send(command + "\r")
        self.expect(r"(?=\n)", 20, what=f"the echo of `{command}`")

    def finish(self, timeout: float = 30) -> str:
        """Wait for the prompt after start(); returns the output that no expect() has consumed."""
        output = self.expect(PROMPT, timeout, what=f"a prompt after `{self._command}`")
        output = PROMPT.sub("", output).strip("\n")
        if self.platform.wraps_at_80 and not re.search(r"[^\n]{81}", output):
            output = re.sub(r"(?<=[^\n]{80})\n(?= ?\S)", "", output)
        return output

    def expect(self, pattern: str | re.Pattern[str], timeout: float, what: str = "") -> str:
        """Wait for a pattern in the output that no expect() has consumed yet.

        Returns the text up to and with the match, and consumes it. Raises GuestError on timeout and
        when QEMU ends first.
        """
        pattern = re.compile(pattern)
        timeout *= PATIENCE
        deadline = time.monotonic() + timeout
        with self._grew:
            while True:
                match = pattern.search(self._text, self._seen)
                if match:
                    text = self._text[self._seen : match.end()]
                    self._seen = match.end()
                    return text
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    break
                self._grew.wait(left)
        wanted = what or f"`{pattern.pattern}`"
        seen = self._end_reason() if self._ended else f"nothing of it within {timeout:g} s"
        lines = self.text.split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        raise self.error(wanted, f"{seen}, the last line being `{last.strip()[:100]}`")

    def send(self, keys: str) -> None:
        """Send keys to the console as they are."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(keys.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self.error("a guest that reads its console", self._end_reason()) from None

    def load_driver(self, connect: bool = True, timeout: float = 120) -> str:
        """`load` our driver (which connects all drivers to all devices), return the shell's answer.

        With connect=False the shell connects nothing.
        """
        if self.driver is None:
            return ""
        option = "" if connect else "-nc "
        answer = self.run(f"load {option}fs0:\\virtio-net.efi", timeout=timeout)
        if "Success" not in answer:
            raise self.error("`load` to succeed", answer.strip()[-200:])
        return answer

    def error(self, expected: str, seen: str) -> GuestError:
        """An error with what was expected, what was seen, and the path of the console log."""
        log = os.path.relpath(self.console_log, ROOT)
        return GuestError(f"{self.case}: expected {expected}; saw {seen}; console log: {log}")

    # QMP and disk

    def qmp(self, command: str, **arguments: object) -> Any:
        """Execute one QMP command and return its answer; GuestError when QEMU refuses."""
        if self._qmp is None:
            self._qmp = Qmp(Path(self._folder_short, "qmp"))
        try:
            return self._qmp.execute(command, arguments)
        except (OSError, RuntimeError) as error:
            raise self.error(f"QMP {command} to work", str(error)) from error

    def qtest(self, command: str) -> int:
        """Execute a command of QEMU's test interface, such as `readl 0x1000`: an access to the machine
        that no guest makes. Returns the number that it answers, 0 without one."""
        try:
            if self._qtest is None:
                self._qtest = Qtest(self.qmp, Path(self._folder_short, "qtest"))
            return self._qtest.execute(command)
        except (OSError, RuntimeError) as error:
            raise self.error(f"qtest {command} to work", str(error)) from error

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Hold the guest for a `with`, unless it is held already."""
        was_running = self.qmp("query-status")["running"]
        if was_running:
            self.qmp("stop")
        yield
        if was_running:
            self.qmp("cont")

    def set_link(self, index: int, up: bool) -> None:
        """Pull or plug the cable of NIC `index`."""
        self.qmp("set_link", name=f"nic{index}", up=up)

    def read_file(self, name: str) -> bytes:
        """A file from the guest's FAT disk, after the guest has ended."""
        assert not self.running, "the disk may only be read when the guest has ended"
        done = subprocess.run(
            ["mcopy", "-n", "-i", str(self._disk), f"::/{name}", "-"], capture_output=True
        )
        if done.returncode != 0:
            raise self.error(f"file {name} on the guest's disk", done.stderr.decode().strip())
        return done.stdout

    # Inside

    def _start(self) -> None:
        require(files=[self.variables] + ([self.driver] if self.driver else []))
        require_platform(self.platform)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._folder_short = Path(tempfile.mkdtemp(prefix="guest."))
        # AAVMF's are 64 MiB, mostly empty.
        subprocess.run(
            ["cp", "--sparse=always", self.variables, self.folder / "vars.fd"], check=True
        )
        self._make_disk()
        # It dies with its parent, so that an interrupted run leaves no guest behind.
        command = [*self._inside, "setpriv", "--pdeathsig", "KILL", self.platform.qemu]
        command += self._arguments()
        (self.folder / "command").write_text(" ".join(command) + "\n")
        self._began = time.monotonic()
        with (self.folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        self._reader = threading.Thread(target=self._read_console, daemon=True)
        self._reader.start()
        self._watchdog = threading.Timer(self.timeout, self._time_out)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _arguments(self) -> list[str]:
        pflash = "if=pflash,format=raw,unit="
        arguments = ["-accel", "tcg", "-cpu", self.platform.cpu, "-machine", self._machine]
        arguments += ["-m", str(self._memory_mib), "-nodefaults", "-display", "none"]
        arguments += [] if self._reboots else ["-no-reboot"]
        arguments += ["-serial", "stdio"]
        arguments += ["-qmp", f"unix:{self._folder_short}/qmp,server=on,wait=off"]
        arguments += ["-drive", f"{pflash}0,readonly=on,file={self.platform.firmware}"]
        arguments += ["-drive", f"{pflash}1,file={self.folder}/vars.fd"]
        arguments += ["-drive", f"if=none,id=disk,format=raw,file={self._disk}"]
        arguments += ["-device", f"virtio-blk-pci,drive=disk{self.platform.boot_index}"]
        for bridge in self._bridges:
            arguments += ["-device", bridge]
        for index, nic in enumerate(self.nics):
            arguments += nic.arguments(index)
        arguments += self.platform.arguments  # behind the NICs, whose slots are known
        return arguments + (["-S"] if self._paused else []) + self._extra

    def _make_disk(self) -> None:
        if self._given_disk:
            shutil.copyfile(self._given_disk, self._disk)
            self._add_shell()
            return
        with self._disk.open("wb") as disk:
            disk.truncate(self._disk_mib << 20)
        files = dict(self._files)
        files.setdefault("startup.nsh", b"@echo -off\r\nfs0:\r\n")
        if self.driver is not None:
            files.setdefault("virtio-net.efi", self.driver)
        files.setdefault(self.FETCH, self.platform.app(self.FETCH))
        subprocess.run(["mformat", "-i", self._disk, "-F", "::"], check=True)
        folders = {str(folder) for name in files for folder in PurePosixPath(name).parents}
        for folder in sorted(folders - {"."}):
            subprocess.run(["mmd", "-i", self._disk, f"::/{folder}"], check=True)
        for name, source in files.items():
            given = isinstance(source, bytes)
            subprocess.run(
                ["mcopy", "-i", self._disk, "-" if given else source, f"::/{name}"],
                input=source if given else None,
                check=True,
            )
        self._add_shell()

    def _add_shell(self) -> None:
        """The boot program, unless the disk has one or the firmware has a shell of its own."""
        path = PurePosixPath("::", self.platform.shell_path)
        mdir = ["mdir", "-i", self._disk, path]
        shell = self.platform.shell if self._wants_shell else None
        if shell is None or subprocess.run(mdir, capture_output=True).returncode == 0:
            return
        for folder in [*path.parents][-2::-1]:
            subprocess.run(["mmd", "-D", "s", "-i", self._disk, folder], capture_output=True)
        subprocess.run(["mcopy", "-i", self._disk, "-", path], input=shell, check=True)

    def _boot(self) -> str:
        text = self.expect("any other key to continue", BOOT_TIMEOUT_S, what="the UEFI shell")
        self.send(" ")
        return text + self.expect(
            r"\nFS0:\\> ?$", BOOT_TIMEOUT_S, what="the shell's prompt on FS0:"
        )

    def _read_console(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        raw = b""
        logged = 0
        with self.console_log.open("w") as log, (self.folder / "serial.raw").open("wb") as raw_log:
            while data := os.read(self._process.stdout.fileno(), 65536):
                raw_log.write(data)
                raw_log.flush()
                raw += data
                # The last escape code may be incomplete yet.
                cut = raw.rfind(b"\x1b")
                cut = len(raw) if cut < 0 or ESCAPE.match(raw, cut) else cut
                self._append(ESCAPE.sub(b"", raw[:cut]).decode("latin1"))
                raw = raw[cut:]
                whole_lines = self._text.rfind("\n") + 1
                log.write(self._text[logged:whole_lines])
                log.flush()
                logged = max(logged, whole_lines)
            log.write(self._text[logged:])
        with self._grew:
            self._ended = True
            self._grew.notify_all()

    def _append(self, text: str) -> None:
        """Add to the text, executing the backspaces that progress bars use."""
        with self._grew:
            position = 0
            for erase in BACKSPACES.finditer(text):
                self._text += text[position : erase.start()]
                line = self._text.rfind("\n") + 1
                self._text = self._text[: max(line, len(self._text) - len(erase.group()))]
                position = erase.end()
            self._text += text[position:]
            self._grew.notify_all()

    def _time_out(self) -> None:
        self._timed_out = True
        if self.running:
            self._process.kill()

    def _end_reason(self) -> str:
        if self._timed_out:
            return f"the time limit of {self.timeout:g} s"
        log = (self.folder / "qemu.log").read_text(errors="replace").strip()
        return "QEMU end" + (f": {log.splitlines()[-1]}" if log else "")

    def _kill(self) -> None:
        if self._folder_short:
            shutil.rmtree(self._folder_short, ignore_errors=True)
        if self._process is None:
            return
        self._watchdog.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(5)
        self.seconds = time.monotonic() - self._began
        for client in filter(None, (self._qmp, self._qtest)):
            client.close()
        self._qmp = self._qtest = None


class Qmp:
    """A QMP client that skips events."""

    def __init__(self, path: Path, timeout: float = 10) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._file = self._socket.makefile("rw")
        self._answer()
        self.execute("qmp_capabilities", {})

    def execute(self, command: str, arguments: Mapping[str, object]) -> object:
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"]["desc"])
        return answer["return"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _answer(self) -> dict:
        while line := self._file.readline():
            message = json.loads(line)
            if "event" not in message:
                return message
        raise RuntimeError("QEMU closed the QMP socket")


class Qtest:
    """A client of QEMU's test interface, which it has QEMU open over QMP."""

    def __init__(self, qmp: Callable[..., Any], path: Path, timeout: float = 30) -> None:
        address = {"type": "unix", "data": {"path": str(path)}}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
        qmp("chardev-add", id="qtest-socket", backend=backend)
        options = {"qom-type": "qtest", "chardev": "qtest-socket", "log": os.devnull}
        qmp("object-add", id="qtest", **options)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")

    def execute(self, command: str) -> int:
        self._file.write(command + "\n")
        self._file.flush()
        answer = self._file.readline().split()
        if answer[:1] != ["OK"]:
            raise RuntimeError(" ".join(answer) or "QEMU closed the test interface")
        return int(answer[1], 16) if len(answer) > 1 else 0

    def close(self) -> None:
        self._file.close()
        self._socket.close()
