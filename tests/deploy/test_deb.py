# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about the Debian package of `make deb`, built once from a clone of this tree as it is.

tests/distro/package.sh installs, uses, upgrades and purges it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
ARCHES = subprocess.run(
    [ROOT / "scripts/setup.sh", "--arches"], capture_output=True, text=True, check=True
).stdout.split()
PACKAGE = f"virtio-net-efi_{VERSION}_all.deb"
SOURCE = f"virtio-net-efi_{VERSION}.tar.xz"
ROM = "virtio-net-efi.rom"
DOCUMENTS = (
    "CHANGELOG.md.gz",
    "DEPLOY.md.gz",
    "README.Debian",
    "README.md.gz",
    "SECURITY.md.gz",
    "changelog.gz",
    "copyright",
    "copyright.gnu-efi.gz",
)
FILES = {
    *(f"usr/lib/virtio-net-efi/{arch}/virtio-net.efi" for arch in ARCHES),
    "usr/lib/virtio-net-efi/install.sh",
    "usr/lib/virtio-net-efi/report.sh",
    "usr/bin/virtio-net-efi-report",
    "usr/sbin/virtio-net-efi-install",
    f"usr/share/qemu/{ROM}",
    "usr/share/man/man1/virtio-net-efi-report.1.gz",
    "usr/share/man/man8/virtio-net-efi-install.8.gz",
    *(f"usr/share/doc/virtio-net-efi/{name}" for name in DOCUMENTS),
}


