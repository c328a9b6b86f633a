# SPDX-License-Identifier: BSD-2-Clause-Patent
"""A NIC's registers, read from outside: what the device offers, what its driver has accepted, its status.

Through QEMU's test interface, which can also write: only one half of the features shows at a time,
and a register says which (VIRTIO 1.2, 4.1.4.3). QEMU's x-query-virtio-status knows all this too, but
QEMU 11.1 ends when it is asked: the answer lacks a member that its own schema demands.
"""

from __future__ import annotations

from dataclasses import dataclass

from guest import Guest

# In virtio_pci_common_cfg, which is where BAR 4 of QEMU's modern device begins.
DEVICE_FEATURE_SELECT, DEVICE_FEATURE = 0, 4
DRIVER_FEATURE_SELECT, DRIVER_FEATURE = 8, 12
DEVICE_STATUS = 20
# In BAR 0 of a legacy one, which is I/O ports (VIRTIO 1.2, 4.1.4.10).
LEGACY_DEVICE_FEATURES, LEGACY_DRIVER_FEATURES, LEGACY_DEVICE_STATUS = 0, 4, 18

HALVES = 2
HALF_BITS = 32
STATUS_BITS = {
    0x01: "ACKNOWLEDGE",
    0x02: "DRIVER",
    0x04: "DRIVER_OK",
    0x08: "FEATURES_OK",
    0x40: "NEEDS_RESET",
    0x80: "FAILED",
}
# VIRTIO 1.2, 5.1.3 and 6; those that the tests name and those that QEMU's devices have.
FEATURE_BITS = {
    0: "NET_F_CSUM",
    1: "NET_F_GUEST_CSUM",
    2: "NET_F_CTRL_GUEST_OFFLOADS",
    3: "NET_F_MTU",
    5: "NET_F_MAC",
    6: "NET_F_GSO",
    7: "NET_F_GUEST_TSO4",
    8: "NET_F_GUEST_TSO6",
    9: "NET_F_GUEST_ECN",
    10: "NET_F_GUEST_UFO",
    11: "NET_F_HOST_TSO4",
    12: "NET_F_HOST_TSO6",
    13: "NET_F_HOST_ECN",
    14: "NET_F_HOST_UFO",
    15: "NET_F_MRG_RXBUF",
    16: "NET_F_STATUS",
    17: "NET_F_CTRL_VQ",
    18: "NET_F_CTRL_RX",
    19: "NET_F_CTRL_VLAN",
    20: "NET_F_CTRL_RX_EXTRA",
    21: "NET_F_GUEST_ANNOUNCE",
    22: "NET_F_MQ",
    23: "NET_F_CTRL_MAC_ADDR",
    24: "F_NOTIFY_ON_EMPTY",
    27: "F_ANY_LAYOUT",
    28: "RING_F_INDIRECT_DESC",
    29: "RING_F_EVENT_IDX",
    32: "F_VERSION_1",
    33: "F_ACCESS_PLATFORM",
    34: "F_RING_PACKED",
    35: "F_IN_ORDER",
    36: "F_ORDER_PLATFORM",
    37: "F_SR_IOV",
    38: "F_NOTIFICATION_DATA",
    39: "F_NOTIF_CONFIG_DATA",
    40: "F_RING_RESET",
    53: "NET_F_NOTF_COAL",
    54: "NET_F_GUEST_USO4",
    55: "NET_F_GUEST_USO6",
    56: "NET_F_HOST_USO",
    57: "NET_F_HASH_REPORT",
    59: "NET_F_GUEST_HDRLEN",
    60: "NET_F_RSS",
    61: "NET_F_RSC_EXT",
    62: "NET_F_STANDBY",
    63: "NET_F_SPEED_DUPLEX",
}


@dataclass(frozen=True)
class Registers:
    offered: frozenset[str]  # features, as VIRTIO_NET_F_MAC
    features: frozenset[str]  # negotiated
    status: frozenset[str]  # as DRIVER_OK


def read_modern(guest: Guest, base: int) -> Registers:
    """Those of a modern device whose BAR 4 is at `base`."""
    with guest.stopped():
        status = guest.qtest(f"readb {base + DEVICE_STATUS:#x}")
        return _decode(
            guest,
            _read_halves(guest, base + DEVICE_FEATURE_SELECT, base + DEVICE_FEATURE),
            _read_halves(guest, base + DRIVER_FEATURE_SELECT, base + DRIVER_FEATURE),
            status,
        )


def read_legacy(guest: Guest, base: int) -> Registers:
    """Those of a legacy device whose BAR 0 is at I/O port `base`."""
    window = guest.platform.io_window
    at = base + (window or 0)
    word, byte = ("inl", "inb") if window is None else ("readl", "readb")
    with guest.stopped():
        return _decode(
            guest,
            guest.qtest(f"{word} {at + LEGACY_DEVICE_FEATURES:#x}"),
            guest.qtest(f"{word} {at + LEGACY_DRIVER_FEATURES:#x}"),
            guest.qtest(f"{byte} {at + LEGACY_DEVICE_STATUS:#x}"),
        )


def _read_halves(guest: Guest, select: int, register: int) -> int:
    """Both halves of a set of features; `select` is left as the guest's driver has it."""
    was = guest.qtest(f"readl {select:#x}")
    features = 0
    for half in range(HALVES):
        guest.qtest(f"writel {select:#x} {half}")
        features |= guest.qtest(f"readl {register:#x}") << half * HALF_BITS
    guest.qtest(f"writel {select:#x} {was}")
    return features


def _decode(guest: Guest, offered: int, features: int, status: int) -> Registers:
    # Where no device answers, all bits are the same. Bit 4 is no feature, and all NICs here have a MAC.
    if offered & (1 << 4 | 1 << 5) != 1 << 5:
        raise guest.error("a NIC's registers", f"features {offered:#x}, status {status:#x}")
    return Registers(
        _names(offered),
        _names(features),
        frozenset(name for bit, name in STATUS_BITS.items() if status & bit),
    )


def _names(features: int) -> frozenset[str]:
    bits = [bit for bit in range(HALVES * HALF_BITS) if features >> bit & 1]
    return frozenset(f"VIRTIO_{FEATURE_BITS.get(bit, f'F_bit{bit}')}" for bit in bits)
