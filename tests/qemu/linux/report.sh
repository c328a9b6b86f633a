#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash
# /init of the guest in which scripts/report.sh runs, without and with efivarfs. What it says are the console
# lines that start with LINUX.

# shellcheck source=tests/qemu/linux/begin.sh
. /begin.sh

report() {
    status=0
    output=$(/bin/report.sh 2>&1) || status=$?
    echo "LINUX status $status $output"
}
report
mount -t efivarfs efivarfs /sys/firmware/efi/efivars || fail "mount efivarfs"
report
echo "LINUX end"
poweroff -f
