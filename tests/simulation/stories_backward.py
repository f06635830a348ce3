"""Stories in which a model is taken back: in a step, in the bake, or after promotion along the chain."""

from simulation.telling import (
    BROKEN,
    FAILING,
    GOES_OUT,
    SETTLED,
    V1,
    V2,
    V3,
    Ending,
    at,
    moment,
    rolled_out,
    served_by,
    spec,
    story,
    strategy,
    turns_bad,
    turns_good,
)

from modelrollout.api.status import Phase, Stage
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import Become, Writable, new_model
from modelrollout.simulation.scenario import Until

BACKWARD = (
    story(
        "turns bad three hours after its promotion",
        (rolled_out(V2), moment(turns_bad(V2), served_by(V2), 3 * 3600)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Unhealthy"}),
        longest=4 * 3600,
        quiet=120,
    ),
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
        "constant total rolled back in the bake without room for another pod",
        (rolled_out(V2), moment(turns_bad(V2), at(100, Stage.BAKING), 1)),
        Ending(V1, "ErrorRate", {V1: "Promoted", V2: "Rejected"}),
        spec=spec(strategy={"canary": {"constantTotal": {"surge": 0}}}),
        room=4,
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
        "way back from a model that is stuck",
        (rolled_out(V2), moment(turns_bad(V2, Behaviour(stuck_after=0)), served_by(V2), 3)),
        Ending(V1, "Unresponsive", {V1: "Promoted", V2: "Unhealthy"}, made=8),
    ),
    story(
        "everything is stuck in a step",
        (
            rolled_out(V2),
            moment(
                Become(
                    dict.fromkeys((V1, V2), Behaviour(stuck_after=0)), "the feature store hangs: so does every model"
                ),
                at(50),
            ),
            moment(turns_good(V1, V2), Until(reason="StableUnhealthy"), 5),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        steady=False,
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
