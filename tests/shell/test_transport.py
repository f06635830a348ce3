"""The whole operator, kopf included, while its API server does everything an API server can do: in virtual time.

The fault lasts 10 s, 2 min or 10 min. Throughout it the process lives, asks seldom, and promotes nothing; half a minute
after it everything that happened meanwhile was taken up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kube.apiserver import ApiServer, serving
from shell.faults import FAULTS, Fault
from shell.loops import rollout_object
from shell.test_machine import become_ready, made, phase
from shell.virtual_sockets import run

from modelrollout.kube.resources import MODEL_ROLLOUTS, SERVICES
from modelrollout.settings import Settings
from modelrollout.shell.operator import operate

FIRST_TRIES = 14
"""Requests that a fault may cost on top: seven watches, each tried twice before it is known."""
FIRST_WATCHES = 42
"""The same where only watches fail: each is listed and opened again three times before the waits are long."""
ONE = {"model": {"uri": "file:///m", "version": "1"}, "replicas": 1}


@asynccontextmanager
async def operating(api: ApiServer, folder: Path) -> AsyncIterator["asyncio.Task[bool]"]:
    """An operator with a Lease, in virtual time."""
    (folder / "config").write_text(
        "{apiVersion: v1, kind: Config, current-context: x,"
        f" clusters: [{{name: x, cluster: {{server: '{api.url}'}}}}],"
        " contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {token: t}}]}"
    )
    settings = Settings(kubeconfig=str(folder / "config"), host="127.0.0.1", port=0, lease="ops/mr", replica="a")
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


def others(asked: list[str]) -> list[str]:
    """Requests, the Lease apart."""
    return [one for one in asked if " leases" not in one]


async def lived_through(fault: Fault, seconds: float, folder: Path) -> list[str]:
    """Play a fault while a first model is about to be promoted; gives what was asked during it."""
    async with serving() as api, operating(api, folder) as operator:
        api.put(MODEL_ROLLOUTS, rollout_object(spec=ONE))
        await within(20, made(api))
        (deployment,) = made(api)()
        await asyncio.sleep(30)
        assert api.watchers(MODEL_ROLLOUTS)
        asked_before = len(api.asked)
        await fault.begin(api)
        other = rollout_object()
        other["metadata"] = {"name": "fraud", "uid": "uid-fraud"}
        api.put(MODEL_ROLLOUTS, other)
        await asyncio.sleep(seconds / 2)
        # A watch that fails does not make it blind: it lists.
        if not fault.watches_only:
            await asyncio.sleep(seconds / 2 - 1)
            become_ready(api, deployment)
            await asyncio.sleep(1)
            assert phase(api) != "Stable"
        else:
            await asyncio.sleep(seconds / 2)
            become_ready(api, deployment)
        assert not operator.done()
        during = others(api.asked[asked_before:])

        await fault.end(api)
        await within(30, lambda: phase(api) == "Stable" and api.get(SERVICES, "churn"))
        await within(30, made(api, "fraud"))
        assert not operator.done()
    return during


SPANS = [
    pytest.param(10, id="10 s"),
    pytest.param(120, id="2 min"),
    pytest.param(600, id="10 min", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
]


@pytest.mark.parametrize("seconds", SPANS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_it_lives_asks_seldom_promotes_nothing_and_goes_on(fault: Fault, seconds: int, tmp_path: Path) -> None:
    during = run(lived_through(fault, seconds, tmp_path))

    assert len(during) <= 2 * seconds + (FIRST_WATCHES if fault.watches_only else FIRST_TRIES)
