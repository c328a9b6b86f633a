#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: fetch-clients.sh [FOLDER]
#
# Puts boot programs, as the distribution ships them, into FOLDER, build/clients by default: GRUB
# for the network, shim, systemd-boot and the stub of its unified kernel images. Nothing is
# installed; with everything there it does nothing, also without a network.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=$(realpath -m "${1:-$root/build/clients}")

[ ! -e "$folder/complete" ] || exit 0

echo "setup: fetching GRUB, shim and systemd-boot into $folder"
rm -rf "$folder"
"$root/scripts/fetch-debs.sh" "$folder/unpacked" \
    grub-efi-amd64-bin grub-efi-amd64-signed shim-signed systemd-boot-efi
for wanted in grub/x86_64-efi-signed/grubnetx64.efi.signed grub/x86_64-efi/http.mod \
    shim/shimx64.efi.signed \
    systemd/boot/efi/systemd-bootx64.efi systemd/boot/efi/linuxx64.efi.stub; do
    cp "$folder/unpacked/usr/lib/$wanted" "$folder" ||
        { echo "setup: the packages hold no $wanted" >&2 && exit 1; }
done
rm -rf "$folder/unpacked"
echo 'GRUB, shim, systemd-boot' >"$folder/complete"
