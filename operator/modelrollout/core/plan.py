"""A strategy as a list of stops. The rest of the core does not know which strategy it follows.

Canary, blue-green and rolling differ only in how many pods each arm has at a stop, whom the Service selects there
and what the stop waits for. The last stop gives the candidate every request; the bake follows it. Weights rise from
stop to stop, so a weight names a stop even after the steps were edited.
"""

from dataclasses import dataclass, replace

from modelrollout.api.spec import ModelRolloutSpec, Pause, Strategy
from modelrollout.api.status import Routing
from modelrollout.core.ratio import FULL, Split, beside_full_stable, constant_total


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of a rollout."""

    weight: int
    """Percent asked for."""
    pods: Split
    """Pods of each arm once the stop is reached."""
    routing: Routing
    samples: int
    """Requests the candidate must have answered here."""
    pause: Pause | None = None
    surge: int | None = None
    """Extra pods while the arms change in the constant-total mode; None where stable keeps its full size."""
    preview: bool = False
    """Whether the preview Service selects the candidate here."""
    error_ratio: float | None = None
    """health.compare.errorRatio of this stop; the block's where None."""


def name(strategy: Strategy) -> str:
    if strategy.blue_green is not None:
        return "blueGreen"
    if strategy.rolling is not None:
        return "rolling"
    if strategy.canary is not None and strategy.canary.constant_total is not None:
        return "constantTotal"
    return "canary"


def stops(spec: ModelRolloutSpec, size: int) -> tuple[Stop, ...]:
    """The way of a candidate to weight 100 for a stable of `size` pods, at least 1."""
    if spec.strategy.blue_green is not None:
        return _blue_green(spec, size)
    if spec.strategy.rolling is not None:
        return _rolling(spec, size)
    return _canary(spec, size)


def stop_at(spec: ModelRolloutSpec, size: int, weight: int) -> Stop:
    """The stop with this weight; where an edit took it out of the plan, the stop that such a weight would make."""
    planned = stops(spec, size)
    found = next((stop for stop in planned if stop.weight == weight), None)
    if found is not None:
        return found
    if not 0 < weight < FULL:
        return planned[0]
    samples = 0 if spec.strategy.rolling is not None else spec.health.min_samples
    return _shared(weight, size, samples, surge_of(spec))


def position(planned: tuple[Stop, ...], weight: int) -> int:
    """Index of the last stop that is not above a weight; 0 where all are."""
    return max((index for index, stop in enumerate(planned) if stop.weight <= weight), default=0)


def above(planned: tuple[Stop, ...], weight: int) -> tuple[Stop, ...]:
    return tuple(stop for stop in planned if stop.weight > weight)


def is_edited_away(spec: ModelRolloutSpec, size: int, weight: int) -> bool:
    """Whether a weight that a candidate is at is no step of the canary any more."""
    steps = spec.strategy.canary is not None and 0 < weight < FULL
    return steps and all(stop.weight != weight for stop in stops(spec, size))


def surge_of(spec: ModelRolloutSpec) -> int | None:
    """Pods beyond the size while both arms serve in the constant-total mode; None where stable keeps its size."""
    if spec.strategy.rolling is not None:
        return 1
    canary = spec.strategy.canary
    return canary.constant_total.surge if canary is not None and canary.constant_total is not None else None


def _shared(weight: int, size: int, samples: int, surge: int | None) -> Stop:
    pods = beside_full_stable(size, weight) if surge is None else constant_total(size, weight)
    return Stop(weight, pods, Routing.SHARED, samples, surge=surge)


def _canary(spec: ModelRolloutSpec, size: int) -> tuple[Stop, ...]:
    steps = spec.strategy.canary.steps if spec.strategy.canary is not None else []
    surge, samples = surge_of(spec), spec.health.min_samples
    shared = tuple(
        replace(_shared(step.weight, size, samples, surge), pause=step.pause, error_ratio=step.error_ratio)
        for step in steps
        if step.weight < FULL
    )
    last = next((step.pause for step in steps if step.weight == FULL), None)
    return (*shared, _everything(size, samples, last, surge))


def _blue_green(spec: ModelRolloutSpec, size: int) -> tuple[Stop, ...]:
    colours = spec.strategy.blue_green
    asked = colours.preview_samples if colours is not None else None
    preview = Stop(
        weight=0,
        pods=Split(size, size),
        routing=Routing.STABLE,
        samples=spec.health.min_samples if asked is None else asked,
        pause=colours.pause if colours is not None else None,
        preview=True,
    )
    return preview, _everything(size, spec.health.min_samples, None, None)


def _rolling(spec: ModelRolloutSpec, size: int) -> tuple[Stop, ...]:
    # A stop after each pod asks for no requests of its own; the last one does, before the bake. Above 100 pods a stop
    # is a percent: 250 pods -> 2 or 3 at a time.
    by_weight: dict[int, Stop] = {}
    for count in range(1, size):
        weight = min(FULL - 1, max(1, round(FULL * count / size)))
        by_weight[weight] = Stop(weight, Split(count, size - count), Routing.SHARED, samples=0, surge=1)
    return (*by_weight.values(), _everything(size, spec.health.min_samples, None, 1))


def _everything(size: int, samples: int, pause: Pause | None, surge: int | None) -> Stop:
    stable = size if surge is None else 0
    return Stop(FULL, Split(size, stable), Routing.CANDIDATE, samples, pause, surge)
