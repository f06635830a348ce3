"""How often Python looks for objects that hold each other."""

import gc

SELDOM = 20_000
"""Objects more than there were before, instead of 700."""


def collect_seldom() -> None:
    """Look for cycles seldom, and never among what was imported.

    Nothing that is judged or scraped holds itself, and all of it is let go of by counting: with 1,000 rollouts under
    way a sixth of the judge's time went into looking through it (`bench.judge.cost`).
    """
    gc.freeze()
    gc.set_threshold(SELDOM)
