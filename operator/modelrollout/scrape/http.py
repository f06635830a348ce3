"""The door to pods: GET /health of a pod's own address, believing nothing. The one aiohttp session for scrapes.

No redirects (a pod could send the operator anywhere), no compression (a megabyte can unpack to a gigabyte), no
cookies, no proxies, at most 1 MB, and a time limit over everything.
"""

import aiohttp

from modelrollout.judge.samples import Sample
from modelrollout.scrape.answer import BODY_LIMIT, read
from modelrollout.scrape.target import Target

CHUNK = 64 * 1024


class DirectScraper:
    """Asks pods at their own addresses."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def scrape(self, target: Target, seconds: float) -> Sample | str:
        """A sample of the pod, or why there is none."""
        try:
            return await self._get(target, seconds)
        except TimeoutError:
            return f"no answer within {seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"cannot be reached: {str(error) or type(error).__name__}"

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _get(self, target: Target, seconds: float) -> Sample | str:
        host = f"[{target.address}]" if ":" in target.address else target.address
        limit = aiohttp.ClientTimeout(total=seconds)
        url = f"http://{host}:{target.port}/health"
        async with self._open().get(url, timeout=limit, allow_redirects=False) as response:
            if response.status != 200:  # noqa: PLR2004  # HTTP's word for yes
                return f"answered {response.status}"
            body = await _read(response)
        if body is None:
            return f"answered more than {BODY_LIMIT} bytes"
        return read(body, target)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "modelrollout"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    pieces = bytearray()
    async for piece in response.content.iter_chunked(CHUNK):
        pieces += piece
        if len(pieces) > BODY_LIMIT:
            return None
    return bytes(pieces)
