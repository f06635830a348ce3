"""How many requests the judge will need: the expected cost of each of its tests, before a rollout has begun.

    a traffic and what is to be found  ->  bets (what one request adds)  ->  requests and time  ->  a warning

It plays no test and draws no number: an e-process grows at a known rate under a known alternative, so the median of
the moment at which it crosses its threshold can be computed. Pure; the command line and the operator may both ask.
"""

from modelrollout.forecast.deadlines import late
from modelrollout.forecast.expected import Aims, Arms, Expected, expected

__all__ = ["Aims", "Arms", "Expected", "expected", "late"]
