"""What the operator's image is built from, and that nothing in it reads a model."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator"


def test_what_the_image_is_built_from_is_not_ignored() -> None:
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copies = [line.split()[1:-1] for line in (OPERATOR / "Dockerfile").read_text().splitlines() if line[:5] == "COPY "]
    needed = {source for sources in copies for source in sources if not source.startswith(("--from", "/"))}

    assert needed == kept


def test_each_package_is_pinned_with_hashes_and_installed_as_a_wheel() -> None:
    installs = re.findall(r"-m pip install ([^|;&]+)", (OPERATOR / "Dockerfile").read_text().replace("\\\n", " "))
    pinned, ours = installs
    assert {"--require-hashes", "--only-binary"} <= set(pinned.split())
    assert {"--no-deps", "--no-build-isolation"} <= set(ours.split())
    for lock in ("requirements.lock", "build.lock"):
        entries = re.split(r"\n(?=\S)", (OPERATOR / lock).read_text().strip())
        packages = [entry for entry in entries if not entry.startswith("#")]
        assert packages
        assert [
            one for one in packages if not re.match(r"\S+==\S+( ; [^\\\n]+)? \\\n\s+--hash=sha256:[0-9a-f]{64}", one)
        ] == []


UNPICKLING = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "skops"}
LIBRARIES = {"sklearn", "onnx", "onnxruntime", "torch", "yaml", "modelserver"}


def imported(source: Path) -> Iterator[str]:
    for one in ast.walk(ast.parse(source.read_text())):
        if isinstance(one, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and not one.level:
            yield (one.module or "").partition(".")[0]


def test_the_operator_has_nothing_that_loads_a_model_or_runs_what_it_reads() -> None:
    sources = sorted((OPERATOR / "modelrollout").rglob("*.py"))
    shelf = {path for path in sources if {*imported(path)} & UNPICKLING}
    calls = {
        (path.name, one.func.id)
        for path in sources
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in {"eval", "exec", "compile"}
    }

    assert len(sources) > 100
    assert (shelf, calls) == (set(), set())
    locked = (OPERATOR / "requirements.lock").read_text()
    assert not [name for name in ("scikit-learn", "onnxruntime", "joblib", "skops") if f"\n{name}==" in locked]
