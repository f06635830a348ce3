"""The requests to one Service: how many, how many a model failed by itself, and each one that was lost."""

from dataclasses import dataclass
from datetime import UTC, datetime

from modelrollout.traffic.load import Load
from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import losses


@dataclass(slots=True)
class Tally:
    """Adds up what a load has noted, and lets go of it: hours of it would fill the memory."""

    load: Load
    requests: int = 0
    failed: int = 0
    """By the model itself, on a row that it is known to fail on."""
    lost: int = 0

    def take(self) -> list[Record]:
        """Count what has come since the last time; gives what was lost of it."""
        records = list(self.load.records)
        del self.load.records[: len(records)]
        lost = losses(records)
        self.requests += len(records)
        self.failed += sum(one.kind is Kind.EXPECTED for one in records)
        self.lost += len(lost)
        return lost


def told(one: Record) -> str:
    """A lost request, for people."""
    sort = "fresh" if one.fresh else "kept"
    at = datetime.fromtimestamp(one.due, UTC).strftime("%H:%M:%S.%f")[:-3]
    ending = f"{one.kind} on a {sort} connection after {one.latency_ms:.0f} ms, status {one.status}: {one.words}"
    return f"due at {at} UTC: {ending}"
