#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: install.sh [--esp DIR] [--driver FILE]    install or update
#        install.sh [--esp DIR] --remove           undo it
# Run as root on a Linux machine that booted by UEFI. Copies the driver for the firmware's architecture
# to the mounted EFI system partition (DIR, or the first of /boot/efi, /efi and /boot) as
# EFI/virtio-net/virtio-net.efi and makes the firmware load it at each boot (Driver####). Leaves alone
# what is already right. A failure leaves nothing half-done.
set -eu
root=${INSTALL_ROOT:-} # the tests' stand-in for /
here=$(dirname "$(readlink -f "$0")") # of the script, if a link is what was called
esp='' driver='' remove='' device='' fresh='' kept='' changed=''

# A message that cannot be written must not end the work half-way.
trap '' PIPE
(exec 3>&1) 2>/dev/null || exec >/dev/null
(exec 3>&2) || exec 2>/dev/null
say() { changed=yes && { echo "install: $*" 2>/dev/null || :; }; }
fail() { { echo "install: $*" >&2 || :; } && exit 1; }
mounted_fat() { # FOLDER: its device; the /. wakes an automounter
    ls "$1/." >/dev/null 2>&1 || return 0
    AT=$1 awk '{ gsub(/\\040/, " ", $2); gsub(/\\011/, "\t", $2); gsub(/\\012/, "\n", $2)
                 gsub(/\\134/, "\\", $2) }
        $2 == ENVIRON["AT"] && $3 == "vfat" { d = $1 } END { print d }' "$root/proc/self/mounts"
}
our_variables() { # the numbers of those that load our file from this partition: 0003, 0003+ if active; after these
    # 0003- and 0003+-, which do not name the disk and have no options that would be lost with them
    printf '%s\n' "$variables" | tr 'a-z*' 'A-Z+' | awk -v partition="HD($number,$id," '
        /^DRIVER[0-9A-F]+[+ ]/ && index($0, toupper(partition)) &&
        index($0, "\\EFI\\VIRTIO-NET\\VIRTIO-NET.EFI") {
            found = substr($0, 7, 5); sub(" ", "", found)
            if (/\)\/HD\(/ || !/\.EFI\)? *$/) print found; else short = short " " found "-"
        }
        END { print short }'
}
set_variable() { efibootmgr --quiet --driver "$@" >&2 || fail "efibootmgr failed on $1"; }
create() { # efibootmgr also puts it in front of DriverOrder
    set_variable --create --disk "/dev/$(basename "$(dirname "$block")")" --part "$number" \
        --label virtio-net --loader '\EFI\virtio-net\virtio-net.efi' "$@"
    say "the firmware loads it at each boot from now on"
}
undo() { # what a failure left behind
    rm -f "$target.new" ${fresh:+"$target"}
    if [ -n "$kept" ]; then mv -f "$target.old" "$target"; else rm -f "$target.old"; fi
    rmdir "$folder" "${folder%/*}" 2>/dev/null || true # when empty
}

while [ $# -gt 0 ]; do
    case $1 in
    --esp) esp=${2:?--esp needs a folder} && shift ;;
    --driver) driver=${2:?--driver needs a file} && shift ;;
    --remove) remove=yes ;;
    -h | --help) sed -n "/^# usage/,/^set/ { s/install[.]sh/${0##*/}/; s/^# //p }" "$0" && exit ;;
    *) fail "$1: unknown option; see --help" ;;
    esac
    shift
