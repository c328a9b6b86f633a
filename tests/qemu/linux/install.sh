#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash
# /init of the guest in which scripts/install.sh runs, with the real efibootmgr, on the ESP
# /dev/vdb1: on a full ESP, twice each way, and once more to stay. Then it reboots.
# Every proof is a console line that starts with LINUX.

# shellcheck source=tests/qemu/linux/begin.sh
. /begin.sh
mkdir -p /boot/efi
mount -t devtmpfs dev /dev

state() { # files of the ESP, variables
    find /boot/efi -type f ! -name fill -exec sha256sum {} +
    find /boot/efi -type d | sort
    efibootmgr --driver --verbose 2>&1
}

run() { # WHAT install.sh's arguments: what it says, its status, and whether it changed anything
    what=$1 && shift
    before=$(state)
    status=0
    output=$(/bin/install.sh "$@" 2>&1) || status=$?
    if [ "$(state)" = "$before" ]; then changed=unchanged; else changed=changed; fi
    echo "$output" | sed 's/^/LINUX      /'
    echo "LINUX $what: status $status, $changed"
}

run without-esp
mount -t vfat /dev/vdb1 /boot/efi || fail "mount the ESP"
run without-efivars
mount -t efivarfs efivarfs /sys/firmware/efi/efivars || fail "mount efivarfs"

dd if=/dev/zero of=/boot/efi/small bs=16k count=1 2>/dev/null
dd if=/dev/zero of=/boot/efi/fill bs=16k 2>/dev/null
rm /boot/efi/small
run full-esp
rm /boot/efi/fill

run install
run install-again
efibootmgr --driver --verbose | sed 's/^/LINUX variables /'
run remove --remove
run remove-again --remove
run install-to-stay
umount /boot/efi || fail "umount"
echo "LINUX end"
reboot -f
