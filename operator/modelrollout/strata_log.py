"""The log of strata: each round of each rollout that compares, as a line that `modelrollout judge` can judge again.

One file a candidate. A log that cannot be written is said once and changes nothing else: it decides nothing.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from modelrollout.core.decision import Watch
from modelrollout.judge.replay import written
from modelrollout.ledger import Ledger

LARGEST = 64 * 2**20
"""Bytes after which a file is left as it is; a rollout of a day at 5 s makes about 20 MB."""

log = logging.getLogger(__name__)


class StrataLog:
    """Files of strata in one folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime], largest: int = LARGEST) -> None:
        self._folder = folder
        self._now = now
        self._largest = largest
        self._failed = False

    def note(self, key: str, watch: Watch, ledger: Ledger) -> None:
        """Write what the last round brought to the comparison; a round that waits brings nothing yet."""
        trial = ledger.evidence.trial
        if trial is None:
            return
        about = {"time": self._now().isoformat(timespec="seconds"), "rollout": key, "step": trial.errors.steps}
        path = self._folder / f"{key.replace('/', '.')}.{watch.candidate}.jsonl"
        for stratum in ledger.case.added:
            if stratum.canary.pods or stratum.stable.pods:
                self._write(path, written(stratum, about))

    def _write(self, path: Path, line: str) -> None:
        if self._failed:
            return
        try:
            self._append(path, line)
        except OSError as error:
            self._failed = True
            log.warning("cannot write the log of strata, so none is written any more: %s", error)

    def _append(self, path: Path, line: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size >= self._largest:
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
