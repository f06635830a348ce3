"""What docs/comparing.md shows of `plan` and `simulate` is what they print of the examples.

With WRITE_DOCS=1 what they print is written into the page instead, for a person to look at.
"""

import os
from pathlib import Path

import pytest
from cli.commands import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "comparing.md"
BLOCKS = [block for block in PAGE.read_text().split("```")[1::2] if block.startswith("\n$ modelrollout")]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[-1])
def test_the_page_shows_what_is_printed(block: str) -> None:
    command = block.strip().splitlines()[0]
    shown = f"\n{command}\n{printed(command)}\n"
    if os.environ.get("WRITE_DOCS") == "1":
        PAGE.write_text(PAGE.read_text().replace(block, shown))
    assert shown in PAGE.read_text().split("```")


def printed(command: str) -> str:
    """Without the last line of `simulate`, which says how long it took."""
    words = [str(ROOT / word) if word.startswith("examples/") else word for word in command.split()[2:]]
    lines = [line.rstrip() for line in run(*words, columns=80).stdout.rstrip().splitlines()]
    return "\n".join(lines[:-1] if words[0] == "simulate" else lines)
