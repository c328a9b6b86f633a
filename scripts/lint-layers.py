#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/lint-layers.py [ROOT]

Checks who includes whom. A file of src/ may include headers of its own row of ROWS
or of a lower one. include/ stands below all rows and never includes src/; nothing
outside tests/ includes tests/; what is in NO_EFI sees no EFI header, however indirectly.
"""
import re
import sys
from pathlib import Path

ROWS = [  # top to bottom
    "start entry",
    "takeover",
    "driver_binding",
    "component_name diagnostics status_page status_form",
    "adapter",
    "adapter_info",
    "snp",
    "net_device net_control net_filter random_mac",
    "virtio_device",
    "virtio_pci virtio_pci_modern virtio_pci_legacy virtio_transport",
    "virtqueue virtqueue_packed virtqueue_in_order virtqueue_formats dma pci_direct pci_region pci_config_window pci_capability",
    "settings options barrier config_string copy device_path exclusion feature_names freestanding guids hot_path log "
    "mac pci_address pci_opener sbat text",
]
NO_EFI = ["virtqueue", "virtqueue_packed", "virtqueue_in_order"]

ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names.split()}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def includes(path):
    return INCLUDE.findall(path.read_text())


def resolve(root, includer, name):
    """The file of ours that an #include names, or None for a system header."""
    for folder in (includer.parent, root / "include", root / "src"):
        if (folder / name).is_file():
            return (folder / name).resolve()
    return None


def efi_headers(root, path, seen):
    """The EFI headers that a file includes itself or through files of ours."""
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


def check_include(root, path, name):
    target = resolve(root, path, name)
    if "tests/" in name or (target and root / "tests" in target.parents):
        return f"includes {name}, which belongs to tests/"
    if target is None or root / "src" not in target.parents:
        return None
    if root / "include" in path.parents:
        return f"includes {name}, but include/ stands below src/"
    if ROW_OF.get(target.stem, len(ROWS)) < ROW_OF.get(path.stem, len(ROWS)):
        return f"includes {name}, which is in a higher row"
    return None


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    problems = []
    sources = sorted((root / "src").rglob("*.[ch]"))
    if not sources:
        problems.append("src/: no source file found")
    for path in sources + sorted((root / "include").rglob("*.h")):
        where = path.relative_to(root)
        if path in sources and path.stem not in ROW_OF:
            problems.append(f"{where}: unknown; add it to the table in scripts/lint-layers.py")
        for name in includes(path):
            problem = check_include(root, path, name)
            if problem:
                problems.append(f"{where}: {problem}")
        if path in sources and path.stem in NO_EFI:
            for name in sorted(efi_headers(root, path, set())):
                problems.append(f"{where}: sees {name}, but must do without EFI headers")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
