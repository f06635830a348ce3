"""Turns at being the one that writes: a Lease, taken by compare-and-swap, with a fence on this process's own clock.

Whoever holds the Lease renews it every 2 s and believes in it for 10 s, counted from before the request that renewed
it. Others take it when they have seen it unchanged for 15 s by their own clocks, so that no two clocks are ever
compared; when it was released; or after 4 s, when the pod that held it is no more: without its pod a service account's
token is worth nothing, and a holder that lives renews twice in that time.

Losing it does not end the process, since an API server that is away for a minute takes it from everybody. It ends
the work, and no write passes the fence.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from modelrollout.kube.errors import AlreadyExists, Conflict, KubeError, NotFound, NotLeading
from modelrollout.kube.resources import LEASES, Object, Resource
from modelrollout.printable import printable

LONGEST_SECONDS = 60.0
"""A Lease that did not change for so long is free, whatever it says of itself."""
MOST_TRANSITIONS = 2**31 - 1
"""The API server takes no larger number; the count begins anew after it."""
HOLDER_LENGTH = 120

log = logging.getLogger(__name__)

HasPod = Callable[[str], Awaitable[bool]]
"""Whether the pod of that name exists; may raise KubeError."""


class Api(Protocol):
    """What a Lease needs of `client.Kube`."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object: ...

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object: ...

    async def replace(self, resource: Resource, obj: Object) -> Object: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, all by the monotonic clock of one process."""

    duration: float = 15.0
    """A Lease that did not change for so long is free."""
    deadline: float = 10.0
    """A holder that could not renew for so long stops."""
    renew: float = 2.0
    poll: float = 0.5
    """How often a standby looks, so that a release is seen well within a second."""
    abandoned: float = 4.0
    """A Lease that did not change for so long is free, if its holder's pod is gone."""
    request: float = 3.0
    confirm: float = 1.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who wants which Lease."""

    namespace: str
    name: str
    me: str
    """Name of this pod: a container that starts again in it may go on at once, since the one before is dead."""


class Elector:
    """Takes the Lease when it can, keeps it while it may."""

    def __init__(
        self,
        api: Api,
        candidate: Candidate,
        has_pod: HasPod,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._candidate = candidate
        self._has_pod = has_pod
        self._timing = timing or Timing()
        self._clock = clock
        self._held: Object | None = None
        """The Lease as we wrote it last; None where it has to be read first."""
        self._until = -float("inf")
        self._seen: tuple[object, ...] = ()
        self._seen_at = clock()
        self._waits_for = ""
        self._change = asyncio.Event()
        self.terms = 0
        """How often this process became the leader."""

    @property
    def leads(self) -> bool:
        """Whether this process may write, by its own clock."""
        return self._clock() < self._until

    @property
    def renewed(self) -> float:
        """Seconds since the Lease was last renewed by us; beyond the deadline where it is not ours."""
        return self._clock() - self._until + self._timing.deadline

    async def run(self) -> None:
        """Try to take or keep the Lease until cancelled."""
        while True:
            wait = self._timing.renew
            try:
                async with asyncio.timeout(self._timing.request):
                    leads = await self._try()
                wait = self._timing.renew if leads else self._timing.poll
            except (KubeError, TimeoutError) as error:
                self._held = None
                why = str(error) or f"no answer within {self._timing.request:g} s"
                log.log(logging.WARNING if self.leads else logging.DEBUG, "the Lease cannot be renewed: %s", why)
            await asyncio.sleep(wait * random.uniform(0.8, 1.0))  # noqa: S311  # spreads load, keeps no secret

    async def gained(self) -> None:
        """Wait until this process leads."""
        while not self.leads:
            self._change.clear()
            await self._change.wait()

    async def lost(self) -> None:
        """Wait until it does not, whatever became of a request that is under way."""
        while self.leads:
            self._change.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._until - self._clock())):
                    await self._change.wait()

    async def confirm(self) -> None:
        """The fence: read the Lease, and return only where it is ours.

        Where it cannot be read, our own clock decides: until the deadline nobody else has taken it by the rules.

        Raises:
            NotLeading: this process may not write.

        """
        if self.leads:
            try:
                async with asyncio.timeout(self._timing.confirm):
                    found = await self._api.get(LEASES, self._candidate.namespace, self._candidate.name)
            except NotFound:
                self._drop("it was deleted")
            except (KubeError, TimeoutError) as error:
                log.debug("the Lease could not be read before a write: %s", error)
            else:
                if holder_of(found) != self._candidate.me:
                    self._drop(f"{shown(holder_of(found)) or 'somebody'} has taken it")
        if not self.leads:
            raise NotLeading(f"{self._candidate.me} does not hold Lease {self._candidate.name} and writes nothing")

    async def release(self) -> None:
        """Hand over at once; an error is no more than a longer wait for the next one."""
        if not self.leads or self._held is None:
            return
        free = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        held, self._held = self._held, None
        self._drop("it was released")
        with suppress(KubeError, TimeoutError):
            async with asyncio.timeout(self._timing.confirm):
                await self._api.replace(LEASES, held | {"spec": held["spec"] | free})

    async def _try(self) -> bool:
        begun = self._clock()
        lease = self._held or await self._read()
        if lease is not None and not await self._is_free(lease):
            if self.leads:
                self._drop(f"{shown(holder_of(lease))} has taken it")
            return False
        try:
            self._held = await self._write(lease)
        except (Conflict, AlreadyExists, NotFound):
            self._held = None
            return await self._try_again(begun)
        self._gain(begun)
        return True

    async def _try_again(self, begun: float) -> bool:
        """Somebody wrote it at the same time: whoever holds it now holds it."""
        lease = await self._read()
        if lease is None or holder_of(lease) != self._candidate.me:
            self._drop("somebody else has written it")
            return False
        self._held = await self._write(lease)
        self._gain(begun)
        return True

    async def _read(self) -> Object | None:
        try:
            return await self._api.get(LEASES, self._candidate.namespace, self._candidate.name)
        except NotFound:
            return None

    async def _is_free(self, lease: Object) -> bool:
        holder, spec = holder_of(lease), spec_of(lease)
        if holder in {"", self._candidate.me}:
            return True
        record, now = (holder, spec.get("renewTime"), spec.get("leaseTransitions")), self._clock()
        if record != self._seen:
            self._seen, self._seen_at = record, now
        still = now - self._seen_at
        if still >= duration_of(lease, longest=LONGEST_SECONDS, usual=self._timing.duration):
            return True
        self._say_waiting(shown(holder), still)
        return still >= self._timing.abandoned and not await self._has_pod(holder)

    def _say_waiting(self, holder: str, still: float) -> None:
        if self._waits_for != holder:
            log.info("standing by: %s holds Lease %s", holder, self._candidate.name)
            self._waits_for = holder
        if still >= self._timing.abandoned:
            left = self._timing.duration - still
            log.info(
                "%s has been silent for %.1f s; taking over in %.1f s, or when its pod is gone", holder, still, left
            )

    async def _write(self, lease: Object | None) -> Object:
        me, now = self._candidate, _now()
        before = spec_of(lease or {})
        ours = before.get("holderIdentity") == me.me
        spec = {
            "holderIdentity": me.me,
            "leaseDurationSeconds": round(self._timing.duration) or 1,
            "renewTime": now,
            "acquireTime": before.get("acquireTime") or now if ours else now,
            "leaseTransitions": _transitions(before) + (0 if ours else 1),
        }
        if lease is not None:
            return await self._api.replace(LEASES, lease | {"spec": spec})
        meta = {"name": me.name, "namespace": me.namespace}
        made = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": spec}
        return await self._api.create(LEASES, me.namespace, made)

    def _gain(self, begun: float) -> None:
        led = self.leads
        self._until = begun + self._timing.deadline
        if not led and self.leads:
            self.terms += 1
            self._waits_for = ""
            log.info("%s holds Lease %s and leads from now on", self._candidate.me, self._candidate.name)
            self._change.set()

    def _drop(self, why: str) -> None:
        if self.leads:
            log.warning("%s leads no more: Lease %s: %s", self._candidate.me, self._candidate.name, why)
        self._held = None
        self._until = -float("inf")
        self._change.set()


class Alone:
    """What an elector is to a process that takes no turns: it always leads."""

    leads = True
    renewed = 0.0
    terms = 1

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def gained(self) -> None:
        """At once."""

    async def lost(self) -> None:
        await asyncio.Event().wait()

    async def confirm(self) -> None:
        """The fence is open."""

    async def release(self) -> None:
        """There is nothing to hand over."""


Turns = Elector | Alone


def spec_of(lease: Object) -> Object:
    """What a Lease says; nothing where that is no object."""
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}


def holder_of(lease: Object) -> str:
    return str(spec_of(lease).get("holderIdentity") or "")


def duration_of(lease: Object, *, longest: float, usual: float | None = None) -> float:
    """Seconds without a change after which a Lease is free: what it says itself, within bounds."""
    said = spec_of(lease).get("leaseDurationSeconds")
    if not isinstance(said, int | float) or isinstance(said, bool) or not said > 0:
        return usual or longest
    return float(min(said, longest))


def shown(holder: str) -> str:
    """A holder's name for a message: whoever wrote the Lease chose it."""
    return printable(holder[:HOLDER_LENGTH])[:HOLDER_LENGTH]


def _transitions(spec: Object) -> int:
    said = spec.get("leaseTransitions")
    return said if isinstance(said, int) and 0 <= said < MOST_TRANSITIONS else 0


def _now() -> str:
    return micro_time(datetime.now(UTC))


def micro_time(at: datetime) -> str:
    """A Lease's times are for people: MicroTime, with exactly six digits."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
