"""A candidate's step: pods, then evidence, then its pause; the bake and the quiet after the last one.

Each case is one look. It names what the candidate becomes, why it holds, and the Events that are told.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from core.steps import BEGUN, ENOUGH, FOR_A_PERSON, PAUSE, TEN, TIGHT, WHOLE, Wishes, advanced, ended, look
from core.values import (
    FAILING,
    NOW,
    PASSING,
    arm,
    candidate,
    entry,
    judged,
    later,
    reasons,
    revision,
    seen,
    status,
    turn,
)

from modelrollout.api.status import (
    Hold,
    Outcome,
    Previous,
    Routing,
    Stage,
)
from modelrollout.core.decision import Note
from modelrollout.core.facts import Traffic
from modelrollout.core.turn import Moved
from modelrollout.judge.verdicts import Verdict


@pytest.mark.parametrize(
    ("before", "wishes", "verdict", "changes", "hold", "told"),
    [
        pytest.param(TEN, {}, Verdict(requests=19), {}, "Progressing", [], id="one request short"),
        pytest.param(
            TEN,
            {},
            replace(ENOUGH, doubt="2 of 20 requests failed, more than 5 %"),
            {},
            "Progressing",
            [],
            id="enough requests and a doubt",
        ),
        pytest.param(
            TEN,
            {},
            ENOUGH,
            BEGUN | {"weight": 50, "step": 2},
            "",
            ["StepPassed", "StepPassedThrough"],
            id="a step that makes the same pods is passed through",
        ),
        pytest.param(
            {"weight": 50, "step": 2},
            {},
            ENOUGH,
            BEGUN | {"weight": 100, "step": 3},
            "",
            ["StepPassed"],
            id="the last step has to start even where it makes the same pods",
        ),
        pytest.param(
            TEN, PAUSE, ENOUGH, {"stage": Stage.PAUSED, "since": NOW}, "", ["StepPaused"], id="a pause follows"
        ),
        pytest.param(
            TEN | {"forced": True},
            PAUSE,
            Verdict(),
            BEGUN | {"weight": 100, "step": 1},
            "",
            ["StepPassed"],
            id="a forced candidate asks for no evidence and no pause",
        ),
        pytest.param(
            WHOLE, {}, ENOUGH, {"stage": Stage.BAKING, "since": NOW}, "", ["StepPassed", "Baking"], id="the bake"
        ),
        pytest.param(
            {"stage": Stage.PAUSED},
            FOR_A_PERSON,
            PASSING,
            {"asked": True},
            "Paused",
            [],
            id="a pause without an end waits for a person",
        ),
        pytest.param({"stage": Stage.PAUSED}, PAUSE, PASSING, {}, "Paused", [], id="a pause that has not been watched"),
        pytest.param(
            {"stage": Stage.PAUSED, "forced": True},
            FOR_A_PERSON,
            PASSING,
            BEGUN | {"weight": 100, "step": 1},
            "",
            ["StepPassed"],
            id="a forced candidate leaves its pause",
        ),
        pytest.param(
            TEN,
            {"paused": True},
            ENOUGH,
            {},
            "Paused",
            ["Paused"],
            id="spec.paused holds a step that has its evidence",
        ),
        pytest.param(
            WHOLE | {"stage": Stage.BAKING}, {}, PASSING, {}, "Progressing", [], id="a bake that has not been watched"
        ),
        pytest.param(
            WHOLE | {"stage": Stage.BAKING},
            {"bake": "1m"},
            PASSING,
            {"stage": Stage.DRAINING, "since": NOW},
            "",
            [],
            id="a bake that was watched and is well",
        ),
        pytest.param(
            WHOLE | {"stage": Stage.BAKING},
            {"bake": "1m"},
            Verdict(requests=19),
            {},
            "Progressing",
            [],
            id="a bake that nobody sent traffic to",
        ),
        pytest.param(
            WHOLE | {"stage": Stage.BAKING},
            {"bake": "1m"},
            replace(PASSING, doubt="7 of 100 requests failed, more than 5 %"),
            {},
            "Progressing",
            [],
            id="a bake with a doubt",
        ),
        pytest.param(
            WHOLE | {"stage": Stage.BAKING, "forced": True},
            {},
            Verdict(),
            {"stage": Stage.DRAINING, "since": NOW},
            "",
            [],
            id="a forced bake",
        ),
    ],
)
def test_a_step_goes_on_only_with_all_that_it_asks_for(
    *, before: Wishes, wishes: Wishes, verdict: Verdict, changes: Wishes, hold: str, told: list[str]
) -> None:
    here = candidate(**dict(before) | ({"step": 0} if wishes in (PAUSE, FOR_A_PERSON) else {}))
    seen_now = judged(look(status(candidate=here), wishes, ready=4), verdict)
    assert ended(advanced(seen_now)) == (here.but(**changes), hold, told)


def test_evidence_of_less_than_one_interval_passes_nothing() -> None:
    here = look(status(candidate=candidate()))
    assert ended(advanced(judged(here, ENOUGH, watched=4.9)))[1:] == ("Progressing", [])
    assert ended(advanced(judged(here, ENOUGH, watched=5)))[1:] == ("", ["StepPassed", "StepPassedThrough"])


def test_evidence_of_another_epoch_passes_nothing() -> None:
    before = judged(look(status(candidate=candidate(round=1))), PASSING)
    now = replace(look(status(candidate=candidate(round=2))), seen=before.seen)
    assert ended(advanced(now)) == (candidate(round=2), "Progressing", [])


def test_a_doubt_is_said_while_it_holds_a_step() -> None:
    doubt = "6 of 20 requests failed, more than 5 %"
    moved = advanced(judged(look(status(candidate=candidate())), Verdict(requests=20, doubt=doubt)))
    assert ended(moved) == (candidate(), "Progressing", [])
    assert moved.status.hold is not None
    assert doubt in moved.status.hold.message


def test_a_timed_pause_ends_by_the_time_watched_and_not_by_the_clock() -> None:
    here = candidate(stage=Stage.PAUSED, since=later(-90_000))
    paused = look(status(candidate=here), PAUSE)
    assert ended(advanced(judged(paused, PASSING, watched=299))) == (here, "Paused", [])
    moved = advanced(judged(paused, PASSING, watched=300))
    assert ended(moved) == (here.but(**BEGUN, weight=100, step=1), "", ["StepPassed"])


@pytest.mark.parametrize(
    ("routing", "wishes", "ready", "changes", "hold", "told"),
    [
        pytest.param(Routing.STABLE, {}, 0, {}, "Progressing", [], id="no pod is ready"),
        pytest.param(
            Routing.STABLE,
            {},
            1,
            {"stage": Stage.JUDGING, "since": NOW, "routing": Routing.SHARED, "routed": False},
            "",
            ["StepStarted"],
            id="the step's pods are ready",
        ),
        pytest.param(
            Routing.SHARED,
            {},
            1,
            {"stage": Stage.JUDGING, "since": NOW, "routing": Routing.SHARED, "routed": True},
            "",
            ["StepStarted"],
            id="traffic that is shared already stays so",
        ),
        pytest.param(Routing.STABLE, {"paused": True}, 1, {}, "Paused", ["Paused"], id="paused before its traffic"),
        pytest.param(
            Routing.STABLE,
            {"strategy": {"blueGreen": {}}},
            4,
            {"stage": Stage.JUDGING, "since": NOW, "weight": 0, "routing": Routing.STABLE, "routed": True},
            "",
            ["StepStarted"],
            id="a preview gets no traffic of the Service",
        ),
        pytest.param(
            Routing.STABLE,
            TIGHT,
            1,
            {"weight": 50, "routing": Routing.SHARED, "routed": False},
            "",
            ["TrafficShared"],
            id="a constant total serves with the first ready pod",
        ),
    ],
)
def test_a_step_starts_once_its_pods_are_ready(
    *, routing: Routing, wishes: Wishes, ready: int, changes: Wishes, hold: str, told: list[str]
) -> None:
    weight = changes.get("weight", 10)
    here = candidate(stage=Stage.STARTING, routing=routing, weight=weight)
    moved = advanced(look(status(candidate=here), wishes, ready))
    assert ended(moved) == (here.but(**changes), hold, told)


def test_a_constant_total_of_one_pod_starts_its_step_as_usual() -> None:
    here = candidate(stage=Stage.STARTING, routing=Routing.STABLE, weight=50)
    world = seen(arm(1, 1), arm(2, 1, against=1))
    moved = advanced(turn(status(candidate=here, size=1), world, TIGHT | {"replicas": 1}))
    judging = here.but(stage=Stage.JUDGING, since=NOW, routing=Routing.SHARED, routed=False)
    assert ended(moved) == (judging, "", ["StepStarted"])


def test_a_started_step_says_how_many_pods_make_its_weight() -> None:
    here = candidate(stage=Stage.STARTING, routing=Routing.STABLE)
    assert advanced(look(status(candidate=here))).notes == (
        Note(
            "StepStarted",
            "2.0.0 (v2) has 1 pod ready: 1 pod beside 4 of stable make 20 % of the requests where 10 % were asked for",
        ),
    )


def test_the_last_step_waits_for_as_many_pods_as_stable_has() -> None:
    here = candidate(stage=Stage.STARTING, **WHOLE)
    moved = advanced(look(status(candidate=here.but(routing=Routing.SHARED)), ready=3))
    assert moved.status.hold == Hold(reason="Progressing", message="3 of 4 pods ready", since=NOW)


def test_a_third_revision_of_stables_group_is_waited_for() -> None:
    here = status(candidate=candidate(stage=Stage.STARTING, routing=Routing.STABLE))
    world = seen(arm(1, 4), arm(2, 1, against=1), arm(3, 1, against=1))
    moved = advanced(turn(here, world))
    message = "waits until the pods of v3 are gone, since they carry stable's group"
    assert moved == Moved(here.but(hold=Hold(reason="Progressing", message=message, since=NOW)))


def test_pods_that_were_started_against_another_stable_are_waited_for() -> None:
    here = status(candidate=candidate(stage=Stage.STARTING, routing=Routing.STABLE))
    moved = advanced(turn(here, seen(arm(1, 4), arm(2, 4, against=3))))
    message = "waits until its pods of an earlier rollout are gone"
    assert moved == Moved(here.but(hold=Hold(reason="Progressing", message=message, since=NOW)))


def test_broken_evidence_rejects_the_revision_with_its_numbers() -> None:
    known = status(candidate=candidate())
    moved = advanced(judged(look(known), Verdict(candidate=FAILING)))
    rejected = entry(2, Outcome.REJECTED, reason="ErrorRate", message="31 of 40 requests failed (limit 5 %)", time=NOW)
    message = "2.0.0 (v2) was rolled back to 1.0.0 (v1) in step 1 (weight 10): 31 of 40 requests failed (limit 5 %)"
    assert moved == Moved(
        status(candidate=None, history=[entry(1), rejected]), (Note("RolledBack", message, warning=True),)
    )


def test_a_paused_rollout_still_goes_back() -> None:
    known = status(candidate=candidate(), paused=True)
    moved = advanced(judged(look(known, {"paused": True}), Verdict(candidate=FAILING)))
    assert (moved.status.candidate, moved.status.paused, reasons(moved.notes)) == (None, False, ["RolledBack"])


@pytest.mark.parametrize(
    ("traffic", "since", "promoted", "remark"),
    [
        (Traffic(outside_quiet=timedelta(seconds=4)), -10, False, ""),
        (Traffic(outside_quiet=timedelta(seconds=5)), -10, True, ""),
        (Traffic(outside_last=3), -89, False, ""),
        (Traffic(outside_last=3), -90, True, "; the old pods counted 3 requests in their last busy round"),
    ],
    ids=["still busy", "quiet for an interval", "89 s", "90 s"],
)
def test_a_candidate_is_promoted_when_the_old_pods_are_quiet_or_after_90_seconds(
    *, traffic: Traffic, since: float, promoted: bool, remark: str
) -> None:
    known = status(candidate=candidate(**WHOLE, stage=Stage.DRAINING, since=later(since)))
    seen_now = judged(look(known, ready=4, traffic=traffic), PASSING)
    moved = advanced(seen_now)
    if not promoted:
        assert ended(moved) == (known.candidate, "Progressing", [])
        return
    message = f"2.0.0 (v2) is stable{remark}; 1.0.0 (v1) stays warm"
    assert moved == Moved(
        status(
            stable=revision(2),
            stable_since=NOW,
            previous=Previous(revision="v1", version="1.0.0", until=later(600)),
            history=[entry(1), entry(2, reason="Promoted", message=message, time=NOW, promoted=NOW)],
        ),
        (Note("Promoted", message),),
    )


def test_quiet_of_another_epoch_promotes_nothing() -> None:
    known = status(candidate=candidate(**WHOLE, stage=Stage.DRAINING))
    moved = advanced(look(known, ready=4, traffic=Traffic(outside_quiet=timedelta(hours=1)), epoch="another"))
    assert ended(moved) == (known.candidate, "Progressing", [])
