"""The HTTP application: a short cut for everything that is hot or asked every second, FastAPI for the rest.

`PredictRoute` is plain ASGI; the FastAPI route of the same path runs the same code, and is there for the documents
and for servers that mount `pages` alone. FastAPI is imported for the first request that needs it, in a thread of its
own, so that predictions go on meanwhile.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from modelserver.predict import Predictor
from modelserver.route import JSON, PredictRoute
from modelserver.state import State

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

Brief = Callable[[], tuple[int, bytes]]
"""Status and body, which is JSON where there is any."""


class App:
    """The application of the serving port."""

    def __init__(self, predictor: Predictor, state: State) -> None:
        self._predictor = predictor
        self._state = state
        self._hot = {path: PredictRoute(take, predictor, state) for path, take in predictor.paths().items()}
        self._brief = _brief(state)
        self._making = asyncio.Lock()
        self._pages: FastAPI | None = None

    @property
    def pages(self) -> "FastAPI":
        """The documented application; made when it is first asked for."""
        if self._pages is None:
            from modelserver import pages  # noqa: PLC0415 - few pods are ever asked for one

            self._pages = pages.make(self._predictor, self._state)
            gc.freeze()  # as at the start: what was imported stays, and no collection is to walk it
        return self._pages

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and (brief := self._brief.get(scope["path"])):
            await _say(send, *brief())
            return
        hot = scope["type"] == "http" and scope["method"] == "POST" and not scope["path"].startswith("/v2")
        route = self._hot.get(scope["path"]) if hot else None
        await (route or await self._made())(scope, receive, send)

    async def _made(self) -> "FastAPI":
        if self._pages is None:
            async with self._making:
                await asyncio.to_thread(lambda: self.pages)
        return self.pages


def _brief(state: State) -> Mapping[str, Brief]:
    """What load balancers and clients ask again and again; `pages` has the same, for the documents."""

    def code() -> int:
        return 200 if state.ready else 503

    return {
        "/health": lambda: (200, msgspec.json.encode({"status": state.phase})),
        "/ready": lambda: (code(), msgspec.json.encode({"ready": state.ready})),
        "/v2/health/live": lambda: (200, b""),
        "/v2/health/ready": lambda: (code(), b""),
    }


async def _say(send: "Send", status: int, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), *([JSON] if body else [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
