"""Settings come from the environment; what cannot be read is named."""

import pytest

from modelserver.failures import StartError
from modelserver.settings import Settings

BAD: dict[str, tuple[dict[str, str], str]] = {
    "no model": ({}, "MODEL_URI is not set; it has to name the model, for instance MODEL_URI=/models/model.onnx"),
    "empty model": ({"MODEL_URI": ""}, "MODEL_URI is not set; it has to name the model, for instance"),
    "port": ({"MODEL_URI": "/m", "MODEL_PORT": "http"}, 'MODEL_PORT is "http": Input should be a valid integer'),
    "sha256": ({"MODEL_URI": "/m", "MODEL_SHA256": "9f"}, 'MODEL_SHA256 is "9f": String should match pattern'),
    "edge": ({"MODEL_URI": "/m", "MODEL_LATENCY_EDGES_MS": "5,x"}, "MODEL_LATENCY_EDGES_MS is"),
}


@pytest.mark.parametrize(("environment", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_variable_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(StartError) as failure:
        Settings.from_environment(environment)

    assert str(failure.value).startswith(f"bad setting: {sentence}")


def test_lists_are_split_at_commas_and_empty_variables_are_absent() -> None:
    found = Settings.from_environment(
        {"MODEL_PATH": "/m", "MODEL_TRUST": "pickle, my.Type", "MODEL_LATENCY_EDGES_MS": "", "MODEL_DRAIN_SECONDS": ""}
    )

    assert (found.uri, found.trust, found.latency_edges_ms, found.drain_s) == ("/m", ("pickle", "my.Type"), (), 5.0)
