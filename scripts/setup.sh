#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause-Patent
# usage: scripts/setup.sh [--all | --deb | --arches]
#
# Installs the missing Debian or Ubuntu packages for building and testing on x86_64. --all adds those
# for the other architectures, and unpacks into build/ what should not be installed next to the system's
# own: gnu-efi for those architectures, and for the QEMU tests a Linux kernel, efibootmgr, GRUB, shim,
# systemd-boot and the iSCSI target tgt. --deb installs and unpacks only what `make deb` needs. Does
# nothing, and needs no network, if all is there. --arches installs nothing, and prints the
# architectures that a Debian package built here must contain.
set -eu
cd "$(dirname "$0")/.."
mode=${1:-}

fail() {
    echo "setup: $1" >&2
    exit 1
}

case $mode in
'' | --all | --deb | --arches) ;;
*) fail "$mode: not one of --all, --deb, --arches" ;;
esac
if [ "$mode" = --arches ]; then
    # shellcheck source=/dev/null
    case $(. /etc/os-release && echo "$ID ${VERSION_ID:-}") in
    'debian 12') echo x86_64 ia32 aarch64 ;;
    *) echo x86_64 ia32 aarch64 riscv64 loongarch64 ;;
    esac
    exit
fi

# FIRST|SECOND is the first that the distribution has. A - at the end means that it may have none.
build_packages=(gcc libc6-dev make binutils gnu-efi python3)
aarch64_packages=(gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu) # the compiler for x86_64 also builds ia32
deb_packages=(build-essential debhelper lintian git)
packages=(
    "${build_packages[@]}"
    # unit tests, coverage, lint
    libcmocka-dev gcovr clang-tidy cppcheck shellcheck
    'clang-format-14|-' # other versions break lines differently
    # fuzzing
    clang libclang-rt-dev llvm
    # QEMU tests and the demo
    qemu-system-x86 'ovmf-generic|ovmf' ipxe-qemu ipxe mtools fdisk gdb
    python3-pytest python3-pytest-xdist python3-pefile
    dnsmasq-base iproute2 debootstrap debian-archive-keyring
    # signing for Secure Boot
    sbsigntool openssl
)
[ "$mode" != --all ] || packages+=(
    "${aarch64_packages[@]}" qemu-system-arm qemu-efi-aarch64
    # the Debian package
    "${deb_packages[@]}" python3-yaml
    # ia32
    'ovmf-ia32|-' # none in Debian 14 and later
    # Secure Boot; Debian 12's firmware for it contains a shell
    'efi-shell-x64|-'
)
[ "$mode" != --deb ] || packages=("${build_packages[@]}" "${aarch64_packages[@]}" "${deb_packages[@]}")
# Each of these architectures is left out unless the distribution has all of its packages.
declare -A packages_of=(
    [riscv64]='gcc-riscv64-linux-gnu qemu-system-riscv|qemu-system-misc qemu-efi-riscv64'
    [loongarch64]='gcc-loongarch64-linux-gnu qemu-system-loongarch|qemu-system-misc qemu-efi-loongarch64'
)
[ "$mode" != --deb ] || for arch in "${!packages_of[@]}"; do
    packages_of[$arch]=${packages_of[$arch]%% *} # the compiler
    [[ " $(scripts/setup.sh --arches) " == *" $arch "* ]] || unset "packages_of[$arch]"
done
grep -qx 'ID=debian' /etc/os-release || unset 'packages_of[loongarch64]' # only Debian has gnu-efi for it

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "this is not Debian or Ubuntu; please install the equivalents of these packages: ${packages[*]}"
fi

alternatives() { # ENTRY: its packages, separated by spaces
    echo "$1" | tr '|' ' '
}

installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' \
    2>/dev/null | sed -n 's/ installed$//p') || true
is_installed() { # ENTRY
    local package
    for package in $(alternatives "$1"); do
        ! grep -qxF "$package" <<<"$installed" || return 0
    done
    return 1
}

missing=()
for entry in "${packages[@]}"; do
    is_installed "$entry" || missing+=("$entry")
done

as_root=(env)
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
need_root() { # FOR WHAT
    command -v "${as_root[0]}" >/dev/null || fail "run as root, or install: $*"
}
[ ${#missing[@]} -eq 0 ] || need_root "${missing[@]}"

apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq)
update() {
    "${apt[@]}" update || echo "setup: apt-get update failed, continuing with the existing lists" >&2
}

choose() { # ENTRY: the package to install, or nothing
    local package
    for package in $(alternatives "$1"); do
        # A virtual package has no entry.
        if [ "$package" = - ] || apt-cache show "$package" 2>/dev/null | grep -q ^Package:; then
            echo "${package#-}"
            return
        fi
    done
    echo "$1" # for apt-get to name
}

needed=()
for entry in "${missing[@]}"; do
    [[ $entry == *'|-' ]] || needed+=("$entry")
done
[ ${#needed[@]} -eq 0 ] || update
chosen=()
for entry in "${missing[@]}"; do
    package=$(choose "$entry")
    [ -z "$package" ] || chosen+=("$package")
done
newer=()
for arch in "${!packages_of[@]}"; do
    [ -n "$mode" ] || break
    wanted=()
    for entry in ${packages_of[$arch]}; do
        is_installed "$entry" || wanted+=("$(choose "$entry|-")")
    done
    # An entry that the distribution lacks is an empty word.
    if printf '%s\n' "${wanted[@]-has all}" | grep -qx ''; then continue; fi
    newer+=("$arch")
    chosen+=("${wanted[@]}")
done
if [ ${#chosen[@]} -gt 0 ]; then
    need_root "${chosen[@]}"
    echo "setup: installing ${chosen[*]}"
    "${apt[@]}" install -y --no-install-recommends "${chosen[@]}" >/dev/null ||
        fail "apt-get could not install: ${chosen[*]}"
fi

if [ -n "$mode" ]; then
    scripts/fetch-gnu-efi.sh arm64 build/gnu-efi/aarch64
    for arch in "${newer[@]}"; do
        scripts/fetch-gnu-efi.sh "${arch/loongarch/loong}" "build/gnu-efi/$arch"
    done
fi
if [ "$mode" = --all ]; then
    [ -e build/efibootmgr/complete ] || apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || update
    tests/qemu/linux/fetch-kernel.sh build/linux
    tests/qemu/linux/fetch-efibootmgr.sh build/efibootmgr
    tests/qemu/linux/fetch-clients.sh build/clients
fi
