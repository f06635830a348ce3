"""The Lease in virtual time: who holds it, who notices, and how long it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from kube.apiserver import Direct
from shell.virtual import run

from modelrollout.kube.errors import KubeError, NotLeading, Unavailable
from modelrollout.kube.lease import Candidate, Elector
from modelrollout.kube.resources import LEASES, PODS, Object, Resource


@dataclass
class Api:
    """The fake API server, which may be away, or hang, for some of its users."""

    direct: Direct = field(default_factory=Direct)
    away: KubeError | None = None
    hangs: bool = False

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        await self._trouble()
        return await self.direct.get(resource, namespace, name)

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object:
        await self._trouble()
        return await self.direct.create(resource, namespace, obj)

    async def replace(self, resource: Resource, obj: Object) -> Object:
        await self._trouble()
        return await self.direct.replace(resource, obj)

    async def _trouble(self) -> None:
        if self.hangs:
            await asyncio.sleep(1e6)
        if self.away is not None:
            raise self.away


class Replicas:
    """Electors against one server, each started by its name."""

    def __init__(self) -> None:
        self.direct = Direct()
        self.apis: dict[str, Api] = {}
        self.electors: dict[str, Elector] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, me: str) -> Elector:
        api = self.apis[me] = Api(self.direct)
        self.direct.server.put(PODS, {"metadata": {"name": me, "namespace": "ops"}})

        async def has_pod(pod: str) -> bool:
            return self.direct.server.get(PODS, pod, "ops") is not None

        elector = Elector(api, Candidate("ops", "mr", me), has_pod, clock=asyncio.get_running_loop().time)
        self.electors[me] = elector
        self.tasks[me] = asyncio.create_task(elector.run())
        return elector

    def kill(self, me: str) -> None:
        """The process is gone; its pod is still there."""
        self.tasks.pop(me).cancel()

    def remove_pod(self, me: str) -> None:
        self.direct.server.remove(PODS, me, "ops")

    def lease(self) -> Object:
        found = self.direct.server.get(LEASES, "mr", "ops")
        assert found is not None
        return found

    def steal(self, by: str) -> None:
        lease = self.lease()
        spec = lease["spec"] | {"holderIdentity": by}
        self.direct.server.put(LEASES, {"metadata": {"name": "mr", "namespace": "ops"}, "spec": spec})

    async def leader(self, but: str = "") -> tuple[str, float]:
        """Who leads next, and how many seconds that took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            leading = [me for me, one in self.electors.items() if one.leads and me != but and me in self.tasks]
            assert len(leading) <= 1
            if leading:
                return leading[0], loop.time() - begun
            assert loop.time() - begun < 120
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def play(story: Callable[[Replicas], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        replicas = Replicas()
        try:
            return await story(replicas)
        finally:
            await replicas.stop()

    return run(whole())


def test_a_lone_replica_leads_at_once_and_keeps_the_lease() -> None:
    async def story(replicas: Replicas) -> None:
        only = replicas.start("a")
        assert (await replicas.leader())[1] <= 0.1
        for _ in range(600):
            await asyncio.sleep(1)
            assert only.leads
        assert (only.terms, replicas.lease()["spec"]["leaseTransitions"]) == (1, 1)

    play(story)


def test_of_two_one_leads_and_a_release_hands_over_within_a_second() -> None:
    async def story(replicas: Replicas) -> float:
        first = replicas.start("a")
        await replicas.leader()
        replicas.start("b")
        await asyncio.sleep(30)
        assert (await replicas.leader())[0] == "a"
        replicas.kill("a")
        await first.release()
        assert not first.leads
        return (await replicas.leader())[1]

    assert play(story) < 1


def test_a_killed_leader_is_followed_within_17_seconds() -> None:
    async def story(replicas: Replicas) -> float:
        replicas.start("a")
        await replicas.leader()
        replicas.start("b")
        await asyncio.sleep(31.7)
        replicas.kill("a")
        return (await replicas.leader("a"))[1]

    assert 10 <= play(story) <= 17


def test_a_killed_leader_whose_pod_is_gone_is_followed_within_7_seconds() -> None:
    async def story(replicas: Replicas) -> float:
        replicas.start("a")
        await replicas.leader()
        replicas.kill("a")
        replicas.remove_pod("a")
        replicas.start("b")
        return (await replicas.leader("a"))[1]

    assert 4 <= play(story) <= 7


def test_a_container_that_starts_again_in_its_pod_goes_on_at_once() -> None:
    async def story(replicas: Replicas) -> float:
        replicas.start("a")
        await replicas.leader()
        replicas.kill("a")
        replicas.start("a")
        return (await replicas.leader())[1]

    assert play(story) <= 0.1


@pytest.mark.parametrize(
    ("trouble", "said"),
    [({"hangs": True}, "no answer within 3 s"), ({"away": Unavailable("down")}, "down")],
    ids=["hangs", "fails"],
)
def test_a_leader_that_cannot_renew_stops_at_its_deadline_and_leads_again_afterwards(
    trouble: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(replicas: Replicas) -> tuple[float, float]:
        only = replicas.start("a")
        await replicas.leader()
        await asyncio.sleep(20)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for name, value in trouble.items():
            setattr(replicas.apis["a"], name, value)
        await only.lost()
        stopped = loop.time() - begun
        with pytest.raises(NotLeading):
            await only.confirm()
        await asyncio.sleep(600)
        assert not only.leads
        replicas.apis["a"].hangs, replicas.apis["a"].away = False, None
        begun = loop.time()
        await only.gained()
        return stopped, loop.time() - begun

    stopped, again = play(story)
    assert 8 <= stopped <= 10
    assert again <= 5
    assert f"the Lease cannot be renewed: {said}" in caplog.messages


def test_a_leader_that_was_paused_may_not_write_when_it_wakes() -> None:
    async def story(replicas: Replicas) -> None:
        first = replicas.start("a")
        await replicas.leader()
        replicas.start("b")
        await asyncio.sleep(10)
        replicas.kill("a")
        await asyncio.sleep(30)
        assert not first.leads
        assert replicas.electors["b"].leads
        with pytest.raises(NotLeading):
            await first.confirm()

    play(story)


def test_a_stolen_lease_is_noticed_before_the_next_write() -> None:
    async def story(replicas: Replicas) -> None:
        only = replicas.start("a")
        await replicas.leader()
        await only.confirm()
        replicas.steal("thief")
        assert only.leads
        with pytest.raises(NotLeading, match="a does not hold Lease mr and writes nothing"):
            await only.confirm()
        assert not only.leads

    play(story)


def test_a_stolen_lease_is_noticed_by_the_next_renewal_where_nothing_is_written() -> None:
    async def story(replicas: Replicas) -> float:
        only = replicas.start("a")
        await replicas.leader()
        replicas.steal("thief")
        begun = asyncio.get_running_loop().time()
        await only.lost()
        return asyncio.get_running_loop().time() - begun

    assert play(story) <= 2


def test_a_write_goes_on_by_our_own_clock_while_the_lease_cannot_be_read() -> None:
    async def story(replicas: Replicas) -> None:
        only = replicas.start("a")
        await replicas.leader()
        replicas.apis["a"].away = Unavailable("down")
        await only.confirm()

    play(story)


def test_an_edit_of_somebody_elses_does_not_take_the_lease_away() -> None:
    async def story(replicas: Replicas) -> None:
        only = replicas.start("a")
        await replicas.leader()
        meta = {"name": "mr", "namespace": "ops", "labels": {"team": "ml"}}
        replicas.direct.server.put(LEASES, {"metadata": meta, "spec": replicas.lease()["spec"]})
        await asyncio.sleep(30)
        assert (only.leads, only.terms) == (True, 1)
        assert replicas.lease()["metadata"]["labels"] == {"team": "ml"}

    play(story)


def test_a_deleted_lease_is_made_again_by_one() -> None:
    async def story(replicas: Replicas) -> None:
        replicas.start("a")
        await replicas.leader()
        replicas.start("b")
        await asyncio.sleep(5)
        replicas.direct.server.remove(LEASES, "mr", "ops")
        await asyncio.sleep(5)
        assert (await replicas.leader())[0] == replicas.lease()["spec"]["holderIdentity"]

    play(story)


@pytest.mark.parametrize(
    "said",
    [
        {"leaseDurationSeconds": 2**31 - 1},
        {"leaseDurationSeconds": 2**31 - 1, "renewTime": "9999-12-31T23:59:59.999999Z"},
        {"leaseTransitions": 2**31 - 1},
        {"leaseTransitions": "many", "leaseDurationSeconds": "long"},
        {"leaseTransitions": -5, "leaseDurationSeconds": float("nan")},
        {"renewTime": [], "acquireTime": {}},
        {"strategy": "OldestEmulationVersion", "preferredHolder": "mallory"},
        {},
    ],
    ids=str,
)
def test_whatever_a_lease_says_it_is_free_a_minute_after_its_last_change(said: dict[str, Any]) -> None:
    async def story(replicas: Replicas) -> float:
        spec = {"holderIdentity": "mallory"} | said
        replicas.direct.server.put(LEASES, {"metadata": {"name": "mr", "namespace": "ops"}, "spec": spec})
        replicas.direct.server.put(PODS, {"metadata": {"name": "mallory", "namespace": "ops"}})
        replicas.start("a")
        took = (await replicas.leader())[1]
        written = replicas.lease()["spec"]
        assert written.keys() == {
            "holderIdentity", "leaseDurationSeconds", "renewTime", "acquireTime", "leaseTransitions",
        }  # fmt: skip
        assert 0 <= written["leaseTransitions"] < 2**31
        return took

    assert play(story) <= 62
