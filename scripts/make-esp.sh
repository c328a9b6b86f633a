#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/make-esp.sh DRIVER IMAGE [SHELL]
# Writes IMAGE, a FAT32 volume with the driver, a startup.nsh that loads it, and a README.txt;
# SHELL, a UEFI shell, becomes EFI/BOOT/BOOTX64.EFI for firmware that has none. Needs mtools,
# not root. The same input gives the same bytes: times are SOURCE_DATE_EPOCH, but not before 1980.
set -eu

[ $# -eq 2 ] || [ $# -eq 3 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
driver=$1
image=$2
shell=${3:-}
here=$(dirname "$0")
first_fat_second=315532800

fail() { echo "make-esp: $*" >&2 && exit 1; }

for file in "$driver" ${shell:+"$shell"}; do
    [ -s "$file" ] || fail "$file: missing or empty"
done
command -v mformat >/dev/null || fail "mtools are missing (run scripts/setup.sh)"

export TZ=UTC MTOOLSRC=/dev/null
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}
[ "$SOURCE_DATE_EPOCH" -gt $first_fat_second ] || SOURCE_DATE_EPOCH=$first_fat_second
export SOURCE_DATE_EPOCH

trap 'rm -f "$image.new"' EXIT
rm -f "$image.new"
truncate --size=33M "$image.new"
mformat -i "$image.new" -F -N 56495254 -v VIRTIO-NET ::
mcopy -i "$image.new" "$driver" ::/virtio-net.efi
for text in startup.nsh README.txt; do
    sed 's/$/\r/' "$here/esp/$text" | mcopy -i "$image.new" - "::/$text"
done
if [ -n "$shell" ]; then
    mmd -i "$image.new" ::/EFI ::/EFI/BOOT
    mcopy -i "$image.new" "$shell" ::/EFI/BOOT/BOOTX64.EFI
fi
mv "$image.new" "$image"
