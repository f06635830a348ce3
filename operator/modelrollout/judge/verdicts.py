"""What the judge says about a canary and about stable, as values that the decision core can read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suspect:
    """The one pod of several that all evidence against a candidate is on."""

    pod: str
    message: str
    """Its numbers beside those of the others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One limit or comparison that an arm has broken."""

    metric: str
    """errorRate, refusals, p50LatencyMs, p95LatencyMs, p99LatencyMs, errorRatio, latencyRatio or predictionDrift."""
    message: str
    """The numbers and the pod to blame: "31 of 40 requests failed (limit 5 %), most on churn-7f3a9c21-x2v"."""
    log_e: float = 0.0
    """Natural logarithm of the e-value that fired."""
    pod: str = ""
    """The pod that contributed most."""
    suspect: Suspect | None = None
    """Where the pod is to blame and not the model."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's answer for one epoch. Absence of evidence is `enough=False`, never a pass."""

    candidate: Finding | None = None
    """What speaks against the candidate."""
    stable: Finding | None = None
    """What speaks against stable in the same epoch."""
    enough: bool = False
    """Whether the candidate has answered `minSamples` requests in this epoch."""
    doubt: str = ""
    """A share that is above its limit although nothing is proven yet: the candidate waits. Empty for none."""
    unproven: str = ""
    """What is still to be shown before the candidate may pass by comparison; empty for nothing."""
    expected: int | None = 0
    """Candidate requests that this still takes at the present rates; None where nothing can be said."""
    requests: int = 0
    """Requests the candidate has answered in this epoch."""
    failures: int = 0
    """Errors and refusals among them."""
    summary: str = ""
    """A few words for `kubectl get`: "0 of 312 failed"."""


NOTHING_SEEN = Verdict(summary="no requests yet")
