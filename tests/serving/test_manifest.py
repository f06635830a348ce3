"""The manifest: what is refused in which words, and that whatever loads is in order."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scrape.healths import TARGET, health
from serving.bundle_files import BASELINE, GOLDEN, manifest

from modelrollout.judge import Baseline as ReadBaseline
from modelrollout.judge import Sample
from modelrollout.scrape.answer import read
from modelserver.failures import StartError
from modelserver.manifest import Baseline, Manifest, parse


def parsed(**changes: Any) -> Manifest:
    return parse(json.dumps(manifest(b"", **changes)).encode(), "sums")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a later document": ({"bundle": 2}, "bundle: Input should be 1"),
    "an unknown field": ({"colums": []}, "colums: Extra inputs are not permitted"),
    "no columns": ({"columns": []}, "columns: Tuple should have at least 1 item"),
    "a column twice": ({"columns": [{"name": "x"}, {"name": "x"}]}, 'the column "x" is listed twice'),
    "an unknown type": ({"columns": [{"name": "x", "type": "text"}]}, "columns.0.type: Input should be 'number' or"),
    "a range upside down": (
        {"columns": [{"name": "x", "min": 2, "max": 1}]},
        'columns.0: column "x": min 2 is above max 1',
    ),
    "a usual range upside down": (
        {"columns": [{"name": "x", "usual": [2, 1]}]},
        'columns.0: column "x": its usual range is upside down',
    ),
    "no checksum": ({"model": {"file": "m.onnx"}}, "model.sha256: Field required"),
    "a text for a number": ({"columns": [{"name": "x", "min": "1"}]}, "columns.0.min: Input should be a valid number"),
    "a golden row too short": (
        {"golden": {"rows": [[1.0]], "predictions": [1]}},
        "golden row 0 has 1 values, there are 2 columns",
    ),
    "answers missing": ({"golden": {**GOLDEN, "predictions": [1]}}, "golden: 2 rows do not go with 1 predictions"),
    "probabilities missing": (
        {"golden": {**GOLDEN, "probabilities": [[1]]}},
        "golden: 2 rows do not go with 1 probabilities",
    ),
    "a bucket missing": ({"baseline": {**BASELINE, "counts": [1, 2]}}, "baseline: 2 edges do not go with 2 counts"),
    "edges that fall": ({"baseline": {**BASELINE, "edges": [2, 1]}}, "baseline: edges have to ascend"),
    "counts of others": ({"baseline": {**BASELINE, "count": 9}}, "baseline: counts sum up to 400, count is 9"),
    "an endless mean": ({"baseline": {**BASELINE, "mean": math.inf}}, "baseline.mean: Input should be a finite number"),
    "a mean without a square": ({"baseline": {**BASELINE, "mean": -1e200}}, "baseline.mean: -1e+200 is beyond 1e+100"),
    "limits upside down": ({"prediction": {"min": 2, "max": 1}}, "prediction: min 2 is above max 1"),
    "an interval upside down": (
        {"prediction": {"interval": {"level": 0.9, "lower": 1, "upper": 0}}},
        "prediction.interval: lower 1 is above upper 0",
    ),
}


@pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
def test_a_field_that_is_not_in_order_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(StartError) as failure:
        parsed(**changes)

    assert str(failure.value).startswith(f"unreadable model: sums: bundle.json: {said}")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_manifest_is_unreadable(text: bytes) -> None:
    with pytest.raises(StartError, match=r"^unreadable model: sums: bundle.json: "):
        parse(text, "sums")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*Manifest.model_fields, "other"])


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(FIELDS, JSON, max_size=3))
@example(changes={"prediction": {"\n": 0}})
def test_any_document_is_a_manifest_or_one_sentence(changes: dict[str, Any]) -> None:
    found = _sentence_or_manifest(changes)

    assert isinstance(found, Manifest) or "\n" not in found


def _sentence_or_manifest(changes: dict[str, Any]) -> str | Manifest:
    try:
        return parsed(**changes)
    except StartError as refused:
        return str(refused)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200, deadline=None)
@given(edges=st.lists(NUMBERS, max_size=6), counts=st.lists(st.integers(0, 10), max_size=7), mean=NUMBERS, sd=NUMBERS)
def test_every_baseline_that_loads_is_one_that_the_operator_reads(
    edges: list[float], counts: list[int], mean: float, sd: float
) -> None:
    given_ = {"count": sum(counts), "mean": mean, "sd": sd, "edges": edges, "counts": counts}
    try:
        baseline = Baseline.model_validate_json(json.dumps(given_))
    except ValueError:
        return

    sample = read(json.dumps(health(baseline=baseline.model_dump())).encode(), TARGET)
    assert isinstance(sample, Sample)
    assert sample.baseline == ReadBaseline(sum(counts), mean, sd, tuple(edges), tuple(counts))
