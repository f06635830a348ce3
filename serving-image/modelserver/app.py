"""The HTTP application: FastAPI for everything that people read, and a short cut for everything that is hot.

`PredictRoute` is plain ASGI; the FastAPI route of the same path runs the same code, and is there for the documents
and for servers that mount the application without the short cut.
"""

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.types import Receive, Scope, Send

from modelserver import __version__, inference_api
from modelserver.documents import BATCH_EXTRA, PREDICT_EXTRA, RESPONSES, BatchAnswer, ModelList, PredictAnswer, describe
from modelserver.predict import Predictor
from modelserver.route import PredictRoute
from modelserver.state import State


class App:
    """The application of the serving port."""

    def __init__(self, predictor: Predictor, state: State) -> None:
        self._hot = {path: PredictRoute(take, predictor, state) for path, take in predictor.paths().items()}
        self.pages = _pages(self._hot["/v1/predict"], self._hot["/v1/predict/batch"], state)
        self.pages.include_router(inference_api.routes(predictor, state))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = scope["type"] == "http" and scope["method"] == "POST" and not scope["path"].startswith("/v2")
        route = self._hot.get(scope["path"]) if hot else None
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

    @pages.get("/v1/models/{name}/versions", responses={404: {"description": "This pod serves another model."}})
    async def versions(name: str) -> ModelList:
        """List the versions of one model that this pod serves."""
        if name != state.settings.name:
            raise HTTPException(404, f'this pod serves "{state.settings.name}", not "{name[:100]}"')
        return ModelList(models=[describe(state)])

    @pages.get("/health")
    async def health() -> dict[str, str]:
        """Say that the predict path turns; the counters are on the health port."""
        return {"status": state.phase}

    @pages.get("/ready", responses={503: {"description": "Not ready."}})
    async def ready(response: Response) -> dict[str, bool]:
        """Say whether requests should come here."""
        response.status_code = 200 if state.ready else 503
        return {"ready": state.ready}

    return pages
