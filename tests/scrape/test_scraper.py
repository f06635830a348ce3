"""The shared scraper, in virtual time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from scrape.healths import pod
from shell.virtual import run

from modelrollout.core.decision import Watch
from modelrollout.judge import Sample
from modelrollout.ledger import Failure, Looks
from modelrollout.scrape.scraper import NEVER_SENT, Scraper
from modelrollout.scrape.target import Target, targets

WATCH = Watch(timedelta(seconds=5), candidate="bbbb", stable="aaaa", epoch="e")
OF_ONE_ROLLOUT = 86
"""Places that one rollout gets when nobody else has any: a third of them, or 1 more."""


class Rounds:
    """Pods that take so long to answer, and the rounds that came of it."""

    def __init__(self, pods: int = 2, seconds: float = 0.1) -> None:
        self.pods, self.seconds = pods, seconds
        self.done: list[tuple[float, str, Looks]] = []
        self.most, self._under_way = 0, 0

    def targets(self, key: str, _: Watch) -> tuple[Target, ...]:
        return tuple(Target("default", f"{key}-{index}", f"u{index}", "aaaa", "") for index in range(self.pods))

    async def scrape(self, target: Target, seconds: float) -> Sample | Failure:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(min(self.seconds, seconds))
        self._under_way -= 1
        return Failure("too slow") if self.seconds > seconds else Sample(target.name, "i", 1, 0, 0)

    def finished(self, key: str, _: Watch, looks: Looks) -> None:
        self.done.append((asyncio.get_running_loop().time(), key, looks))


def play(rounds: Rounds, script: Callable[[Scraper], Awaitable[None]]) -> Rounds:
    async def whole() -> None:
        clock = asyncio.get_running_loop().time
        scraper = Scraper(rounds.scrape, rounds.targets, rounds.finished, clock)
        task = asyncio.create_task(scraper.run())
        await script(scraper)
        assert not task.done()
        task.cancel()

    run(whole())
    return rounds


def test_the_pods_of_a_rollout_are_scraped_together_at_a_fixed_cadence() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", WATCH)
        await asyncio.sleep(26)

    rounds = play(Rounds(), script)

    starts = [looks.at for _, _, looks in rounds.done]
    assert len(starts) == 5
    assert [round(later - sooner, 6) for sooner, later in itertools.pairwise(starts)] == [5.0] * 4
    assert all([look.sample is not None for look in looks.pods] == [True, True] for _, _, looks in rounds.done)
    assert rounds.most == 2


def test_pods_that_hang_are_given_three_seconds_and_the_cadence_does_not_suffer() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", WATCH)
        await asyncio.sleep(26)

    rounds = play(Rounds(seconds=60), script)

    assert [round(at - looks.at, 6) for at, _, looks in rounds.done] == [3.0] * len(rounds.done)
    assert len(rounds.done) >= 4
    assert {look.reason for _, _, looks in rounds.done for look in looks.pods} == {"too slow"}


def test_at_a_short_interval_pods_are_given_no_more_than_the_interval() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", Watch(timedelta(seconds=1), stable="aaaa"))
        await asyncio.sleep(5)

    rounds = play(Rounds(seconds=60), script)

    assert {round(at - looks.at, 6) for at, _, looks in rounds.done} == {1.0}


def test_a_rollout_that_is_no_longer_watched_is_left_alone() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", WATCH)
        scraper.watch("fraud", WATCH)
        await asyncio.sleep(6)
        scraper.watch("churn", None)
        assert scraper.watched == 1
        await asyncio.sleep(20)

    keys = [key for _, key, _ in play(Rounds(), script).done]

    assert keys.count("churn") == 1
    assert keys.count("fraud") == 5


def test_never_more_scrapes_are_under_way_than_allowed_and_those_never_sent_say_so() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", WATCH)
        await asyncio.sleep(5.0 + 3.5)

    rounds = play(Rounds(pods=2 * OF_ONE_ROLLOUT + 10, seconds=2.0), script)

    assert rounds.most == OF_ONE_ROLLOUT
    looks = rounds.done[0][2].pods
    assert sum(look.sample is not None for look in looks) == 2 * OF_ONE_ROLLOUT
    assert [(look.reason, look.sent) for look in looks[2 * OF_ONE_ROLLOUT :]] == [(NEVER_SENT, False)] * 10


class Tenants(Rounds):
    """One tenant's pods say nothing for as long as they are listened to; everybody else's answer at once."""

    def __init__(self, rollouts: int, pods: int) -> None:
        super().__init__(pods)
        self.silent = [f"silent/r{number}" for number in range(rollouts)]

    def targets(self, key: str, _: Watch) -> tuple[Target, ...]:
        namespace, name = key.split("/")
        pods = self.pods if key in self.silent else 3
        return tuple(Target(namespace, f"{name}-{index}", f"u{index}", "aaaa", "") for index in range(pods))

    async def scrape(self, target: Target, seconds: float) -> Sample | Failure:
        if target.namespace == "silent":
            await asyncio.sleep(seconds)
            return Failure(f"no answer within {seconds:g} s")
        await asyncio.sleep(0.05)
        return Sample(target.name, "i", 1, 0, 0)


@pytest.mark.parametrize(("rollouts", "pods"), [(60, 10), (1, 600), (600, 1), (300, 20)])
def test_the_silent_pods_of_one_tenant_blind_nobody_else(rollouts: int, pods: int) -> None:
    others = ["shop/churn", "shop/fraud", "bank/risk"]

    async def script(scraper: Scraper) -> None:
        for key in (*rounds.silent, *others):
            scraper.watch(key, Watch(timedelta(seconds=1), stable="aaaa"))
        await asyncio.sleep(20)

    rounds = Tenants(rollouts, pods)
    play(rounds, script)

    for key in others:
        done = [(at, looks) for at, one, looks in rounds.done if one == key]
        assert len(done) >= 19
        assert all(look.sample is not None for _, looks in done for look in looks.pods)
        assert all(at - looks.at < 0.1 for at, looks in done)


def test_a_silent_rollout_leaves_places_to_its_neighbours_in_the_namespace() -> None:
    async def script(scraper: Scraper) -> None:
        for key in ("silent/r0", "silent/churn"):
            scraper.watch(key, Watch(timedelta(seconds=1), stable="aaaa"))
        await asyncio.sleep(20)

    rounds = Tenants(1, 600)
    real = rounds.scrape

    async def scrape(target: Target, seconds: float) -> Sample | Failure:
        return Sample(target.name, "i", 1, 0, 0) if target.name.startswith("churn") else await real(target, seconds)

    rounds.scrape = scrape  # type: ignore[method-assign]
    play(rounds, script)

    looks = [look for _, key, round_ in rounds.done if key == "silent/churn" for look in round_.pods]
    assert len(looks) >= 3 * 19
    assert all(look.sample is not None for look in looks)


def test_a_scrape_that_breaks_is_a_failed_scrape_and_its_round_is_not_lost() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", WATCH)
        await asyncio.sleep(6)

    class Broken(Rounds):
        async def scrape(self, target: Target, seconds: float) -> Sample | Failure:
            if target.name.endswith("-0"):
                raise OverflowError("cannot convert float infinity to integer")
            return await super().scrape(target, seconds)

    ((_, _, looks),) = play(Broken(), script).done

    assert [(look.sample is not None, look.sent, look.reason) for look in looks.pods] == [
        (False, True, "could not be scraped: OverflowError"),
        (True, True, ""),
    ]


def test_a_round_that_is_still_under_way_makes_the_next_one_fall_out() -> None:
    async def script(scraper: Scraper) -> None:
        scraper.watch("churn", Watch(timedelta(seconds=1), stable="aaaa"))
        await asyncio.sleep(10)

    rounds = play(Rounds(pods=OF_ONE_ROLLOUT + 1, seconds=0.9), script)

    assert len(rounds.done) >= 4
    assert all(looks.at >= done for (done, _, _), (_, _, looks) in pairwise(rounds.done))


def test_a_thousand_rollouts_make_a_steady_load() -> None:
    async def script(scraper: Scraper) -> None:
        for index in range(1000):
            scraper.watch(f"m{index}", WATCH)
        await asyncio.sleep(10.0)

    rounds = play(Rounds(pods=3), script)

    assert 1900 <= len(rounds.done) <= 2000
    assert rounds.most < 150


def test_only_watched_pods_whose_server_has_started_are_targets() -> None:
    starting: dict[str, Any] = {"containerStatuses": [{"name": "server", "started": False, "state": {"running": {}}}]}
    down: dict[str, Any] = {"containerStatuses": [{"name": "server", "started": False, "state": {"waiting": {}}}]}
    ending = pod("p-5")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pods = [
        pod("p-1"),
        pod("p-2", "bbbb"),
        pod("p-3", "cccc"),
        pod("p-4", **starting),
        ending,
        pod("p-6", podIP=""),
        pod("p-7", phase="Failed"),
        pod("p-8", **down),
    ]

    assert [target.name for target in targets(pods, WATCH)] == ["p-1", "p-2"]
    assert [target.name for target in targets(pods, Watch(timedelta(1), outside=("cccc",)))] == ["p-3"]
