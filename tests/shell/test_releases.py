"""A rollout that another release left in mid-step, status and children, goes on under this one; nothing starts anew.

`tests/contract/releases` holds what release 0.1.0 wrote. What a later release may add is played by fields that nobody
here knows: the older one has to read past them.
"""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kube.apiserver import ApiServer, Object, serving
from shell.test_machine import become_ready
from shell.test_transport import operating, within
from shell.virtual_sockets import run

from modelrollout import names
from modelrollout.kube.resources import CHILDREN, MODEL_ROLLOUTS, PODS, SERVICES

WRITTEN = Path(__file__).parents[1] / "contract" / "releases" / "0.1.0-in-a-step.json"
KINDS = {resource.kind: resource for resource in (*CHILDREN, MODEL_ROLLOUTS)}
STABLE, CANDIDATE = "863ffbed", "8e2616d6"


def as_it_is(status: Object) -> Object:
    return status


def as_a_later_release_writes_it(status: Object) -> Object:
    candidate = status["candidate"] | {"colour": "green"}
    history = [entry | {"carbonGrams": 3} for entry in status["history"]]
    return status | {"candidate": candidate, "history": history, "shadow": {"revision": "cccc", "share": 5}}


def objects(changed: Callable[[Object], Object]) -> list[Any]:
    """Everything of that rollout, written a moment ago."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = json.loads(re.sub(r'"\d{4}-\d\d-\d\dT[^"]+Z"', f'"{now}"', WRITTEN.read_text()))
    return [obj | {"status": changed(obj["status"])} if obj["kind"] == names.KIND else obj for obj in found]


def candidate(api: ApiServer) -> Object:
    found = (api.get(MODEL_ROLLOUTS, "churn") or {})["status"].get("candidate")
    return found if isinstance(found, dict) else {}


async def goes_on(changed: Callable[[Object], Object], folder: Path) -> tuple[list[str], Object, Any]:
    """Take the rollout over; gives writes to children while nothing happened, then status and selector later."""
    async with serving() as api:
        for obj in objects(changed):
            api.put(KINDS[obj["kind"]], obj)
        async with operating(api, folder):
            await asyncio.sleep(20)
            quiet = [one for one in api.written() if "leases" not in one and "events" not in one]
            assert (candidate(api)["revision"], candidate(api)["stage"]) == (CANDIDATE, "Starting")
            deployment = next(
                one for one in api.all(KINDS["Deployment"]) if one["metadata"]["name"].endswith(CANDIDATE)
            )
            become_ready(api, deployment)
            first = api.get(PODS, f"churn-{CANDIDATE}-x") or {}
            second = {"name": f"churn-{CANDIDATE}-y", "labels": first["metadata"]["labels"]}
            api.put(PODS, {"metadata": second, "status": first["status"]})
            await within(30, lambda: candidate(api).get("stage") == "Judging")
            return quiet, candidate(api), (api.get(SERVICES, "churn") or {})["spec"]["selector"]


@pytest.mark.parametrize("changed", [as_it_is, as_a_later_release_writes_it])
def test_it_goes_on_where_the_other_release_was(changed: Callable[[Object], Object], tmp_path: Path) -> None:
    quiet, status, selector = run(goes_on(changed, tmp_path))

    noted = [f"patch {kind} churn-{STABLE}" for kind in ("controllerrevisions", "deployments")]
    assert [one for one in quiet if "modelrollouts" not in one] == noted, "who is stable is noted once; nothing else"
    assert (status["revision"], status["weight"], status["step"]) == (CANDIDATE, 50, 0)
    assert selector == names.shared_selector("churn", STABLE)
