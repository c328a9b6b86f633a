# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Which cases a command runs: all of them, those of `make check`, or a few on another distribution.

docs/TESTING.md gives the reasons. A pattern that matches no case is an error, so the lists
stay true.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Sequence

WHICH = ("all", "check", "few")

# Only in `make check-all`. The comments name the cases that show the same.
LEFT_TO_ALL = (
    "test_barless.py::*stack_without_bars[ia32]",  # x86_64, aarch64; floods on ia32: packed-ovmf32
    "test_canary.py::*[legacy]",  # modern; linux_takes_over[legacy]
    "test_clients.py::*[grub-http-legacy]",  # grub-http-modern; network: legacy-pc, packed-q35
    "test_clients.py::*[grub-http-packed]",
    "test_clients.py::*[ipxe-legacy]",  # the other clients by PXE and TFTP: one device each
    "test_clients.py::*[ipxe-packed]",
    "test_clients.py::*[shim-grub-tftp-legacy]",
    "test_clients.py::*[shim-grub-tftp-packed]",
    "test_clients.py::*[systemd-boot-uki-http-legacy]",  # grub-http: the firmware's HTTP boot
    "test_clients.py::*[systemd-boot-uki-http-packed]",
    "test_device_options.py::*[[2-9]]",  # only switches that other cases turn have code of their own
    "test_flood.py::*[transitional]",  # modern: it is driven as such
    "test_flood.py::*[modern-iommu]",  # packed-iommu
    "test_flood.py::*[mtu-9000-legacy]",  # mtu-9000-modern, legacy-large-queue
    "test_flood.py::*[mtu-9000-packed]",  # mtu-9000-modern, packed
    "test_flood.py::*[mtu-9000-aavmf]",
    "test_flood.py::*[mtu-9000-ovmf32]",
    "test_flood.py::*[legacy-aavmf]",  # network: legacy-aavmf; flood: packed-aavmf
    "test_flood.py::*[legacy-ovmf32]",
    "test_flood.py::*[modern-aavmf]",  # packed-aavmf; network: iommu-smmu-aavmf
    "test_flood.py::*[modern-ovmf32]",  # packed-ovmf32
    "test_ipv6.py::*multicast[legacy-x86_64]",  # modern; what arrives on legacy: test_snp
    "test_ipv6.py::*multicast[modern-ia32]",  # x86_64, aarch64
    "test_ipv6.py::test_dhcpv6*[legacy]",  # modern; multicast[without-filter]
    "test_ipv6.py::test_dhcpv6*[without-filter]",
    "test_large.py::*[legacy]",  # modern; unit tests: every ring format
    "test_large.py::*[packed]",
    "test_large.py::*[transitional]",  # it is driven as modern
    "test_large.py::*[iommu]",  # flood: packed-iommu
    "test_large.py::*without_offloads*",  # QEMU's user network offers none either
    "test_large.py::*second_guest*",  # its frames come as the host's own do, from a tap
    "test_link.py::test_link_down*[legacy]",
    "test_link.py::*follows_the_link[modern-ia32]",  # x86_64, aarch64
    "test_network.py::*[modern-pc]",  # modern-q35, legacy-pc
    "test_network.py::*[transitional-pc]",
    "test_network.py::*[legacy-q35]",
    "test_network.py::*[iommu-q35]",  # iommu-vtd-q35
    "test_network.py::*[small-queue-modern]",
    "test_network.py::*[small-queue-legacy]",
    "test_network.py::*[packed-ovmf32]",  # legacy-ovmf32; flood: packed-ovmf32
    "test_network.py::*[modern-aavmf]",  # legacy-aavmf, iommu-smmu-aavmf; flood: packed-aavmf
    "test_network.py::*[packed-aavmf]",
    "test_network.py::*[modern-ovmf32]",
    "test_network.py::*[iommu-vtd-ovmf32]",  # iommu-vtd-q35, legacy-ovmf32
    "test_nics.py::*[ia32-default]",  # x86_64-pc
    "test_nics.py::*[aarch64-default]",
    "test_nics.py::*[x86_64-default]",
    "test_places.py::*[ovmf-q35-bridge]",  # ovmf-pc-bridge, ovmf-q35-root-port
    "test_places.py::*[ovmf-pc-functions]",  # ovmf-q35-functions
    "test_places.py::*[secure-q35-root-bus]",  # secure-q35-root-port
    "test_places.py::*[ovmf32-q35-bridge]",
    "test_places.py::*[ovmf32-q35-functions]",
    "test_places.py::*[aavmf-virt-bridge]",  # aavmf-virt-first-ports
    "test_places.py::*[aavmf-virt-functions]",
    "test_protocols.py::*[legacy-x86_64]",
    "test_protocols.py::*[modern-ia32]",  # x86_64, aarch64
    "test_rom.py::test_rom_has_the_nic[transitional]",
    "test_rom.py::test_firmware_boots_through_the_rom[transitional]",
    "test_rounds.py::*disconnect*[legacy]",  # disconnect modern, unload legacy
    "test_rounds.py::*unload*[modern]",
    "test_secureboot.py::test_without_secure_boot*[stranger.efi]",
    "test_secureboot.py::test_without_secure_boot*[tampered.efi]",
    "test_run.py::*shell*[ia32]",  # x86_64, aarch64; its firmware: test_esp[ia32]
    "test_snp.py::*contract[transitional]",
    "test_snp.py::*contract[packed]",  # the contract ends above the rings; flood: packed
    "test_stack.py::test_https_and_dns[own-ia32]",  # x86_64, aarch64
    "test_stack.py::test_vlan[own-firmware-x86_64]",  # own-own; https_and_dns: firmware
    "test_stack.py::test_vlan[firmware-own-x86_64]",
    "test_stack.py::test_vlan[own-own-ia32]",  # own-own-x86_64
    "test_stack.py::test_vlan[own-own-aarch64]",
    "test_stack.py::*boots_over_a_vlan[firmware-x86_64]",
    "test_stack.py::*boots_over_a_vlan[own-ia32]",  # x86_64; boots without: own_options[firmware-*]
    "test_stack.py::*boots_over_a_vlan[own-aarch64]",
    "test_stack.py::test_iscsi[firmware-x86_64]",
    "test_stack.py::test_iscsi[own-ia32]",  # the same driver of the firmware as on x86_64
    "test_stack.py::test_download_over*[firmware]",
    "test_stack.py::*_free_again[*-firmware]",
    "test_takeover.py::*bcfg_binds[firmware-legacy]",
    "test_takeover.py::*bcfg_binds[ipxe-modern]",
    "test_takeover.py::*bcfg_binds[nothing-modern]",
    "test_takeover.py::*own_options[ipxe-x86_64]",
)

