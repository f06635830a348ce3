"""From a version of a registry to the address of its file: what a registry may say, and what is refused."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from modelserver.failures import StartError
from modelserver.registered import Place, credentials, model_file

REGISTRY = "https://mlflow.example.com/base"
WHERE = f"{REGISTRY}/api/2.0/mlflow/model-versions/get-download-uri?name=churn%20rate&version=7"
FILES = f"{REGISTRY}/api/2.0/mlflow-artifacts/artifacts"
URI = "models:/churn rate/7"


def found(source: object, described: str = "", environment: Mapping[str, str] | None = None) -> Place:
    """Where the file is, in a registry that names this source, whose MLmodel reads so."""

    def read(place: Place) -> bytes:
        if place.url.endswith("/MLmodel"):
            return described.encode()
        assert place == Place(WHERE, is_proxied=True)
        return json.dumps({"artifact_uri": source}).encode()

    return model_file(URI, environment if environment is not None else {"MODEL_REGISTRY": REGISTRY + "/"}, read)


PLACES: dict[str, tuple[str, str, Place]] = {
    "handed out by the registry": (
        "mlflow-artifacts:/0/1f/artifacts/model",
        "flavors: {onnx: {data: model.onnx}}",
        Place(f"{FILES}/0/1f/artifacts/model/model.onnx", is_proxied=True),
    ),
    "the registry by its name": (
        "mlflow-artifacts://mlflow.example.com/0/a b",
        "flavors: {sklearn: {pickled_model: model.skops}}",
        Place(f"{FILES}/0/a%20b/model.skops", is_proxied=True),
    ),
    "an object store": (
        "s3://models/churn/7/",
        "flavors: {python_function: {}, onnx: {data: data/m.onnx}}",
        Place("s3://models/churn/7/data/m.onnx", is_proxied=False),
    ),
    "a file": (
        "https://models.example.com/churn.skops",
        "",
        Place("https://models.example.com/churn.skops", is_proxied=False),
    ),
}


@pytest.mark.parametrize(("source", "described", "place"), PLACES.values(), ids=PLACES)
def test_a_version_leads_to_one_file(source: str, described: str, place: Place) -> None:
    assert found(source, described) == place


REFUSED: dict[str, tuple[object, str, str]] = {
    "another server": ("mlflow-artifacts://evil.example/x", "", "artefacts of another server, evil.example"),
    "a folder of the registry's machine": ("/var/mlruns/0/model", "", "where a pod cannot read it"),
    "a way out of the store": ("mlflow-artifacts:/../../api", "", "leads out of its folder"),
    "a file outside": ("s3://m/7", "flavors: {onnx: {data: ../../other.onnx}}", "leads out of its folder"),
    "an absolute file": ("s3://m/7", "flavors: {onnx: {data: /etc/passwd}}", "leads out of its folder"),
    "no source": (None, "", "does not say where"),
    "another kind of model": ("s3://m/7", "flavors: {spark: {}}", "has the flavors spark; served are onnx and sklearn"),
    "no kind of model": ("s3://m/7", "- a list", "has the flavors none"),
    "code in YAML": ("s3://m/7", "flavors: !!python/object/apply:os.getcwd []", "cannot be read"),
}


@pytest.mark.parametrize(("source", "described", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_leads_elsewhere_is_refused(source: object, described: str, sentence: str) -> None:
    with pytest.raises(StartError, match=sentence):
        found(source, described)


@pytest.mark.parametrize("environment", [{}, {"MODEL_REGISTRY": "file:///mlruns"}])
def test_without_the_address_of_a_registry_nobody_is_asked(environment: dict[str, str]) -> None:
    with pytest.raises(StartError, match="needs MODEL_REGISTRY"):
        found("s3://m/7", environment=environment)


def test_credentials_are_those_of_mlflows_own_clients() -> None:
    basic = credentials({"MLFLOW_TRACKING_USERNAME": "reader", "MLFLOW_TRACKING_PASSWORD": "open sesame"})
    token = credentials({"MLFLOW_TRACKING_TOKEN": "t0ken"})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert basic is not None
    assert token is not None
    assert basic.headers("", now) == {"Authorization": "Basic cmVhZGVyOm9wZW4gc2VzYW1l"}
    assert token.headers("", now) == {"Authorization": "Bearer t0ken"}
    assert credentials({}) is None
