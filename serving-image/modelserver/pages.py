"""What people read, by FastAPI: documents, listings, and the predict paths once more, so that they are documented.

Imported when it is first asked for (`app`): few pods ever are, and it is an eighth of a start.
"""

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from modelserver import __version__, docs_page, inference_api
from modelserver.documents import BATCH_EXTRA, PREDICT_EXTRA, RESPONSES, BatchAnswer, ModelList, PredictAnswer, describe
from modelserver.predict import Predictor
from modelserver.shown import shown
from modelserver.state import State


def make(predictor: Predictor, state: State) -> FastAPI:
    pages = _pages(predictor, state)
    pages.include_router(inference_api.routes(predictor, state))
    return pages


def _pages(predictor: Predictor, state: State) -> FastAPI:
    # FastAPI's own /docs loads a script from somebody else's server.
    pages = FastAPI(title=f"Model {state.settings.name}", version=__version__, docs_url=None, redoc_url=None)

    @pages.post("/predict", response_model=PredictAnswer, responses=RESPONSES, openapi_extra=PREDICT_EXTRA)
    @pages.post("/v1/predict", response_model=PredictAnswer, responses=RESPONSES, openapi_extra=PREDICT_EXTRA)
    async def predict(request: Request) -> Response:
        """Predict one row."""
        return await inference_api.respond(predictor.one, request)

    @pages.post("/v1/predict/batch", response_model=BatchAnswer, responses=RESPONSES, openapi_extra=BATCH_EXTRA)
    async def predict_batch(request: Request) -> Response:
        """Predict up to 100 rows."""
        return await inference_api.respond(predictor.batch, request)

    @pages.get("/v1/models")
    async def models() -> ModelList:
        """List what this pod serves."""
        return ModelList(models=[describe(state)])

    @pages.get("/v1/models/{name}/versions", responses={404: {"description": "This pod serves another model."}})
    async def versions(name: str) -> ModelList:
        """List the versions of one model that this pod serves."""
        if name != state.settings.name:
            raise HTTPException(404, f'this pod serves "{state.settings.name}", not "{shown(name)}"')
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

    @pages.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page.html(pages.openapi()), headers=docs_page.HEADERS)

    return pages
