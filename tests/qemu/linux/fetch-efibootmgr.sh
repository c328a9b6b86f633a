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

command -v blkid >/dev/null || fail "blkid is missing: it is util-linux's"

rm -rf "$folder"
mkdir -p "$folder/root/bin" "$folder/root/lib" "$folder/root/lib64"
cd "$folder"

echo "setup: fetching efibootmgr into $folder"
"$root/scripts/fetch-debs.sh" unpacked efibootmgr \
    'libefivar1|libefivar1t64' 'libefiboot1|libefiboot1t64'

cp "$(find unpacked -name efibootmgr -type f -perm -1)" "$(command -v blkid)" root/bin
find unpacked -name 'libefi*.so.1' -exec cp -L {} root/lib \;
# The C library and blkid are this machine's, for which the packages were built.
LD_LIBRARY_PATH=root/lib ldd root/bin/* | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u |
    xargs cp -L -t root/lib
ldd root/bin/blkid | sed -n 's/^\t\(\/lib64\/[^ ]*\) .*/\1/p' | xargs cp -L -t root/lib64
rm -rf unpacked
for wanted in bin/efibootmgr bin/blkid lib/libefivar.so.1 lib/libc.so.6 lib64; do
    [ -e "root/$wanted" ] || fail "the packages hold no $wanted"
done
echo efibootmgr >complete
