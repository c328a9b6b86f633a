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

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build/x86_64"
VERSION = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
ARCHIVE = ROOT / f"build/dist/virtio-net-{VERSION}.tar.gz"
BUILDS = ("virtio-net.efi", "virtio-net.debug", "virtio-net.rom")
SCRIPTS = ("install.sh", "virtio-net-gdb.py")
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


def test_archive_holds_these_files_in_one_folder(release):
    built = [name for name in BUILDS if (BUILT / name).exists()]
    assert "virtio-net.efi" in built and "virtio-net.debug" in built
    assert release.name == f"virtio-net-{VERSION}"
    assert {path.name for path in release.iterdir()} == {*built, *SCRIPTS, *DOCUMENTS, *LISTS}


def test_files_are_those_of_the_build_and_the_source(release):
    sources = [BUILT / name for name in BUILDS if (BUILT / name).exists()]
    sources += [ROOT / "scripts" / name for name in SCRIPTS]
    sources += [ROOT / name for name in DOCUMENTS[:3]]
    for source in sources:
        assert (release / source.name).read_bytes() == source.read_bytes(), source.name


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
    assert listed == {path.name for path in release.iterdir()} - {"SHA256SUMS"}


def test_debug_symbols_are_those_of_the_driver(release):
    names = subprocess.run(
        ["nm", release / "virtio-net.debug"], capture_output=True, text=True, check=True
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
    assert set(listed) == {f"./{path.name}" for path in release.iterdir() if path.name not in LISTS}
    for name, file in listed.items():
        data = (release / name).read_bytes()
        assert {entry["algorithm"]: entry["checksumValue"] for entry in file["checksums"]} == {
            "SHA1": hashlib.sha1(data).hexdigest(),
            "SHA256": hashlib.sha256(data).hexdigest(),
        }


def test_bill_of_materials_names_the_gnu_efi_code_in_the_driver(sbom):
    ids = {file["SPDXID"]: file for file in sbom["files"]}
    ours, gnu_efi = sbom["packages"]
    assert (ours["name"], ours["versionInfo"]) == ("virtio-net", VERSION)
    assert ours["licenseDeclared"] == "BSD-2-Clause-Patent AND BSD-3-Clause"
    assert (gnu_efi["name"], gnu_efi["licenseDeclared"]) == ("gnu-efi", "BSD-3-Clause")
    assert re.match(r"\d", gnu_efi["versionInfo"])
    relations = {(r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"])
                 for r in sbom["relationships"]}
    assert ("SPDXRef-File-virtio-net.efi", "STATIC_LINK", gnu_efi["SPDXID"]) in relations
    parts = [ids[to]["fileName"] for who, kind, to in relations
             if (who, kind) == (gnu_efi["SPDXID"], "CONTAINS")]
    assert sorted(Path(part).name for part in parts) == ["crt0-efi-x86_64.o", "libgnuefi.a"]
    for part in parts:
        file = next(file for file in sbom["files"] if file["fileName"] == part)
        digest = hashlib.sha256(Path(part).read_bytes()).hexdigest()
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
    tree = tmp_path / "another_folder_with_a_longer_name"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    subprocess.run(
        ["sh", "-c", "umask 077; exec make dist esp"],
        cwd=tree,
        env=environment() | {"LC_ALL": "C", "TZ": "Asia/Tokyo"},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    for name in (f"dist/{ARCHIVE.name}", "x86_64/esp.img"):
        ours, theirs = ROOT / "build" / name, tree / "build" / name
        assert theirs.read_bytes() == ours.read_bytes(), name


def test_dist_refuses_without_the_licence_of_gnu_efi(tmp_path):
    done = subprocess.run(
        [ROOT / "scripts/dist.sh", VERSION, BUILT, tmp_path],
        env=environment() | {"GNUEFI_LICENSE": "/does/not/exist"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("dist: /does/not/exist: missing")
    assert list(tmp_path.iterdir()) == []
