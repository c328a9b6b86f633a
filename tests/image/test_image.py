# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about build/<arch>/virtio-net.efi as a file, for every architecture. Run by `make image`.

IMAGE names another image to test for x86_64, which must have its .so beside it.
"""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pefile
import pytest

ROOT = Path(__file__).resolve().parents[2]
READ, WRITE, EXECUTE = 0x40000000, 0x80000000, 0x20000000
NX_COMPAT = 0x0100
EFI_BOOT_SERVICE_DRIVER = 11
IMAGE_MAX_BYTES = 96 << 10  # what README.md promises
PE32, PE32_PLUS = 0x10B, 0x20B
# Of each architecture, also those that are too weak or too strong; without the operand's spaces.
BARRIER = r"\b(dmb|dsb|[lms]?fence|dbar|lock orl)\b[ \t]*(\S*)"


@dataclass(frozen=True)
class Build:
    arch: str
    machine: int  # PE's number
    magic: int
    relocation: str  # the only kind that _relocate applies
    table: str  # the section with the relocations
    barriers: tuple[str, ...]
    unwanted: str  # registers of the floating-point and vector units
    tools: str = ""

    @property
    def image(self):
        named = os.environ.get("IMAGE") if self.arch == "x86_64" else None
        return Path(named or ROOT / "build" / self.arch / "virtio-net.efi")


BUILDS = [
    Build("x86_64", 0x8664, PE32_PLUS, "R_X86_64_RELATIVE", ".rela",
          ("lock orl $0x0,(%rsp)",), r"%([xyz]?mm\d|st\b)"),
    Build("ia32", 0x14C, PE32, "R_386_RELATIVE", ".rel",
          ("lock orl $0x0,(%esp)",), r"%([xyz]?mm\d|st\b)"),
    Build("aarch64", 0xAA64, PE32_PLUS, "R_AARCH64_RELATIVE", ".rela",
          ("dmb osh", "dmb oshld", "dmb oshst"), r"(?<![\w<])[bhsdqv]\d+\b",
          "aarch64-linux-gnu-"),
    Build("riscv64", 0x5064, PE32_PLUS, "R_RISCV_RELATIVE", ".rela",
          ("fence", "fence ir,ir", "fence ow,ow"), r"(?<![\w<])(f[ast]\d+|v\d+)\b",
          "riscv64-linux-gnu-"),
    Build("loongarch64", 0x6264, PE32_PLUS, "R_LARCH_RELATIVE", ".rela",
          ("dbar 0x0", "dbar 0x5", "dbar 0xa"), r"\$(f[ast]|[vx]r)\d+\b",
          "loongarch64-linux-gnu-"),
]
ARCHES = os.environ.get("ARCHES", "x86_64 ia32 aarch64").split()  # what make builds here
BUILDS = [build for build in BUILDS if build.arch in ARCHES]


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: build.arch)
def build(request):
    return request.param


@pytest.fixture(scope="module")
def pe(build):
    return pefile.PE(str(build.image))


@pytest.fixture(scope="module")
def sections(pe):
    return {s.Name.rstrip(b"\0").decode(): s for s in pe.sections}


def rights(section):
    return section.Characteristics & (READ | WRITE | EXECUTE)


def dynamic_relocations(image):
    """(offset, type) of each relocation that _relocate will apply."""
    out = subprocess.run(["readelf", "-rW", image.with_suffix(".so")],
                         capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines() if " R_" in line]
    return [(int(row[0], 16), row[2]) for row in rows]


def test_machine_is_the_one_that_it_was_built_for(pe, build):
    assert pe.FILE_HEADER.Machine == build.machine


# holds: virtio.split.platform
def test_memory_barriers_are_those_that_a_physical_device_needs(build):
    out = subprocess.run([build.tools + "objdump", "-d", "--no-show-raw-insn",
                          build.image.with_suffix(".so")],
                         capture_output=True, text=True, check=True).stdout
    found = {" ".join(words).strip() for words in re.findall(BARRIER, out)}
    assert found == set(build.barriers)


def test_no_instruction_uses_floating_point_or_vectors(build):
    """Firmware may keep these units switched off, and saves none of their registers."""
    out = subprocess.run([build.tools + "objdump", "-d", "--no-show-raw-insn",
                          build.image.with_suffix(".so")],
                         capture_output=True, text=True, check=True).stdout
    out = re.sub(r"[0-9a-f]+ <[^>]*>", "", out)  # an address may read like a register
    code = [line.split("\t", 1)[1] for line in out.splitlines() if "\t" in line]
    assert len(code) > 5000
    assert not [text for text in code if re.search(build.unwanted, text)]


def test_format_is_pe32_or_pe32_plus_by_the_width_of_a_pointer(pe, build):
    assert pe.OPTIONAL_HEADER.Magic == build.magic


def test_subsystem_is_boot_service_driver(pe):
    assert pe.OPTIONAL_HEADER.Subsystem == EFI_BOOT_SERVICE_DRIVER


def test_sections_are_page_aligned_and_apart(pe):
    assert pe.OPTIONAL_HEADER.SectionAlignment == 4096
    end = pe.OPTIONAL_HEADER.SizeOfHeaders
    for section in pe.sections:
        assert section.VirtualAddress % 4096 == 0
        assert section.VirtualAddress >= end
        end = section.VirtualAddress + section.Misc_VirtualSize
    assert pe.OPTIONAL_HEADER.SizeOfImage >= end


def test_no_section_is_writable_and_executable(pe):
    assert not [s.Name for s in pe.sections if rights(s) & WRITE and rights(s) & EXECUTE]


def test_text_is_read_execute_and_holds_the_entry(pe, sections):
    text = sections[".text"]
    assert rights(text) == READ | EXECUTE
    assert text.contains_rva(pe.OPTIONAL_HEADER.AddressOfEntryPoint)


def test_only_text_is_executable(pe):
    assert [s.Name.rstrip(b"\0") for s in pe.sections if rights(s) & EXECUTE] == [b".text"]


def test_constants_are_read_only(sections, build):
    assert rights(sections[".rodata"]) == READ
    assert rights(sections[build.table]) == READ


def test_data_is_read_write(sections):
    assert rights(sections[".data"]) == READ | WRITE


def test_nx_compat_is_set(pe):
    assert pe.OPTIONAL_HEADER.DllCharacteristics & NX_COMPAT


def test_checksum_is_correct(pe):
    assert pe.OPTIONAL_HEADER.CheckSum != 0
    assert pe.verify_checksum()


def test_sbat_is_read_only_and_well_formed(sections):
    section = sections[".sbat"]
    assert rights(section) == READ
    text = section.get_data()[: section.Misc_VirtualSize].decode("ascii")
    assert text.endswith("\n"), "no NUL and nothing else behind the last line"
    rows = [line.split(",") for line in text.splitlines()]
    assert [row[:2] for row in rows] == [["sbat", "1"], ["virtio-net.efi", "1"]]
    for row in rows:
        assert len(row) == 6 and all(row), row


def test_sbat_names_the_version_that_the_driver_tells_the_user(sections, build):
    version = sections[".sbat"].get_data().splitlines()[1].split(b",")[4].decode()
    name = f"(virtio-net.efi {version})\0".encode("utf-16-le")
    assert name in build.image.read_bytes()


def test_header_fields_agree_with_the_sections(pe):
    header = pe.OPTIONAL_HEADER
    code = [s for s in pe.sections if rights(s) & EXECUTE]
    data = [s for s in pe.sections if not rights(s) & EXECUTE]
    assert header.ImageBase == 0
    assert header.BaseOfCode == code[0].VirtualAddress
    assert header.SizeOfCode == sum(s.SizeOfRawData for s in code)
    assert header.SizeOfInitializedData == sum(s.SizeOfRawData for s in data)
    assert header.SizeOfImage % header.SectionAlignment == 0
    assert header.SizeOfHeaders % header.FileAlignment == 0
    assert header.NumberOfRvaAndSizes == len(header.DATA_DIRECTORY) == 16
    assert header.DATA_DIRECTORY[4].Size == 0, "an unsigned image has no certificates"


def test_sections_fill_the_file_without_gap_or_tail(pe, build):
    # Authenticode hashes the sections; firmware disagrees on what to do with bytes outside.
    end = pe.OPTIONAL_HEADER.SizeOfHeaders
    for section in pe.sections:
        assert section.PointerToRawData == end
        assert section.SizeOfRawData % pe.OPTIONAL_HEADER.FileAlignment == 0
        assert section.SizeOfRawData >= section.Misc_VirtualSize
        end += section.SizeOfRawData
    assert end == build.image.stat().st_size


def test_image_is_small(build):
    assert build.image.stat().st_size <= IMAGE_MAX_BYTES


def test_no_debug_data_in_the_image(pe):
    assert not [s.Name for s in pe.sections if s.Name.startswith((b".debug", b"/"))]
    assert pe.FILE_HEADER.NumberOfSymbols == 0


def test_time_stamp_is_zero(pe):
    assert pe.FILE_HEADER.TimeDateStamp == 0


def test_base_relocations_change_nothing(pe, sections):
    # _relocate goes by .rela; the firmware only has to find a block that is well formed.
    assert not pe.FILE_HEADER.Characteristics & 0x0001, "relocations stripped"
    directory = pe.OPTIONAL_HEADER.DATA_DIRECTORY[5]
    assert directory.VirtualAddress == sections[".reloc"].VirtualAddress
    blocks = pe.DIRECTORY_ENTRY_BASERELOC
    assert sum(block.struct.SizeOfBlock for block in blocks) == directory.Size
    for block in blocks:
        assert block.struct.SizeOfBlock % 4 == 0
        assert block.struct.VirtualAddress < pe.OPTIONAL_HEADER.SizeOfImage
        assert all(entry.type == 0 for entry in block.entries)


def test_self_relocation_touches_writable_sections_only(pe, build):
    relocations = dynamic_relocations(build.image)
    assert relocations, "a driver without a single pointer to relocate is not ours"
    for offset, kind in relocations:
        assert kind == build.relocation, f"_relocate ignores {kind}"
        home = [s for s in pe.sections if s.contains_rva(offset)]
        assert home and rights(home[0]) & WRITE, f"{offset:#x} is relocated but not writable"


def test_every_symbol_is_defined(build):
    shared = build.image.with_suffix(".so")
    out = subprocess.run([build.tools + "nm", "--undefined-only", shared],
                         capture_output=True, text=True, check=True).stdout
    assert out == ""


def test_debug_file_matches_the_image(build):
    def symbols(path):
        out = subprocess.run([build.tools + "nm", path],
                             capture_output=True, text=True, check=True).stdout
        return {(line.split()[0], line.split()[-1]) for line in out.splitlines()}

    debug = symbols(build.image.with_suffix(".debug"))
    assert "efi_main" in {name for _, name in debug}
    assert debug == symbols(build.image.with_suffix(".so"))


def test_rebuild_in_another_folder_is_identical(build, tmp_path):
    tree = tmp_path / "a folder elsewhere, with a longer name".replace(" ", "_")
    tree.mkdir()
    for name in ("Makefile", f"elf_{build.arch}_efi.lds", "elf_sections.lds"):
        shutil.copy(ROOT / name, tree)
    for name in ("src", "include", "scripts"):
        shutil.copytree(ROOT / name, tree / name)
    (tree / "build").mkdir()
    (tree / "build/gnu-efi").symlink_to(ROOT / "build/gnu-efi")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    env.pop("SOURCE_DATE_EPOCH", None)
    env.update(LC_ALL="C", TZ="Asia/Tokyo")
    target = f"build/{build.arch}/virtio-net.efi"
    made = subprocess.run(["make", "-j2", f"ARCH={build.arch}", target],
                          cwd=tree, env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (tree / target).read_bytes() == build.image.read_bytes()
