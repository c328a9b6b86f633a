#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/prove.sh [NAME...]
#        scripts/prove.sh --mutations [NAME...]
# Runs the proofs in tests/prove/proofs.txt, or the named ones, with CBMC 6, as many at a time as there
# are processors. Prints one line for each: verdict, name, time, bound. Logs, with the trace of a
# counterexample, are in build/prove, and the lines in build/prove/results.txt, which exists only if
# every proof held within its time. Where CBMC is not installed, they run in the Debian 13 of
# tests/distro/run.sh, which needs root.
# --mutations breaks the code as tests/prove/mutations.txt says, in a copy, and shows that each proof fails.
set -eu -o pipefail
cd "$(dirname "$0")/.."
out=build/prove
proofs=tests/prove/proofs.txt
mutations=tests/prove/mutations.txt
efi=${EFI_INCLUDE:-/usr/include/efi}
minbase=build/distro/trixie

fail() {
    echo "prove: $*" >&2
    exit 1
}

rows() { # FILE: its lines without comments and without the spaces around |
    sed -e '/^#/d' -e '/^ *$/d' -e 's/ *| */|/g' "$1"
}

row_of() { # NAME
    rows $proofs | grep "^$1|" || fail "$1: no proof has this name; see $proofs"
}

# Loads of device memory give any value each time, so the addresses are checked first.
checks=(--bounds-check --pointer-check --pointer-overflow-check --pointer-primitive-check --signed-overflow-check
    --undefined-shift-check --div-by-zero-check --enum-range-check)

# Compiles a file of C. FILE:FUNCTION,… leaves out these functions, which the proof then supplies.
compile() { # FILE[:FUNCTION,…] TREE OUTPUT
    local file=${1%%:*} tree=$2 output=$3 function
    [[ $file != src/* ]] || file=$tree/${file#src/}
    goto-cc -std=gnu17 -ffreestanding -fshort-wchar -DGNU_EFI_USE_MS_ABI -D'VIRTIO_NET_VERSION_STRING=""' -include tests/prove/prove.h \
        "${defines[@]}" -Iinclude "-I$headers" "-I$tree" -isystem "$efi" -isystem "$efi/x86_64" -c -o "$output" "$file" || return
    [[ $1 != *:* ]] || for function in $(tr , ' ' <<<"${1#*:}"); do
        goto-instrument --remove-function-body "$function" "$output" "$output" || return
    done
}

# MACRO=VALUE: a copy of the header that defines the macro, with another value. For the sizes of arrays.
parametrize() { # MACRO=VALUE TREE
    local macro=${1%%=*} tree=$2 header copy
    header=$(grep -rlE "^#define $macro " "$tree") || return
    copy=$headers/${header#"$tree"/}
    mkdir -p "$(dirname "$copy")"
    [ -e "$copy" ] || cp "$header" "$copy"
    sed -i "s/^#define $macro .*/#define $macro ${1#*=}/" "$copy"
}

# Proves NAME for the sources in TREE. Status: 0 it holds, 10 it does not, 124 no answer in time, others: broken.
prove() { # NAME TREE LOG
    local name=$1 tree=$2 log=$3 goto=${3%.log}.goto headers=${3%.log}.headers defines=() part=0 parts=() file sources options limit source status=0
    IFS='|' read -r _ file sources options limit _ < <(row_of "$name")
    rm -rf "$headers"
    for source in $sources "tests/prove/$file"; do
        if [[ $source = -D* ]]; then
            defines+=("$source")
            continue
        fi
        if [[ $source = *=* ]]; then
            parametrize "$source" "$tree" || return 1
            continue
        fi
        part=$((part + 1))
        parts+=("${goto%.goto}-$part.goto")
        compile "$source" "$tree" "${parts[-1]}" || return 1
    done >"$log" 2>&1
    {
        goto-cc -o "$goto" --function "prove_$name" "${parts[@]}" &&
            rm "${parts[@]}" &&
            goto-instrument --drop-unused-functions "$goto" "$goto" &&
            goto-instrument --add-library "${checks[@]}" "$goto" "$goto" &&
            tests/prove/any_load.py "$goto"
    } >>"$log" 2>&1 || return 1
    # shellcheck disable=SC2086 # words of a table
    timeout "$limit" cbmc --no-standard-checks --unwinding-assertions --slice-formula --object-bits 12 --trace $options "$goto" >>"$log" 2>&1 || status=$?
    # A function without a body would be assumed to do nothing and to return anything.
    ! grep -q 'no body for' "$log" || return 1
    return $status
}

cause_of() { # STATUS LOG LIMIT
    case $1 in
    10) sed -n 's/^\[\(.*\)\] \(line [0-9]* .*\): FAILURE$/\1, \2/p' "$2" | head -n 1 ;;
    124) echo "no answer in $3 s" ;;
    *) grep -m 1 -iE 'error|no body for|invariant|not found' "$2" || echo "exit status $1" ;;
    esac
}

