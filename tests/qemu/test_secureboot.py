# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Secure Boot: images signed with an enrolled key run, and the firmware refuses all others.

OVMF with SMM and Debian's snakeoil keys enrolled. It refuses its own shell as well, so a signed
program (apps/nicdriver.c) loads the driver and reports the result. The rows with Secure Boot off show
that the refused files would run, so only the signature made the difference.
"""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import evidence
import pytest
from guest import BUILD, DRIVER, ROOT, VARIABLES, Guest, Nic, require
from platforms import OVMF_SECURE

TIMEOUT_S = 90
SNAKEOIL_VARIABLES = VARIABLES.with_name("OVMF_VARS_4M.snakeoil.fd")
SNAKEOIL_KEY = Path("/usr/share/ovmf/PkKek-1-snakeoil.key")
SNAKEOIL_CERT = SNAKEOIL_KEY.with_suffix(".pem")
SNAKEOIL_PASS_PHRASE = "snakeoil"  # says /usr/share/doc/ovmf/README.Debian
REFUSAL = re.compile("Access Denied|Security Violation")


@dataclass(frozen=True)
class Signed:
    """Images signed with the key that the firmware knows, and with an unknown one."""

    program: Path
    driver: Path
    rom: Path
    by_stranger: Path


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    require(["openssl", "sbsign"], [OVMF_SECURE.firmware, SNAKEOIL_VARIABLES, SNAKEOIL_KEY])
    folder = tmp_path_factory.mktemp("signed")
    key, stranger = folder / "db.key", folder / "stranger.key"
    run("openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", f"pass:{SNAKEOIL_PASS_PHRASE}",
        "-out", key)  # fmt: skip
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger",
        "-keyout", stranger, "-out", stranger.with_suffix(".pem"))  # fmt: skip
    driver = DRIVER or BUILD / "x86_64/virtio-net.efi"
    made = Signed(*(folder / name for name in ("app.efi", "driver.efi", "driver.rom", "other.efi")))
    sign(key, SNAKEOIL_CERT, BUILD / "x86_64/apps/nicdriver.efi", made.program)
    sign(key, SNAKEOIL_CERT, driver, made.driver)
    sign(stranger, stranger.with_suffix(".pem"), driver, made.by_stranger)
    run(ROOT / "scripts/make-rom.py", made.rom, "1af4:1000,1041", made.driver)
    return made


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def sign(key: Path, cert: Path, image: Path, out: Path) -> None:
    run(ROOT / "scripts/sign.sh", key, cert, image, out)


def boot(case: str, program: Path, files: dict[str, Path | bytes], *, secure: bool,
         nic: Nic = Nic("disable-legacy=on,bootindex=1")) -> tuple[Guest, str]:  # fmt: skip
    """Boot nicdriver, which tries the files; the guest, powered off, and the program's output."""
    files = {f"try/{name}": content for name, content in files.items()} if DRIVER else {}
    with Guest(
        f"secureboot-{case}",
        platform=OVMF_SECURE,
        nics=[nic],
        files={"EFI/BOOT/BOOTX64.EFI": program, **files},
        driver=None,
        variables=SNAKEOIL_VARIABLES if secure else VARIABLES,
        paused=True,
        timeout=TIMEOUT_S,
    ) as guest:
        guest.qmp("cont")
        guest.expect("NICDRIVER begins", TIMEOUT_S, what="the signed program")
        output = guest.expect("NICDRIVER ends", 30)
        guest.wait()
    state = f"SECURE BOOT {'on' if secure else 'off'}"
    if state not in output.splitlines():
        raise guest.error(state, output)
    return guest, output


def status_of(guest: Guest, output: str, what: str) -> str:
    found = re.search(rf"^{what}: (.*)$", output, re.MULTILINE)
    if not found:
        raise guest.error(f"`{what}: …`", output)
    return found[1]


def drivers_of_nic(output: str) -> list[str]:
    """Who has the NIC: when the program begins and, if it tried files, at the end."""
    return re.findall(r"^NIC \S+: (.*)$", output, re.MULTILINE)


