#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/dist.sh VERSION BUILT DIST
# Packs what is built in the folder BUILT into DIST/virtio-net-VERSION.tar.gz: driver, option
# ROM if there is one, debug symbols, gdb and install scripts, documents, licences, bill of
# materials, checksums. The same input gives the same bytes; all times are SOURCE_DATE_EPOCH.
# CRT0 and GNUEFI name the gnu-efi code that was linked in, GNUEFI_LICENSE its licence.
set -eu

[ $# -eq 3 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
version=$1
built=$2
dist=$3
root=$(cd "$(dirname "$0")/.." && pwd)
name=virtio-net-$version
crt0=${CRT0:-/usr/lib/crt0-efi-x86_64.o}
gnuefi=${GNUEFI:-/usr/lib/libgnuefi.a}
gnuefi_license=${GNUEFI_LICENSE:-/usr/share/doc/gnu-efi/copyright}

fail() { echo "dist: $*" >&2 && exit 1; }

# Its licence wants to be reproduced with binaries.
[ -s "$gnuefi_license" ] || fail "$gnuefi_license: missing; GNUEFI_LICENSE=FILE names it"
for file in virtio-net.efi virtio-net.debug; do
    [ -s "$built/$file" ] || fail "$built/$file: missing or empty (run make)"
done

export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}"
folder=$dist/$name
rm -rf "$folder" "$folder.tar.gz"
mkdir -p "$folder"
for file in virtio-net.efi virtio-net.debug virtio-net.rom; do
    [ ! -e "$built/$file" ] || install -m 644 "$built/$file" "$folder"
done
install -m 644 "$root/README.md" "$root/CHANGELOG.md" "$root/LICENSE" \
    "$root/scripts/virtio-net-gdb.py" "$folder"
install -m 644 "$gnuefi_license" "$folder/LICENSE.gnu-efi"
install -m 755 "$root/scripts/install.sh" "$folder"
"$root/scripts/make-sbom.py" "$version" "$folder" "$crt0" "$gnuefi" >"$folder.spdx.json"
mv "$folder.spdx.json" "$folder/virtio-net.spdx.json"
(cd "$folder" && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)
chmod 644 "$folder/SHA256SUMS" "$folder/virtio-net.spdx.json"

tar --create --file "$folder.tar.gz.new" --use-compress-program "gzip -9 --no-name" \
    --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    --mtime="@$SOURCE_DATE_EPOCH" --directory "$dist" "$name"
mv "$folder.tar.gz.new" "$folder.tar.gz"
echo "  DIST    $folder.tar.gz"
