"""`make bench`: how long a fault is felt, over several rounds, on the cluster that is up.

A model fails while it has half of the requests: 100 requests a second over 20 kept and fresh connections, a look every
second, a model that takes 20 s to load. Prints each round and the distribution; fails when it is worse than promised.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "local-cluster"))

from stage.fault import PODS, SHAPE, Round, first_spec, one_round
from stage.kube import Cluster, path_of
from stage.models import install_store, rows_that
from stage.operator import install_operator
from stage.programs import programs
from stage.requests import steady, target_of
from stage.rollout import Rollout

NAMESPACE = "bench-fault-to-safe"
FRESH_MEDIAN, KEPT_MEDIAN = 2.0, 3.0
"""Seconds that are promised."""


async def measure(rounds: int) -> list[Round]:
    tools = programs()
    cluster = await Cluster.connect(str(tools.kubeconfig))
    try:
        await install_store(cluster)
        await install_operator(tools)
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        churn = Rollout(cluster, NAMESPACE, "churn")
        await churn.apply(first_spec())
        await churn.until_condition("Ready")
        print("the first model serves; each round takes about half a minute")
        async with steady(await target_of(tools, churn), rows_that(fail=False), SHAPE) as load:
            return [show(number, await one_round(churn, load, number)) for number in range(1, rounds + 1)]
    finally:
        await cluster.delete(path_of("v1", "Namespace", "", NAMESPACE))
        await cluster.close()


def show(number: int, one: Round) -> Round:
    fresh, kept = _seconds(one)
    print(
        f"round {number}: fresh {fresh:.2f} s, kept {kept:.2f} s, {one.failed} of {one.requests} requests failed, "
        f"{len(one.lost)} lost otherwise, at most {one.most_after_sigterm} bad answer(s) a connection after SIGTERM, "
        f"stable's ready endpoints {'/'.join(map(str, one.endpoints))} in {one.samples} samples",
        flush=True,
    )
    return one


def _seconds(one: Round) -> tuple[float, float]:
    return (one.fresh.seconds if one.fresh else 0.0, one.kept.seconds if one.kept else 0.0)


def conclude(rounds: Sequence[Round]) -> int:
    """Print the distribution; 1 where a promise is broken."""
    print(f"\n{'seconds of bad answers':24} {'min':>6} {'median':>7} {'max':>6}")
    medians = []
    for name, values in zip(("fresh", "kept"), zip(*map(_seconds, rounds), strict=True), strict=True):
        medians.append(statistics.median(values))
        print(f"{name:24} {min(values):6.2f} {medians[-1]:7.2f} {max(values):6.2f}")
    print(f"{'requests that failed':24} {_spread([one.failed for one in rounds])}")
    broken = [
        (medians[0] >= FRESH_MEDIAN, f"fresh connections: median not below {FRESH_MEDIAN:g} s"),
        (medians[1] >= KEPT_MEDIAN, f"kept connections: median not below {KEPT_MEDIAN:g} s"),
        (any(one.most_after_sigterm > 1 for one in rounds), "a connection got two bad answers after SIGTERM"),
        (any(one.endpoints != (PODS,) for one in rounds), "stable lost a ready endpoint"),
        (any(one.lost for one in rounds), "requests were lost for another reason than the model"),
    ]
    for sentence in [sentence for is_so, sentence in broken if is_so]:
        print(f"worse than promised: {sentence}")
    return int(any(is_so for is_so, _ in broken))


def _spread(values: Sequence[int]) -> str:
    return f"{min(values):6} {statistics.median(values):7g} {max(values):6}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    return conclude(asyncio.run(measure(parser.parse_args().rounds)))


if __name__ == "__main__":
    sys.exit(main())
