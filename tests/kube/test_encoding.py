"""Bodies read as the API server writes them itself, so that what it compares by bytes stays equal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.kube.encoding import encoded

AS_GO_WRITES = {
    "keys in order, no spaces": ({"b": 1, "a": [1, {"d": None, "c": True}]}, '{"a":[1,{"c":true,"d":null}],"b":1}'),
    "an address with a query": ({"uri": "s3://m/a?x=1&y=<2>"}, '{"uri":"s3://m/a?x=1\\u0026y=\\u003c2\\u003e"}'),
    "line separators": ("a\u2028b\u2029c", '"a\\u2028b\\u2029c"'),
    "letters stay as they are": ("é ü 😀", '"é ü 😀"'),
    "control characters": ('a\n\t\r\\"\x01\x7f', '"a\\n\\t\\r\\\\\\"\\u0001\x7f"'),
    "whole numbers": ([2.0, 2, -0.5, 0.25], "[2,2,-0.5,0.25]"),
}


@pytest.mark.parametrize(("value", "text"), AS_GO_WRITES.values(), ids=AS_GO_WRITES)
def test_a_value_is_written_as_go_writes_it(value: Any, text: str) -> None:
    assert encoded(value).decode() == text


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert encoded({"message": "a\ud83d"}) == b'{"message":"a?"}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_written_reads_as_what_it_was_and_is_written_the_same_again(value: Any) -> None:
    text = encoded(value)
    assert json.loads(text) == value
    assert encoded(json.loads(text)) == text
    assert not set(text.decode()) & set("&<>\u2028\u2029")
