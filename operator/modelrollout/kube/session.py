"""What kopf takes for its HTTP session: the same client as everybody's, and nothing that could end kopf.

kopf ends with the process on a watch that is refused, on garbage in a stream, and on a 401 with an unchanged token,
and takes a watch that ends at once up again thousands of times a second. So it is shown none of that: a question is
asked until there is an answer, and a watch that breaks just ends, after a wait. It has the client's time limits,
credentials that are read anew for each call, and its place in line while the API server fails.
"""

import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from modelrollout.kube.client import Kube
from modelrollout.kube.errors import Gone, KubeError
from modelrollout.kube.reflector import (
    FIRST_WAIT_SECONDS,
    LEAST_WATCH_SECONDS,
    LONGEST_WAIT_SECONDS,
    WHOLE_WATCH_SECONDS,
)
from modelrollout.kube.resources import MODEL_ROLLOUTS, Object

log = logging.getLogger(__name__)


class Reply:
    """A good answer: JSON, or a stream of it."""

    status = 200

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines
        self.content = self
        self.closed = False

    async def json(self) -> Object:
        found: Object = json.loads(b"".join([line async for line in self._lines]))
        return found

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        async for line in self._lines:
            if self.closed:
                return
            yield line

    def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Session:
    """Stands where kopf expects an aiohttp session."""

    def __init__(self, kube: Kube, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._last_ok = clock()
        self._wait = FIRST_WAIT_SECONDS
        self.headers = {"User-Agent": "modelrollout"}
        self.closed = False
        self.lists = 0
        """Lists so far: 1 in a quiet life."""

    @property
    def age(self) -> float:
        """Seconds since the API server last said anything about ModelRollouts."""
        return self._clock() - self._last_ok

    async def request(self, *, method: str, url: str, **_: Any) -> Reply:  # noqa: ANN401  # kopf's own arguments
        """Ask until there is an answer."""
        if method.lower() != "get":
            raise RuntimeError(f"kopf writes nothing here, and was about to {method} {url}")
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if "watch" in query:
            return Reply(self._watch(parts.path, query.get("resourceVersion", "")))
        return Reply(_once(await self._answer(parts.path)))

    async def close(self) -> None:
        self.closed = True

    async def _answer(self, path: str) -> Object:
        while True:
            try:
                found = await self._ask(path)
            except KubeError as error:
                await self._later(path, error)
            else:
                self._last_ok = self._clock()
                return found

    async def _ask(self, path: str) -> Object:
        if not path.endswith(f"/{MODEL_ROLLOUTS.plural}"):
            return await self._kube.read(path)
        page = await self._kube.list(MODEL_ROLLOUTS, _namespace(path))
        self.lists += 1
        kind = {"apiVersion": MODEL_ROLLOUTS.api_version, "kind": f"{MODEL_ROLLOUTS.kind}List"}
        return kind | {"metadata": {"resourceVersion": page.version}, "items": page.items}

    async def _watch(self, path: str, version: str) -> AsyncIterator[bytes]:
        begun = self._clock()
        try:
            async for event in self._kube.watch(MODEL_ROLLOUTS, _namespace(path), "", version):
                self._heard(begun)
                yield _line({"type": event.type, "object": event.object})
        except Gone as error:
            if self._clock() - begun > LONGEST_WAIT_SECONDS:
                self._wait = 0.0
            await self._later(path, error)
            yield _line({"type": "ERROR", "object": {"kind": "Status", "code": Gone.code}})
        except KubeError as error:
            await self._later(path, error)
        else:
            self._heard(begun)
            if self._clock() - begun < LEAST_WATCH_SECONDS:
                await self._pause()
            elif self._clock() - begun < WHOLE_WATCH_SECONDS:
                await self._kube.rest(0)

    def _heard(self, begun: float) -> None:
        self._last_ok = self._clock()
        if self._last_ok - begun > LONGEST_WAIT_SECONDS:
            self._wait = FIRST_WAIT_SECONDS

    async def _later(self, path: str, error: KubeError) -> None:
        log.warning("%s: asking again in about %.1f s: %s", path, self._wait, error)
        await self._pause()

    async def _pause(self) -> None:
        await self._kube.rest(self._wait * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load, keeps no secret
        self._wait = min(max(4 * self._wait, FIRST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)


async def _once(found: Object) -> AsyncIterator[bytes]:
    yield _line(found)


def _line(found: Object) -> bytes:
    return json.dumps(found).encode() + b"\n"


def _namespace(path: str) -> str:
    head, _, _ = path.removesuffix(f"/{MODEL_ROLLOUTS.plural}").rpartition("/")
    return path.split("/namespaces/")[1].split("/", maxsplit=1)[0] if head.endswith("/namespaces") else ""
