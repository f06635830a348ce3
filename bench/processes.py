"""Which pod a connection ends at: a server process signs its answers, so one answer from each pod tells them apart."""

from collections.abc import Mapping, Sequence

from modelrollout import names
from modelrollout.traffic.attempts import attempt
from modelrollout.traffic.connection import Connection, Target
from stage.kube import Object
from stage.models import rows_that
from stage.rollout import ready


async def pods_by_process(pods: Sequence[Object]) -> Mapping[str, str]:
    """Name of each ready pod by its process's mark; asks each pod one good row at its own address."""
    good = rows_that(fail=False)[0]
    found: dict[str, str] = {}
    for pod in filter(ready, pods):
        target = Target(pod["status"]["podIP"], names.SERVING_PORT)
        connection = await Connection.open(target)
        try:
            answer = await attempt(connection, target.request(good.body, last=True), good)
        finally:
            connection.close()
        found[answer.process] = pod["metadata"]["name"]
    return found
