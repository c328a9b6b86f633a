#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: fetch-clients.sh [FOLDER]
#
# Puts boot programs, as the distribution ships them, into FOLDER, build/clients by default: GRUB
# for the network, shim, systemd-boot and the stub of its unified kernel images; and the iSCSI target
# tgt with its libraries, which as a package would start a server. Nothing is installed; with
# everything there it does nothing, also without a network.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=$(realpath -m "${1:-$root/build/clients}")

contents='GRUB, shim, systemd-boot, tgt'

[ "$(cat "$folder/complete" 2>/dev/null)" != "$contents" ] || exit 0

echo "setup: fetching $contents into $folder"
rm -rf "$folder"
"$root/scripts/fetch-debs.sh" "$folder/unpacked" \
    grub-efi-amd64-bin grub-efi-amd64-signed shim-signed systemd-boot-efi \
    tgt 'libaio1t64|libaio1' libibverbs1 'librdmacm1t64|librdmacm1' libnl-3-200 libnl-route-3-200
for wanted in grub/x86_64-efi-signed/grubnetx64.efi.signed grub/x86_64-efi/http.mod \
    shim/shimx64.efi.signed \
    systemd/boot/efi/systemd-bootx64.efi systemd/boot/efi/linuxx64.efi.stub; do
    cp "$folder/unpacked/usr/lib/$wanted" "$folder" ||
        { echo "setup: the packages hold no $wanted" >&2 && exit 1; }
done
mkdir "$folder/tgt"
cp "$folder/unpacked/usr/sbin/tgtd" "$folder/unpacked/usr/sbin/tgtadm" "$folder/tgt"
find "$folder/unpacked" -name 'lib*.so.*' -exec cp -P {} "$folder/tgt" \;
rm -rf "$folder/unpacked"
echo "$contents" >"$folder/complete"
