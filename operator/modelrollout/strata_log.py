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
        """Write the last round, where there is one that compares."""
        trial = ledger.evidence.trial
        if self._failed or trial is None or trial.last is None:
            return
        if not trial.last.canary.pods and not trial.last.stable.pods:
            return
        about = {"time": self._now().isoformat(timespec="seconds"), "rollout": key, "step": trial.errors.steps}
        line = written(trial.last, about)
        try:
            self._append(self._folder / f"{key.replace('/', '.')}.{watch.candidate}.jsonl", line)
        except OSError as error:
            self._failed = True
            log.warning("cannot write the log of strata, so none is written any more: %s", error)

    def _append(self, path: Path, line: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size >= self._largest:
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
