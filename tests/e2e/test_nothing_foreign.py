"""Somebody else's objects, orphans and lost statuses under steady requests: nothing foreign stops a rollback."""

import re

import pytest
from e2e.acts import LIGHT, at_weight, candidate, roll_out, rolled_back, serving, stable_of
from e2e.specs import WAITS_AT_HALF, Spec, spec
from e2e.steadily import bad

from modelrollout import names
from modelrollout.traffic.summary import losses
from stage.kube import Cluster, Object, path_of, until
from stage.models import rows
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of, of, ready

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

LABELS = {names.NAME_LABEL: "churn", names.APP_MANAGED_BY_LABEL: names.MANAGER}


def foreign(kind: str, name: str) -> Object:
    """A user's own object under a name that the rollout would write."""
    theirs = {"matchLabels": {"app": "theirs"}}
    versions = {"Service": "v1", "PodDisruptionBudget": "policy/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
    specs: dict[str, Spec] = {
        "Service": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
        "PodDisruptionBudget": {"selector": theirs, "maxUnavailable": 1},
        "HorizontalPodAutoscaler": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"},
            "maxReplicas": 3,
        },
    }
    return {"apiVersion": versions[kind], "kind": kind, "metadata": {"name": name}, "spec": specs[kind]}


def names_both(obj: Object) -> bool:
    told = conditions_of(obj).get("NameTaken")
    both = ("PodDisruptionBudget churn in", "HorizontalPodAutoscaler churn in")
    return told is not None and all(one in told.message for one in both)


async def test_a_bad_model_is_taken_back_among_foreign_objects(
    prepared: Programs, cluster: Cluster, namespace: str, churn: Rollout
) -> None:
    copy = foreign("Service", "churn-copy")
    copy["metadata"]["labels"] = LABELS
    taken = [
        foreign("PodDisruptionBudget", "churn"),
        foreign("HorizontalPodAutoscaler", "churn"),
        foreign("Service", "churn-preview"),
    ]
    for obj in (*taken, copy):
        await cluster.create(obj, namespace)
    autoscaled = spec(autoscaling={"minReplicas": 2, "maxReplicas": 3, "targetCPUUtilization": 90})
    async with serving(prepared, churn, autoscaled, rows(), LIGHT) as now:
        await churn.until("both are named", names_both)
        assert "NameTaken" in {one.reason for one in await churn.events()}
        await roll_out(churn, bad(1))
        await churn.until("it is taken back", rolled_back)
        await churn.until_pods("its pods are gone", lambda pods: of(now.revision, pods) == pods)
        assert (await churn.selector())[names.REVISION_LABEL] == now.revision
    assert losses(now.load.records) == []
    for obj in taken:
        path = path_of(obj["apiVersion"], obj["kind"], namespace, obj["metadata"]["name"])
        assert "ownerReferences" not in (await cluster.get(path))["metadata"]


async def test_an_abort_moves_traffic_beside_a_rollout_that_is_called_as_the_preview(
    prepared: Programs, cluster: Cluster, namespace: str, churn: Rollout
) -> None:
    """`churn-preview` has the Service that blue-green `churn` would have for its preview."""
    other = Rollout(cluster, namespace, "churn-preview")
    await other.apply(spec(replicas=1))
    await other.until_condition("Ready")
    async with serving(prepared, churn, spec(strategy={"blueGreen": {}})) as now:
        await roll_out(churn, "v2")
        obj = await churn.until("the candidate has pods", lambda one: candidate(one).get("stage") == "Judging")
        await churn.until_condition("NameTaken")
        await churn.command("abort", candidate(obj)["revision"], "1")
        await churn.until("it is taken back", rolled_back)
        await churn.until_pods("its pods are gone", lambda pods: of(now.revision, pods) == pods)
    assert losses(now.load.records) == []


async def test_deleted_with_its_orphans_kept_and_made_again_in_a_step_nothing_is_lost(
    prepared: Programs, cluster: Cluster, namespace: str, churn: Rollout
) -> None:
    note = [{"name": "NOTE", "value": 'a query ?x=1&y=<2> and "é"'}]
    first = spec(strategy=WAITS_AT_HALF)
    first["server"] = {**first["server"], "env": note}
    async with serving(prepared, churn, first) as now:
        await roll_out(churn, "v2")
        await churn.until("the candidate waits at weight 50", at_weight(50, "Paused"))
        asked = (await churn.get())["spec"]
        pods = {pod["metadata"]["uid"] for pod in await churn.pods() if ready(pod)}
        await cluster.delete(churn.path, {"propagationPolicy": "Orphan"})

        async def gone() -> bool:
            return await cluster.find(churn.path) is None

        await until(gone, "the resource is gone", 30)
        await churn.apply(asked)
        obj = await churn.until("it knows who was stable", lambda one: "stable" in (one.get("status") or {}))
        assert obj["status"]["stable"]["revision"] == now.revision
        await churn.until("the candidate waits at weight 50 again", at_weight(50, "Paused"))
        assert pods <= {pod["metadata"]["uid"] for pod in await churn.pods()}
        await churn.command("promote", candidate(await churn.get())["revision"], "1")
        await churn.until_condition("Ready")
        assert await stable_of(churn) != now.revision

        async def all_owned() -> bool:
            kinds = [("v1", "Service"), ("apps/v1", "Deployment"), ("apps/v1", "ControllerRevision")]
            found = [one for kind in kinds for one in await cluster.list(path_of(*kind, namespace))]
            return all("ownerReferences" in one["metadata"] for one in found)

        await until(all_owned, "everything is adopted", 30)
    assert losses(now.load.records) == []


async def test_the_definition_is_only_deleted_by_who_has_said_so(prepared: Programs) -> None:
    """A dry run, which is admitted like a real one: other tests live on the definition."""
    delete = ("delete", "crd", "modelrollouts.modelrollout.dev", "--dry-run=server")
    refused = await prepared.try_kubectl(*delete)
    assert refused.code != 0
    assert "deletes every ModelRollout in the cluster" in refused.err
    words = re.search(r"first run: kubectl (annotate \S+ \S+ \S+)", refused.err)
    assert words is not None
    await prepared.kubectl(*words.group(1).split())
    try:
        assert (await prepared.try_kubectl(*delete)).code == 0
    finally:
        await prepared.kubectl("annotate", "crd", "modelrollouts.modelrollout.dev", "modelrollout.dev/allow-deletion-")
    others = await prepared.try_kubectl("delete", "crd", "no-such.example.com", "--dry-run=server")
    assert "NotFound" in others.err
