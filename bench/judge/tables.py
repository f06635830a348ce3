"""The tables of docs/judge.md, each from seeded simulations."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.judge import latencies, ours, worlds
from bench.judge.limits import healthy
from bench.judge.others import ARGO, ARGO_TIGHT, FLAGGER
from bench.judge.worlds import Array, World

ALPHA = 0.05
BAR = -math.log(ALPHA)
ONE_SIDED_5_PERCENT = 1.645
SHARES = (0.05, 0.10, 0.25, 0.50)


@dataclass(frozen=True, slots=True)
class Size:
    """Rollouts for each kind of number."""

    healthy: int = 2_000
    bad: int = 400


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        rows = [self.head, tuple("---" for _ in self.head), *self.rows]
        return f"**{self.title}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _share(fired: Array) -> str:
    return f"{float(np.mean(fired.any(axis=0))):.3f}"


def _typical(requests: Array) -> str:
    middle = float(np.median(requests))
    return f"{middle:,.0f}" if math.isfinite(middle) else "never"


def false_rollbacks(size: Size) -> Table:
    """Healthy rollouts that are taken back, by metric, at an alpha of .05 for that metric alone."""
    calm = worlds.alike(100)
    errors = (
        ("errors, 1 % in both arms, half of the requests", calm),
        ("errors, share 5 to 50 % and base rate .5 to 3 %", worlds.growing(100, 0.005, 0.03)),
        ("errors, one shared outage of 1 s in every rollout", worlds.growing(100, 0.01, 0.01).with_outage(0.2)),
    )
    rows = [
        (name, _share(ours.errors(worlds.errors_of(world, size.healthy, _draw(seed)), world.new_steps).alarm >= BAR))
        for seed, (name, world) in enumerate(errors, start=1)
    ]
    for seed, (name, world) in enumerate(
        (("latency, half of the requests", calm), ("latency, share 5 to 50 %", worlds.growing(100, 0.0, 0.0))), start=11
    ):
        looks, _ = ours.latency(world, latencies.as_fast, size.healthy, _draw(seed))
        rows.append((name, _share(looks.alarm >= BAR)))
    for rate in (0.02, 0.03):
        mine, window = healthy(rate, size.healthy, _draw(21))
        rows.append(
            (f"limit of 5 % at a true {rate:.0%}, 5,000 requests (`rule: window`: {window:.3f})", f"{mine:.3f}")
        )
    title = f"Healthy rollouts rolled back, of {size.healthy:,} with 20,000 requests each"
    return Table(title, ("what is judged", "share rolled back"), tuple(rows))


def detection(size: Size) -> Table:
    """Requests until a fault is found, by the canary's share."""
    kinds = (("errors 1 -> 2 %", 0.02, 300), ("errors 1 -> 5 %", 0.05, 60))
    rows = []
    for name, rate, rounds in kinds:
        looks = [_found(worlds.differing(rounds, share, rate, 0.01), size, 31) for share in SHARES]
        for kind, above in (("since the beginning", "plain"), ("with restarts, as it decides", "alarm")):
            found = (_typical(ours.first(getattr(look, above) >= BAR, look.requests)) for look in looks)
            rows.append((f"{name}, {kind}", *found))
    for name, slower in (("latency 1.2x", latencies.slowed(1.2)), ("top decile doubled", latencies.top_decile_doubled)):
        typical = []
        for share in SHARES:
            looks_, _ = ours.latency(worlds.alike(60, share), slower, size.bad // 2, _draw(41))
            typical.append(_typical(ours.first(looks_.alarm >= BAR, looks_.requests)))
        rows.append((f"{name}, with restarts", *typical))
    head = ("fault", *(f"share {share:.0%}" for share in SHARES))
    return Table("Requests of both arms until a fault is found (median, alpha .05)", head, tuple(rows))


def _found(world: World, size: Size, seed: int) -> ours.Looks:
    return ours.errors(worlds.errors_of(world, size.bad, _draw(seed)), world.new_steps)


def passes(size: Size) -> Table:
    """Requests of the canary until it passes, and how often one at the margin does."""
    bar = -math.log(0.05)
    kinds: Sequence[tuple[str, float, float]] = (
        ("no errors at all", 0.0, 0.0),
        ("errors at .1 % in both arms", 0.001, 0.001),
        ("errors at 2 % in both arms", 0.02, 0.02),
        ("errors at twice stable's 2 %", 0.04, 0.02),
    )
    rows = []
    for name, candidate, stable in kinds:
        world = worlds.differing(100, 0.5, candidate, stable)
        looks = ours.errors(worlds.errors_of(world, size.bad, _draw(51)), frozenset())
        rows.append((name, _typical(ours.first(looks.passed >= bar, looks.requests / 2)), _share(looks.passed >= bar)))
    for name, slower in (("as fast as stable", 1.0), ("1.1 times stable's latency", 1.1), ("1.22 times", 1.22)):
        looks, _ = ours.latency(worlds.alike(50), latencies.slowed(slower), size.bad, _draw(52))
        rows.append((name, _typical(ours.first(looks.passed >= bar, looks.requests / 2)), _share(looks.passed >= bar)))
    return Table(
        "Passing (beta .05, half of the requests)", ("canary", "its requests, median", "share passed"), tuple(rows)
    )


def side_by_side(size: Size) -> Table:
    """The same simulated requests judged by others' rules: 20,000 requests, half of them on the canary."""
    alike, bad = (
        worlds.errors_of(worlds.differing(100, 0.5, rate, 0.01), size.healthy, _draw(61)) for rate in (0.01, 0.02)
    )
    rows = [
        ("this judge, errors at alpha .05", *_rates(ours.errors(one, frozenset()).alarm >= BAR for one in (alike, bad)))
    ]
    rows += [(rule.name, *_rates(rule.alarms(one) for one in (alike, bad))) for rule in (ARGO, ARGO_TIGHT, FLAGGER)]
    looks = [
        ours.latency(worlds.alike(100), latencies.slowed(times), size.bad, _draw(62 + index))
        for index, times in enumerate((1.0, 1.2))
    ]
    rows.append(("this judge, latency at alpha .05", *_rates(seen.alarm >= BAR for seen, _ in looks)))
    rows.append(
        ("Mann-Whitney on latency at .05, at every look", *_rates(ranks > ONE_SIDED_5_PERCENT for _, ranks in looks))
    )
    head = ("rule", "healthy canary rolled back", "bad canary rolled back")
    return Table("Side by side: errors 1 -> 2 %, latency 1 -> 1.2x, a look every 200 requests", head, tuple(rows))


def _rates(fired: Iterable[Array]) -> Iterable[str]:
    return tuple(_share(one) for one in fired)


def late_fault(size: Size) -> Table:
    """A canary that is healthy for 20,000 requests and then fails 5 % instead of 1 %, at half of the requests."""
    rate = np.concatenate((np.full(100, 0.01), np.full(100, 0.05)))
    world = World(np.full(200, 0.5), rate, np.full(200, 0.01))
    counts = worlds.errors_of(world, size.bad, _draw(71))
    rows = []
    begins = (("in a new step", {100}), ("in the middle of a long step", {50}), ("in the only step", set[int]()))
    for name, steps in begins:
        looks = ours.errors(counts, frozenset(steps))
        late = ours.first(looks.alarm >= BAR, looks.requests - 20_000)
        rows.append((name, _typical(late)))
    return Table(
        "A fault after 20,000 healthy requests (errors 1 -> 5 %)", ("it begins", "requests until found"), tuple(rows)
    )


TABLES = (false_rollbacks, detection, passes, side_by_side, late_fault)
