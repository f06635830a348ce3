"""Who may scrape next: places that are shared by namespace, and within one by rollout, so that nobody takes them all.

A namespace takes a place only while more are free than it has, and a rollout while its namespace could take more than
the rollout has. So one tenant whose pods are silent gets half of the places, two get a third each, and there always are
some for whoever comes next.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Rollout:
    taken: int = 0
    line: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def waits(self) -> bool:
        """Whether somebody waits who has not been told to give up."""
        return any(not place.done() for place in self.line)


@dataclass(slots=True)
class _Namespace:
    taken: int = 0
    rollouts: dict[str, _Rollout] = field(default_factory=dict)


class Slots:
    """Places for scrapes under way."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._namespaces: dict[str, _Namespace] = {}

    @asynccontextmanager
    async def one(self, namespace: str, rollout: str, seconds: float) -> AsyncIterator[None]:
        """Have a place while the block runs.

        Raises:
            TimeoutError: none came within so many seconds.

        """
        await self._take(namespace, rollout, seconds)
        try:
            yield
        finally:
            self._give_back(namespace, rollout)

    async def _take(self, namespace: str, rollout: str, seconds: float) -> None:
        known = self._namespaces.setdefault(namespace, _Namespace())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        known.rollouts.setdefault(rollout, _Rollout()).line.append(place)
        self._hand_out()
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException:
            if place.cancelled():
                known.rollouts[rollout].line.remove(place)
                self._tidy(namespace, rollout)
            else:
                self._give_back(namespace, rollout)
            raise

    def _give_back(self, namespace: str, rollout: str) -> None:
        known = self._namespaces[namespace]
        self._free += 1
        known.taken -= 1
        known.rollouts[rollout].taken -= 1
        self._tidy(namespace, rollout)
        self._hand_out()

    def _tidy(self, namespace: str, rollout: str) -> None:
        known = self._namespaces[namespace]
        one = known.rollouts[rollout]
        if not one.taken and not one.line:
            del known.rollouts[rollout]
        if not known.rollouts:
            del self._namespaces[namespace]

    def _hand_out(self) -> None:
        """Give free places away, first to whoever has the fewest."""
        while (found := self._next()) is not None:
            namespace, rollout = found
            self._free -= 1
            namespace.taken += 1
            rollout.taken += 1
            place = next(one for one in rollout.line if not one.done())
            rollout.line.remove(place)
            place.set_result(None)

    def _next(self) -> tuple[_Namespace, _Rollout] | None:
        for namespace in sorted(self._namespaces.values(), key=_taken):
            more = self._free - namespace.taken
            if more <= 0:  # for those that have more there is even less
                return None
            rollout = min((one for one in namespace.rollouts.values() if one.waits), key=_taken, default=None)
            if rollout is not None and rollout.taken < more:
                return namespace, rollout
        return None


def _taken(one: _Namespace | _Rollout) -> int:
    return one.taken
