"""Shapes of requests and answers, for the OpenAPI document and the model listing; the hot path does not use them."""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelserver.bodies import MAX_ROWS
from modelserver.models import Label
from modelserver.state import State

Features = list[float] | dict[str, float]


class PredictRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    features: Features = Field(description="Numbers in the model's order, or an object of numbers by column name.")
    model_version: str | None = Field(None, description="Refused with 404 when the pod serves another version.")


class BatchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rows: list[Features] = Field(min_length=1, max_length=MAX_ROWS)
    model_version: str | None = None


class IntervalAnswer(BaseModel):
    low: float
    high: float
    level: float = Field(description="Share of the truths that lie inside.")


class RowAnswer(BaseModel):
    prediction: Label = Field(description="A list where the model has several outputs.")
    probabilities: dict[str, float] | list[dict[str, float]] | None = Field(
        None, description="By class, for each output where it has classes of its own; classifiers only."
    )
    interval: IntervalAnswer | None = Field(None, description="Regressions only, where the bundle has one.")
    prediction_id: str = Field(description="Carries revision and time; send it back with the true label.")


class PredictAnswer(RowAnswer):
    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    latency_ms: float


class BatchAnswer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    predictions: list[RowAnswer]
    model_version: str
    latency_ms: float


class Problem(BaseModel):
    type: str
    loc: list[str | int] = Field(description="Where: body, then the field, then the column or the row's index.")
    msg: str


class Refused(BaseModel):
    detail: str | list[Problem]


class Failed(BaseModel):
    error: str = Field(description="Class of the model's exception, or Timeout.")
    detail: str


class BundleAnswer(BaseModel):
    name: str
    version: str
    code: str | None = Field(None, description="Version of the code that made the model.")
    data: str | None = Field(None, description="Version of the data that it was made of.")


class ServedModel(BaseModel):
    name: str
    version: str
    revision: str
    format: str
    digest: str
    columns: list[str]
    classes: list[int | float | str | bool]
    bundle: BundleAnswer | None = None


class ModelList(BaseModel):
    models: list[ServedModel]


def _extra(body: type[BaseModel]) -> dict[str, Any]:
    content = {"application/json": {"schema": body.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


PREDICT_EXTRA = _extra(PredictRequest)
BATCH_EXTRA = _extra(BatchRequest)
RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": Refused, "description": "This pod serves another model version."},
    413: {"model": Refused, "description": "The body is too large."},
    422: {"model": Refused, "description": "The body is refused; the field is named."},
    500: {"model": Failed, "description": "The model failed."},
    504: {"model": Failed, "description": "The request took longer than the server's limit."},
}


def describe(state: State) -> ServedModel:
    """What the pod serves; only to be called once the model is loaded."""
    if state.artifact is None or state.digest is None:
        raise RuntimeError("no model is loaded yet")
    metadata = state.artifact.metadata
    return ServedModel(
        name=state.settings.name,
        version=state.settings.version,
        revision=state.settings.revision,
        format=state.artifact.format,
        digest=state.digest,
        columns=list(metadata.columns),
        classes=list(metadata.classes),
        bundle=BundleAnswer(**asdict(metadata.origin)) if metadata.origin else None,
    )
