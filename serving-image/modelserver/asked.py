"""A request between being understood and being answered, and what every protocol has to bring for that.

A protocol (`native`, `inference`) turns a body into rows and scores into a body; it knows nothing of models, time or
counters. `predict` does the rest and knows nothing of JSON.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from modelserver.bodies import Row
from modelserver.models import Scores

Reply = tuple[int, bytes]
"""Status and JSON body."""
Answer = Callable[[Reply], None]
Take = Callable[[bytes, Answer], None]
"""Takes a whole body and answers it, at once or when its turn has come, by calling the last argument once."""


@dataclass(slots=True)
class Asked:
    """What a request wants; `note` is the protocol's own."""

    rows: Sequence[Row]
    note: object = None


class Shape(Protocol):
    """One kind of request."""

    def understand(self, body: bytes) -> Asked:
        """Read a body.

        Raises:
            RefusedError: naming the field that is not in order.
            OtherVersionError: it asks for a version that is not served.
        """
        ...

    def write(self, asked: Asked, scores: Scores, latency_ms: float) -> bytes:
        """Write the answer to these rows."""
        ...
