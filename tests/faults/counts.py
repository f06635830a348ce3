"""What the suite has done, added up: faults injected by kind, states compared, invariants checked, failures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Numbers of one test process, or of all of them."""

    faults: Counter[str] = field(default_factory=Counter)
    invariants: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    seconds: int = 0
    """Virtual seconds played."""
    writes: int = 0
    """Writes by operators."""
    compared: int = 0
    """Final states held against what they have to be."""
    failures: int = 0
    mutants: int = 0
    """Runs without one of the guards that failed, as they have to."""

    def to_json(self) -> dict[str, object]:
        """Plain values, to cross from one process to another."""
        plain = {name: getattr(self, name) for name in NUMBERS}
        return plain | {"faults": dict(self.faults), "invariants": dict(self.invariants)}

    def add(self, found: Mapping[str, object]) -> None:
        """Add what another process has counted."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + found[name])
        for counter, more in ((self.faults, found["faults"]), (self.invariants, found["invariants"])):
            assert isinstance(more, dict)
            counter.update(more)

    def lines(self) -> list[str]:
        """The table that the suite prints at its end."""
        return [
            *(f"{count:>9,}  fault: {kind}" for kind, count in sorted(self.faults.items())),
            f"{self.faults.total():>9,}  faults injected",
            f"{self.runs:>9,}  runs, {self.seconds:,} virtual seconds, {self.writes:,} writes by operators",
            f"{self.compared:>9,}  states compared",
            *(f"{count:>9,}  checked: {rule}" for rule, count in sorted(self.invariants.items())),
            f"{self.invariants.total():>9,}  invariants checked",
            f"{self.mutants:>9,}  runs without a guard, each found out",
            f"{self.failures:>9,}  failures",
        ]


NUMBERS = ("runs", "seconds", "writes", "compared", "failures", "mutants")
TOTAL = Counts()
