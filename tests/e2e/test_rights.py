"""What the operator asked the real API server for, by its audit log, against what the chart grants: the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.test_rbac import TABLE, granted
from e2e.acts import at_weight, promoted, roll_out, rolled_back, serving
from e2e.rights import asked, compared
from e2e.specs import spec

from stage.kube import Cluster, path_of, until
from stage.models import MODEL_FAILED, expecting
from stage.operator import NAMESPACE, RELEASE, install_operator, kill_operator, operator_ready
from stage.programs import Programs
from stage.rollout import Rollout

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(500)]

AUTOSCALER = "HorizontalPodAutoscaler"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"

AFTER_A_CONFLICT = {
    (kind, "get")
    for kind in (
        "deployments.apps",
        "controllerrevisions.apps",
        "services",
        "poddisruptionbudgets.policy",
        "horizontalpodautoscalers.autoscaling",
        "modelrollouts.modelrollout.dev",
    )
}
"""An object is only read by itself after somebody else has written it, or when it exists though nobody knew."""
REPAIRS = {
    ("controllerrevisions.apps", "patch"),
    ("services", "update"),
    ("services", "delete"),
    ("poddisruptionbudgets.policy", "update"),
    ("poddisruptionbudgets.policy", "patch"),
    ("poddisruptionbudgets.policy", "delete"),
    ("horizontalpodautoscalers.autoscaling", "patch"),
    ("controllerrevisions.apps", "delete"),
    ("deployments.apps", "delete"),
}
"""What is needed when a child was edited, or a long history is pruned."""
REPLACING = {("pods", "delete")}
"""Only where one pod of a candidate fails while its others do not."""
OWN_REGISTRIES = {("jobs.batch", "get"), ("jobs.batch", "create"), ("jobs.batch", "delete")}
"""Only where a spec names a registry of its own: test_registries.py looks at that."""
TAKING_OVER = {("pods", "get")}
"""Only where a replica ended without releasing the Lease; a kill may leave it the time for that."""


async def scales_to(churn: Rollout, most: int) -> bool:
    found = await churn.cluster.find(path_of("autoscaling/v2", AUTOSCALER, churn.namespace, churn.name))
    return found is not None and found["spec"]["maxReplicas"] == most


class Log:
    """The audit log from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin = path.stat().st_size

    def lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._begin)
            yield from file


async def test_it_needs_every_right_it_has_and_has_every_right_it_needs(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    await install_operator(prepared)
    log = Log(prepared.places.node.audit_log)
    await kill_operator(cluster)
    await operator_ready(cluster)
    scaled = spec(autoscaling={"minReplicas": 2, "maxReplicas": 3, "targetCPUUtilization": 90})
    async with serving(prepared, churn, spec(), expecting(MODEL_FAILED)):
        await promoted(churn, "v2")
        await roll_out(churn, "always-fails")
        await churn.until("it is taken back", rolled_back)
        await roll_out(churn, "v3", autoscaling=scaled["autoscaling"])
        await churn.until("the next one is judged", at_weight(25))
        await churn.change({"autoscaling": {"maxReplicas": 4}})
        await until(lambda: scales_to(churn, 4), "the autoscaler has the new limit")
        await churn.change({"autoscaling": None})
        await churn.until_condition("Ready")
    await churn.delete()

    done = asked(log.lines(), ACCOUNT)
    found = compared(
        granted(TABLE["always"]) | granted(TABLE["leader"]),
        done,
        AFTER_A_CONFLICT | REPAIRS | REPLACING | TAKING_OVER | OWN_REGISTRIES,
    )

    assert (found.too_few, found.from_elsewhere) == (frozenset(), frozenset())
    assert found.too_many == frozenset(), f"granted and never asked for: {sorted(found.too_many)}"
