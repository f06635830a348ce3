"""The stories that the operator has to live through: each is played once, and again with a kill after each write."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.api.status import Phase, Stage
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import (
    Become,
    Blind,
    Command,
    Delete,
    Edit,
    EraseStatus,
    Evict,
    Kill,
    Resize,
    Room,
    Tamper,
    Upgrade,
    Writable,
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
    "rollback": {"keepPrevious": "1h", "watch": "2h", "cooldown": "20s"},
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

FORWARD = (
    story("promoted", GOES_OUT, Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=8)),
    story(
        "blue-green promoted",
        GOES_OUT,
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=8),
        spec=spec(strategy=strategy(blueGreen={})),
    ),
    story("rolling promoted", GOES_OUT, Ending(V2, made=8), spec=spec(strategy=strategy(rolling={}))),
    story(
        "constant total promoted",
        GOES_OUT,
        Ending(V2, made=8),
        spec=spec(strategy={"canary": {"constantTotal": {"surge": 1}}}),
    ),
    story(
        "constant total without surge promoted",
        GOES_OUT,
        Ending(V2, made=8),
        spec=spec(strategy={"canary": {"constantTotal": {"surge": 0}}}),
    ),
    story(
        "promoted after lingering clients have left",
        GOES_OUT,
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=8),
        linger=30,
    ),
    story("one replica promoted", GOES_OUT, Ending(V2, made=2), spec=spec(replicas=1)),
    story(
        "first apply broken, then fixed",
        (moment(new_model(V2), Until(reason="ModelNotFound"), 3),),
        Ending(V2, outcomes={V2: "Promoted"}),
        models={V1: Behaviour(fails_to_load=PodTrouble.MODEL_NOT_FOUND, words="model not found: 404")},
    ),
    story(
        "stable broken and the fix ships",
        (
            moment(turns_bad(V1)),
            moment(new_model(V2), Until(reason="NoWayBack"), 3),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "warm previous, stable and canary",
        (rolled_out(V2), rolled_out(V3)),
        Ending(V3, outcomes={V1: "Promoted", V2: "Promoted", V3: "Promoted"}, made=12),
    ),
    story(
        "operator upgraded in mid-step",
        (rolled_out(V2), moment(Upgrade(), at(50), 1)),
        Ending(V2, made=8),
    ),
    story("operator upgraded at rest", (moment(Upgrade(), SETTLED, 3),), Ending(V1, made=4)),
)

BACKWARD = (
    story(
        "rolled back in a step",
        (rolled_out(V2), moment(turns_bad(V2), at(50))),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
    ),
    story(
        "rolled back although the status cannot be written",
        (
            rolled_out(V2),
            moment(Writable(writable=False), at(50)),
            moment(turns_bad(V2), at(50)),
            moment(Writable(writable=True), at(50), 12),
        ),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
    ),
    story(
        "rolled back in the bake",
        (rolled_out(V2), moment(turns_bad(V2), at(100, Stage.BAKING), 1)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
    ),
    story(
        "blue-green rejected in the preview",
        GOES_OUT,
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
        spec=spec(strategy=strategy(blueGreen={})),
        models={V2: FAILING},
    ),
    story(
        "blue-green switched and returned",
        (rolled_out(V2), moment(turns_bad(V2), at(100, Stage.BAKING), 2)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
        spec=spec(strategy=strategy(blueGreen={})),
    ),
    story(
        "rolling rolled back",
        (rolled_out(V2), moment(turns_bad(V2), at(50), 0)),
        Ending(V1, "ErrorRate"),
        spec=spec(strategy=strategy(rolling={})),
        steady=False,
    ),
    story(
        "constant total rolled back",
        (rolled_out(V2), moment(turns_bad(V2), at(50), 0)),
        Ending(V1, "ErrorRate"),
        spec=spec(strategy={"canary": {"constantTotal": {"surge": 1}}}),
        steady=False,
    ),
    story(
        "good, bad, second bad",
        (rolled_out(V2), moment(new_model(V3), Until(reason="ErrorRate"), 2)),
        Ending(V1, "Refusals", {V1: "Promoted", V2: "Rejected", V3: "Rejected"}),
        models={V2: FAILING, V3: Behaviour(refusals=1.0)},
    ),
    story(
        "bad, then good",
        (rolled_out(V2), moment(new_model(V3), Until(reason="ErrorRate"), 2)),
        Ending(V3, outcomes={V1: "Promoted", V2: "Rejected", V3: "Promoted"}),
        models={V2: FAILING},
    ),
    story(
        "way back to a warm model",
        (rolled_out(V2), moment(turns_bad(V2), served_by(V2), 3)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Unhealthy"}, made=8),
    ),
    story(
        "way back to a cold model",
        (rolled_out(V2), moment(turns_bad(V2), served_by(V2), 8)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Unhealthy"}, made=12),
        spec=spec(rollback={"keepPrevious": "5s"}),
    ),
    story(
        "down the whole chain",
        (
            rolled_out(V2),
            rolled_out(V3),
            moment(turns_bad(V3), served_by(V3), 3),
            moment(turns_bad(V2), Until(stable=V2, phase=Phase.ROLLED_BACK), 15),
        ),
        Ending(V1, "ErrorRate", {V1: "Promoted", V3: "Unhealthy", V2: "Unhealthy"}),
    ),
    story(
        "one on the way back cannot load",
        (
            rolled_out(V2),
            rolled_out(V3),
            moment(
                Become({V2: Behaviour(fails_to_load=PodTrouble.MODEL_NOT_FOUND)}, f"the artefact of {V2} is deleted"),
                served_by(V3),
                8,
            ),
            moment(turns_bad(V3), served_by(V3), 1),
        ),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Unhealthy", V3: "Unhealthy"}),
        spec=spec(rollback={"keepPrevious": "5s"}),
    ),
    story("no way back", (moment(turns_bad(V1), SETTLED, 3),), Ending(V1, "NoWayBack", {V1: "Promoted"}), quiet=60),
    story(
        "no way back, then healthy again",
        (moment(turns_bad(V1), SETTLED, 3), moment(turns_good(V1), Until(reason="NoWayBack"), 15)),
        Ending(V1, "Stable", {V1: "Promoted"}),
    ),
    story(
        "everything fails in a step",
        (
            rolled_out(V2),
            moment(
                Become({V1: BROKEN, V2: BROKEN}, "the feature store is down: every model fails"),
                at(50, Stage.PAUSED),
                6,
            ),
            moment(turns_good(V1, V2), Until(reason="StableUnhealthy"), 12),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=spec(strategy={"canary": {"steps": [{"weight": 25}, {"weight": 50, "pause": {"duration": "10s"}}]}}),
    ),
    story(
        "everything fails after promotion, then a real fault",
        (
            rolled_out(V2),
            rolled_out(V3),
            moment(
                Become({V1: FAILING, V2: FAILING, V3: FAILING}, "the feature store is down: every model fails"),
                served_by(V3),
                3,
            ),
            moment(turns_good(V1, V2, V3), Until(reason="FaultNotInModel"), 40),
            moment(turns_bad(V2), Until(stable=V2, reason="ErrorRate"), 5),
        ),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Unhealthy", V3: "Unhealthy"}),
        longest=1200,
    ),
)

FAULTS = (
    story(
        "cannot load",
        GOES_OUT,
        Ending(V1, "FeatureMismatch", {V1: "Promoted", V2: "Rejected"}),
        models={
            V2: Behaviour(
                fails_to_load=PodTrouble.FEATURE_MISMATCH,
                words="feature mismatch: expected 5 columns, model has 6",
            )
        },
    ),
    story(
        "out of memory under traffic",
        GOES_OUT,
        Ending(V1, "OOMKilled", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(oom_after=15)},
    ),
    story(
        "server hangs",
        GOES_OUT,
        Ending(V1, "Unresponsive", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(hangs_after=15)},
    ),
    story(
        "crash loop with a flapping Ready",
        GOES_OUT,
        Ending(V1, "Crashed", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(crashes_after=2, words="Segmentation fault")},
    ),
    story(
        "slow",
        GOES_OUT,
        Ending(V1, "P95LatencyMs", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(latency_ms=800)},
    ),
    story(
        "refuses what stable answers",
        GOES_OUT,
        Ending(V1, "Refusals", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(refusals=1.0)},
    ),
    story(
        "never ready",
        GOES_OUT,
        Ending(V1, "ProgressDeadlineExceeded", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(never_ready=True)},
        quiet=50,
    ),
    story(
        "the only canary pod is evicted",
        (rolled_out(V2), moment(Evict(V2), at(25), 2)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "every pod of the candidate is evicted in the bake",
        (rolled_out(V2), moment(Evict(V2, 4), at(100, Stage.BAKING), 2)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "no room for the canary, then room",
        (rolled_out(V2), moment(Room(None), Until(stage=Stage.WAITING), 5)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        room=4,
    ),
    story(
        "image cannot be pulled, then it can",
        (
            rolled_out(V2),
            moment(Become({V2: Behaviour()}, "the image is pushed"), Until(stage=Stage.WAITING), 5),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        models={V2: Behaviour(pullable=False)},
    ),
    story(
        "blind on both arms",
        (
            rolled_out(V2),
            moment(Blind(frozenset({V1, V2})), at(50), 1),
            moment(Blind(), Until(reason="ScrapeBlocked"), 20),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "blind on the canary",
        (rolled_out(V2), moment(Blind(frozenset({V2})), at(50), 1)),
        Ending(V1, "Unresponsive", {V1: "Promoted", V2: "Rejected"}),
    ),
)

PEOPLE = (
    story(
        "abort in mid-step",
        (rolled_out(V2), moment(Command("abort", V2), at(50), 1)),
        Ending(V1, "Aborted", {V1: "Promoted", V2: "Aborted"}),
    ),
    story(
        "retry after a rejection",
        (
            rolled_out(V2),
            moment(turns_good(V2), Until(reason="ErrorRate", phase=Phase.ROLLED_BACK), 2),
            moment(Command("retry", V2), Until(reason="ErrorRate", phase=Phase.ROLLED_BACK), 1),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        models={V2: FAILING},
    ),
    story(
        "promote all without waiting",
        (rolled_out(V2), moment(Command("promote-all", V2), at(25), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        rate=0,
    ),
    story(
        "promote step by step without traffic",
        (
            rolled_out(V2),
            moment(Command("promote", V2, "a"), at(25), 1),
            moment(Command("promote", V2, "b"), at(50), 1),
            moment(Command("promote", V2, "c"), at(100), 1),
            moment(Command("promote", V2, "d"), at(100, Stage.BAKING), 1),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        rate=0,
        by_hand=True,
    ),
    story(
        "paused by a command across a kill",
        (
            rolled_out(V2),
            moment(Command("pause", V2, "a"), at(25), 1),
            moment(Kill(), Until(phase=Phase.PAUSED), 3),
            moment(Command("resume", V2, "b"), Until(phase=Phase.PAUSED), 45),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "paused by the spec across a kill",
        (
            rolled_out(V2),
            moment(Edit({"paused": True}, "the spec says paused"), at(25), 1),
            moment(Kill(), Until(phase=Phase.PAUSED), 3),
            moment(Edit({"paused": False}, "the spec says go on"), Until(phase=Phase.PAUSED), 45),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "timed pause across a kill",
        (rolled_out(V2), moment(Kill(), at(25, Stage.PAUSED), 7)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=spec(strategy={"canary": {"steps": [{"weight": 25, "pause": {"duration": "20s"}}, {"weight": 50}]}}),
    ),
    story(
        "pause until a person resumes",
        (rolled_out(V2), moment(Command("resume", V2), at(25, Stage.PAUSED), 40)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=spec(strategy={"canary": {"steps": [{"weight": 25, "pause": {}}, {"weight": 50}]}}),
    ),
    story(
        "rolled back by a person after promotion",
        (rolled_out(V2), moment(Command("rollback", V2), served_by(V2), 3)),
        Ending(V1, "RolledBackByPerson", {V1: "Promoted", V2: "Aborted"}, made=8),
    ),
    story(
        "undone by a person",
        (rolled_out(V2), moment(Command("undo", V2), served_by(V2), 3)),
        Ending(V1, "UndoneByPerson", {V1: "Promoted", V2: "Rejected"}, made=8),
    ),
    story(
        "rollback without a way back is refused",
        (moment(Command("rollback", V1), SETTLED, 3),),
        Ending(V1, outcomes={V1: "Promoted"}, made=4),
    ),
    story(
        "a command meant for another revision is refused",
        (rolled_out(V2), moment(Command("promote-all", V1), at(25), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story("restarted in place", (moment(Command("restart", V1), SETTLED, 3),), Ending(V1, made=8)),
    story(
        "marked bad, so the way back passes it by",
        (
            rolled_out(V2),
            rolled_out(V3),
            moment(Command("mark", V2, "a"), served_by(V3), 3),
            moment(turns_bad(V3), served_by(V3), 2),
        ),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Unhealthy", V3: "Unhealthy"}),
    ),
    story(
        "git revert to the warm model",
        (rolled_out(V2), moment(new_model(V1), served_by(V2), 3)),
        Ending(V1, outcomes={V1: "Promoted", V2: "Promoted"}, made=8),
    ),
    story(
        "git revert in mid-step",
        (rolled_out(V2), moment(new_model(V1), at(50), 1)),
        Ending(V1, outcomes={V1: "Promoted", V2: "Superseded"}, made=8),
    ),
    story(
        "there, back and there again",
        (rolled_out(V2), moment(new_model(V1), at(25), 1), moment(new_model(V2), Until(stable=V1, candidate=""), 6)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "a third model in mid-canary",
        (rolled_out(V2), moment(new_model(V3), at(50), 1)),
        Ending(V3, outcomes={V1: "Promoted", V2: "Superseded", V3: "Promoted"}),
    ),
    story(
        "an older model comes again and is superseded",
        (
            rolled_out(V2),
            moment(new_model(V1), served_by(V2), 8),
            moment(new_model(V3), at(25), 1),
        ),
        Ending(V3, outcomes={V1: "Promoted", V2: "Promoted", V3: "Promoted"}),
        spec=spec(rollback={"keepPrevious": "5s"}),
    ),
    story(
        "strategy changed in place",
        (
            rolled_out(V2),
            moment(Edit({"strategy": strategy(blueGreen={})}, "the strategy becomes blue-green"), at(50), 1),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "steps edited in mid-rollout",
        (
            rolled_out(V2),
            moment(
                Edit(
                    {"strategy": {"canary": {"steps": [{"weight": 10}, {"weight": 75}]}}}, "the steps become 10 and 75"
                ),
                at(25),
                1,
            ),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "limits edited in mid-step",
        (
            rolled_out(V2),
            moment(Edit({"health": {"minSamples": 60}}, "minSamples becomes 60"), at(50), 2),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "inconclusive holds",
        GOES_OUT,
        Ending(V1, "Inconclusive", {V1: "Promoted"}),
        rate=0,
        quiet=75,
    ),
    story(
        "inconclusive rolls back",
        GOES_OUT,
        Ending(V1, "Inconclusive", {V1: "Promoted", V2: "Rejected"}),
        spec=spec(onInconclusive="rollBack"),
        rate=0,
        quiet=40,
    ),
    story(
        "inconclusive goes on",
        GOES_OUT,
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=spec(onInconclusive="promote"),
        rate=0,
        by_hand=True,
        quiet=40,
    ),
)

SIZE = (
    story(
        "scaled up in mid-step",
        (rolled_out(V2), moment(Edit({"replicas": 8}, "replicas: 8"), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=16),
        steady=False,
    ),
    story(
        "scaled down in mid-step",
        (rolled_out(V2), moment(Edit({"replicas": 2}, "replicas: 2"), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=8),
    ),
    story(
        "asleep in mid-step and awake again",
        (
            rolled_out(V2),
            moment(Edit({"replicas": 0}, "replicas: 0"), at(50), 1),
            moment(Edit({"replicas": 4}, "replicas: 4"), Until(phase=Phase.ASLEEP), 50),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        steady=False,
        quiet=60,
    ),
    story(
        "asleep",
        (moment(Edit({"replicas": 0}, "replicas: 0"), SETTLED, 3),),
        Ending(V1, "Asleep", made=4),
        steady=False,
    ),
)

HANDS = (
    story(
        "selector pointed at everything",
        (rolled_out(V2), moment(Tamper(), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "selector pointed at stable in mid-step",
        (rolled_out(V2), moment(Tamper(V1), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "selector pointed at the canary in mid-step",
        (rolled_out(V2), moment(Tamper(V2), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "Service deleted in mid-step",
        (rolled_out(V2), moment(Delete(), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "canary's Deployment deleted in mid-step",
        (rolled_out(V2), moment(Delete(V2), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "stable's Deployment deleted in mid-step",
        (rolled_out(V2), moment(Delete(V1), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "canary scaled by hand",
        (rolled_out(V2), moment(Resize(V2, 9), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story("status erased at rest", (moment(EraseStatus(), SETTLED, 3),), Ending(V1, made=4, outcomes={V1: "Promoted"})),
    story(
        "status erased in mid-step",
        (rolled_out(V2), moment(EraseStatus(), at(50), 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=8),
    ),
    story(
        "status erased after a rejection",
        (rolled_out(V2), moment(EraseStatus(), Until(reason="ErrorRate", phase=Phase.ROLLED_BACK), 5)),
        Ending(V1, "Recovered", {V1: "Promoted", V2: "Rejected"}),
        models={V2: FAILING},
    ),
)

STORIES = (*FORWARD, *BACKWARD, *FAULTS, *PEOPLE, *SIZE, *HANDS)
