"""Routes of the Open Inference Protocol: health, metadata, infer. What answers is `predict`'s; this is the map.

A name or version that the pod does not serve is a 404 that names the ones it has.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from modelserver import __version__
from modelserver.asked import Reply, Take
from modelserver.inference import ENDS, LABELS, PAIR, SHARES, label_datatype, label_shape, share_count, usual_outputs
from modelserver.predict import Predictor
from modelserver.refusals import LATEST
from modelserver.shown import shown
from modelserver.state import State
from modelserver.tensors import DTYPES, MATRIX

Numbers = list[float] | list[list[float]]


class InputTensor(BaseModel):
    name: str = Field(description="Any name for a tensor of all columns, a column's name for one of its own.")
    shape: list[int] = Field(min_length=1, max_length=MATRIX)
    datatype: str = Field(json_schema_extra={"enum": list(DTYPES)})
    data: Numbers
    parameters: dict[str, Any] | None = None


class WantedOutput(BaseModel):
    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    id: str | None = None
    inputs: list[InputTensor]
    outputs: list[WantedOutput] | None = None
    parameters: dict[str, Any] | None = None


class GivenOutput(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[int | float | str | bool]


class InferAnswer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[GivenOutput]


class InferenceError(BaseModel):
    error: str


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


EXTRA = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": InferRequest.model_json_schema()}}}
}
RESPONSES_404: dict[int | str, dict[str, Any]] = {
    404: {"description": "This pod serves another model or version."},
    503: {"description": "Not ready."},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": InferenceError, "description": "The request is refused; the field is named."},
    404: {"description": "This pod serves another model or version."},
    413: {"description": "The body is too large."},
    500: {"model": InferenceError, "description": "The model failed."},
    504: {"model": InferenceError, "description": "The request took longer than the server's limit."},
}


def routes(predictor: Predictor, state: State) -> APIRouter:
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
    _server_routes(router, state)
    _model_routes(router, state)
    _infer_routes(router, predictor, state)
    return router


def _server_routes(router: APIRouter, state: State) -> None:
    @router.get("")
    async def server_metadata() -> ServerMetadata:
        """Name the server and the extensions of the protocol that it has."""
        return ServerMetadata(name="modelrollout", version=__version__, extensions=["binary_tensor_data"])

    @router.get("/health/live", response_class=Response)
    async def server_live() -> Response:
        """Say that the predict path turns."""
        return Response()

    @router.get("/health/ready", response_class=Response, responses={503: {"description": "Not ready."}})
    async def server_ready() -> Response:
        """Say whether requests should come here."""
        return _ready(state)


def _model_routes(router: APIRouter, state: State) -> None:
    @router.get("/models/{name}", responses=RESPONSES_404)
    @router.get("/models/{name}/versions/{version}", responses=RESPONSES_404)
    async def model_metadata(name: str, version: str | None = None) -> ModelMetadata:
        """Describe the model's tensors."""
        _check(state, name, version)
        return describe(state)

    @router.get("/models/{name}/ready", response_class=Response, responses=RESPONSES_404)
    @router.get("/models/{name}/versions/{version}/ready", response_class=Response, responses=RESPONSES_404)
    async def model_ready(name: str, version: str | None = None) -> Response:
        """Say whether the model can be asked."""
        _check(state, name, version)
        return _ready(state)


def _infer_routes(router: APIRouter, predictor: Predictor, state: State) -> None:
    documents: dict[str, Any] = {"response_model": InferAnswer, "responses": RESPONSES, "openapi_extra": EXTRA}

    @router.post("/models/{name}/infer", **documents)
    @router.post("/models/{name}/versions/{version}/infer", **documents)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Predict the rows of the input tensors."""
        _check(state, name, version)
        return await respond(predictor.infer, request)


async def respond(take: Take, request: Request) -> Response:
    """The answer to a request that came here by an unusual name of its path."""
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    take(await request.body(), answered.set_result)
    status, body = await answered
    return Response(body, status, media_type="application/json")


def _check(state: State, name: str, version: str | None) -> None:
    settings = state.settings
    if name != settings.name:
        raise HTTPException(404, f'this pod serves "{settings.name}", not "{shown(name)}"')
    if version not in {None, settings.version, LATEST}:
        raise HTTPException(404, f'this pod serves version "{settings.version}", not "{shown(str(version))}"')


def _ready(state: State) -> Response:
    return Response(status_code=200 if state.ready else 503)


def describe(state: State) -> ModelMetadata:
    """Tensors of the loaded model; one input of all columns, though one per column is taken too."""
    artifact = state.artifact
    if artifact is None:
        raise RuntimeError("no model is loaded yet")
    single = artifact.model.dtype().itemsize == 4  # noqa: PLR2004 - bytes of a float32
    inputs = [TensorMetadata(name="features", datatype="FP32" if single else "FP64", shape=[-1, artifact.width])]
    metadata = artifact.metadata
    outputs = [TensorMetadata(name=LABELS, datatype=label_datatype(metadata), shape=label_shape(metadata))]
    if shares := share_count(metadata):
        outputs.append(TensorMetadata(name=SHARES, datatype="FP64", shape=[-1, shares]))
    if ENDS in usual_outputs(metadata):
        outputs.append(TensorMetadata(name=ENDS, datatype="FP64", shape=[-1, PAIR]))
    return ModelMetadata(
        name=state.settings.name,
        versions=[state.settings.version],
        platform=artifact.format,
        inputs=inputs,
        outputs=outputs,
    )
