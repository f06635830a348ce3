"""The load itself: requests at a fixed rate whatever the answers do, on kept and on fresh connections.

Open loop: a request is due at its time, and its latency counts from there. A slow server therefore gets no relief
and hides nothing. No request is ever sent twice.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from modelrollout.traffic.attempts import Ending, attempt
from modelrollout.traffic.connection import Connection, Target
from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.rows import Row, Rows

FEWEST_MISSES = 5
"""Connections in a row that could not be made, at least, before the target counts as gone."""
MOST_FRESH = 256
"""Fresh connections at once; one more waits, and its request's time runs."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much, how long, over what."""

    rate: float = 100.0
    """Requests a second, all connections together."""
    kept: int = 20
    """Connections that are kept open, each used by one request at a time."""
    fresh_share: float = 0.2
    """Part of the requests, 0 to 1, that get a connection of their own."""
    timeout: float = 5.0
    """Seconds from when a request was due until it is given up."""
    most: int = 1_000_000
    """Requests after which it ends by itself."""
    gone_after: float = 120.0
    """Seconds without any connection after which the target counts as gone; it ends then, too."""


@dataclass(frozen=True, slots=True)
class Due:
    """One request that waits for its connection."""

    number: int
    at: float
    row: Row


class Load:
    """Requests against one target. `records` grows while it runs and may be read at any time."""

    def __init__(self, target: Target, rows: Rows, shape: Shape | None = None) -> None:
        self.target = target
        self.rows = rows
        self.shape = shape or Shape()
        self.records: list[Record] = []
        self.gone = ""
        """Why it ended by itself: a sentence where its target was gone."""
        self._waiting: asyncio.Queue[Due | None] = asyncio.Queue()
        self._fresh = asyncio.Semaphore(MOST_FRESH)
        self._stop = asyncio.Event()
        self._misses = 0
        self._missing_since = 0.0
        self._connections = 0
        self._epoch = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        return self._epoch + time.monotonic()

    def stop(self) -> None:
        """Send nothing more; `run` ends when what is under way has ended."""
        self._stop.set()

    async def run(self) -> None:
        """Send until stopped or until `shape.most` requests were due, then wait for what is under way."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.shape.kept):
                group.create_task(self._lane())
            await self._arrivals(group)
            for _ in range(self.shape.kept):
                self._waiting.put_nowait(None)

    async def _arrivals(self, group: asyncio.TaskGroup) -> None:
        began = self.now()
        for number in range(self.shape.most):
            at = began + number / self.shape.rate
            if await self._stopped_before(at):
                return
            due = Due(number, at, self.rows.take())
            if self._is_fresh(number):
                group.create_task(self._on_fresh(due))
            else:
                self._waiting.put_nowait(due)

    async def _stopped_before(self, at: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), max(0.0, at - self.now()))
        return self._stop.is_set()

    def _is_fresh(self, number: int) -> bool:
        """Evenly spread: with a share of .2 every fifth request."""
        share = self.shape.fresh_share if self.shape.kept else 1.0
        return int((number + 1) * share) > int(number * share)

    async def _lane(self) -> None:
        """One kept connection: made when it is needed, used until one side ends it."""
        lane = _Lane()
        try:
            while (due := await self._waiting.get()) is not None:
                await self._on_kept(lane, due)
        finally:
            lane.drop()

    async def _on_kept(self, lane: "_Lane", due: Due) -> None:
        request = self.target.request(due.row.body, last=False)
        ending = Ending(Kind.TIMEOUT)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._left(due)):
                ending = await self._over(lane, request, due)
        if ending.closing:
            lane.drop()
        self._note(due, ending, lane.number, fresh=False)

    async def _over(self, lane: "_Lane", request: bytes, due: Due) -> Ending:
        """Ask over the lane's connection, or over a new one where the server has ended that one."""
        if lane.connection is None or not lane.connection.is_open():
            lane.drop()
            lane.number = 0
            try:
                lane.connection = await Connection.open(self.target)
            except OSError as error:
                self._miss(str(error))
                return Ending(Kind.NO_CONNECTION, words=str(error))
            except asyncio.CancelledError:  # its time is up
                self._miss("no answer")
                raise
            self._misses = 0
            lane.number = self._count_connection()
        return await attempt(lane.connection, request, due.row)

    async def _on_fresh(self, due: Due) -> None:
        request = self.target.request(due.row.body, last=True)
        lane = _Lane()
        ending = Ending(Kind.TIMEOUT)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._left(due)), self._fresh:
                ending = await self._over(lane, request, due)
        lane.drop()
        self._note(due, ending, lane.number, fresh=True)

    def _left(self, due: Due) -> float:
        return max(0.0, due.at + self.shape.timeout - self.now())

    def _count_connection(self) -> int:
        self._connections += 1
        return self._connections

    def _miss(self, words: str) -> None:
        """Stop where nobody has taken a connection for long: an address that is gone may become somebody else's."""
        if self._misses == 0:
            self._missing_since = self.now()
        self._misses += 1
        seconds = self.now() - self._missing_since
        if self._misses >= FEWEST_MISSES and seconds >= self.shape.gone_after and not self.gone:
            self.gone = f"{self.target.host}:{self.target.port} has taken no connection for {seconds:.0f} s ({words})"
            self.stop()

    def _note(self, due: Due, ending: Ending, connection: int, *, fresh: bool) -> None:
        if ending.status:  # kept connections may be answered while no new one can be made
            self._misses = 0
        self.records.append(
            Record(
                number=due.number,
                due=due.at,
                answered=self.now(),
                kind=ending.kind,
                connection=connection,
                fresh=fresh,
                status=ending.status,
                version=ending.version,
                revision=ending.revision,
                process=ending.process,
                closing=ending.closing,
                words=ending.words,
            )
        )


class _Lane:
    """Holds at most one connection."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.number = 0

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
