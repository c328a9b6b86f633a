# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Builds the initramfs of a Linux guest from what fetch-kernel.sh fetched.

A newc cpio archive, written here: Debian's cpio is not installed everywhere.
"""

from __future__ import annotations

import gzip
import lzma
import stat
from pathlib import Path, PurePosixPath
from typing import Mapping, Sequence

HERE = Path(__file__).resolve().parent

# In the order of loading.
VIRTIO_MODULES = (
    "kernel/drivers/virtio/virtio_ring.ko",
    "kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/virtio/virtio_pci_modern_dev.ko",
    "kernel/drivers/virtio/virtio_pci_legacy_dev.ko",
    "kernel/drivers/virtio/virtio_pci.ko",
)
NET_MODULES = VIRTIO_MODULES + (
    "kernel/net/core/failover.ko",
    "kernel/drivers/net/net_failover.ko",
    "kernel/lib/dim/dimlib.ko",
    "kernel/drivers/net/virtio_net.ko",
)
ESP_MODULES = VIRTIO_MODULES + (
    "kernel/drivers/block/virtio_blk.ko",
    "kernel/fs/nls/nls_ascii.ko",
    "kernel/fs/nls/nls_cp437.ko",
    "kernel/fs/fat/fat.ko",
    "kernel/fs/fat/vfat.ko",
    "kernel/fs/efivarfs/efivarfs.ko",
)


def initramfs(
    fetched: Path,
    init: str = "init.sh",
    modules: Sequence[str] = NET_MODULES,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """The archive, compressed. Modules that are built into the kernel, or unknown to it, are left out.

    init is the script of this folder to run, which may source /begin.sh; files are further executables, by name.
    """
    (release,) = (fetched / "modules").iterdir()
    loaded = {module: data for module in modules if (data := _module(release / module))}
    archive = _Cpio()
    folders = {str(folder) for name in files or {} for folder in PurePosixPath(name).parents}
    for folder in sorted({"bin", "modules"} | folders - {"."}):
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev", stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, (fetched / "busybox").read_bytes())
    for name in ("init", "lease.sh"):
        archive.add(name, stat.S_IFREG | 0o755, (HERE / init).read_bytes())
    archive.add("begin.sh", stat.S_IFREG | 0o755, (HERE / "begin.sh").read_bytes())
    for name, data in (files or {}).items():
        archive.add(name, stat.S_IFREG | 0o755, data)
    order = "".join(f"{Path(module).name}\n" for module in loaded).encode()
    archive.add("modules/order", stat.S_IFREG | 0o644, order)
    for module, data in loaded.items():
        archive.add(f"modules/{Path(module).name}", stat.S_IFREG | 0o644, data)
    return gzip.compress(archive.finish(), compresslevel=1, mtime=0)


def _module(path: Path) -> bytes:
    """A module's bytes, decompressed if the distribution compresses them; empty if there is none."""
    if path.exists():
        return path.read_bytes()
    packed = path.with_name(path.name + ".xz")
    return lzma.decompress(packed.read_bytes()) if packed.exists() else b""


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """An archive of plain files, not compressed, to follow another in an initrd."""
    archive = _Cpio()
    for name, data in files.items():
        archive.add(name, stat.S_IFREG | 0o644, data)
    return archive.finish()


class _Cpio:
    """The "newc" format: 13 hexadecimal fields, the name, the data, each padded to 4 bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._inode = 0

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device, special device, name size, checksum
        fields = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0]
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._pad()
        self._bytes += data
        self._pad()

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return bytes(self._bytes)

    def _pad(self) -> None:
        self._bytes += bytes(-len(self._bytes) % 4)
