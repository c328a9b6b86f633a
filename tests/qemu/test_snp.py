# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The contract of EFI_SIMPLE_NETWORK_PROTOCOL, walked by EFI applications on real firmware."""

from __future__ import annotations

import re
from dataclasses import dataclass

import evidence
import pytest
from guest import BUILD, Guest, Nic
from wire.peer import Peer

TIMEOUT_S = 90
APP_TIMEOUT_S = 60
APPS = BUILD / "x86_64" / "apps"

# Each with the least number of checks that a whole run makes.
CONTRACTS = {"snptest": 120, "snpwire": 60}


@dataclass(frozen=True)
class Case:
    name: str
    machine: str
    options: str
    transport: str  # the one that the driver must choose


CASES = [
    Case("modern", "q35", "disable-legacy=on,disable-modern=off", "modern"),
    Case("transitional", "q35", "disable-legacy=off,disable-modern=off", "modern"),
    Case("legacy", "pc", "disable-legacy=off,disable-modern=on", "legacy"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_snp_keeps_its_contract(case: Case) -> None:
    with Peer() as peer, Guest(
        f"snp-{case.name}",
        machine=case.machine,
        nics=[Nic(case.options, netdev=peer.netdev)],
        files={f"{app}.efi": APPS / f"{app}.efi" for app in CONTRACTS},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        evidence.assert_ours(guest, case.transport)
        outputs = {app: guest.run(f"{app}.efi", timeout=APP_TIMEOUT_S) for app in CONTRACTS}
        evidence.assert_ours(guest, case.transport)
        guest.power_off()

        failures = [
            f"{app}: {line}"
            for app, output in outputs.items()
            for line in re.findall(r"^FAIL (.*)", output, flags=re.MULTILINE)
        ]
        if failures:
            raise guest.error("every check to pass", "\n  " + "\n  ".join(failures))
        for app, least in CONTRACTS.items():
            summary = re.search(rf"{app.upper()} passed=(\d+) failed=0$", outputs[app])
            if not summary or int(summary[1]) < least:
                raise guest.error(f"{least} checks of {app} or more", outputs[app][-200:])
