"""Against a real MLflow server: a moved alias is one rollout, a version is served, and what is not there is named."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cancer.train import train
from registry.mlflow_server import Mlflow, mlflow_server
from serving.apps import settings
from serving.processes import running
from simulation.stories_of_registries import BY_ALIAS, CHAMPION, REJECTED
from simulation.telling import FAILING, SETTLED, moment

from modelrollout import registered
from modelrollout.core.facts import NOT_FOUND, RegistryTrouble
from modelrollout.registry.declared import Declared
from modelrollout.registry.following import Found
from modelrollout.registry.http import HttpRegistries
from modelrollout.simulation import run
from modelrollout.simulation.driver import Driver
from modelrollout.simulation.scenario import Scenario
from modelserver import sources
from modelserver.failures import StartError
from modelserver.resolving import Resolved, resolved

pytestmark = pytest.mark.timeout(600)

ONNX = {"onnx": {"data": "model.onnx", "onnx_version": "1.19.0", "providers": ["CPUExecutionProvider"]}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("models")
    list(train(folder))
    return (folder / "v2.onnx").read_bytes()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory, model: bytes) -> Iterator[Mlflow]:
    """A registry with three versions of a model called churn, the champion of which is the first."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        server.register("churn")
        server.log("churn", ONNX, {"model.onnx": model})
        server.log("churn", ONNX, {"model.onnx": model + b" "})
        server.log("churn", {"spark": {"model_data": "sparkml"}}, {})
        server.point("churn", "champion", "1")
        yield server


def asked(server: Mlflow, uri: str) -> Found | RegistryTrouble:
    """What the operator's own client learns of an alias."""

    async def ask() -> Found | RegistryTrouble:
        door, named = HttpRegistries(120), registered.parsed(uri)
        assert named is not None
        try:
            return await door.ask(Declared("prod", server.url), named)
        finally:
            await door.close()

    return asyncio.run(ask())


@dataclass(frozen=True)
class Point:
    """Somebody moves the alias in the real registry; the operator sees what its own client is told."""

    server: Mlflow
    version: str

    def happen(self, driver: Driver) -> None:
        self.server.point("churn", "champion", self.version)
        found = asked(self.server, CHAMPION)
        assert isinstance(found, Found)
        driver.world.cluster.aliases[CHAMPION] = found.version

    def __str__(self) -> str:
        return f"{CHAMPION} is moved to version {self.version}"


def test_a_moved_alias_makes_one_revision_and_one_that_was_rolled_back_none(mlflow: Mlflow) -> None:
    mlflow.tag("churn", "2", "sha256", "9f" * 32)
    assert asked(mlflow, CHAMPION) == Found("1")
    moves = (
        moment(Point(mlflow, "2"), SETTLED, 2),
        moment(Point(mlflow, "1"), REJECTED, 3),
        moment(Point(mlflow, "2"), SETTLED, 5),
    )
    played = run(Scenario("an alias in a real registry", BY_ALIAS, moves, {"2": FAILING}))
    assert asked(mlflow, CHAMPION) == Found("2", "9f" * 32)
    mlflow.point("churn", "champion", "1")

    status, cluster = played.world.resource.status, played.world.cluster
    assert (played.broken, played.waiting) == ([], [])
    assert {entry.version: str(entry.outcome) for entry in status.history} == {"1": "Promoted", "2": "Rejected"}
    assert status.stable is not None
    assert (status.stable.version, len(cluster.sources)) == ("1", 2)
    tried = [entry.text for entry in played.world.entries if entry.text.startswith("RolloutStarted: 2 ")]
    assert len(tried) == 1


def test_what_the_serving_image_is_told_of_an_alias_is_what_the_operator_is_told(mlflow: Mlflow) -> None:
    mlflow.point("churn", "next", "3")
    mlflow.tag("churn", "3", "sha256", "8e" * 32)
    environment = {"MODEL_URI": "models:/churn@next", "MODEL_REGISTRY": mlflow.url}
    assert asked(mlflow, "models:/churn@next") == Found("3", "8e" * 32)
    assert resolved(environment) == Resolved("3", "8e" * 32)
    with pytest.raises(StartError, match=r'^model not found: .* has no alias "nobody" of a model "churn"$'):
        resolved(environment | {"MODEL_URI": "models:/churn@nobody"})


@pytest.mark.parametrize("uri", ["models:/churn@nobody", "models:/nothing@champion"])
def test_what_a_registry_does_not_have_is_named(mlflow: Mlflow, uri: str) -> None:
    found = asked(mlflow, uri)
    assert isinstance(found, RegistryTrouble)
    assert found.reason == NOT_FOUND


def test_a_version_is_downloaded_from_its_registry_and_served(mlflow: Mlflow, model: bytes) -> None:
    digest = hashlib.sha256(model).hexdigest()
    with running("models:/churn/1", MODEL_REGISTRY=mlflow.url, MODEL_SHA256=digest) as server:
        assert server.health()["digest"] == f"sha256:{digest}"


REFUSED = {
    "models:/churn/9": "^model not found: .*name=churn&version=9 answers 404",
    "models:/churn/2": "^checksum mismatch: ",
    "models:/churn/3": r"^unreadable model: models:/churn/3 has the flavors spark; served are onnx and sklearn",
    "models:/churn@champion": '^bad setting: "models:/churn@champion" names no version',
}


@pytest.mark.parametrize(("uri", "sentence"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_served_ends_with_its_reason(
    mlflow: Mlflow, model: bytes, monkeypatch: pytest.MonkeyPatch, uri: str, sentence: str
) -> None:
    monkeypatch.setenv("MODEL_REGISTRY", mlflow.url)
    with pytest.raises(StartError, match=sentence):
        sources.fetch(settings(MODEL_URI=uri, MODEL_SHA256=hashlib.sha256(model).hexdigest()))
