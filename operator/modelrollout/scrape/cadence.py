"""When each rollout is scraped next: one heap of due times for all. Pure; time is an argument.

Each rollout keeps its own fixed grid of times, so that a slow round does not make the next one later. The grids of
different rollouts are spread over the interval by their names, so that a thousand of them make a steady load.
"""

import heapq
import math
import zlib
from dataclasses import dataclass, field


@dataclass(slots=True)
class Cadence:
    """Due times of keys, in seconds of the monotonic clock."""

    _heap: list[tuple[float, str]] = field(default_factory=list)
    _due: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Key to due time and interval; entries of the heap that disagree are old."""

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: str, interval: float, now: float) -> None:
        """Scrape a key every `interval` from now on; a key that has this interval already keeps its grid."""
        known = self._due.get(key)
        if known is not None and known[1] == interval:
            return
        self._push(key, _on_grid(key, interval, now), interval)

    def remove(self, key: str) -> None:
        self._due.pop(key, None)

    def next_due(self) -> float | None:
        """When the next key is due; None when there is none."""
        while self._heap and not self._is_current(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> str | None:
        """A key that is due, put back at its next time on its grid; None when none is due."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, key = heapq.heappop(self._heap)
        interval = self._due[key][1]
        missed = math.floor((now - due) / interval)
        self._push(key, due + (missed + 1) * interval, interval)
        return key

    def _push(self, key: str, due: float, interval: float) -> None:
        self._due[key] = (due, interval)
        heapq.heappush(self._heap, (due, key))

    def _is_current(self, due: float, key: str) -> bool:
        known = self._due.get(key)
        return known is not None and known[0] == due


def _on_grid(key: str, interval: float, now: float) -> float:
    """The first time from now on that is on the key's own grid, at most one interval away."""
    offset = (zlib.crc32(key.encode()) % 10_000) / 10_000 * interval
    return now + (offset - now) % interval
