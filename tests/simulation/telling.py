"""What stories are made of: the usual spec, the usual moments, and what a story has to come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.api.status import Stage
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import (
    Become,
    address,
    new_model,
)
from modelrollout.simulation.resource import merged
from modelrollout.simulation.scenario import Happening, Moment, Scenario, Until

V1, V2, V3, V4 = "1.0.0", "2.0.0", "3.0.0", "4.0.0"

SPEC: Mapping[str, Any] = {
    "replicas": 4,
    "model": {"uri": address(V1), "version": V1},
    "strategy": {"canary": {"steps": [{"weight": 25}, {"weight": 50}]}},
    "health": {"interval": "1s", "minSamples": 20},
    "bake": "8s",
    "progressDeadline": "40s",
    "decisionDeadline": "30s",
    "rollback": {"keepPrevious": "1h", "cooldown": "20s"},
}

FAILING = Behaviour(errors=0.5)
BROKEN = Behaviour(errors=1.0)
SETTLED = Until(reason="Stable")


def spec(**changes: Any) -> Mapping[str, Any]:
    """The usual spec with some blocks changed, as `kubectl patch --type merge` would."""
    return merged(SPEC, changes)


def strategy(**one: Any) -> dict[str, Any]:
    return {"canary": None} | one


def at(weight: int, stage: Stage = Stage.JUDGING) -> Until:
    return Until(weight=weight, stage=stage)


def served_by(version: str) -> Until:
    return Until(stable=version, reason="Stable")


def rolled_out(version: str, after: int = 2) -> Moment:
    """The spec asks for a version, once all is settled."""
    return Moment(new_model(version), SETTLED, after)


def turns_bad(version: str, behaviour: Behaviour = FAILING) -> Become:
    return Become({version: behaviour}, f"{version} turns bad")


def turns_good(*versions: str) -> Become:
    return Become(dict.fromkeys(versions, Behaviour()), f"{' and '.join(versions)} answer well again")


@dataclass(frozen=True, slots=True)
class Ending:
    """What a story has to come to."""

    stable: str
    reason: str = "Stable"
    outcomes: Mapping[str, str] | None = None
    """Version to outcome in the history; None where it is not asked."""
    made: int | None = None
    """Pods that were ever made."""


@dataclass(frozen=True, slots=True)
class Story:
    scenario: Scenario
    ending: Ending


def story(name: str, moments: tuple[Moment, ...], ending: Ending, **scenario: Any) -> Story:
    return Story(Scenario(name, scenario.pop("spec", SPEC), moments, **scenario), ending)


def moment(do: Happening, until: Until = SETTLED, after: int = 0) -> Moment:
    return Moment(do, until, after)


GOES_OUT = (rolled_out(V2),)
