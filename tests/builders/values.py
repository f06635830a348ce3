"""Rollouts and revisions with defaults: a test names only what it is about."""

from collections.abc import Mapping
from typing import Any

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.facts import RevisionSource, Rollout

MODEL = {"uri": "https://models.example/churn/2.1.0/model.skops", "version": "2.1.0"}
SELECTOR = {"modelrollout.dev/name": "churn", "modelrollout.dev/revision": "7f3a9c21"}


def rollout(wishes: Mapping[str, Any] | None = None, /, **fields: Any) -> Rollout:
    """A rollout called churn. `wishes` is what the user wrote in the spec beside the model."""
    written = {"model": MODEL} | dict(wishes or {})
    known: dict[str, Any] = {
        "namespace": "shop",
        "name": "churn",
        "uid": "4d1c",
        "generation": 3,
        "spec": ModelRolloutSpec.model_validate(written),
        "status": ModelRolloutStatus(),
        "model": written["model"],
        "server": written.get("server", {}),
    }
    return Rollout(**known | fields)


def source(**fields: Any) -> RevisionSource:
    """Revision 7f3a9c21 of churn 2.1.0, started against 1b2c3d4e."""
    known: dict[str, Any] = {
        "revision": "7f3a9c21",
        "version": "2.1.0",
        "spec_hash": "0123456789abcdef",
        "image": "modelserver:1",
        "model": MODEL,
        "server": {},
        "against": "1b2c3d4e",
    }
    return RevisionSource(**known | fields)


def server_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The container `server` of a Deployment or of a pod template."""
    template = manifest["spec"].get("template", manifest)
    return next(one for one in template["spec"]["containers"] if one["name"] == "server")


def env_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The server's variables by name, those with a plain value."""
    return {one["name"]: one["value"] for one in server_of(manifest)["env"] if "value" in one}
