"""What keeps a canary from passing although nothing has been proven against it.

A limit fires on evidence, and evidence takes requests: 6 failures of 20 are no proof at a false-rollback rate of 1 %,
and no reason to go on either. So a canary whose share so far is above a limit, or which refuses clearly more than
stable, waits for more requests: it passes when the share has come down, or is taken back when the test fires.
"""

from collections.abc import Iterator

from modelrollout.judge.evidence import Evidence
from modelrollout.judge.limits import Rules

REFUSED_MORE, REFUSED_AT_MOST = 2.0, 0.05
"""A canary may refuse twice stable's share and 5 % of the requests more: single bad clients are not spread evenly."""


def doubt(evidence: Evidence, rules: Rules) -> str:
    """The first share of the candidate's requests that is above what is allowed; empty where none is."""
    return next(_doubts(evidence, rules), "")


def _doubts(evidence: Evidence, rules: Rules) -> Iterator[str]:
    candidate, stable = evidence.candidate.total, evidence.stable.total
    if rules.error_rate is not None and candidate.errors > rules.error_rate * candidate.requests:
        yield f"{candidate.errors} of {candidate.requests} requests failed, more than {rules.error_rate * 100:g} %"
    allowed = REFUSED_MORE * stable.refusals / stable.requests + REFUSED_AT_MOST if stable.requests else 1.0
    if candidate.refusals > allowed * candidate.requests:
        yield (
            f"{candidate.refusals} of {candidate.requests} requests were refused, "
            f"stable refused {stable.refusals} of {stable.requests}"
        )
    if evidence.limits_ms != rules.limits_ms:
        return
    for limit, slow in zip(rules.latency, candidate.slow, strict=True):
        if slow > limit.share * candidate.timed:
            yield f"{slow} of {candidate.timed} requests were slower than {limit.limit_ms:g} ms"
