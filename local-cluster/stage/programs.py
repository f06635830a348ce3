"""Runs kubectl and helm against the local cluster: what users type, as users type it."""

import asyncio
import os
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Sequence
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

    async def helm(self, *words: str) -> str:
        return _good(words, await self.try_helm(*words))

    async def try_helm(self, *words: str) -> Ran:
        helm = shutil.which("helm") or str(build_missing(self.places, HELM) / "helm")
        return await self._run((helm, *words), None)

    async def _run(self, command: Sequence[str], stdin: str | None) -> Ran:
        env = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        program = await asyncio.create_subprocess_exec(
            *command, env=env, cwd=CHECKOUT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        out, err = await program.communicate(stdin.encode() if stdin else None)
        return Ran(program.returncode or 0, out.decode(), err.decode())


def _good(words: Sequence[str], ran: Ran) -> str:
    if ran.code != 0:
        raise Failed(f"{' '.join(words)}: {ran.err.strip() or ran.out.strip()}")
    return ran.out


def programs() -> Programs:
    """The programs for the cluster that is up; raises ClusterError where there is none."""
    places = find_places(os.environ, CHECKOUT)
    return Programs(places, kubeconfig_of(places))
