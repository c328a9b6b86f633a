# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Taking NICs over from any holder, giving them back, and leaving some alone.

Each case proves by `drivers`, `devtree` and the handle database who has the NIC, and that DHCP works
over it. The recipes of README.md's "Deploy" are run here literally.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import evidence
import network
import pytest
from boot_options import ADD_DRIVER, add_http_option, set_boot_next
from guest import DRIVER, TRANSPORTS, Guest, Nic
from platforms import AAVMF, EACH_ARCH, NEWER, NEWER_WITH_HTTP, OVMF, OVMF32, Platform

TIMEOUT_S = 240
NETBOOT = OVMF.app("netboot.efi")
NETBUSY = OVMF.app("netbusy.efi")

SET_OPTIONS = "setvar VirtioNetOptions -guid 6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61 -bs -nv "
OUR_NAME = r"Virtio Network Driver \(virtio-net\.efi [^)]+\)"


@dataclass(frozen=True)
class Rival:
    """The NIC's holder before us, and the name of the driver that holds its PciIo."""

    romfile: str | None = ""
    names: tuple[str, str] = ("", "")  # modern, legacy; empty: nobody

    def name(self, transport: str) -> str:
        return self.names[list(TRANSPORTS).index(transport)]


RIVALS = {
    "firmware": Rival(names=("Virtio 1.0 PCI Driver", "Virtio PCI Driver")),
    "ipxe": Rival(romfile=None, names=("virtio-net.efidrv", "virtio-net.efidrv")),
    "nothing": Rival(),
}


def assert_said(guest: Guest, output: str, pci: str, what: str) -> None:
    """The driver's one line about the NIC at PCI address 0000:00:`pci`."""
    lines = re.findall(rf"virtio-net 0000:00:{pci}: (.*)", output)
    if len(lines) != 1 or not re.fullmatch(what, lines[0]):
        raise guest.error(f"one line on 0000:00:{pci}, `{what}`", str(lines))


def assert_held_by(guest: Guest, index: int, name: str) -> evidence.Adapter:
    """The driver whose name matches `name` holds NIC `index`, alone or with one on top."""
    mac = guest.nics[index].mac_of(index)
    found = {adapter.mac: adapter for adapter in evidence.adapters(guest)}
    if mac not in found or not any(re.fullmatch(name, each) for each in found[mac].driver_names):
        seen = found[mac].driver_names if mac in found else "no SNP"
        raise guest.error(f"{mac} with {name}", str(seen))
    return found[mac]


def assert_in_devtree(guest: Guest, transport: str) -> None:
    name = evidence.CONTROLLER_NAME.format(transport=transport, mac=guest.nics[0].mac_of(0))
    found = guest.run("devtree").count(name)
    if found != 2:
        raise guest.error(f"`{name}` twice in `devtree`, for the PCI function and SNP", str(found))


def assert_works(guest: Guest, index: int = 0) -> None:
    network.get_lease(guest, index)


def unload(guest: Guest, handle: str) -> str:
    return guest.run(f"unload -n {handle}", timeout=60)


def only_driver(guest: Guest) -> evidence.Driver:
    ours = evidence.our_drivers(guest)
    if len(ours) != 1:
        raise guest.error("our driver in `drivers`, once", f"{len(ours)} times")
    return ours[0]


@pytest.mark.parametrize("platform", EACH_ARCH[1:], ids=lambda platform: platform.arch)
def test_load_takes_over_on_every_architecture(platform: Platform) -> None:
    name = RIVALS["firmware"].name("modern")
    with Guest(f"takeover-{platform.arch}", platform=platform, timeout=TIMEOUT_S) as guest:
        guest.run("connect -r", timeout=60)
        assert_held_by(guest, 0, re.escape(name))
        answer = guest.load_driver()
        assert_said(guest, answer, "02.0", re.escape(f"taken over from {name}"))
        evidence.assert_ours(guest, "modern")
        assert_works(guest)
        unload(guest, only_driver(guest).handle)
        assert_held_by(guest, 0, re.escape(name))
        guest.power_off()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("rival", RIVALS)
