"""A predict request through ASGI: for the documents' routes, and for what does not take the short way of `exchange`."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelserver.asked import Reply, Take
from modelserver.predict import Predictor
from modelserver.refusals import TOO_LARGE, RefusedError, too_large
from modelserver.state import Phase, State
from modelserver.traffic import Flight

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

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

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
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

    async def reply(self, scope: "Scope", receive: "Receive") -> Reply:
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

    def _flight(self, scope: "Scope") -> Flight:
        flight: Flight | None = scope.get("state", {}).get("flight")
        return flight or self.state.traffic.begin()


async def _read(receive: "Receive") -> bytes:
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
