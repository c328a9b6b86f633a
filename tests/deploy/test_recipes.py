# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The snippets of docs/DEPLOY.md: each is checked by the program that is to read it, or by one that knows its
language. What is tried end to end, and what is not, that page says itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/DEPLOY.md").read_text()
SECTIONS = dict(re.findall(r"^##+ (.*)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
ROM = "virtio-net-efi.rom"


def snippets(language: str, section: str | None = None) -> list[str]:
    text = PAGE if section is None else SECTIONS[section]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_every_snippet_has_a_language_that_is_checked():
    assert set(re.findall(r"^```(\w*)$", PAGE, re.MULTILINE)) == {"", "sh", "xml", "yaml", "dnsmasq"}
    assert len(re.findall(r"^```\w+$", PAGE, re.MULTILINE)) == len(re.findall(r"^```$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("snippet", snippets("sh"), ids=lambda snippet: snippet.split()[0])
def test_shell_snippet_is_understood(snippet, shell):
    done = run(shell, "-n", "-c", snippet)
    assert (done.returncode, done.stderr) == (0, "")


def test_dnsmasq_accepts_its_configuration(tmp_path):
    (snippet,) = snippets("dnsmasq")
    configuration = tmp_path / "boot.conf"
    for text, status in ((snippet, 0), (snippet.replace("dhcp-vendorclass", "dhcp-wendorclass"), 1)):
        configuration.write_text(text)
        done = run("dnsmasq", "--test", f"--conf-file={configuration}")
        assert done.returncode == status, done.stderr


def test_dnsmasq_has_the_options_that_the_guests_booted_with():
    """A tag that is only lan.py's, of its VLAN, does not count, and addresses and files do not."""
    (snippet,) = snippets("dnsmasq")
    tried = (ROOT / "tests/qemu/lan.py").read_text()
    options = [line for line in snippet.splitlines() if line and not line.startswith("#")]
    assert len(options) >= 10
    for option in options:
        name, _, value = option.partition("=")
        assert f'"{name}' in tried, option
        if name in ("dhcp-vendorclass", "dhcp-option-force"):
            assert f'"{option}"' in tried, option
        for tag in re.findall(r"tag:\w+", value):
            assert tag in tried, option


def test_libvirt_s_roms_are_romfile_and_rombar():
    """Of QEMU's NIC, in whose words libvirt says the same."""
    roms = [xml.etree.ElementTree.fromstring(snippet).find("rom") for snippet in snippets("xml")]
    assert [rom.attrib for rom in roms] == [{"file": f"/usr/share/qemu/{ROM}"}, {"bar": "off"}]
    assert 'romfile = ""' in properties_of_nic("-device", "virtio-net-pci,rombar=0,romfile=")
    assert "rombar = 0" in properties_of_nic("-device", "virtio-net-pci,rombar=0,romfile=")


def test_proxmox_arguments_give_the_rom_to_a_nic(tmp_path):
    (snippet,) = snippets("sh", "Proxmox")
    arguments = re.search(r"--args '(.*)'", snippet)[1].split()
    shutil.copy(ROOT / "build/x86_64/virtio-net.rom", tmp_path / ROM)
    properties = properties_of_nic("-L", tmp_path, *arguments, "-device", "virtio-net-pci")
    assert f'romfile = "{ROM}"' in properties
    assert f'failed to find romfile "{ROM}"' in qemu(*arguments, "-device", "virtio-net-pci", "-L", "/").stderr


def qemu(*arguments: str | Path) -> subprocess.CompletedProcess:
    """QEMU, which makes its devices, answers, and ends."""
    command = ["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-display", "none", "-S"]
    return run(*command, "-monitor", "stdio", *arguments, input="info qtree\nquit\n")


def properties_of_nic(*arguments: str | Path) -> str:
    done = qemu(*arguments)
    (_, properties) = done.stdout.split("dev: virtio-net-pci", 1)
    return properties.split("bus: virtio-bus")[0]


def test_cloud_config_installs_and_reboots():
    (snippet,) = snippets("yaml")
    assert snippet.startswith("#cloud-config\n")
    config = yaml.safe_load(snippet)
    assert set(config) == {"packages", "runcmd", "power_state"}
    version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert f"/virtio-net-efi_{version}_all.deb" in config["runcmd"][0]
    for command in [*config["runcmd"], config["power_state"]["condition"]]:
        assert run("dash", "-n", "-c", command).returncode == 0, command
    assert config["runcmd"][-1] == "virtio-net-efi-install"
    assert config["runcmd"][0].split()[0] in config["packages"], "an image may have no curl"


def test_key_signs_as_in_ci(tmp_path):
    """The snippets of two sections, one after the other, on the drivers of this tree."""
    (make_key, _) = snippets("sh", "Secure Boot with own keys")
    (sign,) = snippets("sh", "Signing in CI")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    arches = re.search(r"for arch in (.*); do", sign)[1].split()
    for arch in arches:
        (tmp_path / "build" / arch).mkdir(parents=True)
        shutil.copy(ROOT / "build" / arch / "virtio-net.efi", tmp_path / "build" / arch)
    done = run("bash", "-euc", make_key, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "db.cer").read_bytes().startswith(b"\x30")
    secrets = 'DB_KEY=$(cat db.key) DB_CERT=$(cat db.pem) TMPDIR=$PWD/tmp\nexport TMPDIR\nmkdir "$TMPDIR"\n'
    done = run("bash", "-euc", secrets + sign, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for arch in arches:
        signed = tmp_path / "build" / arch / "virtio-net.signed.efi"
        assert run("sbverify", "--cert", tmp_path / "db.pem", signed).returncode == 0
        assert signed.read_bytes() in (tmp_path / "build/virtio-net.signed.rom").read_bytes()
    assert not any((tmp_path / "tmp").iterdir()), "the key is left behind"


def test_line_that_is_shown_is_the_one_that_report_sh_prints():
    (shown,) = re.findall(r"^    (interface=.*)$", SECTIONS["Which driver did it boot with?"], re.MULTILINE)
    assert shown in (ROOT / "README.md").read_text()
    names = [item.split("=")[0] for item in shown.split(" from=")[0].split()]
    assert names == ["interface", "driver", "pci", "mac", "transport", "ring"]
