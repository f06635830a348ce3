"""Clients that other projects wrote, on a real process: tritonclient over the Open Inference Protocol, schemathesis."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
import tritonclient.http as triton
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving.apps import fake, served
from serving.processes import LOOPBACK, Running, running


@pytest.fixture
def server(models: Path) -> Iterator[Running]:
    with running(models / "v2.skops", MODEL_NAME="cancer", MODEL_VERSION="2") as started:
        yield started


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_reads_metadata_and_infers(server: Running, rows: list[dict[str, float]], binary: object) -> None:
    client = triton.InferenceServerClient(f"{LOOPBACK}:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cancer", "2")
    metadata = client.get_model_metadata("cancer", "2")
    matrix = np.array([list(row.values()) for row in rows[:4]])
    tensor = triton.InferInput(metadata["inputs"][0]["name"], [*matrix.shape], metadata["inputs"][0]["datatype"])
    tensor.set_data_from_numpy(matrix, binary_data=bool(binary))

    answer = client.infer("cancer", [tensor], model_version="2")
    client.close()

    assert (metadata["name"], metadata["versions"]) == ("cancer", ["2"])
    assert answer.as_numpy("predict").shape == (4,)
    np.testing.assert_allclose(answer.as_numpy("predict_proba").sum(axis=1), 1)


def test_tritonclient_is_told_why_it_is_refused(server: Running) -> None:
    client = triton.InferenceServerClient(f"{LOOPBACK}:{server.port}")
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_data_from_numpy(np.ones((1, 2)))

    with pytest.raises(triton.InferenceServerException, match=r"inputs\[0\].shape: the model takes 30 columns, not 2"):
        client.infer("cancer", [tensor])
    client.close()


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", served(fake()).app.pages)


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_whatever_fits_or_breaks_the_document_gets_an_answer_that_is_in_it(case: schemathesis.Case[Any]) -> None:
    # How many numbers a row has, the document cannot say for every shape that is taken.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
