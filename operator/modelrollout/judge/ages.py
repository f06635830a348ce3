"""Young pods are slower: caches, compilers and connection pools are cold, whatever the model.

The latency of a pod's first minute says nothing against its model. After that it may be a quarter slower, then less and
less, until it has grown up at five times that age. Where an arm has pods that have, only these count.
"""

import math
from dataclasses import dataclass

import numpy as np

from modelrollout.judge.strata import NO_BUCKETS, ArmStratum, Buckets, Edges

_YOUNG = 1 / 3
"""How much slower a pod may be at the age of nothing."""
GROWN_UP = 5
"""So many times the warm-up."""


@dataclass(frozen=True, slots=True, eq=False)
class GrownUp:
    """The requests of an arm's pods that are old enough."""

    upto: Buckets
    """Up to each edge; empty where no pod is."""
    pods: int = 0
    tolerated: float = 0.0
    """Logarithm of what their youth excuses."""


def grown_up(arm: ArmStratum, warm_up_s: float, edges_ms: Edges) -> GrownUp:
    """Of the oldest pods: those that have grown up where there are any, else those that are warm."""
    rows, ages = arm.at(edges_ms), np.array(arm.ages or (math.inf,) * len(arm.pods))
    for least in (GROWN_UP * warm_up_s, warm_up_s):
        if rows.size and (chosen := ages >= least).any():
            youth = max(0.0, 1 - float(ages[chosen].min()) / (GROWN_UP * warm_up_s)) if warm_up_s else 0.0
            return GrownUp(rows[chosen].sum(axis=0), int(chosen.sum()), math.log1p(_YOUNG * youth))
    return GrownUp(NO_BUCKETS)
