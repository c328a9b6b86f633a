#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash disable=SC2154
# /init of the test's initramfs: brings eth0 up with Linux's own virtio_net driver, fetches $URL
# from the host and powers off. Every proof is a console line that starts with LINUX.

PATH=/bin

# udhcpc calls this file back, as /lease.sh.
if [ $$ -ne 1 ]; then
    [ "$1" != bound ] || ifconfig "$interface" "$ip" netmask "$subnet"
    exit
fi

# shellcheck source=tests/qemu/linux/begin.sh
. /begin.sh

echo "LINUX kernel $(uname -r)"

[ -d /sys/class/net/eth0 ] || fail "no eth0"
echo "LINUX driver $(basename "$(readlink /sys/class/net/eth0/device/driver)")"
echo "LINUX mac $(cat /sys/class/net/eth0/address)"
echo "LINUX efi $(ls -d /sys/firmware/efi)"

ifconfig eth0 up
udhcpc -i eth0 -q -n -t 10 -T 2 -s /lease.sh >/dev/null 2>&1
ifconfig eth0 | grep -q 'inet addr' || fail "no DHCP lease"
ifconfig eth0 | sed -n 's/.*inet addr:\([0-9.]*\).*/LINUX address \1/p'
ping -c 3 -W 10 10.0.2.2 | sed -n 's/^\([0-9].*packet loss\).*/LINUX ping \1/p'
wget -q -O /fetched "$URL" || fail "wget $URL"
echo "LINUX fetched $(sha256sum </fetched | cut -d ' ' -f 1)"
echo "LINUX memory $(dmesg | grep -c -E 'BUG|Oops|corrupt|Bad page') complaints"
echo "LINUX end"
poweroff -f
