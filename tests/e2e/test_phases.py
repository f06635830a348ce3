"""Every phase of a rollout, as `kubectl get mr --watch` prints it; the README's rows are from this test's rows.txt."""

from collections.abc import Callable
from pathlib import Path

import pytest
from e2e.acts import at_weight, candidate, holds_because, promoted, roll_out, rolled_back, serving
from e2e.network import blocked
from e2e.specs import SERVER, model_of, spec

from modelrollout.api.status import Phase
from stage.kube import Object
from stage.models import MODEL_FAILED, expecting, rows_that
from stage.programs import Programs
from stage.rollout import Rollout, of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

HEADING = ["NAME", "PHASE", "STABLE", "CANDIDATE", "STEP", "ASKED", "SERVED", "VERDICT", "AGE"]
WAITS = {"canary": {"steps": [{"weight": 25}, {"weight": 50, "pause": {}}]}}
BRIEFLY_WARM = {"cooldown": "1s", "keepPrevious": "1s"}
HEALTH_PORT = 8081


def in_phase(phase: Phase) -> Callable[[Object], bool]:
    return lambda obj: bool(obj["status"]["phase"] == phase)


async def test_a_watcher_sees_each_phase_in_its_row(prepared: Programs, churn: Rollout, tmp_path: Path) -> None:
    watch = ("get", "mr", f"--namespace={churn.namespace}", "--watch")
    async with prepared.lines_of_kubectl(*watch) as rows:
        async with serving(prepared, churn, spec(strategy=WAITS, rollback=BRIEFLY_WARM), rows_that(fail=False)) as now:
            second = await step_by_step(churn)
            await blind(churn)
            now.load.rows.use(expecting(MODEL_FAILED))
            await taken_back(churn)
            now.load.rows.use(rows_that(fail=False))
            await good_at_first(churn, second)
            now.load.rows.use(rows_that(fail=True))
            await churn.until("it goes back to a model that has to start", in_phase(Phase.GOING_BACK))
            await churn.until("that one serves", lambda obj: obj["status"]["stable"]["version"] == "2.0.0")
        await asleep_and_invalid(churn)
        await churn.until("the watcher has seen it", lambda _: Phase.INVALID in rows[-1])
    (tmp_path / "rows.txt").write_text("\n".join(rows))
    assert rows[0].split() == HEADING
    assert {row.split()[1] for row in rows[1:] if row.split()[1] in set(Phase)} == set(Phase)


async def step_by_step(churn: Rollout) -> str:
    """Promote the second model by way of a pause; gives its revision."""
    await roll_out(churn, "v2")
    obj = await churn.until("it waits at weight 50", in_phase(Phase.PAUSED))
    revision = str(candidate(obj)["revision"])
    await churn.command("promote", revision, "1")
    await churn.until_condition("Ready")
    return revision


async def blind(churn: Rollout) -> None:
    """Hold a third model in its first step, since no pod can be asked; then take it back."""
    await roll_out(churn, "v3", health={"interval": "1s", "minSamples": 100_000})
    obj = await churn.until("it is judged", at_weight(25))
    async with blocked([pod["status"]["podIP"] for pod in await churn.pods()], port=HEALTH_PORT):
        await churn.until("it holds", holds_because("ScrapeBlocked"))
    await churn.command("abort", candidate(obj)["revision"], "2")
    await churn.until("it is taken back", rolled_back)


async def taken_back(churn: Rollout) -> None:
    await roll_out(churn, "always-fails", health={"minSamples": 20})
    await churn.until("it is taken back", lambda obj: rolled_back(obj) and "9.0.0" in obj["status"]["message"])


async def good_at_first(churn: Rollout, second: str) -> None:
    """Promote a model that fails later, and let the one before it fall asleep."""
    bad = model_of("fails-under-traffic", "4.0.0")
    await promoted(churn, bad, strategy={"canary": {"steps": [{"weight": 50, "pause": None}]}})
    await churn.until_pods("the second is no longer warm", lambda pods: not of(second, pods))


async def asleep_and_invalid(churn: Rollout) -> None:
    await churn.change({"replicas": 0})
    await churn.until("it sleeps", in_phase(Phase.ASLEEP))
    too_much = {"requests": {"memory": "1Gi"}, "limits": {"memory": "512Mi"}}
    await churn.change({"replicas": 2, "server": SERVER | {"resources": too_much}})
    await churn.until("its spec cannot be", in_phase(Phase.INVALID))
