"""Asks a cluster through kubectl: the machine's own, or one built from the same sources as the cluster."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from localcluster.places import Places
from localcluster.programs import KUBECTL, build_missing
from localcluster.shell import run, try_run


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl bound to one kubeconfig."""

    program: str
    kubeconfig: Path

    def run(self, *words: str, stdin: str | None = None) -> str:
        return run(self._command(words), stdin=stdin)

    def try_run(self, *words: str) -> str | None:
        return try_run(self._command(words))

    def get(self, *words: str) -> dict[str, object] | None:
        """Answer the object as Kubernetes holds it, or None where it is not there or nobody answers."""
        text = self.try_run("get", *words, "--output=json")
        found: dict[str, object] | None = json.loads(text) if text else None
        return found

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [self.program, f"--kubeconfig={self.kubeconfig}", "--request-timeout=10s", *words]


def find_kubectl(places: Places) -> str:
    """Answer the path of a kubectl, built where the machine has none."""
    return shutil.which("kubectl") or str(build_missing(places, KUBECTL) / "kubectl")
