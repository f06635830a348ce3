"""Each lie of `lying.liar`, told over a socket to the real door: a failed scrape with its reason, and nothing more."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from core.values import arm, candidate, decided, pod, seen, shared, status, turn
from lying.liar import LIES, SILENT, Server

from modelrollout.api.spec import Health
from modelrollout.core.decision import Watch
from modelrollout.core.epochs import of_candidate
from modelrollout.judge import Sample
from modelrollout.ledger import Ledger, Look, Looks, rules_of, under
from modelrollout.scrape.http import DirectScraper
from modelrollout.scrape.target import Target
from modelrollout.shell.rounds import taken

WATCH = Watch(timedelta(seconds=1), candidate="v2", stable="v1", epoch="v2.0", shared=True)
ROUNDS = 6
SECONDS, SHORT = 20.0, 0.2
"""How long a pod may take, and how long one whose lie is that it says nothing."""
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Place:
    """A pod of each arm on loopback, and the operator's ledger of them."""

    def __init__(self, stable: Server, canary: Server) -> None:
        self.servers = {"v1": stable, "v2": canary}
        self.door = DirectScraper()
        self.ledger = under(Ledger(), WATCH)
        self.at = 0.0

    async def round(self) -> None:
        """Requests to both, of which the candidate fails its own, and a round of scrapes."""
        self.at += 1.0
        for server in self.servers.values():
            server.counts.requests += 20
            server.counts.errors += 20 * server.fails
        looks = await asyncio.gather(*(self._look(revision) for revision in self.servers))
        asked = rules_of(Health(), WATCH)
        self.ledger = taken("shop/churn", self.ledger, Looks(self.at, tuple(looks)), WATCH, asked)

    async def _look(self, revision: str) -> Look:
        server = self.servers[revision]
        target = Target("shop", f"churn-{revision}-1", server.counts.uid, revision, "127.0.0.1", server.ports[1])
        silent = bool(server.lie) and LIES[server.lie].sentence == SILENT
        found = await self.door.scrape(target, SHORT if silent else SECONDS)
        if isinstance(found, Sample):
            return Look(target.uid, revision, found)
        return Look(target.uid, revision, None, found.reason, heard=found.heard)


@asynccontextmanager
async def place(*, stable: str = "", canary: str = "") -> AsyncIterator[Place]:
    """The candidate fails every request, whatever it says of that."""
    servers = Server("v1-1", stable), Server("v2-1", canary, fails=True)
    for server in servers:
        await server.start("127.0.0.1", 0, 0)
    made = Place(*servers)
    try:
        yield made
    finally:
        await made.door.close()
        for server in servers:
            await server.stop()


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_of_stable_saves_no_candidate_that_fails_and_is_said(lie: str) -> None:
    async with place(stable=lie) as it:
        for _ in range(ROUNDS):
            await it.round()

    scrapes, verdict = it.ledger.scrapes("v1-1"), it.ledger.verdict
    assert re.match(LIES[lie].sentence, scrapes.reason), scrapes.reason
    assert scrapes.failed >= 3
    assert scrapes.reason.isprintable()
    assert verdict.candidate is not None
    liar = pod(1, failed_scrapes=scrapes.failed, scraped=False, unanswered=scrapes.reason, heard=scrapes.heard)
    world = seen(arm(2, 1, against=1), (arm(1, 4)[0], (liar,)), selector=shared(), verdict=verdict)
    known = status(candidate=candidate())
    epoch = of_candidate(turn(known, world), candidate())
    after = decided(turn(known, replace(world, epoch=epoch))).status
    assert after.candidate is None, after.message
    told = {one.type: one.message for one in after.conditions}
    assert scrapes.reason in told["ScrapeFailing"]


@pytest.mark.parametrize("lie", LIES)
async def test_a_candidate_that_lies_is_taken_back_with_a_sentence_for_it(lie: str) -> None:
    async with place(canary=lie) as it:
        for _ in range(ROUNDS):
            await it.round()

    scrapes = it.ledger.scrapes("v2-1")
    assert it.ledger.scrapes("v1-1").answered
    liar = pod(2, failed_scrapes=scrapes.failed, scraped=False, unanswered=scrapes.reason, heard=scrapes.heard)
    world = seen((arm(2, 1, against=1)[0], (liar,)), arm(1, 4), selector=shared())
    after = decided(turn(status(candidate=candidate()), world)).status
    assert after.candidate is None
    assert re.search(LIES[lie].sentence, after.message), after.message
    assert after.message.isprintable()


async def test_the_truth_is_believed_and_a_liar_that_tells_it_again_too() -> None:
    async with place(stable="requests-near-2-62") as it:
        for _ in range(ROUNDS):
            await it.round()
        it.servers["v1"].lie = ""
        await it.round()

    assert it.ledger.scrapes("v1-1") == replace(it.ledger.scrapes("v1-1"), failed=0, answered=True, reason="")


def test_there_are_lies_enough() -> None:
    assert len(LIES) >= 60
