"""Pods that lie to the operator beside a candidate that fails all its requests: it is taken back every time.

Each lie of `lying.liar` is told by stable's pod beside a candidate that counts honestly, and by the candidate itself. A
few rollouts work through the table at once, each on a stable that stays. `pytest -s` prints the table.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from e2e.acts import LIGHT, candidate, serving
from e2e.conftest import own_namespace
from e2e.specs import SERVER, Spec, model_of, spec
from lying.liar import LIES

from localcluster.choice import Driver
from localcluster.cli import locked
from localcluster.images import Image, make_images
from modelrollout import names
from stage.kube import Cluster, Late, Object
from stage.models import MODEL_FAILED, expecting
from stage.operator import TAG, image_of
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of, is_true

# On a busy machine every pod tells the same lie: it does not answer in time.
pytestmark = [pytest.mark.cluster, pytest.mark.alone]

STABLE, CANDIDATE = "stable", "candidate"
LIAR = Image("modelrollout-liar", "tests/lying/Dockerfile", "tests/lying")
PATIENCE = 100.0
"""Seconds; a lie takes ten."""
AT_ONCE = 6
"""Rollouts, whose pods start at once."""
FEW = replace(LIGHT, rate=15)
ONE_STEP: Spec = {"canary": {"steps": [{"weight": 50}]}}
SAID_BY_EACH = ("errors-that-fall", "inflight-1e300", "memory-1e300", "no-answer")
SAMPLE = {
    STABLE: (*SAID_BY_EACH, "requests-near-2-62", "errors-more-than-requests", "edges-without-number", "status-503"),
    CANDIDATE: (*SAID_BY_EACH, "a-body-without-end", "another-pod", "pod-with-escapes", "hangs-up"),
}
"""Of each kind of lie one or two; all of them are told in `make test-long`."""


@pytest.fixture
def image(prepared: Programs) -> str:
    """The liar's image, on the cluster."""
    with locked(prepared.places):
        make_images(prepared.places, [LIAR], Driver(prepared.places.choice.read_text().strip()), TAG)
    return image_of(prepared, "liar")


@pytest.mark.parametrize("arm", [STABLE, CANDIDATE])
async def test_lies_save_no_candidate_that_fails_and_are_said(
    arm: str, prepared: Programs, cluster: Cluster, image: str
) -> None:
    await Liars(arm, image, prepared).tell(SAMPLE[arm], cluster)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("arm", [STABLE, CANDIDATE])
async def test_no_lie_of_all_saves_a_candidate_that_fails_and_each_is_said(
    arm: str, prepared: Programs, cluster: Cluster, image: str
) -> None:
    await Liars(arm, image, prepared).tell(tuple(LIES), cluster)


@dataclass(frozen=True, slots=True)
class Liars:
    """One way to lie, and what nobody found out."""

    arm: str
    image: str
    tools: Programs
    wrong: list[str] = field(default_factory=list)

    async def tell(self, lies: tuple[str, ...], cluster: Cluster) -> None:
        """Tell each lie once, a few at once; one that is not found out does not keep the others from being told."""
        async with own_namespace(cluster, f"lies of {self.arm}") as namespace:
            async with asyncio.TaskGroup() as group:
                for number in range(AT_ONCE):
                    churn = Rollout(cluster, namespace, f"churn-{number}")
                    group.create_task(self._in_turn(lies[number::AT_ONCE], churn))
            assert self.wrong == []

    async def _in_turn(self, lies: tuple[str, ...], churn: Rollout) -> None:
        """Tell one lie after the other, each beside (or as) a candidate of its own."""
        honest = spec(_version("1.0.0"), replicas=1, strategy=ONE_STEP, server=_server(self.image))
        async with serving(self.tools, churn, honest, expecting(MODEL_FAILED), FEW) as now:
            (pod,) = await churn.pods(now.revision)
            for number, lie in enumerate(lies):
                began = time.monotonic()
                if self.arm == STABLE:
                    await _switch(pod["status"]["podIP"], lie)
                bad = {"FAILS": "1"} | ({"LIE": lie} if self.arm == CANDIDATE else {})
                await churn.change({"model": _version(f"2.0.{number}"), "server": _server(self.image, **bad)})
                obj = await self._taken_back(churn, lie)
                if obj is None:
                    continue
                print(f"{self.arm:9} {lie:33} {time.monotonic() - began:5.1f} s  {_words(self.arm, obj)}")  # noqa: T201
                last = obj["status"]["history"][-1]
                assert (last["version"], last["outcome"]) == (f"2.0.{number}", "Rejected"), lie
                assert candidate(obj) == {}, lie
                assert obj["status"]["stable"]["revision"] == now.revision, lie
                assert (await churn.selector())[names.REVISION_LABEL] == now.revision, lie
                assert all(one.message.isprintable() for one in conditions_of(obj).values()), lie
            if self.arm == STABLE:
                assert "ScrapeFailing" in {one.reason for one in await churn.events()}

    async def _taken_back(self, churn: Rollout, lie: str) -> Object | None:
        """The rollout once its candidate is gone and the lie is said."""
        what = f"{self.arm} tells {lie} and the candidate is taken back"
        try:
            return await churn.until(what, lambda obj: _is_found_out(self.arm, lie, obj), PATIENCE)
        except Late as late:
            obj = await churn.get()
            self.wrong.append(" ".join((str(late), *late.__notes__, _words(self.arm, obj))))
            return None


def _version(version: str) -> Spec:
    return model_of("v1", version)


def _server(image: str, **variables: str) -> Spec:
    return SERVER | {"image": image, "env": [{"name": name, "value": value} for name, value in variables.items()]}


async def _switch(address: str, lie: str) -> None:
    url = f"http://{address}:{names.HEALTH_PORT}/lie/{lie}"
    async with aiohttp.ClientSession() as session, session.put(url, raise_for_status=True):
        return


def _words(arm: str, obj: Object) -> str:
    """Where the lie is told of: the condition while a pod of stable lies, the verdict for a candidate."""
    if arm == CANDIDATE:
        return str((obj.get("status") or {}).get("message", ""))
    condition = conditions_of(obj).get("ScrapeFailing")
    return condition.message if condition is not None and condition.status == "True" else ""


def _is_found_out(arm: str, lie: str, obj: Object) -> bool:
    return is_true(obj, "Stalled") and re.search(LIES[lie].sentence, _words(arm, obj)) is not None
