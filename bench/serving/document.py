"""The parts of docs/performance.md that a command writes: each between two marks of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PERFORMANCE = Path(__file__).parents[2] / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Section:
    name: str

    @property
    def begin(self) -> str:
        return f"<!-- {self.name}: begin -->\n"

    @property
    def end(self) -> str:
        return f"<!-- {self.name}: end -->\n"

    def write(self, told: Sequence[str], document: Path = PERFORMANCE) -> None:
        """Put the lines between the marks, at the end where there are none yet."""
        text = document.read_text(encoding="utf-8")
        if self.begin not in text:
            text = f"{text.rstrip()}\n\n{self.begin}{self.end}"
        before, _, rest = text.partition(self.begin)
        after = rest.partition(self.end)[2]
        body = "\n".join(told)
        document.write_text(f"{before}{self.begin}{body}\n{self.end}{after}", encoding="utf-8")