done
[ "$(id -u)" -eq 0 ] || fail "only root may write to the ESP and to the firmware's variables"
[ -d "$root/sys/firmware/efi" ] || fail "this Linux was not booted by UEFI: no /sys/firmware/efi"
command -v efibootmgr >/dev/null || fail "efibootmgr is missing: install it, or check PATH"
if [ -z "$driver$remove" ]; then # the firmware may be 32-bit under a 64-bit Linux
    bits=$(cat "$root/sys/firmware/efi/fw_platform_size" 2>/dev/null) || bits='?'
    case $(uname -m)-$bits in
    *86*-64) arch=x86_64 ;; *86*-32) arch=ia32 ;; aarch64-64 | riscv64-64 | loongarch64-64) arch=$(uname -m) ;;
    *) fail "no driver for $bits-bit firmware on $(uname -m); --driver FILE names one" ;;
    esac
    driver=$here/$arch/virtio-net.efi # its place in a release; then, its place after make
    [ -e "$driver" ] || driver=${here%/*}/build/$arch/virtio-net.efi
fi
[ -n "$remove" ] || [ -s "$driver" ] || fail "$driver: missing or empty"

for place in "$root/boot/efi" "$root/efi" "$root/boot"; do
    place=$(readlink -f "${esp:-$place}") || continue
    device=$(mounted_fat "$place")
    [ -z "$device" ] || break
done
[ -n "$device" ] || fail "no FAT volume is mounted at ${esp:-/boot/efi, /efi or /boot; see --esp}"
folder=$place/EFI/virtio-net target=$place/EFI/virtio-net/virtio-net.efi

# UEFI names a partition by its number and identity: 1,GPT,UUID or 1,MBR,0xSIGNATURE.
block=$(readlink -f "$root/sys/class/block/$(basename "$(readlink -f "$device")")") || block=''
number=$(cat "$block/partition" 2>/dev/null) || fail "$device at $place is not a partition of a disk"
id=$(blkid -s PARTUUID -o value "$device") || fail "blkid finds no partition UUID on $device"
if [ "${#id}" -eq 36 ]; then id=GPT,$id; else id=$(printf 'MBR,0x%x' "0x${id%-*}"); fi
variables=$(efibootmgr --driver --verbose) || fail "no access to efivars; is efivarfs mounted?"
# shellcheck disable=SC2046
set -- $(our_variables)
trap undo EXIT
if [ -n "$remove" ]; then
    trap '' INT TERM HUP # variable and file go together, or not at all
    [ ! -e "$target" ] || { mv "$target" "$target.old" && kept=yes; } ||
        fail "cannot write to $folder; is the ESP read-only?"
    for each; do
        each=${each%-} && each=${each%+}
        set_variable --bootnum "$each" --delete-bootnum && say "removed Driver$each"
    done
    [ -z "$kept" ] || { kept='' && undo && sync && say "removed $target"; }
    [ -n "$changed" ] || say "nothing to do: it is not installed on $place"
    exit
fi
trap 'exit 1' INT TERM HUP
if ! cmp -s "$driver" "$target"; then
    [ -e "$target" ] || fresh=yes
    { mkdir -p "$folder" && cp "$driver" "$target.new" && sync && cmp "$driver" "$target.new" &&
        { [ -n "$fresh" ] || cp -p "$target" "$target.old"; }; } ||
        fail "cannot write to $folder; is the ESP full or read-only?"
    [ -n "$fresh" ] || kept=yes
    mv -f "$target.new" "$target" && sync && say "copied $driver to $target"
fi
trap '' INT TERM HUP # no undo of the file once the variable may exist
marks=${1:-} && first=${marks%-} && first=${first%+} && marks=${marks#"$first"}
# Drivers are loaded before any disk is connected. Firmware with the EDK2 of August 2026 then finds no partition
# but one that it has booted from, so the variable also names the disk: -e 3, in efibootmgr 17 and 18.
case $first,$marks in , | *-)
    if (create -e 3) 2>/dev/null; then
        changed=yes
        [ -z "$first" ] || { set_variable --bootnum "$first" --delete-bootnum && say "removed Driver$first"; }
        first=''
    elif [ -z "$first" ]; then # efibootmgr knows no name for the disk
        create
    fi
    ;;
esac
if [ -n "$first" ]; then
    case $marks in +*) ;;
    *) set_variable --bootnum "$first" --active && say "activated $first" ;;
    esac
    order=$(printf '%s\n' "$variables" | sed -n 's/^DriverOrder: //p')
    case $order in *"$first"*) ;;
    *) set_variable --bootorder "$first${order:+,$order}" && say "put $first into DriverOrder" ;;
    esac
fi
fresh='' kept=''
[ -n "$changed" ] || say "nothing to do: $target is up to date and loaded at each boot"
