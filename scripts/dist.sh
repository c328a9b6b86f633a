#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/dist.sh VERSION BUILT DIST ARCH=LIB...
# Packs the builds in the folder BUILT into DIST/virtio-net-VERSION.tar.gz: driver, debug symbols and
# option ROM for each ARCH, one option ROM for all, scripts that install, report and debug, documents, licences, bill
# of materials, checksums. The same input gives the same bytes; all times are SOURCE_DATE_EPOCH. A
# failure leaves an earlier release unchanged. LIB is the folder of the gnu-efi code that was linked
# in, the file GNUEFI_LICENSE its licence.
set -eu

[ $# -ge 4 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
version=$1
built=$2
dist=$3
shift 3
root=$(cd "$(dirname "$0")/.." && pwd)
name=virtio-net-$version
gnuefi_license=${GNUEFI_LICENSE:-/usr/share/doc/gnu-efi/copyright}

fail() { echo "dist: $*" >&2 && exit 1; }

# gnu-efi's licence must accompany binaries.
[ -s "$gnuefi_license" ] || fail "$gnuefi_license: missing; GNUEFI_LICENSE=FILE names it"
for arch in "${@%%=*}"; do
    for file in "$arch"/virtio-net.efi "$arch"/virtio-net.debug "$arch"/virtio-net.rom virtio-net.rom; do
        [ -s "$built/$file" ] || fail "$built/$file: missing or empty (run make arches)"
    done
done

export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}"
mkdir -p "$dist"
new=$(mktemp -d "$dist/new.XXXXXX") # an existing release stays until this one is complete
trap 'rm -rf "$new"' EXIT
trap 'exit 1' INT TERM HUP
folder=$new/$name
mkdir "$folder"
for arch in "${@%%=*}"; do
    install -m 644 -D --target-directory "$folder/$arch" "$built/$arch"/virtio-net.{efi,debug,rom}
done
install -m 644 "$built/virtio-net.rom" "$folder"
install -m 644 "$root/README.md" "$root/CHANGELOG.md" "$root/LICENSE" \
    "$root/scripts/virtio-net-gdb.py" "$folder"
install -m 644 "$gnuefi_license" "$folder/LICENSE.gnu-efi"
install -m 755 "$root/scripts/install.sh" "$root/scripts/report.sh" "$folder"
"$root/scripts/make-sbom.py" "$version" "$folder" "$@" >"$folder.spdx.json"
mv "$folder.spdx.json" "$folder/virtio-net.spdx.json"
(cd "$folder" && find ./* -type f | cut -c 3- | sort | xargs sha256sum >../SHA256SUMS && mv ../SHA256SUMS .)
chmod 644 "$folder/SHA256SUMS" "$folder/virtio-net.spdx.json"

tar --create --file "$folder.tar.gz" --use-compress-program "gzip -9 --no-name" \
    --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    --mtime="@$SOURCE_DATE_EPOCH" --directory "$new" "$name"
rm -rf "${dist:?}/$name"
mv "$folder" "$folder.tar.gz" "$dist"
echo "  DIST    $dist/$name.tar.gz"
