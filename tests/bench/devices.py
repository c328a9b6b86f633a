# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The devices of figures.DEVICES: their QEMU options, and the proof of their ring format."""

from __future__ import annotations

from dataclasses import dataclass

import evidence
from figures import DEVICES
from guest import LEGACY, MODERN, PACKED, Guest

RING_PACKED = "VIRTIO_F_RING_PACKED"


@dataclass(frozen=True)
class Device:
    """`options` of QEMU's NIC, and the transport that a driver chooses for it."""

    options: str
    transport: str
    is_packed: bool = False


ALL = dict(
    zip(
        DEVICES,
        (
            Device(MODERN, "modern"),
            Device(PACKED, "modern", is_packed=True),
            Device(LEGACY, "legacy"),
        ),
    )
)


def prove_rings(guest: Guest, device: str) -> None:
    """Raise GuestError unless our driver has negotiated the device's ring format.

    Call this after SNP was initialized; Shutdown keeps the features.
    """
    for index in range(len(guest.nics)):
        is_packed = RING_PACKED in evidence.device_state(guest, index).features
        if is_packed != ALL[device].is_packed:
            names = {True: "packed", False: "split"}
            raise guest.error(f"{names[not is_packed]} rings", names[is_packed])
