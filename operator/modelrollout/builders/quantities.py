"""Kubernetes' quantities ("500m", "2Gi", 0.5) as exact numbers, to compare requests with limits."""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(m|u|n|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?")
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}
_SMALL = {letter: Decimal(1000) ** -power for power, letter in enumerate("mun", start=1)}
_FACTORS = _BINARY | _DECIMAL | _SMALL | {"": Decimal(1)}


def number(quantity: object) -> Decimal:
    """The number that a quantity means: cores, bytes or pieces.

    Raises:
        ValueError: when it is none.

    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f'"{quantity}" is not a quantity; write for instance 500m, 2 or 1.5Gi')
    digits, suffix = found.group(1), found.group(2) or ""
    if suffix in _FACTORS:
        return Decimal(digits) * _FACTORS[suffix]
    return Decimal(digits + suffix)
