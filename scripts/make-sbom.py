#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: scripts/make-sbom.py VERSION FOLDER CRT0 LIBGNUEFI >SBOM

Prints the software bill of materials, SPDX 2.3 in JSON, of a release: every file in FOLDER, and
the gnu-efi code in the driver, which is the object CRT0 and what it needs of the archive
LIBGNUEFI. Says the same for the same input: the date is SOURCE_DATE_EPOCH, the namespace a hash.
"""
import hashlib
import json
import os
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
    identifier = path.name.replace("_", "-")  # which has no underscore
    return {"SPDXID": f"SPDXRef-File-{identifier}", "fileName": name, "fileTypes": [kind],
            "checksums": checksums, "licenseConcluded": licence,
            "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": copyright_text}


def package(name, version, files, licence, copyright_text, comment):
    sha1s = "".join(sorted(entry["checksums"][0]["checksumValue"] for entry in files))
    return {"SPDXID": f"SPDXRef-Package-{name}", "name": name, "versionInfo": version,
            "supplier": "NOASSERTION", "downloadLocation": "NOASSERTION", "filesAnalyzed": True,
            "packageVerificationCode": {
                "packageVerificationCodeValue": hashlib.sha1(sha1s.encode()).hexdigest()},
            "licenseConcluded": licence, "licenseDeclared": licence,
            "licenseInfoFromFiles": ["NOASSERTION"], "copyrightText": copyright_text,
            "comment": comment}


def gnu_efi_version(library):
    """As the system's packages know it; the hashes say it in any case."""
    try:
        owner = subprocess.run(["dpkg-query", "--search", library], capture_output=True, text=True,
                               check=True).stdout.split(":")[0]
        return subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", owner],
                              capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def relation(element, kind, related):
    return {"spdxElementId": element["SPDXID"], "relationshipType": kind,
            "relatedSpdxElement": related["SPDXID"]}


def document(version, folder, crt0, library):
    holder = next(line.strip() for line in (folder / "LICENSE").read_text().splitlines()
                  if line.startswith("Copyright"))
    files = []
    for path in sorted(folder.iterdir()):
        licence = BOTH if path.suffix in HAS_GNU_EFI else OURS
        if path.name == "LICENSE.gnu-efi":
            licence = GNU_EFI
        text = GNU_EFI_COPYRIGHT if licence == GNU_EFI else holder
        files.append(file_entry(path, f"./{path.name}", licence, text))
    linked = [file_entry(path, str(path), GNU_EFI, GNU_EFI_COPYRIGHT) for path in (crt0, library)]
    ours = package("virtio-net", version, files, BOTH, holder,
                   "All files of the release but SHA256SUMS and this one.")
    gnu_efi = package("gnu-efi", gnu_efi_version(library), linked, GNU_EFI, GNU_EFI_COPYRIGHT,
                      "The start-up code in the driver: crt0 and libgnuefi's _relocate.")
    driver = next(entry for entry in files if entry["fileName"] == "./virtio-net.efi")
    body = {"files": files + linked, "packages": [ours, gnu_efi]}
    digest = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body))
    date = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    top = {"SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0",
           "name": f"virtio-net-{version}",
           "documentNamespace": f"https://spdx.org/spdxdocs/virtio-net-{version}-{digest}",
           "creationInfo": {"created": f"{date:%Y-%m-%dT%H:%M:%SZ}",
                            "creators": ["Tool: virtio-net-make-sbom"]}}
    relations = [relation(top, "DESCRIBES", ours), relation(driver, "STATIC_LINK", gnu_efi)]
    relations += [relation(ours, "CONTAINS", entry) for entry in files]
    relations += [relation(gnu_efi, "CONTAINS", entry) for entry in linked]
    return {**top, **body, "relationships": relations}


if len(sys.argv) != 5:
    sys.exit(__doc__)
print(json.dumps(document(sys.argv[1], *map(Path, sys.argv[2:])), indent=2))
