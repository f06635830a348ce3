"""Specs for rollouts on the cluster: small pods, short times, and what a test says on top."""

from typing import Any

from stage.models import uri

Spec = dict[str, Any]

VERSIONS = {"v1": "1.0.0", "v2": "2.0.0", "v3": "3.0.0"}
SERVER: Spec = {"resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}}

WAITS_AT_HALF: Spec = {"canary": {"steps": [{"weight": 50, "pause": {}}]}}


def spec(model: str | Spec = "v1", **changes: Any) -> Spec:
    """A spec of two small pods with a look every second; `changes` replace whole fields."""
    plain = {
        "replicas": 2,
        "model": model_of(model),
        "server": SERVER,
        "strategy": {"canary": {"steps": [{"weight": 25}, {"weight": 50}]}},
        "health": {"interval": "1s"},
        "bake": "3s",
    }
    return plain | changes


def model_of(model: str | Spec, version: str = "") -> Spec:
    """An example model by its name; the same artefact under another version is another revision."""
    if not isinstance(model, str):
        return model
    return {"uri": uri(model), "version": version or VERSIONS.get(model.removeprefix("slow-load-"), "9.0.0")}
