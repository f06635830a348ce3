"""Follows the aliases that specs name: asks now and then, remembers the last answer, and tells whoever waits for it.

One task for each question, however many rollouts have it. What is known is only a view: the status of a rollout keeps
the version, so that neither a restart nor a registry that is away changes anything.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from modelrollout.core.facts import BLOCKED, UNAVAILABLE, AliasSeen, RegistryTrouble
from modelrollout.printable import said

EVERY_SECONDS = 30.0
FIRST_RETRY_SECONDS = 2.0
LONGEST_SECONDS = 300.0
TOLERATED = 2
"""Requests in a row that may fail before anybody is told: one that was lost is no news."""
AT_ONCE = 8
"""Requests under way at the same time, over all registries."""

log = logging.getLogger(__name__)


class Question(Protocol):
    """What one alias of one registry stands for; a value, by which it is known."""

    @property
    def label(self) -> str:
        """The registry's name, for counting."""

    def unanswered(self) -> AliasSeen:
        """What is known before there is an answer."""

    def __hash__(self) -> int: ...


Asked = TypeVar("Asked", bound=Question)


@dataclass(frozen=True, slots=True)
class Found:
    """A registry's answer."""

    version: str
    sha256: str = ""


Ask = Callable[[Asked], Awaitable[Found | RegistryTrouble]]
"""Find out what one alias stands for. Never raises."""
Changed = Callable[[str], None]
"""Told the key of a rollout whose alias has news."""
Counted = Callable[[str, str], None]
"""Told of each answer: the question's label, and "ok" or the trouble's reason."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the same question is asked, in seconds."""

    every: float = EVERY_SECONDS
    first_retry: float = FIRST_RETRY_SECONDS
    longest: float = LONGEST_SECONDS

    def after(self, failures: int) -> float:
        """Until it is asked again after so many failures in a row; none of them at the same time as others."""
        wait = self.every if failures == 0 else min(self.first_retry * 2 ** min(failures - 1, 30), self.longest)
        return wait * random.uniform(0.9, 1.1)  # noqa: S311  # no secret


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what is learnt."""

    changed: Changed
    counted: Counted


class Following(Generic[Asked]):
    """What registries say about the aliases that rollouts name."""

    def __init__(self, ask: Ask[Asked], listeners: Listeners, pace: Pace | None = None) -> None:
        self._ask = ask
        self._listeners = listeners
        self._pace = pace or Pace()
        self._wishes: dict[str, Asked] = {}
        self._seen: dict[Asked, AliasSeen] = {}
        self._tasks: dict[Asked, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def followed(self) -> int:
        """Questions that are asked now and then."""
        return len(self._tasks)

    def look(self, key: str, question: Asked) -> AliasSeen:
        """What is known of the alias that a rollout names now; from here on it is followed."""
        if self._wishes.get(key) != question:
            self.drop(key)
            self._wishes[key] = question
        if question not in self._tasks or self._tasks[question].done():  # one that broke begins again
            self._seen.setdefault(question, question.unanswered())
            self._tasks[question] = asyncio.create_task(self._follow(question), name=f"alias of {key}")
        return self._seen[question]

    def drop(self, key: str) -> None:
        """A rollout names no alias any more; nobody asks for one that no rollout names."""
        question = self._wishes.pop(key, None)
        if question is not None and question not in self._wishes.values():
            self._tasks.pop(question).cancel()
            del self._seen[question]

    def clear(self) -> None:
        """Forget everything, as in a restart."""
        for task in self._tasks.values():
            task.cancel()
        for known in (self._wishes, self._seen, self._tasks):
            known.clear()

    async def _follow(self, question: Asked) -> None:
        failures = 0
        while True:
            answer = await self._answer(question)
            reason = answer.reason if isinstance(answer, RegistryTrouble) else "ok"
            self._listeners.counted(question.label, reason)
            failures = failures + 1 if reason in {UNAVAILABLE, BLOCKED} else 0
            if reason != UNAVAILABLE or failures > TOLERATED:
                self._learn(question, answer)
            await asyncio.sleep(self._pace.after(failures))

    async def _answer(self, question: Asked) -> Found | RegistryTrouble:
        async with self._slots:
            try:
                return await self._ask(question)
            except Exception:
                log.exception("asking the registry %s broke", question.label)
                return RegistryTrouble(UNAVAILABLE, f'the registry "{question.label}" could not be asked')

    def _learn(self, question: Asked, answer: Found | RegistryTrouble) -> None:
        before = self._seen[question]
        if isinstance(answer, RegistryTrouble):
            after = replace(before, trouble=replace(answer, message=said(answer.message)))
        else:
            after = replace(question.unanswered(), version=answer.version, sha256=answer.sha256)
        if after == before:
            return
        self._seen[question] = after
        _log(before, after)
        for key in [key for key, wish in self._wishes.items() if wish == question]:
            self._listeners.changed(key)


def _log(before: AliasSeen, after: AliasSeen) -> None:
    if after.trouble is not None:
        log.warning("%s: %s", after.uri, after.trouble.message)
    elif before.trouble is not None or after.version != before.version:
        log.info("%s is version %s", after.uri, after.version)