def environment(**more: str) -> dict[str, str]:
    """Without what the outer make exported."""
    drop = ("MAKE", "MFLAGS", "SOURCE_DATE_EPOCH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    return kept | {"GNU_EFI": str(ROOT / "build/gnu-efi")} | more


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    command = ["git", "-C", folder, *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def clone_into(folder: Path) -> Path:
    """A clone whose HEAD is this tree as it is, with what is not committed here."""
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=tree")
    return folder


def build(tree: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """As a careful user runs it, whose files nobody else can read."""
    return subprocess.run(
        ["scripts/deb.sh", "build/deb"],
        cwd=tree,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=900,
        umask=0o077,
    )


def refuses(tree: Path, words: str, **more: str) -> None:
    """Its last line holds these words; an earlier package is unchanged, and nothing else is left."""
    earlier = tree / "build/deb/earlier"
    earlier.parent.mkdir(parents=True, exist_ok=True)
    earlier.write_text("earlier")
    done = build(tree, **more)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("deb: ") and words in last
    assert [path for path in (tree / "build").rglob("*") if path.is_file()] == [earlier]
    assert [path.name for path in (tree / "build").iterdir()] == ["deb"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone_into(tmp_path_factory.mktemp("a folder with spaces"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that make deb fills."""
    tree = clone_into(tmp_path_factory.mktemp("built here"))
    done = build(tree)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and git(tree, "status", "--porcelain") == ""
    return tree / "build/deb"


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "-x", built / PACKAGE, folder], check=True)
    return folder


def test_package_source_and_their_records_are_all_that_is_written(built):
    records = [f"virtio-net-efi_{VERSION}_amd64.{kind}" for kind in ("buildinfo", "changes")]
    assert {path.name for path in built.iterdir()} == {
        PACKAGE, SOURCE, f"virtio-net-efi_{VERSION}.dsc", *records
    }


def test_package_contains_these_files(unpacked):
    found = {path for path in unpacked.rglob("*") if not path.is_dir()}
    assert {str(path.relative_to(unpacked)) for path in found} == FILES
    for path in found:
        executable = path.suffix == ".sh" or path.parent.name in ("bin", "sbin")
        assert path.stat().st_mode & 0o777 == (0o755 if executable else 0o644), path


def test_package_is_for_every_architecture_and_has_the_project_s_version(built):
    fields = subprocess.run(
        ["dpkg-deb", "--field", built / PACKAGE, "Version", "Architecture", "Recommends"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert fields.stdout == f"Version: {VERSION}\nArchitecture: all\nRecommends: efibootmgr\n"


@pytest.mark.parametrize("arch", ARCHES)
def test_driver_is_the_one_that_make_builds(unpacked, arch):
    ours = unpacked / "usr/lib/virtio-net-efi" / arch / "virtio-net.efi"
    assert ours.read_bytes() == (ROOT / "build" / arch / "virtio-net.efi").read_bytes()


def test_option_rom_contains_every_driver(unpacked):
    rom = (unpacked / "usr/share/qemu" / ROM).read_bytes()
    for arch in ARCHES:
        driver = unpacked / "usr/lib/virtio-net-efi" / arch / "virtio-net.efi"
        assert driver.read_bytes() in rom, arch


@pytest.mark.parametrize(
    ("command", "script", "usage"),
    [("sbin/virtio-net-efi-install", "install.sh", "[--esp DIR]"), ("bin/virtio-net-efi-report", "report.sh", "[DIR]")],
)
def test_command_is_the_script_next_to_the_drivers(unpacked, command, script, usage):
    command = unpacked / "usr" / command
    assert command.resolve() == unpacked / "usr/lib/virtio-net-efi" / script
    assert command.read_bytes() == (ROOT / "scripts" / script).read_bytes()
    said = subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"usage: {command.name} {usage}")
    assert script not in said


def qemu_error(*arguments: str | Path) -> str:
    """What QEMU says when it ends right after it has made its devices."""
    command = ["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-display", "none", "-S"]
    return subprocess.run(
        [*command, "-monitor", "stdio", *arguments],
        input="quit\n", capture_output=True, text=True, timeout=60,
    ).stderr  # fmt: skip


def test_qemu_finds_the_option_rom_by_name(unpacked):
    """In a stand-in for one of the folders in which Debian's QEMU searches."""
    folders = subprocess.run(
        ["qemu-system-x86_64", "-L", "help"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "/usr/share/qemu" in map(os.path.normpath, folders)
    nic = ["-device", f"virtio-net-pci,romfile={ROM}"]
    assert f'failed to find romfile "{ROM}"' in qemu_error("-L", unpacked, *nic)
    assert "romfile" not in qemu_error("-L", unpacked / "usr/share/qemu", *nic)


def test_source_package_is_the_committed_tree(built):
    """Without git's own files, which dpkg-source leaves out."""
    with tarfile.open(built / SOURCE) as archive:
        names = {member.name for member in archive if not member.isdir()}
    top = f"virtio-net-efi-{VERSION}"
    committed = set(git(built.parents[1], "ls-files").splitlines()) - {".gitattributes", ".gitignore"}
    assert names == {f"{top}/{name}" for name in committed}


def test_modes_in_the_source_package_do_not_depend_on_who_builds_it(built):
    with tarfile.open(built / SOURCE) as source:
        modes = {(member.isdir(), member.mode) for member in source if not member.issym()}
    assert modes == {(True, 0o755), (False, 0o644), (False, 0o755)}


def test_source_package_names_the_compilers(built):
    dsc = (built / f"virtio-net-efi_{VERSION}.dsc").read_text()
    needed = re.search(r"^Build-Depends: (.*)", dsc, re.MULTILINE)[1]
    for package in ("gnu-efi", "gcc-aarch64-linux-gnu", "gcc-riscv64-linux-gnu", "gcc-loongarch64-linux-gnu"):
        assert re.search(rf"(^|, ){package}\b", needed), package


def test_refuses_what_is_not_committed(tree):
    changed, added = tree / "LICENSE", tree / "added file.c"
    before = changed.read_text()
    changed.write_text("another")
    added.write_text("")
    refuses(tree, 'not committed: LICENSE "added file.c"')
    changed.write_text(before)
    added.unlink()


def test_refuses_a_tree_that_is_no_clone(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "inner", ignore=shutil.ignore_patterns(".git", "build"))
    git(tmp_path, "init", "--quiet")
    refuses(tmp_path / "inner", "inner: not a clone")


@pytest.mark.parametrize("arch", sorted({*ARCHES} - {"x86_64", "ia32"}))
def test_refuses_to_leave_out_an_architecture(tree, tmp_path, arch):
    for other in {*ARCHES} - {arch, "x86_64", "ia32"}:
        (tmp_path / other).mkdir()
        (tmp_path / other / "complete").touch()
    refuses(tree, f"debian/rules: {arch}: no gnu-efi in", GNU_EFI=str(tmp_path))


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A folder for PATH in which dpkg-buildpackage ends at once."""
    stub(tmp_path / "dpkg-buildpackage", "touch ../x.deb ../x.changes")
    return tmp_path


def stub(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_refuses_what_lintian_complains_about(tree, stubs):
    stub(stubs / "lintian", 'echo "P: complaint"; exit 2')
    refuses(tree, "lintian complains", PATH=f"{stubs}:{os.environ['PATH']}")


def test_refuses_without_lintian(tree, stubs):
    for tool in "bash cut dirname git grep mktemp paste realpath rm sed tail".split():
        (stubs / tool).symlink_to(shutil.which(tool) or tool)
    stub(stubs / "dh", "")
    refuses(tree, "lintian: not installed", PATH=str(stubs))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("CHANGELOG.md", f"## {VERSION} ", "## 9.9.9 "),
        ("debian/changelog", f"({VERSION})", "(9.9.9)"),
        ("debian/virtio-net-efi-report.1", f"virtio-net.efi {VERSION}", "virtio-net.efi 9.9.9"),
        ("debian/virtio-net-efi-install.8", f"virtio-net.efi {VERSION}", "virtio-net.efi 9.9.9"),
        ("README.md", f"virtio-net-{VERSION}.tar", "virtio-net-9.9.9.tar"),
        ("README.md", f"virtio-net-efi_{VERSION}_", "virtio-net-efi_9.9.9_"),
    ],
)
def test_lint_version_names_another_version(tree, tmp_path, name, before, after):
    pages = ("debian/virtio-net-efi-install.8", "debian/virtio-net-efi-report.1")
    for file in ("Makefile", "CHANGELOG.md", "README.md", "debian/changelog", *pages):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(tree / file, tmp_path / file)
    lint = [ROOT / "scripts/lint-version.py", tmp_path]
    assert subprocess.run(lint, capture_output=True, text=True).stdout == ""
    text = (tmp_path / name).read_text()
    assert before in text
    (tmp_path / name).write_text(text.replace(before, after, 1))
    done = subprocess.run(lint, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (
        1, f"{name}: version 9.9.9, and {VERSION} in the Makefile\n"
    )  # fmt: skip
