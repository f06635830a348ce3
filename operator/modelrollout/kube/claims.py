"""One installation for one namespace: a Lease in it says which, and every other one leaves it alone.

Two installations over the same rollouts would not corrupt them, since every write is a compare-and-swap, but they
would pull them two ways for ever when their versions differ. All replicas of an installation have one claim. One over
all namespaces also claims the cluster, and each namespace when it first sees a rollout there.

Whoever may write Leases in a namespace can write its claim. So nothing in one is believed beyond its bounds: it is free
when it was not renewed for ten minutes, whatever it says, and it concerns its own namespace only.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelrollout.kube.errors import AlreadyExists, Conflict, KubeError, NamespaceEnding, NotFound
from modelrollout.kube.lease import Api, duration_of, holder_of, micro_time, shown, spec_of
from modelrollout.kube.resources import LEASES, Object

CLAIM = "modelrollout-claim"
CLUSTER_CLAIM = "modelrollout-claim-cluster"
CLUSTER_NAMESPACE = "kube-system"
DURATION_SECONDS = 600.0
RENEW_SECONDS = 200.0
LOOK_SECONDS = 1.0
"""Rollouts of a namespace that is somebody else's ask for its claim together."""
EXPIRED = timedelta(seconds=DURATION_SECONDS + 60.0)
"""A claim that was last renewed so long ago is free at first sight, by the wall clock: what a former installation has
left keeps nobody waiting. The minute is for clocks that differ; a claim guards no write, each is a compare-and-swap."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Claim:
    """What is known of one claim: whose it was when it was last read, and since when it has been like that."""

    holder: str
    record: object
    since: float
    looked: float


class Claims:
    """The claims of one installation, called `install` ("namespace/release")."""

    def __init__(
        self,
        api: Api,
        install: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._install = install
        self._clock = clock
        self._now = now
        self._known: dict[str, _Claim] = {}

    async def other(self, namespace: str) -> str:
        """The installation that looks after a namespace; empty where that is us. Claims it where nobody does.

        Raises:
            KubeError: it is not known whose the namespace is.

        """
        if not self._install:
            return ""
        known = self._known.get(namespace)
        age = self._clock() - known.since if known is not None else DURATION_SECONDS
        if known is not None and known.holder == self._install and age < RENEW_SECONDS:
            return ""
        if known is not None and known.holder != self._install and self._clock() - known.looked < LOOK_SECONDS:
            return shown(known.holder)
        try:
            return await self._ask(namespace)
        except NamespaceEnding:
            return ""
        except KubeError:
            if known is not None and known.holder == self._install and age < DURATION_SECONDS:
                return ""
            raise

    async def cluster(self) -> str:
        """The same for the claim on the whole cluster."""
        return await self.other("")

    async def _ask(self, namespace: str) -> str:
        place = _place(namespace)
        begun = self._clock()
        try:
            lease: Object | None = await self._api.get(LEASES, *place)
        except NotFound:
            lease = None
        if lease is not None and not self._may_take(namespace, lease):
            return shown(self._known[namespace].holder)
        try:
            written = await self._write(place, lease)
        except (Conflict, AlreadyExists, NotFound):
            written = await self._api.get(LEASES, *place)
        self._note(namespace, written, begun)
        holder = self._known[namespace].holder
        return "" if holder == self._install else shown(holder)

    def _may_take(self, namespace: str, lease: Object) -> bool:
        if holder_of(lease) in {"", self._install} or self._is_expired(lease):
            return True
        known, now = self._known.get(namespace), self._clock()
        if known is None or known.record != _record(lease):
            self._note(namespace, lease, now)
            return False
        known.looked = now
        return now - known.since >= duration_of(lease, longest=DURATION_SECONDS)

    def _is_expired(self, lease: Object) -> bool:
        """Whether it was last renewed long ago, as it says itself; one that says nothing readable is waited for."""
        renewed = _renewed(lease)
        return renewed is not None and self._now() - renewed > EXPIRED

    def _note(self, namespace: str, lease: Object, at: float) -> None:
        self._known[namespace] = _Claim(holder_of(lease), _record(lease), at, self._clock())

    async def _write(self, place: tuple[str, str], lease: Object | None) -> Object:
        spec = {
            "holderIdentity": self._install,
            "leaseDurationSeconds": round(DURATION_SECONDS),
            "renewTime": micro_time(self._now()),
        }
        if lease is not None:
            return await self._api.replace(LEASES, lease | {"spec": spec})
        meta = {"namespace": place[0], "name": place[1]}
        made = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": spec}
        return await self._api.create(LEASES, place[0], made)


def refused(namespace: str, other: str) -> str:
    """The sentence for people."""
    place, lease = _place(namespace)
    whose = f"namespace {namespace} is" if namespace else "all namespaces are"
    return (
        f"{whose} looked after by the installation {other}, so this one leaves its rollouts alone; uninstall one of "
        f"them, or give each its own watchNamespaces. If {other} is gone, this one takes over "
        f"{DURATION_SECONDS / 60:.0f} minutes after it was last renewed, or at once after: "
        f"kubectl --namespace {place} delete lease {lease}"
    )


def _place(namespace: str) -> tuple[str, str]:
    return (namespace, CLAIM) if namespace else (CLUSTER_NAMESPACE, CLUSTER_CLAIM)


def _record(lease: Object) -> object:
    spec = spec_of(lease)
    return spec.get("holderIdentity"), spec.get("renewTime")


def _renewed(lease: Object) -> datetime | None:
    try:
        renewed = datetime.fromisoformat(str(spec_of(lease).get("renewTime")))
    except ValueError:
        return None
    return renewed if renewed.tzinfo is not None else None
