#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: tests/distro/run.sh SUITE [COMMAND...]
#
# Does what a new user does on Debian SUITE (bookworm, trixie, sid): makes a fresh minbase with git, make
# and python3 in build/distro/SUITE, clones this tree's HEAD into it, and runs each COMMAND there, by
# default `make demo` and `make check`. An existing minbase is used again, with what setup.sh installed in
# it; FRESH=1 makes a new one. With AS=user a user who has sudo runs the commands, instead of root. Prints
# the last line of each command; logs are in build/distro/. Status 1 if one fails. Needs root and
# debootstrap.
set -eu -o pipefail

# shellcheck source=tests/distro/minbase.sh
. "$(dirname "$0")/minbase.sh"
[ $# -ge 1 ] || usage
begin "$1"
shift
[ $# -gt 0 ] || set -- 'make demo' 'make check'
root=$logs/$suite

[ -z "${FRESH:-}" ] || rm -rf "$root"
make_minbase "$suite" "$root" git,make,python3,ca-certificates "$logs/$suite-debootstrap.log"
case ${AS:-root} in
root) home=/root become='' ;;
user)
    home=/home/dev become='setpriv --reuid 1000 --regid 1000 --clear-groups'
    mkdir -p "$root$home" "$root/etc/sudoers.d"
    chroot "$root" sh -euc '
        [ -x /usr/bin/sudo ] || { apt-get -qq update && apt-get -qq install -y sudo >/dev/null; }
        grep -q ^dev: /etc/passwd || useradd --uid 1000 --user-group --shell /bin/bash dev
        echo "dev ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/dev
    ' >"$logs/$suite-user.log" 2>&1 || fail "no user with sudo: $(tail -n 1 "$logs/$suite-user.log")"
    ;;
*) fail "AS=$AS: not one of root, user" ;;
esac
rm -rf "$root$home/virtio-net"
git clone --quiet --no-hardlinks . "$root$home/virtio-net"
[ "$home" = /root ] || chown -R 1000:1000 "$root$home"

status=0
for command; do
    log=$logs/$suite-$(tr -cs 'A-Za-z0-9\n' - <<<"$command" | cut -c 1-60).log
    began=$SECONDS
    if in_minbase "$root" "$command" "$home/virtio-net" "$home" "$become" >"$log" 2>&1; then
        verdict=ok
    else
        verdict=FAIL status=1
    fi
    echo "$verdict  $suite: $command: $(tail -n 1 "$log") ($((SECONDS - began)) s, $log)"
done
exit $status
