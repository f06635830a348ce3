"""Tenants whose pods are bad in great numbers, on real sockets: what the scraper still sees of everybody else's.

The pods are two processes of their own, so that what holds the event loop up here is the operator's work alone. The
longest stall is printed and not judged: it belongs to the machine (`pytest -s`).
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from lying import liar

from modelrollout.core.decision import Watch
from modelrollout.ledger import Look, Looks
from modelrollout.scrape.http import DirectScraper
from modelrollout.scrape.scraper import Scraper
from modelrollout.scrape.target import Target

WATCH = Watch(timedelta(seconds=2), stable="aaaa")
BAD, OTHER = "bad/churn", "shop/churn"
ROUNDS, BEAT = 3, 0.005


@dataclass
class Heart:
    """Beats as often as the event loop lets it."""

    longest: float = 0.0

    async def beat(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(BEAT)
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last - BEAT), now


@dataclass
class Tenants:
    """One with many pods that are all one bad server, and one with three that are an honest one."""

    pods: int
    bad_port: int
    honest_port: int
    looks: dict[str, list[Looks]] = field(default_factory=lambda: {BAD: [], OTHER: []})
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def targets(self, key: str, _: Watch) -> tuple[Target, ...]:
        namespace, name = key.split("/")
        pods, port = (self.pods, self.bad_port) if key == BAD else (3, self.honest_port)
        return tuple(Target(namespace, f"{name}-{n}", "uid", "aaaa", "127.0.0.1", port) for n in range(pods))

    def finished(self, key: str, _: Watch, looks: Looks) -> None:
        self.looks[key].append(looks)
        if self.looks[BAD] and len(self.looks[OTHER]) >= ROUNDS:
            self.enough.set()

    def seen(self, key: str) -> list[Look]:
        return [look for looks in self.looks[key] for look in looks.pods]


@asynccontextmanager
async def server(lie: str = "") -> AsyncIterator[int]:
    """The port on which a server of its own process answers scrapes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, liar.__file__, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"LIE": lie, "POD_UID": "uid", "HOST": "127.0.0.1", "PORTS": "0 0"},
    )  # fmt: skip
    assert process.stdout is not None
    _, port = (await process.stdout.readline()).split()
    try:
        yield int(port)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def scraped(pods: int, lie: str) -> Tenants:
    """A few rounds of a tenant whose pods all tell this lie, and of another one."""
    heart, door = Heart(), DirectScraper()
    async with server(lie) as bad, server() as honest:
        tenants = Tenants(pods, bad, honest)
        scraper = Scraper(door.scrape, tenants.targets, tenants.finished)
        for key in (BAD, OTHER):
            scraper.watch(key, WATCH)
        working = [asyncio.create_task(one) for one in (scraper.run(), heart.beat())]
        try:
            await tenants.enough.wait()
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await door.close()
    print(f"\n{pods} pods, {lie}: the event loop stood still for {heart.longest * 1000:.0f} ms at most")  # noqa: T201
    return tenants


@pytest.mark.timeout(60)
async def test_600_silent_pods_of_one_tenant_blind_nobody_else() -> None:
    tenants = await scraped(600, "no-answer")

    assert all(look.sample is not None for look in tenants.seen(OTHER)), tenants.seen(OTHER)
    assert not any(look.sample is not None for look in tenants.seen(BAD))
    assert {look.reason for look in tenants.seen(BAD) if look.sent} == {"no answer within 2 s"}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("lie", ["a-megabyte-of-blanks", "a-megabyte-of-numbers"])
async def test_256_answers_of_a_megabyte_hold_nobody_else_up(lie: str) -> None:
    tenants = await scraped(256, lie)

    assert all(look.sample is not None for look in tenants.seen(OTHER)), tenants.seen(OTHER)
    heard = [look for look in tenants.seen(BAD) if look.sent]
    assert len(heard) >= 256
    reasons = {look.reason for look in heard}
    assert "more than 98304 bytes" in reasons
    assert reasons <= {"more than 98304 bytes", "no answer within 2 s"}, "a busy machine has no time for all of them"
