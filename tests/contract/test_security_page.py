"""Each claim of docs/security.md names a test that holds it, and each test that is named exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
NOTE = re.compile(r"^\[\^([a-z0-9-]+)\]: (.+(?:\n {4}.+)*)", re.MULTILINE)
NAMED = re.compile(r"`(tests/[^`:]+\.py)::(test_[a-z0-9_]+)`")
MARK = re.compile(r"\[\^([a-z0-9-]+)\](?!:)")


def functions_of(file: str) -> set[str]:
    """Names of the test functions of a file; empty where there is none."""
    path = ROOT / file
    tree = ast.parse(path.read_text() if path.exists() else "")
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


def notes(text: str) -> dict[str, list[tuple[str, str]]]:
    """The tests that each footnote names."""
    return {mark: NAMED.findall(said) for mark, said in NOTE.findall(text)}


def claims(text: str) -> list[str]:
    """Paragraphs, list items and rows of tables under the headings: all that the page says."""
    body = NOTE.sub("", text.partition("\n## ")[2])
    blocks = re.split(r"\n\s*\n|\n(?= *- )|\n(?=\|)|\n(?=#)", body)
    said = [" ".join(block.split()) for block in blocks if block.strip()]
    return [one for one in said[1:] if not one.startswith("#") and not re.match(r"\|(-|\s*install )", one)]


def unheld(text: str) -> list[str]:
    """The claims without a footnote that names a test."""
    known = notes(text)
    return [one for one in claims(text) if not any(known.get(mark) for mark in MARK.findall(one))]


def test_no_claim_is_without_a_test() -> None:
    assert len(claims(TEXT)) > 30
    assert unheld(TEXT) == []


def test_each_test_that_is_named_exists() -> None:
    named = {pair for pairs in notes(TEXT).values() for pair in pairs}
    assert len(named) > 40
    assert sorted(name for file, name in named if name not in functions_of(file)) == []


def test_each_footnote_is_used_and_each_mark_has_one() -> None:
    assert set(MARK.findall(NOTE.sub("", TEXT))) == notes(TEXT).keys()


def test_a_claim_without_a_test_is_found() -> None:
    page = "# S\n\n## A\n\nHeld.[^a]\n\nNot held.\n\n- Held.[^a]\n- Not[^b]\n  held.\n\n"
    page += "[^a]: `tests/a.py::test_a`\n[^b]: words\n"
    assert unheld(page) == ["Not held.", "- Not[^b] held."]
