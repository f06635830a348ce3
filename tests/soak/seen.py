"""One rollout as it is now, looked at every second, with the rules that hold for its Service at every look."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from e2e.ending import NOT_TRIED_AGAIN
from soak.notes import Notes

from modelrollout import names
from modelrollout.kube.errors import KubeError
from stage.endpoints import Sample, look
from stage.kube import ApiError, Late, Object
from stage.rollout import Rollout

EVERY_SECONDS = 1.0


class Seen:
    """The newest state that is known of a rollout."""

    def __init__(self, rollout: Rollout, obj: Object, notes: Notes) -> None:
        self.rollout = rollout
        self.obj = obj
        self.sample: Sample | None = None
        self._notes = notes
        self._left: set[str] = set()
        """Rejected revisions that got no more traffic at some look."""
        self._bare = False
        """Whether no ready pod stood behind the Service at the last look."""
        self._news = asyncio.Condition()

    @property
    def status(self) -> Object:
        return self.obj.get("status") or {}

    @property
    def candidate(self) -> Object:
        return self.status.get("candidate") or {}

    @property
    def stable(self) -> str:
        return str((self.status.get("stable") or {}).get("revision", ""))

    def has(self, size: int) -> bool:
        """Whether stable has so many ready pods, and nobody else has any."""
        return self.sample is not None and dict(self.sample.pods) == {self.stable: size} and not self.sample.ending

    def take(self, obj: Object) -> None:
        """A state that somebody got; an older one than is known says nothing."""
        if _version(obj) >= _version(self.obj):
            self.obj = obj

    async def until(self, what: str, is_so: Callable[["Seen"], Any], seconds: float) -> None:
        """Wait for a look at which something is so.

        Raises:
            Late: it did not come to be so in time.

        """
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: bool(is_so(self)))
        except TimeoutError:
            now = f"phase {self.status.get('phase')}: {self.status.get('message')}"
            raise Late(f"{self.rollout.name}: {what}: not so after {seconds:g} s; {now}") from None

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with suppress(ApiError, KubeError):
                self.take(await self.rollout.get())
                self.sample = await look(self.rollout)
                self._check(self.sample)
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(EVERY_SECONDS)

    def _check(self, sample: Sample) -> None:
        self._notes.checks["a Service has ready pods"] += 1
        was_bare, self._bare = self._bare, not any(sample.behind.values())
        if self._bare and not was_bare:
            self._notes.blame(f"no ready pod behind the Service {self.rollout.name}: pods {dict(sample.pods)}")
        for revision in self._rejected():
            has_traffic = bool(sample.behind.get(revision)) or sample.selector.get(names.REVISION_LABEL) == revision
            if not has_traffic:
                self._left.add(revision)
            elif revision in self._left:
                self._notes.blame(f"{revision} of {self.rollout.name} was rejected, had no traffic, and has some again")
            self._notes.checks["a rejected revision stays without traffic"] += 1

    def _rejected(self) -> set[str]:
        history = self.status.get("history") or []
        return {one["revision"] for one in history if one["outcome"] in NOT_TRIED_AGAIN}


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
