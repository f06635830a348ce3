"""The way of a rollout before it is begun: each stop with its pods, the weight really made and what to expect there.

It puts the core's own plan and the forecast together, so that what `modelrollout plan` prints is what the operator
will do. Pure.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import Routing
from modelrollout.core import plan
from modelrollout.core.ratio import FULL
from modelrollout.core.turn import asked_size
from modelrollout.forecast import Arms, Expected, expected, late
from modelrollout.forecast.expected import ALONE, aims_of

_LONGEST = 365 * 86_400.0
"""Seconds beyond which nobody waits."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is asked of the whole rollout."""

    requests_per_second: float
    error_rate: float
    """Of stable and of a healthy candidate."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One stop of a rollout."""

    number: int
    stop: plan.Stop
    made: int
    """Percent of the requests that the pods really make."""
    expected: Expected | None
    """None where nothing is expected: the stop is passed through, or gets no part of the Service's traffic."""
    remark: str = ""
    """What is special here; empty for a plain stop."""
    warning: str = ""
    """Why this stop cannot decide in time; empty when it can."""


def size_of(spec: ModelRolloutSpec) -> int:
    """Pods of stable that a plan is made for: one that is asleep is planned as it will be awake."""
    return asked_size(spec if spec.replicas else spec.but(replicas=1))


@dataclass(frozen=True, slots=True)
class Itinerary:
    """All stops up to weight 100; the bake follows the last one."""

    spec: ModelRolloutSpec
    traffic: Traffic
    legs: tuple[Leg, ...]

    @property
    def promoted_after(self) -> timedelta | None:
        """Time until a healthy model is promoted, without the start of its pods; None where it cannot be said."""
        judged, pauses = self._judged(), [leg.stop.pause for leg in self.legs if leg.stop.pause is not None]
        waits = [pause.duration for pause in pauses if pause.duration is not None]
        if judged is None or len(waits) < len(pauses):
            return None
        return sum(waits, judged + self.spec.bake)

    def _judged(self) -> timedelta | None:
        rate = self.traffic.requests_per_second
        if rate <= 0 or any(not leg.made and leg.stop.samples for leg in self.legs):
            return None
        seconds = sum(leg.expected.passes for leg in self.legs if leg.expected is not None) / rate
        return timedelta(seconds=seconds) if seconds < _LONGEST else None


def itinerary(spec: ModelRolloutSpec, traffic: Traffic) -> Itinerary:
    """What a rollout of this spec will do, and what to expect."""
    legs: list[Leg] = []
    before: plan.Stop | None = None
    for stop in plan.stops(spec, size_of(spec)):
        earlier = sum(1 for leg in legs if leg.expected is not None)
        legs.append(_leg(spec, traffic, stop, Place(len(legs) + 1, earlier, before)))
        before = stop
    return Itinerary(spec, traffic, tuple(legs))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stop is on the way."""

    number: int
    earlier: int
    before: plan.Stop | None


def _leg(spec: ModelRolloutSpec, traffic: Traffic, stop: plan.Stop, place: Place) -> Leg:
    made = _made(stop)
    if not made:
        remark = f"judged on {stop.samples} requests of its preview Service" if stop.samples else "passes when ready"
        return Leg(place.number, stop, made, None, remark)
    if _is_passed_through(stop, place):
        return Leg(place.number, stop, made, None, f"passed through: the pods of step {place.number - 1}")
    share = ALONE if made == FULL else stop.pods.candidate / (stop.pods.candidate + stop.pods.stable)
    found = _expected(spec, traffic, Arms(share, traffic.error_rate, stop.samples, place.earlier))
    warning = late(found, traffic.requests_per_second, share, spec.decision_deadline) if stop.samples else ""
    return Leg(place.number, stop, made, found, _remark(stop), warning)


def _made(stop: plan.Stop) -> int:
    if stop.routing is Routing.SHARED:
        return stop.pods.weight
    return FULL if stop.routing is Routing.CANDIDATE else 0


def _expected(spec: ModelRolloutSpec, traffic: Traffic, arms: Arms) -> Expected:
    """A stop that asks for no requests passes at once; any other one is watched for one interval at least."""
    found = expected(arms, aims_of(spec.health))
    watched = traffic.requests_per_second * spec.health.interval.total_seconds()
    return replace(found, passes=max(found.passes, watched) if arms.samples else 0.0)


def _is_passed_through(stop: plan.Stop, place: Place) -> bool:
    """As the core does: a stop that changes nothing and waits for nobody; never the last one."""
    before = place.before
    same = before is not None and stop.pods == before.pods
    return same and stop.routing is Routing.SHARED and stop.pause is None


def _remark(stop: plan.Stop) -> str:
    if not stop.samples:
        return "passes when ready"
    return "no stable to compare with: limits only" if stop.routing is Routing.CANDIDATE else ""
