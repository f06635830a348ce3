"""What a soak says and counts while it runs, in one place: faults by kind, rollouts by ending, whatever is wrong."""

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Notes:
    """The soak's record."""

    began: float = field(default_factory=time.monotonic)
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    """What was asked for, with what came of it."""
    checks: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def say(self, what: str) -> None:
        print(f"{self.minutes:7.2f} min  {what}", flush=True)

    def fault(self, kind: str, where: str) -> None:
        self.faults[kind] += 1
        self.say(f"fault: {kind}: {where}")

    def ended(self, who: str, course: str, came_of_it: str) -> None:
        self.endings[f"{course}: {came_of_it}"] += 1
        self.say(f"{who}: {course}: {came_of_it}")

    def blame(self, what: str) -> None:
        """Something that must not be."""
        self.wrong.append(f"at {self.minutes:.2f} min: {what}")
        self.say(f"WRONG: {what}")

    def lines(self) -> list[str]:
        """The tables of the end."""
        return [
            *(f"{count:>9,}  fault: {kind}" for kind, count in sorted(self.faults.items())),
            f"{self.faults.total():>9,}  faults injected",
            *(f"{count:>9,}  {ending}" for ending, count in sorted(self.endings.items())),
            f"{self.endings.total():>9,}  rollouts ended",
            *(f"{count:>9,}  checked: {rule}" for rule, count in sorted(self.checks.items())),
        ]
