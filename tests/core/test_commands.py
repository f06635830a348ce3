"""Commands of people: each done once, or refused with a sentence that says why."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from core.values import (
    NOW,
    alone,
    arm,
    candidate,
    changing,
    decided,
    deployment,
    entry,
    foreign,
    later,
    pod,
    reasons,
    revision,
    seen,
    settled,
    shared,
    status,
    turn,
)

from modelrollout import names
from modelrollout.api.status import CommandOutcome, Hold, LastCommand, ModelRolloutStatus, Outcome, Retreat, Stage
from modelrollout.core.commands import VERBS, Command, obey, read
from modelrollout.core.decision import Note
from modelrollout.core.facts import PodTrouble, Seen
from modelrollout.core.turn import Moved, Turn

Wishes = Mapping[str, Any]

CANARY = seen(arm(1, 4), arm(2, 1, against=1), selector=shared())
SETTLED = seen(arm(1, 4))
WARM = seen(arm(1, 4), arm(2, 4, against=1), selector=alone(2))


def asked(text: str, known: ModelRolloutStatus, world: Seen = CANARY, wishes: Wishes | None = None) -> Turn:
    """A look while the resource carries this command."""
    return turn(known, world, wishes, annotations={names.COMMAND_ANNOTATION: text})


def obeyed(look: Turn) -> Moved:
    return obey(look, look.rollout.status)


def last(verb: str, revision: str, outcome: CommandOutcome, message: str) -> LastCommand:
    return LastCommand(id="c1", verb=verb, revision=revision, outcome=outcome, message=message, time=NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("promote v2 c1", Command("promote", "v2", "c1")),
        ("  promote\tv2  c1 ", Command("promote", "v2", "c1")),
        ("promote v2", None),
        ("promote v2 c1 now", None),
        ("", None),
    ],
)
def test_a_command_is_three_words(text: str, expected: Command | None) -> None:
    assert read(text) == expected


JUDGED = status(candidate=candidate())
STARTED = status(candidate=candidate(stage=Stage.STARTING))
PAUSED_STEP = status(
    candidate=candidate(stage=Stage.PAUSED), hold=Hold(reason="Paused", message="at weight 10", since=later(-60))
)
BAKED = status(candidate=candidate(weight=100, stage=Stage.BAKING))
REJECTED = status(history=[entry(1), entry(2, Outcome.REJECTED)])
NEXT: dict[str, Any] = {"stage": Stage.STARTING, "since": NOW, "step_since": NOW, "weight": 50, "step": 2}


@pytest.mark.parametrize(
    ("text", "known", "after"),
    [
        pytest.param("pause v2 c1", JUDGED, {"paused": True}, id="pause"),
        pytest.param("resume v2 c1", JUDGED.but(paused=True), {"paused": False}, id="resume"),
        pytest.param(
            "resume v2 c1", PAUSED_STEP, {"candidate": candidate(**NEXT), "hold": None}, id="resume a step's pause"
        ),
        pytest.param("promote v2 c1", JUDGED, {"candidate": candidate(**NEXT)}, id="promote one step"),
        pytest.param(
            "promote v2 c1", PAUSED_STEP, {"candidate": candidate(**NEXT), "hold": None}, id="promote from a pause"
        ),
        pytest.param(
            "promote v2 c1",
            BAKED,
            {"candidate": candidate(weight=100, stage=Stage.DRAINING, since=NOW)},
            id="promote from the bake",
        ),
        pytest.param(
            "promote-all v2 c1", STARTED, {"candidate": candidate(stage=Stage.STARTING, forced=True)}, id="promote all"
        ),
        pytest.param("retry v2 c1", REJECTED, {"history": [entry(1)]}, id="retry"),
        pytest.param(
            "abort v2 c1",
            JUDGED,
            {
                "candidate": None,
                "history": [
                    entry(1),
                    entry(2, Outcome.ABORTED, reason="Aborted", message="aborted by a person", time=NOW),
                ],
            },
            id="abort",
        ),
        pytest.param(
            "rollback v2 c1",
            JUDGED,
            {
                "candidate": None,
                "history": [
                    entry(1),
                    entry(2, Outcome.ABORTED, reason="Aborted", message="aborted by a person", time=NOW),
                ],
            },
            id="a rollback within a rollout aborts it",
        ),
        pytest.param(
            "mark v1 c1",
            JUDGED,
            {
                "history": [
                    entry(1, Outcome.UNHEALTHY, reason="MarkedByPerson", message="marked bad by a person", time=NOW)
                ]
            },
            id="mark",
        ),
        pytest.param("restart v1 c1", JUDGED, {}, id="restart"),
    ],
)
def test_a_command_is_done(text: str, known: ModelRolloutStatus, after: Wishes) -> None:
    moved = obeyed(asked(text, known))
    done = moved.status.last_command
    assert done is not None
    assert moved.status == known.but(**after, last_command=done)
    verb, revision, _ = text.split()
    assert done == last(verb, revision, CommandOutcome.DONE, done.message)
    assert moved.notes[0] == Note("CommandDone", f"{verb} {revision}: {done.message}")


def test_promote_all_says_what_keeps_its_pods_away() -> None:
    gone = pod(2, ready=False, trouble=PodTrouble.UNSCHEDULABLE, words="0/1 nodes are available")
    world = seen(arm(1, 4), (deployment(2, 4, against=1), (pod(2, 2), gone)), selector=shared())
    last = obeyed(asked("promote-all v2 c1", JUDGED, world)).status.last_command
    assert last is not None
    assert last.message == (
        "nothing but its pods is waited for: 1 of 4 pods ready: churn-v2-1: Unschedulable (0/1 nodes are available); "
        "make room or lower the requests"
    )
    whole = seen(arm(1, 4), arm(2, 4, against=1), selector=shared())
    last = obeyed(asked("promote-all v2 c1", JUDGED, whole)).status.last_command
    assert last is not None
    assert last.message == "it goes on to the end without waiting for evidence, pauses and bake"


@pytest.mark.parametrize("verb", ["promote", "promote-all"])
def test_a_command_that_would_move_nothing_under_a_paused_spec_is_refused(verb: str) -> None:
    moved = obeyed(asked(f"{verb} v2 c1", JUDGED, wishes={"paused": True}))
    said = "spec.paused is true, so that nothing would move; set it to false instead"
    assert moved == Moved(
        JUDGED.but(last_command=last(verb, "v2", CommandOutcome.REFUSED, said)),
        (Note("CommandRefused", f"{verb} v2: {said}", warning=True),),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pause v2 c1", "pause v2: it stays where it is until resume"),
        ("promote-all v2 c1", "promote-all v2: nothing but its pods is waited for: 1 of 4 pods ready"),
        ("mark v1 c1", "mark v1: it is not gone back to by itself any more"),
        ("restart v1 c1", "restart v1: its pods are to restart one after the other"),
    ],
)
def test_the_event_says_once_what_was_asked_and_what_that_does(text: str, said: str) -> None:
    assert obeyed(asked(text, JUDGED)).notes[0].message == said


@pytest.mark.parametrize(
    ("verb", "outcome", "reason", "message"),
    [
        ("rollback", Outcome.ABORTED, "RolledBackByPerson", "rolled back by a person"),
        ("undo", Outcome.REJECTED, "UndoneByPerson", "undone by a person"),
    ],
)
def test_a_person_takes_stable_one_step_back_to_a_warm_model_at_once_and_without_a_cooldown(
    verb: str, outcome: Outcome, reason: str, message: str
) -> None:
    known = settled(2)
    moved = obeyed(asked(f"{verb} v2 c1", known, WARM))
    said = f"traffic goes back from 2.0.0 (v2) to 1.0.0 (v1): {message}"
    left = entry(2, outcome, reason=reason, message=message, time=NOW, promoted=entry(2).promoted)
    assert moved == Moved(
        known.but(
            stable=revision(1),
            stable_since=NOW,
            history=[entry(1), left],
            last_command=last(verb, "v2", CommandOutcome.DONE, said),
        ),
        (Note("CommandDone", f"{verb} v2: {said}"), Note("WentBack", said, warning=True)),
    )


def test_a_person_who_goes_back_to_a_sleeping_model_waits_for_its_pods() -> None:
    moved = obeyed(asked("rollback v2 c1", settled(2), seen(arm(1, 0), arm(2, 4, against=1), selector=alone(2))))
    assert moved.status.stable == revision(2)
    assert moved.status.retreat == Retreat(
        revision="v1", version="1.0.0", since=NOW, reason="RolledBackByPerson", message="rolled back by a person"
    )


NO_COMMAND = (
    '"launch" is no command; write "<verb> <revision> <id>" with one of pause, resume, promote, promote-all, abort, '
    "retry, rollback, undo, mark, restart"
)
FIRST = status(stable=None, history=[], candidate=candidate(strategy="first", weight=100))


@pytest.mark.parametrize(
    ("text", "known", "refusal"),
    [
        ("pause v3 c1", JUDGED, "it was meant for v3, and the candidate is 2.0.0 (v2)"),
        ("resume v3 c1", JUDGED, "it was meant for v3, and the candidate is 2.0.0 (v2)"),
        ("promote v3 c1", JUDGED, "it was meant for v3, and the candidate is 2.0.0 (v2)"),
        ("promote-all v3 c1", JUDGED, "it was meant for v3, and the candidate is 2.0.0 (v2)"),
        ("abort v3 c1", JUDGED, "it was meant for v3, and the candidate is 2.0.0 (v2)"),
        ("rollback v3 c1", JUDGED, "it was meant for v3, and the candidate is 2.0.0 (v2)"),
        ("rollback v3 c1", settled(2), "it was meant for v3, and stable is 2.0.0 (v2)"),
        ("undo v3 c1", settled(2), "it was meant for v3, and stable is 2.0.0 (v2)"),
        ("restart v3 c1", settled(2), "it was meant for v3, and stable is 2.0.0 (v2)"),
        ("retry v3 c1", REJECTED, "the spec asks for v2"),
        ("mark v3 c1", JUDGED, "it is not in the history; a candidate can be aborted"),
        ("pause v1 c1", settled(1), "no rollout is under way"),
        ("promote v1 c1", settled(1), "no rollout is under way"),
        ("abort v1 c1", settled(1), "no rollout is under way"),
        ("pause v2 c1", FIRST, "the first model has no steps to pause between"),
        ("promote v2 c1", FIRST, "the first model needs no promotion: it is stable once its pods are ready"),
        ("promote-all v2 c1", FIRST, "the first model needs no promotion: it is stable once its pods are ready"),
        ("abort v2 c1", FIRST, "nothing is stable yet, so there is nothing to go back to; change the spec instead"),
        ("rollback v2 c1", FIRST, "nothing is stable yet"),
        ("restart v2 c1", FIRST, "nothing is stable yet"),
        ("resume v2 c1", JUDGED, "it is not paused"),
        ("promote v2 c1", STARTED, "the step's pods are not ready yet; promote-all goes on by itself when they are"),
        ("promote v2 c1", status(candidate=candidate(stage=Stage.DRAINING)), "it is being promoted already"),
        ("retry v1 c1", settled(1), "it is stable already"),
        ("retry v2 c1", status(), "it was not rejected"),
        ("rollback v1 c1", settled(1), "no healthy model to roll back to"),
        ("undo v1 c1", settled(1), "no healthy model to roll back to"),
        ("undo v2 c1", JUDGED, "a rollout is under way; abort it instead"),
        ("launch v2 c1", JUDGED, NO_COMMAND),
    ],
)
def test_a_command_is_refused_with_its_sentence(text: str, known: ModelRolloutStatus, refusal: str) -> None:
    verb, meant, _ = text.split()
    assert obeyed(asked(text, known)) == Moved(
        known.but(last_command=last(verb, meant, CommandOutcome.REFUSED, refusal)),
        (Note("CommandRefused", f"{verb} {meant}: {refusal}", warning=True),),
    )


def test_a_resume_against_spec_paused_is_refused() -> None:
    moved = obeyed(asked("resume v2 c1", JUDGED, wishes={"paused": True}))
    refusal = "spec.paused is true; set it to false instead"
    assert moved.status == JUDGED.but(last_command=last("resume", "v2", CommandOutcome.REFUSED, refusal))


def test_text_that_is_no_command_is_refused_once() -> None:
    text = "please promote the new model, it looks quite good to all of us here"
    first = obeyed(asked(text, JUDGED))
    answer = first.status.last_command
    assert answer is not None
    assert (answer.id, answer.outcome, reasons(first.notes)) == (
        text[:63],
        CommandOutcome.REFUSED,
        ["CommandRefused"],
    )
    assert obeyed(asked(text, first.status)) == Moved(first.status)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_command_is_carried_out_once_by_its_id(verb: str) -> None:
    text = f"{verb} v2 c1"
    first = obeyed(asked(text, JUDGED))
    assert obeyed(asked(text, first.status)) == Moved(first.status)


def test_a_refused_command_is_not_carried_out_later() -> None:
    refused = obeyed(asked("promote v2 c1", STARTED)).status
    ready = refused.but(candidate=candidate())
    assert obeyed(asked("promote v2 c1", ready)) == Moved(ready)


def test_the_same_verb_with_another_id_is_carried_out_again() -> None:
    once = obeyed(asked("promote v2 c1", JUDGED)).status.but(candidate=candidate())
    again = obeyed(asked("promote v2 c2", once)).status
    assert again.candidate == candidate(**NEXT)


def test_a_restart_is_over_once_its_mark_was_seen() -> None:
    look = asked("restart v1 c1", settled(1), SETTLED)
    first = decided(look)
    assert changing(first.actions) == ["restart v1"]
    lost = replace(look, rollout=replace(look.rollout, status=first.status))
    assert changing(decided(lost).actions) == ["restart v1"]
    marked = replace(SETTLED.deployments[0], restarted="c1")
    over = decided(replace(lost, seen=replace(SETTLED, deployments=(marked,))))
    assert changing(over.actions) == []
    assert over.status.last_command == last(
        "restart", "v1", CommandOutcome.DONE, "its pods restart one after the other"
    )
    anew = replace(lost, rollout=replace(lost.rollout, status=over.status))
    assert changing(decided(anew).actions) == []


def test_what_a_retried_revision_once_was_stays_known() -> None:
    known = status(history=[entry(2, Outcome.UNHEALTHY), entry(1)])
    moved = obeyed(asked("retry v2 c1", known, SETTLED))
    retried = entry(2, Outcome.SUPERSEDED, reason="Retried", message="is tried again", promoted=entry(2).promoted)
    assert moved.status.history == [entry(1), retried]
    started = decided(asked("retry v2 c2", known, SETTLED)).status.candidate
    assert started is not None
    assert started.revision == "v2"


@pytest.mark.parametrize(
    "command", ["restart v1 " + "x" * 254, "y" * 100_000 + " v1 c1", "restart \x1b[2Jv1 c1", "\x1b[2J"], ids=range(4)
)
def test_a_word_that_is_too_long_or_that_a_terminal_obeys_is_no_command(command: str) -> None:
    moved = obeyed(asked(command, settled(1), seen(arm(1, 4), selector=alone(1))))
    last = moved.status.last_command
    assert last is not None
    assert last.outcome is CommandOutcome.REFUSED
    assert len(last.id) < 100
    assert all(one.isprintable() for one in (last.id, last.verb, last.message, *(note.message for note in moved.notes)))
    assert obeyed(asked(command, moved.status, seen(arm(1, 4), selector=alone(1)))).notes == ()


@pytest.mark.parametrize(
    ("text", "known", "world"),
    [
        ("pause v2 c2", status(candidate=candidate(), paused=True), CANARY),
        ("promote-all v2 c2", status(candidate=candidate(forced=True)), CANARY),
        ("restart v1 c2", settled(1), seen((arm(1, 4)[0], ()))),
    ],
    ids=["pause again", "promote-all again", "restart without pods"],
)
def test_a_command_that_does_nothing_is_refused(text: str, known: ModelRolloutStatus, world: Seen) -> None:
    answered = obeyed(asked(text, known, world)).status.last_command

    assert answered is not None
    assert answered.outcome is CommandOutcome.REFUSED


@pytest.mark.parametrize("verb", ["promote", "promote-all", "retry"])
def test_what_leads_forward_is_refused_while_the_service_is_somebody_elses(verb: str) -> None:
    world = seen(arm(1, 4), arm(2, 1, against=1), selector=shared(), taken=(foreign("Service", "churn"),))
    moved = obeyed(asked(f"{verb} v2 c1", status(candidate=candidate()), world))

    assert moved.status.last_command == last(
        verb, "v2", CommandOutcome.REFUSED, "traffic cannot be moved: Service churn belongs to Helm"
    )
