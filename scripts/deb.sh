#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/deb.sh FOLDER
# Builds the Debian package and the source package of this clone's HEAD in FOLDER, and checks them with
# lintian. GNU_EFI names the folder with gnu-efi for the other architectures, by default build/gnu-efi.
# Refuses what is not committed, because the package would not contain it. FOLDER is replaced when all
# is done; a failure leaves it unchanged.
set -eu -o pipefail

[ $# -eq 1 ] || { sed -n '/^# usage/s/^# //p' "$0" >&2 && exit 2; }
folder=$(realpath -m "$1")
gnu_efi=$(realpath -m "${GNU_EFI:-build/gnu-efi}")
cd "$(dirname "$0")/.."

fail() {
    echo "deb: $*" >&2
    exit 1
}

for tool in git dpkg-buildpackage dh lintian; do
    command -v "$tool" >/dev/null || fail "$tool: not installed (run scripts/setup.sh --deb)"
done
[ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ] || fail "$PWD: not a clone of the repository"
dirty=$(git status --porcelain --untracked-files=all | cut -c 4- | paste -sd ' ')
[ -z "$dirty" ] || fail "not committed: $dirty"

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
# make finds nothing by a path with spaces.
ln -s "$gnu_efi" "$work/gnu-efi"
tree=$work/$(dpkg-parsechangelog --show-field Source)-$(dpkg-parsechangelog --show-field Version)
# dpkg-source records modes, which must depend on neither the caller's umask nor the caller.
umask 022
mkdir "$tree"
git -c tar.umask=022 archive HEAD | tar -x -C "$tree"
if ! (cd "$tree" && exec env -i HOME=/nonexistent PATH="$PATH" LC_ALL=C.UTF-8 GNU_EFI=../gnu-efi \
    dpkg-buildpackage --unsigned-source --unsigned-changes) >"$work/log" 2>&1; then
    tail -n 30 "$work/log" >&2
    fail "dpkg-buildpackage failed: $(grep -m 1 '^debian/rules: \|^dpkg-[a-z]*: error: ' "$work/log" || tail -n 1 "$work/log")"
fi
# The package follows the policy of the oldest Debian that it is built on. These are recommendations of newer
# ones, as far as this lintian knows them: it refuses to suppress what it does not know.
suppressed=$(lintian-explain-tags --list-tags | grep -x -e out-of-date-standards-version \
    -e package-uses-old-debhelper-compat-version -e redundant-priority-optional-field \
    -e redundant-rules-requires-root-no-field | paste -sd ,)
lintian --allow-root --display-info --pedantic --fail-on error,warning,info,pedantic \
    --suppress-tags "$suppressed" "$work"/*.changes >&2 || fail "lintian complains"

rm -rf "$tree" "$work/gnu-efi" "$work/log"
chmod 755 "$work"
rm -rf "$folder"
mv "$work" "$folder"
for package in "$folder"/*.deb; do
    echo "  DEB     $package"
done
