"""Virtual time for code that talks over loopback: the clock jumps only when no byte is on its way."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

GLANCE_SECONDS = 0.0005
"""Loopback delivers within the call that sends, nearly always; so long is waited for the rest before time jumps."""


class _Selector(selectors.EpollSelector):
    loop: "SocketLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        found = super().select(GLANCE_SECONDS)
        if found or self.loop.threads_are_busy():
            return found
        if timeout is None:
            raise AssertionError("everything waits, and no timer is set: this would hang for ever")
        self.loop.now += timeout
        return []


class SocketLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 1000.0
        self._in_threads = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def threads_are_busy(self) -> bool:
        return self._in_threads > 0

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Time stands still while a thread works, as it nearly does in the real world."""
        self._in_threads += 1
        future = super().run_in_executor(executor, func, *args)

        def ended(_: Any) -> None:
            self._in_threads -= 1

        future.add_done_callback(ended)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """A thread joins the others; if time jumped meanwhile, kopf's last resort (SIGKILL to itself) would be due."""
        self._in_threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._in_threads -= 1


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=SocketLoop) as runner:
        return runner.run(work)
