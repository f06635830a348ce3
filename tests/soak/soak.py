"""Random rollouts of a few ModelRollouts on the real cluster, under random faults and steady requests."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from soak.calm import stay_quiet
from soak.courses import COURSES
from soak.damage import Damage, Scene
from soak.deck import Deck
from soak.notes import Notes
from soak.operators import Operators
from soak.person import Person, first_spec
from soak.seen import Seen
from soak.tally import Tally, told

from modelrollout.traffic.load import Shape
from stage.kube import ApiError, Cluster, Late
from stage.models import rows
from stage.programs import Programs
from stage.requests import steady, target_of
from stage.rollout import Rollout

ROLLOUTS = ("churn", "fraud", "price")
SHAPE = Shape(rate=10, kept=3, fresh_share=0.5, timeout=15)
"""For each Service: evidence within seconds, little enough for two cores."""
TOLD_SECONDS = 30.0
TAKEN_SECONDS = 5.0
LOST_SHOWN = 5


class Soak:
    """One run, and all that was noted of it."""

    def __init__(self, tools: Programs, cluster: Cluster, seed: int) -> None:
        self.notes = Notes()
        self.operators = Operators(cluster, self.notes)
        self.people: list[Person] = []
        self._tools = tools
        self._cluster = cluster
        self._seed = seed
        self._enough = False

    def stop(self) -> None:
        """Begin nothing more, before its time."""
        self._enough = True

    async def run(self, namespace: str, seconds: float) -> list[str]:
        """Play for so many seconds, and then until what is under way has ended; gives what is wrong."""
        async with AsyncExitStack() as stack:
            self.people = [await stack.enter_async_context(self._begun(namespace, name)) for name in ROLLOUTS]
            watching = [self.operators.run(), self._tell(), self._take(), *(one.seen.run() for one in self.people)]
            await stack.enter_async_context(beside(*watching))
            self.notes.say(f"{len(self.people)} rollouts serve; faults and changes begin")
            await self._play(seconds)
            await stay_quiet(self._tools, namespace, self.notes)
        self._count_requests()
        return [*self.notes.wrong, *self.operators.hoards()]

    @asynccontextmanager
    async def _begun(self, namespace: str, name: str) -> AsyncIterator[Person]:
        """A rollout that serves, and requests to it."""
        rollout = Rollout(self._cluster, namespace, name)
        await rollout.apply(first_spec())
        obj = await rollout.until_condition("Ready")
        async with steady(await target_of(self._tools, rollout), rows(), SHAPE) as load:
            yield Person(Seen(rollout, obj, self.notes), Tally(load), self.notes, self._dice(name))

    async def _play(self, seconds: float) -> None:
        began = time.monotonic()
        ends = began + seconds
        scene = Scene(
            self._tools, self._cluster, [one.seen for one in self.people], self.operators, self._dice("faults")
        )
        damage = Damage(scene, self.notes, kills_until=began + seconds / 2)
        breaking = asyncio.create_task(damage.run())
        try:
            await asyncio.gather(*(self._live(one, ends) for one in self.people))
        finally:
            damage.stop()
            await breaking  # whatever is taken away is given back first

    async def _live(self, one: Person, ends: float) -> None:
        """One course after the other; a rollout that is stuck is left as it is, for somebody to look at."""
        deck = Deck({name: course.share for name, course in COURSES.items()}, one.dice)
        try:
            while time.monotonic() < ends and not self._enough:
                await self._course(one, deck.deal())
        except (Late, ApiError) as error:
            self.notes.blame("; ".join([str(error), *getattr(error, "__notes__", ())]))

    async def _course(self, one: Person, name: str) -> None:
        course = COURSES[name]
        before = one.tally.failed
        came_of_it = await one.over(await course.play(one))
        self._count_requests()
        self.notes.ended(one.name, name, came_of_it)
        if not course.fails and one.tally.failed > before:
            self.notes.blame(
                f'{one.name}: {one.tally.failed - before} answers of a failing model in the course "{name}"'
            )

    async def _tell(self) -> None:
        """Say every half minute how it goes."""
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            self.notes.say(self._progress())

    async def _take(self) -> None:
        while True:
            await asyncio.sleep(TAKEN_SECONDS)
            self._count_requests()

    def _count_requests(self) -> None:
        for one in self.people:
            lost = one.tally.take()
            for record in lost[:LOST_SHOWN]:
                self.notes.say(f"LOST at {one.name}: {told(record)}")
            if lost:
                self.notes.blame(f"{len(lost)} requests to {one.name} were lost")

    def _progress(self) -> str:
        return (
            f"{self.notes.endings.total()} rollouts  {self.requests:,} requests  {self.lost} lost  "
            f"{self.notes.faults.total()} faults  {self.operators.now()}"
        )

    @property
    def requests(self) -> int:
        return sum(one.tally.requests for one in self.people)

    @property
    def lost(self) -> int:
        return sum(one.tally.lost for one in self.people)

    def lines(self) -> list[str]:
        """What is said at the end."""
        failed = sum(one.tally.failed for one in self.people)
        return [
            f"\nseed {self._seed}, {self.notes.minutes:.1f} minutes",
            *self.notes.lines(),
            f"{self.requests:>9,}  requests, {failed:,} of them failed by a bad model, {self.lost} lost",
            *self.operators.lines(),
            f"{len(self.notes.wrong) + len(self.operators.hoards()):>9,}  things wrong",
        ]

    def _dice(self, of: str) -> random.Random:
        return random.Random(f"{self._seed} {of}")  # noqa: S311  # the same plan for the same seed


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do these things while the block runs; one that breaks is raised at the block's end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
