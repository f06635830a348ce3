"""Objects with one monotone version for all, every write of them in order, and somebody told of each.

An object is never changed in place: a write puts a new one, so a reader may keep what it has got. Watches read `log`
from a version on; what was compacted is gone, and whoever asks for it has to list again.
"""

import asyncio
import copy
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Plural, namespace, name."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write, whether it changed anything or not; `before` or `after` is None where there was or is no object."""

    version: int
    at: float
    """When, in seconds."""
    by: str
    """The operator process, or who else."""
    verb: str
    key: Key
    before: Object | None
    after: Object | None

    @property
    def changes(self) -> bool:
        return self.before is not self.after

    def __str__(self) -> str:
        return f"{self.by} {self.verb} {' '.join(self.key)} at version {self.version}"


@dataclass(slots=True)
class Etcd:
    """What the API server keeps."""

    told: Callable[[Write], None] = lambda _: None
    now: Callable[[], float] = lambda: 0.0
    version: int = 1000
    compacted: int = 1000
    """Nothing up to this version can be watched any more."""
    objects: dict[Key, Object] = field(default_factory=dict)
    writes: int = 0
    _log: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    _waiting: dict[str, dict["asyncio.Future[None]", None]] = field(default_factory=lambda: defaultdict(dict))
    """In the order in which they began to wait: a set of them would be woken by their places in memory."""

    def get(self, key: Key) -> Object | None:
        return self.objects.get(key)

    def all(self, plural: str, namespace: str = "") -> Iterator[Object]:
        """Objects of one kind, by name."""
        for key in sorted(self.objects):
            if key[0] == plural and namespace in {"", key[1]}:
                yield self.objects[key]

    def put(self, key: Key, obj: Object | None, by: str, verb: str) -> Object | None:
        """Store an object under a new version, or take it away; what changes nothing gets no version."""
        before = self.objects.get(key)
        if obj == before:
            self._record(Write(self.version, self.now(), by, verb, key, before, before))
            return before
        self.version += 1
        after = None if obj is None else copy.deepcopy(obj)
        if after is None:
            del self.objects[key]
        else:
            after["metadata"]["resourceVersion"] = str(self.version)
            self.objects[key] = after
        write = Write(self.version, self.now(), by, verb, key, before, after)
        self._log[key[0]].append(write)
        self._record(write)
        for waiting in self._waiting.pop(key[0], {}):
            if not waiting.done():
                waiting.set_result(None)
        return after

    def since(self, plural: str, version: int) -> list[Write]:
        """Writes to a kind after a version, in order."""
        log = self._log[plural]
        return log[bisect_right(log, version, key=lambda write: write.version) :]

    def at(self, plural: str, version: int) -> dict[Key, Object]:
        """Objects of a kind as they were at a version that is not compacted."""
        found = {key: obj for key, obj in self.objects.items() if key[0] == plural}
        for write in reversed(self.since(plural, version)):
            if write.before is None:
                found.pop(write.key, None)
            else:
                found[write.key] = write.before
        return found

    def compact(self) -> None:
        """Forget how it came to this; open watches go on."""
        self.compacted = self.version
        for log in self._log.values():
            log.clear()

    async def news(self, plural: str, seconds: float) -> None:
        """Wait until a kind is written, or for so long."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[plural][waiting] = None
        try:
            async with asyncio.timeout(seconds):
                await waiting
        except TimeoutError:
            self._waiting[plural].pop(waiting, None)

    def _record(self, write: Write) -> None:
        self.writes += 1
        self.told(write)
