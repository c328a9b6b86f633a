#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash
# /init of an initramfs that a boot program fetched, and /payload with it: says what that is, in a
# console line that starts with LINUX, and powers off.

/bin/busybox mkdir -p /proc
/bin/busybox --install -s /bin
mount -t proc proc /proc
# After this, the kernel's messages do not mix into our lines.
echo 1 >/proc/sys/kernel/printk
echo "LINUX payload $(sha256sum </payload | cut -d ' ' -f 1)"
poweroff -f
