"""How much of its capital a test bets when: at the beginning, at each later step, and a little after each round.

A test that has run since the beginning has lost nearly everything in a long healthy stretch, so a later fault would be
found late. Part of the capital therefore waits, and is bet anew bit by bit. Each bit is bet at a time, and is as large
as, the past alone decides, and all bits together are at most 1: the sum is still a bet that starts with 1 and is fair
or worse for a healthy model, so it passes 1/alpha, ever, with probability at most alpha (Ville).

The bits after rounds follow the hits seen so far (errors of both arms), not the clock: while nothing fails nothing is
learned, and there is no new moment to begin at. After h hits h / (h + 50) of their part is bet.
"""

import math
from dataclasses import dataclass

from modelrollout.judge.mixtures import Numbers

_HALF = 50
"""Hits after which half of the part for rounds is bet."""


@dataclass(frozen=True, slots=True)
class Stakes:
    """Parts of the capital; their sum is at most 1."""

    beginning: float
    steps: float
    """Of all later steps together: half of it at the next one, then a quarter, ..."""
    rounds: float
    """Of all rounds together."""

    def at_step(self, number: int) -> float:
        """Logarithm of the part that is bet at a later step; the first of these has number 1."""
        return math.log(self.steps) - number * math.log(2) if self.steps else -math.inf

    def after_round(self, before: Numbers, now: Numbers) -> Numbers:
        """The part that is bet after a round, by the hits seen before it and now."""
        return self.rounds * _HALF * (now - before) / ((now + _HALF) * (before + _HALF))


ROLLOUT = Stakes(beginning=0.8, steps=0.05, rounds=0.15)
"""Doubled errors are found with about 2 % more requests than by a test that bets everything at once."""
AT_ONCE = Stakes(beginning=1.0, steps=0.0, rounds=0.0)
"""Where no step will follow, and the evidence has to be that of one plain test."""
