"""What a call costs where it crosses the edge of a chunk of frames."""

import resource
from collections.abc import Callable

from modelserver.roomy import with_room

CALLS, DEPTH = 200, 400


def leaf() -> None:
    pass


def dearest(depth: int = DEPTH) -> int:
    """Most fresh pages that so many calls ask for, over all depths down to this one."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        leaf()
    here = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
    return max(here, dearest(depth - 1)) if depth else here


def found(around: Callable[[Callable[[], None]], None]) -> int:
    pages: list[int] = []
    around(lambda: pages.append(dearest()))
    return pages[0]


def test_no_call_asks_for_fresh_pages_where_there_is_room() -> None:
    assert found(lambda run: run()) >= CALLS  # or this Python has no such edges, and `roomy` no use
    assert found(with_room) < CALLS / 2
