"""Whatever tells somebody to run `make TARGET`, a page, a hook or a hosted CI, names a target that there is."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    ROOT / "local-cluster/README.md",
    ROOT / "serving-image/README.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_targets_that_there_are(page: Path) -> None:
    named = re.findall(r"(?:`|^|\$ )make ((?:[a-z][a-z-]*[ `]?)+)", page.read_text().replace("\n", "\n "), re.MULTILINE)
    code = {word for words in named for word in words.split("`")[0].split()}
    assert code - TARGETS == set()


def test_the_hooks_and_the_hosted_ci_call_targets_that_there_are() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    runs = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    called = [*(hook["entry"] for hook in hooks), *runs]

    assert {word for call in called for word in call.removeprefix("make ").split()} - TARGETS == set()
    assert {call.split()[0] for call in called} == {"make"}
    assert (ROOT / ".ci/run").read_text().splitlines()[-1].removeprefix("exec ") in runs
