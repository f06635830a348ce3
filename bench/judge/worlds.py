"""Simulated traffic of thousands of rollouts at once: counts by round (first axis) and rollout (second axis)."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Of counts, shares or logarithms, or of what was found to be so."""
Draw = np.random.Generator

STEPS = (0.05, 0.10, 0.25, 0.50)
"""The canary's share of the requests at each step of a rollout."""


@dataclass(frozen=True, slots=True)
class World:
    """Rates and shares by round; one rate a round for each arm."""

    share: Array
    candidate: Array
    stable: Array
    per_round: int = 200
    outage: float = 0.0
    """Share of one round's requests that fail in both arms, in a round that differs from rollout to rollout."""

    @property
    def rounds(self) -> int:
        return len(self.share)

    @property
    def new_steps(self) -> frozenset[int]:
        """Rounds in which the share changes."""
        return frozenset(int(at) + 1 for at in np.flatnonzero(np.diff(self.share)))

    def with_outage(self, share: float) -> Self:
        return replace(self, outage=share)


def alike(rounds: int, share: float = 0.5, rate: float = 0.01) -> World:
    return differing(rounds, share, rate, rate)


def differing(rounds: int, share: float, candidate: float, stable: float) -> World:
    return World(np.full(rounds, share), np.full(rounds, candidate), np.full(rounds, stable))


def growing(rounds: int, first: float, last: float, times: float = 1.0) -> World:
    """The share goes through the steps while the base rate drifts."""
    rate = np.linspace(first, last, rounds)
    return World(np.repeat(STEPS, -(-rounds // len(STEPS)))[:rounds], times * rate, rate)


@dataclass(frozen=True, slots=True)
class Counts:
    """Errors and requests of both arms, by round and rollout."""

    candidate_hits: Array
    stable_hits: Array
    candidate: Array
    stable: Array

    @property
    def requests(self) -> Array:
        """Requests of both arms so far."""
        return np.cumsum(self.candidate + self.stable, axis=0)


def errors_of(world: World, rollouts: int, draw: Draw) -> Counts:
    shape = (world.rounds, rollouts)
    candidate = draw.binomial(world.per_round, np.broadcast_to(world.share[:, None], shape))
    stable = world.per_round - candidate
    down = np.zeros(shape)
    if world.outage:
        down[draw.integers(0, world.rounds, rollouts), np.arange(rollouts)] = world.outage
    hits = (
        draw.binomial(requests, down + (1 - down) * rate[:, None])
        for requests, rate in ((candidate, world.candidate), (stable, world.stable))
    )
    first, second = (found.astype(float) for found in hits)
    return Counts(first, second, candidate.astype(float), stable.astype(float))
