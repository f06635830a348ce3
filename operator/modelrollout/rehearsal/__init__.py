"""A rollout rehearsed: a user's own manifest played through a scenario, in virtual time, with the real core and judge.

    manifest + plot  ->  scenario of `simulation`  ->  play to its end  ->  timeline

Nothing here decides anything. What is printed is what the operator would do and say if its world were this one.
"""

from modelrollout.rehearsal.play import Rehearsal, rehearse
from modelrollout.rehearsal.plots import PLOTS, Plot
from modelrollout.rehearsal.timeline import Line, timeline

__all__ = ["PLOTS", "Line", "Plot", "Rehearsal", "rehearse", "timeline"]
