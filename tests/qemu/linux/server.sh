#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# shellcheck shell=dash disable=SC2154
# /init of a guest that serves /www at http://$ADDRESS/ with Linux's own virtio_net driver, until it is
# ended from outside. Says so in a console line that starts with LINUX.

# shellcheck source=tests/qemu/linux/begin.sh
. /begin.sh

ifconfig eth0 "$ADDRESS" netmask 255.255.255.0 up || fail "no eth0"
httpd -h /www || fail "no httpd"
echo "LINUX serving"
while :; do sleep 3600; done
