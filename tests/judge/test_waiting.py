"""Rounds that can change nothing wait, and are judged with the next that can: nothing is lost, nothing comes late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge.trials import pod, timed

from modelrollout.api.spec import Health
from modelrollout.api.status import Checkpoint, ModelRolloutStatus
from modelrollout.core.decision import Watch
from modelrollout.judge import Rules, Sample
from modelrollout.judge.comparing import SHARES
from modelrollout.judge.waiting import LONGEST, MOST, Waiting
from modelrollout.ledger import Ledger, Look, Looks, after, caught_up, judged, resumed, rules_of, under

WATCH = Watch(timedelta(seconds=5), "bbbb", "aaaa", epoch="bbbb.50.1.judging.ab", shared=True)
NEXT = replace(WATCH, epoch="bbbb.100.1.judging.ab")
COMPARED = {"compare": {}, "limits": {"errorRate": 0.05}}
CANARY, STABLE = "churn-bbbb-1", "churn-aaaa-1"

Counts = tuple[int, int]
"""Requests and errors of one process in one round."""


def asked(health: Any = None, watch: Watch = WATCH) -> Rules:
    return rules_of(Health.model_validate(COMPARED if health is None else health), watch)


@dataclass
class Servers:
    """Processes of both arms with their counters, by pod; a pod without a number does not answer."""

    sums: dict[str, tuple[int, int, int]]
    """Number of the process, requests and errors."""
    at: float = 0.0

    def round(self, counted: Iterable[tuple[str, Counts]] = (), every: float = 5.0) -> Looks:
        for name, (requests, errors) in counted:
            number, so_far, failed = self.sums[name]
            self.sums[name] = (number, so_far + requests, failed + errors)
        self.at += every
        return Looks(self.at, tuple(look(name, *sums) for name, sums in self.sums.items()))


def look(name: str, number: int, requests: int, errors: int) -> Look:
    return Look(name, name.split("-")[1], replace(pod(name, requests=requests, errors=errors), instance=f"{number}"))


def both() -> Servers:
    return Servers({CANARY: (1, 0, 0), STABLE: (1, 1000, 0)})


def on(canary: Counts, stable: Counts = (200, 0)) -> tuple[tuple[str, Counts], ...]:
    return ((CANARY, canary), (STABLE, stable))


def without_waiting(ledger: Ledger, looks: Looks, watch: Watch = WATCH, rules: Rules | None = None) -> Ledger:
    """Each round judged by itself: a ledger that does not know the round before has to."""
    alone = replace(ledger, case=replace(ledger.case, waiting=Waiting()))
    return after(alone, looks, watch, rules or asked(watch=watch))


def grown(servers: Servers | None = None, rounds: int = 40, health: Any = None) -> tuple[Servers, Ledger]:
    """A step that is old enough for a round to wait; the last round was judged."""
    known, rules, ledger = servers or both(), asked(health), under(Ledger(), WATCH)
    for _ in range(rounds):
        ledger = without_waiting(ledger, known.round(on((100, 0))), rules=rules)
    return known, ledger


def waited(servers: Servers, ledger: Ledger, *rounds: Iterable[tuple[str, Counts]]) -> Ledger:
    for counted in rounds:
        ledger = after(ledger, servers.round(counted), WATCH, asked())
    return ledger


def totals(ledger: Ledger) -> tuple[object, ...]:
    trial = ledger.evidence.trial
    assert trial is not None
    arms = ledger.evidence.candidate.total, ledger.evidence.stable.total
    return (*arms, trial.errors.hits, trial.canary.latency, trial.stable.latency)


def test_eleven_rounds_wait_and_the_twelfth_is_judged_with_them() -> None:
    servers, ledger = grown(rounds=61)
    seen = []
    for _ in range(MOST + 1):
        ledger = waited(servers, ledger, on((100, 0)))
        seen.append((ledger.case.waiting.rounds, ledger.verdict.requests, len(ledger.case.added)))

    assert seen == [*((number, 6000, 0) for number in range(1, 12)), (0, 7200, 1)]
    assert (ledger.traffic.candidate, ledger.watched) == (7200, timedelta(seconds=360))


@pytest.mark.parametrize(
    ("rounds", "health", "waits"),
    [
        pytest.param(5, {"compare": {}}, 1, id="a pass is far"),
        pytest.param(7, {"compare": {}}, 0, id="a pass is near"),
        pytest.param(25, {}, 2, id="only limits"),
    ],
)
def test_what_waits_is_a_small_part_of_what_the_step_has_shown(rounds: int, health: Any, waits: int) -> None:
    """A third, or a tenth where a pass may be near."""
    servers, ledger = grown(rounds=rounds, health=health)
    most = 0
    for _ in range(MOST):
        ledger = after(ledger, servers.round(on((100, 0))), WATCH, asked(health))
        if not ledger.case.waiting.rounds:
            break
        most = ledger.case.waiting.rounds

    assert most == waits


def test_rounds_that_wait_are_kept_where_the_candidate_failed_between_them() -> None:
    """A test that begins anew does best right before failures."""
    servers, ledger = grown(rounds=60)
    ledger = waited(servers, ledger, *(on((100, errors)) for errors in (0, 0, 1, 0, 0, 0, 1, 0)))

    waiting = ledger.case.waiting
    assert waiting.rounds == 8
    assert waiting.passed == ((200, 0, 0), (600, 1, 0), (800, 2, 0))
    assert [sum(one.requests for one in held.candidate) for held in waiting.held] == [6200, 6600, 6800]


def test_nothing_waits_for_longer_than_a_minute() -> None:
    servers, ledger = grown()
    for every, rounds in ((31.0, [1, 0]), (LONGEST, [0, 0])):
        found = []
        for _ in rounds:
            ledger = after(ledger, servers.round(on((50, 0)), every), WATCH, asked())
            found.append(ledger.case.waiting.rounds)
        assert found == rounds


@pytest.mark.parametrize(
    ("health", "rounds"),
    [
        pytest.param(COMPARED, 3, id="young"),
        pytest.param({"limits": {"errorRate": 0.05}}, 9, id="young, with limits alone"),
        pytest.param({**COMPARED, "minSamples": 5000}, 30, id="below the floor"),
        pytest.param({"limits": {"errorRate": 0.05, "rule": "window"}}, 30, id="a window"),
    ],
)
def test_what_may_need_each_round_never_waits(health: Any, rounds: int) -> None:
    servers, ledger = grown(rounds=rounds, health=health)

    ledger = after(ledger, servers.round(on((100, 0))), WATCH, asked(health))

    assert ledger.case.waiting.rounds == 0
    assert ledger.verdict.requests == 100 * rounds


@pytest.mark.parametrize(
    ("requests", "slow", "waits"),
    [(100, 11, 1), (100, 12, 0), (400, 33, 1), (400, 34, 0), (4000, 250, 1), (4000, 251, 0)],
)
def test_answers_that_are_slow_more_often_than_by_chance_are_judged_at_once(
    requests: int, slow: int, waits: int
) -> None:
    """Three deviations more than stable's, and a quarter as many again."""
    servers, ledger, rules = _Timed(), under(Ledger(), WATCH), asked({"compare": {}})
    for _ in range(30):
        ledger = without_waiting(ledger, servers.counted((4000, 0, 200), (4000, 0, 200)), rules=rules)

    ledger = after(ledger, servers.counted((requests, 0, slow), (100, 0, 5)), WATCH, rules)

    assert ledger.case.waiting.rounds == waits


