"""The plots that a manifest can be put through, each a value with a name and a sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelrollout.api.status import Stage
from modelrollout.core.facts import PodTrouble
from modelrollout.judge import Baseline
from modelrollout.simulation import scores
from modelrollout.simulation.behaviours import GOOD, Behaviour
from modelrollout.simulation.happenings import Become, Blind, EraseStatus, Evict, Kill, Room
from modelrollout.simulation.scenario import Moment, Until

USUAL_ERRORS = 0.01
SLOW = 3.0
"""How many times over the strictest latency limit a slow model is."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: versions of the models, and the pods that the manifest asks for."""

    stable: str
    candidate: str
    pods: int
    latency_limit_ms: float
    """The strictest latency limit of the manifest."""


def _nothing(cast: Cast) -> tuple[Moment, ...]:
    del cast
    return ()


def _all_good(cast: Cast) -> Mapping[str, Behaviour]:
    del cast
    return {}


@dataclass(frozen=True, slots=True)
class Plot:
    """What happens in a rehearsal, after the spec has asked for the new model."""

    name: str
    says: str
    """For a list of plots."""
    models: Callable[[Cast], Mapping[str, Behaviour]] = _all_good
    """Behaviour by version; who is left out is good."""
    cues: Callable[[Cast], tuple[Moment, ...]] = _nothing
    traffic: bool = True
    """Whether anybody sends requests."""


TWO_HUMPS = scores.baseline(scores.TWO_HUMPS)
IN_A_STEP = Until(stage=Stage.JUDGING)
PAST_THE_FIRST = 2
"""Seconds into a step."""


def _candidate(behaviour: Behaviour) -> Callable[[Cast], Mapping[str, Behaviour]]:
    return lambda cast: {cast.candidate: behaviour}


def _slow(cast: Cast) -> Mapping[str, Behaviour]:
    return {cast.candidate: Behaviour(latency_ms=SLOW * cast.latency_limit_ms)}


def _twice_the_errors(cast: Cast) -> Mapping[str, Behaviour]:
    return {cast.stable: Behaviour(errors=USUAL_ERRORS), cast.candidate: Behaviour(errors=2 * USUAL_ERRORS)}


def _scoring(predicted: tuple[float, ...], own: Baseline) -> Callable[[Cast], Mapping[str, Behaviour]]:
    """The old model's scores have two humps, and it has a baseline of them."""
    old = Behaviour(scores=scores.TWO_HUMPS, baseline=TWO_HUMPS)
    return lambda cast: {cast.stable: old, cast.candidate: Behaviour(scores=predicted, baseline=own)}


def _stable_fails(cast: Cast) -> Mapping[str, Behaviour]:
    return {cast.stable: Behaviour(errors=1.0)}


def _both_fail(cast: Cast) -> Mapping[str, Behaviour]:
    return dict.fromkeys((cast.stable, cast.candidate), Behaviour(errors=1.0))


def _everything_fails(cast: Cast) -> tuple[Moment, ...]:
    both = (cast.stable, cast.candidate)
    fail = Become(
        dict.fromkeys(both, Behaviour(errors=1.0)), "a service that both models ask is down: all answers fail"
    )
    recover = Become(dict.fromkeys(both, GOOD), "the service is back: both models answer well again")
    return Moment(fail, IN_A_STEP, PAST_THE_FIRST), Moment(recover, after=60)


def _fails_later(cast: Cast) -> tuple[Moment, ...]:
    turn = Become({cast.candidate: Behaviour(errors=0.5)}, f"{cast.candidate} fails half of the requests")
    return (Moment(turn, Until(stable=cast.candidate, reason="Stable"), 20),)


def _node_lost(cast: Cast) -> tuple[Moment, ...]:
    return (Moment(Evict(cast.candidate), IN_A_STEP, PAST_THE_FIRST),)


def _killed(cast: Cast) -> tuple[Moment, ...]:
    del cast
    return (Moment(Kill(30), IN_A_STEP, PAST_THE_FIRST),)


def _no_room(cast: Cast) -> tuple[Moment, ...]:
    return Moment(Room(cast.pods)), Moment(Room(None), Until(reason="Progressing", candidate=cast.candidate), 120)


def _blind(cast: Cast) -> tuple[Moment, ...]:
    both = frozenset({cast.stable, cast.candidate})
    return Moment(Blind(both), IN_A_STEP, 0), Moment(Blind(), after=60)


def _erased(cast: Cast) -> tuple[Moment, ...]:
    del cast
    return (Moment(EraseStatus(), IN_A_STEP, PAST_THE_FIRST),)


_ALL = (
    Plot("healthy", "the new model is as good as the old one"),
    Plot("errors", "half of its answers are errors", _candidate(Behaviour(errors=0.5))),
    Plot("errors-double", "2 % errors where the old model has 1 %", _twice_the_errors),
    Plot(
        "scores-all-alike",
        "every score is .5, where its baseline has two humps with that mean",
        _scoring(scores.ALL_ALIKE, TWO_HUMPS),
    ),
    Plot("scores-too-small", "its scores are a tenth of what its baseline says", _scoring(scores.TOO_SMALL, TWO_HUMPS)),
    Plot(
        "retrained",
        "it scores otherwise than the old model, and as its own baseline says",
        _scoring(scores.SOFTER, scores.baseline(scores.SOFTER)),
    ),
    Plot(
        "baseline-without-spread",
        "its artefact carries a baseline of one number",
        _scoring(scores.TWO_HUMPS, scores.without_spread()),
    ),
    Plot("stable-fails", "the old model fails every request, the new one none", _stable_fails),
    Plot("both-fail", "the old model fails every request, and so does the new one", _both_fail),
    Plot("slow", "every request takes three times the strictest latency limit", _slow),
    Plot("refuses", "it answers 4xx to what the old model answers", _candidate(Behaviour(refusals=1.0))),
    Plot(
        "crash-loop",
        "it crashes 5 s after each start",
        _candidate(Behaviour(crashes_after=5, words="Segmentation fault")),
    ),
    Plot("out-of-memory", "it is killed for its memory after 50 requests", _candidate(Behaviour(oom_after=50))),
    Plot(
        "cannot-load",
        "there is no model at its address",
        _candidate(Behaviour(fails_to_load=PodTrouble.MODEL_NOT_FOUND, words="the address answers 404 Not Found")),
    ),
    Plot("never-ready", "it loads and loads and is never ready", _candidate(Behaviour(never_ready=True))),
    Plot("cannot-pull", "its image cannot be pulled", _candidate(Behaviour(pullable=False))),
    Plot("hangs", "it answers nobody any more after 50 requests", _candidate(Behaviour(hangs_after=50))),
    Plot("no-traffic", "nobody sends a request", traffic=False),
    Plot("node-lost", "a pod of the new model is lost to its node in a step", cues=_node_lost),
    Plot("no-room", "the cluster has no room for the new pods, then it has", cues=_no_room),
    Plot("everything-fails", "both models fail for a minute, since something behind them does", cues=_everything_fails),
    Plot("fails-later", "the new model turns bad 20 s after its promotion", cues=_fails_later),
    Plot("operator-killed", "the operator is killed in a step and back after 30 s", cues=_killed),
    Plot("blind", "the operator cannot reach any pod for a minute", cues=_blind),
    Plot("status-erased", "the status is lost in a step", cues=_erased),
)

PLOTS: Mapping[str, Plot] = MappingProxyType({plot.name: plot for plot in _ALL})
