#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: tests/distro/package.sh SUITE
#
# Builds the Debian package of this tree's HEAD in the minbase of run.sh, and takes it through its life
# in a fresh minbase of Debian SUITE (bookworm, trixie, sid), build/distro/SUITE-package: package_life.sh
# says how. Prints a line for each step; the log is in build/distro/. Status 1 if a step fails. Needs
# root and debootstrap.
set -eu -o pipefail

# shellcheck source=tests/distro/minbase.sh
. "$(dirname "$0")/minbase.sh"
[ $# -eq 1 ] || usage
begin "$1"
root=$logs/$suite-package
log=$logs/$suite-package.log

tests/distro/run.sh "$suite" 'make deb' tests/distro/package_again.sh
rm -rf "$root"
make_minbase "$suite" "$root" ca-certificates "$logs/$suite-package-debootstrap.log"
mkdir "$root/root/package"
cp "$logs/$suite/root/virtio-net/build/deb"/* tests/distro/package_life.sh "$root/root/package"
in_minbase "$root" 'exec ./package_life.sh' /root/package /root 2>"$log" ||
    fail "$suite: the package failed: $(tail -n 1 "$log") ($log)"
