#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/make-esp.sh IMAGE FILE...
# Writes IMAGE, a FAT32 volume with a startup.nsh that loads the driver, and a README.txt. Each FILE is
# an EFI image whose header decides its place: a driver becomes ARCH/virtio-net.efi, a program
# EFI/BOOT/BOOT….EFI, which firmware without a shell starts. Needs mtools, not root. The same input
# gives the same bytes: times are SOURCE_DATE_EPOCH, or 1980 if that is earlier.
set -eu

[ $# -ge 2 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
image=$1
shift
here=$(dirname "$0")
first_fat_second=315532800

fail() { echo "make-esp: $*" >&2 && exit 1; }

hex() { od -An -t "x$3" -j "$2" -N "$3" "$1" 2>/dev/null | tr -d ' '; } # FILE OFFSET BYTES

place() { # FILE: its path on the volume, or nothing
    pe=$(hex "$1" 60 4) # offset of its PE header
    pe=$((0x${pe:-0}))
    case $(hex "$1" 0 2)-$(hex "$1" $pe 4)-$(hex "$1" $((pe + 4)) 2) in
    5a4d-00004550-8664) arch=x86_64 short=X64 ;;
    5a4d-00004550-014c) arch=ia32 short=IA32 ;;
    5a4d-00004550-aa64) arch=aarch64 short=AA64 ;;
    5a4d-00004550-5064) arch=riscv64 short=RISCV64 ;;
    5a4d-00004550-6264) arch=loongarch64 short=LOONGARCH64 ;;
    *) return ;;
    esac
    case $(hex "$1" $((pe + 92)) 2) in # the subsystem
    000a) echo "EFI/BOOT/BOOT$short.EFI" ;;
    000b) echo "$arch/virtio-net.efi" ;;
    esac
}

for file; do
    [ -s "$file" ] || fail "$file: missing or empty"
    [ -n "$(place "$file")" ] ||
        fail "$file: neither a driver nor a program for UEFI on x86_64, ia32, aarch64, riscv64 or loongarch64"
done
command -v mformat >/dev/null || fail "mtools are missing (run scripts/setup.sh)"

export TZ=UTC MTOOLSRC=/dev/null
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}
[ "$SOURCE_DATE_EPOCH" -gt $first_fat_second ] || SOURCE_DATE_EPOCH=$first_fat_second
export SOURCE_DATE_EPOCH

trap 'rm -f "$image.new"' EXIT
trap 'exit 1' INT TERM HUP
rm -f "$image.new"
truncate --size=33M "$image.new"
mformat -i "$image.new" -F -N 56495254 -v VIRTIO-NET ::
for text in startup.nsh README.txt; do
    sed 's/$/\r/' "$here/esp/$text" | mcopy -i "$image.new" - "::/$text"
done
for file; do
    path=$(place "$file")
    folder=''
    for name in $(dirname "$path" | tr / ' '); do
        folder=$folder/$name
        mdir -i "$image.new" "::$folder" >/dev/null 2>&1 || mmd -i "$image.new" "::$folder"
    done
    ! mdir -i "$image.new" "::/$path" >/dev/null 2>&1 || fail "$file: $path is already taken"
    mcopy -i "$image.new" "$file" "::/$path"
done
mv "$image.new" "$image"
