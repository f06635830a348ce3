"""What the serving port serves: predictions and what is asked every second directly, FastAPI's pages for the rest.

FastAPI is imported for the first request that needs it, in a thread of its own, so that predictions go on meanwhile.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import msgspec

from modelserver import asgi
from modelserver.asked import Take
from modelserver.exchange import Exchange, Handler, refusing
from modelserver.inference import INFER_HEADER
from modelserver.predict import Predictor
from modelserver.refusals import TOO_LARGE, too_large
from modelserver.shown import shown
from modelserver.state import State
from modelserver.tensors import BadInferenceError

if TYPE_CHECKING:
    from fastapi import FastAPI

Brief = Callable[[], tuple[int, bytes]]
"""Status and body, which is JSON where there is any."""
MOST_DIGITS = 10


class App:
    """The application of the serving port."""

    def __init__(self, predictor: Predictor, state: State) -> None:
        self._predictor = predictor
        self._state = state
        self._posted = {path.encode(): self._taking(path, take) for path, take in predictor.paths().items()}
        self._brief = {path.encode(): _telling(brief) for path, brief in _brief(state).items()}
        self._making = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pages: FastAPI | None = None

    @property
    def pages(self) -> "FastAPI":
        """The documented application; made when it is first asked for."""
        if self._pages is None:
            from modelserver import pages  # noqa: PLC0415 - few pods are ever asked for one

            self._pages = pages.make(self._predictor, self._state)
            gc.freeze()  # as at the start: what was imported stays, and no collection is to walk it
        return self._pages

    def handler(self, method: bytes, target: bytes) -> Handler:
        """What takes a whole request."""
        if method == b"POST":
            return self._posted.get(target) or self._posted.get(_path(target)) or self._show
        if method in {b"GET", b"HEAD"}:
            return self._brief.get(target) or self._brief.get(_path(target)) or self._show
        return self._show

    def refuse_body(self, target: bytes, limit: int) -> Handler:
        """What answers a request whose body is too long: a refusal where it is for the model."""
        refusal = too_large(limit)
        if _path(target) in self._posted:
            return lambda exchange: self._predictor.refuse(refusal, exchange.answer)
        return refusing(TOO_LARGE, f"the body has more than {limit} bytes")

    def _taking(self, path: str, take: Take) -> Handler:
        if not path.startswith("/v2"):
            return lambda exchange: take(exchange.body, exchange.answer)

        def infer(exchange: Exchange) -> None:
            length = exchange.header(INFER_HEADER)
            if length is None:
                take(exchange.body, exchange.answer)
            elif length.isdigit() and len(length) <= MOST_DIGITS:
                self._predictor.infer_with_bytes(int(length))(exchange.body, exchange.answer)
            else:
                message = f'"{shown(length.decode("latin-1"))}" is not a number of bytes'
                self._predictor.refuse(BadInferenceError(INFER_HEADER.decode(), message), exchange.answer)

        return infer

    def _show(self, exchange: Exchange) -> None:
        task = asyncio.get_running_loop().create_task(self._shown(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shown(self, exchange: Exchange) -> None:
        if self._pages is None:
            async with self._making:
                await asyncio.to_thread(lambda: self.pages)
        await asgi.answer(self.pages, exchange)


def _path(target: bytes) -> bytes:
    """The path of a target, without query and escapes; paths that hold an escaped slash are FastAPI's to read."""
    path = target.partition(b"?")[0]
    return unquote_to_bytes(path) if b"%" in path and b"%2f" not in path.lower() else path


def _telling(brief: Brief) -> Handler:
    return lambda exchange: exchange.answer(brief())


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
