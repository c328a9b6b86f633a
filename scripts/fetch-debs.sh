#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/fetch-debs.sh FOLDER PACKAGE...
#
# Downloads packages of this machine's distribution and unpacks them into FOLDER. FIRST|SECOND means
# the first that exists. Nothing is installed, and root is not needed.
set -eu

[ $# -ge 2 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
folder=$(realpath -m "$1")
shift

fail() {
    echo "setup: $*" >&2
    exit 1
}

for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || fail "$tool is missing: a Debian or Ubuntu system is needed"
done

mkdir -p "$folder"
download=$(mktemp -d "$folder/download.XXXXXX")
trap 'rm -rf "$download"' EXIT
cd "$download"

for wanted; do
    found=
    for package in $(echo "$wanted" | tr '|' ' '); do
        # A virtual package has no entry.
        [ -n "$found" ] || ! apt-cache show "$package" 2>/dev/null | grep -q ^Package: ||
            found=$package
    done
    [ -n "$found" ] || fail "$wanted: not in apt's lists (run apt-get update as root)"
    # As root, apt downloads as the user _apt, who may not be allowed to write here.
    apt-get -qq -o APT::Sandbox::User=root download "$found" >apt.log 2>&1 ||
        fail "cannot download $found: $(tail -n 1 apt.log)"
done
for package in ./*.deb; do
    dpkg-deb -x "$package" "$folder"
done
