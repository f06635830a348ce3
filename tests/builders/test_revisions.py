"""What makes a revision, and what must not."""

from typing import Any

import pytest
from builders.values import MODEL

from modelrollout.revisions import revision_hash, spec_hash

PLAIN = spec_hash(MODEL, {})


def test_hashes_never_change_between_versions_of_the_operator() -> None:
    hashes = (PLAIN, revision_hash(PLAIN, "modelserver:1"))

    assert hashes == ("8fc4c4970641798f", "e3ee1c4d")


@pytest.mark.parametrize(
    ("model", "server"),
    [
        pytest.param(dict(reversed(MODEL.items())), {}, id="order of keys"),
        pytest.param(MODEL | {"sha256": None}, {}, id="null"),
        pytest.param(MODEL, {"env": None, "podTemplate": None}, id="nulls under server"),
    ],
)
def test_the_same_words_are_the_same_revision(model: dict[str, Any], server: dict[str, Any]) -> None:
    assert spec_hash(model, server) == PLAIN


@pytest.mark.parametrize(
    ("model", "server"),
    [
        pytest.param(MODEL | {"version": "2.1.1"}, {}, id="version"),
        pytest.param(MODEL | {"sha256": "ab" * 32}, {}, id="checksum"),
        pytest.param(MODEL, {"env": [{"name": "A", "value": "1"}]}, id="environment"),
        pytest.param(MODEL, {"startupDeadline": "5m"}, id="a default that was written"),
    ],
)
def test_other_words_are_another_revision(model: dict[str, Any], server: dict[str, Any]) -> None:
    assert spec_hash(model, server) != PLAIN


def test_the_order_of_variables_counts() -> None:
    first, second = {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}

    assert spec_hash(MODEL, {"env": [first, second]}) != spec_hash(MODEL, {"env": [second, first]})


def test_another_image_is_another_revision_of_the_same_words() -> None:
    assert revision_hash(PLAIN, "modelserver:1") != revision_hash(PLAIN, "modelserver:2")


def test_a_revision_is_eight_hexadecimal_digits() -> None:
    assert len(revision_hash(PLAIN, "x")) == 8
    assert set(revision_hash(PLAIN, "x")) <= set("0123456789abcdef")
