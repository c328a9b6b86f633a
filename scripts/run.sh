#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# usage: scripts/run.sh [QEMU argument...]
#
# Boot QEMU with OVMF to the UEFI shell on this terminal, with the driver loaded and a lease asked
# for on a user-mode network. fs0: is the folder build/run/fs0; whatever is put there is also served
# over TFTP at 10.0.2.2. Ends with the guest (`reset -s`) or with Ctrl-A X.
# DRIVER, OVMF_CODE, OVMF_VARS, QEMU, ACCEL, MACHINE and NIC override what is used.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
driver=${DRIVER:-$root/build/x86_64/virtio-net.efi}
code=${OVMF_CODE:-/usr/share/OVMF/OVMF_CODE_4M.fd}
variables=${OVMF_VARS:-/usr/share/OVMF/OVMF_VARS_4M.fd}
qemu=${QEMU:-qemu-system-x86_64}
folder=$root/build/run

fail() {
    echo "run: $*" >&2
    exit 1
}

[ -s "$driver" ] || fail "$driver: missing or empty (run \`make\`)"
for file in "$code" "$variables"; do
    [ -s "$file" ] || fail "$file: missing or empty (run \`make setup\`)"
done
command -v "$qemu" >/dev/null || fail "$qemu: not installed (run \`make setup\`)"

mkdir -p "$folder/fs0"
cp "$driver" "$folder/fs0/virtio-net.efi"
cp "$variables" "$folder/vars.fd"
printf '%s\r\n' '@echo -off' 'fs0:' 'load virtio-net.efi' 'connect -r' \
    'ifconfig -s eth0 dhcp' \
    'echo "DHCP takes 5 seconds; the lease: ifconfig -l"' \
    'echo "To leave: reset -s, or Ctrl-A X"' >"$folder/fs0/startup.nsh"

echo "Booting OVMF with $driver; to leave: \`reset -s\`, or Ctrl-A X."
exec "$qemu" -accel "${ACCEL:-tcg}" -cpu max -machine "${MACHINE:-q35}" -m 512 \
    -nodefaults -nographic -no-reboot -serial mon:stdio \
    -drive "if=pflash,format=raw,unit=0,readonly=on,file=$code" \
    -drive "if=pflash,format=raw,unit=1,file=$folder/vars.fd" \
    -drive "if=none,id=disk,format=raw,file=fat:rw:$folder/fs0" \
    -device virtio-blk-pci,drive=disk,bootindex=0 \
    -netdev "user,id=net0,tftp=$folder/fs0" \
    -device "${NIC:-virtio-net-pci,disable-legacy=off,disable-modern=off},netdev=net0,romfile=" \
    "$@"
