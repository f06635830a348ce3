"""Traffic as real clusters have it, scrape by scrape: clients that keep connections, unlike pods, bursts, young pods.

A rollout is two steps, with one candidate pod beside four of stable and then with four. All that a pod counts comes out
of `played` as counters, the way its /health gives them. In every healthy world the candidate is stable.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bench.judge.latencies import EDGES_MS, MEDIAN_MS, SPREAD
from bench.judge.worlds import Array, Draw

INTERVAL = 5.0
STABLE_PODS = 4
STEPS = ((10, 1, 600.0), (50, 4, 600.0))
"""Weight, candidate pods and seconds of each step."""
SECONDS = sum(step[2] for step in STEPS)
ROUNDS = round(SECONDS / INTERVAL)
PODS = STABLE_PODS + STEPS[-1][1]
_EDGES = np.array(EDGES_MS)
_TENTH = 1.2815515655446004
"""The slowest tenth begins so many standard deviations above the median."""
_BEFORE = 2_000
"""Requests of each of stable's pods before the rollout."""


@dataclass(frozen=True, slots=True)
class Client:
    """What one kind of client sends."""

    refused: float = 0.0
    """Share of its requests that are refused."""
    failing: float = 0.0
    """Share that the model fails on, beyond what it fails on for all."""
    slower: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """How the candidate differs from stable."""

    errors: float = 1.0
    """So many times stable's errors."""
    slower: float = 1.0
    tail: float = 1.0
    """The slowest tenth takes so many times as long."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One world."""

    rate: float = 50.0
    """Requests a second of both arms."""
    errors: float = 0.01
    clients: tuple[Client, ...] = ()
    """Those that keep connections; where there are none each request has a connection of its own."""
    lives_s: tuple[float, float] = (5.0, 10.0)
    """How long a connection lives, and how many answers it carries at most."""
    answers: tuple[int, int] = (40, 80)
    speed_sd: float = 0.0
    """Standard deviation of the logarithm of the pods' speeds, for good."""
    errors_sd: float = 0.0
    correlation: float = 0.0
    """Intra-class correlation of the errors of one pod in one round."""
    burst: float = 0.0
    """Share of requests that fail in both arms in bursts of 2 to 10 s every three minutes."""
    young: tuple[float, float] = (1.0, 1.0)
    """A new pod's slowness at first, and the seconds within which it fades."""
    wave: float = 0.0
    """How far rate and errors go up and down, within ten minutes."""
    model: Model = field(default_factory=Model)


@dataclass(frozen=True, slots=True)
class Played:
    """Counters by round and pod, stable's pods first; a row 0 for what came before."""

    sums: Array
    """Requests, errors and refusals."""
    buckets: Array
    connections: "Ended | None" = None


@dataclass(frozen=True, slots=True)
class Ended:
    """Connections that ended, by round and pod: with so many errors, refusals, by the bucket of median and p90."""

    errors: Array
    refusals: Array
    medians: Array
    p90s: Array


def pods_at(at: float) -> tuple[int, int]:
    """Weight and number of candidate pods at a time."""
    return next(((w, p) for (w, p, _), end in zip(STEPS, _ends(), strict=True) if at < end), STEPS[-1][:2])


def _ends() -> list[float]:
    return [sum(step[2] for step in STEPS[: number + 1]) for number in range(len(STEPS))]


def _born() -> Array:
    """When each candidate pod begins."""
    found = np.zeros(STEPS[-1][1])
    found[STEPS[0][1] :] = STEPS[0][2]
    return found


def played(world: Cluster, draw: Draw) -> Played:
    """One rollout."""
    return _by_request(world, draw) if world.clients else _by_count(world, draw)


def _kinds(world: Cluster, draw: Draw) -> tuple[Array, Array]:
    """How many times as slow and as often failing each pod is."""
    slow = np.exp(world.speed_sd * draw.standard_normal(PODS))
    fails = np.exp(world.errors_sd * draw.standard_normal(PODS))
    slow[STABLE_PODS:] *= world.model.slower
    fails[STABLE_PODS:] *= world.model.errors
    return slow, fails


def _bursts(world: Cluster, draw: Draw) -> Array:
    """Share of requests that fail in each second."""
    found = np.zeros(int(SECONDS) + 1)
    if world.burst:
        for begin in np.arange(draw.uniform(0, 180), SECONDS, 180.0):
            found[int(begin) : int(begin + draw.uniform(2, 10))] = world.burst
    return found


def _young(world: Cluster, at: Array, pod: Array) -> Array:
    times, fades = world.young
    if times == 1.0:
        return np.ones(len(at))
    born = np.concatenate((np.full(STABLE_PODS, -1e9), _born()))
    left: Array = np.clip(1 - (at - born[pod]) / fades, 0, 1)
    return 1 + (times - 1) * left


