#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/make-sbom.py VERSION FOLDER ARCH=LIB... >SBOM

Prints a release's software bill of materials, SPDX 2.3 in JSON: every file in FOLDER, and the gnu-efi
code in each driver FOLDER/ARCH/virtio-net.efi, which is what src/driver/start.c uses of the archive
libgnuefi in the folder LIB. The same input gives the same output: the date is SOURCE_DATE_EPOCH, the
namespace a hash.
"""
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

OURS, GNU_EFI = "BSD-2-Clause-Patent", "BSD-3-Clause"
BOTH = f"{OURS} AND {GNU_EFI}"
HAS_GNU_EFI = (".efi", ".rom", ".debug")
KINDS = {".md": "DOCUMENTATION", ".py": "SOURCE", ".sh": "SOURCE"}
GNU_EFI_COPYRIGHT = "Copyright 1999-2014 Hewlett-Packard Co., 2005 Intel Co., and others"


def file_entry(path, name, licence, copyright_text):
    data = path.read_bytes()
    kind = "BINARY" if path.suffix in (*HAS_GNU_EFI, ".o", ".a") else KINDS.get(path.suffix, "TEXT")
    checksums = [{"algorithm": algorithm, "checksumValue": hashlib.new(algorithm, data).hexdigest()}
                 for algorithm in ("SHA1", "SHA256")]
    identifier = re.sub(r"[^A-Za-z0-9.-]", "-", name.lstrip("./"))
    return {"SPDXID": f"SPDXRef-File-{identifier}", "fileName": name, "fileTypes": [kind],
            "checksums": checksums, "licenseConcluded": licence,
            "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": copyright_text}


def package(identifier, version, files, licence, copyright_text, comment):
    sha1s = "".join(sorted(entry["checksums"][0]["checksumValue"] for entry in files)).encode()
    return {"SPDXID": f"SPDXRef-Package-{re.sub('[:_]', '-', identifier)}",
            "name": identifier.partition(":")[0], "versionInfo": version, "supplier": "NOASSERTION",
            "downloadLocation": "NOASSERTION", "filesAnalyzed": True,
            "packageVerificationCode": {"packageVerificationCodeValue": hashlib.sha1(sha1s).hexdigest()},
            "licenseConcluded": licence, "licenseDeclared": licence,
            "licenseInfoFromFiles": ["NOASSERTION"], "copyrightText": copyright_text, "comment": comment}


def gnu_efi_version(lib):
    """The version of Debian's package, unpacked or installed. The hashes identify it in any case."""
    try:
        with gzip.open(lib.parent / "share/doc/gnu-efi/changelog.Debian.gz", "rt") as log:
            return log.readline().split()[1].strip("()")
    except OSError:  # some systems omit documentation
        query = "dpkg-query --show --showformat='${Version}' gnu-efi"
        return subprocess.run(query, shell=True, capture_output=True, text=True).stdout or "unknown"


def relation(element, kind, related):
    return {"spdxElementId": element["SPDXID"], "relationshipType": kind,
            "relatedSpdxElement": related["SPDXID"]}


def document(version, folder, libraries):
    holder = next(line.strip() for line in (folder / "LICENSE").read_text().splitlines()
                  if line.startswith("Copyright"))
    files = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        is_theirs = path.name == "LICENSE.gnu-efi"
        licence = GNU_EFI if is_theirs else BOTH if path.suffix in HAS_GNU_EFI else OURS
        text = GNU_EFI_COPYRIGHT if is_theirs else holder
        files.append(file_entry(path, f"./{path.relative_to(folder)}", licence, text))
    ours = package("virtio-net", version, files, BOTH, holder,
                   "All files of the release but SHA256SUMS and this one.")
    packages, linked, relations = [ours], [], [relation(ours, "CONTAINS", file) for file in files]
    for arch, lib in libraries.items():
        parts = [file_entry(lib / name, str(lib / name), GNU_EFI, GNU_EFI_COPYRIGHT)
                 for name in ("libgnuefi.a",)]
        gnu_efi = package(f"gnu-efi:{arch}", gnu_efi_version(lib), parts, GNU_EFI, GNU_EFI_COPYRIGHT,
                          f"What relocates {arch}'s driver when it starts: libgnuefi's _relocate.")
        driver = next(file for file in files if file["fileName"] == f"./{arch}/virtio-net.efi")
        relations.append(relation(driver, "STATIC_LINK", gnu_efi))
        relations += [relation(gnu_efi, "CONTAINS", part) for part in parts]
        packages.append(gnu_efi)
        linked += parts
    body = {"files": files + linked, "packages": packages}
    digest = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body))
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    date = f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    top = {"SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0",
           "name": f"virtio-net-{version}",
           "documentNamespace": f"https://spdx.org/spdxdocs/virtio-net-{version}-{digest}",
           "creationInfo": {"created": date, "creators": ["Tool: virtio-net-make-sbom"]}}
    return {**top, **body, "relationships": [relation(top, "DESCRIBES", ours), *relations]}


if len(sys.argv) < 4 or not all("=" in argument for argument in sys.argv[3:]):
    sys.exit(__doc__)
LIBRARIES = {arch: Path(lib) for arch, lib in (argument.split("=", 1) for argument in sys.argv[3:])}
print(json.dumps(document(sys.argv[1], Path(sys.argv[2]), LIBRARIES), indent=2))
