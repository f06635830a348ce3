"""The API server as somebody sees it who asks again while it is away, since the soak takes it away itself."""

import asyncio
import time

from modelrollout.kube.errors import KubeError
from modelrollout.kube.transport import Call
from stage.kube import ASK_AGAIN_SECONDS, ApiError, Cluster, Object

PATIENCE_SECONDS = 180.0
SERVER_ERROR = 500


class Patient(Cluster):
    """Everything that it is asked for may be asked twice: gets, merges, applies, deletions, evictions."""

    async def _ask(self, call: Call) -> Object:
        began = time.monotonic()
        while True:
            try:
                return await super()._ask(call)
            except (ApiError, KubeError) as error:
                answered = isinstance(error, ApiError) and error.status < SERVER_ERROR
                if answered or time.monotonic() - began > PATIENCE_SECONDS:
                    raise
            await asyncio.sleep(ASK_AGAIN_SECONDS)