def _by_count(world: Cluster, draw: Draw) -> Played:
    slow, fails = _kinds(world, draw)
    bursts = _bursts(world, draw)
    sums = np.zeros((ROUNDS + 1, PODS, 3), dtype=np.int64)
    buckets = np.zeros((ROUNDS + 1, PODS, len(EDGES_MS) + 1), dtype=np.int64)
    sums[0, :STABLE_PODS, 0] = _BEFORE
    for pod in range(STABLE_PODS):
        buckets[0, pod] = draw.multinomial(_BEFORE, _shares(slow[pod]))
    known: dict[tuple[int, float], Array] = {}
    for number in range(1, ROUNDS + 1):
        at = (number - 0.5) * INTERVAL
        _, candidates = pods_at(at)
        pods = np.arange(STABLE_PODS + candidates)
        wave = math.sin(at / 600 * 2 * math.pi)
        requests = draw.poisson(world.rate * INTERVAL * (1 + world.wave * wave) / len(pods), len(pods))
        second = int((number - 1) * INTERVAL)
        down = bursts[second : second + int(INTERVAL)].mean()
        errors = np.minimum(1.0, world.errors * (1 - world.wave * wave) * fails[pods])
        if world.correlation:
            spread = 1 / world.correlation - 1
            errors = draw.beta(errors * spread, (1 - errors) * spread)
        failed = draw.binomial(requests, down + (1 - down) * errors)
        ages = np.round(_young(world, np.full(len(pods), at), pods), 2)
        for pod in pods.tolist():
            key = (pod, float(ages[pod]))
            if key not in known:
                candidate = pod >= STABLE_PODS
                known[key] = _shares(slow[pod] * ages[pod], world.model.tail if candidate else 1.0)
            buckets[number, pod] = draw.multinomial(requests[pod], known[key])
        sums[number, : len(pods), 0] = requests
        sums[number, : len(pods), 1] = failed
    return Played(sums.cumsum(axis=0), buckets.cumsum(axis=0))


def _shares(times: float, tail: float = 1.0) -> Array:
    """The share of requests in each bucket."""
    at = MEDIAN_MS * times * math.exp(SPREAD * _TENTH)

    def above(value: float) -> float:
        plain = 0.5 * math.erfc(math.log(value / (MEDIAN_MS * times)) / SPREAD / math.sqrt(2))
        if tail == 1.0 or value < at:
            return plain
        stretched = 0.5 * math.erfc(math.log(value / tail / (MEDIAN_MS * times)) / SPREAD / math.sqrt(2))
        return min(0.1, stretched)

    shares = np.array([1.0, *map(above, EDGES_MS), 0.0])
    found: Array = shares[:-1] - shares[1:]
    return found


def _by_request(world: Cluster, draw: Draw) -> Played:
    at, client, pod, connection = _sent(world, draw)
    slow, fails = _kinds(world, draw)
    kinds = np.array([(one.refused, one.failing, one.slower) for one in world.clients])
    refused = draw.random(len(at)) < kinds[client, 0]
    bursts = _bursts(world, draw)[at.astype(int)]
    share = 1 - (1 - np.minimum(1, world.errors * fails[pod])) * (1 - kinds[client, 1]) * (1 - bursts)
    failed = ~refused & (draw.random(len(at)) < share)
    spread = draw.standard_normal(len(at))
    took = MEDIAN_MS * np.exp(SPREAD * spread) * kinds[client, 2] * slow[pod] * _young(world, at, pod)
    took = np.where((spread > _TENTH) & (pod >= STABLE_PODS), took * world.model.tail, took)
    bucket = np.searchsorted(_EDGES, took)
    number = (at / INTERVAL).astype(int) + 1
    sums = np.zeros((ROUNDS + 1, PODS, 3), dtype=np.int64)
    for column, chosen in enumerate((np.ones(len(at), bool), failed, refused)):
        np.add.at(sums[:, :, column], (number[chosen], pod[chosen]), 1)
    buckets = np.zeros((ROUNDS + 1, PODS, len(EDGES_MS) + 1), dtype=np.int64)
    np.add.at(buckets, (number[~refused], pod[~refused], bucket[~refused]), 1)
    sums[0, :STABLE_PODS, 0] = _BEFORE
    for one in range(STABLE_PODS):
        buckets[0, one] = draw.multinomial(_BEFORE, _shares(slow[one]))
    ended = _ended(at, pod, connection, (failed, refused, bucket))
    return Played(sums.cumsum(axis=0), buckets.cumsum(axis=0), ended)


