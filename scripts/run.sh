#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# usage: scripts/run.sh [QEMU argument...]
#
# Boots QEMU with UEFI firmware to a shell on this terminal, loads the driver and requests a lease on a
# user-mode network. ARCH is x86_64 (default), ia32, aarch64, riscv64 or loongarch64. fs0: is the folder
# build/run/ARCH/fs0, whose files are also served over TFTP at 10.0.2.2. Ends with the guest (`reset -s`)
# or with Ctrl-A X. DRIVER, OVMF_CODE, OVMF_VARS, QEMU, ACCEL, MACHINE, CPU and NIC override the defaults.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
arch=${ARCH:-x86_64}
folder=$root/build/run/$arch

fail() {
    echo "run: $*" >&2
    exit 1
}

machine=q35
cpu=max # has random numbers, which the firmware's stack wants since 2024, but on riscv64 and loongarch64
boot_index=,bootindex=0
memory=512
case $arch in
x86_64) emulator=qemu-system-x86_64 flash=/usr/share/OVMF/OVMF_CODE_4M.fd ;;
ia32)
    emulator=qemu-system-i386 flash=/usr/share/OVMF/OVMF32_CODE_4M.fd
    if [ ! -e "$flash" ]; then # Debian 12 has only the SMM build, in which only SMM may write variables
        flash=/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd machine=q35,smm=on
        set -- -global driver=cfi.pflash01,property=secure,value=on "$@"
    fi
    ;;
aarch64) # pointer authentication is slow to emulate
    emulator=qemu-system-aarch64 flash=/usr/share/AAVMF/AAVMF_CODE.fd
    machine=virt,gic-version=3 cpu=max,pauth=off
    ;;
riscv64)
    emulator=qemu-system-riscv64 flash=/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd
    machine=virt,acpi=off
    set -- -device virtio-rng-pci "$@"
    ;;
loongarch64)
    emulator=qemu-system-loongarch64 flash=/usr/share/qemu-efi-loongarch64/QEMU_EFI.fd
    machine=virt memory=2048
    set -- -device virtio-rng-pci "$@"
    ;;
*) fail "ARCH=$arch: not one of x86_64, ia32, aarch64, riscv64, loongarch64" ;;
esac
driver=${DRIVER:-$root/build/$arch/virtio-net.efi}
code=${OVMF_CODE:-$flash}
variables=$(echo "$flash" | sed 's/_CODE/_VARS/; s/QEMU_EFI/QEMU_VARS/; s/\.secboot//')
variables=${OVMF_VARS:-$variables}
qemu=${QEMU:-$emulator}
packages="run scripts/setup.sh --all"

[ -s "$driver" ] || fail "$driver: missing or empty (run make ARCH=$arch)"
for file in "$code" "$variables"; do
    [ -s "$file" ] || fail "$file: missing or empty ($packages)"
done
command -v "$qemu" >/dev/null || fail "$qemu: not installed ($packages)"

mkdir -p "$folder/fs0"
cp "$driver" "$folder/fs0/virtio-net.efi"
case $arch in
x86_64) name=X64 ;;
aarch64) name=AA64 ;;
*) name=$(echo "$arch" | tr "[:lower:]" "[:upper:]") ;;
esac
mkdir -p "$folder/fs0/EFI/BOOT"
"$root/scripts/firmware_shell.py" "$code" "$folder/fs0/EFI/BOOT/BOOT$name.EFI" ||
    echo "run: continuing; put a shell into $folder/fs0/EFI/BOOT/BOOT$name.EFI if the firmware starts none"
# If a device has a bootindex, firmware of 2026 connects no other, also none for random numbers.
case $arch in
riscv64 | loongarch64) [ ! -e "$folder/fs0/EFI/BOOT/BOOT$name.EFI" ] || boot_index='' ;;
esac
cp --sparse=always "$variables" "$folder/vars.fd" # 64 MiB on aarch64, mostly empty
printf '%s\r\n' '@echo -off' 'fs0:' 'load virtio-net.efi' 'connect -r' \
    'ifconfig -s eth0 dhcp' \
    'echo "DHCP takes 5 seconds; the lease: ifconfig -l"' \
    'echo "To leave: reset -s, or Ctrl-A X"' >"$folder/fs0/startup.nsh"

echo "Booting $(basename "$code") with $driver; to leave: \`reset -s\`, or Ctrl-A X."
exec "$qemu" -accel "${ACCEL:-tcg}" -cpu "${CPU:-$cpu}" -machine "${MACHINE:-$machine}" -m "$memory" \
    -nodefaults -nographic -no-reboot -serial mon:stdio \
    -drive "if=pflash,format=raw,unit=0,readonly=on,file=$code" \
    -drive "if=pflash,format=raw,unit=1,file=$folder/vars.fd" \
    -drive "if=none,id=disk,format=raw,file=fat:rw:$folder/fs0" \
    -device "virtio-blk-pci,drive=disk$boot_index" \
    -netdev "user,id=net0,tftp=$folder/fs0" \
    -device "${NIC:-virtio-net-pci,disable-legacy=off,disable-modern=off},netdev=net0,romfile=" \
    "$@"
