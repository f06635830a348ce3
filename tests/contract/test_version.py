"""The version is pyproject.toml's: whatever else names it says the same, and there is no place that nobody compares."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from modelrollout.settings import DEFAULT_SERVER_IMAGE
from modelserver import __version__

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CHART = yaml.safe_load((ROOT / "charts/modelrollout/Chart.yaml").read_text())
VALUES = yaml.safe_load((ROOT / "charts/modelrollout/values.yaml").read_text())
SAID = {
    "Chart.yaml, version": CHART["version"],
    "Chart.yaml, appVersion": CHART["appVersion"],
    "values.yaml, server.image": VALUES["server"]["image"].rpartition(":")[2],
    "settings.py, DEFAULT_SERVER_IMAGE": DEFAULT_SERVER_IMAGE.rpartition(":")[2],
    "modelserver, __version__": __version__,
}
RECORDED = ("tests/releases/", "tests/contract/releases/")
"""What earlier releases wrote, under their own versions."""
PINNED = re.compile(rf"modelrollout(?:-[a-z]+)?:{re.escape(VERSION)}(?![.\d])")


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_each_place_says_the_version_of_pyproject(said: str) -> None:
    assert said == VERSION


def test_no_other_file_names_an_image_of_this_version() -> None:
    """A release would forget it."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [ROOT / name for name in tracked if not name.startswith(RECORDED)]
    found = {str(file.relative_to(ROOT)) for file in files if PINNED.search(file.read_text(errors="replace"))}
    assert found == {"charts/modelrollout/values.yaml", "operator/modelrollout/settings.py"}


def test_the_changelog_has_the_form_that_readers_and_tools_know() -> None:
    """https://keepachangelog.com: versions in brackets, the newest first, each with kinds of changes."""
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("#")]
    assert headings[:2] == ["# Changelog", "## [Unreleased]"]
    kinds = {"### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"}
    release = re.compile(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d")
    assert [line for line in headings[2:] if line not in kinds and not release.fullmatch(line)] == []


def test_no_line_of_the_changelog_stands_twice() -> None:
    """Git keeps both sides of a conflict in it (.gitattributes), so one that was moved may come back."""
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]
    assert sorted(set(lines)) == sorted(lines)
