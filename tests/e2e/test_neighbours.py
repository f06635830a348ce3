"""Rollouts beside each other, names at their limit, namespaces that go, and names that are somebody else's."""

import asyncio

import pytest
from e2e.acts import at_weight, roll_out, serving
from e2e.specs import WAITS_AT_HALF, spec

from stage.kube import Cluster, path_of, until
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of, revision_of

pytestmark = pytest.mark.cluster

LONG_NAME = "a-name-of-exactly-forty-five-characters-is-ok"
ONE = spec(replicas=1, strategy={"canary": {"steps": [{"weight": 50}]}}, health={"interval": "1s", "minSamples": 1})


async def test_two_rollouts_of_the_same_model_in_one_namespace_do_not_mix(
    prepared: Programs, cluster: Cluster, namespace: str, churn: Rollout
) -> None:
    """The same spec gives both the same hash, so only their names tell their pods apart."""
    other = Rollout(cluster, namespace, LONG_NAME)
    assert len(LONG_NAME) == 45
    await other.apply(ONE)
    async with serving(prepared, churn, ONE) as now:
        await other.until_condition("Ready")
        assert {revision_of(pod) for pod in await other.pods()} == {now.revision}
        before = [pod["metadata"]["uid"] for pod in await other.pods()]
        await roll_out(churn, "v2")
        await churn.until_condition("Ready")
        assert [pod["metadata"]["uid"] for pod in await other.pods()] == before
        assert (await other.status())["stable"]["version"] == "1.0.0"
        assert await other.selector() != await churn.selector()


async def test_a_namespace_that_is_deleted_in_a_step_leaves_nothing(
    prepared: Programs, cluster: Cluster, namespace: str, churn: Rollout
) -> None:
    halfway = spec(replicas=1, strategy=WAITS_AT_HALF)
    async with serving(prepared, churn, halfway):
        await roll_out(churn, "v2")
        await churn.until("the candidate waits at weight 50", at_weight(50, "Paused"))
    path = path_of("v1", "Namespace", "", namespace)
    await cluster.delete(path)

    async def gone() -> bool:
        return await cluster.find(path) is None

    await until(gone, f"namespace {namespace} is gone", 120)


async def test_a_deleted_rollout_takes_everything_with_it(prepared: Programs, cluster: Cluster, churn: Rollout) -> None:
    async with serving(prepared, churn, spec(replicas=2)):
        await roll_out(churn, "v2")
        await churn.until("the candidate is judged", at_weight(25))
    await churn.delete()
    kinds = [
        ("v1", "Pod"),
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "ControllerRevision"),
        ("policy/v1", "PodDisruptionBudget"),
    ]

    async def nothing_left() -> bool:
        lists = [cluster.list(path_of(version, kind, churn.namespace)) for version, kind in kinds]
        return not any(await asyncio.gather(*lists))

    await until(nothing_left, "no child is left", 120)


async def test_a_service_of_our_name_that_is_somebody_elses_stays_untouched_and_is_named(
    cluster: Cluster, namespace: str, churn: Rollout
) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "churn"},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
    }
    await cluster.create(service, namespace)
    before = await churn.service()
    await churn.apply(ONE)
    obj = await churn.until_condition("NameTaken")
    assert conditions_of(obj)["Stalled"].status == "True"
    assert "Service churn" in conditions_of(obj)["NameTaken"].message
    assert await churn.service() == before