def test_load_takes_over_unload_gives_back_bcfg_binds(rival: str, transport: str) -> None:
    name = RIVALS[rival].name(transport)
    nic = Nic(TRANSPORTS[transport], romfile=RIVALS[rival].romfile)
    with Guest(
        f"takeover-{rival}-{transport}", nics=[nic], timeout=TIMEOUT_S, reboots=True
    ) as guest:
        if name:
            guest.run("connect -r", timeout=60)
            assert_held_by(guest, 0, re.escape(name))
        answer = guest.load_driver()
        if name:
            assert_said(guest, answer, "02.0", re.escape(f"taken over from {name}"))
        evidence.assert_ours(guest, transport)
        assert_in_devtree(guest, transport)
        assert_works(guest)

        unload(guest, only_driver(guest).handle)
        if name:
            assert_held_by(guest, 0, re.escape(name))
            if transport == "modern":
                assert_works(guest)

        guest.run(ADD_DRIVER)
        guest.reset()
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, transport)
        assert_works(guest)
        guest.power_off()


def test_reloaded_driver_takes_over_from_itself_and_survives_reconnects() -> None:
    with Guest("takeover-again", nics=[Nic(TRANSPORTS["modern"])], timeout=TIMEOUT_S) as guest:
        guest.run("connect -r", timeout=60)

        # Twice in a row, given back in between.
        for number in range(2):
            if number > 0:
                unload(guest, only_driver(guest).handle)
                assert_held_by(guest, 0, "Virtio 1.0 PCI Driver")
            answer = guest.load_driver()
            assert_said(guest, answer, "02.0", "taken over from Virtio 1.0 PCI Driver")
        first = only_driver(guest).handle

        # A second image next to the first: the newer one has the NIC.
        assert_said(guest, guest.load_driver(), "02.0", f"taken over from {OUR_NAME}")
        devices = {driver.handle: driver.devices for driver in evidence.our_drivers(guest)}
        if len(devices) != 2 or devices.pop(first) != 0 or list(devices.values()) != [1]:
            raise guest.error("the NIC with the newer image", str(devices))
        assert_held_by(guest, 0, OUR_NAME)
        unload(guest, first)
        evidence.assert_ours(guest, "modern")
        assert_works(guest)

        guest.run("disconnect -r", timeout=60)
        if (adapters := evidence.adapters(guest)):
            raise guest.error("no SNP after `disconnect -r`", str(adapters))
        guest.run("connect -r", timeout=60)
        evidence.assert_ours(guest, "modern")
        assert_works(guest)
        guest.power_off()


def test_options_say_what_is_taken() -> None:
    nics = [Nic(TRANSPORTS["modern"]), Nic(TRANSPORTS["legacy"])]
    with Guest("takeover-options", nics=nics, timeout=TIMEOUT_S, reboots=True) as guest:
        guest.run("connect -r", timeout=60)

        guest.run(SET_OPTIONS + '=L"takeover=off"')
        answer = guest.load_driver()
        stays = "takeover is off, so it stays with "
        assert_said(guest, answer, "02.0", f"{stays}Virtio 1.0 PCI Driver")
        assert_said(guest, answer, "03.0", f"{stays}Virtio PCI Driver")
        adapter = assert_held_by(guest, 0, "Virtio 1.0 PCI Driver")
        assert_works(guest, 0)
        # By hand it can still be handed over.
        guest.run(f"disconnect {adapter.handle}", timeout=60)
        guest.run(f"disconnect {adapter.pci_handle}", timeout=60)
        guest.run(f"connect {adapter.pci_handle}", timeout=60)
        assert_held_by(guest, 0, OUR_NAME)
        unload(guest, only_driver(guest).handle)

        guest.run(SET_OPTIONS + '=L"skip=00:03.0 color=red verbose=2"')
        answer = guest.load_driver()
        if "virtio-net: VirtioNetOptions: ignored color=red: no such option" not in answer:
            raise guest.error("`color=red` named as no option", answer.strip()[:200])
        assert_said(guest, answer, "02.0", "taken over from Virtio 1.0 PCI Driver")
        assert_said(guest, answer, "03.0", "left alone, as the options say")
        assert_held_by(guest, 0, OUR_NAME)
        assert_held_by(guest, 1, "Virtio PCI Driver")
        assert_works(guest, 0)

        # As a load option, at the next boot; the variable goes.
        guest.run(SET_OPTIONS + "=")
        guest.run(ADD_DRIVER)
        guest.run('bcfg driver -opt 0x0 ^"skip=00:02.0 verbose=2^"')
        guest.reset()
        guest.run("connect -r", timeout=60)
        assert_held_by(guest, 0, "Virtio 1.0 PCI Driver")
        assert_held_by(guest, 1, OUR_NAME)
        assert_works(guest, 1)
        guest.power_off()


