"""A process that judges a thousand rollouts does not look through them for cycles all the time."""

import subprocess
import sys

SCRIPT = """
import gc
from modelrollout.shell.collector import SELDOM, collect_seldom
collect_seldom()
frozen, before = gc.get_freeze_count(), gc.get_stats()[0]["collections"]
kept = [[] for _ in range(SELDOM // 2)]
print(frozen > 1000, gc.isenabled(), gc.get_stats()[0]["collections"] - before)
kept += [[] for _ in range(SELDOM)]
print(gc.get_stats()[0]["collections"] - before)
"""


def test_cycles_are_looked_for_seldom_and_still_are() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "True", "0", "1"]
