#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/lint-version.py [ROOT]

Checks that every place that gives the project's version gives the Makefile's: the newest entry of
CHANGELOG.md and of debian/changelog, the man pages, and the files that README.md names.
"""
import re
import sys
from pathlib import Path

MAKEFILE = r"^VERSION := (\S+)$"
PLACES = (
    ("CHANGELOG.md", r"\A(?:(?!^## ).*\n)*## (\S+) \("),
    ("debian/changelog", r"\Avirtio-net-efi \(([^)]+)\)"),
    ("debian/virtio-net-efi-install.8", r'"virtio-net\.efi ([^"]+)"'),
    ("debian/virtio-net-efi-report.1", r'"virtio-net\.efi ([^"]+)"'),
    ("README.md", r"virtio-net-(\d[\w.~]*)\.tar\.gz"),
    ("README.md", r"virtio-net-efi_([^_\s]+)_all\.deb"),
)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent)
    version = re.search(MAKEFILE, (root / "Makefile").read_text(), re.MULTILINE)[1]
    problems = []
    for name, pattern in PLACES:
        found = re.findall(pattern, (root / name).read_text(), re.MULTILINE) or ["none"]
        problems += [f"{name}: version {other}, and {version} in the Makefile"
                     for other in found if other != version]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
