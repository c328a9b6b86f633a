# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about the release archive of `make dist`. Run by `make deploy`, which makes it first."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pefile
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build"
VERSION = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
ARCHIVE = ROOT / f"build/dist/virtio-net-{VERSION}.tar.gz"
MACHINES = {
    "x86_64": 0x8664,
    "ia32": 0x14C,
    "aarch64": 0xAA64,
    "riscv64": 0x5064,
    "loongarch64": 0x6264,
}
ARCHES = os.environ.get("ARCHES", "x86_64 ia32 aarch64").split()  # what make builds here


def library(arch: str) -> Path:
    """Where gnu-efi's code for an architecture is."""
    root = {"x86_64": "/usr", "ia32": "/usr"}.get(arch, f"build/gnu-efi/{arch}/usr")
    folders = [f"{root}/lib32"] if arch == "ia32" else [f"{root}/lib/{arch}-linux-gnu", f"{root}/lib"]
    return next(Path(folder) for folder in folders if (ROOT / folder / "libgnuefi.a").exists())


LIBRARIES = {arch: library(arch) for arch in ARCHES}
KINDS = ("virtio-net.efi", "virtio-net.debug", "virtio-net.rom")
BUILDS = ("virtio-net.rom", *(f"{arch}/{kind}" for arch in LIBRARIES for kind in KINDS))
SCRIPTS = ("install.sh", "report.sh", "virtio-net-gdb.py")
DOCUMENTS = ("README.md", "CHANGELOG.md", "LICENSE", "LICENSE.gnu-efi")
LISTS = ("SHA256SUMS", "virtio-net.spdx.json")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in the archive, unpacked."""
    folder = tmp_path_factory.mktemp("release")
    subprocess.run(["tar", "-xzf", ARCHIVE], cwd=folder, check=True)
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def sbom(release: Path) -> dict:
    return json.loads((release / "virtio-net.spdx.json").read_text())


def environment() -> dict[str, str]:
    """Without what the outer make exported."""
    drop = ("MAKE", "MFLAGS", "SOURCE_DATE_EPOCH")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_archive_holds_these_files_in_one_folder(release):
    assert release.name == f"virtio-net-{VERSION}"
    assert files_of(release) == {*BUILDS, *SCRIPTS, *DOCUMENTS, *LISTS}


def test_files_are_those_of_the_build_and_the_source(release):
    sources = {name: BUILT / name for name in BUILDS}
    sources |= {name: ROOT / "scripts" / name for name in SCRIPTS}
    sources |= {name: ROOT / name for name in DOCUMENTS[:3]}
    for name, source in sources.items():
        assert (release / name).read_bytes() == source.read_bytes(), name


@pytest.mark.parametrize("arch", ARCHES)
def test_each_folder_has_the_driver_for_its_architecture(release, arch):
    with pefile.PE(release / arch / "virtio-net.efi") as image:
        assert image.FILE_HEADER.Machine == MACHINES[arch]


def test_archive_tells_nothing_of_who_packed_it_and_when():
    with tarfile.open(ARCHIVE) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    for member in members:
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert member.mtime == 0
        executable = member.isdir() or member.name.endswith(".sh")
        assert member.mode == (0o755 if executable else 0o644), member.name


def test_checksums_verify_and_leave_nothing_out(release):
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=True)
    listed = {line.split()[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == files_of(release) - {"SHA256SUMS"}


@pytest.mark.parametrize("arch", LIBRARIES)
def test_debug_symbols_are_those_of_the_driver(release, arch):
    names = subprocess.run(
        ["nm", release / arch / "virtio-net.debug"], capture_output=True, text=True, check=True
    ).stdout
    assert " snp_transmit\n" in names


def test_bill_of_materials_is_spdx_2_3(sbom):
    assert (sbom["spdxVersion"], sbom["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    assert sbom["documentNamespace"].startswith("https://")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sbom["creationInfo"]["created"])
    elements = [sbom, *sbom["packages"], *sbom["files"]]
    ids = [element["SPDXID"] for element in elements]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identifier) for identifier in ids)
    for relation in sbom["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= set(ids)


def test_bill_of_materials_lists_every_file_with_its_hashes(release, sbom):
    listed = {file["fileName"]: file for file in sbom["files"] if file["fileName"].startswith("./")}
    assert set(listed) == {f"./{name}" for name in files_of(release) - set(LISTS)}
    for name, file in listed.items():
        data = (release / name).read_bytes()
        assert {entry["algorithm"]: entry["checksumValue"] for entry in file["checksums"]} == {
            "SHA1": hashlib.sha1(data).hexdigest(),
            "SHA256": hashlib.sha256(data).hexdigest(),
        }


def test_bill_of_materials_describes_this_version(sbom):
    ours = sbom["packages"][0]
    assert (ours["name"], ours["versionInfo"]) == ("virtio-net", VERSION)
    assert ours["licenseDeclared"] == "BSD-2-Clause-Patent AND BSD-3-Clause"
    assert len(sbom["packages"]) == 1 + len(LIBRARIES)


@pytest.mark.parametrize("arch", LIBRARIES)
def test_bill_of_materials_names_the_gnu_efi_code_in_the_driver(sbom, arch):
    ids = {file["SPDXID"]: file for file in sbom["files"]}
    gnu_efi = sbom["packages"][1 + list(LIBRARIES).index(arch)]
    driver = next(i for i, file in ids.items() if file["fileName"] == f"./{arch}/virtio-net.efi")
    assert (gnu_efi["name"], gnu_efi["licenseDeclared"]) == ("gnu-efi", "BSD-3-Clause")
    assert re.match(r"\d", gnu_efi["versionInfo"])
    relations = {(r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"])
                 for r in sbom["relationships"]}
    assert (driver, "STATIC_LINK", gnu_efi["SPDXID"]) in relations
    parts = [ids[to]["fileName"] for who, kind, to in relations
             if (who, kind) == (gnu_efi["SPDXID"], "CONTAINS")]
    assert parts == [str(LIBRARIES[arch] / "libgnuefi.a")]
    for part in parts:
        file = next(file for file in sbom["files"] if file["fileName"] == part)
        digest = hashlib.sha256((ROOT / part).read_bytes()).hexdigest()
        assert file["checksums"][1]["checksumValue"] == digest


def test_package_verification_codes_are_right(sbom):
    ids = {file["SPDXID"]: file for file in sbom["files"]}
    for package in sbom["packages"]:
        sha1s = sorted(
            ids[relation["relatedSpdxElement"]]["checksums"][0]["checksumValue"]
            for relation in sbom["relationships"]
            if (relation["spdxElementId"], relation["relationshipType"])
            == (package["SPDXID"], "CONTAINS")
        )
        code = package["packageVerificationCode"]["packageVerificationCodeValue"]
        assert code == hashlib.sha1("".join(sha1s).encode()).hexdigest()


def test_licence_of_gnu_efi_is_with_the_binaries(release):
    assert "Hewlett-Packard" in (release / "LICENSE.gnu-efi").read_text()


def test_build_in_another_folder_gives_the_same_archive_and_esp_image(tmp_path):
    tree = tmp_path / "another folder with a longer name"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    (tree / "build").mkdir()
    (tree / "build/gnu-efi").symlink_to(ROOT / "build/gnu-efi")
    subprocess.run(
        ["sh", "-c", 'umask 077; exec make -j"$(nproc)" dist esp'],
        cwd=tree,
        env=environment() | {"LC_ALL": "C", "TZ": "Asia/Tokyo"},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=600,
    )
    for name in (f"dist/{ARCHIVE.name}", "esp.img"):
        ours, theirs = ROOT / "build" / name, tree / "build" / name
        assert theirs.read_bytes() == ours.read_bytes(), name


def refusal(built: Path, dist: Path, **more: str) -> str:
    """What dist.sh says when it refuses and leaves nothing."""
    dist.mkdir()
    done = subprocess.run(
        [ROOT / "scripts/dist.sh", VERSION, built, dist, "x86_64=/usr/lib", "ia32=/usr/lib32"],
        env=environment() | more,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert list(dist.iterdir()) == []
    return done.stderr


def test_dist_refuses_without_the_licence_of_gnu_efi(tmp_path):
    said = refusal(BUILT, tmp_path / "dist", GNUEFI_LICENSE="/does/not/exist")
    assert said.startswith("dist: /does/not/exist: missing")


@pytest.mark.parametrize("missing", ["ia32/virtio-net.efi", "x86_64/virtio-net.debug", "virtio-net.rom"])
def test_dist_refuses_without_a_file_of_one_architecture(tmp_path, missing):
    for name in BUILDS:
        (tmp_path / "built" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "built" / name).write_bytes((BUILT / name).read_bytes())
    (tmp_path / "built" / missing).unlink()
    said = refusal(tmp_path / "built", tmp_path / "dist")
    assert said == f"dist: {tmp_path}/built/{missing}: missing or empty (run make arches)\n"


def test_dist_that_fails_half_way_keeps_the_earlier_release(tmp_path, monkeypatch):
    """tar fails, as on a full disk, when all but the archive is done."""
    dist, tools = tmp_path / "dist", tmp_path / "tools"
    (dist / f"virtio-net-{VERSION}").mkdir(parents=True)
    earlier = {dist / f"virtio-net-{VERSION}/file", dist / f"virtio-net-{VERSION}.tar.gz"}
    for path in earlier:
        path.write_text("earlier")
    tools.mkdir()
    (tools / "tar").symlink_to("/bin/false")
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    arguments = ["x86_64=/usr/lib", "ia32=/usr/lib32"]
    done = subprocess.run(
        [ROOT / "scripts/dist.sh", VERSION, BUILT, dist, *arguments], env=environment()
    )
    assert done.returncode != 0
    assert {path for path in dist.rglob("*") if path.is_file()} == earlier
    assert all(path.read_text() == "earlier" for path in earlier)