def assert_runs(case: str, name: str, program: Path, content: Path | bytes, secure: bool) -> None:
    guest, output = boot(case, program, {name: content}, secure=secure)
    for what in (f"LOAD {name}", f"START {name}"):
        if (status := status_of(guest, output, what)) != "Success":
            raise guest.error(f"{what}: Success", status)
    if "REFUSED" in output:
        raise guest.error("no image in the firmware's record of refusals", output)
    before, after = drivers_of_nic(output)
    if evidence.OUR_NAME.fullmatch(before) or not evidence.OUR_NAME.fullmatch(after):
        raise guest.error("the NIC to become ours", f"`{before}`, then `{after}`")


def assert_refused(case: str, name: str, program: Path, content: Path | bytes) -> None:
    guest, output = boot(case, program, {name: content}, secure=True)
    status = status_of(guest, output, f"LOAD {name}")
    if not REFUSAL.fullmatch(status):
        raise guest.error("a refusal (Access Denied or Security Violation)", status)
    refused = re.findall(r"^REFUSED (.*)$", output, re.MULTILINE)
    if len(refused) != 1 or not refused[0].endswith(f"\\try\\{name}"):
        raise guest.error(f"{name} alone in the firmware's record of refusals", str(refused))
    if any(evidence.OUR_NAME.fullmatch(driver) for driver in drivers_of_nic(output)):
        raise guest.error("a NIC that is not ours", output)


def tampered(driver: Path) -> bytes:
    """One bit of a text differs: the code would run as before."""
    image = bytearray(driver.read_bytes())
    image[image.index(b",README.md") + 1] ^= 0x20
    return bytes(image)


def taken_from_rom(rom: Path) -> bytes:
    """What firmware passes to LoadImage: everything from EfiImageHeaderOffset to the image's end."""
    image = rom.read_bytes()
    return image[struct.unpack_from("<H", image, 0x16)[0] :]


def test_signed_driver_runs(signed: Signed) -> None:
    assert_runs("signed", "signed.efi", signed.program, signed.driver, secure=True)


def test_driver_taken_from_a_signed_rom_runs(signed: Signed) -> None:
    image = taken_from_rom(signed.rom)
    assert_runs("from-rom", "from-rom.efi", signed.program, image, secure=True)


def test_signed_rom_binds(signed: Signed) -> None:
    # OVMF trusts every option ROM, so that an unsigned one would not be refused here.
    nic = Nic("disable-legacy=on,bootindex=1", romfile=str(signed.rom) if DRIVER else "")
    guest, output = boot("rom", signed.program, {}, secure=True, nic=nic)
    names = drivers_of_nic(output)
    if len(names) != 1 or not evidence.OUR_NAME.fullmatch(names[0]):
        raise guest.error("our driver on the NIC", str(names))


def test_unsigned_driver_is_refused(signed: Signed) -> None:
    assert_refused("unsigned", "unsigned.efi", signed.program, DRIVER or b"")


def test_driver_signed_by_a_stranger_is_refused(signed: Signed) -> None:
    assert_refused("stranger", "stranger.efi", signed.program, signed.by_stranger)


def test_tampered_driver_is_refused(signed: Signed) -> None:
    assert_refused("tampered", "tampered.efi", signed.program, tampered(signed.driver))


def test_bytes_behind_the_signature_are_refused(signed: Signed) -> None:
    """Why make-rom.py pads before the driver and not, as is usual, after it."""
    image = signed.driver.read_bytes() + bytes(512)
    assert_refused("padded", "padded.efi", signed.program, image)


@pytest.mark.parametrize("name", ["unsigned.efi", "stranger.efi", "tampered.efi", "padded.efi"])
def test_without_secure_boot_the_same_file_runs(signed: Signed, name: str) -> None:
    contents = {
        "unsigned.efi": DRIVER or b"",
        "stranger.efi": signed.by_stranger,
        "tampered.efi": tampered(signed.driver),
        "padded.efi": signed.driver.read_bytes() + bytes(512),
    }
    case = f"off-{Path(name).stem}"
    assert_runs(case, name, signed.program, contents[name], secure=False)
