"""The HTTP application: FastAPI for everything that people read, and a short cut for everything that is hot.

`PredictRoute` is plain ASGI; the FastAPI route of the same path runs the same code, and is there for the documents
and for servers that mount the application without the short cut.
"""

import asyncio
from dataclasses import dataclass

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.types import Receive, Scope, Send

from modelserver import __version__
from modelserver.asked import Reply, Take
from modelserver.documents import BATCH_EXTRA, PREDICT_EXTRA, RESPONSES, BatchAnswer, ModelList, PredictAnswer, describe
from modelserver.predict import Predictor
from modelserver.refusals import TOO_LARGE, RefusedError, too_large
from modelserver.state import Phase, State
from modelserver.traffic import Flight

MAX_BODY_BYTES = 4 * 1024 * 1024
JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")


class ClientGoneError(Exception):
    """The client left before its whole request was here; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class PredictRoute:
    """Reads a body and answers it; `take` is one of the predictor's."""

    take: Take
    predictor: Predictor
    state: State

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body = await self.reply(scope, receive)
        except ClientGoneError:
            return
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        # After SIGTERM the client has to go elsewhere; after a 413 the rest of its body is not read.
        if status == TOO_LARGE or self.state.phase is Phase.DRAINING:
            headers.append(CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def reply(self, scope: Scope, receive: Receive) -> Reply:
        """Status and JSON body.

        Raises:
            ClientGoneError: before the request was complete.
        """
        try:
            body = await _read(receive)
        except RefusedError as refusal:
            return self.predictor.refuse(refusal, self._flight(scope))
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(reply: Reply) -> None:
            if not answered.done():  # its client may be gone, and the task with it
                answered.set_result(reply)

        self.take(body, self._flight(scope), answer)
        return await answered

    async def respond(self, request: Request) -> Response:
        status, body = await self.reply(request.scope, request.receive)
        return Response(body, status, media_type="application/json")

    def _flight(self, scope: Scope) -> Flight:
        flight: Flight | None = scope.get("state", {}).get("flight")
        return flight or self.state.traffic.begin()


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body = bytearray(message.get("body", b""))
    while message.get("more_body", False) and len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if len(body) > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    return bytes(body)


class App:
    """The application of the serving port."""

    def __init__(self, predictor: Predictor, state: State) -> None:
        self._hot = {path: PredictRoute(take, predictor, state) for path, take in predictor.paths().items()}
        self.pages = _pages(self._hot["/v1/predict"], self._hot["/v1/predict/batch"], state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._hot.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (route or self.pages)(scope, receive, send)


def _pages(one: PredictRoute, batch: PredictRoute, state: State) -> FastAPI:
    pages = FastAPI(title=f"Model {state.settings.name}", version=__version__)

    @pages.post("/predict", response_model=PredictAnswer, responses=RESPONSES, openapi_extra=PREDICT_EXTRA)
    @pages.post("/v1/predict", response_model=PredictAnswer, responses=RESPONSES, openapi_extra=PREDICT_EXTRA)
    async def predict(request: Request) -> Response:
        """Predict one row."""
        return await one.respond(request)

    @pages.post("/v1/predict/batch", response_model=BatchAnswer, responses=RESPONSES, openapi_extra=BATCH_EXTRA)
    async def predict_batch(request: Request) -> Response:
        """Predict up to 100 rows."""
        return await batch.respond(request)

    @pages.get("/v1/models")
    async def models() -> ModelList:
        """List what this pod serves."""
        return ModelList(models=[describe(state)])

    @pages.get("/v1/models/{name}/versions")
    async def versions(name: str) -> ModelList:
        """List the versions of one model that this pod serves."""
        if name != state.settings.name:
            raise HTTPException(404, f'this pod serves "{state.settings.name}", not "{name[:100]}"')
        return ModelList(models=[describe(state)])

    @pages.get("/health")
    async def health() -> dict[str, str]:
        """Say that the predict path turns; the counters are on the health port."""
        return {"status": state.phase}

    @pages.get("/ready")
    async def ready(response: Response) -> dict[str, bool]:
        """Say whether requests should come here."""
        response.status_code = 200 if state.ready else 503
        return {"ready": state.ready}

    return pages
