"""Where the demo's views go: a live picture on a terminal, plain lines everywhere else."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lines import Lines
from picture import Heading, picture
from rich.console import Console
from rich.live import Live
from views import View, look

from modelrollout.kube.errors import KubeError
from modelrollout.traffic.records import Record
from stage.kube import ApiError
from stage.rollout import Rollout

FRAME_SECONDS = 0.4


class Screen:
    """Told by the acts what is on, and by the clock to look."""

    def __init__(self, rollout: Rollout, titles: Sequence[str]) -> None:
        self._rollout = rollout
        self._titles = titles
        self._began = time.monotonic()
        self._act = 0
        self._records: Sequence[Record] = ()

    def act(self, number: int) -> None:
        self._act = number

    def count(self, records: Sequence[Record]) -> None:
        """Show these requests from now on; the sequence grows."""
        self._records = records

    @property
    def heading(self) -> Heading:
        return Heading(self._act + 1, len(self._titles), self._titles[self._act], time.monotonic() - self._began)

    async def view(self) -> View | None:
        """The moment; None where it is not there yet or the API server is not."""
        try:
            return await look(self._rollout, self._records)
        except (ApiError, KubeError):
            return None


@asynccontextmanager
async def screen(console: Console, rollout: Rollout, titles: Sequence[str]) -> AsyncIterator[Screen]:
    """Show the rollout while the block runs."""
    shown = Screen(rollout, titles)
    showing = asyncio.create_task(_live(console, shown) if console.is_terminal else _plain(console, shown))
    try:
        yield shown
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _live(console: Console, shown: Screen) -> None:
    with Live(picture(shown.heading, None), console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(picture(shown.heading, await shown.view()), refresh=True)
            await asyncio.sleep(FRAME_SECONDS)


async def _plain(console: Console, shown: Screen) -> None:
    lines = Lines()
    while True:
        for line in lines.news(shown.heading, await shown.view()):
            console.print(line, soft_wrap=True, markup=False)
        await asyncio.sleep(FRAME_SECONDS)
