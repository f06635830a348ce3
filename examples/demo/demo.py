"""`make demo`: a model goes out, is promoted, a bad one is taken back; live, on a real cluster.

The cluster and its images have to be there (`make demo` sees to it). Ends with 0 when everything came about, with 1
and one sentence when something did not, with 130 when it was interrupted.
"""

import argparse
import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "local-cluster"))

from acts import Choices, DidNotComeAbout, play
from rich.console import Console

from localcluster.saying import ClusterError
from modelrollout.kube.errors import KubeError
from stage.kube import ApiError, Late
from stage.programs import Failed

PLAIN_WIDTH = 100


def main() -> int:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    try:
        asyncio.run(play(_choices(), console))
    except (ClusterError, ApiError, KubeError, Late, Failed, DidNotComeAbout) as error:
        reason = "; ".join([str(error), *getattr(error, "__notes__", ())])
        console.print(f"The demo stopped: {reason}", style="red", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. The rollout goes on without us, as long as the cluster is there.")
        return 130
    return 0


def _choices() -> Choices:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-is", action="store_true", help="use the operator that is installed, whatever it is")
    parser.add_argument("--from-a-pod", action="store_true", help="send the requests from inside the cluster")
    asked = parser.parse_args()
    return Choices(install=not asked.as_is, from_a_pod=asked.from_a_pod)


if __name__ == "__main__":
    sys.exit(main())
