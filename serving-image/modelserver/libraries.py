"""Versions of the packages that a model was made with, beside the ones that serve it.

scikit-learn promises nothing across its minor versions, so these are compared; patches are not.
"""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

NEEDED: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnxruntime",),
    "skops": ("numpy", "scikit-learn", "skops"),
    "pickle": ("joblib", "numpy", "scikit-learn"),
}
"""By format: what has a say in how a file of it is read."""
PYTHON = "python"
"""Recorded for people, not compared: none of the formats depends on it."""


def in_use(kind: str) -> dict[str, str]:
    """Versions to record in a bundle of this format."""
    found = {name: installed(name) for name in NEEDED[kind]}
    return {PYTHON: platform.python_version(), **{name: one for name, one in found.items() if one is not None}}


@cache
def everything() -> Mapping[str, str]:
    """Versions of all that has a say in how models are read and served."""
    return {name: one for kind in NEEDED for name, one in in_use(kind).items()}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def differences(recorded: Mapping[str, str]) -> list[str]:
    """One clause for each package that is not the one that the model was made with."""
    found = []
    for name, wanted in recorded.items():
        here = installed(name) if name != PYTHON else wanted
        if here is None:
            found.append(f"{name} {wanted[:50]} is not here")
        elif _minor(here) != _minor(wanted):
            found.append(f"{name} {wanted[:50]} is {here} here")
    return found


def _minor(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")[:2])
