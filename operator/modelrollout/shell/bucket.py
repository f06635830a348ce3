"""How many writes a second this operator allows itself, so that a thousand rollouts cannot flood the API server."""

import asyncio


class Bucket:
    """A token bucket: `burst` writes at once, then `rate` a second. Waiters go in order."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait until a write is allowed."""
        async with self._turn:
            self._fill()
            if self._tokens < 1:
                await asyncio.sleep((1 - self._tokens) / self._rate)
                self._fill()
            self._tokens -= 1

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