run_one() { # NAME
    local name=$1 log=$out/$1.log limit bound began=$SECONDS status=0
    IFS='|' read -r _ _ _ _ limit bound < <(row_of "$name")
    prove "$name" src "$log" || status=$?
    [ "$status" -eq 0 ] || {
        echo "FAIL  prove $name: $(cause_of $status "$log" "$limit"), see $log"
        exit 1
    }
    echo "ok    prove $name: $((SECONDS - began)) s: $bound"
}

# A mutation counts as found only if the proof ends with a counterexample.
run_mutation() { # NUMBER
    local name file command what tree=$out/mutant-$1 log=$out/mutation-$1.log status=0 began=$SECONDS
    IFS='|' read -r name file command what < <(rows $mutations | sed -n "$1p")
    rm -rf "$tree"
    cp -r src "$tree"
    sed -i -e "$command" "$tree/${file#src/}"
    ! cmp -s "$file" "$tree/${file#src/}" || {
        echo "FAIL  mutation $name: $file: nothing changed: $command"
        exit 1
    }
    prove "$name" "$tree" "$log" || status=$?
    rm -rf "$tree"
    [ "$status" -eq 10 ] || {
        echo "FAIL  mutation $name: $what: $([ $status -ne 0 ] && cause_of $status "$log" 'its limit of' || echo 'the proof still holds')"
        exit 1
    }
    echo "ok    mutation $name: $what: $((SECONDS - began)) s: $(cause_of $status "$log" '')"
}

enter_minbase() {
    [ "$(id -u)" -eq 0 ] || fail "no cbmc 6.x: install that of Debian 13 (apt-get install cbmc), or run this as root, who can make a Debian 13 for it"
    command -v debootstrap >/dev/null || fail "debootstrap is missing: scripts/setup.sh installs it"
    [ -x $minbase/usr/bin/cbmc ] && [ -e $minbase/usr/include/efi/efi.h ] || tests/distro/run.sh trixie \
        'apt-get -qq update && apt-get -qq install -y --no-install-recommends cbmc gcc libc6-dev gnu-efi' >&2 ||
        fail "cbmc could not be installed in $minbase; its log is in build/distro"
    mkdir -p $minbase/prove
    # shellcheck disable=SC2016
    exec unshare --mount --pid --fork --kill-child sh -euc '
        mount --rbind /dev "$1/dev"
        mount -t proc proc "$1/proc"
        mount --bind . "$1/prove"
        root=$1
        shift
        exec chroot "$root" env -i IN_MINBASE=yes PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "JOBS=$JOBS" /prove/scripts/prove.sh "$@"' \
        sh $minbase "$@"
}

export JOBS="${JOBS:-$(nproc)}"
case ${1:-} in
--one) run_one "$2" ;;
--mutation) run_mutation "$2" ;;
*)
    if [[ $(cbmc --version 2>/dev/null) != 6.* ]]; then
        [ -z "${IN_MINBASE:-}" ] || fail "no cbmc 6.x: apt-get install cbmc"
        enter_minbase "$@"
    fi
    command -v gcc >/dev/null || fail "gcc is missing: scripts/setup.sh installs it"
    [ -e "$efi/efi.h" ] || fail "$efi/efi.h is missing: scripts/setup.sh installs gnu-efi"
    mkdir -p $out
    kind=--one
    if [ "${1:-}" = --mutations ]; then
        kind=--mutation
        shift
    fi
    for name; do row_of "$name" >/dev/null; done
    if [ $kind = --one ]; then
        rm -f $out/results.txt
        [ $# -gt 0 ] || mapfile -t everything < <(rows $proofs | cut -d '|' -f 1)
        printf '%s\n' "${everything[@]:-$@}"
    else
        rows $mutations | awk -F '|' -v names=" $* " 'names == "  " || index(names, " " $1 " ") { print NR }'
    fi | xargs -P "$JOBS" -I NAME "$0" $kind NAME | tee $out/lines.txt || fail "not everything held"
    [ $kind != --one ] || mv $out/lines.txt $out/results.txt
    ;;
esac
