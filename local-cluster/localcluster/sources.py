"""Tells whether an image's sources have changed since it was built, faster than a builder can.

A cached build of a large image still reads every layer for its digest: seconds, each time a test run begins.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Left out of the key: what interpreters write beside the sources.
IGNORED = "__pycache__"
OURS = re.compile(r"\blocalhost/[\w./-]+:[\w.-]+")


@dataclass(frozen=True, slots=True)
class Sources:
    """What a build reads: a Dockerfile, and a context that a .dockerignore in it may narrow."""

    dockerfile: Path
    context: Path

    def key(self, *facts: str) -> str:
        """A digest of the names, modes and contents of all that the build may read, and of other facts that matter."""
        digest = hashlib.sha256("\0".join(facts).encode())
        for file in (self.dockerfile, *sorted(self._files())):
            mode = "x" if file.stat().st_mode & 0o100 else "-"
            digest.update(f"\0{file.relative_to(file.anchor)}\0{mode}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def parents(self) -> tuple[str, ...]:
        """The images of ours that the Dockerfile names: what is built on them changes with them."""
        return tuple(sorted(set(OURS.findall(self.dockerfile.read_text()))))

    def _files(self) -> Iterator[Path]:
        ignore = self.context / ".dockerignore"
        narrowed = allowed_paths(ignore.read_text()) if ignore.exists() else None
        tops = [self.context] if narrowed is None else [ignore, *(self.context / name for name in narrowed)]
        for top in tops:
            found = top.rglob("*") if top.is_dir() else iter([top])
            yield from (file for file in found if file.is_file() and IGNORED not in file.parts)


def allowed_paths(dockerignore: str) -> tuple[str, ...] | None:
    """The paths of a .dockerignore that shuts all out and lets some in; None for one of another kind.

    More may be listed than the build reads, since later exclusions are not looked at: that costs a build, and no image
    is ever stale.
    """
    lines = [line.strip() for line in dockerignore.splitlines() if line.strip() and not line.startswith("#")]
    allowed = tuple(line[1:] for line in lines if line.startswith("!"))
    if lines[:1] != ["*"] or any(letter in path for path in allowed for letter in "*?["):
        return None
    return allowed
