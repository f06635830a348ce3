"""What the serving image is built to be; `tests/e2e/test_serving_image.py` looks into the one that was built."""

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from serving.processes import SERVING_IMAGE, command, running

DOCKERFILE = (SERVING_IMAGE / "Dockerfile").read_text().replace("\\\n", "")
LAST_STAGE = DOCKERFILE.rpartition("\nFROM ")[2].splitlines()
ENTRYPOINT: list[str] = json.loads(LAST_STAGE[-1].removeprefix("ENTRYPOINT "))


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    """It is a script of the image's build, and in no package."""
    spec = importlib.util.spec_from_file_location("server_sbom", SERVING_IMAGE / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_one_layer_of_a_user_without_a_name() -> None:
    assert LAST_STAGE[:2] == ["scratch", "COPY --from=trimmed / /"]
    assert [line for line in LAST_STAGE if line.startswith("USER")] == ["USER 65532:65532"]


def test_words_behind_the_image_reach_the_tools() -> None:
    assert ENTRYPOINT[-2:] == ["-m", "modelserver"]


INFLUENCES = {
    "a module of the interpreter's start": {"PYTHONPATH": "{folder}"},
    "a program by way of warnings": {"PYTHONWARNINGS": "all:0:antigravity.x:0:0", "BROWSER": "touch {folder}/ran #%s"},
    "another home": {"PYTHONHOME": "{folder}"},
}


@pytest.mark.parametrize("variables", INFLUENCES.values(), ids=INFLUENCES)
@pytest.mark.parametrize("isolated", [True, False])
def test_no_variable_says_what_the_interpreter_runs(tmp_path: Path, variables: dict[str, str], isolated: bool) -> None:  # noqa: FBT001
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    given = {name: value.format(folder=tmp_path) for name, value in variables.items()}
    flags = ENTRYPOINT[1 : ENTRYPOINT.index("-m")] if isolated else []
    ran = subprocess.run([sys.executable, *flags, "-c", "print('served')"], env=given, capture_output=True, text=True)  # noqa: PLW1510
    assert (ran.stdout == "served\n" and not (tmp_path / "ran").exists()) is isolated


def test_its_health_check_asks_the_health_port(models: Path) -> None:
    (line,) = [line for line in LAST_STAGE if line.startswith("HEALTHCHECK")]
    words: list[str] = json.loads(line.partition("CMD ")[2])
    assert words[:2] == ["python3", "-I"]  # which looks for modules in its own venv alone
    with running(models / "v2.onnx") as server:
        _, environment = command(models / "v2.onnx", MODEL_HEALTH_PORT=str(server.health_port))
        assert subprocess.run([sys.executable, *words[2:]], env=environment, timeout=60, check=False).returncode == 0
    assert subprocess.run([sys.executable, *words[2:]], env=environment, timeout=60, check=False).returncode == 1


def test_its_bill_names_packages_of_python_and_of_debian(sbom: ModuleType, tmp_path: Path) -> None:
    found = {one["name"]: one for one in sbom.python_packages()}
    assert found["scikit-learn"]["purl"] == f"pkg:pypi/scikit-learn@{version('scikit-learn')}"
    assert "pip" not in found

    status = tmp_path / "status"
    status.write_text(
        "Package: libc6\nStatus: install ok installed\nVersion: 2.41-12\nArchitecture: amd64\nDescription: x\n y: z\n\n"
        "Package: perl-base\nStatus: install ok installed\nVersion: 5\nArchitecture: amd64\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n"
    )
    assert list(sbom.debian_packages(status)) == [
        {"type": "library", "name": "libc6", "version": "2.41-12", "purl": "pkg:deb/debian/libc6@2.41-12?arch=amd64"}
    ]
