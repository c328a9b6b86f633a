#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: tests/distro/recipes.sh SUITE
#
# Follows the recipes of docs/DEPLOY.md for libvirt and cloud-init, with the real programs, in a fresh
# minbase of Debian SUITE (bookworm, trixie, sid), build/distro/SUITE-recipes: recipes_life.sh says how.
# The Debian package of this tree's HEAD is built in the minbase of run.sh. Prints a line for each step; the
# log is in build/distro/. Status 1 if a step fails. Needs root and debootstrap.
set -eu -o pipefail

# shellcheck source=tests/distro/minbase.sh
. "$(dirname "$0")/minbase.sh"
[ $# -eq 1 ] || usage
begin "$1"
root=$logs/$suite-recipes
log=$logs/$suite-recipes.log

tests/distro/run.sh "$suite" 'make deb'
rm -rf "$root"
make_minbase "$suite" "$root" ca-certificates "$logs/$suite-recipes-debootstrap.log"
mkdir "$root/root/recipes"
cp "$logs/$suite/root/virtio-net/build/deb"/*.deb docs/DEPLOY.md tests/distro/recipes_life.sh \
    tests/deploy/test_install.py tests/deploy/efibootmgr "$root/root/recipes"
in_minbase "$root" 'exec ./recipes_life.sh' /root/recipes /root 2>"$log" ||
    fail "$suite: a recipe failed: $(tail -n 1 "$log") ($log)"
