#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/lint-spec.py [ROOT]

Checks the tables of obligations in docs/SPEC.md and of promises in docs/SECURITY.md: each row names
at least one function of src/ and one test, and each that is named exists. A function that several
files have is named `file:function`. A test is a function of tests/unit, tests/image or tests/qemu, or
a claim of an application in tests/qemu/apps.
"""
import re
import sys
from pathlib import Path

FUNCTION = re.compile(r"^(?!typedef|return|else)[A-Za-z_][\w *]*?\b(\w+)\([^;{]*\)\s*\{", re.MULTILINE)
UNIT_TEST = re.compile(r"^static void (\w+)\(void \*\*\w+\)\s*\{", re.MULTILINE)
QEMU_TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
CLAIM = re.compile(r"check_(?:status|number|true|bytes|state|kinds|source|header)\(\s*L\"(\w+)\"")
NAME = re.compile(r"`([^`]+)`")
HEADER = re.compile(r"\|\s*(Obligation|Promise)\s*\|")
DOCUMENTS = {"docs/SPEC.md": 100, "docs/SECURITY.md": 15}  # fewer rows: they were not understood


def functions(root):
    """Name -> the stems of the files that define it."""
    found = {}
    for path in sorted((root / "src").glob("*/*.[ch]")):
        for name in FUNCTION.findall(path.read_text()):
            found.setdefault(name, set()).add(path.stem)
    return found


def tests(root):
    found = set()
    for pattern, files in (
        (UNIT_TEST, "tests/unit/*/*_test.c"),
        (QEMU_TEST, "tests/image/test_*.py"),
        (QEMU_TEST, "tests/qemu/test_*.py"),
        (CLAIM, "tests/qemu/apps/*.[ch]"),
    ):
        for path in root.glob(files):
            found.update(pattern.findall(path.read_text()))
    return found


def rows(text):
    """The rows of the tables with such a header, as (line number, cells), without rulers."""
    is_ours = False
    for number, line in enumerate(text.splitlines(), 1):
        is_header = HEADER.match(line)
        is_ours = bool(is_header) or (is_ours and line.startswith("|"))
        if is_ours and not is_header and not line.startswith("|-"):
            yield number, [cell.strip() for cell in line.strip("|").split("|")]


def check_function(name, found):
    file, _, function = name.rpartition(":")
    files = found.get(function, set())
    if not files or (file and file not in files):
        return f"no function {function} in src/{file + '.c' if file else ''}"
    if not file and len(files) > 1:
        return f"{function} is in {', '.join(sorted(files))}: say in which"
    return None


def check_document(document, text, expected_rows, in_src, in_tests):
    problems, count = [], 0
    for number, cells in rows(text):
        count += 1
        where = f"{document}:{number}"
        if len(cells) != 3 or not all(cells):
            problems.append(f"{where}: not an obligation or a promise, its functions and its tests")
            continue
        names, claims = NAME.findall(cells[1]), NAME.findall(cells[2])
        if not names or not claims:
            problems.append(f"{where}: names no function, or no test")
        problems += [f"{where}: {bad}" for name in names if (bad := check_function(name, in_src))]
        problems += [f"{where}: no test {name}" for name in claims if name not in in_tests]
    if count < expected_rows:
        problems.append(f"{document}: {count} rows found, not {expected_rows} or more")
    return problems


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    in_src, in_tests = functions(root), tests(root)
    problems = []
    for document, expected_rows in DOCUMENTS.items():
        text = (root / document).read_text()
        problems += check_document(document, text, expected_rows, in_src, in_tests)
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
