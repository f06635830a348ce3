"""The courses that a rollout may take: what is asked for, what happens in the middle, and how it has to end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from soak.person import HEALTH, Owed, Person

from stage.models import COARSE, uri

GOOD = ("v1", "v2", "v3")
SLOW_GOOD = ("slow-load-v2", "slow-load-v3")
BAD = COARSE
"""Fails on rows that are marked, and on no other."""
SLOW_BAD = f"slow-load-{COARSE}"
EDITED_HEALTH = {**HEALTH, "limits": {**HEALTH["limits"], "errorRate": 0.06}}

Play = Callable[[Person], Awaitable[Owed]]


@dataclass(frozen=True, slots=True)
class Course:
    """One course of events."""

    play: Play
    share: int = 1
    fails: bool = False
    """Whether a bad model may get requests in it."""


async def good(one: Person) -> Owed:
    return promoted(one, await one.ask(one.dice.choice(GOOD)))


async def slow_good(one: Person) -> Owed:
    return promoted(one, await one.ask(one.dice.choice(SLOW_GOOD)))


async def bad(one: Person) -> Owed:
    return turned_down(one, await one.ask(BAD), "Rejected")


async def slow_bad(one: Person) -> Owed:
    return turned_down(one, await one.ask(SLOW_BAD), "Rejected")


async def cannot_load(one: Person) -> Owed:
    return turned_down(one, await one.ask("column-too-many"), "Rejected")


async def is_not_there(one: Person) -> Owed:
    return turned_down(one, await one.ask({"uri": uri("nowhere")}), "Rejected")


async def superseded(one: Person) -> Owed:
    """Somebody asks for the next model before this one has got through."""
    version = await one.ask(one.dice.choice((*SLOW_GOOD, SLOW_BAD)), held=True)
    await one.until_started(version)
    await one.wait_a_little()
    return await good(one)


async def reverted(one: Person) -> Owed:
    """Somebody takes the spec back to what serves."""
    version = await one.ask(one.dice.choice((*SLOW_GOOD, SLOW_BAD)), held=True)
    await one.until_started(version)
    await one.wait_a_little()
    serving = one.serving[-1]
    await one.change(model=one.models[serving])
    return Owed(serving)


async def aborted(one: Person) -> Owed:
    version = await one.ask(one.dice.choice(GOOD), held=True)
    await one.order("abort", await one.until_paused(version))
    return turned_down(one, version, "Aborted")


async def promoted_by_hand(one: Person) -> Owed:
    version = await one.ask(one.dice.choice(GOOD), held=True)
    await one.order("promote", await one.until_paused(version))
    return promoted(one, version)


async def hurried(one: Person) -> Owed:
    """Somebody waits for no evidence."""
    version = await one.ask(one.dice.choice(SLOW_GOOD), held=True)
    revision = await one.until_paused(version) if one.dice.random() < 0.5 else await _candidate(one, version)
    await one.order("promote-all", revision)
    return promoted(one, version)


async def limits_edited(one: Person) -> Owed:
    version = await one.ask(one.dice.choice(SLOW_GOOD))
    await one.until_started(version)
    await one.wait_a_little()
    await one.change(health=EDITED_HEALTH)
    return promoted(one, version)


async def resized(one: Person) -> Owed:
    version = await one.ask(one.dice.choice(SLOW_GOOD))
    await one.until_started(version)
    await one.wait_a_little()
    await one.change(replicas=3)
    return promoted(one, version)


async def paused(one: Person) -> Owed:
    version = await one.ask(one.dice.choice(SLOW_GOOD))
    await one.until_started(version)
    await one.wait_a_little()
    await one.change(paused=True)
    await one.wait_a_little()
    await one.change(paused=False)
    return promoted(one, version)


async def taken_back(one: Person) -> Owed:
    """Somebody wants the model before the present one again."""
    if not one.goes_back:
        return await good(one)
    left = one.serving.pop()
    one.goes_back = False
    await one.order("rollback", one.seen.stable)
    return Owed(one.serving[-1], left, "Aborted")


async def restarted(one: Person) -> Owed:
    await one.order("restart", one.seen.stable)
    return Owed(one.serving[-1])


def promoted(one: Person, version: str) -> Owed:
    one.serving.append(version)
    one.goes_back = True
    return Owed(version, version, "Promoted")


def turned_down(one: Person, version: str, outcome: str) -> Owed:
    return Owed(one.serving[-1], version, outcome)


async def _candidate(one: Person, version: str) -> str:
    await one.until_started(version)
    return str(one.seen.candidate["revision"])


COURSES: Mapping[str, Course] = {
    "good": Course(good, 3),
    "good, loads slowly": Course(slow_good, 2),
    "bad": Course(bad, 3, fails=True),
    "bad, loads slowly": Course(slow_bad, 2, fails=True),
    "cannot load": Course(cannot_load),
    "not there": Course(is_not_there),
    "superseded": Course(superseded, fails=True),
    "reverted": Course(reverted, fails=True),
    "aborted": Course(aborted),
    "promoted by hand": Course(promoted_by_hand),
    "hurried": Course(hurried),
    "limits edited": Course(limits_edited),
    "resized": Course(resized),
    "paused": Course(paused),
    "taken back": Course(taken_back),
    "restarted": Course(restarted),
}
