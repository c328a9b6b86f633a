#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/check.sh [SUITE...]
# Installs what is missing, builds, and runs the suites unit, lint, fuzz, image, deploy, qemu and
# distro, with CASES=all also prove, or the named ones. The last line is "N passed, N failed". Logs stay in build/check/.
# Before it each failure has a line again, with its cause. A crash, a skipped test, a build error and a
# suite without tests count as failures.
# CASES selects the QEMU cases: check (default), all, or few; see docs/TESTING.md.
#
# distro runs the demo and the suites unit, image and qemu again in a fresh Debian 13, or in a fresh
# Debian 12 if this machine runs Debian 13. It needs root and is left out otherwise.
set -eu
cd "$(dirname "$0")/.."

unset MAKEFLAGS MAKELEVEL # make check -j2 must not reach the inner makes
logs=build/check
passed=0
failed=0
left_out=
failures=
export CASES="${CASES:-check}"

pass() { echo "ok    $1" && passed=$((passed + ${2:-1})); }
fail() { remember "FAIL  $1" && echo "FAIL  $1" && failed=$((failed + ${2:-1})); }
remember() { [ -z "$1" ] || failures+="$1"$'\n'; }

finish() {
    printf '%s' "$failures"
    printf 'total time: %s s\n%s passed, %s failed\n' $SECONDS $passed $failed
    [ "$failed" -eq 0 ] && exit 0 || exit 1
}

# One process a processor, each into a log whose last line is its status.
run_unit() {
    local source test log planned good bad status
    export logs CMOCKA_MESSAGE_OUTPUT=TAP
    # shellcheck disable=SC2016
    printf '%s\n' tests/unit/*/*_test.c | xargs -P "$(nproc)" -I SOURCE sh -c '
        log=$logs/$(basename "$1" .c).log
        status=0
        timeout 900 "build/host/${1%.c}" >"$log" 2>&1 || status=$?
        echo "exit status $status" >>"$log"' sh SOURCE
    for source in tests/unit/*/*_test.c; do
        test=$(basename "$source" .c)
        log=$logs/$test.log
        status=$(sed -n '$s/.*exit status //p' "$log")
        planned=$(awk -F '[. ]+' '/^1\.\.[0-9]/ { n += $2 } END { print n + 0 }' "$log")
        good=$(grep -c '^ok ' "$log") || true
        bad=$((planned - good)) # after a crash also those that never ran
        # A leak, or a binary that was not built, shows only in the status.
        [ "$bad" -gt 0 ] || { [ "$status" = 0 ] && [ "$good" -gt 0 ]; } || bad=1
        if [ "$bad" -gt 0 ]; then
            cat "$log"
            fail "unit $test: $good passed, $bad failed, exit status $status" "$bad"
            passed=$((passed + good))
        else
            pass "unit $test: $good passed" "$good"
        fi
    done
}

run_lint() {
    local check
    for check in format tidy analyzer cppcheck shell layers spec names chart version; do
        if make lint-$check >"$logs/lint-$check.log" 2>&1; then
            if grep 'left out' "$logs/lint-$check.log"; then continue; fi
            pass "lint $check"
        else
            cat "$logs/lint-$check.log"
            fail "lint $check"
        fi
    done
}

# A target that prints a line for each test.
run_lines() { # NAME of the make target, VARIABLE=VALUE...
    local log=$logs/$1.log status=0
    make --no-print-directory "$@" >"$log" 2>&1 || status=$?
    cat "$log"
    passed=$((passed + $(grep -c '^ok ' "$log"))) || true
    failed=$((failed + $(grep -c '^FAIL ' "$log"))) || true
    remember "$(grep '^FAIL ' "$log")"
    [ "$status" -eq 0 ] || grep -q '^FAIL ' "$log" || fail "$1: exit status $status"
}

