"""A small simulated world in virtual time, with the real decision core, judge and ledger at work in it.

    scenario  ->  run (world ticks, operator turns, invariants)  ->  story

Only the cluster is made up: Deployments whose pods load, crash and are evicted, a Service, open-loop traffic. It does
no I/O and reads no clock, so a scenario always ends the same, and an operator can be killed after any single write.
"""

from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.run import Run, run
from modelrollout.simulation.scenario import Moment, Scenario, Until

__all__ = ["Behaviour", "Moment", "Run", "Scenario", "Until", "run"]
