"""`make soak-cluster MINUTES=120 SEED=1`: the half of the soak that is played on the real cluster.

Needs the self-built cluster with its images. Ends with 0 when nothing was wrong.
"""

import argparse
import asyncio
import sys

from soak.run import played

from localcluster.saying import ClusterError
from stage.programs import programs


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    try:
        soak, wrong = asyncio.run(played(programs(), 60 * asked.minutes, asked.seed))
    except ClusterError as error:
        print(error)
        return 1
    print("\n".join([*soak.lines(), *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
