"""Stories of commands, pauses, git, and specs that are edited in mid-rollout."""

from simulation.telling import (
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
from modelrollout.simulation.behaviours import Behaviour
from modelrollout.simulation.happenings import Command, Edit, Kill, new_model
from modelrollout.simulation.scenario import Until

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
        "lower steps while a person is asked",
        (
            rolled_out(V2),
            moment(
                Edit(
                    {"strategy": {"canary": {"steps": [{"weight": 10}, {"weight": 25}]}}}, "the steps become 10 and 25"
                ),
                at(50, Stage.PAUSED),
                2,
            ),
            moment(Command("promote", V2), at(50, Stage.PAUSED), 40),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=spec(strategy={"canary": {"steps": [{"weight": 25}, {"weight": 50, "pause": {}}]}}),
        quiet=60,
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
        "paused in the bake",
        (
            rolled_out(V2),
            moment(Edit({"paused": True}, "spec.paused becomes true"), at(100, Stage.BAKING), 4),
            moment(Edit({"paused": False}, "spec.paused becomes false"), at(100, Stage.BAKING), 20),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "the spec becomes invalid in mid-step, then it is corrected",
        (
            rolled_out(V2),
            moment(Edit({"bake": "soon"}, 'the spec gets a bake of "soon"'), at(50), 1),
            moment(Edit({"bake": "8s"}, "the bake is 8s again"), Until(phase=Phase.INVALID), 40),
        ),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
    ),
    story(
        "the candidate turns bad under an invalid spec",
        (
            rolled_out(V2),
            moment(Edit({"bake": "soon"}, 'the spec gets a bake of "soon"'), at(50), 1),
            moment(turns_bad(V2), Until(phase=Phase.INVALID), 10),
        ),
        Ending(V1, "InvalidSpec", {V1: "Promoted", V2: "Rejected"}),
    ),
    story(
        "inconclusive with a doubt holds although silence would go on",
        (rolled_out(V2), moment(turns_good(V2), Until(reason="Inconclusive"), 5)),
        Ending(V2, outcomes={V1: "Promoted", V2: "Promoted"}),
        spec=spec(onInconclusive="promote"),
        models={V2: Behaviour(errors=0.08)},
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
