# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Clients of the firmware's network stack that the other files do not have: DNS, HTTPS, VLANs,
iSCSI; and the stack's end and return, when others take SNP or the NIC.

Each compares what arrived byte for byte, and proves by the handle database and by the driver's own
counters that it came through our driver, with the Managed Network service that `stack=` chooses.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import struct
import subprocess
import uuid
from ipaddress import IPv4Address
from pathlib import Path

import evidence
import lan
import network
import pytest
from boot_options import ADD_DRIVER
from clients import NETBOOT
from guest import MODERN, Guest, GuestError, Nic, require
from holders import HOLDERS
from platforms import AAVMF, NEWER, NEWER_WITH_HTTP, OVMF, OVMF32, Platform
from setup_screen import Setup
from test_takeover import (
    NETBUSY,
    OUR_NAME,
    SET_OPTIONS,
    assert_booted,
    boot_next,
    boot_options,
)

TIMEOUT_S = 240
BYTES = 1 << 20
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")  # EFI_CERT_X509_GUID
# Newer OVMF starts its iSCSI driver only on request.
WITH_ISCSI = ["-fw_cfg", "name=opt/org.tianocore/ISCSISupport,string=yes"]
CACERTS = "etc/edk2/https/cacerts"  # where OVMF finds the certificates that it trusts, in fw_cfg
DISK_BYTES = 40 << 20
TARGET_NODE = lan.TARGET.replace(".", r"\.")
PRIORITY = 3  # of the VLAN's frames
INITIATOR = "iqn.2026-11.test.boot:guest"
HTTPS_PORT, STRANGERS_PORT = 443, 444
LOSS_PERCENT = 1
VLAN_NODE = rf"Path\(131,20,0x{lan.VLAN:02}00[0-9A-F]*\)"  # as gnu-efi prints it
# The service's code is the same on every architecture, so the firmware's is compared on one.
PLACES = [*((stack, OVMF) for stack in evidence.STACKS), ("own", OVMF32), ("own", AAVMF)]


