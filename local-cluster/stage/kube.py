"""The one door to the API server for demo, tests and benchmark: objects in and out, and waiting for a fact.

Stands on the operator's own transport (credentials, TLS, time limits). Nothing here sleeps for a fixed time: `until`
asks again until a fact holds, with a deadline that only a broken system reaches.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeVar

from modelrollout.kube.transport import Answer, Call, Transport, configuration

Object = dict[str, Any]
Found = TypeVar("Found")

MANAGER = "stage"
ASK_AGAIN_SECONDS = 0.1
PATIENCE_SECONDS = 90.0
NOT_FOUND = 404
CLUSTER_WIDE = frozenset(
    {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Node", "PersistentVolume"}
)


class ApiError(Exception):
    """The API server said no; the text is its own."""

    def __init__(self, call: Call, answer: Answer) -> None:
        try:
            said = json.loads(answer.body).get("message", "")
        except ValueError:
            said = answer.body[:300].decode("utf-8", "replace")
        super().__init__(f"{call}: {answer.status} {said}")
        self.status = answer.status
        self.said = said


class Late(Exception):  # noqa: N818  # says what was waited for
    """A fact did not come to hold in time."""


def path_of(api_version: str, kind: str, namespace: str, name: str = "") -> str:
    """Path of an object, or of all objects of its kind in a namespace."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    plural = f"{kind.lower()}s" if not kind.endswith("y") else f"{kind.lower()[:-1]}ies"
    where = f"/namespaces/{namespace}" if namespace and kind not in CLUSTER_WIDE else ""
    return f"{root}{where}/{plural}" + (f"/{name}" if name else "")


class Cluster:
    """One API server."""

    def __init__(self, wire: Transport) -> None:
        self._wire = wire

    @classmethod
    async def connect(cls, kubeconfig: str) -> Self:
        return cls(Transport(await configuration(kubeconfig)))

    async def close(self) -> None:
        await self._wire.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        return await self._ask(Call("GET", path, query or {}, timeout=30))

    async def find(self, path: str) -> Object | None:
        """The object, or None where there is none."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def list(self, path: str, selector: str = "") -> list[Object]:
        found = await self.get(path, {"labelSelector": selector} if selector else None)
        return list(found["items"])

    async def create(self, obj: Object, namespace: str = "") -> Object:
        path = path_of(obj["apiVersion"], obj["kind"], namespace)
        return await self._ask(Call("POST", path, body=obj, timeout=30))

    async def create_strictly(self, path: str, obj: Object) -> Object:
        """Create as kubectl does by default: unknown fields are refused."""
        return await self._ask(Call("POST", path, {"fieldValidation": "Strict"}, obj, timeout=30))

    async def apply(self, obj: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        """Server-side apply."""
        path = path_of(obj["apiVersion"], obj["kind"], namespace, obj["metadata"]["name"])
        query = {"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        return await self._ask(Call("PATCH", path, query, obj, "application/apply-patch+yaml", timeout=30))

    async def merge(self, path: str, patch: Object) -> Object:
        query = {"fieldManager": MANAGER}
        return await self._ask(Call("PATCH", path, query, patch, "application/merge-patch+json", timeout=30))

    async def delete(self, path: str, body: Object | None = None) -> None:
        """Delete in the background; what is not there is no error."""
        try:
            await self._ask(Call("DELETE", path, body=body or {"propagationPolicy": "Background"}, timeout=30))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    async def post(self, path: str, body: Object) -> Object:
        """Create a subresource, for instance an eviction."""
        return await self._ask(Call("POST", path, body=body, timeout=30))

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """What is there as it is, for instance a pod's page through the API server."""
        return (await self._wire.call(Call("GET", path, query or {}, timeout=30))).body

    async def _ask(self, call: Call) -> Object:
        answer = await self._wire.call(call)
        if answer.status >= 300:  # noqa: PLR2004  # everything else is no success
            raise ApiError(call, answer)
        found: Object = json.loads(answer.body)
        return found


async def until(look: Callable[[], Awaitable[Found | None]], what: str, seconds: float = PATIENCE_SECONDS) -> Found:
    """Ask again and again until an answer is true.

    Args:
        look: gives what was waited for; None or False means not yet.
        what: names it, for the message of the error.
        seconds: a deadline that only a broken system reaches.

    Raises:
        Late: it did not come to hold in time.

    """
    began = time.monotonic()
    while True:
        found = await look()
        if found is not None and found is not False:
            return found
        if time.monotonic() - began > seconds:
            raise Late(f"{what}: not so after {seconds:g} s")
        await asyncio.sleep(ASK_AGAIN_SECONDS)
