"""Stories of pods and clusters that fail, and of hands that change what the operator has made."""

from collections.abc import Mapping

from simulation.telling import (
    FAILING,
    GOES_OUT,
    SETTLED,
    SPEC,
    V1,
    V2,
    Ending,
    at,
    moment,
    rolled_out,
    spec,
    story,
    strategy,
)

from modelrollout.api.status import Phase, Stage
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import (
    Become,
    Blind,
    Delete,
    EditByHand,
    EraseStatus,
    Evict,
    Recreate,
    Resize,
    Room,
    Sicken,
    TakeNames,
    Tamper,
)
from modelrollout.simulation.scenario import Happening, Until

PROMOTED = Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"})

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
        "serving loop stuck behind a health port that answers",
        GOES_OUT,
        Ending(V1, "Unresponsive", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(stuck_after=15)},
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
        "a sidecar ends every 3 s and takes the pod out of service",
        GOES_OUT,
        Ending(V1, "Crashed", {V1: "Promoted", V2: "Rejected"}),
        models={V2: Behaviour(sidecar_ends_after=3)},
    ),
    story(
        "a readiness gate is met long after the progress deadline",
        GOES_OUT,
        PROMOTED,
        models={V2: Behaviour(gate_opens_after=50)},
        quiet=60,
    ),
    story(
        "the only canary pod is evicted",
        (rolled_out(V2), moment(Evict(V2), at(25), 2)),
        PROMOTED,
    ),
    story(
        "every pod of the candidate is evicted in the bake",
        (rolled_out(V2), moment(Evict(V2, 4), at(100, Stage.BAKING), 2)),
        PROMOTED,
    ),
    story(
        "no room for the canary, then room",
        (rolled_out(V2), moment(Room(None), Until(stage=Stage.WAITING), 5)),
        PROMOTED,
        room=4,
    ),
    story(
        "room that comes just before the deadline, for a model that loads long",
        (rolled_out(V2), moment(Room(None), Until(reason="WaitingForCluster"), 30)),
        PROMOTED,
        models={V2: Behaviour(load=20)},
        room=4,
    ),
    story(
        "image cannot be pulled, then it can",
        (
            rolled_out(V2),
            moment(Become({V2: Behaviour()}, "the image is pushed"), Until(stage=Stage.WAITING), 5),
        ),
        PROMOTED,
        models={V2: Behaviour(pullable=False)},
    ),
    story(
        "blind on both arms",
        (
            rolled_out(V2),
            moment(Blind(frozenset({V1, V2})), at(50), 1),
            moment(Blind(), Until(reason="ScrapeBlocked"), 20),
        ),
        PROMOTED,
    ),
    story(
        "blind on the canary",
        (rolled_out(V2), moment(Blind(frozenset({V2})), at(50), 1)),
        Ending(V1, "Unresponsive", {V1: "Promoted", V2: "Rejected"}),
    ),
)

BLUE_GREEN = spec(strategy=strategy(blueGreen={}))
ROLLING = spec(strategy=strategy(rolling={}))
LOST = {
    "in mid-step": (at(50), SPEC),
    "in the bake": (at(100, Stage.BAKING), SPEC),
    "in the bake of blue-green": (at(100, Stage.BAKING), BLUE_GREEN),
    "in mid-rolling": (at(50), ROLLING),
}
LOST_STATUS = tuple(
    story(
        f"made again among orphans {when}{'' if with_service else ' without the Service'}",
        (rolled_out(V2), moment(Recreate(with_service), until, 1)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=chosen,
        steady=False,
    )
    for when, (until, chosen) in LOST.items()
    for with_service in (True, False)
)
"""Whoever loses the status finds stable where it was, and the candidate proves itself again."""

SERVICE = TakeNames(frozenset({("Service", "churn")}))
BESIDE = TakeNames(
    frozenset({("PodDisruptionBudget", "churn"), ("HorizontalPodAutoscaler", "churn"), ("Service", "churn-preview")})
)
"""What neither traffic nor sizes depend on."""

FOREIGN = (
    story(
        "somebody's Service of our name in mid-step, then ours again",
        (rolled_out(V2), moment(SERVICE, at(50), 1), moment(TakeNames(), Until(reason="NameTaken"), 60)),
        PROMOTED,
    ),
    story(
        "crashes behind somebody's Service of our name",
        (
            rolled_out(V2),
            moment(SERVICE, at(50), 1),
            moment(Become({V2: Behaviour(crashes_after=2)}, f"{V2} crashes"), Until(reason="NameTaken"), 5),
            moment(TakeNames(), Until(reason="NameTaken", candidate=""), 20),
        ),
        Ending(V1, "Crashed", {V1: "Promoted", V2: "Rejected"}),
    ),
    story(
        "a failing model among foreign objects",
        (moment(BESIDE), rolled_out(V2)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
        models={V2: FAILING},
    ),
)

IN_MID_STEP: Mapping[str, Happening] = {
    "selector pointed at everything": Tamper(),
    "selector pointed at stable in mid-step": Tamper(V1),
    "selector pointed at the canary in mid-step": Tamper(V2),
    "Service deleted in mid-step": Delete(),
    "canary's Deployment deleted in mid-step": Delete(V2),
    "stable's Deployment deleted in mid-step": Delete(V1),
    "canary scaled by hand": Resize(V2, 9),
    "stable's image edited in mid-step": EditByHand(),
    "the Service's port edited in mid-step": EditByHand(service=True),
}
"""What somebody does to the children while two models share the traffic; it is put right, and the rollout goes on."""

HANDS = (
    *(story(name, (rolled_out(V2), moment(hand, at(50), 1)), PROMOTED) for name, hand in IN_MID_STEP.items()),
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

COMPARED = spec(health={"compare": {}}, decisionDeadline="4m", strategy={"canary": {"steps": [{"weight": 50}]}})
SICK = Sicken(V2, Behaviour(errors=0.5))

SICK_PODS = (
    story(
        "one sick pod of several is replaced",
        (rolled_out(V2), moment(SICK, at(50), 2)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}, made=9),
        spec=COMPARED,
        rate=100,
    ),
    story(
        "a sick pod comes back",
        (rolled_out(V2), moment(SICK, at(50), 2), moment(SICK, at(50), 16)),
        Ending(V1, "ErrorRatio", {V1: "Promoted", V2: "Rejected"}, made=9),
        spec=COMPARED,
        rate=100,
    ),
)