def test_nic_that_the_driver_was_loaded_through_stays(server: network.Server) -> None:
    """Loaded by PXE through the firmware's driver: it must not take that NIC."""
    server.add(DRIVER)
    nics = [
        Nic(TRANSPORTS["modern"], netdev=f"{server.netdev()},bootfile=virtio-net.efi"),
        Nic(TRANSPORTS["legacy"]),
    ]
    with Guest(
        "takeover-loaded-through", nics=nics, files={NETBOOT.name: NETBOOT}, timeout=TIMEOUT_S
    ) as guest:
        guest.run("connect -r", timeout=60)
        answer = guest.run("netboot.efi load", timeout=60)
        if "NETBOOT loaded: Success" not in answer:
            raise guest.error("the driver loaded by PXE", answer.strip()[-200:])
        stays = "this driver was loaded through it, so it stays with Virtio 1.0 PCI Driver"
        assert_said(guest, answer, "02.0", stays)
        assert_said(guest, answer, "03.0", "taken over from Virtio PCI Driver")
        assert_held_by(guest, 0, "Virtio 1.0 PCI Driver")
        assert_held_by(guest, 1, OUR_NAME)
        assert_works(guest, 0)
        assert_works(guest, 1)
        guest.power_off()


@pytest.mark.parametrize("rival", ["firmware", "ipxe"])
def test_nic_in_the_middle_of_its_work(rival: str, server: network.Server) -> None:
    """An application with exclusive SNP keeps the NIC and gets all its answers. A download in the
    firmware's stack ends with an error, and the NIC then works with our driver."""
    name = RIVALS[rival].name("modern")
    nic = Nic(TRANSPORTS["modern"], romfile=RIVALS[rival].romfile)
    with Guest(
        f"takeover-busy-{rival}", nics=[nic], files={NETBUSY.name: NETBUSY}, timeout=TIMEOUT_S
    ) as guest:
        guest.run("connect -r", timeout=60)
        answer = guest.run("netbusy.efi snp", timeout=60)
        assert_said(guest, answer, "02.0", re.escape(f"in use, so it stays with {name}"))
        if "NETBUSY received 100 answers\nNETBUSY ended: Success" not in answer:
            raise guest.error("100 answers in spite of the driver", answer.strip()[-200:])
        assert_held_by(guest, 0, re.escape(name))
        assert_works(guest)
        if rival == "ipxe":
            return

        unload(guest, only_driver(guest).handle)
        answer = guest.run(f"netbusy.efi stack {server.port} {network.HTTP_FILE}", timeout=60)
        assert_said(guest, answer, "02.0", re.escape(f"taken over from {name}"))
        received = re.search(r"NETBUSY received (\d+) bytes\nNETBUSY ended: Aborted", answer)
        if not received or not 0 < int(received[1]) < network.HTTP_BYTES:
            raise guest.error("a download cut short with an error", answer.strip()[-200:])
        evidence.assert_ours(guest, "modern")
        assert_works(guest)
        guest.power_off()


def boot_options(guest: Guest) -> dict[str, tuple[str, str]]:
    """`bcfg boot dump`: variable name -> description, device path."""
    pattern = r"Variable: (Boot[0-9A-F]{4}) *\n *Desc +- (.*?) *\n *DevPath +- (.*?) *\n"
    return {
        name: (text, path) for name, text, path in re.findall(pattern, guest.run("bcfg boot dump"))
    }


