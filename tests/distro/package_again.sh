#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: tests/distro/package_again.sh
#
# Runs in a minbase after `make deb`; package.sh starts it. Builds the Debian package once more as
# others would: from the source package alone, in another folder, by another user, with another umask,
# time zone, locale and number of jobs. The second package must be the first one, byte by byte.
set -eu -o pipefail

[ -n "${IN_MINBASE:-}" ] || { echo "package_again: only for a minbase" >&2 && exit 2; }
cd "$(dirname "$0")/../.."
first=$(echo build/deb/*.deb)
[ -f "$first" ] || { echo "package_again: build/deb has no package (run make deb)" >&2 && exit 1; }
user=1000
work=$(mktemp -d /var/tmp/package-again.XXXXXX)
trap 'rm -rf "$work"' EXIT
cp -r build/gnu-efi build/deb "$work"
chown -R $user:$user "$work"

others=(HOME=/nonexistent PATH="$PATH" LC_ALL=C TZ=Pacific/Kiritimati DEB_BUILD_OPTIONS=parallel=1 GNU_EFI=../gnu-efi)
(
    umask 077
    cd "$work"
    as_other=(setpriv --reuid "$user" --regid "$user" --clear-groups env -i "${others[@]}")
    "${as_other[@]}" dpkg-source --extract deb/*.dsc tree
    cd tree
    "${as_other[@]}" dpkg-buildpackage --build=binary --unsigned-changes
) >&2
second=$work/$(basename "$first")
cmp "$first" "$second" || { echo "package_again: the second build differs" >&2 && exit 1; }
echo "$(basename "$first") built again: the same $(stat --format %s "$second") bytes"
