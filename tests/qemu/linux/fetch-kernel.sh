#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: fetch-kernel.sh [FOLDER]
#
# Puts Debian's cloud kernel (FOLDER/vmlinuz, FOLDER/modules/) and its static busybox
# (FOLDER/busybox) into FOLDER, build/linux by default. Nothing is installed and root is not
# needed; with everything already there it does nothing, also without a network.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=$(realpath -m "${1:-$root/build/linux}")

if [ -e "$folder/complete" ]; then
    exit 0
fi

fail() {
    echo "fetch-kernel.sh: $*" >&2
    exit 1
}

rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

# linux-image-cloud-amd64 is empty: the kernel is in the one package it depends on, or, from
# Debian 14 on, in those that this one depends on.
kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1) || true
[ -n "$kernel" ] || fail "linux-image-cloud-amd64: not in apt's lists (run apt-get update as root)"

parts=$(apt-cache depends "$kernel" |
    sed -n 's/^ *Depends: \(linux-\(binary\|modules\)-[0-9][^ ]*\)$/\1/p')

echo "setup: fetching $kernel and busybox-static into $folder"
# shellcheck disable=SC2086 # a package name each
"$root/scripts/fetch-debs.sh" unpacked "$kernel" $parts busybox-static

for found in unpacked/lib/modules unpacked/usr/lib/modules \
    unpacked/bin/busybox unpacked/usr/bin/busybox; do
    [ ! -e "$found" ] || mv "$found" .
done
for found in unpacked/boot/vmlinuz-* modules/*/vmlinuz; do
    [ ! -e "$found" ] || mv "$found" vmlinuz
done
for wanted in vmlinuz modules busybox; do
    [ -e "$wanted" ] || fail "the packages hold no $wanted"
done
rm -rf unpacked
echo "$kernel" >complete