def place_id(value: object) -> str:
    return value.arch if isinstance(value, Platform) else str(value)


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate for the host `name`, signed by itself, with its key, in a PEM file."""
    require(["openssl"])
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command += ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both


def signature_list(certificate: Path) -> bytes:
    """An EFI_SIGNATURE_LIST with the certificate of a PEM file; UEFI 2.10, 32.4.1."""
    text = certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])
    entry = uuid.uuid4().bytes_le + der
    return X509.bytes_le + struct.pack("<III", 28 + len(entry), 0, len(entry)) + entry


def assert_absent(guest: Guest, name: str) -> None:
    try:
        size = len(guest.read_file(name))
    except GuestError:
        return
    if size:
        raise guest.error(f"nothing in {name}", f"{size} bytes")


def choose(guest: Guest, stack: str) -> None:
    """Whose Managed Network service is above the driver after its next start; ours is the default."""
    guest.run(SET_OPTIONS + ("=" if stack == "own" else f'=L"stack={stack}"'))


def assert_chosen(guest: Guest, stack: str) -> evidence.Adapter:
    """Our driver has the NIC, and `stack` is the one above it."""
    adapter = evidence.assert_ours(guest, "modern")[0]
    evidence.assert_stack(guest, adapter, stack)
    return adapter


@pytest.mark.parametrize(
    ("stack", "platform"),
    [*PLACES, *(("own", platform) for platform in NEWER_WITH_HTTP)],
    ids=place_id,
)
def test_https_and_dns(stack: str, platform: Platform, tmp_path: Path) -> None:
    """By the name that the DNS server of the lease knows, over HTTP and, if the firmware can, over TLS. It
    trusts one certificate, and refuses a server with another."""
    data = os.urandom(BYTES)
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "random.bin").write_bytes(data)
    trusted = make_certificate(tmp_path / "trusted", lan.NAME)
    stranger = make_certificate(tmp_path / "stranger", lan.NAME)
    certificates = tmp_path / "cacerts"
    certificates.write_bytes(signature_list(trusted))
    with lan.Lan(folder, boot="none") as wire, Guest(
        f"stack-https-{stack}-{platform.arch}",
        platform=platform,
        nics=[Nic(MODERN, netdev=wire.netdev)],
        inside=wire.inside,
        extra=["-fw_cfg", f"name={CACERTS},file={certificates}"],
        timeout=TIMEOUT_S,
    ) as guest:
        wire.serve_tls(trusted, HTTPS_PORT)
        wire.serve_tls(stranger, STRANGERS_PORT)
        choose(guest, stack)
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = assert_chosen(guest, stack)
        address = network.get_lease(guest)

        counted = evidence.Counted(guest, adapter)
        network.download(guest, f"http://{lan.NAME}/random.bin", "plain.bin")
        if address not in wire.asked_for(lan.NAME):
            raise guest.error(f"{address} to ask for {lan.NAME}", str(wire.asked_for(lan.NAME)))
        counted.assert_received(BYTES)
        has_tls = "https" in platform.downloads
        if has_tls:
            counted = evidence.Counted(guest, adapter)
            network.download(guest, f"https://{lan.NAME}/random.bin", "tls.bin")
            counted.assert_received(BYTES)
            network.download(guest, f"https://{lan.NAME}:{STRANGERS_PORT}/random.bin", "stranger.bin")
            if f"no handshake with {address}" not in (log := wire.tls_log(STRANGERS_PORT)):
                raise guest.error("the firmware to refuse an unknown certificate", log[-300:])
        assert_chosen(guest, stack)

        guest.power_off()
        network.assert_same(guest, "plain.bin", data)
        if has_tls:
            network.assert_same(guest, "tls.bin", data)
            assert_absent(guest, "stranger.bin")


@pytest.mark.parametrize("stack", evidence.STACKS)
def test_download_over_a_wire_that_loses_and_delays(stack: str, tmp_path: Path) -> None:
    data = os.urandom(4 * BYTES)
    (tmp_path / "random.bin").write_bytes(data)
    with lan.Lan(tmp_path, boot="none", loss=LOSS_PERCENT) as wire, Guest(
        f"stack-loss-{stack}",
        nics=[Nic(MODERN, netdev=wire.netdev)],
        inside=wire.inside,
        timeout=TIMEOUT_S,
    ) as guest:
        choose(guest, stack)
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = assert_chosen(guest, stack)
        network.get_lease(guest)
        counted = evidence.Counted(guest, adapter)
        network.download(guest, f"http://{lan.ROUTER_V4}/random.bin", "random.bin")
        counted.assert_received(len(data))
        lost, late = wire.lost()
        if min(lost, late) < 10:
            raise guest.error("ten frames lost and ten late", f"{lost} and {late}")
        guest.power_off()
        network.assert_same(guest, "random.bin", data)


def is_leased_on_vlan(address: str) -> bool:
    first, last = map(IPv4Address, lan.LEASES_VLAN)
    return first <= IPv4Address(address) <= last


def assert_lease_from(guest: Guest, leases: tuple[str, str]) -> None:
    """DHCP gives one of the addresses from the first to the last of `leases`."""
    first, last = map(IPv4Address, leases)
    address = network.get_lease(guest)
    if not first <= IPv4Address(address) <= last:
        raise guest.error(f"an address from {first} to {last}", address)


def open_vlans(guest: Guest) -> Setup:
    setup = Setup(guest)
    guest.send("exit\r")
    setup.open_nic()
    setup.open("VLAN Configuration")
    setup.open("Enter Configuration Menu")
    setup.expect("Create new VLAN")
    return setup


def add_vlan(guest: Guest) -> None:
    """On the firmware's setup page."""
    setup = open_vlans(guest)
    setup.open("VLAN ID")
    setup.type(str(lan.VLAN))
    setup.open("Priority")
    setup.type(str(PRIORITY))
    setup.open("Add VLAN")
    setup.expect(f"VLAN ID:{lan.VLAN:4}, Priority:{PRIORITY}")
    setup.leave_for_shell()