def test_slow_answers_are_held_against_what_stable_is_like_now() -> None:
    """At another time of the day everything is slower."""
    servers, ledger, rules = _Timed(), under(Ledger(), WATCH), asked({"compare": {}})
    for _ in range(30):
        ledger = without_waiting(ledger, servers.counted((100, 0, 10), (100, 0, 10)), rules=rules)

    assert after(ledger, servers.counted((100, 0, 19), (100, 0, 5)), WATCH, rules).case.waiting.rounds == 1


def test_slow_answers_are_not_buried_under_the_rounds_that_wait() -> None:
    """What came last is looked at by itself, too."""
    servers, ledger, rules = _Timed(), under(Ledger(), WATCH), asked({"compare": {}})
    for _ in range(60):
        ledger = without_waiting(ledger, servers.counted((400, 0, 20), (400, 0, 20)), rules=rules)
    for waits in (1, 2, 3, 4):
        ledger = after(ledger, servers.counted((400, 0, 20), (400, 0, 20)), WATCH, rules)
        assert ledger.case.waiting.rounds == waits

    assert after(ledger, servers.counted((400, 0, 34), (400, 0, 20)), WATCH, rules).case.waiting.rounds == 0


@pytest.mark.parametrize(("slow", "waits"), [(5, 1), (6, 0), (10, 0)])
def test_answers_above_a_limit_more_often_than_it_allows_are_judged_at_once(slow: int, waits: int) -> None:
    rules = asked({"limits": {"p95LatencyMs": 25}})
    servers, ledger = _Timed(), under(Ledger(), WATCH)
    for _ in range(30):
        ledger = without_waiting(ledger, servers.counted((100, 0, 0), (100, 0, 0)), rules=rules)

    ledger = after(ledger, servers.counted((100, 0, slow), (100, 0, 0)), WATCH, rules)

    assert ledger.case.waiting.rounds == waits


