"""The door to pods: GET /health of a pod's own address, believing nothing. The one aiohttp session for scrapes.

No redirects (a pod could send the operator anywhere), no compression (a megabyte can unpack to a gigabyte), no
cookies, no proxies, no more bytes than an honest answer has (interim answers, header lines and framing among them), and
a time limit over everything, the reading among it.
"""

import asyncio
import os
import socket
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from modelrollout.judge.samples import Sample
from modelrollout.ledger import Failure
from modelrollout.printable import said
from modelrollout.scrape.answer import BODY_LIMIT, OK, Reader, unlike
from modelrollout.scrape.target import Target

CHUNK = 16 * 1024
MOST_HEARD = BODY_LIMIT + CHUNK
"""Bytes of one answer, whatever they are."""
HEADER_LINES, LONGEST_LINE = 64, 4096


class DirectScraper:
    """Asks pods at their own addresses."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._reader = Reader()

    async def scrape(self, target: Target, seconds: float) -> Sample | Failure:
        """A sample of the pod, or why there is none."""
        try:
            async with asyncio.timeout(seconds):
                return await self._get(target)
        except TimeoutError:
            return Failure(f"no answer within {seconds:g} s")
        except TooMuchError:
            return unlike(f"more than {BODY_LIMIT} bytes")
        except aiohttp.ClientConnectionError as error:
            return Failure(_unreached(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return unlike(f"no HTTP: {said(str(error).splitlines()[0] if str(error) else type(error).__name__)[:100]}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _get(self, target: Target) -> Sample | Failure:
        host = f"[{target.address}]" if ":" in target.address else target.address
        url = f"http://{host}:{target.port}/health"
        async with self._open().get(url, allow_redirects=False) as response:
            if response.status != OK:
                return unlike(f"status {response.status}")
            body = await _read(response)
        return await self._reader.read(body, target)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, keepalive_timeout=30, socket_factory=_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "modelrollout"},
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=CHUNK,
                max_headers=HEADER_LINES,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
        return self._session


class TooMuchError(aiohttp.ClientError):
    """An answer that is longer than any honest one."""


class _Bounded(ResponseHandler):
    """A connection that ends when one answer on it becomes too long; nothing of the rest is looked at."""

    _heard = 0

    def set_response_params(self, **params: Any) -> None:  # noqa: ANN401  # aiohttp's own
        self._heard = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._heard += len(data)
        if self._heard <= MOST_HEARD:
            super().data_received(data)
            return
        error = TooMuchError()
        payload, transport = self._payload, self.transport
        self.set_exception(error)
        if payload is not None:
            payload.set_exception(error)
        if transport is not None:
            transport.abort()


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # aiohttp's own
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Bounded, loop=self._loop))


def _socket(address: Any) -> socket.socket:  # noqa: ANN401  # the standard library's own tuple
    """A socket that takes little at a time, so that no pod keeps the event loop for long."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
    return made


async def _read(response: aiohttp.ClientResponse) -> bytes:
    pieces = bytearray()
    async for piece in response.content.iter_any():
        pieces += piece
        if len(pieces) > BODY_LIMIT:
            raise TooMuchError
    return bytes(pieces)


def _unreached(error: aiohttp.ClientConnectionError) -> str:
    """Short, and the same for the same fault: it becomes a condition."""
    system = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = system.errno if isinstance(system, OSError) else None
    if number is not None and number > 0:
        return f"cannot be reached: {os.strerror(number)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "cannot be reached: it hung up without an answer"
    return f"cannot be reached: {type(error).__name__}"
