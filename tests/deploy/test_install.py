# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/install.sh, on a stand-in for the machine: INSTALL_ROOT is a folder with
/sys, /proc and an ESP, and efibootmgr, blkid and id are stubs. No privilege is needed. The same
script with the real tools, firmware and FAT is tests/qemu/test_from_linux.py's.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "install.sh"
STUB = Path(__file__).with_name("efibootmgr")
DRIVER = b"MZ" + bytes(range(256)) * 128
UUID = "1da888f4-44fa-7d45-af18-1cdc501b4278"
ARCHES = ("x86_64", "ia32", "aarch64", "riscv64", "loongarch64")
LOADER = r"\EFI\virtio-net\virtio-net.efi"
TOOLS = "awk basename cat cmp cp dirname ls mkdir mv readlink rm rmdir sed sh sync tr"


class Machine:
    """What install.sh sees; `variables` is the stub's store, NUMBER mark label path a line."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.esp = self.root / "boot/efi"
        self.driver = folder / "virtio-net.efi"
        self.driver.write_bytes(DRIVER)
        self.variables = folder / "variables"
        self.variables.write_text("")
        self.order = folder / "order"
        self.fails_on = ""
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.esp.mkdir(parents=True)
        (self.root / "sys/firmware/efi").mkdir(parents=True)
        self.platform("x86_64", 64)
        self.mount(self.esp)
        for name, content in (("start", "2048"), ("partition", "1")):
            path = self.root / "sys/devices/vda/vda1" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        (self.root / "sys/class/block").mkdir(parents=True)
        (self.root / "sys/class/block/vda1").symlink_to("../../devices/vda/vda1")
        for tool in TOOLS.split():
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.stub("id", "echo 0")
        self.stub("blkid", f"echo {UUID}")
        shutil.copy(STUB, self.bin)

    def stub(self, name: str, body: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.bin / name).chmod(0o755)

    def platform(self, processor: str, firmware_bits: int | None) -> None:
        """What uname -m says, and what the kernel says of the firmware, if anything."""
        self.stub("uname", f"echo {processor}")
        size = self.root / "sys/firmware/efi/fw_platform_size"
        size.unlink(missing_ok=True)
        if firmware_bits is not None:
            size.write_text(f"{firmware_bits}\n")

    def mount(self, where: Path, kind: str = "vfat") -> None:
        mounts = self.root / "proc/self/mounts"
        mounts.parent.mkdir(parents=True, exist_ok=True)
        mounts.write_text(f"sysfs /sys sysfs rw 0 0\n/dev/vda1 {where} {kind} rw 0 0\n")

    def run(self, *arguments: str, file_limit: int | None = None) -> subprocess.CompletedProcess:
        def limit() -> None:
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        if "--remove" not in arguments and "--driver" not in arguments:
            arguments += ("--driver", str(self.driver))
        return subprocess.run(
            [str(SCRIPT), *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            preexec_fn=limit,
            timeout=60,
        )

    def environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "INSTALL_ROOT": str(self.root),
            "VARIABLES": str(self.variables),
            "ORDER": str(self.order),
            "FAILS_ON": self.fails_on,
        }

    def state(self) -> dict[str, object]:
        """All files of the ESP, with their modification times, all folders and all variables."""
        files = {
            str(path.relative_to(self.esp)): (
                (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else None
            )
            for path in sorted(self.esp.rglob("*"))
        }
        order = self.order.read_text() if self.order.exists() else None
        return {"files": files, "variables": self.variables.read_text(), "order": order}

    def installed(self) -> bytes | None:
        target = self.esp / "EFI/virtio-net/virtio-net.efi"
        return target.read_bytes() if target.exists() else None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


DISK = "PciRoot(0x0)/Pci(0x4,0x0)/"


def variable(
    number: str = "0000", mark: str = "*", uuid: str = UUID, path: str = LOADER, disk: str = DISK
) -> str:
    return f"{number}|{mark}|virtio-net|{disk}HD(1,GPT,{uuid},0x800,0x12000)/File({path})\n"


def refuses(machine: Machine, words: str, *arguments: str, **options: int) -> None:
    """It fails with one line of ours that holds these words, and changes nothing."""
    before = machine.state()
    done = machine.run(*arguments, **options)
    assert done.returncode != 0
    assert words in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("install: ")
    assert machine.state() == before


def changes_nothing(machine: Machine, *arguments: str) -> None:
    before = machine.state()
    done = machine.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("install: nothing to do")
    assert machine.state() == before


def succeeds(machine: Machine, *arguments: str) -> str:
    done = machine.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run_unheard(machine: Machine, how: str, *arguments: str, stderr: bool = False):
    """Like Machine.run, with nobody at the other end of standard output, or also of standard error.
    Neither may cost more than the messages."""
    if "--remove" not in arguments:
        arguments += ("--driver", str(machine.driver))
    read, write = os.pipe()
    os.close(read)
    closes = (">&- 2>&-" if stderr else ">&-") if how == "closed" else ""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {closes}', "sh", str(SCRIPT), *arguments],
        env=machine.environment(),
        stdout=write,
        stderr=write if stderr else subprocess.PIPE,
        text=True,
        restore_signals=True,  # SIGPIPE ends a program again, as in a shell
        timeout=60,
    )
    os.close(write)
    return done


@pytest.mark.parametrize("stderr", [False, True], ids=["stdout", "stdout and stderr"])
@pytest.mark.parametrize("how", ["closed", "a pipe that nobody reads"])
def test_output_that_nobody_reads_costs_nothing_but_messages(machine, how, stderr):
    done = run_unheard(machine, how, stderr=stderr)
    assert (done.returncode, done.stderr or "") == (0, "")
    assert machine.installed() == DRIVER
    assert machine.variables.read_text() == variable()
    done = run_unheard(machine, how, "--remove", stderr=stderr)
    assert (done.returncode, done.stderr or "") == (0, "")
    assert machine.installed() is None
    assert machine.variables.read_text() == ""


@pytest.mark.parametrize("how", ["closed", "a pipe that nobody reads"])
def test_failure_that_nobody_hears_leaves_nothing(machine, how):
    machine.fails_on = "--create"
    before = machine.state()
    assert run_unheard(machine, how, stderr=True).returncode != 0
    assert machine.state() == before


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
@pytest.mark.parametrize("remove", [False, True], ids=["install", "remove"])
def test_signal_leaves_the_old_state_or_the_new(machine, remove, name):
    """One that arrives while efibootmgr changes the variable."""
    if remove:
        succeeds(machine)
    real, change = machine.bin / "real", "--delete-bootnum" if remove else "--create"
    (machine.bin / "efibootmgr").rename(real)
    kill = f'case "$*" in *{change}*) kill -{name} $PPID ;; esac'
    machine.stub("efibootmgr", f'{kill}\nexec {real} "$@"')
    machine.run(*["--remove"] if remove else [])
    assert (machine.installed() is None) == (machine.variables.read_text() == "")


@pytest.mark.parametrize("name", ["my esp", "tab\there", "back\\slash", "line\nend"])
def test_mount_point_may_have_any_name(machine, name):
    esp = machine.root / "media" / name
    esp.mkdir(parents=True)
    escaped = str(esp)
    for character in "\\ \t\n":  # as /proc/self/mounts writes them
        escaped = escaped.replace(character, f"\\{ord(character):03o}")
    machine.mount(Path(escaped))
    succeeds(machine, "--esp", str(esp))
    assert (esp / "EFI/virtio-net/virtio-net.efi").read_bytes() == DRIVER


def test_copies_the_driver_and_adds_one_active_variable(machine):
    succeeds(machine)
    assert machine.installed() == DRIVER
    assert machine.variables.read_text() == variable()
    assert machine.order.read_text() == "0000"


def test_second_run_changes_nothing(machine):
    succeeds(machine)
    changes_nothing(machine)


def test_remove_leaves_neither_file_nor_folder_nor_variable(machine):
    before = machine.state()
    succeeds(machine)
    succeeds(machine, "--remove")
    assert machine.state() == before


def test_second_remove_changes_nothing(machine):
    succeeds(machine)
    succeeds(machine, "--remove")
    changes_nothing(machine, "--remove")


def test_remove_works_without_a_driver_at_hand(machine):
    succeeds(machine)
    machine.driver.unlink()
    succeeds(machine, "--remove")
    assert machine.installed() is None


def test_update_replaces_the_file_alone(machine):
    succeeds(machine)
    machine.driver.write_bytes(DRIVER + b"new")
    succeeds(machine)
    assert machine.installed() == DRIVER + b"new"
    assert machine.variables.read_text() == variable()


def test_other_variables_and_files_survive_both_ways(machine):
    others = variable("0000", path=r"\EFI\other\ext4.efi") + variable("0001", uuid=UUID[::-1])
    machine.variables.write_text(others)
    machine.order.write_text("0001,0000")
    (machine.esp / "EFI/debian").mkdir(parents=True)
    (machine.esp / "EFI/debian/grubx64.efi").write_bytes(b"MZ")
    before = machine.state()
    succeeds(machine)
    assert machine.variables.read_text() == others + variable("0002")
    assert machine.order.read_text() == "0002,0001,0000"
    succeeds(machine, "--remove")
    assert {**machine.state(), "files": 0} == {**before, "files": 0}
    assert machine.state()["files"].keys() == before["files"].keys()


def test_variable_with_options_of_the_user_is_kept(machine):
    succeeds(machine)
    machine.variables.write_text(variable()[:-1] + "v.e.r.b.o.s.e.\n")
    changes_nothing(machine)


def test_variable_is_found_in_efibootmgr_18_form_and_in_any_case(machine):
    succeeds(machine)
    text = variable(uuid=UUID.upper()).replace("File(", "").replace(".efi)", ".EFI")
    machine.variables.write_text(text)
    changes_nothing(machine)


def test_disk_that_efibootmgr_cannot_name_is_left_out(machine):
    machine.fails_on = "-e"
    succeeds(machine)
    assert machine.variables.read_text() == variable(disk="")
    changes_nothing(machine)
    succeeds(machine, "--remove")
    assert machine.variables.read_text() == ""


@pytest.mark.parametrize("mark", ["*", " "])
def test_variable_without_the_disk_is_replaced_by_one_with_it(machine, mark):
    succeeds(machine)
    machine.variables.write_text(variable(mark=mark, disk=""))
    assert "removed Driver0000" in succeeds(machine)
    assert machine.variables.read_text() == variable("0001")
    assert machine.order.read_text() == "0001"
    changes_nothing(machine)


def test_variable_without_the_disk_is_kept_beside_one_with_it(machine):
    succeeds(machine)
    machine.variables.write_text(variable("0000", disk="") + variable("0001"))
    machine.order.write_text("0000,0001")
    changes_nothing(machine)
    succeeds(machine, "--remove")
    assert machine.variables.read_text() == ""


def test_variable_without_the_disk_but_with_options_of_the_user_is_kept(machine):
    succeeds(machine)
    machine.variables.write_text(variable(disk="")[:-1] + "v.e.r.b.o.s.e.\n")
    changes_nothing(machine)


def test_inactive_variable_is_activated(machine):
    succeeds(machine)
    machine.variables.write_text(variable(mark=" "))
    assert "activated" in succeeds(machine)
    assert machine.variables.read_text() == variable()


def test_variable_outside_driver_order_is_put_into_it(machine):
    succeeds(machine)
    machine.order.write_text("0007")
    assert "DriverOrder" in succeeds(machine)
    assert machine.order.read_text() == "0000,0007"


def test_variable_is_added_when_only_the_file_is_there(machine):
    succeeds(machine)
    machine.variables.write_text("")
    machine.order.unlink()
    succeeds(machine)
    assert machine.variables.read_text() == variable()


@pytest.mark.parametrize("where", ["boot/efi", "efi", "boot"])
def test_esp_is_found_at(machine, where):
    machine.esp = machine.root / where
    machine.esp.mkdir(parents=True, exist_ok=True)
    machine.mount(machine.esp)
    succeeds(machine)
    assert machine.installed() == DRIVER


def test_esp_elsewhere_is_named_with_an_option(machine):
    machine.esp = machine.root / "mnt/stick"
    machine.esp.mkdir(parents=True)
    machine.mount(machine.esp)
    refuses(machine, "no FAT volume is mounted at /boot/efi, /efi or /boot")
    succeeds(machine, "--esp", str(machine.esp) + "/")
    assert machine.installed() == DRIVER


def test_mbr_partition_is_told_by_its_signature(machine):
    succeeds(machine)
    machine.stub("blkid", "echo 0badcafe-01")
    machine.variables.write_text(variable().replace(f"GPT,{UUID}", "MBR,0xbadcafe"))
    changes_nothing(machine)


def install_from(folder: Path, machine: Machine) -> subprocess.CompletedProcess:
    """Run the script of a release or of a tree that lies in `folder`, with no --driver."""
    command = [folder / "install.sh"]
    return subprocess.run(
        command, env=machine.environment(), capture_output=True, text=True, timeout=60
    )


def release(folder: Path, arches: tuple[str, ...] = ARCHES) -> Path:
    """A release's folder, with drivers that can be told apart."""
    for arch in arches:
        (folder / "release" / arch).mkdir(parents=True)
        (folder / "release" / arch / "virtio-net.efi").write_bytes(DRIVER + arch.encode())
    shutil.copy(SCRIPT, folder / "release")
    return folder / "release"


