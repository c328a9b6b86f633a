#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: ./recipes_life.sh
#
# Runs in a minbase, in a folder with the Debian package, DEPLOY.md, and the stand-in for a machine of
# test_install.py; recipes.sh starts it. Follows the recipes for cloud-init and libvirt to the letter:
# their snippets are taken out of DEPLOY.md. All programs are the real ones; for cloud-init the ESP and
# the firmware's variables are the stand-in's, and `shutdown` only notes how it was called. Prints a line
# for each step, everything else goes to stderr.
set -eu -o pipefail

[ -n "${IN_MINBASE:-}" ] || { echo "recipes_life: only for a minbase" >&2 && exit 2; }
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
apt=(apt-get -qq -y -o DPkg::Use-Pty=0)
package=$(echo ./*.deb)
driver=/usr/lib/virtio-net-efi/x86_64/virtio-net.efi
GUEST_LIMIT_S=300 # ends what hangs; a quiet machine needs half a minute

say() { echo "ok    $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release): $*"; }
fail() { echo "recipes_life: $*" >&2 && exit 1; }
await() { # SECONDS, COMMAND...: until it succeeds
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >&2; do
        [ $SECONDS -lt $deadline ] || return
        sleep 0.5
    done
}
snippet() { # LANGUAGE [NUMBER]: the first, or that one, of DEPLOY.md
    LANGUAGE=$1 NUMBER=${2:-1} awk '
        $0 == "```" { inside = 0 }
        inside
        $0 == "```" ENVIRON["LANGUAGE"] { inside = ++number == ENVIRON["NUMBER"] }' DEPLOY.md | grep . ||
        fail "DEPLOY.md: no snippet ${2:-1} in $1"
}
user_data() { # PYTHON: an expression of the user data, as a dictionary
    snippet yaml | python3 -c "import sys, yaml; data = yaml.safe_load(sys.stdin); print($1)"
}

prepare() { # all that needs the machine's network, in which nothing is to be started
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    "${apt[@]}" update >&2
    "${apt[@]}" install --no-install-recommends cloud-init iproute2 libvirt-clients libvirt-daemon-system \
        mtools ovmf procps python3-pytest python3-yaml qemu-system-x86 >&2
    ! apt-cache show efi-shell-x64 >/dev/null 2>&1 || "${apt[@]}" install efi-shell-x64 >&2
    # What the recipe installs must be new to this system. It comes from apt's cache then.
    local packages installed
    packages=$(user_data '*data["packages"]')
    # shellcheck disable=SC2086 # names of packages
    "${apt[@]}" install --download-only $packages "$package" >&2
    # shellcheck disable=SC2086
    installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}, ' $packages virtio-net-efi 2>/dev/null) || true
    [[ $installed != *' installed,'* ]] || fail "before the recipe: $installed"
}

# No disk, no network and no control group of the machine is in reach of what follows.
isolate() {
    umount --recursive --lazy /dev /sys
    mount -t tmpfs -o mode=755 tmpfs /dev
    local node
    for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0' 'net/tun 10 200'; do
        mkdir -p "$(dirname "/dev/${node%% *}")"
        # shellcheck disable=SC2086
        mknod -m 666 "/dev/${node%% *}" c ${node#* }
    done
    ln -s /proc/self/fd /dev/fd
    mkdir /dev/pts /dev/shm
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts /dev/pts
    ln -s pts/ptmx /dev/ptmx
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t sysfs sysfs /sys
    hostname recipes
    ip link set lo up
}

# cloud-init

machine=$PWD/machine
esp=$machine/root/boot/efi

make_machine() {
    mkdir "$machine"
    python3 -c '
import sys
from pathlib import Path
from test_install import UUID, Machine

machine = Machine(Path(sys.argv[1]))
machine.stub("blkid", f"case $* in *PARTUUID*) echo {UUID} ;; *) exit 2 ;; esac")
machine.stub("shutdown", f"echo $* >>{sys.argv[1]}/shutdown")
for tool in machine.bin.iterdir(): # the others are here
    if tool.name not in ("blkid", "efibootmgr", "shutdown"):
        tool.unlink()' "$machine"
    : >"$machine/shutdown"
    ln -s "$esp" /boot/efi
}
state() { # of the ESP, with the times of writing, and of the firmware's variables, which the stand-in writes each time
    find "$esp" -printf '%P %y %T@ ' \( -type f -exec sha256sum {} \; -o -print \)
    cat "$machine/variables" "$machine/order"
}
configure_cloud_init() { # of the image's modules only those that the recipe uses: others would see to disks, users and ssh
    python3 -c '
import yaml
used = ["package_update_upgrade_install", "runcmd", "scripts_user", "power_state_change"]
image = yaml.safe_load(open("/etc/cloud/cloud.cfg"))
stages = [f"cloud_{stage}_modules" for stage in ("init", "config", "final")]
kept = {stage: [name for name in image[stage] if name.replace("-", "_") in used] for stage in stages}
assert sorted(name.replace("-", "_") for names in kept.values() for name in names) == sorted(used), kept
print(yaml.dump({"datasource_list": ["NoCloud"], "network": {"config": "disabled"}, **kept}))' \
        >/etc/cloud/cloud.cfg.d/99_recipes.cfg
    mkdir -p /var/lib/cloud/seed/nocloud
    echo 'instance-id: recipes' >/var/lib/cloud/seed/nocloud/meta-data
    cp user-data /var/lib/cloud/seed/nocloud/user-data
}
has_ended() { ! pgrep -f 'cloud-init modules'; }
boot() { # what an init system starts at boot, in a new /run; then the number of errors, after waiting for power_state
    local stage
    find /run -mindepth 1 -delete
    : >/var/log/cloud-init-output.log
    for stage in 'init --local' init 'modules --mode=config' 'modules --mode=final'; do
        # shellcheck disable=SC2086 # words
        env PATH="$machine/bin:$PATH" INSTALL_ROOT="$machine/root" VARIABLES="$machine/variables" \
            ORDER="$machine/order" FAILS_ON= timeout 300 cloud-init $stage </dev/null >&2 || echo "cloud-init $stage: $?" >&2
    done
    # power_state waits for the end of the stage, and looks at its condition then.
    await 60 has_ended || fail "cloud-init does not end"
    python3 -c 'import json; print(len(json.load(open("/run/cloud-init/result.json"))["v1"]["errors"]))'
}
reboots() { # [OPTIONS...]: each call of shutdown until now
    [ "$(paste -sd ' ' "$machine/shutdown")" = "$*" ] || fail "called until now: shutdown: $(paste -sd ';' "$machine/shutdown")"
}
new_instance() { cloud-init clean --logs >&2; }

try_cloud_init() {
    local server condition first
    make_machine
    snippet yaml >user-data
    cloud-init schema --config-file user-data >&2 || fail "cloud-init schema rejects the user data"
    sed 's/^runcmd:/runcommand:/' user-data >wrong
    ! cloud-init schema --config-file wrong >&2 || fail "cloud-init schema accepts anything"
    say "$(cloud-init --version | sed 's,.*/,,'): the user data is valid"
    configure_cloud_init
    condition=$(user_data 'data["power_state"]["condition"]')

    # No server yet.
    ip address add 10.99.0.1/32 dev lo
    [ "$(boot)" -gt 0 ] || fail "no error without the package"
    ! sh -c "$condition" || fail "the condition holds without the driver"
    reboots
    say "cloud-init: without the package an error, and no reboot"

    python3 -m http.server --bind 10.99.0.1 --directory "$PWD" 80 >&2 &
    server=$!
    await 60 bash -c 'exec 3<>/dev/tcp/10.99.0.1/80' || fail "the web server does not start"
    new_instance
    [ "$(boot)" -eq 0 ] || fail "cloud-init has errors: $(grep -m 1 WARN /var/log/cloud-init.log)"
    cmp "$driver" /boot/efi/EFI/virtio-net/virtio-net.efi || fail "the driver is not on the ESP"
    grep -q '^0000|\*|virtio-net|.*virtio-net.efi' "$machine/variables" || fail "no variable loads the driver"
    sh -c "$condition" || fail "the condition does not hold"
    reboots '-r now'
    say "cloud-init: the driver is on the ESP, a variable loads it, and a reboot is asked for"

    first=$(state)
    [ "$(boot)" -eq 0 ] || fail "cloud-init has errors at the second boot"
    [ "$(state)" = "$first" ] || fail "the second boot changed something"
    reboots '-r now'
    say "cloud-init: the second boot changes nothing, and no further reboot is asked for"

    new_instance
    [ "$(boot)" -eq 0 ] || fail "cloud-init has errors when it does all again"
    grep 'install: nothing to do' /var/log/cloud-init-output.log >&2 || fail "virtio-net-efi-install did something"
    [ "$(state)" = "$first" ] || fail "doing all again changed something"
    reboots '-r now' '-r now'
    say "cloud-init: all done again, as for a new instance: nothing changes"
    kill $server
}

