#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/lint-names.py [ROOT]

Checks that whatever messages, comments and documents tell people to run or read exists: the targets
in `make TARGET`, "run make TARGET" and indented commands, and files of scripts/, docs/, tests/, src/
and include/. NAME in a file's name is a placeholder.
"""
import re
import sys
from pathlib import Path

MAKEFILES = "Makefile", "tests/tests.mk"
TEXTS = [*MAKEFILES, "*.md", ".ci/run", "debian/*", "docs/*.md", "scripts/*.*", "scripts/esp/*", "src/*/*.[ch]",
         "include/*/*.h", "tests/**/*.py", "tests/**/*.sh", "tests/**/*.[ch]", "tests/**/*.md"]
COMMAND = re.compile(r"(?:`|\brun |^    )make((?: +[\w-]+(?:=(?:\"[^\"]*\"|[^\s`]*))?)+)", re.MULTILINE)
RULE = re.compile(r"^([a-z][\w -]*):(?!=)", re.MULTILINE)
PATH = re.compile(r"(?<![\w/.)>-])(?:\$root/)?((?:scripts|docs|tests|src|include)/[\w./-]*\w)(?![*%$\w])")
MINIMUM = 40  # names of each kind; with fewer, the patterns no longer match


def targets(makefile):
    return {name for names in RULE.findall(makefile) for name in names.split()}


def line_of(text, match):
    return text.count("\n", 0, match.start()) + 1


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    known = targets("\n".join((root / name).read_text() for name in MAKEFILES if (root / name).exists()))
    problems, commands, paths = [], 0, 0
    for path in sorted({path for pattern in TEXTS for path in root.glob(pattern) if path.is_file()}):
        text = path.read_text(errors="replace")
        where = path.relative_to(root)
        for match in COMMAND.finditer(text):
            for name in (word for word in match[1].split() if re.fullmatch(r"[a-z][\w-]*", word)):
                commands += 1
                if name not in known:
                    problems.append(f"{where}:{line_of(text, match)}: no target {name} in the Makefile")
        for match in PATH.finditer(text):
            paths += 1
            if "NAME" not in match[1] and not (root / match[1]).exists():
                problems.append(f"{where}:{line_of(text, match)}: there is no {match[1]}")
    if min(commands, paths) < MINIMUM:
        problems.append(f"{commands} targets and {paths} files named, not {MINIMUM} or more")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
