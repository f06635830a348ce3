"""Real operator processes against an API server in this one: started, stopped, killed and paused by pid."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from kube.apiserver import ApiServer, Asked, Object, serving
from shell.loops import rollout_object

from modelrollout import names
from modelrollout.kube.resources import DEPLOYMENTS, LEASES, MODEL_ROLLOUTS, PODS

PROGRAM = (sys.executable, "-c", "from modelrollout.cli import app; app()", "run")
READING = frozenset({"get", "list", "watch"})
SPEC = {"model": {"uri": "file:///m", "version": "1"}, "replicas": 1}


@dataclass(frozen=True)
class Write:
    """One request that changed something, Leases apart."""

    by: str
    what: str
    holder: str
    """Whose the Lease was when it came."""


@dataclass
class Replicas:
    """Operators of one installation, each with its own token, so that the server knows who asks."""

    api: ApiServer
    folder: Path
    install: str = "ops/mr"
    processes: dict[str, Process] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    applied: int = 0

    async def note(self, asked: Asked) -> web.StreamResponse | None:
        if asked.verb not in READING and asked.plural != LEASES.plural:
            by = asked.request.headers.get("Authorization", "").removeprefix("Bearer ")
            self.writes.append(Write(by, str(asked), self.holder()))
        return None

    async def start(self, me: str, *options: str) -> None:
        """Start a process in a pod of that name."""
        config = self.folder / f"{me}.kubeconfig"
        config.write_text(
            "{apiVersion: v1, kind: Config, current-context: x,"
            f" clusters: [{{name: x, cluster: {{server: '{self.api.url}'}}}}],"
            f" contexts: [{{name: x, context: {{cluster: x, user: x}}}}], users: [{{name: x, user: {{token: {me}}}}}]}}"
        )
        self.add_pod(me)
        given = (f"--kubeconfig={config}", "--host=127.0.0.1", f"--port={free_port()}", f"--lease={self.install}")
        log = (self.folder / f"{me}.log").open("ab")
        self.processes[me] = await asyncio.create_subprocess_exec(
            *PROGRAM, *given, f"--replica={me}", *options, stdin=DEVNULL, stdout=log, stderr=log, env=dict(os.environ)
        )
        log.close()

    def signal(self, me: str, number: signal.Signals) -> None:
        self.processes[me].send_signal(number)

    async def ended(self, me: str) -> int:
        """Wait for the end of a process; gives its code."""
        async with asyncio.timeout(30):
            return await self.processes.pop(me).wait()

    def add_pod(self, me: str) -> None:
        """A holder of the Lease without a pod is soon taken for dead."""
        self.api.put(PODS, {"metadata": {"name": me, "namespace": self.install.partition("/")[0]}})

    def remove_pod(self, me: str) -> None:
        self.api.remove(PODS, me, self.install.partition("/")[0])

    def lease(self) -> Object:
        namespace, _, name = self.install.partition("/")
        return self.api.get(LEASES, name, namespace) or {"spec": {}}

    def holder(self) -> str:
        return str(self.lease()["spec"].get("holderIdentity") or "")

    def change_lease(self, **spec: Any) -> None:
        namespace, _, name = self.install.partition("/")
        self.api.put(LEASES, {"metadata": {"name": name, "namespace": namespace}, "spec": self.lease()["spec"] | spec})

    async def leader(self, but: str = "") -> str:
        """Wait until somebody (else) holds the Lease."""
        return str(await until(lambda: self.holder() not in {"", but} and self.holder()))

    async def work(self) -> str:
        """Ask for a rollout and wait until it was started; gives who did it."""
        self.applied += 1
        name = f"churn-{self.applied}"
        self.apply(name)
        await until(lambda: self.made(name))
        (by,) = {one.by for one in self.writes if f" {name} " in f"{one.what} "}
        return by

    def apply(self, name: str) -> None:
        obj = rollout_object(spec=SPEC)
        obj["metadata"] = {"name": name, "uid": f"uid-{name}"}
        self.api.put(MODEL_ROLLOUTS, obj)

    def made(self, name: str) -> list[Object]:
        return [one for one in self.api.all(DEPLOYMENTS) if one["metadata"]["labels"][names.NAME_LABEL] == name]

    def by_others_than_the_leader(self) -> list[Write]:
        return [one for one in self.writes if one.by != one.holder]

    def log(self, me: str) -> str:
        return (self.folder / f"{me}.log").read_text()

    async def stop(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
        await asyncio.gather(*(process.wait() for process in self.processes.values()))


@asynccontextmanager
async def replicas(folder: Path) -> AsyncIterator[Replicas]:
    """No operator yet, and an API server for them."""
    async with serving() as api:
        made = Replicas(api, folder)
        api.script = made.note
        try:
            yield made
        finally:
            await made.stop()


async def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := check()):  # noqa: ASYNC110  # polls another program
            await asyncio.sleep(0.01)
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
