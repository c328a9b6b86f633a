# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about build/<arch>/virtio-net.rom, scripts/make-rom.py and scripts/check-rom.py.

Each kind of damage has its own complaint, and the tests look for exactly that.
"""
import importlib.util
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
DRIVER = Path(os.environ.get("IMAGE", ROOT / "build/x86_64/virtio-net.efi"))
ROM = DRIVER.with_suffix(".rom")
IDS = ["1af4:1000", "1af4:1041"]
ARCHES = os.environ.get("ARCHES", "x86_64 ia32 aarch64").split()  # what make builds here
X86_64, AARCH64 = 0x8664, 0xAA64
PCIR = 0x1C


def run(script, *arguments):
    done = subprocess.run([SCRIPTS / script, *arguments], capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def make(out, *drivers, ids="1af4:1000,1041"):
    return run("make-rom.py", out, ids, *drivers)


def check(rom, *arguments):
    return run("check-rom.py", *(arguments or ("--sum",)), rom, *IDS)


def get(data, offset, kind):
    return struct.unpack_from("<" + kind, data, offset)[0]


def put(data, offset, kind, value):
    struct.pack_into("<" + kind, data, offset, value)


def pe_header(driver):
    return get(driver, 0x3C, "I")


@pytest.fixture
def foreign(tmp_path):
    """A driver for another architecture, as far as the ROM tools can tell."""
    driver = bytearray(DRIVER.read_bytes())
    put(driver, pe_header(driver) + 4, "H", AARCH64)
    path = tmp_path / "foreign.efi"
    path.write_bytes(driver)
    return path


@pytest.fixture
def pair(tmp_path, foreign):
    path = tmp_path / "pair.rom"
    assert make(path, foreign, DRIVER).returncode == 0
    return path


# The ROM that we ship

def test_rom_passes_and_says_what_it_is():
    done = check(ROM)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("\n") == 1
    assert "x86_64 driver" in done.stdout and all(id in done.stdout for id in IDS)


def test_fields_are_those_of_the_specifications():
    rom = ROM.read_bytes()
    units = len(rom) // 512
    assert len(rom) == units * 512
    assert rom[:2] == b"\x55\xaa"
    assert [get(rom, at, "H") for at in (2, 8, 10, 12)] == [units, 11, X86_64, 0]
    assert get(rom, 4, "I") == 0x0EF1
    assert rom[0x0E:0x16] == bytes(8), "reserved"
    assert get(rom, 0x18, "H") == PCIR
    pcir = rom[PCIR:]
    assert pcir[:4] == b"PCIR"
    assert [get(pcir, at, "H") for at in (4, 6, 10, 16, 18, 22)] == [0x1AF4, 0x1000, 28, units, 0, 0]
    assert pcir[0x0C] == 3, "revision"
    assert pcir[0x0D:0x10] == bytes([0, 0, 2]), "class code: network, Ethernet"
    assert (pcir[0x14], pcir[0x15]) == (3, 0x80), "EFI image, the last one"
    pointer = get(pcir, 8, "H")
    assert struct.unpack_from("<3H", pcir, pointer) == (0x1000, 0x1041, 0)


def test_driver_is_in_the_rom_byte_for_byte_and_ends_it():
    rom = ROM.read_bytes()
    assert rom[get(rom, 0x16, "H"):] == DRIVER.read_bytes()


def test_bytes_add_up_to_zero():
    assert sum(ROM.read_bytes()) % 256 == 0


def test_same_driver_gives_the_same_rom(tmp_path):
    assert make(tmp_path / "again.rom", DRIVER).returncode == 0
    assert (tmp_path / "again.rom").read_bytes() == ROM.read_bytes()


# make-rom.py

@pytest.mark.parametrize("more", [1, 8, 447, 448, 449, 511])
def test_driver_of_any_length_ends_its_image(tmp_path, more):
    driver, rom = tmp_path / "driver.efi", tmp_path / "driver.rom"
    driver.write_bytes(DRIVER.read_bytes() + bytes(range(1, 256)) * 3)
    os.truncate(driver, DRIVER.stat().st_size + more)
    assert make(rom, driver).returncode == 0
    assert check(rom).returncode == 0
    made = rom.read_bytes()
    assert made[get(made, 0x16, "H"):] == driver.read_bytes()


def test_rom_of_all_carries_each_driver_as_it_was_built():
    built = ROOT / "build/virtio-net.rom"
    done = check(built)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == len(ARCHES)
    for line, arch in zip(lines, ARCHES):
        assert f"{arch} driver" in line and all(id in line for id in IDS)
        start, size = int(line.split()[3].rstrip(":"), 16), int(line.split()[4])
        image = built.read_bytes()[start : start + size]
        assert image.endswith((ROOT / "build" / arch / "virtio-net.efi").read_bytes())


def test_two_architectures_share_a_rom(pair, foreign):
    done = check(pair)
    assert done.returncode == 0, done.stdout
    first, second = done.stdout.splitlines()
    assert "image 1 at 0x0" in first and "aarch64 driver" in first
    assert "image 2 at" in second and "x86_64 driver" in second
    rom = pair.read_bytes()
    half = len(rom) // 2
    assert (rom[PCIR + 0x15], rom[half + PCIR + 0x15]) == (0, 0x80)
    assert rom[:half].endswith(foreign.read_bytes())
    assert rom[half:].endswith(DRIVER.read_bytes())


def test_one_driver_twice_is_last_once(tmp_path):
    assert make(tmp_path / "twice.rom", DRIVER, DRIVER).returncode == 0
    assert check(tmp_path / "twice.rom").returncode == 0


@pytest.mark.parametrize("ids", ["1af4", "1af4:", "1af4:10", "1af4:1000,", "xyzw:1000"])
def test_bad_ids_are_refused(tmp_path, ids):
    done = make(tmp_path / "out.rom", DRIVER, ids=ids)
    assert done.returncode != 0 and "not VENDOR:DEVICE" in done.stderr
    assert not (tmp_path / "out.rom").exists()


def test_what_is_no_driver_is_refused(tmp_path):
    application = bytearray(DRIVER.read_bytes())
    put(application, pe_header(application) + 24 + 68, "H", 10)
    for content, complaint in [(application, "subsystem 10"), (b"", "not a PE image"),
                               (b"MZ" + bytes(62), "not a PE image"),
                               (DRIVER.read_bytes()[:0xA0], "not a PE image")]:
        (tmp_path / "in.efi").write_bytes(content)
        done = make(tmp_path / "out.rom", tmp_path / "in.efi")
        assert done.returncode != 0 and complaint in done.stderr
        assert not (tmp_path / "out.rom").exists()


def test_full_disk_leaves_the_old_rom_as_it_was(tmp_path):
    rom = tmp_path / "a.rom"
    rom.write_bytes(b"an older one")
    command = f'trap "" XFSZ; ulimit -f 8; exec "{ROOT}/scripts/make-rom.py" "{rom}" 1af4:1041 "{DRIVER}"'
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True)
    assert done.returncode != 0 and "make-rom: " in done.stderr
    assert rom.read_bytes() == b"an older one"
    assert list(tmp_path.iterdir()) == [rom]


def test_driver_too_large_for_a_rom_is_refused(tmp_path):
    big = tmp_path / "big.efi"
    big.write_bytes(DRIVER.read_bytes())
    os.truncate(big, 0xFFFF * 512)
    assert "too large" in make(tmp_path / "out.rom", big).stderr


# check-rom.py: damage, and the complaint that it must bring

def damage(offset, kind, value):
    return lambda rom: put(rom, offset, kind, value)


def in_pe(offset, kind, value):
    def change(rom):
        driver = get(rom, 0x16, "H")
        put(rom, driver + pe_header(rom[driver:]) + offset, kind, value)
    return change


def cut(length):
    def change(rom):
        del rom[length:]
    return change


def append(data):
    def change(rom):
        rom += data
    return change


def pcir_unaligned(rom):
    rom[0x45 : 0x45 + 0x1C] = rom[PCIR : PCIR + 0x1C]
    put(rom, 0x18, "H", 0x45)


def device_list_unterminated(rom):
    at = PCIR + get(rom, PCIR + 8, "H")
    for word in range(at, len(rom) - 1, 2):
        put(rom, word, "H", 0x1041)


def device_list_outside(rom):
    """In an image below 64 KiB: a pointer of 16 bits does not reach the end of a longer one."""
    cut(0x8000)(rom)
    put(rom, 2, "H", 0x40)
    put(rom, PCIR + 16, "H", 0x40)
    put(rom, PCIR + 8, "H", 0xFFF0)


def pcir_outside(rom):
    """In an image below 64 KiB, as above."""
    cut(0x8000)(rom)
    put(rom, PCIR + 16, "H", 0x40)
    put(rom, PCIR + 10, "H", 0xFFFF)


DAMAGES = {
    "empty": (cut(0), "truncated: the signature"),
    "cut in the header": (cut(0x10), "truncated: the PCIR offset"),
    "cut in PCIR": (cut(PCIR + 0x14), "truncated: the PCIR structure"),
    "cut in the driver": (cut(4096), "truncated, or bad image length"),
    "one byte short": (cut(-1), "truncated, or bad image length"),
    "signature": (damage(0, "H", 0x55AA), "wrong signature aa 55"),
    "PCIR offset zero": (damage(0x18, "H", 0), "bad PCIR offset 0x0"),
    "PCIR unaligned": (pcir_unaligned, "bad PCIR offset 0x45"),
    "PCIR offset elsewhere": (damage(0x18, "H", 0x40), "bad PCIR offset 0x40"),
    "PCIR offset outside": (damage(0x18, "H", 0xFFFC), "bad PCIR offset 0xfffc"),
    "PCIR signature": (damage(PCIR, "4s", b"PCIX"), "bad PCIR offset 0x1c: no PCIR"),
    "PCIR revision": (damage(PCIR + 12, "B", 9), "bad PCIR revision 9"),
    "PCIR length": (damage(PCIR + 10, "H", 0x18), "bad PCIR revision 3 or length 24"),
    "PCIR length beyond the end": (pcir_outside, "bad PCIR length 65535: it ends beyond the image"),
    "image length zero": (damage(PCIR + 16, "H", 0), "bad image length"),
    "image length long": (damage(PCIR + 16, "H", 0x1000), "bad image length"),
    "image length short": (damage(PCIR + 16, "H", 2), "bad EFI header: "),
    "device list in PCIR": (damage(PCIR + 8, "H", 4), "bad device list pointer 0x4"),
    "device list outside": (device_list_outside, "bad device list pointer: an entry"),
    "device list unterminated": (device_list_unterminated, "bad device list pointer"),
    "device list shifted": (damage(PCIR + 8, "H", 32), "does not name 1af4:1041"),
    "vendor": (damage(PCIR + 4, "H", 0x1234), "does not name 1af4:1000 1af4:1041"),
    "EFI signature": (damage(4, "I", 0x0EF2), "bad EFI header: signature 0xef2"),
    "EFI subsystem": (damage(8, "H", 10), "bad EFI header: subsystem 10"),
    "EFI subsystem other": (damage(8, "H", 12), "but the PE has 11 and 0x8664"),
    "EFI machine unknown": (damage(10, "H", 0x1234), "machine 0x1234"),
    "EFI machine other": (damage(10, "H", AARCH64), "but the PE has 11 and 0x8664"),
    "EFI compression": (damage(12, "H", 2), "compression 2"),
    "EFI size zero": (damage(2, "H", 0), "bad EFI header: 0 times 512"),
    "EFI size long": (damage(2, "H", 0x1000), "bad EFI header: 4096 times 512"),
    "EFI size short": (damage(2, "H", 8), "PE cut short"),
    "EFI image offset": (damage(0x16, "H", 0x20), "PE not found at 0x20: no MZ"),
    "EFI image offset outside": (damage(0x16, "H", 0xFFF0), "PE not found at 0xfff0: no MZ"),
    "PE signature": (in_pe(0, "4s", b"NE\0\0"), "no PE signature"),
    "PE header offset": (lambda rom: put(rom, get(rom, 0x16, "H") + 0x3C, "I", 0x7FFFFFFF),
                         "no PE signature"),
    "PE section count": (in_pe(6, "H", 0xFFFF), "PE"),
    "last-image bit": (damage(PCIR + 0x15, "B", 0), "missing last-image bit"),
    "last-image bit, tail": (lambda rom: (damage(PCIR + 0x15, "B", 0)(rom), append(b"\xff" * 512)(rom)),
                             "image 2 at"),
    "something after the last": (append(b"\x55\xaa"), "another image follows"),
    "a byte of the driver": (damage(0x2000, "B", 0xAB), "bad checksum"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(tmp_path, name):
    change, complaint = DAMAGES[name]
    rom = bytearray(ROM.read_bytes())
    change(rom)
    path = tmp_path / "damaged.rom"
    path.write_bytes(rom)
    done = check(path)
    assert done.returncode == 1
    complaints = [line for line in done.stdout.splitlines() if line.startswith("check-rom: ")]
    assert any(complaint in line for line in complaints), done.stdout


def test_damage_to_the_second_image_names_the_second_image(pair):
    rom = bytearray(pair.read_bytes())
    put(rom, len(rom) // 2 + 4, "I", 0)
    pair.write_bytes(rom)
    assert f"image 2 at {len(rom) // 2:#x}: bad EFI header" in check(pair).stdout


def test_sum_of_an_efi_image_counts_only_when_asked(tmp_path):
    rom = bytearray(ROM.read_bytes())
    rom[0x50] ^= 1
    (tmp_path / "odd.rom").write_bytes(rom)
    assert run("check-rom.py", tmp_path / "odd.rom").returncode == 0
    assert "bad checksum" in check(tmp_path / "odd.rom").stdout


def test_sum_of_a_pc_image_always_counts(tmp_path):
    rom = bytearray(ROM.read_bytes())
    rom[PCIR + 0x14] = 0
    rom[2] = 1
    path = tmp_path / "pc.rom"
    for more, good in [(0, True), (1, False)]:
        rom[0x48] = 0
        rom[0x48] = (more - sum(rom[:512])) % 256
        path.write_bytes(rom)
        assert (run("check-rom.py", path).returncode == 0) == good


def test_missing_file_is_said():
    done = run("check-rom.py", "/nonexistent.rom")
    assert done.returncode != 0 and "No such file" in done.stderr


def test_no_damage_makes_the_check_crash(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("check_rom", SCRIPTS / "check-rom.py")
    check_rom = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_rom)
    whole = ROM.read_bytes()
    interesting = [*range(0x60), *range(get(whole, 0x16, "H"), get(whole, 0x16, "H") + 0x180)]
    choose = random.Random(1)
    for _ in range(3000):
        rom = bytearray(whole)
        for _ in range(choose.randint(1, 6)):
            rom[choose.choice(interesting)] = choose.choice([0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256)])
        del rom[choose.choice([len(rom), choose.randrange(len(rom))]):]
        list(check_rom.check(bytes(rom), IDS, True))