def pxe_option(guest: Guest) -> str:
    """The variable of the firmware's own PXEv4 option for NIC 0."""
    mac = guest.nics[0].mac_of(0).replace(":", "").upper()
    for name, (text, path) in boot_options(guest).items():
        if text == f"UEFI PXEv4 (MAC:{mac})" and path.endswith(f"/MAC({mac},0x1)/IPv4(0.0.0.0)"):
            return name
    raise guest.error(f"`UEFI PXEv4 (MAC:{mac})` in `bcfg boot dump`", str(boot_options(guest)))


def boot_next(guest: Guest, option: str) -> str:
    """Boot the option `BootNNNN` at the next reset; return what the console said."""
    set_boot_next(guest, option)
    return guest.reset()


def assert_booted(guest: Guest, output: str, path: str, driver: str) -> None:
    found = re.search(r"NETBOOT from ((?:.*\n)+?)NETBOOT over (.*)\n", output)
    if not found:
        raise guest.error("netboot.efi started over the network", output.strip()[-200:])
    origin = found[1].replace("\n", "")  # some consoles break a long path, even at its end
    if not re.search(path, origin) or not re.fullmatch(driver, found[2]):
        raise guest.error(f"a boot from {path} over {driver}", f"{origin} over {found[2]}")


@pytest.mark.parametrize(
    ("rival", "platform"),
    [
        ("ipxe", OVMF),
        *(("firmware", platform) for platform in (OVMF, OVMF32, AAVMF, *NEWER_WITH_HTTP)),
    ],
    ids=lambda value: value.arch if isinstance(value, Platform) else value,
)
def test_pxe_and_http_boot_with_the_firmwares_own_options(
    rival: str, platform: Platform, server: network.Server
) -> None:
    """bcfg makes the driver bind at boot, and the boot options that the firmware made for the NIC
    before lead to it."""
    server.add(platform.app(NETBOOT.name))
    second = ",bootindex=1" if platform.boot_index else ""
    nic = Nic(
        TRANSPORTS["modern"] + second,
        netdev=f"{server.netdev()},bootfile={NETBOOT.name}",
        romfile=RIVALS[rival].romfile,
    )
    with Guest(
        f"takeover-netboot-{rival}-{platform.arch}",
        platform=platform,
        nics=[nic],
        timeout=TIMEOUT_S,
        reboots=True,
    ) as guest:
        before = ""
        if platform.boots_network:
            assert_booted(guest, guest.text, "Mac", re.escape(RIVALS[rival].name("modern")))
            # iPXE has an option of its own, and the name that goes with it.
            before = pxe_option(guest) if rival == "firmware" else ""
        guest.run(ADD_DRIVER)

        uri = f"http://10.0.2.2:{server.port}/{NETBOOT.name}"
        answer = boot_next(guest, add_http_option(guest, uri))
        assert_booted(guest, answer, re.escape(f"Uri({uri})"), OUR_NAME)

        after = pxe_option(guest)
        if before and after != before:
            raise guest.error(f"PXEv4 to stay {before}", after)
        answer = boot_next(guest, after)
        assert_booted(guest, answer, r"Mac\(525400123456,1\)/IPv4\(0\.0\.0\.0", OUR_NAME)
        evidence.assert_ours(guest, "modern")
        guest.power_off()


@pytest.mark.parametrize("platform", (OVMF, *NEWER), ids=lambda platform: platform.arch)
def test_pxe_boot_from_the_shell(platform: Platform, server: network.Server) -> None:
    """The firmware's PXE through its LoadFile, since some firmware creates no boot option for it."""
    server.add(platform.app(NETBOOT.name))
    nic = Nic(TRANSPORTS["modern"], netdev=f"{server.netdev()},bootfile={NETBOOT.name}")
    with Guest(
        f"pxe-from-shell-{platform.arch}",
        platform=platform,
        nics=[nic],
        files={NETBOOT.name: platform.app(NETBOOT.name)},
        timeout=TIMEOUT_S,
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=120)
        answer = guest.run(f"{NETBOOT.name} load", timeout=60)
        assert_booted(guest, answer, r"Mac\(525400123456,1\)/IPv4\(0\.0\.0\.0", OUR_NAME)
        evidence.assert_ours(guest, "modern")
        guest.power_off()
