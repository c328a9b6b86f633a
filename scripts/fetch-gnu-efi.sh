#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/fetch-gnu-efi.sh ARCH FOLDER
#
# Unpacks Debian's gnu-efi for ARCH, in Debian's spelling (arm64), into FOLDER. It is not installed,
# because dpkg would replace this machine's own. apt uses lists and state in FOLDER, so the system does
# not learn of ARCH, and root is not needed. Does nothing if all is there.
set -eu

[ $# -eq 2 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
arch=$1
folder=$(realpath -m "$2")

[ ! -e "$folder/complete" ] || exit 0

fail() {
    echo "setup: $*" >&2
    exit 1
}

for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || fail "$tool is missing: a Debian or Ubuntu system is needed"
done

rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
cd "$folder"
: >apt/status

set -- -qq -o APT::Sandbox::User=root -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
    -o "Dir::State=$folder/apt" -o "Dir::State::status=$folder/apt/status" \
    -o "Dir::Cache=$folder/apt" -o Acquire::Languages=none
source=
if grep -qx 'ID=ubuntu' /etc/os-release; then # these architectures have a server of their own
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    source="http://ports.ubuntu.com/ubuntu-ports $codename main universe"
elif [ "$arch" = loong64 ]; then # not part of Debian 13
    source="${MIRROR:-http://deb.debian.org/debian} sid main"
    set -- "$@" -o Acquire::Check-Valid-Until=false # an outdated mirror is signed as well
fi
if [ -n "$source" ]; then
    echo "deb $source" >apt/sources.list
    set -- "$@" -o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=-
fi

echo "setup: fetching gnu-efi for $arch into $folder"
# Sources without ARCH make update fail. What counts is whether the package is found.
apt-get "$@" update >apt/log 2>&1 || true
apt-get "$@" download gnu-efi >>apt/log 2>&1 ||
    fail "cannot download gnu-efi for $arch: $(tail -n 1 apt/log)"
dpkg-deb -x ./gnu-efi_*.deb .
rm -rf apt ./gnu-efi_*.deb
[ -n "$(find usr/lib -name libgnuefi.a)" ] || fail "the package gnu-efi for $arch contains no libgnuefi.a"
echo "gnu-efi:$arch" >complete
