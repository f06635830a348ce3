"""The operator's own arithmetic (judge/mixtures) over thousands of rollouts at once, one look after each round."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.judge.latencies import Above, as_fast, cells, drawn, measure
from bench.judge.worlds import Array, Counts, Draw, World
from modelrollout.judge import mixtures
from modelrollout.judge.slowness import P95, SHARES
from modelrollout.judge.stakes import ROLLOUT

MARGIN = 2.0


@dataclass(frozen=True, slots=True)
class Looks:
    """What each look of each rollout saw, by round and rollout; natural logarithms."""

    alarm: Array
    """That the candidate is worse, with restarts."""
    plain: Array
    """The same since the beginning alone."""
    passed: Array
    """That it is no worse."""
    requests: Array
    """Of both arms so far."""


def first(above: Array, requests: Array) -> Array:
    """Requests of both arms at the first look that is above; infinity where none is."""
    ever = above.any(axis=0)
    found: Array = np.where(ever, requests[above.argmax(axis=0), np.arange(requests.shape[1])], np.inf)
    return found


def errors(counts: Counts, new_steps: frozenset[int], negligible: float = 0.005) -> Looks:
    """Errors by the stratified split test, with the operator's stakes."""
    seen = list(_errors(counts, new_steps, negligible))
    alarm, plain, passed = (np.array(column) for column in zip(*seen, strict=True))
    return Looks(alarm, plain, passed, counts.requests)


def _errors(counts: Counts, new_steps: frozenset[int], negligible: float) -> Iterator[tuple[Array, Array, Array]]:
    rollouts = counts.candidate.shape[1]
    gains = np.zeros((rollouts, mixtures.POINTS))
    bets = mixtures.noninferior_bets(MARGIN)
    proof = np.zeros((rollouts, len(bets)))
    waiting = np.full((rollouts, mixtures.POINTS), math.log(ROLLOUT.beginning))
    hits = np.zeros(rollouts)
    steps, failed, asked = 0, np.zeros(rollouts), np.zeros(rollouts)
    for at in range(len(counts.candidate)):
        if at in new_steps:
            steps += 1
            waiting = np.logaddexp(waiting, ROLLOUT.at_step(steps) - gains)
        own, total = counts.candidate_hits[at], counts.candidate_hits[at] + counts.stable_hits[at]
        share = counts.candidate[at] / (counts.candidate[at] + counts.stable[at])
        columns = (own[:, None], total[:, None], share[:, None])
        gains = gains + mixtures.split_gains(*columns, mixtures.WORSE)
        proof = proof + mixtures.split_gains(*columns, bets)
        failed, asked = failed + own, asked + counts.candidate[at]
        alone = mixtures.below(failed[:, None], asked[:, None], negligible)
        yield (
            mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + gains + waiting),
            mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + gains),
            np.logaddexp(mixtures.noninferior(proof), alone) - math.log(2),
        )
        waiting = _bet_anew(waiting, gains, (hits, hits + total))
        hits = hits + total


def _bet_anew(waiting: Array, gains: Array, hits: tuple[Array, Array]) -> Array:
    """After a round, by the hits of each rollout before it and now."""
    with np.errstate(divide="ignore"):  # a round without hits bets nothing
        part = np.log(ROLLOUT.after_round(*hits))
    found: Array = np.logaddexp(waiting, part.reshape(-1, *(1,) * (gains.ndim - 1)) - gains)
    return found


def latency(world: World, slower: Above, rollouts: int, draw: Draw) -> tuple[Looks, Array]:
    """Latency by exceedances, and the p of a Mann-Whitney test on the same requests at each look."""
    ruler, counts = measure(), []
    ours, theirs = cells(slower), cells(as_fast)
    gains = np.zeros((rollouts, len(SHARES), mixtures.POINTS))
    proof = np.zeros((rollouts, mixtures.POINTS))
    seen = [np.zeros((rollouts, len(ours))), np.zeros((rollouts, len(ours)))]
    looks = []
    waiting, steps = np.full(gains.shape, math.log(ROLLOUT.beginning)), 0
    for at in range(world.rounds):
        if at in world.new_steps:
            steps += 1
            waiting = np.logaddexp(waiting, ROLLOUT.at_step(steps) - gains)
        requests = draw.binomial(world.per_round, world.share[at], rollouts).astype(float)
        arms = [drawn(requests, ours, draw), drawn(world.per_round - requests, theirs, draw)]
        before = np.array(ruler.before)
        slow, slow_before = ([_above(arm, ruler.at) for arm in known] for known in (arms, seen))
        answered, answered_before = ([arm.sum(axis=1) for arm in known] for known in (arms, seen))
        pooled = mixtures.pooled_share(sum(slow_before), sum(answered_before)[:, None], before)
        tables = [(hits[:, :, None], total[:, None, None]) for hits, total in zip(slow, answered, strict=True)]
        gains = gains + mixtures.table_gains(tables[0], tables[1], pooled[:, :, None])
        beyond, beyond_before = (_above(known[0], (ruler.tolerated,))[:, 0] for known in (arms, seen))
        pooled = mixtures.pooled_share(beyond_before + slow_before[1][:, P95], sum(answered_before), before[P95])
        swapped = ((slow[1][:, P95, None], answered[1][:, None]), (beyond[:, None], answered[0][:, None]))
        proof = proof + mixtures.table_gains(*swapped, pooled[:, None])
        seen = [old + new for old, new in zip(seen, arms, strict=True)]
        alarm, plain = (_mean_of_edges(bets) for bets in (gains + waiting, gains))
        alone = mixtures.below(
            _above(seen[0], (ruler.tolerated,)), seen[0].sum(axis=1, keepdims=True), max(0.005, before[P95] / 2)
        )
        relative = mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + proof)
        hits = slow_before[0][:, P95] + slow_before[1][:, P95]
        waiting = _bet_anew(waiting, gains, (hits, hits + slow[0][:, P95] + slow[1][:, P95]))
        looks.append((alarm, plain, np.logaddexp(relative, alone) - math.log(2), rank_test(*seen)))
        counts.append(np.full(rollouts, float(world.per_round)))
    alarm, plain, passed, ranks = (np.array(column) for column in zip(*looks, strict=True))
    return Looks(alarm, plain, passed, np.cumsum(np.array(counts), axis=0)), ranks


def _above(counts: Array, edges: tuple[int, ...]) -> Array:
    """Requests of each rollout above each edge."""
    upto = np.cumsum(counts, axis=1)
    found: Array = upto[:, -1:] - upto[:, list(edges)]
    return found


def _mean_of_edges(bets: Array) -> Array:
    by_edge = mixtures.log_sum_exp(mixtures.WORSE_LOG_WEIGHTS + bets)
    return mixtures.log_sum_exp(by_edge) - math.log(len(SHARES))


def rank_test(candidate: Array, stable: Array) -> Array:
    """The z of a one-sided Mann-Whitney test on counts per bucket, corrected for ties: large for a slow candidate."""
    own, other = candidate.sum(axis=1), stable.sum(axis=1)
    total, together = own + other, candidate + stable
    below = np.cumsum(stable, axis=1) - stable
    wins = (candidate * (below + stable / 2)).sum(axis=1)
    ties = (together**3 - together).sum(axis=1) / np.maximum(1.0, total * (total - 1))
    deviation = np.sqrt(np.maximum(1e-9, own * other / 12 * (total + 1 - ties)))
    z: Array = (wins - own * other / 2) / deviation
    return z
