#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash
# /init of the guest in which scripts/report.sh runs, without and with efivarfs. What it says are the console
# lines that start with LINUX.

PATH=/bin

/bin/busybox mkdir -p /proc /sys
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
# After this, the firmware's messages and the kernel's do not mix into our lines.
echo 1 >/proc/sys/kernel/printk

while read -r module; do
    insmod "/modules/$module" || echo "LINUX FAIL insmod $module"
done </modules/order
report() {
    status=0
    output=$(/bin/report.sh 2>&1) || status=$?
    echo "LINUX status $status $output"
}
report
mount -t efivarfs efivarfs /sys/firmware/efi/efivars || echo "LINUX FAIL mount efivarfs"
report
echo "LINUX end"
poweroff -f