def test_stable_alone_is_judged_in_each_round() -> None:
    watch, servers, ledger = Watch(timedelta(seconds=5), stable="aaaa", epoch="aaaa.watch.0"), both(), Ledger()
    ledger = under(ledger, watch)
    for _ in range(30):
        ledger = after(ledger, servers.round(on((0, 0))), watch, asked(watch=watch))
        assert ledger.case.waiting.rounds == 0


def test_with_shares_that_stay_the_evidence_is_that_of_each_round() -> None:
    (servers, ledger), (others, alone) = grown(), grown()
    draw = np.random.default_rng(3)
    for _ in range(80):
        counted = on((100, int(draw.binomial(100, 0.01))), (200, int(draw.binomial(200, 0.01))))
        ledger, alone = waited(servers, ledger, counted), without_waiting(alone, others.round(counted))
    ledger = caught_up(ledger)

    ours, theirs = ledger.evidence.trial, alone.evidence.trial
    assert ours is not None
    assert theirs is not None
    assert totals(ledger) == totals(alone)
    assert ours.errors.gains == pytest.approx(theirs.errors.gains)


FAILURES = st.lists(st.tuples(st.sampled_from((0, 0, 0, 0, 1, 2, 5, 100)), st.integers(0, 8)), min_size=1, max_size=25)


@settings(max_examples=30, deadline=None)
@given(FAILURES, st.sampled_from(((100, 200), (100, 20), (20, 400))), st.sampled_from((COMPARED, {"compare": {}}, {})))
def test_a_failure_that_could_matter_is_judged_in_its_own_round(
    failures: Sequence[tuple[int, int]], requests: tuple[int, int], health: Any
) -> None:
    rules = asked(health)
    servers, ledger = grown(health=health)
    for ours, theirs in failures:
        seen = servers.round(on((requests[0], min(ours, requests[0])), (requests[1], theirs)))
        ledger = after(ledger, seen, WATCH, rules)
        assert ledger.verdict.candidate == caught_up(ledger).verdict.candidate
        assert ledger.verdict.doubt == caught_up(ledger).verdict.doubt


@pytest.mark.parametrize("failing", [7, 8, 10, 15, 20, 50, 100])
@pytest.mark.parametrize("health", [{}, COMPARED], ids=["limits", "compared"])
def test_a_fault_is_not_buried_under_the_rounds_that_wait(failing: int, health: Any) -> None:
    """It is found in the same round, or, where that takes half a minute and more, as early in the mean."""
    took = [[rounds_of_fault(failing, good, health, waits=waits) for good in (1, 4, 8, 11)] for waits in (1, 0)]

    if max(took[1]) <= 6:
        assert took[0] == took[1]
    assert sum(took[0]) <= 1.1 * sum(took[1])


