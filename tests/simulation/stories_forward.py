"""Stories in which a model goes out, or in which its size changes on the way."""

from simulation.telling import (
    GOES_OUT,
    SETTLED,
    V1,
    V2,
    V3,
    Ending,
    at,
    moment,
    rolled_out,
    spec,
    story,
    strategy,
    turns_bad,
)

from modelrollout.api.status import Phase
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import Edit, Upgrade, new_model
from modelrollout.simulation.scenario import Until

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
