"""The one door to the API server's wire: connection, credentials, time limits, bytes.

The official client (`kubernetes.aio`) finds and refreshes the credentials and makes the TLS context; the requests go
through an aiohttp session of our own, because the client follows redirects, cannot cap an answer, and costs five
times the CPU a call. No other module imports `kubernetes`. What an answer means is `client`'s business.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import kubernetes.aio.client as sdk
import kubernetes.aio.config as sdk_config

from modelrollout.kube.encoding import encoded
from modelrollout.kube.errors import Unavailable

CONNECT_SECONDS = 5.0
ANSWER_LIMIT = 64 * 2**20
READ_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    timeout: float = 10.0
    """Seconds for the whole call; of a stream, seconds between two pieces."""
    limit: int = ANSWER_LIMIT
    """Bytes of the answer that are still read."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    retry_after: str = ""


class Transport:
    """One session with one API server."""

    def __init__(self, configuration: sdk.Configuration) -> None:
        self._client = sdk.ApiClient(configuration)
        self._session: aiohttp.ClientSession | None = None

    @property
    def server(self) -> str:
        return str(self._client.configuration.host).rstrip("/")

    async def call(self, call: Call) -> Answer:
        """Send one request and read its answer.

        Raises:
            Unavailable: nothing came back in time, or more than the limit.
        """
        patience = aiohttp.ClientTimeout(total=call.timeout, sock_connect=CONNECT_SECONDS)
        async with self._sent(call, patience) as response:
            body = await _read(response, call)
            return Answer(response.status, body, response.headers.get("Retry-After", ""))

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Open an answer that goes on; gives its status and its pieces as they come."""
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=call.timeout)
        async with self._sent(call, patience) as response:
            yield response.status, response.content.iter_any()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._client.close()  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def _sent(self, call: Call, patience: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        configuration = self._client.configuration
        url = f"{self.server}{call.path}" + (f"?{urlencode(call.query)}" if call.query else "")
        try:
            async with self._open().request(
                call.method,
                url,
                data=None if call.body is None else encoded(call.body),
                headers=await self._headers(call.content_type),
                timeout=patience,
                allow_redirects=False,
                proxy=configuration.proxy,
                proxy_headers=configuration.proxy_headers,
                server_hostname=configuration.tls_server_name,
            ) as response:
                yield response
        except TimeoutError as error:
            raise Unavailable(f"{call}: the API server at {self.server} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{call}: the API server at {self.server} cannot be reached: {error}") from error

    async def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "modelrollout"}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self._client.rest_client.ssl_context)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=2**20, trust_env=True)
        return self._session


async def _read(response: aiohttp.ClientResponse, call: Call) -> bytes:
    pieces = bytearray()
    async for piece in response.content.iter_chunked(READ_CHUNK):
        pieces += piece
        if len(pieces) > call.limit:
            raise Unavailable(f"{call}: the answer is longer than {call.limit} bytes")
    return bytes(pieces)


async def configuration(kubeconfig: str = "", context: str = "") -> sdk.Configuration:
    """Find the API server: the pod's service account inside a cluster, else a kubeconfig file.

    Raises:
        Unavailable: there is neither; the sentence says what was looked for.
    """
    found = sdk.Configuration()
    if not kubeconfig and not context and os.environ.get("KUBERNETES_SERVICE_HOST"):
        await asyncio.to_thread(sdk_config.load_incluster_config, client_configuration=found)
        return found
    try:
        await sdk_config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig or None, context=context or None, client_configuration=found
        )
    except sdk_config.ConfigException as error:
        raise Unavailable(
            f"no API server is known: not in a cluster, and the kubeconfig cannot be used ({error}); "
            "set KUBECONFIG or --kubeconfig"
        ) from error
    return found


def plain(server: str) -> sdk.Configuration:
    """An API server without credentials, for tests and for `kubectl proxy`."""
    return sdk.Configuration(host=server)
