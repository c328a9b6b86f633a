#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/sign.sh KEY CERT IN.efi OUT.efi
# Signs an EFI image for Secure Boot with sbsigntool and verifies the result. KEY is a PEM
# private key (sbsign asks for its pass phrase on the terminal), CERT its PEM certificate,
# which the machine's db must contain. OUT appears only if it verifies. It may be IN, which
# is unchanged otherwise.
set -eu

fail() {
    echo "sign: $1" >&2
    exit 1
}

[ $# -eq 4 ] || fail "usage: scripts/sign.sh KEY CERT IN.efi OUT.efi"
key=$1 cert=$2 in=$3 out=$4

[ -n "$key" ] || fail "no key given: make sign KEY=db.key CERT=db.pem"
[ -n "$cert" ] || fail "no certificate given: make sign KEY=db.key CERT=db.pem"
command -v sbsign >/dev/null || fail "sbsign: not installed (package sbsigntool, or run scripts/setup.sh)"
for file in "$key" "$cert" "$in"; do
    [ -r "$file" ] || fail "$file: no such file, or not readable"
done
grep -q "PRIVATE KEY" "$key" || fail "$key: not a private key in PEM"
grep -q "BEGIN CERTIFICATE" "$cert" ||
    fail "$cert: not a certificate in PEM (from DER: openssl x509 -inform der -in $cert -out cert.pem)"

for file in "$key" "$cert"; do
    [ ! "$file" -ef "$out" ] || fail "$out: the signed image would replace $file"
done

[ "$in" -ef "$out" ] || rm -f "$out"
rm -f "$out.new"
trap 'rm -f "$out.new"' EXIT
trap 'exit 1' INT TERM HUP
sbsign --key "$key" --cert "$cert" --output "$out.new" "$in" >/dev/null ||
    fail "sbsign could not sign $in: does $cert belong to $key, and was the pass phrase right?"
sbverify --cert "$cert" "$out.new" >/dev/null 2>&1 ||
    fail "the signature does not verify against $cert"
mv "$out.new" "$out"
echo "sign: $out: signed, verified against $cert"
