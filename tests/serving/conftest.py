"""The example models, trained once for all tests of this folder."""

import json
from pathlib import Path

import pytest
from cancer.train import train


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    list(train(folder))
    return folder


@pytest.fixture(scope="session")
def rows(models: Path) -> list[dict[str, float]]:
    """Rows of the data by column name, as clients send them."""
    bodies = json.loads((models / "rows.json").read_text())
    return [body["features"] for body in bodies]
