"""Two operator processes: who works, who takes over, and that nobody writes out of turn.

How long a hand-over takes is asserted in virtual time (tests/kube/test_lease.py) and measured by bench/handover.py.
"""

import asyncio
import signal
from pathlib import Path

from shell.loops import rollout_object
from shell.processes import SPEC, Replicas, replicas, until

from modelrollout.kube.claims import CLAIM, CLUSTER_CLAIM
from modelrollout.kube.resources import LEASES, MODEL_ROLLOUTS


async def two(pair: Replicas) -> tuple[str, str]:
    """Start two; gives the leader, which has worked, and the standby, which is ready."""
    await pair.start("a")
    first = await pair.leader()
    assert await pair.work() == "a"
    await pair.start("b")
    await until(lambda: "standing by" in pair.log("b") and "everything was listed" in pair.log("b"))
    return first, "b"


async def test_a_graceful_stop_releases_the_lease_and_the_other_goes_on(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        first, second = await two(pair)
        pair.signal(first, signal.SIGTERM)
        assert await pair.leader(first) == second
        transitions = pair.lease()["spec"]["leaseTransitions"]
        assert await pair.work() == second
        assert await pair.ended(first) == 0

        assert transitions == 2
        assert pair.by_others_than_the_leader() == []


async def test_after_a_sigkill_the_other_goes_on(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        first, second = await two(pair)
        pair.signal(first, signal.SIGKILL)
        await pair.ended(first)
        pair.remove_pod(first)
        assert await pair.work() == second

        assert "has been silent for" in pair.log(second)
        assert pair.by_others_than_the_leader() == []


async def test_a_single_replica_that_is_killed_comes_back_in_its_pod_without_waiting(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        await pair.start("a")
        assert await pair.work() == "a"
        pair.signal("a", signal.SIGKILL)
        await pair.ended("a")
        await pair.start("a")
        assert await pair.work() == "a"

        assert "standing by" not in pair.log("a")
        assert pair.lease()["spec"]["leaseTransitions"] == 1


async def test_a_paused_leader_writes_nothing_when_it_wakes(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        first, second = await two(pair)
        pair.signal(first, signal.SIGSTOP)
        pair.change_lease(leaseDurationSeconds=1)  # the pause need not last 15 s
        assert await pair.work() == second
        pair.signal(first, signal.SIGCONT)
        assert [await pair.work() for _ in range(3)] == [second] * 3
        await until(lambda: "leads no more" in pair.log(first))

        assert pair.by_others_than_the_leader() == []


async def test_a_stolen_lease_is_noticed_before_the_next_write(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        await pair.start("a")
        assert await pair.work() == "a"
        pair.add_pod("thief")
        pair.change_lease(holderIdentity="thief", renewTime="2026-01-01T00:00:00.000000Z")
        pair.apply("while-stolen")
        await until(lambda: "leads no more" in pair.log("a"))
        await asyncio.sleep(1)

        assert [one for one in pair.writes if "while-stolen" in one.what] == []


async def test_a_second_installation_over_the_same_namespaces_is_refused_by_name(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        await pair.start("a")
        assert await pair.work() == "a"
        other = Replicas(pair.api, tmp_path, install="lab/mr")
        try:
            await other.start("z")
            await until(lambda: "looked after by the installation ops/mr" in other.log("z"))
            assert await pair.work() == "a"
        finally:
            await other.stop()

        assert {one.by for one in pair.writes} == {"a"}
        assert pair.api.get(LEASES, CLUSTER_CLAIM, "kube-system")["spec"]["holderIdentity"] == "ops/mr"  # type: ignore[index]


async def test_an_installation_for_another_namespace_changes_nothing_in_this_one(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        await pair.start("a", "--namespace=default")
        assert await pair.work() == "a"
        other = Replicas(pair.api, tmp_path, install="lab/mr")
        try:
            await other.start("z", "--namespace=shop")
            await until(lambda: "everything was listed" in other.log("z"))
            assert await pair.work() == "a"
        finally:
            await other.stop()

        assert {one.by for one in pair.writes} == {"a"}
        assert "looked after by" not in other.log("z")


async def test_a_claim_that_somebody_writes_stops_the_work_in_its_own_namespace_alone(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        claim = {"holderIdentity": "mallory\n", "leaseDurationSeconds": 2**31 - 1, "renewTime": "9999-01-01T00:00:00Z"}
        pair.api.put(LEASES, {"metadata": {"name": CLAIM, "namespace": "shop"}, "spec": claim})
        meta = {"name": "theirs", "namespace": "shop", "uid": "uid-theirs"}
        pair.api.put(MODEL_ROLLOUTS, rollout_object(metadata=meta, spec=SPEC))
        await pair.start("a", "--namespace=shop", "--namespace=default")
        assert await pair.work() == "a"
        await until(lambda: "namespace shop is looked after by the installation mallory\\\\n" in pair.log("a"))

        assert [one for one in pair.writes if "theirs" in one.what] == []


async def test_what_a_former_installation_has_left_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with replicas(tmp_path) as pair:
        left = {"holderIdentity": "old/mr", "leaseDurationSeconds": 600, "renewTime": "2026-01-01T00:00:00.000000Z"}
        for namespace, name in (("kube-system", CLUSTER_CLAIM), ("default", CLAIM)):
            pair.api.put(LEASES, {"metadata": {"name": name, "namespace": namespace}, "spec": left})
        await pair.start("a")
        assert await pair.work() == "a"

        assert "looked after" not in pair.log("a")
