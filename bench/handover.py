"""How long nobody leads: two operator processes and an API server of our own, round after round.

A round: both run, the leader is stopped (SIGTERM), killed (SIGKILL, its pod still there or gone too) or paused for 30 s
(SIGSTOP). Measured from the signal to the first write of the other one, to a rollout that waits for it; a new one is
asked for each second, so that one is waiting whatever the leader did with its last moment. It needs no cluster: run it
by `python bench/handover.py --rounds 5`; five rounds take about seven minutes.
"""

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from shell.processes import Replicas, replicas, until  # found by the path above

PAUSE_SECONDS = 30.0
ASK_SECONDS = 1.0
AFTERWARDS_SECONDS = 3.0
"""In which a leader that wakes could do harm."""
WAYS = ("SIGTERM", "SIGKILL", "SIGKILL, pod gone", "SIGSTOP 30 s")


async def gap(pair: Replicas, way: str) -> float:
    """Take the leader away; gives the seconds until the other has written."""
    first = pair.holder()
    begun = time.monotonic()
    pair.signal(first, getattr(signal, way.partition(",")[0].partition(" ")[0]))
    if way.endswith("gone"):
        pair.remove_pod(first)
    seen = len(pair.writes)
    rollouts = asyncio.create_task(keep_asking(pair))
    await until(lambda: any(one.by != first for one in pair.writes[seen:]))
    seconds = time.monotonic() - begun
    rollouts.cancel()
    if way.startswith("SIGSTOP"):
        await asyncio.sleep(max(0.0, PAUSE_SECONDS - seconds))
        pair.signal(first, signal.SIGCONT)
        await asyncio.sleep(AFTERWARDS_SECONDS)
    return seconds


async def keep_asking(pair: Replicas) -> None:
    """Ask for one rollout after the other, until cancelled."""
    for number in itertools.count():
        pair.apply(f"gap-{number}")
        await asyncio.sleep(ASK_SECONDS)


async def one_round(way: str) -> tuple[float, int]:
    """Two fresh processes; gives the gap, and how many writes came from one that did not hold the Lease."""
    with tempfile.TemporaryDirectory() as folder:
        async with replicas(Path(folder)) as pair:
            await pair.start("a")
            await pair.leader()
            await pair.work()
            await pair.start("b")
            await until(lambda: "standing by" in pair.log("b") and "everything was listed" in pair.log("b"))
            seconds = await gap(pair, way)
            return seconds, len(pair.by_others_than_the_leader())


async def main(rounds: int) -> None:
    print(f"{'way':20} {'rounds':>6} {'median s':>9} {'most s':>7} {'writes out of turn':>19}")
    for way in WAYS:
        found = [await one_round(way) for _ in range(rounds)]
        gaps = [seconds for seconds, _ in found]
        print(
            f"{way:20} {rounds:6} {median(gaps):9.2f} {max(gaps):7.2f} {sum(count for _, count in found):19}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long nobody leads when the leader stops, is killed or is paused.")
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
