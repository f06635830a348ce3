"""Whose rights count, restricted pods, and a second installation, at a real API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from e2e.acts import at_weight, candidate, promoted, roll_out, serving, stays
from e2e.audit import AuditLog
from e2e.releases import ANOTHER, running
from e2e.specs import WAITS_AT_HALF, spec

from modelrollout.traffic.summary import losses
from stage.kube import Cluster, until
from stage.operator import CHART, NAMESPACE, RELEASE, image_of, operator_with
from stage.programs import Programs
from stage.rollout import Rollout

RESTRICTED = "pod-security.kubernetes.io/enforce"
OTHER = "t-second-installation"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long]


async def test_pods_of_a_rollout_pass_the_restricted_standard(cluster: Cluster, churn: Rollout) -> None:
    await cluster.merge(f"/api/v1/namespaces/{churn.namespace}", {"metadata": {"labels": {RESTRICTED: "restricted"}}})
    await churn.apply(spec())
    await churn.until_condition("Ready")


async def test_the_operator_s_pods_pass_the_restricted_standard(prepared: Programs) -> None:
    """The API server warns of pods that a label would have refused."""
    said = await prepared.try_kubectl(
        "label", "--dry-run=server", "--overwrite", "namespace", NAMESPACE, f"{RESTRICTED}=restricted"
    )
    assert (said.code, said.err) == (0, "")


@asynccontextmanager
async def second_installation(tools: Programs, *values: str) -> AsyncIterator[None]:
    """Another release of the chart, in a namespace of its own; it wants all others, unless a value says otherwise."""
    repository, _, tag = image_of(tools, "operator").rpartition(":")
    try:
        await tools.helm(
            "upgrade", "--install", "other", str(CHART), f"--namespace={OTHER}", "--create-namespace",
            "--set=crds.install=false,rbac.aggregate=false,replicas=1",
            f"--set=image.repository={repository},image.tag={tag}", *(f"--set={value}" for value in values),
        )  # fmt: skip
        yield
    finally:
        await tools.helm("uninstall", "other", f"--namespace={OTHER}", "--ignore-not-found", "--wait")
        await tools.kubectl("delete", "namespace", OTHER, "--ignore-not-found", "--wait=false")


async def test_a_second_installation_is_refused_by_name_and_changes_nothing(prepared: Programs, churn: Rollout) -> None:
    in_other = (f"--namespace={OTHER}", "deployment/other-modelrollout")

    async def named() -> bool:
        ran = await prepared.try_kubectl("logs", *in_other)
        return f"looked after by the installation {NAMESPACE}/{RELEASE}" in ran.out

    async with serving(prepared, churn, spec()), second_installation(prepared):
        log = AuditLog.of(prepared)
        await until(named, "the second installation names the first", 120)
        await promoted(churn, "v2")
        assert await prepared.kubectl("get", *in_other, "--output=jsonpath={.status.readyReplicas}") in {"", "0"}
    users = writers(log, churn.namespace)
    assert ACCOUNT in users
    assert not any(f":{OTHER}:" in user for user in users)


def writers(log: AuditLog, namespace: str) -> set[str]:
    """Who wrote a rollout or anything that an operator makes for one."""
    kinds = ("modelrollouts", "deployments", "services", "poddisruptionbudgets", "controllerrevisions")
    return {write.user for kind in kinds for write in log.writes(namespace, kind)}


@pytest.mark.timeout(600)
async def test_an_installation_of_another_version_in_another_namespace_changes_nothing(
    both: Programs, churn: Rollout, beside: Rollout
) -> None:
    others = (
        f"watchNamespaces={{{beside.namespace}}}",
        f"image.repository=localhost/{ANOTHER.name}",
        f"server.image={image_of(both, 'server')}",
    )
    async with (
        operator_with(both, f"watchNamespaces={{{churn.namespace}}}"),
        serving(both, churn, spec(strategy=WAITS_AT_HALF)) as now,
    ):
        await roll_out(churn, "v2")
        obj = await churn.until("the candidate waits at weight 50", at_weight(50, "Paused"))
        before, log = await running(churn), AuditLog.of(both)
        async with second_installation(both, *others):
            await beside.apply(spec())
            await beside.until_condition("Ready")
            await stays(churn, at_weight(50, "Paused"))
            assert await running(churn) == before
            await churn.command("promote", candidate(obj)["revision"], "1")
            await churn.until_condition("Ready")
            assert (await running(churn)).revisions == before.revisions
            ours, theirs = writers(log, churn.namespace), writers(log, beside.namespace)
    assert ACCOUNT in ours
    assert not any(f":{OTHER}:" in user for user in ours)
    assert any(f":{OTHER}:" in user for user in theirs)
    assert ACCOUNT not in theirs
    assert losses(now.load.records) == []
