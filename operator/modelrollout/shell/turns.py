"""Whether this process works now: by a Lease, or always."""

import os
import socket
from collections.abc import Callable

from modelrollout.kube.client import Kube
from modelrollout.kube.errors import NotFound
from modelrollout.kube.lease import Alone, Candidate, Elector, Turns
from modelrollout.kube.resources import PODS
from modelrollout.settings import Settings


def turns(settings: Settings, kube: Kube, clock: Callable[[], float]) -> Turns:
    """The elector of the Lease that the settings name; without one this process always leads."""
    if not settings.lease:
        return Alone()
    unpaced = kube.unpaced()
    namespace, _, name = settings.lease.partition("/")
    me = settings.replica or f"{socket.gethostname()}-{os.urandom(4).hex()}"

    async def has_pod(pod: str) -> bool:
        try:
            await unpaced.get(PODS, namespace, pod)
        except NotFound:
            return False
        return True

    return Elector(unpaced, Candidate(namespace, name, me), has_pod, clock=clock)
