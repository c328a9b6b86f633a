#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/fuzz-coverage.sh DIR [CORPUS]
# Says what the corpora in CORPUS (tests/fuzz/corpus) cover of src/: lines per target, then
# lines per file for all together. The targets in DIR are built with clang's
# -fprofile-instr-generate -fcoverage-mapping: `make fuzz-coverage`.
set -eu

[ $# -gt 0 ] || { sed -n 's/^# usage: //p' "$0" >&2 && exit 1; }
out=$1
corpus=${2:-tests/fuzz/corpus}

report() { # PROFILE TARGET...
    local profile=$1
    local objects=("${@:2}")
    llvm-cov report "${objects[0]}" "${objects[@]/#/-object=}" -instr-profile="$profile" \
        -ignore-filename-regex='tests/|include/' -show-functions=false -show-branch-summary=false
}

targets=()
for target in "$out"/fuzz_*; do
    name=${target##*/fuzz_}
    case $name in *.*) continue ;; esac
    LLVM_PROFILE_FILE=$out/$name.profraw "$target" -runs=0 "$corpus/$name" 2>"$out/$name.log"
    llvm-profdata merge -sparse -o "$out/$name.profdata" "$out/$name.profraw"
    report "$out/$name.profdata" "$target" |
        awk -v name="$name" '$1 == "TOTAL" { print name ": " $10 " of the lines of src/" }'
    targets+=("$target")
done
llvm-profdata merge -sparse -o "$out/all.profdata" "$out"/*.profraw
report "$out/all.profdata" "${targets[@]}" |
    awk '/\.c / || $1 == "TOTAL" { printf "%-32s %s\n", $1, $10 }'
