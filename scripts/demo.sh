#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# usage: scripts/demo.sh
#
# Boot QEMU with UEFI firmware and the driver on a FAT drive and show: our line of `drivers`, the
# lease, ping, a TFTP and an HTTP download compared with the originals. Status 0 only if all of it
# happened through our driver; what a firmware cannot do is named as left out. ARCH is x86_64
# (default), ia32, aarch64, riscv64 or loongarch64; for x86_64 DRIVER, OVMF_CODE, OVMF_VARS and QEMU
# override the files used.
set -eu

python=${PYTHON:-/usr/bin/python3}
if ! command -v "$python" >/dev/null; then
    echo "demo: $python: not installed (run scripts/setup.sh)" >&2
    exit 1
fi
exec "$python" "$(dirname "$0")/../tests/qemu/demo.py"