def rounds_of_fault(failing: int, good: int, health: Any, *, waits: int) -> int:
    """Rounds until it is found, after so many healthy ones."""
    rules, (servers, ledger) = asked(health), grown(rounds=60, health=health)
    judge = after if waits else without_waiting
    for number, errors in enumerate((*(0,) * good, *(failing,) * 80), 1 - good):
        ledger = judge(ledger, servers.round(on((100, errors))), WATCH, rules)
        if ledger.verdict.candidate is not None:
            return number
    return 1000


STORIES = st.lists(st.sampled_from(("goes on", "goes on", "restarts", "is away", "one more")), min_size=1, max_size=20)


@settings(max_examples=30, deadline=None)
@given(STORIES, st.sampled_from((CANARY, STABLE)))
def test_whatever_becomes_of_the_pods_as_much_is_counted(story: Sequence[str], who: str) -> None:
    (servers, ledger), (_, alone) = grown(), grown()
    for number, what in enumerate(story):
        counted = on((100, number % 3 == 0), (200, 1))
        if what == "restarts":
            servers.sums[who] = (servers.sums[who][0] + 1, 7, 1)
        if what == "one more":
            servers.sums[f"{who}{number}"] = (1, 0, 0)
        looks = servers.round(counted)
        if what == "is away":
            looks = replace(looks, pods=tuple(one for one in looks.pods if one.uid != who))
        ledger, alone = after(ledger, looks, WATCH, asked()), without_waiting(alone, looks)

    assert totals(caught_up(ledger)) == totals(alone)
    assert ledger.traffic == alone.traffic


def test_what_waits_belongs_to_the_step_that_ends() -> None:
    servers, ledger = grown()
    ledger = waited(servers, ledger, on((100, 1)), on((100, 0)))
    assert ledger.case.waiting.rounds == 2

    ahead = under(ledger, NEXT)
    assert (ahead.verdict.requests, ahead.case.waiting, ahead.case.added) == (0, Waiting(), ())
    ahead = after(ahead, servers.round(on((100, 0))), NEXT, asked(watch=NEXT))

    assert ahead.evidence.candidate.total.requests == 100
    assert ahead.evidence.trial is not None
    assert ahead.evidence.trial.canary.requests == 4200


def test_other_rules_are_asked_of_all_that_came_before_them() -> None:
    servers, ledger = grown()
    ledger = waited(servers, ledger, on((100, 0)), on((100, 0)))
    apart = asked(watch=replace(WATCH, shared=False))

    told = judged(ledger, apart)
    assert (told.verdict.requests, told.case.waiting.rounds) == (4100, 0)
    assert totals(after(ledger, servers.round(on((100, 0))), WATCH, apart))[0] == replace(
        told.evidence.candidate.total, requests=4200, timed=4200
    )


def test_a_restart_loses_what_waits_and_counts_nothing_twice() -> None:
    servers, ledger = grown()
    ledger = waited(servers, ledger, on((100, 0)), on((100, 0)))
    kept = Checkpoint(
        time="2026-03-01T00:00:00Z",
        epoch=ledger.epoch,
        watched=ledger.watched,
        evidence=ledger.kept.packed,
        comparison=ledger.kept.compared,
    )

    again = judged(resumed(ModelRolloutStatus(checkpoint=kept)), asked())
    before = again.verdict.requests
    again = waited(servers, again, on((100, 0)), on((100, 0)))

    assert before <= 3900
    assert (again.verdict.requests, caught_up(again).verdict.requests) == (before, before + 100)


