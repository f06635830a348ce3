"""The write limit, in virtual time."""

import asyncio

from shell.virtual import run

from modelrollout.shell.bucket import Bucket


async def _taken(count: int, *, idle: float = 0.0) -> list[float]:
    bucket = Bucket(rate=10, burst=3)
    await bucket.take()
    await asyncio.sleep(idle)
    begun = asyncio.get_running_loop().time()
    times = []
    for _ in range(count):
        await bucket.take()
        times.append(round(asyncio.get_running_loop().time() - begun, 6))
    return times


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    assert run(_taken(5)) == [0, 0, 0.1, 0.2, 0.3]


def test_rest_fills_the_bucket_and_no_more_than_the_bucket() -> None:
    assert run(_taken(5, idle=3600)) == [0, 0, 0, 0.1, 0.2]
