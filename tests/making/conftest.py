"""The example models, trained once for all tests of this folder."""

from pathlib import Path

import pytest
from cancer.train import train


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    list(train(folder))
    return folder
