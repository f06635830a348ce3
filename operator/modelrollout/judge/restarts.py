"""Starting a test anew after every round, so that a long healthy stretch cannot bury a later fault.

After 20,000 good requests a test that has run since the beginning has lost so much that a total failure needs
hundreds of requests. So the judge uses E = sum over r of w_r E_r, where E_r is the same test started after the r-th
round that counted something (0: the beginning), and the w_r sum to 1: w_0 = 1/2, then w_r = 50/((r + 99)(r + 100)).

Why that keeps the promise: each E_r starts at 1 at a time that is fixed before the data it sees, and is a
non-negative supermartingale from then on; before, its share w_r lies idle. So the sum starts at 1 and is a
non-negative supermartingale, and passes 1/alpha, ever, with probability at most alpha (Ville). Forgetting a restart
takes away something non-negative, which can only make the alarm rarer. The price is log(1/w_r): 5.3 in the first
rounds, 8.5 after 400, as much as three failures in a row at a limit of 5 %.
"""

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State")
_HORIZON = 100
"""Rounds for which restarts cost about the same; later ones cost twice the logarithm of their number."""


@dataclass(frozen=True, slots=True)
class Restart(Generic[State]):
    """The sums of one test at the moment it was started anew."""

    index: int
    """0 for the beginning, then counting rounds."""
    at: State

    @property
    def log_weight(self) -> float:
        """Logarithm of w_r. The later ones telescope: 1/((r + 99)(r + 100)) = 1/(r + 99) - 1/(r + 100), sum 1/100."""
        if self.index == 0:
            return math.log(0.5)
        return math.log(_HORIZON / 2) - math.log((self.index + _HORIZON - 1) * (self.index + _HORIZON))


@dataclass(frozen=True, slots=True)
class Memory:
    """Which restarts are kept: all new ones, then fewer the older they are, and the beginning always."""

    span: int
    """The r-th restart is kept for `span` rounds times the largest power of 2 that divides r."""
    most: int
    """Most restarts kept beside the beginning."""


def restarted(restarts: tuple[Restart[State], ...], at: State, memory: Memory) -> tuple[Restart[State], ...]:
    """The restarts, oldest first, with a new one at these sums and without those that `memory` no longer keeps."""
    newest, span = restarts[-1].index + 1, memory.span
    kept = [one for one in restarts if not (index := one.index) or newest - index <= span * (index & -index)]
    return (kept[0], *kept[1:][max(0, len(kept) - memory.most) :], Restart(newest, at))