# Likewise, on newer distributions.
LEFT_TO_ALL_OF_NEWER = (
    # These take minutes there; x86_64 and aarch64 show the same.
    "test_nics.py::*[riscv64-default]",
    "test_nics.py::*[loongarch64-default]",
    "test_protocols.py::*[modern-riscv64]",
    "test_protocols.py::*[modern-loongarch64]",
    "test_stack.py::*[own-riscv64]",
    "test_stack.py::*[own-loongarch64]",
    "test_stack.py::*[own-own-riscv64]",
    "test_stack.py::*[own-own-loongarch64]",
    "test_takeover.py::*own_options[firmware-riscv64]",
    "test_takeover.py::*own_options[firmware-loongarch64]",
)

# In addition to the first case of each file: what only a newer distribution has.
FEW = (
    "test_esp.py::*[*64]",
    "test_flood.py::*[packed-riscv64]",
    "test_flood.py::*[packed-loongarch64]",
    "test_flood.py::*[in-order*]",
    "test_network.py::*[legacy-riscv64]",  # modern: test_esp, test_snp, test_takeover; packed: test_flood
    "test_network.py::*[legacy-loongarch64]",
    "test_network.py::*[in-order*]",
    "test_snp.py::*[*64]",
    "test_takeover.py::*on_every_architecture[*64]",
    "test_rom.py::test_one_rom*[*64]",
    "test_rom.py::test_rom_has*[strictnx]",
    "test_places.py::*[strictnx*]",
)
# Files of which not even the first case: the driver alone decides them, and it is the same code.
NONE_OF_FEW = ("test_device_options.py", "test_rounds.py", "test_soak.py")
ELSEWHERE = ("*x86_64*", "*aarch64*")  # the architectures that every distribution has


def _fits(case: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(case, pattern.replace("[", "[[]", 1)) for pattern in patterns)


def stale(cases: Sequence[str]) -> list[str]:
    """The patterns of LEFT_TO_ALL that match no case."""
    return [p for p in LEFT_TO_ALL if not any(_fits(case, [p]) for case in cases)]


def select(cases: Sequence[str], which: str, is_newer: bool) -> set[str]:
    """The subset of `cases` to run, FILE::NAME[ID] each; `is_newer` than Debian 12 is the distribution."""
    if which == "all":
        return set(cases)
    left = (*LEFT_TO_ALL, *(LEFT_TO_ALL_OF_NEWER if is_newer else ()))
    kept = [case for case in cases if not _fits(case, left)]
    if which == "check":
        return set(kept)
    first = {case.partition("::")[0]: case for case in reversed(kept)}
    return {
        *(case for file, case in first.items() if file not in NONE_OF_FEW),
        *(case for case in kept if _fits(case, FEW) and not _fits(case, ELSEWHERE)),
    }
