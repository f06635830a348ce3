"""Writes what an image holds, as a CycloneDX 1.6 document: one component for each package of Python and of Debian.

Run in the image's build, after the last package was installed. Only the standard library.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]

DPKG = Path("/var/lib/dpkg/status")


def normalized(name: str) -> str:
    """A package's name as addresses of packages write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(one: Distribution) -> Component:
    name, version = normalized(one.metadata["Name"]), one.version
    purl = f"pkg:pypi/{name}@{version}"
    found: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    expression = one.metadata.get("License-Expression")
    return found | ({"licenses": [{"expression": expression}]} if expression else {})


def needed_by(one: Distribution, known: frozenset[str]) -> Component:
    """Which of the known packages a package needs; those of extras that are not installed fall out."""
    names = {normalized(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in one.requires or ()}
    mine = component(one)["bom-ref"]
    return {"ref": mine, "dependsOn": sorted(ref for ref in known if ref.split("/")[1].split("@")[0] in names)}


def debian_packages(status: str) -> Iterator[Component]:
    """The packages that a dpkg status file says are installed."""
    for paragraph in status.split("\n\n"):
        lines = [line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "]
        fields = {key: value.strip() for key, value in lines}
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{name}@{quote(version, safe='.~')}?arch={fields['Architecture']}"
            yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def document(product: str, packages: Iterable[Distribution], debian: Iterable[Component] = ()) -> dict[str, Any]:
    """The whole document; the product is the package that the image is for."""
    found = {component(one)["bom-ref"]: one for one in packages}
    known = frozenset(found)
    components = [component(found[ref]) for ref in sorted(found)]
    main = next(one for one in components if one["name"] == normalized(product))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main | {"type": "application"}},
        "components": [*(one for one in components if one is not main), *debian],
        "dependencies": [needed_by(found[ref], known) for ref in sorted(found)],
    }


def main(product: str) -> None:
    debian = debian_packages(DPKG.read_text(encoding="utf-8")) if DPKG.exists() else ()
    json.dump(document(product, distributions(), debian), sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