@pytest.mark.parametrize(
    ("stack", "later", "platform"),
    [
        ("own", "own", OVMF),
        ("own", "firmware", OVMF),
        ("firmware", "own", OVMF),
        ("own", "own", OVMF32),
        ("own", "own", AAVMF),
        *(("own", "own", platform) for platform in NEWER_WITH_HTTP),
    ],
    ids=place_id,
)
def test_vlan(stack: str, later: str, platform: Platform, tmp_path: Path) -> None:
    """Set on the firmware's setup page, used, remembered over a reset and removed, also by the other
    service. While a VLAN is configured, the firmware has no untagged network."""
    data = os.urandom(BYTES)
    (tmp_path / "random.bin").write_bytes(data)
    with lan.Lan(tmp_path, boot="none", trunk=True) as wire, Guest(
        f"stack-vlan-{stack}-{later}-{platform.arch}",
        platform=platform,
        nics=[Nic(MODERN, netdev=wire.netdev)],
        inside=wire.inside,
        extra=platform.keyboard,
        reboots=True,
        timeout=TIMEOUT_S,
    ) as guest:
        choose(guest, stack)
        guest.run(ADD_DRIVER)
        guest.reset()
        guest.run("connect -r", timeout=60)
        adapter = assert_chosen(guest, stack)
        assert_lease_from(guest, lan.LEASES_V4)
        if (sent := wire.sent_by_guest()) != [(0, 0)]:
            raise guest.error("only untagged frames without a VLAN", str(sent))

        add_vlan(guest)
        counted = evidence.Counted(guest, adapter)
        use_vlan(guest)
        network.download(guest, f"http://{lan.ROUTER_VLAN}/random.bin", "vlan.bin")
        counted.assert_received(BYTES)
        if (sent := wire.sent_by_guest()) != [(0, 0), (lan.VLAN, PRIORITY)]:
            raise guest.error(f"frames of VLAN {lan.VLAN}, priority {PRIORITY}", str(sent))

        choose(guest, later)
        guest.reset()
        guest.run("connect -r", timeout=60)
        assert_chosen(guest, later)
        use_vlan(guest)

        setup = open_vlans(guest)
        setup.highlight("VLAN ID:")
        setup.press("spc")
        setup.open("Remove VLAN")
        setup.leave_for_shell()
        assert_lease_from(guest, lan.LEASES_V4)
        assert_chosen(guest, later)

        guest.power_off()
        network.assert_same(guest, "vlan.bin", data)


def use_vlan(guest: Guest) -> None:
    """On a VLAN's handle, with an address of its network, the router answers."""
    path = rf"/MAC\({guest.nics[0].mac_of(0).replace(':', '')},0x1\)/Vlan\({lan.VLAN}\)$"
    text = guest.run("dh -d -p ManagedNetworkServiceBinding", timeout=60)
    if not re.search(rf"Device Path +: \S+{path}", text, re.MULTILINE):
        raise guest.error(f"a service on `{path}`", text[-300:])
    assert_lease_from(guest, lan.LEASES_VLAN)
    network.ping(guest, lan.ROUTER_VLAN)


def option_over_vlan(guest: Guest, kind: str) -> str:
    """The variable of the boot option that the firmware made for the VLAN, `kind` "PXEv4" or "HTTPv4"."""
    mac = guest.nics[0].mac_of(0).replace(":", "").upper()
    options = boot_options(guest)
    for name, (text, path) in options.items():
        if text == f"UEFI {kind} (MAC:{mac} VLAN{lan.VLAN})" and f"/Vlan({lan.VLAN})/" in path:
            return name
    raise guest.error(f"`UEFI {kind} (MAC:{mac} VLAN{lan.VLAN})`", str(options))


def assert_booted_over_vlan(guest: Guest, output: str, wire: lan.Lan, stack: str, how: str) -> None:
    """netboot.efi came from a child of the VLAN's handle, to an address of the VLAN, as frames of ours."""
    assert_booted(guest, output, rf"/{VLAN_NODE}/.*{how}", OUR_NAME)
    server = "http" if "Uri" in how else "tftp"
    fetched = wire.fetched(NETBOOT.name, server)
    if not any(map(is_leased_on_vlan, fetched)):
        raise guest.error(f"{NETBOOT.name} fetched by {server} over VLAN {lan.VLAN}", str(fetched))
    report = evidence.diagnose(guest, assert_chosen(guest, stack))
    received = report.number("Received: bytes")
    if received < guest.platform.app(NETBOOT.name).stat().st_size:
        raise guest.error(f"{NETBOOT.name} received by our driver", f"{received} bytes")


