# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about `make sign` and scripts/sign.sh. tests/qemu shows that firmware agrees."""
import os
import subprocess
from pathlib import Path

import pefile
import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("IMAGE", ROOT / "build/x86_64/virtio-net.efi"))
CERTIFICATES = 4  # of the PE data directories


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          start_new_session=True, **options)  # no terminal: no pass phrase


def make_keys(folder, name, *options):
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    done = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", f"/CN={name}",
               "-keyout", key, "-out", cert, *(options or ["-nodes"]))
    assert done.returncode == 0, done.stderr
    return key, cert


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"), "db")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.efi"


def sign(key, cert, image, out):
    return run(ROOT / "scripts/sign.sh", key, cert, image, out)


def assert_refused(done, complaint, out):
    assert done.returncode != 0
    assert complaint in done.stderr
    assert not out.exists(), "what did not verify must not lie around as signed"
    assert list(out.parent.glob("*.new")) == []


def test_make_sign_writes_image_and_rom(keys, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    make = ["make", "-j2", f"OUT={tmp_path}", "sign"]
    unsigned = run(*make, cwd=ROOT, env=env)
    assert unsigned.returncode != 0 and "no key given" in unsigned.stderr
    done = run(*make, f"KEY={keys[0]}", f"CERT={keys[1]}", cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    signed, rom = tmp_path / "virtio-net.signed.efi", tmp_path / "virtio-net.signed.rom"
    assert run("sbverify", "--cert", keys[1], signed).returncode == 0
    assert run(ROOT / "scripts/check-rom.py", "--sum", rom, "1af4:1000", "1af4:1041").returncode == 0
    assert rom.read_bytes().endswith(signed.read_bytes())


def test_signing_adds_a_certificate_and_changes_no_section(keys, out):
    assert sign(*keys, IMAGE, out).returncode == 0
    before, after = pefile.PE(str(IMAGE)), pefile.PE(str(out))
    assert [s.get_data() for s in before.sections] == [s.get_data() for s in after.sections]
    directory = after.OPTIONAL_HEADER.DATA_DIRECTORY[CERTIFICATES]
    assert directory.VirtualAddress >= IMAGE.stat().st_size and directory.Size > 0
    assert directory.VirtualAddress + directory.Size == out.stat().st_size
    assert after.verify_checksum()
    assert after.OPTIONAL_HEADER.DllCharacteristics == before.OPTIONAL_HEADER.DllCharacteristics


@pytest.mark.parametrize("key, cert, complaint", [
    ("", "", "no key given: make sign KEY=db.key CERT=db.pem"),
    ("/nonexistent.key", "", "no certificate given"),
    ("/nonexistent.key", "/nonexistent.pem", "/nonexistent.key: no such file"),
])
def test_missing_argument_is_said(out, key, cert, complaint):
    assert_refused(sign(key, cert, IMAGE, out), complaint, out)


def test_signature_that_does_not_verify_is_refused(keys, tmp_path, out, monkeypatch):
    (tmp_path / "sbverify").symlink_to("/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert_refused(sign(*keys, IMAGE, out), "does not verify", out)


def test_missing_sbsigntool_is_said(keys, tmp_path, out, monkeypatch):
    for tool in ("bash", "grep", "rm"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_refused(sign(*keys, IMAGE, out), "package sbsigntool", out)


def test_missing_certificate_file_is_said(keys, out):
    assert_refused(sign(keys[0], "/nonexistent.pem", IMAGE, out), "/nonexistent.pem: no such", out)


def test_missing_image_is_said(keys, out):
    assert_refused(sign(*keys, "/nonexistent.efi", out), "/nonexistent.efi: no such file", out)


def test_key_and_certificate_swapped_is_said(keys, out):
    assert_refused(sign(keys[1], keys[0], IMAGE, out), "not a private key in PEM", out)


def test_certificate_in_der_is_said(keys, tmp_path, out):
    der = tmp_path / "db.der"
    assert run("openssl", "x509", "-in", keys[1], "-outform", "der", "-out", der).returncode == 0
    assert_refused(sign(keys[0], der, IMAGE, out), "not a certificate in PEM", out)


def test_certificate_of_another_key_is_refused(keys, tmp_path, out):
    other = make_keys(tmp_path, "other")
    assert_refused(sign(keys[0], other[1], IMAGE, out), "belong to", out)


def test_key_without_its_pass_phrase_is_refused(tmp_path, out):
    locked = make_keys(tmp_path, "locked", "-passout", "pass:secret")
    out.write_bytes(b"signed long ago")
    assert_refused(sign(*locked, IMAGE, out), "pass phrase", out)


def test_image_is_signed_in_place_or_stays_as_it_is(keys, tmp_path, out):
    out.write_bytes(IMAGE.read_bytes())
    assert sign(keys[0], make_keys(tmp_path, "other")[1], out, out).returncode != 0
    assert out.read_bytes() == IMAGE.read_bytes()
    assert sign(*keys, out, out).returncode == 0
    assert run("sbverify", "--cert", keys[1], out).returncode == 0


def test_key_and_certificate_are_never_replaced(keys):
    for file in keys:
        before = file.read_bytes()
        assert "would replace" in sign(*keys, IMAGE, file).stderr
        assert file.read_bytes() == before


def test_what_is_no_image_is_refused(keys, tmp_path, out):
    (tmp_path / "text").write_text("no image")
    assert_refused(sign(*keys, tmp_path / "text", out), "could not sign", out)
