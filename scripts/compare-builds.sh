#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/compare-builds.sh FIRST SECOND OUT
# Compares what is published of two builds of a release, the folders FIRST and SECOND: dist/*.tar.gz and
# deb/*.deb, *.dsc and *.tar.xz. If they are the same, makes the folder OUT with these files and their
# SHA256SUMS. Otherwise it names what differs, and there is no OUT.
set -eu -o pipefail

[ $# -eq 3 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
first=$1 second=$2 out=$3
kinds=('dist/*.tar.gz' 'deb/*.deb' 'deb/*.dsc' 'deb/*.tar.xz')

fail() { echo "compare-builds: $*" >&2 && exit 1; }

[ ! -e "$out" ] || fail "$out: already there"
names=()
for kind in "${kinds[@]}"; do
    found=$(cd "$first" && compgen -G "$kind") || fail "$first/$kind: missing"
    [ "$(wc -l <<<"$found")" -eq 1 ] || fail "$first/$kind: more than one"
    [ "$(cd "$second" && compgen -G "$kind")" = "$found" ] || fail "$second/$found: missing, or not the only one"
    cmp "$first/$found" "$second/$found" >&2 || fail "$found: differs between the builds"
    names+=("$first/$found")
done

trap 'rm -rf "$out.new"' EXIT
mkdir "$out.new"
cp "${names[@]}" "$out.new"
sums=$(cd "$out.new" && sha256sum -- *)
echo "$sums" >"$out.new/SHA256SUMS"
mv "$out.new" "$out"
