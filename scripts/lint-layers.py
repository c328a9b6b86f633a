#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/lint-layers.py [ROOT]

Checks who includes whom. A file of src/ may include headers of its own folder and of the folders
after it in FOLDERS. include/ is below them all and never includes src/. Nothing outside tests/
includes tests/. The files in NO_EFI include no EFI header, not even indirectly.
"""
import re
import sys
from pathlib import Path

FOLDERS = "driver mnp snp net virtio ring pci base".split()  # of src/, top to bottom
NO_EFI = "base/inet_sum net/net_offload mnp/tcp_segment mnp/tcp_join ring/virtqueue ring/virtqueue_split ring/virtqueue_packed".split()

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def includes(path):
    return INCLUDE.findall(path.read_text())


def resolve(root, includer, name):
    """The file of this tree that an #include names, or None for a system header."""
    for folder in (includer.parent, root / "include", root / "src"):
        if (folder / name).is_file():
            return (folder / name).resolve()
    return None


def efi_headers(root, path, seen):
    """The EFI headers that a file includes, directly or through files of this tree."""
    found = set()
    for name in includes(path):
        target = resolve(root, path, name)
        if target is None or "uefi_ext" in target.parts:
            if re.match(r"(uefi_ext/|efi|.*/efi)", name):
                found.add(name)
        elif target not in seen:
            seen.add(target)
            found |= efi_headers(root, target, seen)
    return found


def folder_of(root, path):
    return path.parent.relative_to(root / "src").as_posix()


def check_include(root, path, name):
    target = resolve(root, path, name)
    if "tests/" in name or (target and root / "tests" in target.parents):
        return f"includes {name}, which belongs to tests/"
    if target is None or root / "src" not in target.parents:
        return None
    if root / "include" in path.parents:
        return f"includes {name}, but include/ stands below src/"
    mine, other = folder_of(root, path), folder_of(root, target)
    if mine in FOLDERS and other in FOLDERS and FOLDERS.index(other) < FOLDERS.index(mine):
        return f"includes {name}, but {mine}/ stands below {other}/"
    return None


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    problems = []
    sources = sorted((root / "src").rglob("*.[ch]"))
    if not sources:
        problems.append("src/: no source file found")
    for path in sources + sorted((root / "include").rglob("*.h")):
        where = path.relative_to(root)
        if path in sources and folder_of(root, path) not in FOLDERS:
            problems.append(f"{where}: not in one of src/'s folders, {', '.join(FOLDERS)}")
        for name in includes(path):
            problem = check_include(root, path, name)
            if problem:
                problems.append(f"{where}: {problem}")
        if path in sources and where.relative_to("src").with_suffix("").as_posix() in NO_EFI:
            for name in sorted(efi_headers(root, path, set())):
                problems.append(f"{where}: sees {name}, but must do without EFI headers")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
