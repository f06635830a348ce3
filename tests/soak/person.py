"""Whoever looks after one rollout: asks for one model after the other, changes their mind, gives commands."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from e2e.specs import Spec, model_of, spec
from soak.notes import Notes
from soak.seen import Seen
from soak.tally import Tally

from modelrollout import names
from stage.kube import Late, Object
from stage.rollout import Rollout, is_true, ready, revision_of

COURSE_SECONDS = 600.0
"""A deadline that only a broken system reaches: a rollout takes about one minute."""
REST_SECONDS = 240.0
REFUSALS = 60
"""How often a command may come at a bad moment, for instance while a pod that was taken away starts again."""

HELD: Spec = {"duration": None}
"""A pause until a person goes on."""
HEALTH: Spec = {"interval": "1s", "limits": {"errorRate": 0.05, "p95LatencyMs": 10_000}}
"""Two cores that are this busy answer late at times; nobody is to be blamed for it here."""
PLAIN: Spec = {
    "replicas": 2,
    "paused": False,
    "health": HEALTH,
    "rollback": {"cooldown": "5s", "keepPrevious": "3s", "watch": "20s"},
}


def canary(*weights: int, pause: Spec | None = None) -> Spec:
    steps: list[Spec] = [{"weight": weight} | ({"pause": {}} if pause is not None else {}) for weight in weights]
    return {"canary": {"steps": steps}, "blueGreen": None}


def blue_green(pause: Spec | None = None) -> Spec:
    return {"canary": None, "blueGreen": {"previewSamples": 0, "pause": pause}}


STRATEGIES = (canary(25, 50), canary(50), blue_green())
WITH_PAUSES = (canary(50, pause=HELD), blue_green(pause=HELD))


def first_spec() -> Spec:
    """What serves first; everything later is a patch of it."""
    return spec(model_of("v1", "0.1.0"), **PLAIN, strategy={"canary": {"steps": [{"weight": 50}]}})


@dataclass(frozen=True, slots=True)
class Owed:
    """How something has to end."""

    stable: str
    """Version that serves at the end."""
    version: str = ""
    """The version that was asked for last, where there is one."""
    outcome: str = ""
    """What the history says of it."""


class Person:
    """One rollout's owner, with what they know of it."""

    def __init__(self, seen: Seen, tally: Tally, notes: Notes, dice: random.Random) -> None:
        self.seen = seen
        self.tally = tally
        self.notes = notes
        self.dice = dice
        self.serving = ["0.1.0"]
        """Versions that were promoted and not taken back, newest last."""
        self.goes_back = False
        """Whether the model before the present one is known to be remembered."""
        self.models: dict[str, Spec] = {"0.1.0": model_of("v1", "0.1.0")}
        self._asked = 0
        self._ordered = 0

    @property
    def rollout(self) -> Rollout:
        return self.seen.rollout

    @property
    def name(self) -> str:
        return self.rollout.name

    async def ask(self, model: str | Spec, *, held: bool = False) -> str:
        """Ask for a model, as a version of its own, by a strategy drawn by lot; gives the version."""
        self._asked += 1
        version = f"{self._asked}.0.0"
        self.models[version] = model_of(model, version) if isinstance(model, str) else {**model, "version": version}
        strategy = self.dice.choice(WITH_PAUSES if held else STRATEGIES)
        await self.change(**PLAIN, model=self.models[version], strategy=strategy)
        return version

    async def change(self, **parts: Any) -> None:
        self.seen.take(await self.rollout.change(parts))

    async def wait_a_little(self, most: float = 20.0) -> None:
        await asyncio.sleep(self.dice.uniform(0, most))

    async def until_started(self, version: str) -> None:
        """Wait until a version is the candidate, or was one already."""
        await self.seen.until(f"{version} has begun", lambda now: version in _tried(now.status), COURSE_SECONDS)

    async def until_paused(self, version: str) -> str:
        """Wait until a candidate waits for a person; gives its revision."""
        await self.seen.until(
            f"{version} waits for a person",
            lambda now: (now.candidate.get("version"), now.candidate.get("stage")) == (version, "Paused"),
            COURSE_SECONDS,
        )
        return str(self.seen.candidate["revision"])

    async def order(self, verb: str, revision: str) -> None:
        """Give a command, and again while it comes at a bad moment."""
        for _ in range(REFUSALS):
            self._ordered += 1
            number = str(self._ordered)
            await self.rollout.command(verb, revision, number)
            await self.seen.until(f"{verb} is answered", _answered(number), COURSE_SECONDS)
            if self.seen.status["lastCommand"]["outcome"] == "Done":
                return
            await asyncio.sleep(1)
        raise Late(f"{self.name}: {verb}: {self.seen.status['lastCommand']['message']}")

    async def over(self, owed: Owed) -> str:
        """Wait for the end of what was begun; gives what came of it, and blames what should not be."""
        await self.seen.until("it has ended", _is_over, COURSE_SECONDS)
        status = self.seen.status
        outcome = _tried(status).get(owed.version, "") if owed.version else ""
        found = Owed(status["stable"]["version"], owed.version, outcome if owed.outcome else "")
        if found != owed:
            self.notes.blame(f"{self.name} ended as {found}, and should have as {owed}: {status.get('message')}")
        await self._rests()
        return outcome or "as before"

    async def _rests(self) -> None:
        """Wait until nothing but stable's pods is left."""
        size = self.seen.obj["spec"]["replicas"]

        def rests(pods: list[Object]) -> bool:
            of_stable = {revision_of(pod) for pod in pods} == {self.seen.stable}
            return of_stable and len(pods) == size and all(ready(pod) for pod in pods)

        await self.seen.until("stable's pods are ready", lambda now: now.has(size), REST_SECONDS)
        await self.rollout.until_pods(f"only {size} pods of stable are left, and ready", rests, REST_SECONDS)
        selector = await self.rollout.selector()
        if selector != names.revision_selector(self.name, self.seen.stable):
            self.notes.blame(f"the Service {self.name} selects {selector} at rest, and stable is {self.seen.stable}")


def _is_over(now: Seen) -> bool:
    status = now.status
    moves = status.get("candidate") or status.get("retreat")
    return not moves and (is_true(now.obj, "Ready") or is_true(now.obj, "Stalled"))


def _tried(status: Object) -> dict[str, str]:
    """What became of each version; a candidate's is empty."""
    tried = {one["version"]: one["outcome"] for one in status.get("history") or []}
    candidate = status.get("candidate") or {}
    return tried | ({candidate["version"]: ""} if candidate else {})


def _answered(number: str) -> Callable[[Seen], bool]:
    return lambda now: (now.status.get("lastCommand") or {}).get("id") == number