@pytest.mark.parametrize(
    ("processor", "firmware_bits", "arch"),
    [
        ("x86_64", 64, "x86_64"),
        ("x86_64", 32, "ia32"),  # as on tablets: 64-bit Linux on 32-bit firmware
        ("i686", 32, "ia32"),
        ("i686", 64, "x86_64"),
        ("aarch64", 64, "aarch64"),
        ("riscv64", 64, "riscv64"),
        ("loongarch64", 64, "loongarch64"),
    ],
)
def test_driver_is_the_one_for_the_firmware(machine, tmp_path, processor, firmware_bits, arch):
    machine.platform(processor, firmware_bits)
    done = install_from(release(tmp_path), machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installed() == DRIVER + arch.encode()


def test_driver_is_found_next_to_the_script_that_a_link_leads_to(machine, tmp_path):
    """As in the Debian package, whose command is a link."""
    (tmp_path / "command").symlink_to("middle")
    (tmp_path / "middle").symlink_to(release(tmp_path, ("x86_64",)) / "install.sh")
    done = subprocess.run(
        [tmp_path / "command"], env=machine.environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installed() == DRIVER + b"x86_64"


def test_driver_is_found_where_make_puts_it(machine, tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    release(tmp_path, ("ia32",)).rename(tmp_path / "build")
    machine.platform("x86_64", 32)
    done = install_from(tmp_path / "scripts", machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installed() == DRIVER + b"ia32"


@pytest.mark.parametrize(
    ("processor", "firmware_bits", "words"),
    [
        ("mips64", 64, "no driver for 64-bit firmware on mips64; --driver FILE names one"),
        ("aarch64", 32, "no driver for 32-bit firmware on aarch64; --driver FILE names one"),
        ("x86_64", None, "no driver for ?-bit firmware on x86_64; --driver FILE names one"),
    ],
)
def test_refuses_a_firmware_that_no_driver_is_for(
    machine, tmp_path, processor, firmware_bits, words
):
    machine.platform(processor, firmware_bits)
    before = machine.state()
    done = install_from(release(tmp_path), machine)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"install: {words}\n")
    assert machine.state() == before
    # Nothing is to be found out where the user names the driver, or removes it.
    succeeds(machine)
    succeeds(machine, "--remove")


def test_refuses_a_release_that_lacks_the_driver(machine, tmp_path):
    machine.platform("aarch64", 64)
    done = install_from(release(tmp_path, ("x86_64", "ia32")), machine)
    assert done.returncode == 1
    assert done.stderr.endswith("/build/aarch64/virtio-net.efi: missing or empty\n")
    assert machine.installed() is None


def test_refuses_without_root(machine):
    machine.stub("id", "echo 1000")
    refuses(machine, "only root")


def test_refuses_without_uefi(machine):
    shutil.rmtree(machine.root / "sys/firmware/efi")
    refuses(machine, "not booted by UEFI")


def test_refuses_without_efibootmgr(machine):
    (machine.bin / "efibootmgr").unlink()
    refuses(machine, "efibootmgr is missing")


def test_refuses_without_efivarfs(machine):
    machine.stub("efibootmgr", "echo EFI variables are not supported on this system. >&2; exit 2")
    refuses(machine, "efivarfs")


def test_refuses_without_an_esp(machine):
    machine.mount(machine.root / "elsewhere")
    refuses(machine, "no FAT volume is mounted at /boot/efi, /efi or /boot; see --esp")


def test_refuses_an_esp_that_is_not_fat(machine):
    machine.mount(machine.esp, "ext4")
    refuses(machine, "no FAT volume is mounted")
    refuses(machine, "no FAT volume is mounted", "--esp", str(machine.esp))


def test_refuses_an_esp_that_is_no_folder(machine):
    refuses(machine, "no FAT volume is mounted", "--esp", "/does/not/exist")


def test_refuses_a_disk_without_partitions(machine):
    (machine.root / "sys/devices/vda/vda1/partition").unlink()
    refuses(machine, "is not a partition of a disk")


def test_refuses_a_missing_or_empty_driver(machine):
    refuses(machine, "missing or empty", "--driver", "/does/not/exist.efi")
    machine.driver.write_bytes(b"")
    refuses(machine, "missing or empty")


def test_refuses_an_unknown_option(machine):
    refuses(machine, "--force: unknown", "--force")


def test_full_esp_is_left_as_it_was(machine):
    # A limit on the size of files cuts cp off in the middle, as a full file system does.
    refuses(machine, "is the ESP full", file_limit=4096)


def test_full_esp_keeps_the_old_driver(machine):
    succeeds(machine)
    machine.driver.write_bytes(DRIVER + b"new")
    target = machine.esp / "EFI/virtio-net/virtio-net.efi"
    before = machine.state()["variables"], target.stat()
    done = machine.run(file_limit=4096)
    assert done.returncode != 0 and "is the ESP full" in done.stderr
    assert (machine.state()["variables"], target.stat()) == before
    assert os.listdir(target.parent) == [target.name]
    assert machine.installed() == DRIVER


def test_update_that_fails_at_the_variable_brings_the_old_driver_back(machine):
    succeeds(machine)
    machine.variables.write_text(variable(mark=" "))
    machine.driver.write_bytes(DRIVER + b"new")
    machine.fails_on = "--active"
    before = machine.state()
    done = machine.run()
    assert done.returncode != 0 and "efibootmgr failed" in done.stderr
    assert machine.installed() == DRIVER
    assert machine.state() == before


def test_remove_that_fails_at_the_variable_keeps_the_driver(machine):
    succeeds(machine)
    machine.fails_on = "--delete-bootnum"
    refuses(machine, "efibootmgr failed on --bootnum", "--remove")


def test_remove_from_a_read_only_esp_keeps_the_variable(machine):
    succeeds(machine)
    machine.stub("mv", "echo 'mv: Read-only file system' >&2; exit 1")
    refuses(machine, "is the ESP read-only", "--remove")


def test_copy_that_differs_is_not_installed(machine):
    machine.stub("cp", 'echo garbage >"$2"')
    refuses(machine, "cannot write")


def test_full_variable_store_takes_the_new_file_back(machine):
    machine.fails_on = "--create"
    refuses(machine, "efibootmgr failed on --create")
