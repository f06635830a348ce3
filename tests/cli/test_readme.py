"""What the README shows of `plan` is what `plan` prints of the README's own manifest."""

from pathlib import Path

import yaml
from cli.commands import run

from modelrollout.api.status import Phase

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks() -> list[str]:
    return [block.strip("\n") for block in README.split("```")[1::2]]


def manifest() -> str:
    return next(block.removeprefix("yaml\n") for block in blocks() if block.startswith("yaml\napiVersion"))


def test_the_plan_of_the_readme_is_the_plan_of_its_manifest() -> None:
    shown = next(block for block in blocks() if block.startswith("$ modelrollout plan"))
    command, _, table = shown.partition("\n")
    words = ["-" if word == "churn.yaml" else word for word in command.split()[2:]]
    printed = run(*words, stdin=manifest(), columns=80).stdout

    assert [line.rstrip() for line in printed.splitlines()] == table.splitlines()


def test_the_warning_of_the_readme_is_given() -> None:
    said = next(block for block in blocks() if "\nwarning: " in block).partition("\n")[2]
    spec = yaml.safe_load(manifest())
    spec["spec"] |= {"replicas": 19, "strategy": {"canary": {"steps": [{"weight": 5}, {"weight": 50}]}}}
    printed = run("plan", "-f", "-", "--rps", "2", stdin=yaml.safe_dump(spec)).stdout

    assert " ".join(said.split()) in " ".join(printed.split())


def test_each_phase_has_a_row() -> None:
    rows = next(block for block in blocks() if block.startswith("NAME")).splitlines()[1:]

    assert sorted(row.split()[1] for row in rows) == sorted(Phase)
