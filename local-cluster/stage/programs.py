"""Runs kubectl and helm against the local cluster: what users type, as users type it."""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from localcluster.cli import CHECKOUT, kubeconfig_of
from localcluster.kubectl import find_kubectl
from localcluster.places import Places, find_places
from localcluster.programs import HELM, build_missing


class Failed(Exception):  # noqa: N818  # what a program said
    """A program ended with an error; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Programs:
    """kubectl and helm, bound to one kubeconfig."""

    places: Places
    kubeconfig: Path

    async def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl; gives its standard output.

        Raises:
            Failed: with what it said.

        """
        return _good(words, await self.try_kubectl(*words, stdin=stdin))

    async def try_kubectl(self, *words: str, stdin: str | None = None) -> Ran:
        return await self._run((find_kubectl(self.places), *words), stdin)

    @asynccontextmanager
    async def lines_of_kubectl(self, *words: str) -> AsyncIterator[list[str]]:
        """Run kubectl, such as a `get --watch`, while the block runs; gives the lines it prints, as they come."""
        program = await asyncio.create_subprocess_exec(find_kubectl(self.places), *words, env=self._env(), stdout=PIPE)
        lines: list[str] = []
        reader = asyncio.create_task(_read(program, lines))
        try:
            yield lines
        finally:
            with suppress(ProcessLookupError):
                program.terminate()
            await program.wait()
            await reader

    async def helm(self, *words: str) -> str:
        return _good(words, await self.try_helm(*words))

    async def try_helm(self, *words: str) -> Ran:
        """Run the pinned helm: `--wait` of another one may know nothing of conditions."""
        return await self._run((str(build_missing(self.places, HELM) / "helm"), *words), None)

    async def _run(self, command: Sequence[str], stdin: str | None) -> Ran:
        program = await asyncio.create_subprocess_exec(
            *command, env=self._env(), cwd=CHECKOUT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        out, err = await program.communicate(stdin.encode() if stdin else None)
        return Ran(program.returncode or 0, out.decode(), err.decode())

    def _env(self) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.kubeconfig)}


async def _read(program: Process, lines: list[str]) -> None:
    if program.stdout is not None:
        while line := await program.stdout.readline():
            lines.append(line.decode().rstrip())


def _good(words: Sequence[str], ran: Ran) -> str:
    if ran.code != 0:
        raise Failed(f"{' '.join(words)}: {ran.err.strip() or ran.out.strip()}")
    return ran.out


def programs() -> Programs:
    """The programs for the cluster that is up; raises ClusterError where there is none."""
    places = find_places(os.environ, CHECKOUT)
    return Programs(places, kubeconfig_of(places))
