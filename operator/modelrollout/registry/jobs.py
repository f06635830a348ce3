"""The way to a registry of a rollout's own namespace: a Job in it asks, and its last words are the answer.

So the operator reads no Secret of a namespace and calls no address that a spec names; all it learns is a version, a
checksum, or one sentence. A Job that is still under way when patience ends is taken up again at the next question; one
that has ended is deleted, so there is at most one for each rollout.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from modelrollout import names, registered, revisions
from modelrollout.builders.manifests import is_applied
from modelrollout.builders.resolver import resolver
from modelrollout.core.facts import BLOCKED, NOT_FOUND, REFUSED, UNAVAILABLE, AliasSeen, RegistryTrouble, Rollout
from modelrollout.kube.errors import AlreadyExists, KubeError, NamespaceEnding, NotFound, PermanentError, Unavailable
from modelrollout.kube.resources import JOBS, Object, Resource, is_leftover, owner_of
from modelrollout.kube.writer import Gate, NameTaken
from modelrollout.registry.following import Found
from modelrollout.troubles import last_words, server_of, trouble_of

PATIENCE_SECONDS = 30.0
GRACE_SECONDS = 10.0
"""What keeps a pod from running may pass so soon."""
POLL_SECONDS = 0.5
"""Between two looks at what the reflector of pods has; nobody is asked."""
JOB_LABEL = "batch.kubernetes.io/controller-uid"
OWN = "(own)"
"""How registries that nobody declared are counted: no declared one can have this name."""

_CAUSES = {"model not found": NOT_FOUND, "access refused": REFUSED, "download failed": UNAVAILABLE}
"""How a sentence of the serving image begins, and what that means here."""
_PASSING = (NotFound, AlreadyExists, NamespaceEnding)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a Job is sent for. Another manifest is another errand."""

    uri: str
    url: str
    key: str
    manifest: str
    """The Job, as JSON."""

    @property
    def label(self) -> str:
        return OWN

    @property
    def name(self) -> str:
        return names.resolver(self.key.partition("/")[2])

    def unanswered(self) -> AliasSeen:
        return AliasSeen(self.uri, registry=self.url)

    def job(self) -> Object:
        found: Object = json.loads(self.manifest)
        return found


def errand(rollout: Rollout, image: str) -> Errand:
    """The errand for the alias that a spec names in a registry of its own.

    Raises:
        ForbiddenTemplate: when no pod can be made from the spec.

    """
    uri, url = str(rollout.model["uri"]), registered.own(rollout.model)
    return Errand(uri, url, rollout.key, revisions.canonical(resolver(rollout, image)))


