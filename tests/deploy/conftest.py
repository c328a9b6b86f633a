# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The Debian package is built on Debian only: Ubuntu lacks gnu-efi for one of its architectures."""

from pathlib import Path

IS_DEBIAN = "ID=debian" in Path("/etc/os-release").read_text().splitlines()
collect_ignore = [] if IS_DEBIAN else ["test_deb.py"]
