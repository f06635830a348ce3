"""A spec that cannot be is refused by the API server, with a sentence that says what to write instead."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout import names
from stage.kube import ApiError, Cluster, path_of

CASES = yaml.safe_load((Path(__file__).parents[1] / "contract" / "bad_specs.yaml").read_text())

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
async def test_the_api_server_refuses(case: dict[str, Any], cluster: Cluster, shared_namespace: str) -> None:
    obj = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": case.get("name", "churn")},
        "spec": {"model": {"uri": "http://models/v1.onnx"}} | case["spec"],
    }
    path = path_of(names.API_VERSION, names.KIND, shared_namespace)
    with pytest.raises(ApiError) as refused:
        await cluster.create_strictly(path, obj)
    assert case["says"] in refused.value.said
