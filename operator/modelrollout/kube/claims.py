"""One installation for one namespace: a Lease in it says which, and every other one leaves it alone.

Two installations over the same rollouts would not corrupt them, since every write is a compare-and-swap, but they
would pull them two ways for ever when their versions differ. All replicas of an installation have one claim. One over
all namespaces also claims the cluster, and each namespace when it first sees a rollout there.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from modelrollout.kube.errors import AlreadyExists, Conflict, KubeError, NamespaceEnding, NotFound
from modelrollout.kube.lease import Api
from modelrollout.kube.resources import LEASES, Object

CLAIM = "modelrollout-claim"
CLUSTER_CLAIM = "modelrollout-claim-cluster"
CLUSTER_NAMESPACE = "kube-system"
DURATION_SECONDS = 600.0
RENEW_SECONDS = 200.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Claim:
    """What is known of one claim: whose it was when it was last read, and since when it has been like that."""

    holder: str
    record: object
    since: float


class Claims:
    """The claims of one installation, called `install` ("namespace/release")."""

    def __init__(self, api: Api, install: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._install = install
        self._clock = clock
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
            return self._known[namespace].holder
        try:
            written = await self._write(place, lease)
        except (Conflict, AlreadyExists, NotFound):
            written = await self._api.get(LEASES, *place)
        self._note(namespace, written, begun)
        holder = self._known[namespace].holder
        return "" if holder == self._install else holder

    def _may_take(self, namespace: str, lease: Object) -> bool:
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") in {None, "", self._install}:
            return True
        known = self._known.get(namespace)
        if known is None or known.record != _record(lease):
            self._note(namespace, lease, self._clock())
            return False
        return self._clock() - known.since >= float(spec.get("leaseDurationSeconds") or DURATION_SECONDS)

    def _note(self, namespace: str, lease: Object, at: float) -> None:
        holder = str((lease.get("spec") or {}).get("holderIdentity") or "")
        self._known[namespace] = _Claim(holder, _record(lease), at)

    async def _write(self, place: tuple[str, str], lease: Object | None) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": self._install,
            "leaseDurationSeconds": round(DURATION_SECONDS),
            "renewTime": now,
        }
        if lease is not None:
            return await self._api.replace(LEASES, lease | {"spec": (lease.get("spec") or {}) | spec})
        meta = {"namespace": place[0], "name": place[1]}
        made = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": spec}
        return await self._api.create(LEASES, place[0], made)


def refused(namespace: str, other: str) -> str:
    """The sentence for people."""
    place, lease = _place(namespace)
    whose = f"namespace {namespace} is" if namespace else "all namespaces are"
    return (
        f"{whose} looked after by the installation {other}, so this one leaves its rollouts alone; uninstall one of "
        f"them, or give each its own watchNamespaces. If {other} is gone: "
        f"kubectl --namespace {place} delete lease {lease}"
    )


def _place(namespace: str) -> tuple[str, str]:
    return (namespace, CLAIM) if namespace else (CLUSTER_NAMESPACE, CLUSTER_CLAIM)


def _record(lease: Object) -> object:
    spec = lease.get("spec") or {}
    return spec.get("holderIdentity"), spec.get("renewTime")
