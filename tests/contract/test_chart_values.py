"""The chart's values against their schema; what the templates make of them is in test_chart.py."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts" / "modelrollout"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_defaults_fit_the_schema() -> None:
    jsonschema.validate(VALUES, SCHEMA)


def test_every_value_has_a_default() -> None:
    assert SCHEMA["properties"].keys() - VALUES.keys() == {"global", "nameOverride"}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"watchNamespace": ["a"]}, id="unknown"),
        pytest.param({"scrape": {"via": "magic"}}, id="way to scrape"),
        pytest.param({"watchNamespaces": ["Shop"]}, id="namespace"),
        pytest.param({"server": {"image": ""}}, id="no image"),
        pytest.param({"registries": [{"name": "prod"}]}, id="a registry without an address"),
        pytest.param(
            {"registries": [{"name": "prod", "url": "https://me:secret@mlflow"}]}, id="a password in an address"
        ),
        pytest.param({"registries": [{"name": "Prod", "url": "https://mlflow"}]}, id="a name with a capital"),
        pytest.param({"services": {"types": ["ExternalName"]}}, id="a type that specs do not have"),
        pytest.param({"services": {"types": []}}, id="no type at all"),
        pytest.param({"services": {"annotations": ["*.example.com/x"]}}, id="half a pattern"),
        pytest.param({"image": {"repository": "x", "digest": "latest"}}, id="no digest"),
        pytest.param({"networkPolicy": {"enabled": "yes"}}, id="a word for a boolean"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(VALUES | wrong, SCHEMA)
