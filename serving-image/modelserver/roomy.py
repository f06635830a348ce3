"""Room for the frames of a thread: a call within which Python need not ask for memory at every turn.

CPython keeps the frames of Python functions in chunks of 16 KiB, asks the kernel for another chunk when one is full,
and gives it back when the first function in it returns. Where a loop happens to call at such an edge, every call costs
two system calls and fresh pages; deep imports meet it ten thousand times. A frame that is larger than a chunk gets a
chunk of its own size, and what it calls finds room behind it.
"""

from collections.abc import Callable

SLOTS = 2**16 + 2**10
"""Of 8 bytes: just above half a MiB, so that the chunk is 1 MiB, and nearly half of it is free. Only what is used of it
takes memory."""


def with_room(run: Callable[[], None]) -> None:
    run()


with_room.__code__ = with_room.__code__.replace(co_stacksize=SLOTS)
