"""Quantities as numbers."""

from decimal import Decimal

import pytest

from modelrollout.builders.quantities import number


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("500m", "0.5"),
        (2, "2"),
        (0.5, "0.5"),
        (".5", "0.5"),
        ("1.5Gi", "1610612736"),
        ("2k", "2000"),
        ("1E", "1000000000000000000"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("-1", "-1"),
    ],
)
def test_what_people_write_is_a_number(quantity: object, value: str) -> None:
    assert number(quantity) == Decimal(value)


@pytest.mark.parametrize("text", ["", "2 Gi", "lots", "1.2.3", "5GiB", "0x10", "1m5"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity; write for instance 500m, 2 or "):
        number(text)
