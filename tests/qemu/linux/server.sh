#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash disable=SC2154
# /init of a guest that serves /www at http://$ADDRESS/ with Linux's own virtio_net driver, until it is
# ended from outside. Says so in a console line that starts with LINUX.

PATH=/bin

/bin/busybox mkdir -p /proc /sys
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
# After this, the firmware's messages and the kernel's do not mix into our lines.
echo 1 >/proc/sys/kernel/printk

fail() {
    echo "LINUX FAIL $*"
    poweroff -f
}

while read -r module; do
    insmod "/modules/$module" || fail "insmod $module"
done </modules/order

ifconfig eth0 "$ADDRESS" netmask 255.255.255.0 up || fail "no eth0"
httpd -h /www || fail "no httpd"
echo "LINUX serving"
while :; do sleep 3600; done