# libvirt

start_libvirt() {
    # QEMU gets no /dev of its own, as libvirt cannot move the mounts of this one.
    echo 'namespaces = []' >>/etc/libvirt/qemu.conf
    virtlogd --daemon >&2
    libvirtd --daemon >&2
    await 60 virsh version || fail "libvirtd does not answer"
    virsh net-start default >&2
}
is_off() { [ "$(virsh domstate "$1")" = 'shut off' ]; } # NAME
guest() { # NAME, SNIPPET: boots a guest with that interface until it powers itself off; NAME.console is what it said
    local folder=/var/lib/libvirt/images ended=yes
    sed 's/$/\r/' >startup.nsh <<'END'
@echo -off
connect -r
echo RECIPE drivers
drivers -sfo
echo RECIPE devices
devices
echo RECIPE diagnostics
drvdiag -s
echo RECIPE lease
ifconfig -s eth0 dhcp
for %a run (1 40)
  stall 1000000
  ping -n 1 192.168.122.1
  if %lasterror% == 0 then
    goto leased
  endif
endfor
:leased
ifconfig -l eth0
echo RECIPE end
reset -s
END
    truncate --size 33M "$folder/$1.img"
    mformat -F -i "$folder/$1.img" ::
    mcopy -i "$folder/$1.img" startup.nsh ::
    if [ -e /usr/share/efi-shell-x64/shellx64.efi ]; then # firmware of 2025.05 and later starts no shell by itself
        mmd -i "$folder/$1.img" ::/EFI ::/EFI/BOOT
        mcopy -i "$folder/$1.img" /usr/share/efi-shell-x64/shellx64.efi ::/EFI/BOOT/BOOTX64.EFI
    fi
    cat >"$1.xml" <<END
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>256</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>
    <boot dev='hd'/>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='$folder/$1.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
$(snippet xml "$2")
    <serial type='file'><source path='/var/log/libvirt/qemu/$1.console'/></serial>
  </devices>
</domain>
END
    virsh define --validate "$1.xml" >&2
    virsh start "$1" >&2
    [ "$(stat -c %u "/proc/$(cat "/run/libvirt/qemu/$1.pid")")" -ne 0 ] || fail "$1: QEMU runs as root, who may read anything"
    await $GUEST_LIMIT_S is_off "$1" || ended=''
    sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g; s/[\r\x00]//g' "/var/log/libvirt/qemu/$1.console" >"$1.console"
    cat "/var/log/libvirt/qemu/$1.log" "$1.console" >&2
    [ -n "$ended" ] || fail "$1: not off after $GUEST_LIMIT_S s"
    grep -qx 'RECIPE end *' "$1.console" || fail "$1: startup.nsh did not come to its end"
}

