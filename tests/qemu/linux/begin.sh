#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash
# Sourced by the /init of a guest that tests Linux: /proc, /sys, busybox' commands, the modules in their
# order, and fail, which ends the guest.

PATH=/bin

fail() {
    echo "LINUX FAIL $*"
    poweroff -f
}

/bin/busybox mkdir -p /proc /sys
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
# After this, the firmware's messages and the kernel's do not mix into our lines.
echo 1 >/proc/sys/kernel/printk

while read -r module; do
    insmod "/modules/$module" || fail "insmod $module"
done </modules/order
