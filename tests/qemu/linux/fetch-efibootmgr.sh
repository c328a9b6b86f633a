#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: fetch-efibootmgr.sh [FOLDER]
#
# Puts Debian's efibootmgr and util-linux's blkid, with the libraries that they need, into
# FOLDER/root, a tree for a guest; FOLDER is build/efibootmgr by default. Nothing is installed
# and root is not needed; with everything there it does nothing, also without a network.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=$(realpath -m "${1:-$root/build/efibootmgr}")

[ ! -e "$folder/complete" ] || exit 0

fail() {
    echo "setup: $*" >&2
    exit 1
}

for tool in apt-get dpkg-deb blkid; do
    command -v "$tool" >/dev/null || fail "$tool is missing: a Debian or Ubuntu system is needed"
done

rm -rf "$folder"
mkdir -p "$folder/download" "$folder/root/bin" "$folder/root/lib" "$folder/root/lib64"
cd "$folder/download"

echo "setup: fetching efibootmgr into $folder"
# As root, apt downloads as the user _apt, who may not be allowed to write here.
apt-get -qq -o APT::Sandbox::User=root download efibootmgr libefivar1 libefiboot1 >apt.log 2>&1 ||
    fail "cannot download efibootmgr: $(tail -n 1 apt.log)"
for package in ./*.deb; do
    dpkg-deb -x "$package" unpacked
done

cp "$(find unpacked -name efibootmgr -type f -perm -1)" "$(command -v blkid)" ../root/bin
find unpacked -name 'libefi*.so.1' -exec cp -L {} ../root/lib \;
# The C library and blkid are this machine's, for which the packages were built.
LD_LIBRARY_PATH=../root/lib ldd ../root/bin/* | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u |
    xargs cp -L -t ../root/lib
ldd ../root/bin/blkid | sed -n 's/^\t\(\/lib64\/[^ ]*\) .*/\1/p' | xargs cp -L -t ../root/lib64
cd ..
rm -rf download
for wanted in bin/efibootmgr bin/blkid lib/libefivar.so.1 lib/libc.so.6 lib64; do
    [ -e "root/$wanted" ] || fail "the packages hold no $wanted"
done
echo efibootmgr >complete
