"""`make bench`: how long a fault lasts, from the first bad answer to the last one, over several rounds.

Needs the self-built cluster with its images (`make cluster-up image`). Ends with 0 when every line that the project
set itself is kept, with 1 when one is missed or nothing could be measured.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "local-cluster")]

from rich.console import Console  # after the path is set

from bench import report, rounds
from bench.scene import Plan, prepared
from localcluster.saying import ClusterError
from modelrollout.kube.errors import KubeError
from stage.kube import ApiError, Late
from stage.programs import Failed
from stage.requests import Unreachable


def main(words: Sequence[str]) -> int:
    console = Console(width=110, highlight=False)
    try:
        return asyncio.run(measure(_plan(words), console))
    except (ClusterError, ApiError, KubeError, Late, Failed, Unreachable, rounds.NoFault) as error:
        console.print("; ".join([f"nothing was measured: {error}", *getattr(error, "__notes__", ())]), style="red")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130


async def measure(plan: Plan, console: Console) -> int:
    """Play all rounds; a step's faults first, then faults after promotion."""
    stepped, returned = [], []
    async with prepared(plan, console.print) as scene:
        for number in range(1, plan.rounds + 1):
            stepped.append(await rounds.in_a_step(scene, number))
            console.print(report.line(f"step, round {number}", stepped[-1]), soft_wrap=True)
        for number in range(1, plan.back_rounds + 1):
            returned.append(await rounds.after_promotion(scene, number))
            console.print(report.line(f"after promotion, round {number}", returned[-1]), soft_wrap=True)
    console.print(*report.tables("A fault of the candidate at 50 %", stepped), sep="\n")
    if returned:
        console.print(*report.tables("A fault after promotion: back to the warm previous model", returned), sep="\n")
    kept = report.verdicts(stepped)
    console.print(*(verdict.text for verdict in kept), sep="\n")
    return 0 if all(verdict.kept for verdict in kept) else 1


def _plan(words: Sequence[str]) -> Plan:
    usual = Plan()
    parser = argparse.ArgumentParser(prog="bench/fault_to_safe.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="faults in a step (5)")
    parser.add_argument("--back-rounds", type=int, default=usual.back_rounds, help="faults after promotion (5)")
    parser.add_argument("--replicas", type=int, default=usual.replicas, help="pods of stable, N (4)")
    parser.add_argument("--calm", type=float, default=usual.calm, help="good seconds at 50 %% before each fault (5)")
    parser.add_argument("--as-is", action="store_true", help="use the operator that is installed, whatever it is")
    asked = parser.parse_args(words)
    return Plan(max(1, asked.rounds), max(0, asked.back_rounds), asked.replicas, asked.calm, not asked.as_is)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
