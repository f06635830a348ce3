"""The variables that the serving image reads beside those that the operator sets: none is left to an `envFrom`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import modelserver
from modelrollout.api import reserved
from modelserver.settings import Settings

SOURCES = sorted(Path(modelserver.__file__).parent.rglob("*.py"))
OURS = re.compile(r"(MODEL|POD)_[A-Z0-9_]+")


def strings(source: Path) -> Iterator[str]:
    """All text constants of a file that are no docstrings."""
    tree = ast.parse(source.read_text())
    spoken = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in spoken:
            yield one.value


def read() -> set[str]:
    """Variables with our prefixes that a file of the image names."""
    return {text for source in SOURCES for text in strings(source) if OURS.fullmatch(text)}


def test_each_variable_with_a_prefix_of_ours_is_set_in_each_pod() -> None:
    assert read() == {*reserved.ENV_SET, *reserved.ENV_NAMES}


def test_the_settings_are_among_them() -> None:
    aliases = {str(field.validation_alias) for field in Settings.model_fields.values()}

    assert any("MODEL_TRUST" in alias for alias in aliases)
    assert {"MODEL_TRUST", "MODEL_PORT", "MODEL_HOST", "MODEL_TERMINATION_LOG"} <= read()


def test_what_only_tunes_the_server_says_nothing_of_the_model() -> None:
    assert not set(reserved.ENV_SETTABLE) & {"MODEL_TRUST", "MODEL_URI", "MODEL_PATH", "MODEL_SHA256", "MODEL_REGISTRY"}


def test_an_empty_variable_counts_as_absent() -> None:
    empty = dict.fromkeys((*reserved.ENV_SET, *reserved.ENV_NAMES), "")

    assert Settings.from_environment(empty | {"MODEL_URI": "/m"}) == Settings.from_environment({"MODEL_URI": "/m"})