class Api(Protocol):
    """What is asked of the API server."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object: ...

    async def create(self, resource: Resource, namespace: str, obj: Object) -> Object: ...

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None: ...


Pods = Callable[[str], Iterable[Object]]
"""The pods of a rollout, by its key, as the reflector has them."""


class Resolvers:
    """Sends Jobs, and reads what became of them."""

    def __init__(self, api: Api, pods: Pods, gate: Gate) -> None:
        self._api = api
        self._pods = pods
        self._gate = gate

    async def ask(self, one: Errand) -> Found | RegistryTrouble:
        """The version that an alias names now, or why that is not known."""
        try:
            return await self._ask(one)
        except NameTaken as error:
            return _blocked(one, f"{error}; rename the ModelRollout, or delete that Job")
        except KubeError as error:
            is_passing = isinstance(error, _PASSING) or not isinstance(error, PermanentError)
            message = f"the Job {one.name} cannot be made: {error}"
            return RegistryTrouble(UNAVAILABLE, message) if is_passing else RegistryTrouble(BLOCKED, message)

    async def _ask(self, one: Errand) -> Found | RegistryTrouble:
        job = await self._sent(one)
        failed = _failure(job)
        end = await self._ended(one, job, 0.0 if failed else PATIENCE_SECONDS)
        if end is None and not failed:
            return self._under_way(one, job)
        meta = job["metadata"]
        await self._api.delete(JOBS, meta["namespace"], meta["name"], meta["uid"])
        return _read(one, end) if end is not None else RegistryTrouble(UNAVAILABLE, _could_not(one, failed))

    async def _sent(self, one: Errand) -> Object:
        """The Job of this errand: a new one, or the one that was sent before."""
        wanted = one.job()
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        await self._gate()
        try:
            return await self._api.create(JOBS, namespace, wanted)
        except AlreadyExists:
            found: Object = {"kind": JOBS.kind, **await self._api.get(JOBS, namespace, name)}
        owner = owner_of(wanted) or {}
        if is_leftover(found, owner):
            raise Unavailable(f"that of the earlier {owner['kind']} {owner['name']} is still there")
        if (owner_of(found) or {}).get("uid") != owner.get("uid"):
            raise NameTaken(found)
        if is_applied(wanted, found):
            return found
        await self._api.delete(JOBS, namespace, name, found["metadata"]["uid"])
        return await self._api.create(JOBS, namespace, wanted)

    async def _ended(self, one: Errand, job: Object, seconds: float) -> Mapping[str, Any] | None:
        """How the Job's container ended; None where it has not, or where something keeps it from running."""
        waited = 0.0
        while True:
            pods = self._of(one, job)
            end = next((end for pod in pods if (end := _end_of(pod))), None)
            if end is not None:
                return end
            if waited >= seconds or (waited >= GRACE_SECONDS and _keeps(pods)):
                return None
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    def _under_way(self, one: Errand, job: Object) -> RegistryTrouble:
        pods = self._of(one, job)
        if why := _keeps(pods):
            return _blocked(one, why)
        if not pods:
            namespace = job["metadata"]["namespace"]
            return _blocked(one, f"it has no pod; `kubectl -n {namespace} describe job {one.name}` says why")
        return RegistryTrouble(UNAVAILABLE, _could_not(one, "its pod has not ended yet"))

    def _of(self, one: Errand, job: Object) -> list[Object]:
        uid = job["metadata"]["uid"]
        return [pod for pod in self._pods(one.key) if (pod["metadata"].get("labels") or {}).get(JOB_LABEL) == uid]


def _end_of(pod: Object) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (server_of(pod).get("state") or {}).get("terminated")
    return found


def _keeps(pods: Iterable[Object]) -> str:
    """What keeps a pod from running: its image, a Secret that is not there, no room."""
    found = (trouble_of(pod, datetime.now(UTC)) for pod in pods)
    return next((f"{one.kind}: {one.words}" if one.words else str(one.kind) for one in found if one is not None), "")


def _failure(job: Object) -> str:
    conditions = (job.get("status") or {}).get("conditions") or []
    failed = next((one for one in conditions if one.get("type") == "Failed" and one.get("status") == "True"), None)
    return str(failed.get("message") or failed.get("reason") or "it failed") if failed is not None else ""


def _read(one: Errand, end: Mapping[str, Any]) -> Found | RegistryTrouble:
    words = last_words(str(end.get("message") or ""))
    if end.get("exitCode") == 0 and (found := _found(words)) is not None:
        return found
    cause, _, rest = words.partition(": ")
    if cause in _CAUSES and rest:
        return RegistryTrouble(_CAUSES[cause], rest)
    return _blocked(one, words or str(end.get("reason") or f"exit code {end.get('exitCode')}"))


def _found(words: str) -> Found | None:
    try:
        answer = json.loads(words)
    except (ValueError, RecursionError):
        return None
    version, sha256 = (answer.get("version"), answer.get("sha256", "")) if isinstance(answer, dict) else (None, "")
    return Found(version, sha256) if registered.is_version(version) and registered.is_checksum(sha256) else None


def _blocked(one: Errand, why: str) -> RegistryTrouble:
    return RegistryTrouble(BLOCKED, _could_not(one, why))


def _could_not(one: Errand, why: str) -> str:
    return f"the Job {one.name} could not ask the registry {one.url}: {why}"
