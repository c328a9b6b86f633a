#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# Sourced by run.sh, package.sh and recipes.sh: how they begin, minimal Debian systems, and how to run something in one.

mirror=${MIRROR:-http://deb.debian.org/debian}

fail() {
    echo "distro: $*" >&2
    exit 1
}

usage() {
    sed -n 's/^# usage: //p' "$0" >&2
    exit 2
}

# shellcheck disable=SC2034
begin() { # SUITE: check it and what is needed, go to the top of the tree, set suite and logs
    case $1 in
    bookworm | trixie | sid) ;;
    *) fail "$1: not one of bookworm, trixie, sid" ;;
    esac
    [ "$(id -u)" -eq 0 ] || fail "only root can make a minbase and mount in it"
    command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
    cd "$(dirname "$0")/../.." || exit
    suite=$1
    logs=$PWD/build/distro
}

make_minbase() { # SUITE ROOT PACKAGES LOG: unless it is there; PACKAGES are separated by commas
    if [ ! -e "$2/complete" ]; then
        echo "distro: a minbase of $1 in $2"
        rm -rf "$2"
        mkdir -p "$2"
        debootstrap --variant=minbase --include="$3" "$1" "$2" "$mirror" >"$4" 2>&1 ||
            fail "debootstrap failed: $(tail -n 1 "$4")"
        # A mirror may have an expired Release file of sid; the signature still counts.
        echo 'Acquire::Check-Valid-Until "false";' >"$2/etc/apt/apt.conf.d/99mirror"
        : >"$2/complete"
    fi
    cp -L /etc/resolv.conf "$2/etc/resolv.conf"
}

# pivot_root rather than chroot, because a chroot permits no user namespace.
# shellcheck disable=SC2016
enter='
mount --bind "$1" "$1"
cd "$1"
mkdir -p old
mount --rbind /dev dev
mount --rbind /sys sys
mount -t proc proc proc
mount -t tmpfs tmpfs tmp
if [ -n "$5" ]; then # as udev makes it, which this machine need not run
    rm -f run/tun
    mknod -m 666 run/tun c 10 200
    mount --bind run/tun dev/net/tun
fi
pivot_root . old
umount -l old
cd "$3"
exec env -i IN_MINBASE=yes HOME="$4" TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 $5 bash -c "$2"'

in_minbase() { # ROOT COMMAND FOLDER HOME [BECOME]: in namespaces of its own, in FOLDER; BECOME changes the user
    unshare --mount --pid --fork --kill-child sh -euc "$enter" sh "$1" "$2" "$3" "$4" "${5:-}"
}
