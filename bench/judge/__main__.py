"""Print the judge's tables; with --write put them into docs/judge.md, with the pictures beside it."""

import argparse
import re
from pathlib import Path

from bench.judge.pictures import draw
from bench.judge.tables import TABLES, Size

PAGE = Path(__file__).resolve().parents[2] / "docs" / "judge.md"
BLOCK = re.compile(r"(<!-- bench: written by make bench-judge -->\n).*?(<!-- end of bench -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write them into docs/judge.md")
    parser.add_argument("--rollouts", type=int, default=2_000, help="healthy rollouts for each number")
    asked = parser.parse_args()
    size = Size(asked.rollouts, max(2, asked.rollouts // 5))
    texts = []
    for table in TABLES:
        texts.append(table(size).markdown())
        print(f"{texts[-1]}\n", flush=True)
    if asked.write:
        text = "\n\n".join(texts)
        page = BLOCK.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(page, encoding="utf-8")
        draw(PAGE.parent / "pictures")


main()
