#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: report.sh [DIR]    print the NICs that virtio-net.efi had when this Linux was booted
# One line for each NIC: Linux's interface, or -, and what the driver wrote into its variable:
#   interface=eth0 driver=0.2.0 pci=0000:00:03.0 mac=52:54:00:12:34:56 transport=modern ring=split from=NAME
# from= is the driver from which it was taken over, up to the end of the line; nothing: from none.
# DIR is where efivarfs is mounted, /sys/firmware/efi/efivars by default. Needs no root.
# Status: 0, they are printed; 1, the driver had no NIC; 2, that cannot be told, and a message says why.
set -eu
export LC_ALL=C
root=${REPORT_ROOT:-} # the tests' stand-in for /
guid=6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61
status=0 count=0

say() { echo "report: $*" >&2; }
fail() { say "$*" && exit 2; }
field() { # NAME: its value in $items
    value=" $items "
    case $value in *" $1="*) value=${value#*" $1="} && echo "${value%% *}" ;; esac
}
list_interfaces() { # NAME MAC DEVICE/ of those that have a device, which bridges, bonds and VLANs have not
    for each in "$root"/sys/class/net/*; do
        [ -d "$each/device" ] || continue
        mac=''
        read -r mac <"$each/address" || :
        echo "${each##*/} $mac $(readlink -f "$each/device")/"
    done
}
interface() { # LOCATION MAC: MAC and place, before the MAC (buses renumbered), before the place (MAC changed)
    best=0 found=-
    while read -r each mac device; do
        score=0
        case $device in */"$1"/*) score=1 ;; esac
        [ "$mac" != "$2" ] || score=$((score + 2))
        [ "$score" -le "$best" ] || { best=$score && found=$each; }
    done <<END
$interfaces
END
    echo "$found"
}
report() { # FILE of efivarfs: four bytes of attributes, then the text; see include/virtio_net_efi/nic_record.h
    name=${1##*/} && name=${name%-"$guid"}
    attributes=$(od -An -tu1 -N4 "$1" 2>/dev/null | tr -s ' \n' ' ')
    # Volatile, which an OS cannot make.
    case ${attributes# } in
    '6 0 0 0' | '6 0 0 0 ') ;;
    '') say "$name: cannot be read" && return 1 ;;
    *) say "$name: not the driver's: attributes ${attributes# }" && return 1 ;;
    esac
    line=$(tail -c +5 "$1" | head -c 1024 | head -n 1 | tr -cd '\040-\176')
    items=${line%% from=*} from=${line#* from=}
    case $line in
    "format=1 "*" from="*) ;;
    "format=1 "*) say "$name: damaged" && return 1 ;;
    format=[0-9]*) say "$name: $(field format) is the format of another version of the driver; use its report.sh" && return 1 ;;
    *) say "$name: damaged" && return 1 ;;
    esac
    echo "interface=$(interface "$(field pci)" "$(field mac)") ${items#format=1 } from=$from"
}

case ${1:-} in
-h | --help) sed -n "/^# usage/,/^set/ { s/report[.]sh/${0##*/}/; s/^# //p }" "$0" && exit ;;
-*) fail "$1: unknown option; see --help" ;;
esac
[ $# -le 1 ] || fail "one folder at most; see --help"
folder=${1:-$root/sys/firmware/efi/efivars}
[ $# -eq 1 ] || [ -d "$root/sys/firmware/efi" ] || fail "this Linux was not booted by UEFI: no /sys/firmware/efi"
[ -d "$folder" ] || [ $# -eq 1 ] || fail "no $folder: the kernel has no EFI variables (noefi or efi=noruntime?)"
[ -d "$folder" ] || fail "$folder: no such folder"
[ -n "$(ls -A "$folder")" ] ||
    fail "$folder: empty: efivarfs is not mounted (mount -t efivarfs efivarfs $folder)"
interfaces=$(list_interfaces)
for file in "$folder"/VirtioNetNic-*-"$guid"; do
    [ -e "$file" ] || continue
    count=$((count + 1))
    report "$file" || status=2
done
if [ "$count" -eq 0 ]; then
    say "no variable VirtioNetNic-: virtio-net.efi had no NIC when Linux was booted, or is older than 0.2.0"
    exit 1
fi
exit "$status"
