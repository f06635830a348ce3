"""The list of packages that the operator's image carries."""

import importlib.util
import json
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    """It is a script of the image's build, and in no package."""
    spec = importlib.util.spec_from_file_location("operator_sbom", ROOT / "operator" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_names_each_package_with_version_address_and_needs(sbom: ModuleType) -> None:
    made = sbom.document("modelrollout", [distribution(name) for name in ("modelrollout", "kopf", "typer", "aiohttp")])

    kopf, typer, aiohttp = (f"pkg:pypi/{name}@{distribution(name).version}" for name in ("kopf", "typer", "aiohttp"))
    mine = f"pkg:pypi/modelrollout@{distribution('modelrollout').version}"
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"]["purl"] == mine
    assert [one["purl"] for one in made["components"]] == [aiohttp, kopf, typer]
    needs = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    assert needs[mine] == [aiohttp, kopf, typer]
    assert needs[kopf] == [aiohttp]
    assert json.loads(json.dumps(made)) == made


DPKG = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12+deb13u1
Description: GNU C Library
 Status: install ok installed
 .

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libacl1
Status: install ok installed
Architecture: amd64
Version: 1:2.3.2~rc1-2+b1
"""


def test_it_names_each_debian_package_that_is_installed(sbom: ModuleType) -> None:
    made = sbom.document("modelrollout", [distribution("modelrollout")], sbom.debian_packages(DPKG))

    assert [one["purl"] for one in made["components"]] == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64",
        "pkg:deb/debian/libacl1@1%3A2.3.2~rc1-2%2Bb1?arch=amd64",
    ]
    assert all(one["bom-ref"] == one["purl"] for one in made["components"])


def test_the_image_is_built_with_it() -> None:
    dockerfile = (ROOT / "operator" / "Dockerfile").read_text()

    assert "COPY operator/sbom.py" in dockerfile
    assert "modelrollout-operator.cdx.json /usr/share/sbom/" in dockerfile
