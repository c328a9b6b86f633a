# SPDX-License-Identifier: BSD-2-Clause-Patent
"""build/x86_64/esp.img, which `make esp` makes: booted as it is, nothing typed."""

from __future__ import annotations

import evidence
import network
from guest import DRIVER, Guest, require

TIMEOUT_S = 120


def test_esp_image_boots_and_loads_the_driver() -> None:
    assert DRIVER is not None, "without a driver there is no image"
    image = DRIVER.with_name("esp.img")
    require(files=[image])
    with Guest("esp", disk=image, driver=None, timeout=TIMEOUT_S) as guest:
        if "Loaded." not in guest.text:
            raise guest.error("startup.nsh to load the driver", guest.text[-200:])
        evidence.assert_ours(guest, "modern")
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        guest.power_off()
