"""Random rollouts under a seeded plan of faults, simulated at full speed: `make soak-simulated MINUTES=120 SEED=1`.

One world lives from the beginning to the end, so whatever the operator or its libraries hoard shows: memory must have
a slope of about 0, the number of tasks must stay, every invariant must hold at every write.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.counts import TOTAL
from faults.plan import Plan
from faults.stories import asking
from faults.trials import closed
from faults.watchman import Rules
from faults.world import Setting, World
from soak import growth

from modelrollout.simulation.behaviours import Behaviour

MODELS = (
    Behaviour(load=1),
    Behaviour(load=1),
    Behaviour(load=2, errors=0.5),
    Behaviour(load=1, latency_ms=800),
    Behaviour(load=1, crashes_after=2, words="Segmentation fault"),
    Behaviour(load=1, never_ready=True),
)
RULES = Rules(steady=False, sparing=False, fresh=False)
REMEMBERED = 50
"""Rollouts for which a model keeps its behaviour; older ones are good."""
EVERY = 20
"""Rollouts between two looks at memory and tasks."""
MOST = growth.Limit(slope=0.5, noise=1024.0)
"""KiB a rollout, and KiB in all, that count as no growth."""
MORE_TASKS = 2


def everything(seed: int) -> Plan:
    """A little of every fault."""
    return Plan(seed, lag=3, die_share=0.0005, refuse_share=0.05, lose_share=0.02, miss_share=0.02, gone_share=0.01)


@dataclass(slots=True)
class Soak:
    """One world, and what was measured of it."""

    seed: int
    rollouts: int = 0
    memory: list[tuple[int, float]] = field(default_factory=list)
    """Rollouts so far, and KiB in use."""
    tasks: list[int] = field(default_factory=list)

    def run(self, seconds: float) -> list[str]:
        """Play for so many seconds of this machine's time; gives what is wrong."""
        ends = time.monotonic() + seconds
        return self._while(lambda: time.monotonic() < ends)

    def play(self, rollouts: int) -> list[str]:
        """Play so many rollouts; gives what is wrong."""
        return self._while(lambda: self.rollouts < rollouts)

    def _while(self, goes_on: Callable[[], bool]) -> list[str]:
        dice = random.Random(self.seed)  # noqa: S311  # to be played again, no secret
        with World(Setting(everything(self.seed), RULES)) as world:
            while goes_on() and not world.broken:
                self._one(world, dice)
            return closed(world, self.hoards())

    def _one(self, world: World, dice: random.Random) -> None:
        self.rollouts += 1
        version = f"{self.rollouts}.0.0"
        behaviours = world.cluster.behaviours
        behaviours[version] = dice.choice(MODELS)
        behaviours.pop(f"{self.rollouts - REMEMBERED}.0.0", None)
        world.ask(asking(version, progressDeadline="30s", decisionDeadline="40s", rollback={"historyLimit": 5}))
        world.advance(dice.randint(5, 90))
        world.forget()
        if self.rollouts % EVERY == 0:
            self._look(world)

    def _look(self, world: World) -> None:
        gc.collect()
        self.memory.append((self.rollouts, _kib()))
        self.tasks.append(world.tasks())
        print(
            f"{self.rollouts:>7} rollouts  {world.second:>9,} virtual s  {self.memory[-1][1] / 1024:7.1f} MiB  "
            f"{self.tasks[-1]:>3} tasks  {world.plan.injected.total():>7,} faults",
            flush=True,
        )

    @property
    def later(self) -> list[tuple[int, float]]:
        """The looks over which growth is measured: caches fill first."""
        return self.memory[len(self.memory) // 2 :]

    @property
    def slope(self) -> float:
        """KiB a rollout; 0 for a few looks."""
        return growth.slope([self.later])

    def lines(self, minutes: float) -> list[str]:
        """What is said at the end."""
        counts = {
            "rollouts": self.rollouts,
            "writes": TOTAL.writes,
            "faults": TOTAL.faults.total(),
            "checked invariants": TOTAL.invariants.total(),
        }
        each_minute = ", ".join(f"{count / minutes:,.0f} {what}" for what, count in counts.items())
        grows = f"memory grows by {self.slope:.3f} KiB a rollout (limit {MOST.slope})"
        return [f"\n{minutes:g} minutes; a minute: {each_minute}", f"{grows}; tasks {sorted(set(self.tasks))}"]

    def hoards(self) -> list[str]:
        """What grows that should not."""
        found = []
        if growth.grows([self.later], MOST):
            found.append(f"memory grows by {self.slope:.2f} KiB a rollout")
        if growth.more_than_at_first(self.tasks, MORE_TASKS):
            found.append(f"tasks grow: {self.tasks[0]} at first, {max(self.tasks)} later")
        return found


def _kib() -> float:
    """Resident memory of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    soak = Soak(asked.seed)
    wrong = soak.run(60 * asked.minutes)
    print("\n".join([*soak.lines(asked.minutes), *TOTAL.lines(), *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
