# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/report.sh, on made-up efivarfs folders and a stand-in for /sys.

In Linux, after a boot with the driver, it is run by tests/qemu/test_report.py.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "report.sh"
HEADER = (ROOT / "include/virtio_net_efi/nic_record.h").read_text()
GUID = re.search(r'NIC_RECORD_GUID "(.*)"', HEADER)[1]
PREFIX = re.search(r'NIC_RECORD_PREFIX "(.*)"', HEADER)[1]
ATTRIBUTES = int(re.search(r"NIC_RECORD_ATTRIBUTES (0x[0-9a-f]+)u", HEADER)[1], 16)
MAC = "52:54:00:12:34:56"


def items(location: str = "0000:00:03.0", mac: str = MAC, source: str = "") -> str:
    return f"driver=0.2.0 pci={location} mac={mac} transport=modern ring=split from={source}"


class Machine:
    """A Linux that was booted by UEFI, with efivarfs mounted and a variable of somebody else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.efivars = root / "sys/firmware/efi/efivars"
        self.efivars.mkdir(parents=True)
        (root / "sys/class/net").mkdir(parents=True)
        self.interface("lo", "00:00:00:00:00:00", None)
        (self.efivars / f"BootCurrent-{'8be4df61-93ca-11d2-aa0d-00e098032b8c'}").write_bytes(bytes(6))

    def variable(self, location: str, content: bytes, attributes: int = ATTRIBUTES) -> Path:
        path = self.efivars / f"{PREFIX}{location}-{GUID}"
        path.write_bytes(attributes.to_bytes(4, "little") + content)
        return path

    def record(self, location: str = "0000:00:03.0", mac: str = MAC, source: str = "") -> None:
        self.variable(location, f"format=1 {items(location, mac, source)}\n".encode())

    def interface(self, name: str, mac: str, location: str | None) -> None:
        """location: of the PCI function; None: an interface without a device."""
        folder = self.root / "sys/class/net" / name
        folder.mkdir()
        (folder / "address").write_text(mac + "\n")
        if location:
            device = self.root / "sys/devices/pci0000:00" / location / "virtio0"
            device.mkdir(parents=True)
            (folder / "device").symlink_to(device)

    def run(self, *arguments: str | Path, shell: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*shell, SCRIPT, *arguments],
            env={"PATH": os.environ["PATH"], "REPORT_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def prints(self, *lines: str) -> None:
        done = self.run()
        assert (done.stderr, done.stdout, done.returncode) == ("", "".join(f"{line}\n" for line in lines), 0)

    def says(self, words: str, status: int, *arguments: str | Path) -> str:
        """A line of ours on stderr holds the words; returns what was printed."""
        done = self.run(*arguments)
        (line,) = done.stderr.splitlines()
        assert line.startswith("report: ") and words in line
        assert done.returncode == status
        return done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nic_is_printed_with_its_interface(machine):
    machine.record(source="Virtio 1.0 PCI Driver")
    machine.interface("eth0", MAC, "0000:00:03.0")
    machine.prints(f"interface=eth0 {items(source='Virtio 1.0 PCI Driver')}")


def test_nic_that_linux_does_not_have_is_printed(machine):
    machine.record()
    machine.prints(f"interface=- {items()}")


def test_each_nic_has_a_line(machine):
    for number in range(3, 12):
        location, mac = f"0000:00:{number:02x}.0", f"52:54:00:12:34:{number:02x}"
        machine.record(location, mac)
        machine.interface(f"eth{number}", mac, location)
    machine.prints(
        *(
            f"interface=eth{number} " + items(f"0000:00:{number:02x}.0", f"52:54:00:12:34:{number:02x}")
            for number in range(3, 12)
        )
    )


def test_interfaces_without_a_device_do_not_count(machine):
    """A bridge, a bond or a VLAN has the MAC of its NIC."""
    machine.record()
    machine.interface("bond0", MAC, None)
    machine.interface("eth0", MAC, "0000:00:09.0")
    machine.interface("eth0.5", MAC, None)
    machine.prints(f"interface=eth0 {items()}")


def test_of_interfaces_with_one_mac_the_place_decides(machine):
    """As those that a bond has."""
    machine.record("0000:00:03.0")
    machine.record("0000:00:04.0", "52:54:00:12:34:57")
    machine.interface("eth0", MAC, "0000:00:03.0")
    machine.interface("eth1", MAC, "0000:00:04.0")
    machine.prints(
        f"interface=eth0 {items('0000:00:03.0')}",
        f"interface=eth1 {items('0000:00:04.0', '52:54:00:12:34:57')}",
    )


def test_mac_decides_when_buses_were_renumbered(machine):
    machine.record("0000:01:00.0")
    machine.interface("eth0", "52:54:00:00:00:01", "0000:01:00.0")
    machine.interface("eth1", MAC, "0000:02:00.0")
    machine.prints(f"interface=eth1 {items('0000:01:00.0')}")


def test_items_of_a_later_driver_are_printed(machine):
    text = "driver=0.3.0 pci=0000:00:03.0 mac=52:54:00:12:34:56 new=1 from=x"
    machine.variable("0000:00:03.0", f"format=1 {text}\n".encode())
    machine.prints(f"interface=- {text}")


def test_name_of_the_other_driver_changes_no_item(machine):
    machine.record(source="x from=y mac=00:00:00:00:00:00 pci=1")
    machine.interface("eth0", MAC, "0000:00:09.0")
    machine.prints(f"interface=eth0 {items(source='x from=y mac=00:00:00:00:00:00 pci=1')}")


def test_control_characters_are_not_printed(machine):
    machine.variable("0000:00:03.0", f"format=1 {items(source='a')}".encode() + b"\x1b[2J\x00\xe9b\nsecond\n")
    machine.prints(f"interface=- {items(source='a[2Jb')}")


def test_runs_in_bash_dash_and_busybox(machine):
    machine.record()
    machine.interface("eth0", MAC, "0000:00:03.0")
    busybox = ROOT / "build/linux/busybox"
    shells = [("bash",), ("dash",)] + [(str(busybox), "sh")] * busybox.exists()
    for shell in shells:
        done = machine.run(shell=shell)
        assert (done.stderr, done.stdout) == ("", f"interface=eth0 {items()}\n"), shell


def test_folder_may_be_named(machine, tmp_path):
    """Also that of a machine that is not this one."""
    machine.record()
    (tmp_path / "copy").mkdir()
    machine.efivars.rename(tmp_path / "copy/with a space")
    (tmp_path / "sys/firmware/efi").rmdir()
    done = machine.run(tmp_path / "copy/with a space")
    assert (done.stderr, done.stdout, done.returncode) == ("", f"interface=- {items()}\n", 0)


def test_without_uefi(machine):
    for path in machine.efivars.iterdir():
        path.unlink()
    machine.efivars.rmdir()
    (machine.root / "sys/firmware/efi").rmdir()
    assert machine.says("not booted by UEFI", 2) == ""


def test_without_runtime_services(machine):
    for path in machine.efivars.iterdir():
        path.unlink()
    machine.efivars.rmdir()
    assert machine.says("the kernel has no EFI variables", 2) == ""


def test_without_efivarfs(machine):
    for path in machine.efivars.iterdir():
        path.unlink()
    assert machine.says("efivarfs is not mounted (mount -t efivarfs efivarfs ", 2) == ""


def test_folder_that_does_not_exist(machine, tmp_path):
    assert machine.says("nothing: no such folder", 2, tmp_path / "nothing") == ""


def test_without_a_variable(machine):
    options = machine.efivars / f"VirtioNetOptions-{GUID}"
    options.write_bytes(bytes(8))
    assert machine.says("had no NIC when Linux was booted, or is older than 0.2.0", 1) == ""


@pytest.mark.parametrize(
    ("content", "attributes", "words"),
    [
        (f"format=1 {items()}\n".encode(), 7, "not the driver's: attributes 7 0 0 0"),
        (f"format=1 {items()}\n".encode(), 2, "not the driver's: attributes 2 0 0 0"),
        (f"format=1 {items()}\n".encode(), 0x106, "not the driver's: attributes 6 1 0 0"),
        (f"format=2 {items()}\n".encode(), 6, "2 is the format of another version"),
        (f"format=11 {items()}\n".encode(), 6, "11 is the format of another version"),
        (b"format=1 driver=0.2.0\n", 6, "damaged"),
        (b"driver=0.2.0 from=\n", 6, "damaged"),
        (b"", 6, "damaged"),
    ],
)
def test_bad_record_is_named_and_the_others_are_printed(machine, content, attributes, words):
    machine.record("0000:00:02.0")
    machine.variable("0000:00:03.0", content, attributes)
    machine.record("0000:00:04.0")
    printed = machine.says(f"VirtioNetNic-0000:00:03.0: {words}", 2)
    assert printed == f"interface=- {items('0000:00:02.0')}\ninterface=- {items('0000:00:04.0')}\n"


def test_record_that_cannot_be_read(machine):
    machine.variable("0000:00:03.0", b"").write_bytes(b"")
    assert machine.says("VirtioNetNic-0000:00:03.0: cannot be read", 2) == ""


@pytest.mark.parametrize("arguments", [("--wrong",), ("a", "b")])
def test_wrong_usage(machine, arguments):
    assert machine.says("see --help", 2, *arguments) == ""


def test_help(machine):
    done = machine.run("--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: report.sh [DIR]")
    assert "set -eu" not in done.stdout
