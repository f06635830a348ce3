"""Follows the aliases that specs name: asks now and then, remembers the last answer, and tells whoever waits for it.

One task for each alias, however many rollouts name it. What is known is only a view: the status of a rollout keeps the
version, so that neither a restart nor a registry that is away changes anything.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from modelrollout import registered
from modelrollout.core.facts import UNAVAILABLE, AliasSeen, RegistryTrouble
from modelrollout.registered import Registered
from modelrollout.registry.declared import Declared

EVERY_SECONDS = 30.0
FIRST_RETRY_SECONDS = 2.0
LONGEST_SECONDS = 300.0
TOLERATED = 2
"""Requests in a row that may fail before anybody is told: one that was lost is no news."""
AT_ONCE = 8
"""Requests under way at the same time, over all registries."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A registry's answer."""

    version: str
    sha256: str = ""


Ask = Callable[[Declared, Registered], Awaitable[Found | RegistryTrouble]]
"""Ask one registry. Never raises."""
Changed = Callable[[str], None]
"""Told the key of a rollout whose alias has news."""
Asked = Callable[[str, str], None]
"""Told of each answer: the registry's name, and "ok" or the trouble's reason."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a registry is asked for one alias, in seconds."""

    every: float = EVERY_SECONDS
    first_retry: float = FIRST_RETRY_SECONDS
    longest: float = LONGEST_SECONDS

    def after(self, failures: int) -> float:
        """Until it is asked again after so many failures in a row; none of them at the same time as others."""
        wait = self.every if failures == 0 else min(self.first_retry * 2 ** min(failures - 1, 30), self.longest)
        return wait * random.uniform(0.9, 1.1)  # noqa: S311  # no secret


class Following:
    """What declared registries say about the aliases that rollouts name."""

    def __init__(
        self, declared: Iterable[Declared], ask: Ask, changed: Changed, asked: Asked, pace: Pace | None = None
    ) -> None:
        self._declared = {one.name: one for one in declared}
        self._ask = ask
        self._changed = changed
        self._asked = asked
        self._pace = pace or Pace()
        self._wishes: dict[str, str] = {}
        self._seen: dict[str, AliasSeen] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def urls(self) -> Mapping[str, str]:
        """Addresses of the declared registries, in the order of their declaration."""
        return {name: one.url for name, one in self._declared.items()}

    @property
    def followed(self) -> int:
        """Aliases that are asked for now and then."""
        return len(self._tasks)

    def look(self, key: str, uri: object) -> AliasSeen | None:
        """What is known of the alias that a rollout names now; from here on it is followed."""
        model = registered.parsed(uri)
        if model is None or not model.alias or self._registry(model) is None:
            self.drop(key)
            return None
        address = str(uri)
        if self._wishes.get(key) != address:
            self.drop(key)
            self._wishes[key] = address
        if address not in self._tasks or self._tasks[address].done():  # one that broke begins again
            self._seen.setdefault(address, AliasSeen(address))
            self._tasks[address] = asyncio.create_task(self._follow(address, model), name=f"alias {address}")
        return self._seen[address]

    def drop(self, key: str) -> None:
        """A rollout names no alias any more; nobody asks for one that no rollout names."""
        uri = self._wishes.pop(key, "")
        if uri and uri not in self._wishes.values():
            self._tasks.pop(uri).cancel()
            del self._seen[uri]

    def clear(self) -> None:
        """Forget everything, as in a restart."""
        for key in tuple(self._wishes):
            self.drop(key)

    def _registry(self, model: Registered) -> Declared | None:
        return self._declared.get(registered.declared(model.registry, self.urls))

    async def _follow(self, uri: str, model: Registered) -> None:
        registry = self._registry(model)
        if registry is None:
            return
        failures = 0
        while True:
            answer = await self._answer(registry, model)
            self._asked(registry.name, answer.reason if isinstance(answer, RegistryTrouble) else "ok")
            is_lost = isinstance(answer, RegistryTrouble) and answer.reason == UNAVAILABLE
            failures = failures + 1 if is_lost else 0
            if failures == 0 or failures > TOLERATED:
                self._learn(uri, answer)
            await asyncio.sleep(self._pace.after(failures))

    async def _answer(self, registry: Declared, model: Registered) -> Found | RegistryTrouble:
        async with self._slots:
            try:
                return await self._ask(registry, model)
            except Exception:
                log.exception("asking the registry %s broke", registry.name)
                return RegistryTrouble(UNAVAILABLE, f'the registry "{registry.name}" could not be asked')

    def _learn(self, uri: str, answer: Found | RegistryTrouble) -> None:
        before = self._seen[uri]
        if isinstance(answer, RegistryTrouble):
            after = replace(before, trouble=answer)
        else:
            after = AliasSeen(uri, answer.version, answer.sha256)
        if after == before:
            return
        self._seen[uri] = after
        _log(before, after)
        for key in [key for key, wish in self._wishes.items() if wish == uri]:
            self._changed(key)


def _log(before: AliasSeen, after: AliasSeen) -> None:
    if after.trouble is not None:
        log.warning("%s: %s", after.uri, after.trouble.message)
    elif before.trouble is not None or after.version != before.version:
        log.info("%s is version %s", after.uri, after.version)
