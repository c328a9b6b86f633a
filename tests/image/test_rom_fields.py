# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about scripts/rom_image.py: each field with each of its values, or those around each limit.

A small image, valid and with nothing to spare, is changed in one field, or in two that are compared
with each other. It is accepted for just the values for which the claim written here holds.
"""
import struct
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from rom_image import Damage, check_driver, device_ids, field, split_image  # noqa: E402

WORDS = range(0x10000)
BYTES = range(0x100)
EDGES = [*BYTES, *(1 << bit for bit in range(8, 16)), 0xFFFF]
IMAGE_BYTES = 512
PCIR, DRIVER, PE, OPTIONAL_BYTES = 0x1C, 0x80, 0x40, 0x70
DRIVER_BYTES = IMAGE_BYTES - DRIVER
SECTION = PE + 24 + OPTIONAL_BYTES
MACHINES = (0x14C, 0x1C2, 0xAA64, 0x8664, 0xEBC, 0x5032, 0x5064, 0x6264)
LIST = 0x1C  # from PCIR


def small_image():
    """A driver with one section, which ends where the image does."""
    image = bytearray(IMAGE_BYTES)
    struct.pack_into("<HHIHHH8xHH", image, 0, 0xAA55, 1, 0x0EF1, 11, 0x8664, 0, DRIVER, PCIR)
    struct.pack_into("<4sHHHHB3xHHBB", image, PCIR, b"PCIR", 0x1AF4, 0x1000, LIST, 0x1C, 3, 1, 0, 3, 0x80)
    struct.pack_into("<HH", image, PCIR + LIST, 0x1041, 0)
    struct.pack_into("<2s58xI", image, DRIVER, b"MZ", PE)
    struct.pack_into("<4sHH12xH", image, DRIVER + PE, b"PE\0\0", 0x8664, 1, OPTIONAL_BYTES)
    struct.pack_into("<H", image, DRIVER + PE + 24 + 68, 11)
    struct.pack_into("<II", image, DRIVER + SECTION + 16, DRIVER_BYTES - 0x10, 0x10)
    return image


def examine(rom):
    image, pcir, code, is_last = split_image(rom)
    return image, pcir, code, is_last, device_ids(image, pcir), check_driver(image)


def is_accepted(rom):
    try:
        examine(rom)
    except Damage:
        return False
    return True


def accepted(offset, kind, values, image=None):
    """The values with which the image is accepted."""
    image = image or small_image()
    good = set()
    for value in values:
        struct.pack_into("<" + kind, image, offset, value)
        if is_accepted(bytes(image)):
            good.add(value)
    return good


def test_small_image_is_accepted():
    image, pcir, code, is_last, ids, text = examine(bytes(small_image()))
    assert (len(image), pcir, code, is_last) == (IMAGE_BYTES, PCIR, 3, True)
    assert ids == {"1af4:1000", "1af4:1041"} and text == "x86_64 driver at 0x80"


@pytest.mark.parametrize("kind", ["B", "H", "I", "HB"])
def test_field_is_read_if_all_of_it_is_there(kind):
    size = struct.calcsize("<" + kind)
    for length in range(10):
        for offset in range(12):
            try:
                field(bytes(length), offset, kind, "it")
                is_read = True
            except Damage as damage:
                is_read = False
                assert str(damage) == "it lies beyond the end"
            assert is_read == (offset + size <= length)


def test_image_of_any_length_is_refused_if_short():
    image = bytes(small_image())
    assert [length for length in range(IMAGE_BYTES + 1) if is_accepted(image[:length])] == [IMAGE_BYTES]


def test_signature():
    assert accepted(0, "H", WORDS) == {0xAA55}


def test_pcir_offset_names_an_aligned_place_with_its_signature():
    """Wherever the structure could be, the offset that names it is the only one accepted."""
    for place in range(0x1A, 0x60):
        image = small_image()
        image[PCIR : PCIR + 0x20] = bytes(0x20)
        image[place : place + 0x20] = small_image()[PCIR : PCIR + 0x20]
        assert accepted(0x18, "H", range(0x200), image) == ({place} if place % 4 == 0 else set())


def test_pcir_structure_is_not_in_the_header():
    """Where it would be well-formed: its code type is the offset that leads to it."""
    image = small_image()
    image[4:0x18] = image[PCIR : PCIR + 0x14]
    struct.pack_into("<H", image, 0x18, 4)
    with pytest.raises(Damage, match="bad PCIR offset 0x4"):
        split_image(bytes(image))


def test_pcir_offset_with_each_value():
    assert accepted(0x18, "H", WORDS) == {PCIR}


def test_pcir_structure_is_in_the_image():
    """With each length and place of it at the end of the image, device list left out."""
    for place in range(IMAGE_BYTES - 0x30, IMAGE_BYTES, 4):
        image = small_image()
        room = IMAGE_BYTES - place
        structure = small_image()[PCIR : PCIR + 0x1C]
        struct.pack_into("<H", structure, 8, 0)
        image[place : place + 0x1C] = structure[:room]
        struct.pack_into("<H", image, 0x18, place)
        good = accepted(place + 10, "H", EDGES, image) if room >= 12 else set()
        assert good == set(range(0x1C, room + 1))


def test_image_length_is_all_that_is_there():
    for more in (0, 511, 512):
        rom = small_image() + bytes(more)
        struct.pack_into("<H", rom, 2, 1)
        good = accepted(PCIR + 16, "H", WORDS, rom)
        assert good == set(range(1, 1 + (IMAGE_BYTES + more) // 512))


def test_code_type_and_indicator_are_what_they_say():
    image = small_image()
    for code in BYTES:
        for indicator in BYTES:
            image[PCIR + 0x14], image[PCIR + 0x15] = code, indicator
            assert split_image(image)[2:] == (code, indicator >= 0x80)


def test_pcir_revision_with_each_length():
    image = small_image()
    struct.pack_into("<H", image, PCIR + 8, 0)
    for length in range(0x30):
        struct.pack_into("<H", image, PCIR + 10, length)
        assert accepted(PCIR + 12, "B", BYTES, image) == ({0, 3} if length >= 0x1C else {0})


def test_device_list_pointer_leads_to_a_list_that_ends_in_the_image():
    """The end of a list is any zero word; here there are two, and none after them."""
    image = small_image()
    image[0x60:] = b"\xff" * (IMAGE_BYTES - 0x60)
    struct.pack_into("<H", image, PCIR + 0x28, 0)
    good = set()
    for pointer in WORDS:
        struct.pack_into("<H", image, PCIR + 8, pointer)
        try:
            device_ids(bytes(image), PCIR)
            good.add(pointer)
        except Damage:
            pass
    last_zero = max(at for at in range(IMAGE_BYTES - 1) if image[at : at + 2] == b"\0\0") - PCIR
    ends = {at - PCIR for at in range(IMAGE_BYTES - 1) if image[at : at + 2] == b"\0\0"}
    expected = {0} | {pointer for pointer in range(0x1C, last_zero + 1)
                      if any(end >= pointer and (end - pointer) % 2 == 0 for end in ends)}
    assert good == expected


def test_efi_header():
    assert accepted(2, "H", WORDS) == {1}
    assert accepted(4, "I", [*WORDS, *(0x0EF1 | 1 << bit for bit in range(16, 32))]) == {0x0EF1}
    assert accepted(22, "H", WORDS) == {DRIVER}


def test_compressed_driver_is_not_examined():
    assert accepted(12, "H", WORDS) == {0, 1}
    image = small_image()
    struct.pack_into("<H", image, 12, 1)
    assert accepted(22, "H", EDGES, image) == set(EDGES)
    assert accepted(2, "H", EDGES, image) == {1}


@pytest.mark.parametrize("header, pe, good", [(8, 24 + 68, {11, 12}), (10, 4, set(MACHINES))])
def test_efi_header_agrees_with_the_pe_header(header, pe, good):
    """Subsystem and machine: each value in both, and each value in one of them."""
    image = small_image()
    own = struct.unpack_from("<H", image, header)[0]
    assert accepted(header, "H", [*EDGES, *good]) == {own}
    assert accepted(DRIVER + PE + pe, "H", [*EDGES, *good]) == {own}
    both = set()
    for value in WORDS:
        struct.pack_into("<H", image, header, value)
        struct.pack_into("<H", image, DRIVER + PE + pe, value)
        if is_accepted(bytes(image)):
            both.add(value)
    assert both == good


def test_pe_header_is_in_the_driver():
    values = [*EDGES, *range(DRIVER_BYTES), *(PE | 1 << bit for bit in range(8, 32))]
    assert accepted(DRIVER + 0x3C, "I", values) == {PE}
    for signature in (0x5A4D, 0x4550):
        values = [*EDGES, *(signature ^ 1 << bit for bit in range(16)), signature]
        place = DRIVER if signature == 0x5A4D else DRIVER + PE
        assert accepted(place, "H", values) == {signature}


def test_sections_are_in_the_driver():
    """Sizes and places around the end, and each bit above them."""
    image = small_image()
    edges = range(0, DRIVER_BYTES + 8)
    for size in (0, 1, 2, 0x10, DRIVER_BYTES - 1, DRIVER_BYTES, DRIVER_BYTES + 1):
        struct.pack_into("<I", image, DRIVER + SECTION + 16, size)
        values = [*edges, *(1 << bit for bit in range(16, 32))]
        good = accepted(DRIVER + SECTION + 20, "I", values, image)
        assert good == {start for start in values if size + start <= DRIVER_BYTES}


def test_section_table_is_in_the_driver():
    """Empty sections, as many as there is room for. An entry counts up to its last field."""
    image = small_image()
    struct.pack_into("<II", image, DRIVER + SECTION + 16, 0, 0)
    room = (DRIVER_BYTES - SECTION - 24) // 40 + 1
    assert accepted(DRIVER + PE + 6, "H", range(0x400), image) == set(range(room + 1))
    struct.pack_into("<H", image, DRIVER + PE + 6, 1)
    limit = DRIVER_BYTES - PE - 24 - 24
    good = accepted(DRIVER + PE + 20, "H", range(OPTIONAL_BYTES, 0x10000), image)
    assert good == set(range(OPTIONAL_BYTES, limit + 1))


def test_no_byte_of_a_header_makes_the_check_crash():
    """Any byte of the headers with any value: accepted, or Damage, and nothing else."""
    image = small_image()
    for at in [*range(0x40), *range(DRIVER, DRIVER + SECTION + 40)]:
        before = image[at]
        for value in BYTES:
            image[at] = value
            is_accepted(bytes(image))
        image[at] = before