@pytest.mark.parametrize(
    ("stack", "platform"), [*PLACES, *(("own", platform) for platform in NEWER)], ids=place_id
)
def test_firmware_boots_over_a_vlan(stack: str, platform: Platform, tmp_path: Path) -> None:
    """With a VLAN set, the firmware makes boot options for it. Its boot order leads to PXE, unless the
    shell's disk comes first; HTTP boot, where the firmware has it, asks DHCP where the file is."""
    program = platform.app(NETBOOT.name)
    shutil.copy(program, tmp_path)
    second = ",bootindex=1" if platform.boot_index else ""
    with lan.Lan(tmp_path, boot=program.name, trunk=True) as wire, Guest(
        f"stack-vlan-boot-{stack}-{platform.arch}",
        platform=platform,
        nics=[Nic(MODERN + second, netdev=wire.netdev)],
        inside=wire.inside,
        extra=platform.keyboard,
        reboots=True,
        timeout=2 * TIMEOUT_S,
    ) as guest:
        choose(guest, stack)
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        assert_chosen(guest, stack)
        add_vlan(guest)
        guest.run(ADD_DRIVER)

        output = guest.reset()
        if not platform.boots_network:
            output = boot_next(guest, option_over_vlan(guest, "PXEv4"))
        assert_booted_over_vlan(guest, output, wire, stack, r"IPv4\(0\.0\.0\.0")
        if "http" in platform.downloads:
            output = boot_next(guest, option_over_vlan(guest, "HTTPv4"))
            uri = re.escape(f"Uri(http://{lan.ROUTER_VLAN}/{program.name})")
            assert_booted_over_vlan(guest, output, wire, stack, uri)
        if (sent := wire.sent_by_guest())[-1] != (lan.VLAN, PRIORITY):
            raise guest.error(f"frames of VLAN {lan.VLAN}, priority {PRIORITY}", str(sent))
        guest.power_off()


def add_iscsi_attempt(guest: Guest) -> None:
    """On the firmware's setup page: a disk over NIC 0, that DHCP names. Effective from the next reset."""
    setup = Setup(guest)
    guest.send("exit\r")
    setup.open_devices()
    setup.open("iSCSI Configuration")
    setup.open("iSCSI Initiator Name")
    setup.type(INITIATOR)
    setup.open("Add an Attempt")
    setup.open("MAC")
    setup.open("iSCSI Mode")
    setup.press("down", "ret")
    setup.expect_row("iSCSI Mode", "<Enabled>")
    setup.open("Enable DHCP")
    setup.expect_row("Enable DHCP", r"\[X\]")
    setup.open("Get target info")
    setup.expect_row("Get target info via DHCP", r"\[X\]")
    setup.open("Authentication Type")
    setup.press("down", "ret")
    setup.expect_row("Authentication Type", "<None>")
    setup.open("Save Changes")
    setup.press("esc", "f10")
    setup.expect("Save configuration changes?")
    setup.press("y")
    setup.leave_for_shell()


# Of Debian's firmware (12, 13, sid in November 2026) only x86's has an iSCSI driver.
@pytest.mark.parametrize(
    ("stack", "platform"), [place for place in PLACES if place[1] != AAVMF], ids=place_id
)
def test_iscsi(stack: str, platform: Platform, tmp_path: Path) -> None:
    """A file system on an iSCSI disk is read and written."""
    data = os.urandom(BYTES)
    folder, image = tmp_path / "served", tmp_path / "disk.img"
    folder.mkdir()
    (folder / "random.bin").write_bytes(data)
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    for command in (
        ["mformat", "-F", "-i", image, "::"],
        ["mcopy", "-i", image, folder / "random.bin", "::/random.bin"],
    ):
        subprocess.run(command, check=True)
    with lan.Lan(folder, boot="none", disk=image) as wire, Guest(
        f"stack-iscsi-{stack}-{platform.arch}",
        platform=platform,
        nics=[Nic(MODERN, netdev=wire.netdev)],
        inside=wire.inside,
        files={"local.bin": data[::-1]},
        extra=WITH_ISCSI,
        reboots=True,
        timeout=TIMEOUT_S,
    ) as guest:
        choose(guest, stack)
        guest.run(ADD_DRIVER)
        guest.reset()
        guest.run("connect -r", timeout=60)
        add_iscsi_attempt(guest)
        guest.reset()
        guest.run("connect -r", timeout=90)
        adapter = assert_chosen(guest, stack)
        volume = re.search(rf"(FS\d+):[^\n]*\n[^\n]*/iSCSI\({TARGET_NODE}", guest.run("map -r"))
        if not volume:
            raise guest.error(f"a volume of {lan.TARGET} in `map -r`", guest.run("map")[-300:])

        counted = evidence.Counted(guest, adapter)
        guest.run(rf"cp {volume[1]}:\random.bin fs0:\copy.bin", timeout=120)
        counted.assert_received(BYTES)
        guest.run(rf"cp fs0:\local.bin {volume[1]}:\written.bin", timeout=120)
        assert_chosen(guest, stack)

        guest.power_off()
        network.assert_same(guest, "copy.bin", data)
    done = subprocess.run(["mcopy", "-n", "-i", image, "::/written.bin", "-"], capture_output=True)
    if done.stdout != data[::-1]:
        raise guest.error(f"{BYTES} bytes written to the iSCSI disk", done.stderr.decode())


