# SPDX-License-Identifier: BSD-2-Clause-Patent
"""build/esp.img, made by `make esp`: one image, booted unchanged on each architecture, with nothing
typed. The shell cannot tell its architecture, so startup.nsh tries each driver."""

from __future__ import annotations

import evidence
import network
import pytest
from guest import BUILD, DRIVER, Guest, require
from platforms import EACH_ARCH, Platform

TIMEOUT_S = 120
IMAGE = BUILD / "esp.img"


@pytest.mark.parametrize("platform", EACH_ARCH, ids=lambda platform: platform.arch)
def test_esp_image_boots_and_loads_the_driver(platform: Platform) -> None:
    assert DRIVER is not None, "without a driver there is no image"
    require(files=[IMAGE])
    with Guest(
        f"esp-{platform.arch}", platform=platform, disk=IMAGE, driver=None, timeout=TIMEOUT_S
    ) as guest:
        if "Loaded." not in guest.text:
            raise guest.error("startup.nsh to come to its end", guest.text[-200:])
        evidence.assert_ours(guest, "modern")
        loaded = evidence.our_drivers(guest)[0].image
        if not loaded.endswith(rf"\{platform.arch}\virtio-net.efi"):
            raise guest.error(f"startup.nsh to load {platform.arch}'s driver", loaded)
        network.get_lease(guest)
        network.ping(guest, "10.0.2.2")
        guest.power_off()
