"""Write the image's bill of materials to standard output: CycloneDX 1.6, Python's packages and Debian's."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

DPKG = Path("/var/lib/dpkg/status")
NOT_SHIPPED = {"pip", "apt", "perl-base"}
"""Taken out of the image after this has run."""


def main() -> None:
    components = [*python_packages(), *debian_packages(DPKG)]
    json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}, sys.stdout)


def python_packages() -> Iterator[dict[str, str]]:
    for found in sorted(distributions(), key=lambda one: one.metadata["Name"].lower()):
        name = found.metadata["Name"].lower()
        if name not in NOT_SHIPPED:
            yield component(name, found.version, f"pkg:pypi/{name}@{found.version}")


def debian_packages(status: Path) -> Iterator[dict[str, str]]:
    for paragraph in status.read_text(encoding="utf-8").split("\n\n") if status.exists() else []:
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith("installed") and fields["Package"] not in NOT_SHIPPED:
            name, version = fields["Package"], fields["Version"]
            yield component(name, version, f"pkg:deb/debian/{name}@{version}?arch={fields['Architecture']}")


def component(name: str, version: str, purl: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main()
