#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: ./package_life.sh
#
# Runs in a minbase, in a folder with what `make deb` built; package.sh starts it. Installs an older
# version of the package with apt, upgrades it, runs its autopkgtest (QEMU among them), purges it, and
# compares all files with those before. Prints a line for each step, everything else goes to stderr.
set -eu -o pipefail

[ -n "${IN_MINBASE:-}" ] || { echo "package_life: only for a minbase" >&2 && exit 2; }
cd "$(dirname "$0")"
apt=(apt-get -qq -y -o DPkg::Use-Pty=0)
export DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
new=$(echo ./*.deb)
version=$(dpkg-deb --field "$new" Version)

say() { echo "ok    $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release): $*"; }
fail() { echo "package_life: $*" >&2 && exit 1; }
files() { # all that a package may leave, with mode, owner and contents; not the records of apt, debconf, dpkg and ldconfig
    local but=(-path /proc) each
    for each in /sys /dev /tmp /run /root /var/log /var/cache/apt /var/cache/debconf /var/lib/apt /var/lib/dpkg/status \
        /var/lib/dpkg/available '/var/lib/dpkg/*-old' /var/cache/ldconfig; do
        but+=(-o -path "$each")
    done
    {
        find / -xdev \( "${but[@]}" \) -prune -o -printf '%p %y %m %U:%G %l\n'
        find / -xdev \( "${but[@]}" \) -prune -o -type f -print0 | xargs -0 sha256sum
    } | sort
}
is_installed() { # VERSION
    [ "$(dpkg-query --show --showformat '${Version} ${db:Status-Status}' virtio-net-efi)" = "$1 installed" ] ||
        fail "version $1 is not installed"
    dpkg --verify virtio-net-efi | sed '/\/usr\/share\/\(doc\|man\)\//d' | (! grep .) || fail "files differ from the package's"
}

"${apt[@]}" update >&2
"${apt[@]}" install --no-install-recommends autopkgtest dpkg-dev \
    mtools ovmf python3-pytest qemu-system-x86 >&2
files >before

# An older version, with a file that the new one lacks, and another ROM.
dpkg-deb --raw-extract "$new" older
sed -i "s/^Version: .*/Version: $version~older/" older/DEBIAN/control
echo older | tee older/usr/lib/virtio-net-efi/older.efi >older/usr/share/qemu/virtio-net-efi.rom
rm older/DEBIAN/md5sums
dpkg-deb --build older older.deb >&2
"${apt[@]}" install ./older.deb >&2
is_installed "$version~older"
say "older version installed"
"${apt[@]}" install "$new" >&2
is_installed "$version"
[ ! -e /usr/lib/virtio-net-efi/older.efi ] || fail "the upgrade left a file"
say "upgraded to $version"
"${apt[@]}" purge --autoremove virtio-net-efi >&2
files | diff before - >&2 || fail "the purge left something"
say "purged after the upgrade, no trace"

"${apt[@]}" install "$new" >&2
is_installed "$version"
say "$version installed: $(cd /usr/lib/virtio-net-efi && echo *)"
autopkgtest --no-built-binaries --output-dir="$PWD/autopkgtest" ./*.dsc -- null >&2 || fail "autopkgtest failed"
cat autopkgtest/*-stdout
say "autopkgtest: $(paste -sd, autopkgtest/summary)"
"${apt[@]}" purge --autoremove virtio-net-efi >&2
files | diff before - >&2 || fail "the purge left something"
say "purged after its use, no trace"
