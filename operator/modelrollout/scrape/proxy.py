"""Scrapes by way of the API server's pod proxy: for an operator that runs outside the cluster's network.

Slower, and it loads the API server, so it is not the default. The same limits hold.
"""

import asyncio

from modelrollout.judge.samples import Sample
from modelrollout.kube.client import Kube
from modelrollout.kube.errors import KubeError
from modelrollout.kube.transport import Call
from modelrollout.ledger import Failure
from modelrollout.printable import said
from modelrollout.scrape.answer import BODY_LIMIT, OK, Reader, unlike
from modelrollout.scrape.target import Target


class ProxyScraper:
    """Asks pods through the API server."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._reader = Reader()

    async def scrape(self, target: Target, seconds: float) -> Sample | Failure:
        """A sample of the pod, or why there is none."""
        call = Call("GET", "", timeout=seconds + 1, limit=BODY_LIMIT)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._kube.through_pod(target.namespace, f"{target.name}:{target.port}", "/health", call)
                if answer.status != OK:
                    return unlike(f"status {answer.status}")
                return await self._reader.read(answer.body, target)
        except TimeoutError:
            return Failure(f"no answer within {seconds:g} s")
        except KubeError as error:
            return Failure(said(str(error)))

    async def close(self) -> None:
        """The connection belongs to the client."""