# One <testcase> is one test. A child element that is not a success makes it a failure.
junit_results='
import sys, xml.etree.ElementTree as tree
cases = list(tree.parse(sys.argv[1]).iter("testcase"))
wrong = [(c, c.find(k)) for c in cases for k in ("failure", "error", "skipped") if c.find(k) is not None]
bad = {id(c) for c, _ in wrong}
print(len(cases) - len(bad), len(bad))
for case, cause in wrong:
    lines = [line for line in (cause.text or cause.get("message") or "").splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("E  ")] or lines or ["no cause given"]
    print("FAIL ", case.get("classname"), case.get("name") + ":", causes[0].removeprefix("E  ").strip())'

run_pytest() { # NAME of the make target
    local xml=$logs/$1.xml results='0 0' counts status=0
    make --no-print-directory "$1" CASES="$CASES" PYTEST_FLAGS="--junitxml=$xml -rfEs" || status=$?
    [ ! -e "$xml" ] || results=$(/usr/bin/python3 -c "$junit_results" "$xml") || results="0 0"
    counts=${results%%$'\n'*}
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    remember "$(grep '^FAIL ' <<<"$results")"
    [ "$status" -eq 0 ] || [ "${counts#* }" -gt 0 ] || fail "$1: exit status $status"
}

run_distro() {
    local suite=trixie cases=few log counts said
    if [ -n "${IN_MINBASE:-}" ]; then
        echo "distro: left out: this already is a minbase"
        left_out=yes
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "distro: left out: only root can make a minbase (sudo make distro SUITE=$suite)"
        left_out=yes
        return
    fi
    ! grep -qx 'VERSION_CODENAME=trixie' /etc/os-release || suite=bookworm
    [ "$CASES" != all ] || cases=all
    log=$logs/distro.log
    tests/distro/run.sh $suite 'make demo' "CASES=$cases scripts/check.sh unit image qemu" 2>&1 | tee "$log" || true
    if grep -q "^ok  $suite: make demo: " "$log"; then pass "$suite make demo"; else fail "$suite make demo"; fi
    said=$(grep "^[a-zA-Z]* *$suite: CASES=" "$log") || said=''
    counts=$(sed -n 's/.*: \([0-9]*\) passed, \([0-9]*\) failed (.*/\1 \2/p' <<<"$said")
    if [ -z "$counts" ] || { [[ $said != ok* ]] && [ "${counts#* }" -eq 0 ]; }; then
        fail "$suite check.sh: ${said:-no result}"
    else
        passed=$((passed + ${counts% *}))
        failed=$((failed + ${counts#* }))
        remember "$(sed -n "/^total time/q; s/^FAIL  /FAIL  $suite: /p" "build/distro/$suite"-CASES*.log | sort -u)"
    fi
}

scripts/setup.sh --all || { fail "setup" && finish; }
rm -rf "$logs"
mkdir -p "$logs"
if [ $# -eq 0 ]; then
    set -- unit lint fuzz image deploy qemu distro
    [ "$CASES" != all ] || set -- prove "$@"
fi
targets=(arches unit-build)
[[ " $* " != *' fuzz '* ]] || targets+=(fuzz-build)
make -j"$(nproc)" --keep-going "${targets[@]}" || fail "build"

for suite in "$@"; do
    echo "== $suite"
    before=$((passed + failed))
    began=$SECONDS
    case $suite in
    unit | lint) "run_$suite" ;;
    # A fixed seed: whether a change passes must not hang on the inputs of the day.
    fuzz) run_lines fuzz TIME=20 SEED=1 ;;
    prove) run_lines prove ;;
    image | deploy | qemu) run_pytest "$suite" ;;
    distro) run_distro ;;
    *) fail "no suite is called $suite" ;;
    esac
    echo "== $suite took $((SECONDS - began)) s"
    [ $((passed + failed)) -gt "$before" ] || [ -n "$left_out" ] || fail "$suite: no test ran"
    left_out=
done
finish
