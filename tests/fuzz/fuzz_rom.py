#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: tests/fuzz/fuzz_rom.py [-max_total_time=S] [-runs=N] [-seed=N] [-artifact_prefix=P] CORPUS...

Fuzzes scripts/check-rom.py, guided by the jumps between the interpreter's instructions and by the
complaints that an input causes. Takes libFuzzer's options. New inputs go to the first folder. -merge=1
FROM copies to the first folder the inputs of the others that reach something new. A FILE instead of
folders is run once.

Claims: only Damage is raised, the check ends within a bound on instructions, and an accepted ROM also
passes an independent check.
"""
from __future__ import annotations

import hashlib
import importlib.util
import random
import re
import struct
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEPS_MAX = 200_000  # images of 2 KiB in all, each with its list and its sections
BYTES_MAX = 2048
WORDS = [b"\x55\xaa", b"PCIR", b"PE\0\0", b"MZ", b"\xf1\x0e\0\0", b"\x64\x86", b"\xf4\x1a", b"\x80"]
EDGES = [0, 1, 2, 0x18, 0x1A, 0x1C, 0x40, 0x7F, 0x80, 0xFF, 0x200, 0x7FFF, 0x8000, 0xFFFC, 0xFFFF]


def load():
    """check-rom.py as a module, and the code that is watched."""
    sys.path.insert(0, str(ROOT / "scripts"))
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("check_rom", ROOT / "scripts/check-rom.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = load()
WATCHED = {str(ROOT / "scripts" / name) for name in ("check-rom.py", "rom_image.py")}


class Slow(Exception):
    """The check does not end."""


class Trace:
    """What one run reaches: pairs of consecutive instructions of one function."""

    def __init__(self) -> None:
        self.reached: set[tuple[object, int, int]] = set()
        self.steps = 0

    def call(self, frame, event, argument):
        if frame.f_code.co_filename not in WATCHED:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self.watch(frame.f_code)

    def watch(self, code):
        before = -1

        def step(frame, event, argument):
            nonlocal before
            if event == "opcode":
                self.steps += 1
                if self.steps > STEPS_MAX:
                    raise Slow(f"more than {STEPS_MAX} instructions")
                self.reached.add((code, before, frame.f_lasti))
                before = frame.f_lasti
            return step
        return step


def get(data: bytes, offset: int, kind: str) -> int:
    return struct.unpack_from("<" + kind, data, offset)[0]


def look_again(rom: bytes) -> None:
    """Check an accepted ROM by the specification, without any of the checker's code."""
    at = 0
    while True:
        assert rom[at : at + 2] == b"\x55\xaa", "signature"
        pcir = at + get(rom, at + 0x18, "H")
        assert rom[pcir : pcir + 4] == b"PCIR", "PCIR"
        end = at + 512 * get(rom, pcir + 0x10, "H")
        assert pcir + 0x18 <= end <= len(rom), "image length"
        if rom[pcir + 0x14] == 3:
            assert get(rom, at + 4, "I") == 0x0EF1, "EFI signature"
            driver = at + get(rom, at + 0x16, "H")
            last = at + 512 * get(rom, at + 2, "H")
            assert at < driver <= last <= end or get(rom, at + 12, "H") == 1, "driver"
            if get(rom, at + 12, "H") == 0:
                look_at_driver(rom[driver:last], get(rom, at + 8, "H"), get(rom, at + 10, "H"))
        if rom[pcir + 0x15] & 0x80:
            return
        assert end > at, "no progress"
        at = end


def look_at_driver(driver: bytes, subsystem: int, machine: int) -> None:
    pe = get(driver, 0x3C, "I")
    assert driver[:2] == b"MZ" and driver[pe : pe + 4] == b"PE\0\0", "PE"
    assert (get(driver, pe + 92, "H"), get(driver, pe + 4, "H")) == (subsystem, machine), "kind"
    table = pe + 24 + get(driver, pe + 20, "H")
    for i in range(get(driver, pe + 6, "H")):
        size, start = struct.unpack_from("<II", driver, table + 40 * i + 16)
        assert start + size <= len(driver), "section"


