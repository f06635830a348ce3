"""What a bundle's `bundle.json` says of its model; read whole, and refused where it contradicts itself.

The operator's judge takes the baseline as it is here, so a manifest that loads is one that it can read.
"""

from itertools import pairwise
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelserver.failures import Cause, StartError

MANIFEST = "bundle.json"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MOST_EDGES = 512
"""As many as the operator reads."""
MAX_GOLDEN_ROWS = 1000


def is_inside(name: str) -> bool:
    """Whether a path names something below its folder, in one way of reading it only."""
    path = PurePosixPath(name)
    plain = name.isprintable() and "\\" not in name
    return plain and name not in {"", "."} and not path.is_absolute() and ".." not in path.parts


def _inside(name: str) -> str:
    if not is_inside(name):
        raise ValueError(f'"{name[:100]}" is a path outside the bundle')
    return name


Name = Annotated[str, Field(min_length=1, max_length=256)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
LARGEST = 1e100
MOST_COUNTED = 2**40
"""Bounds of what the operator believes of predictions: squares and sums over many pods have to be numbers, too."""


def _squarable(value: float) -> float:
    if abs(value) > LARGEST:
        raise ValueError(f"{value:g} is beyond {LARGEST:g}")
    return value


Squarable = Annotated[Finite, AfterValidator(_squarable)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Scalar = bool | int | Finite | str
Label = Scalar | list[Scalar]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelFile(Part):
    file: Annotated[Name, AfterValidator(_inside)]
    """Path in the bundle."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Column(Part):
    name: Name
    type: Literal["number", "integer"] = "number"
    """A fraction is refused where an integer is promised."""
    min: Finite | None = None
    """What is smaller is refused."""
    max: Finite | None = None
    usual: tuple[Finite, Finite] | None = None
    """Smallest and largest value in the sample; what is outside is served and counted."""

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f'column "{self.name}": min {self.min:g} is above max {self.max:g}')
        if self.usual is not None and self.usual[0] > self.usual[1]:
            raise ValueError(f'column "{self.name}": its usual range is upside down')
        return self


class Interval(Part):
    """Where the truth lies beside a regression's prediction: between prediction + lower and prediction + upper."""

    level: Annotated[float, Field(gt=0, lt=1)]
    """Share of the truths that lie inside."""
    lower: Finite
    upper: Finite

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.lower > self.upper:
            raise ValueError(f"lower {self.lower:g} is above upper {self.upper:g}")
        return self


class Prediction(Part):
    """What becomes of a regression's answers."""

    min: Finite | None = None
    """Smaller predictions, and ends of intervals, are answered as this."""
    max: Finite | None = None
    interval: Interval | None = None

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


class Baseline(Part):
    """Predictions of the validation set, one number per row: see `scores`."""

    count: Annotated[Count, Field(gt=0, le=MOST_COUNTED)]
    mean: Squarable
    sd: Annotated[Squarable, Field(ge=0)]
    edges: Annotated[tuple[Squarable, ...], Field(max_length=MOST_EDGES)] = ()
    counts: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != (len(self.edges) + 1 if self.edges else 0):
            raise ValueError(f"{len(self.edges)} edges do not go with {len(self.counts)} counts; counts are one more")
        if any(one >= other for one, other in pairwise(self.edges)):
            raise ValueError("edges have to ascend")
        if self.counts and sum(self.counts) != self.count:
            raise ValueError(f"counts sum up to {sum(self.counts)}, count is {self.count}")
        return self


class Golden(Part):
    """Rows, and what the model answered to them when the bundle was made."""

    rows: Annotated[tuple[tuple[Finite, ...], ...], Field(min_length=1, max_length=MAX_GOLDEN_ROWS)]
    predictions: tuple[Label, ...]
    probabilities: tuple[tuple[Finite, ...], ...] | None = None
    tolerance: Annotated[float, Field(ge=0, le=1)] = 1e-6
    """Of a number n: tolerance * max(1, |n|)."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for what, answers in (("predictions", self.predictions), ("probabilities", self.probabilities)):
            if answers is not None and len(answers) != len(self.rows):
                raise ValueError(f"{len(self.rows)} rows do not go with {len(answers)} {what}")
        return self


class Manifest(Part):
    bundle: Literal[1]
    """Version of this document."""
    name: Name
    version: Name
    model: ModelFile
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=100_000)]
    """In the model's order."""
    golden: Golden | None = None
    baseline: Baseline | None = None
    prediction: Prediction = Prediction()
    code: str | None = None
    """Version of the code that made the model, such as a commit."""
    data: str | None = None
    """Version of the data that it was made of."""
    libraries: dict[str, str] = {}
    """Versions of the Python packages that made the model."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f'the column "{twice}" is listed twice')
        for number, row in enumerate(self.golden.rows if self.golden else ()):
            if len(row) != len(names):
                raise ValueError(f"golden row {number} has {len(row)} values, there are {len(names)} columns")
        return self


def parse(text: bytes, name: str) -> Manifest:
    """The manifest of the bundle with this name.

    Raises:
        StartError: naming the first field that is not in order.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = _printable(".".join(str(part) for part in found["loc"]))
        said = " ".join(found["msg"].removeprefix("Value error, ").split())
        raise StartError(
            Cause.UNREADABLE_MODEL, f"{name}: {MANIFEST}: {f'{place}: {said}' if place else said}"
        ) from None


def _printable(name: str) -> str:
    """A name from outside, in one line."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in name[:200])
