"""The operator's image that was built, from the inside of its pod."""

import json

import pytest

from stage.operator import NAMESPACE, RELEASE
from stage.programs import Programs

pytestmark = pytest.mark.cluster

INVENTORY = """
import importlib.util, json, os, shutil

def refuses(folder):
    try:
        with open(folder + "/try", "w"):
            os.unlink(folder + "/try")
    except OSError:
        return True
    return False

bill = json.load(open("/usr/share/sbom/modelrollout-operator.cdx.json"))
named = {one["name"] for one in bill["components"]}
print(json.dumps({
    "user": os.getuid(),
    "pip": bool(importlib.util.find_spec("pip") or shutil.which("pip") or shutil.which("pip3")),
    "written": [one for one in ("/", "/venv", "/etc", "/var", "/usr", "/home") if not refuses(one)],
    "tmp": not refuses("/tmp"),
    "form": [bill["bomFormat"], bill["specVersion"]],
    "missing": sorted({"aiohttp", "kopf", "libc6"} - named),
}))
"""


async def test_it_has_no_pip_runs_as_nobody_special_and_writes_to_tmp_alone(prepared: Programs) -> None:
    where = (f"deployment/{RELEASE}", f"--namespace={NAMESPACE}", "--container=operator")
    said = await prepared.kubectl("exec", *where, "--", "python3", "-c", INVENTORY)
    assert json.loads(said) == {
        "user": 65532,
        "pip": False,
        "written": [],
        "tmp": True,
        "form": ["CycloneDX", "1.6"],
        "missing": [],
    }