def _sent(world: Cluster, draw: Draw) -> tuple[Array, Array, Array, Array]:
    """When each request comes, from whom, to which pod and on which connection."""
    found = []
    each = world.rate / len(world.clients)
    connections = 0
    for client in range(len(world.clients)):
        at: Array = np.cumsum(draw.exponential(1 / each, int(each * SECONDS * 1.3) + 50))
        at = at[at < SECONDS]
        number = np.zeros(len(at), dtype=np.int64)
        pod = np.zeros(len(at), dtype=np.int64)
        first = 0
        while first < len(at):
            ends = at[first] + draw.uniform(*world.lives_s)
            last = min(first + int(draw.integers(*world.answers)), int(np.searchsorted(at, ends)) + 1, len(at))
            number[first:last] = connections
            pod[first:last] = draw.integers(STABLE_PODS + pods_at(at[first])[1])
            connections += 1
            first = last
        found.append((at, np.full(len(at), client), pod, number))
    times, clients, pods, numbers = (np.concatenate(column) for column in zip(*found, strict=True))
    return times, clients, pods, numbers


def _ended(at: Array, pod: Array, connection: Array, counted: tuple[Array, Array, Array]) -> Ended:
    """What each connection adds to the counters of the round it ends in; those opened in another step add nothing."""
    failed, refused, bucket = counted
    total = int(connection.max()) + 1
    errors, refusals = (np.bincount(connection, one, total).astype(int) for one in (failed, refused))
    first, last = np.full(total, np.inf), np.zeros(total)
    np.minimum.at(first, connection, at)
    np.maximum.at(last, connection, at)
    where = np.zeros(total, dtype=np.int64)
    where[connection] = pod
    shape = (ROUNDS + 1, PODS)
    by_errors, by_refusals = np.zeros((*shape, 17), dtype=np.int64), np.zeros((*shape, 17), dtype=np.int64)
    medians, p90s = (np.zeros((*shape, len(EDGES_MS) + 1), dtype=np.int64) for _ in range(2))
    ends = STEPS[0][2]
    fresh = (first < ends) == (last < ends)
    number = (last / INTERVAL).astype(int) + 1
    np.add.at(by_errors, (number[fresh], where[fresh], np.minimum(errors, 16)[fresh]), 1)
    np.add.at(by_refusals, (number[fresh], where[fresh], np.minimum(refusals, 16)[fresh]), 1)
    timed = ~refused
    order = np.lexsort((bucket[timed], connection[timed]))
    owner, sorted_buckets = connection[timed][order], bucket[timed][order]
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    sizes = np.diff(np.append(begins, len(owner)))
    owners = owner[begins]
    kept = fresh[owners]
    for table, share in ((medians, 0.5), (p90s, 0.9)):
        at_rank = begins + np.minimum(sizes - 1, (share * sizes).astype(int))
        np.add.at(table, (number[owners][kept], where[owners][kept], sorted_buckets[at_rank][kept]), 1)
    return Ended(*(one.cumsum(axis=0) for one in (by_errors, by_refusals, medians, p90s)))


_NORMAL, _REFUSED, _FAILING, _BATCHES = Client(), Client(refused=1.0), Client(failing=0.2), Client(slower=10.0)


def healthy() -> Iterator[tuple[str, Cluster]]:
    """The worlds in which nothing is to be taken back."""
    yield "Poisson traffic, a connection for each request", Cluster()
    yield "10 keep-alive clients, one sends only refused rows", Cluster(clients=(_REFUSED, *(_NORMAL,) * 9))
    yield "100 keep-alive clients, one sends only refused rows", Cluster(clients=(_REFUSED, *(_NORMAL,) * 99))
    yield "100 keep-alive clients, 5 send only refused rows", Cluster(clients=(*(_REFUSED,) * 5, *(_NORMAL,) * 95))
    yield (
        "10 keep-alive clients, the model fails on a fifth of one's rows",
        Cluster(clients=(_FAILING, *(_NORMAL,) * 9)),
    )
    yield "10 keep-alive clients, one's batches take ten times as long", Cluster(clients=(_BATCHES, *(_NORMAL,) * 9))
    for rate in (200.0, 1000.0):
        for spread in (0.02, 0.05, 0.10):
            name = f"pods differ in speed by {spread:.0%}, {rate:,.0f} requests/s"
            yield name, Cluster(rate=rate, speed_sd=spread)
    for spread in (0.1, 0.2, 0.3, 0.5):
        yield f"pods differ in errors, log sd {spread:g}", Cluster(errors_sd=spread)
    for share in (0.01, 0.05):
        yield f"errors of a pod in a round share their luck, correlation {share:g}", Cluster(correlation=share)
    yield "bursts every 3 min in which both arms fail 60 %", Cluster(burst=0.6)
    for times, fades in ((1.2, 60.0), (1.3, 300.0), (2.0, 60.0)):
        name = f"new pods {times - 1:.0%} slower, fading within {fades / 60:.0f} min"
        yield name, Cluster(young=(times, fades))
    yield "20,000 requests/s, pods differ by log sd .01 in speed", Cluster(rate=20_000, speed_sd=0.01)
    yield "20,000 requests/s, pods differ by log sd .1 in errors", Cluster(rate=20_000, errors_sd=0.1)
    yield "waves: rate and errors go up and down by 60 %", Cluster(wave=0.6)
