"""The judge: whether the pods of a model keep their limits, and whether a canary refuses what stable answers.

This is the one entrance. The scraper makes a `Round`, `observe` adds it to the `Evidence` of an epoch, `verdict` says
what the evidence means under the `Rules` of the rollout's health block, `pack` and `unpack` carry it over a restart.
All of it is pure: no I/O, no clock, no log.
"""

from modelrollout.judge.arms import Arm
from modelrollout.judge.case import Case
from modelrollout.judge.comparing import Comparing, at_step
from modelrollout.judge.differences import Origins
from modelrollout.judge.evidence import Evidence, fresh, observe, onward
from modelrollout.judge.findings import verdict
from modelrollout.judge.keeping import pack_trial, unpack_trial
from modelrollout.judge.limits import LatencyLimit, Rules, rules
from modelrollout.judge.packing import pack, unpack
from modelrollout.judge.recent import Mark, Recent, marked, recent
from modelrollout.judge.report import Report, report
from modelrollout.judge.samples import NO_PREDICTIONS, Baseline, Latency, Predictions, Round, Sample
from modelrollout.judge.steady import SelfTested, Steady
from modelrollout.judge.strata import Stratified
from modelrollout.judge.tallies import Tally
from modelrollout.judge.verdicts import NOTHING_SEEN, Finding, Verdict

__all__ = [
    "NOTHING_SEEN",
    "NO_PREDICTIONS",
    "Arm",
    "Baseline",
    "Case",
    "Comparing",
    "Evidence",
    "Finding",
    "Latency",
    "LatencyLimit",
    "Mark",
    "Origins",
    "Predictions",
    "Recent",
    "Report",
    "Round",
    "Rules",
    "Sample",
    "SelfTested",
    "Steady",
    "Stratified",
    "Tally",
    "Verdict",
    "at_step",
    "fresh",
    "marked",
    "observe",
    "onward",
    "pack",
    "pack_trial",
    "recent",
    "report",
    "rules",
    "unpack",
    "unpack_trial",
    "verdict",
]