def test_a_candidate_passes_at_most_a_tenth_of_its_requests_and_a_minute_later() -> None:
    passed = []
    for waits in (True, False):
        servers, ledger, rules = both(), under(Ledger(), WATCH), asked({**COMPARED, "minSamples": 500})
        while not ledger.verdict.enough or ledger.verdict.unproven:
            looks = servers.round(on((30, 0), (30, servers.at % 25 == 0)))
            ledger = after(ledger, looks, WATCH, rules) if waits else without_waiting(ledger, looks, rules=rules)
        passed.append((servers.sums[CANARY][1], servers.at))

    (requests, at), (at_once, earliest) = passed
    assert requests <= 1.1 * at_once
    assert at - earliest <= LONGEST


def test_a_pass_comes_hardly_later() -> None:
    """Proofs come and go by chance: where one is near each round is looked at. `bench.judge.delays` says more."""
    later = [requests_of_pass(seed, waits=1) / requests_of_pass(seed, waits=0) for seed in range(8)]

    assert sum(later) / len(later) < 1.1


def requests_of_pass(seed: int, *, waits: int) -> int:
    """Those of a candidate that fails as often as stable, until it may pass."""
    draw, servers, ledger, rules = np.random.default_rng(seed), both(), under(Ledger(), WATCH), asked()
    judge = after if waits else without_waiting
    for _ in range(3000):
        counted = on((60, int(draw.binomial(60, 0.004))), (120, int(draw.binomial(120, 0.004))))
        ledger = judge(ledger, servers.round(counted), WATCH, rules)
        if ledger.verdict.enough and not ledger.verdict.unproven and not ledger.verdict.doubt:
            break
    return servers.sums[CANARY][1]


@pytest.mark.parametrize("rollouts", [40, pytest.param(300, marks=(pytest.mark.long, pytest.mark.timeout(900)))])
def test_healthy_rollouts_are_rarely_taken_back(rollouts: int) -> None:
    """At most so many as promised, with rounds that wait and a share that moves by chance; at a loud probability."""
    alpha, fired, waits = 0.2, dict[str, int](), 0
    rules = asked({"compare": {"falseRollbackRate": alpha}, "minSamples": 20})
    for seed in range(rollouts):
        draw, ledger, servers = np.random.default_rng(seed), under(Ledger(), WATCH), _Timed()
        for _ in range(80):
            ledger = after(ledger, servers.round(draw), WATCH, rules)
            waits += ledger.case.waiting.rounds > 0
            if ledger.verdict.candidate is not None:
                metric = ledger.verdict.candidate.metric
                fired[metric] = fired.get(metric, 0) + 1
                break

    assert waits > 10 * rollouts
    print(f"of {rollouts} healthy rollouts were taken back: {fired}")  # noqa: T201
    assert fired.get("errorRatio", 0) <= alpha * SHARES["errors"] * rollouts
    assert fired.get("latencyRatio", 0) <= alpha * SHARES["latency"] * rollouts
    assert sum(fired.values()) <= alpha * rollouts


class _Timed:
    """A pod of each arm, alike: one of a hundred requests fails, one of twenty is slow."""

    def __init__(self) -> None:
        self._sums = {CANARY: np.zeros(3, dtype=int), STABLE: np.array((1000, 10, 50))}
        self._at = 0.0

    def round(self, draw: np.random.Generator) -> Looks:
        ours = int(draw.binomial(120, 0.5))
        drawn = ((count, draw.binomial(count, 0.01), draw.binomial(count, 0.05)) for count in (ours, 120 - ours))
        return self.counted(*drawn)

    def counted(self, canary: Sequence[int], stable: Sequence[int]) -> Looks:
        """A round with so many requests, errors and slow answers of each."""
        self._at += 5.0
        for name, more in ((CANARY, canary), (STABLE, stable)):
            self._sums[name] = self._sums[name] + np.array(more)
        return Looks(self._at, tuple(Look(name, name.split("-")[1], self._sample(name)) for name in self._sums))

    def _sample(self, name: str) -> Sample:
        requests, errors, slow = map(int, self._sums[name])
        return Sample(name, f"{name}:1", requests, errors, 0, timed(requests, slow))
