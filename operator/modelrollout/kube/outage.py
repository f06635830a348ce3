"""How often an API server that fails is still asked: twice a second at most, whoever has something to ask.

Each part has its own patience, but together they would be many. So as soon as three answers in a row were no answers,
calls wait in line, and one goes out each second; rollbacks have a line of their own, as long as that. The first good
answer opens both lines at once.

Where calls are answered and only watches break, nothing tells a good answer from the next bad one. So what begins again
after a rest begins one after the other, the first one at once.

A call that hung when the outage ended fails later, for a reason that is gone. So nobody rests for long soon after it.
"""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta

FAILURES = 3
LINE_SECONDS = 1.0
URGENT_LINE_SECONDS = 1.25
"""The two lines together send 1.8 calls a second."""
AGAIN_SECONDS = 1.25
"""From one that begins again to the next: each lists and watches, which makes 1.6 calls a second."""
ALL_AGAIN_SECONDS = 10.0
"""Until all watches have begun again, however many namespaces they look after."""
SOON_AFTER_SECONDS = 20.0
"""After an outage: by then each call that it caught has failed, be it a silent watch."""
SHORT_REST_SECONDS = 0.75
BAD_CODES = frozenset({0, 401, 403, 429})
SERVER_ERROR = 500


class Outage:
    """Whether the API server answers, and the lines before it while it does not."""

    def __init__(self) -> None:
        self._failures = 0
        self.over = asyncio.Event()
        self.over.set()
        self.line = Line(self, LINE_SECONDS)
        self.urgent = Line(self, URGENT_LINE_SECONDS)
        self.watches: set[tuple[str, str]] = set()
        """Kinds and namespaces that are watched."""
        self._next = 0.0
        self._ended = -math.inf

    @property
    def is_on(self) -> bool:
        return not self.over.is_set()

    def answered(self, code: int, wait: timedelta | None = None) -> None:
        """One call has ended: with a code, 0 for no answer; `wait` is how long the server asks to be left alone."""
        if code not in BAD_CODES and code < SERVER_ERROR:
            self._failures = 0
            self._end()
            return
        self._failures += 1
        if wait is not None:
            self.line.hold(wait)
        if wait is not None or self._failures >= FAILURES:
            self.over.clear()

    def _end(self) -> None:
        if self.is_on:
            self.over.set()
            self._ended = asyncio.get_running_loop().time()

    async def rest(self, seconds: float) -> None:
        """Wait before a list and a watch begin again; where the API server fails, only until it answers again."""
        if not self.is_on:
            ended_lately = asyncio.get_running_loop().time() - self._ended < SOON_AFTER_SECONDS
            await asyncio.sleep(min(seconds, SHORT_REST_SECONDS) if ended_lately else seconds)
            await self._one_after_the_other()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    async def _one_after_the_other(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + min(AGAIN_SECONDS, ALL_AGAIN_SECONDS / max(1, len(self.watches)))
        await asyncio.sleep(at - now)


class Line:
    """Lets everybody pass while the API server answers, else one at a time."""

    def __init__(self, outage: Outage, seconds: float) -> None:
        self._outage = outage
        self._seconds = seconds
        self._next = 0.0
        self._lock = asyncio.Lock()

    def hold(self, wait: timedelta) -> None:
        """Let nobody pass for a while, unless a good answer comes first."""
        self._next = max(self._next, asyncio.get_running_loop().time() + wait.total_seconds())

    async def turn(self) -> None:
        """Wait for one's turn."""
        if not self._outage.is_on:
            return
        async with self._lock:
            left = self._next - asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, left)):
                    await self._outage.over.wait()
            self._next = max(self._next, asyncio.get_running_loop().time() + self._seconds)
