# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/finish-pe.py: it refuses images for which NX_COMPAT would be a lie."""
import os
import struct
import subprocess
from pathlib import Path

import pefile
import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("IMAGE", ROOT / "build/x86_64/virtio-net.efi"))
EXECUTE = 0x20000000


def finish(path):
    return subprocess.run([ROOT / "scripts/finish-pe.py", path], capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "copy.efi"
    path.write_bytes(IMAGE.read_bytes())
    return path


def patch(path, offset, data):
    image = bytearray(path.read_bytes())
    image[offset : offset + len(data)] = data
    path.write_bytes(image)


def section(path, name):
    return next(s for s in pefile.PE(str(path)).sections if s.Name.rstrip(b"\0") == name)


@pytest.mark.parametrize("entry", [0, 0x100000])
def test_image_without_code_at_its_entry_is_refused(copy, entry):
    optional = pefile.PE(str(copy)).OPTIONAL_HEADER.get_file_offset()
    patch(copy, optional + 16, struct.pack("<I", entry))
    before = copy.read_bytes()
    done = finish(copy)
    assert done.returncode != 0 and f"no code at the entry point, {entry:#x}" in done.stderr
    assert copy.read_bytes() == before


def test_image_without_text_is_refused(copy):
    text = section(copy, b".text")
    patch(copy, text.get_file_offset() + 36, struct.pack("<I", text.Characteristics & ~EXECUTE))
    assert "no code at the entry point" in finish(copy).stderr


def test_full_disk_leaves_the_image_as_it_was(copy):
    before = copy.read_bytes()
    command = f'trap "" XFSZ; ulimit -f 8; exec "{ROOT}/scripts/finish-pe.py" "{copy}"'
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True)
    assert done.returncode != 0 and f"finish-pe: {copy}: " in done.stderr
    assert copy.read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_finishing_a_finished_image_changes_nothing(copy):
    assert finish(copy).returncode == 0
    assert copy.read_bytes() == IMAGE.read_bytes()


def test_flag_and_checksum_are_restored(copy):
    header = pefile.PE(str(copy)).OPTIONAL_HEADER
    patch(copy, header.get_field_absolute_offset("DllCharacteristics"), bytes(2))
    patch(copy, header.get_field_absolute_offset("CheckSum"), b"\1\2\3\4")
    assert finish(copy).returncode == 0
    assert copy.read_bytes() == IMAGE.read_bytes()


def test_checksum_of_an_odd_length_is_correct(copy):
    copy.write_bytes(IMAGE.read_bytes() + b"\x5a")
    assert finish(copy).returncode == 0
    assert pefile.PE(str(copy)).verify_checksum()


def test_writable_and_executable_section_is_refused(copy):
    data = section(copy, b".data")
    patch(copy, data.get_field_absolute_offset("Characteristics"),
          struct.pack("<I", data.Characteristics | EXECUTE))
    before = copy.read_bytes()
    done = finish(copy)
    assert done.returncode != 0 and "section .data is writable and executable" in done.stderr
    assert copy.read_bytes() == before


def test_sections_on_one_page_are_refused(copy):
    rela = section(copy, b".rela")
    patch(copy, rela.get_field_absolute_offset("VirtualAddress"),
          struct.pack("<I", rela.VirtualAddress - 4096))
    done = finish(copy)
    assert done.returncode != 0 and "section .rela is not on pages of its own" in done.stderr


def test_header_of_another_kind_is_refused(copy):
    patch(copy, pefile.PE(str(copy)).OPTIONAL_HEADER.get_field_absolute_offset("Magic"), b"\x07\1")
    done = finish(copy)
    assert done.returncode != 0 and "neither PE32 nor PE32+" in done.stderr


@pytest.mark.parametrize("data, complaint", [
    (b"", "no MZ"),
    (b"MZ" + bytes(62), "no PE signature"),
    (b"MZ" + bytes(58) + b"\xff\xff\xff\x7f", "no PE signature"),
    (IMAGE.read_bytes()[:0x180] if IMAGE.is_file() else b"", "the section table is cut short"),
])
def test_what_is_no_image_is_refused(copy, data, complaint):
    copy.write_bytes(data)
    done = finish(copy)
    assert done.returncode != 0 and complaint in done.stderr
    assert "Traceback" not in done.stderr