drivers() { # NAME, PATTERN: of name and path; those of its drivers that have one NIC, with one child
    grep -E '^DriversInfo,.*,"1","1",'"$2" "$1.console" >&2
}
lease_of() { # NAME: its address, from libvirt's network
    local mac address
    mac=$(virsh dumpxml "$1" | sed -n "s/.*<mac address='\(.*\)'.*/\1/p")
    grep -qix "mac addr *: $mac *" "$1.console" || fail "$1: the NIC is not libvirt's, $mac"
    address=$(sed -n 's/^ipv4 address *: *\([0-9.]*\) *$/\1/p' "$1.console")
    virsh net-dhcp-leases default >leases
    cat leases >&2
    grep -qF " $mac   ipv4       $address/24 " leases ||
        fail "$1: libvirt's network did not lease '$address' to $mac"
    echo "$address"
}

try_libvirt() {
    local name version ours lease
    version=$(dpkg-deb --field "$package" Version)
    ours="\"Virtio Network Driver \\(virtio-net\\.efi ${version//./\\.}\\)\""
    "${apt[@]}" install --no-install-recommends "$package" >&2
    start_libvirt

    guest rom 1
    name=$(virsh version --daemon | sed -n 's/^Running against daemon: //p')
    grep -qF '"romfile":"/usr/share/qemu/virtio-net-efi.rom"' /var/log/libvirt/qemu/rom.log || fail "rom: no romfile="
    drivers rom "$ours,\".*/Offset\\(0x.*\"" || fail "rom: our driver does not have the NIC, or not from the ROM"
    ! drivers rom '"Virtio Network Driver"' || fail "rom: the firmware's driver has a NIC"
    grep -q '^DrvDiag - .* Result Success' rom.console || fail "rom: our driver's diagnostics fail"
    lease=$(lease_of rom)
    say "libvirt $name: with the ROM our driver has the NIC, lease $lease"

    guest without-rom 2
    grep -qF '"rombar":0' /var/log/libvirt/qemu/without-rom.log || fail "without-rom: no rombar=0"
    ! grep -F 'virtio-net.efi' without-rom.console >&2 || fail "without-rom: our driver is loaded"
    drivers without-rom '"Virtio Network Driver"' || fail "without-rom: the firmware's driver does not have the NIC"
    lease=$(lease_of without-rom)
    say "libvirt $name: without a ROM the firmware's driver has it, lease $lease"

    # Not in force here: the kernel is the machine's.
    grep -E '^ */usr/share/qemu/\*\* rk?,' /etc/apparmor.d/abstractions/libvirt-qemu >&2 ||
        fail "libvirt's AppArmor profile for QEMU does not let it read /usr/share/qemu"
    say "libvirt's AppArmor profile, not in force here, lets QEMU read the ROM"
}

case ${1:-} in
'')
    prepare
    exec unshare --mount --net --uts --ipc "$PWD/recipes_life.sh" isolated
    ;;
isolated)
    isolate
    try_cloud_init
    try_libvirt
    ;;
esac
