"""Healthy rollouts in clusters as they are, by the operator's own path: a cut of the table in docs/judge.md."""

import pytest

from bench.judge import clusters, promises
from bench.judge.clusters import Cluster, Model
from modelrollout.api.spec import Health

ALPHA, RUNS, MOST = 0.05, 8, 2
"""Eight rollouts at .05: more than two false alarms have a probability of .006."""
HEALTH = Health.model_validate({"compare": {}})
NOT_YET = "keep-alive"
WORLDS = [(name, world) for name, world in clusters.healthy() if NOT_YET not in name]


def taken_back(world: Cluster, runs: int) -> list[str]:
    found = promises.runs(world, HEALTH, (ALPHA,), runs, seed=7)
    return [one.fired[ALPHA][1] for one in found if one.fired]


@pytest.mark.parametrize("world", [pytest.param(world, id=name) for name, world in WORLDS])
def test_healthy_rollouts_are_rarely_taken_back(world: Cluster) -> None:
    assert len(taken_back(world, RUNS)) <= MOST


@pytest.mark.parametrize(
    ("model", "metric"),
    [
        pytest.param(Model(errors=5), "errorRatio", id="five times the errors"),
        pytest.param(Model(errors=1000), "errorRate", id="everything fails"),
        pytest.param(Model(slower=2), "latencyRatio", id="twice as slow"),
        pytest.param(Model(tail=2), "latencyRatio", id="the slowest tenth twice as slow"),
    ],
)
def test_a_bad_model_is_taken_back(model: Model, metric: str) -> None:
    assert taken_back(Cluster(model=model), 4) == [metric] * 4
