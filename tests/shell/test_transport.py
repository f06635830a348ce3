"""The whole operator, kopf included, while its API server does everything an API server can do: in virtual time.

The fault lasts 10 s, 2 min or 10 min. Throughout it the process lives, asks seldom, and promotes nothing; half a minute
after it everything that happened meanwhile was taken up. What it asks is read off its own metrics each second, since a
server that refuses connections hears nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from kube.apiserver import ApiServer, serving
from prometheus_client.parser import text_string_to_metric_families
from shell.faults import FAULTS, GONE, Fault
from shell.loops import rollout_object
from shell.processes import free_port
from shell.test_machine import become_ready, made, phase
from shell.virtual_sockets import run

from modelrollout.kube.resources import LEASES, MODEL_ROLLOUTS, PODS, SERVICES
from modelrollout.settings import Settings
from modelrollout.shell.operator import operate

WINDOW_SECONDS = 10
CALLS_A_SECOND = 2
ONE = {"model": {"uri": "file:///m", "version": "1"}, "replicas": 1}


@asynccontextmanager
async def operating(api: ApiServer, folder: Path, port: int = 0) -> AsyncIterator["asyncio.Task[bool]"]:
    """An operator with a Lease, in virtual time."""
    (folder / "config").write_text(
        "{apiVersion: v1, kind: Config, current-context: x,"
        f" clusters: [{{name: x, cluster: {{server: '{api.url}'}}}}],"
        " contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {token: t}}]}"
    )
    settings = Settings(kubeconfig=str(folder / "config"), host="127.0.0.1", port=port, lease="ops/mr", replica="a")
    task = asyncio.create_task(operate(settings, asyncio.get_running_loop().time))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def within(seconds: float, check: object) -> None:
    """Wait, at most so many virtual seconds, until something is so."""
    assert callable(check)
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110  # polls another program
            await asyncio.sleep(0.1)


async def asked(session: aiohttp.ClientSession, port: int, fault: Fault) -> int:
    """Calls so far, the Lease apart; where only watches fail the others are the rollouts' own work and left out."""
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        found = text_string_to_metric_families(await answer.text())
    calls = [one for family in found for one in family.samples if one.name == "modelrollout_api_calls_total"]
    counted = [
        one.value
        for one in calls
        if one.labels["kind"] != LEASES.plural and (not fault.watches_only or one.labels["verb"] in {"list", "watch"})
    ]
    return round(sum(counted))


@asynccontextmanager
async def metered(port: int, fault: Fault) -> AsyncIterator[list[int]]:
    """Calls so far, read each second while the block runs."""
    async with aiohttp.ClientSession() as session:
        totals: list[int] = []

        async def read() -> None:
            while True:
                totals.append(await asked(session, port, fault))
                await asyncio.sleep(1)

        task = asyncio.create_task(read())
        try:
            yield totals
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def most_within(totals: Sequence[int], seconds: int) -> int:
    """The most calls in any so many seconds in a row."""
    return max(later - sooner for sooner, later in zip(totals, totals[seconds:], strict=False))


async def lived_through(fault: Fault, seconds: float, folder: Path) -> list[int]:
    """Play a fault while a first model is about to be promoted; gives the calls so far, second by second."""
    port = free_port()
    async with serving() as api, operating(api, folder, port) as operator:
        api.put(MODEL_ROLLOUTS, rollout_object(spec=ONE))
        await within(20, made(api))
        (deployment,) = made(api)()
        await asyncio.sleep(30)
        assert api.watchers(MODEL_ROLLOUTS)
        async with metered(port, fault) as totals:
            await fault.begin(api)
            other = rollout_object()
            other["metadata"] = {"name": "fraud", "uid": "uid-fraud"}
            api.put(MODEL_ROLLOUTS, other)
            await asyncio.sleep(seconds - 1)
            become_ready(api, deployment)
            await asyncio.sleep(1.5)
        # A watch that fails does not make it blind: it lists.
        assert fault.watches_only or phase(api) != "Stable"
        assert not operator.done()

        await fault.end(api)
        await within(30, lambda: phase(api) == "Stable" and api.get(SERVICES, "churn"))
        await within(30, made(api, "fraud"))
        assert not operator.done()
    return totals


SPANS = [
    pytest.param(10, id="10 s"),
    pytest.param(120, id="2 min"),
    pytest.param(600, id="10 min", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
]


@pytest.mark.parametrize("seconds", SPANS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_it_lives_asks_seldom_promotes_nothing_and_goes_on(fault: Fault, seconds: int, tmp_path: Path) -> None:
    totals = run(lived_through(fault, seconds, tmp_path))

    assert len(totals) > seconds
    assert most_within(totals, WINDOW_SECONDS) <= CALLS_A_SECOND * WINDOW_SECONDS


def test_a_single_watch_that_is_too_old_is_listed_again_at_once(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with serving() as api, operating(api, tmp_path):
            await within(20, lambda: api.watchers(PODS))
            await asyncio.sleep(15)
            before = len(api.asked)
            api.say(PODS.plural, {"type": "ERROR", "object": GONE})
            await asyncio.sleep(0.5)
            return [one for one in api.asked[before:] if PODS.plural in one]

    assert run(story()) == ["list pods", "watch pods"]
