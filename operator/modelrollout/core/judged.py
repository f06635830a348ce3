"""The judge's numbers as the status shows them: rounded, since they are for people and gauges and decide nothing."""

from datetime import timedelta

from modelrollout.api.status import Drift, Judged, Measured, ModelRolloutStatus, Percentile, SelfTest
from modelrollout.core.epochs import of_candidate
from modelrollout.core.turn import Turn
from modelrollout.judge.quantiles import Quantile
from modelrollout.judge.report import Reading, Report

_DIGITS = 4


def numbers(turn: Turn, status: ModelRolloutStatus) -> Judged | None:
    """The numbers of the candidate on its way; those written before while nothing newer is known."""
    candidate, report = status.candidate, turn.seen.report
    if candidate is None:
        return None
    if report is None:
        before = turn.rollout.status.candidate
        return turn.rollout.status.judge if before is not None and before.revision == candidate.revision else None
    here = turn.seen.epoch == of_candidate(turn, candidate)
    return Judged(
        requests=report.requests,
        expected_requests=report.expected_requests,
        expected_seconds=expected_seconds(turn) if here else None,
        abstains=report.abstains,
        baseline=report.unusable_baseline,
        metrics=list(map(_measured, report.readings)),
        candidate_latency=list(map(_percentile, report.candidate_ms)),
        stable_latency=list(map(_percentile, report.stable_ms)),
        drift=_drift(report),
        shape=_rounded(report.shape),
    )


def self_test(turn: Turn, status: ModelRolloutStatus) -> SelfTest | None:
    """What judging stable against itself has said so far; what was written before while nothing newer is known."""
    compare, tested = turn.spec.health.compare, turn.seen.tested
    if compare is None or not compare.self_test:
        return None
    if not tested.trials:
        return status.self_test
    return SelfTest(
        trials=tested.trials,
        alarms=tested.alarms,
        requests=tested.requests,
        errors_dispersion=round(tested.errors_dispersion, _DIGITS),
        latency_dispersion=round(tested.latency_dispersion, _DIGITS),
    )


def expected_seconds(turn: Turn) -> int | None:
    """The requests still expected as time, at this epoch's traffic; None where that cannot be said."""
    report, answered, watched = turn.seen.report, turn.seen.traffic.candidate, turn.seen.watched
    if report is None or report.expected_requests is None or not answered or watched <= timedelta(0):
        return None
    return round(report.expected_requests * watched.total_seconds() / answered)


def _measured(reading: Reading) -> Measured:
    return Measured(
        metric=reading.metric,
        verdict=reading.answer.value,
        log_e=round(reading.log_e, _DIGITS),
        p=float(f"{reading.p:.{_DIGITS}g}"),
        log_e_noninferior=round(reading.log_e_noninferior, _DIGITS),
        ratio=_rounded(reading.ratio.ratio),
        low=_rounded(reading.ratio.low),
        high=_rounded(reading.ratio.high),
    )


def _percentile(quantile: Quantile) -> Percentile:
    low, value, high = (float(f"{one:.{_DIGITS}g}") for one in (quantile.low, quantile.value, quantile.high))
    return Percentile(name=quantile.name, ms=value, low=low, high=high)


def _drift(report: Report) -> Drift | None:
    moved = report.moved
    if moved is None:
        return None
    return Drift(
        verdict=moved.answer.value, deviations=round(moved.deviations, _DIGITS), distance=_rounded(moved.distance)
    )


def _rounded(value: float | None) -> float | None:
    return round(value, _DIGITS) if value is not None else None
