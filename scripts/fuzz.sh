#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/fuzz.sh SECONDS [NAME...]
#        scripts/fuzz.sh --coverage
# Runs the fuzz targets config, join, options, rings, rom, stack and takeover, or the named ones, for SECONDS each,
# two at a time, from the corpora in tests/fuzz/corpus. `make fuzz` builds them first. Findings, logs and new
# inputs stay in build/fuzz. Prints one line per target. A finding makes the status 1, and its line names
# the input. SEED=N makes a run with an empty build/fuzz/corpus try the same inputs again; without it each
# run tries others.
# --coverage reports how much of src/ these corpora cover: lines per target, then lines per file for all
# targets together. `make fuzz-coverage` first builds the targets for it in build/fuzz-coverage.
set -eu
cd "$(dirname "$0")/.."

run_target() { # SECONDS NAME
    local seconds=$1 name=$2 program=build/fuzz/fuzz_$2 log=build/fuzz/$2.log found=build/fuzz/corpus/$2
    local status=0 runs covered edges input cause
    [ "$name" != rom ] || program=tests/fuzz/fuzz_rom.py
    [ -x "$program" ] || { echo "FAIL  fuzz $name: $program is missing" && exit 1; }
    mkdir -p "$found" build/fuzz/found

    local options=(-max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 -max_len=4096
        -artifact_prefix="build/fuzz/found/$name-")
    [ ! -e "tests/fuzz/fuzz_$name.dict" ] || options+=("-dict=tests/fuzz/fuzz_$name.dict")
    [ -z "${SEED:-}" ] || options+=("-seed=$SEED")
    # A smaller quarantine of freed memory, which is what costs most.
    export ASAN_OPTIONS=quarantine_size_mb=16:allocator_release_to_os_interval_ms=-1

    timeout $((seconds + 300)) "$program" "${options[@]}" "$found" "tests/fuzz/corpus/$name" \
        >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    edges=$(sed -n 's/.*PC tables* (\([0-9]*\) PCs).*/\1/p' "$log" | tail -n 1)

    if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        echo "ok    fuzz $name: $runs executions, $covered${edges:+ of $edges} edges"
    else
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        cause=$(grep -m 1 -E '^fuzz: |ERROR: |SUMMARY: |runtime error: |^[A-Za-z.]+([Ee]rror|Slow)' "$log") || true
        echo "FAIL  fuzz $name: ${input:-no input was kept}, see $log: ${cause:-exit status $status}"
        exit 1
    fi
}

report() { # PROFILE TARGET...
    local profile=$1
    local objects=("${@:2}")
    llvm-cov report "${objects[0]}" "${objects[@]/#/-object=}" -instr-profile="$profile" \
        -ignore-filename-regex='tests/|include/' -show-functions=false -show-branch-summary=false
}

report_coverage() {
    local out=build/fuzz-coverage name targets=()
    for name in config join options rings stack takeover; do
        targets+=("$out/fuzz_$name")
        LLVM_PROFILE_FILE=$out/$name.profraw "$out/fuzz_$name" -runs=0 "tests/fuzz/corpus/$name" 2>"$out/$name.log"
        llvm-profdata merge -sparse -o "$out/$name.profdata" "$out/$name.profraw"
        report "$out/$name.profdata" "$out/fuzz_$name" |
            awk -v name="$name" '$1 == "TOTAL" { print name ": " $10 " of the lines of src/" }'
    done
    llvm-profdata merge -sparse -o "$out/all.profdata" "$out"/*.profraw
    report "$out/all.profdata" "${targets[@]}" |
        awk '/\.c / || $1 == "TOTAL" { printf "%-32s %s\n", $1, $10 }'
}

case ${1:-} in
'') sed -n 's/^# usage: //p' "$0" >&2 && exit 1 ;;
--coverage) report_coverage ;;
--one) run_target "$2" "$3" ;;
*)
    seconds=$1
    shift
    [ $# -gt 0 ] || set -- config join options rings rom stack takeover
    printf '%s\n' "$@" | xargs -P 2 -I NAME "$0" --one "$seconds" NAME && exit 0 || exit 1
    ;;
esac