def run_once(rom: bytes) -> set[tuple[object, int, int]]:
    """Raises if a claim does not hold."""
    trace = Trace()
    ids = ["1af4:1000"] if len(rom) % 2 else []
    sys.settrace(trace.call)
    try:
        found = list(CHECK.check(rom, ids, len(rom) % 3 == 0))
    finally:
        sys.settrace(None)
    assert found, "neither a description nor a complaint"
    if not any(isinstance(line, CHECK.Damage) for line in found):
        look_again(rom)
    for line in found:  # the complaints without their numbers
        kind = re.sub(r"\b(0x)?[0-9a-f]+\b", "", str(line))
        trace.reached.add((kind, len(found) > 1, isinstance(line, CHECK.Damage)))
    return trace.reached


def mutate(choose: random.Random, corpus: list[bytes]) -> bytes:
    rom = bytearray(choose.choice(corpus))
    for _ in range(choose.choice((1, 1, 2, 4, 8))):
        at = choose.randrange(min(len(rom), choose.choice((64, 256, BYTES_MAX))) + 1)
        match choose.randrange(8):
            case 0 | 1:
                rom[at : at + 1] = bytes([choose.randrange(256)])
            case 2 | 3:
                kind = choose.choice("BHI")
                value = (choose.choice(EDGES) + choose.choice((0, 0, 1, -1))) & 0xFF
                if kind != "B":
                    value = choose.choice(EDGES + [len(rom), len(rom) // 512, choose.randrange(65536)])
                rom[at : at + struct.calcsize(kind)] = struct.pack("<" + kind, value)
            case 4:
                word = choose.choice(WORDS)
                rom[at : at + len(word)] = word
            case 5:
                del rom[at : at + choose.choice((1, 4, 512, len(rom)))]
            case 6:
                rom[at:at] = choose.choice(corpus)[: choose.choice((1, 4, 512, BYTES_MAX))]
            case _:
                rom += bytes(-len(rom) % 512)
    return bytes(rom[:BYTES_MAX])


def keep(prefix: str, rom: bytes) -> Path:
    path = Path(prefix + hashlib.sha1(rom).hexdigest())
    path.write_bytes(rom)
    return path


def crash(rom: bytes, prefix: str) -> None:
    traceback.print_exc()
    path = keep(f"{prefix}crash-", rom)
    sys.exit(f"Test unit written to {path}")


def read(folders: list[Path]) -> list[bytes]:
    files = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return sorted((path.read_bytes() for path in files), key=len)


def main() -> None:
    flags = dict(text[1:].split("=", 1) for text in sys.argv[1:] if text.startswith("-") and "=" in text)
    paths = [Path(text) for text in sys.argv[1:] if not text.startswith("-")]
    prefix = flags.get("artifact_prefix", "./")
    if not paths:
        sys.exit((__doc__ or "").splitlines()[0])
    if paths[0].is_file():
        run_once(paths[0].read_bytes())
        return
    seconds, runs = float(flags.get("max_total_time", 0)), int(flags.get("runs", -1))
    choose = random.Random(int(flags.get("seed", time.time_ns())))
    corpus: list[bytes] = []
    reached: set[tuple[object, int, int]] = set()
    done, start, told = 0, time.monotonic(), 0.0
    waiting = read(paths[1:] if "merge" in flags else paths) or [b""]
    while waiting or "merge" not in flags:
        is_seed = bool(waiting)
        if not is_seed and (0 <= runs <= done or seconds and time.monotonic() - start > seconds):
            break
        rom = waiting.pop(0) if is_seed else mutate(choose, corpus)
        try:
            now = run_once(rom)
        except Exception:
            crash(rom, prefix)
        done += 1
        if not corpus or now - reached:
            reached |= now
            corpus.append(rom)
            if not is_seed or "merge" in flags:
                keep(f"{paths[0]}/", rom)
        if time.monotonic() - told > 30 or not done % 100_000:
            told = time.monotonic()
            print(f"#{done} cov: {len(reached)} corp: {len(corpus)} "
                  f"exec/s: {done / (told - start + 1e-9):.0f}", flush=True)
    print(f"#{done} DONE cov: {len(reached)} corp: {len(corpus)}")
    print(f"Done {done} runs in {time.monotonic() - start:.0f} second(s)")


if __name__ == "__main__":
    main()