@pytest.mark.parametrize("stack", evidence.STACKS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_stack_returns_when_snp_is_free_again(holder: str, stack: str, tmp_path: Path) -> None:
    """A boot program holds SNP EXCLUSIVE, which ends the stack, and lets go of it."""
    program = HOLDERS[holder]
    data = os.urandom(BYTES)
    (tmp_path / "random.bin").write_bytes(data)
    program.serve(tmp_path)
    with lan.Lan(tmp_path, boot=program.name) as wire, Guest(
        f"stack-returns-{holder}-{stack}",
        nics=[Nic(MODERN, netdev=wire.netdev)],
        inside=wire.inside,
        files={NETBOOT.name: NETBOOT},
        timeout=TIMEOUT_S,
    ) as guest:
        choose(guest, stack)
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = assert_chosen(guest, stack)
        network.get_lease(guest)

        with program.holding(guest):
            evidence.assert_negotiated_by_us(guest)

        guest.run("connect -r", timeout=60)
        assert_chosen(guest, stack)
        network.get_lease(guest)
        network.ping(guest, lan.ROUTER_V4)
        counted = evidence.Counted(guest, adapter)
        network.download(guest, f"http://{lan.ROUTER_V4}/random.bin", "copy.bin")
        counted.assert_received(BYTES)
        guest.power_off()
        network.assert_same(guest, "copy.bin", data)


def test_takeover_and_unload_end_the_stack_in_use(server: network.Server) -> None:
    """Another image takes the NIC in the middle of a download, which ends with an error, and is then
    unloaded in use; each time the NIC works again."""
    nic = Nic(MODERN, netdev=server.netdev())
    with Guest(
        "stack-takeover", nics=[nic], files={NETBUSY.name: NETBUSY}, timeout=TIMEOUT_S
    ) as guest:
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        assert_chosen(guest, "own")
        first = evidence.our_drivers(guest)[0].handle
        network.get_lease(guest)

        answer = guest.run(f"netbusy.efi stack {server.port} {network.HTTP_FILE}", timeout=60)
        if not re.search(f"taken over from {OUR_NAME}", answer):
            raise guest.error("the NIC taken over from our driver", answer.strip()[-200:])
        received = re.search(r"NETBUSY received (\d+) bytes\nNETBUSY ended: Aborted", answer)
        if not received or not 0 < int(received[1]) < network.HTTP_BYTES:
            raise guest.error("a download cut short with an error", answer.strip()[-200:])
        guest.run(f"unload -n {first}", timeout=60)
        adapter = assert_chosen(guest, "own")
        assert_works(guest, server, adapter, "taken.bin")

        guest.run(f"unload -n {evidence.our_drivers(guest)[0].handle}", timeout=60)
        if ours := evidence.our_drivers(guest):
            raise guest.error("no driver of ours after `unload`", str(ours))
        guest.load_driver()
        guest.run("connect -r", timeout=60)
        adapter = assert_chosen(guest, "own")
        assert_works(guest, server, adapter, "again.bin")

        guest.power_off()
        for copy in ("taken.bin", "again.bin"):
            network.compare_download(guest, server, network.HTTP_FILE, copy)


def assert_works(
    guest: Guest, server: network.Server, adapter: evidence.Adapter, copy: str
) -> None:
    network.get_lease(guest)
    counted = evidence.Counted(guest, adapter)
    network.download(guest, f"http://10.0.2.2:{server.port}/{network.HTTP_FILE}", copy)
    counted.assert_received(network.HTTP_BYTES)
