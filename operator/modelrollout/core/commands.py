"""What people ask for by annotation: `modelrollout.dev/command: <verb> <revision> <id>`.

The outcome is committed with the intent, so a command is carried out once whatever crashes. One that was meant for
another revision is refused: a person who types `promote` while the next candidate starts must not promote that one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from modelrollout import names
from modelrollout.api.status import (
    Candidate,
    CommandOutcome,
    HistoryEntry,
    LastCommand,
    ModelRolloutStatus,
    Outcome,
    Stage,
)
from modelrollout.core.decision import Note
from modelrollout.core.endings import reject
from modelrollout.core.faults import Rejection, any_trouble
from modelrollout.core.foreign import foreign_deployment, foreign_service
from modelrollout.core.stages import needed, onward
from modelrollout.core.turn import Moved, Turn, entry_of, is_rejected, recorded, stops_of
from modelrollout.core.wayback import healthy_below, toward
from modelrollout.core.words import called, cut, pods
from modelrollout.printable import printable

PARTS = 3
LONGEST_WORD = 253
"""The id of a restart becomes an annotation of pods, and all three words are kept in the status."""
RESTART = "restart"
BACKWARD = frozenset({"abort", "rollback", "undo", "mark"})
"""What people may ask for even while the spec cannot be followed."""
FORWARD = frozenset({"promote", "promote-all", "retry"})
"""What moves traffic to a candidate, and can do nothing while the Service is somebody else's."""
RESTARTED = "its pods restart one after the other"
"""Said once the restart's mark was seen; until then it is `SAID`."""
SAID = {
    "pause": "it stays where it is until resume",
    "resume": "it goes on",
    "promote": "it goes on without waiting here any longer",
    "promote-all": "it goes on to the end without waiting for evidence, pauses and bake",
    "retry": "it is tried again",
    "mark": "it is not gone back to by itself any more",
    RESTART: "its pods are to restart one after the other",
}
"""What a command has done, where the notes of what it has done do not say it."""


@dataclass(frozen=True, slots=True)
class Command:
    verb: str
    revision: str
    id: str


class Refused(Exception):  # noqa: N818  # an answer to a person, not an error of ours
    """The command cannot be carried out; the text says why and what to do instead."""


def read(text: str) -> Command | None:
    """The command in an annotation; None for one that is not of the form "<verb> <revision> <id>"."""
    parts = text.split()
    readable = all(one.isprintable() and len(one) <= LONGEST_WORD for one in parts)
    return Command(*parts) if len(parts) == PARTS and readable else None


def obey(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """Carry out the annotation's command unless it was carried out before."""
    text = turn.rollout.annotations.get(names.COMMAND_ANNOTATION, "")
    command = read(text) if text else None
    if text and command is None:
        command = Command("?", "?", printable(text[:63]))
    if command is None or (status.last_command is not None and status.last_command.id == command.id):
        return _seen_done(turn, status)
    try:
        moved = _carry_out(turn, status, command)
    except Refused as why:
        return _answered(turn, Moved(status), command, str(why))
    return _answered(turn, moved, command, "")


def _seen_done(turn: Turn, status: ModelRolloutStatus) -> Moved:
    """A restart is over once its mark was seen, so that a Deployment made later is not restarted for it again."""
    last, stable = status.last_command, status.stable
    if last is None or last.verb != RESTART or last.message == RESTARTED or stable is None:
        return Moved(status)
    if last.outcome is not CommandOutcome.DONE:
        return Moved(status)
    deployment = turn.seen.deployment(stable.revision)
    marked = deployment is not None and deployment.restarted == last.id
    moved_on = stable.revision != last.revision
    return Moved(status.but(last_command=last.but(message=RESTARTED)) if marked or moved_on else status)


def _carry_out(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    foreign = foreign_service(turn) if command.verb in FORWARD else None
    if foreign is not None:
        raise Refused(f"traffic cannot be moved: {foreign.message}")
    carry_out = VERBS.get(command.verb)
    if carry_out is None:
        raise Refused(f'"{command.verb}" is no command; write "<verb> <revision> <id>" with one of {", ".join(VERBS)}')
    if turn.rollout.invalid and command.verb not in BACKWARD:
        raise Refused(f"the spec cannot be followed; correct it first: {turn.rollout.invalid}")
    if turn.unfollowed and command.verb not in BACKWARD:
        raise Refused(f"the spec cannot be followed yet: {turn.unfollowed}")
    moved = carry_out(turn, status, command)
    if moved.status == status and command.verb != RESTART:
        raise Refused("that is so already; nothing was changed")
    return moved


def _answered(turn: Turn, moved: Moved, command: Command, refusal: str) -> Moved:
    message = refusal or "; ".join(note.message for note in moved.notes) or SAID.get(command.verb, "done")
    last = LastCommand(
        id=command.id,
        verb=command.verb,
        revision=command.revision,
        outcome=CommandOutcome.REFUSED if refusal else CommandOutcome.DONE,
        message=cut(message),
        time=turn.now,
    )
    said = f"{command.verb} {command.revision}: {message}"
    note = Note("CommandRefused", said, warning=True) if refusal else Note("CommandDone", said)
    return Moved(moved.status.but(last_command=last), (note, *moved.notes))


def _of_candidate(status: ModelRolloutStatus, command: Command) -> None:
    if status.candidate is None:
        raise Refused("no rollout is under way")
    if status.candidate.revision != command.revision:
        candidate = called(status.candidate.version, status.candidate.revision)
        raise Refused(f"it was meant for {command.revision}, and the candidate is {candidate}")


def _of_stable(status: ModelRolloutStatus, command: Command) -> None:
    if status.stable is None:
        raise Refused("nothing is stable yet")
    if status.stable.revision != command.revision:
        stable = called(status.stable.version, status.stable.revision)
        raise Refused(f"it was meant for {command.revision}, and stable is {stable}")


def _pause(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    del turn
    _of_candidate(status, command)
    if status.stable is None:
        raise Refused("the first model has no steps to pause between")
    return Moved(status.but(paused=True))


def _resume(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    _of_candidate(status, command)
    candidate = status.candidate
    at_a_pause = candidate is not None and candidate.stage is Stage.PAUSED
    if turn.spec.paused:
        raise Refused("spec.paused is true; set it to false instead")
    if status.paused or candidate is None:
        return Moved(status.but(paused=False))
    if not at_a_pause:
        raise Refused("it is not paused")
    return onward(turn, status.but(hold=None), candidate)


def _promote(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    _of_candidate(status, command)
    candidate = status.candidate
    if candidate is None or status.stable is None:
        raise Refused("the first model needs no promotion: it is stable once its pods are ready")
    _goes_on(turn)
    if candidate.stage in {Stage.STARTING, Stage.WAITING}:
        raise Refused("the step's pods are not ready yet; promote-all goes on by itself when they are")
    if candidate.stage is Stage.DRAINING:
        raise Refused("it is being promoted already")
    if candidate.stage is Stage.BAKING:
        return Moved(status.but(candidate=candidate.but(stage=Stage.DRAINING, since=turn.now), paused=False, hold=None))
    return onward(turn, status.but(paused=False), candidate)


def _goes_on(turn: Turn) -> None:
    if turn.spec.paused:
        raise Refused("spec.paused is true, so that nothing would move; set it to false instead")


def _promote_all(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    _of_candidate(status, command)
    candidate = status.candidate
    if candidate is None or status.stable is None:
        raise Refused("the first model needs no promotion: it is stable once its pods are ready")
    _goes_on(turn)
    forced = status.but(candidate=candidate.but(forced=True), paused=False, hold=None)
    return Moved(forced, _awaited(turn, status, candidate))


def _awaited(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> tuple[Note, ...]:
    """What a candidate that is promoted without evidence has to wait for nevertheless: its pods."""
    wanted, ready = needed(status, stops_of(turn, status)[-1]), turn.seen.ready(candidate.revision)
    if ready >= wanted:
        return ()
    trouble = any_trouble(turn, candidate.revision)
    message = f"nothing but its pods is waited for: {ready} of {pods(wanted)} ready"
    return (Note("WaitsForPods", f"{message}: {trouble}" if trouble else message),)


def _abort(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    _of_candidate(status, command)
    if status.stable is None:
        raise Refused("nothing is stable yet, so there is nothing to go back to; change the spec instead")
    return reject(turn, status, Outcome.ABORTED, Rejection("Aborted", "aborted by a person"))


def _retry(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    del turn
    current = status.current
    if current is None or current.revision != command.revision:
        raise Refused(
            "the spec asks for another revision" if current is None else f"the spec asks for {current.revision}"
        )
    if status.stable is not None and status.stable.revision == current.revision:
        raise Refused("it is stable already")
    if not is_rejected(status, current.revision):
        raise Refused("it was not rejected")
    return Moved(_forgiven(status, current.revision))


def _forgiven(status: ModelRolloutStatus, revision: str) -> ModelRolloutStatus:
    """The history without what speaks against a revision; when it was stable once stays known."""
    entry = entry_of(status, revision)
    if entry is not None and entry.promoted is not None:
        return recorded(status, entry.but(outcome=Outcome.SUPERSEDED, reason="Retried", message="is tried again"))
    return status.but(history=[one for one in status.history if one.revision != revision])


def _rollback(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    if status.candidate is not None and status.stable is not None:
        return _abort(turn, status, command)
    return _step_back(turn, status, command, Rejection("RolledBackByPerson", "rolled back by a person"))


def _undo(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    if status.candidate is not None:
        raise Refused("a rollout is under way; abort it instead")
    return _step_back(turn, status, command, Rejection("UndoneByPerson", "undone by a person"))


def _step_back(turn: Turn, status: ModelRolloutStatus, command: Command, why: Rejection) -> Moved:
    _of_stable(status, command)
    target = healthy_below(status)
    stable = status.stable
    if target is None or stable is None:
        raise Refused("no healthy model to roll back to")
    outcome = Outcome.REJECTED if why.reason == "UndoneByPerson" else Outcome.ABORTED
    entry = HistoryEntry(
        revision=stable.revision,
        version=stable.version,
        outcome=outcome,
        reason=why.reason,
        message=why.message,
        time=turn.now,
    )
    return toward(turn, recorded(status, entry), target, why)


def _mark(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    entry = entry_of(status, command.revision)
    if entry is None:
        raise Refused("it is not in the history; a candidate can be aborted")
    marked = entry.but(
        outcome=Outcome.UNHEALTHY, reason="MarkedByPerson", message="marked bad by a person", time=turn.now
    )
    return Moved(recorded(status, marked))


def _restart(turn: Turn, status: ModelRolloutStatus, command: Command) -> Moved:
    _of_stable(status, command)
    foreign = foreign_deployment(turn, command.revision)
    if foreign is not None:
        raise Refused(foreign.message)
    if not turn.seen.pods_of(command.revision):
        raise Refused("it has no pods")
    return Moved(status)


Verb = Callable[[Turn, ModelRolloutStatus, Command], Moved]
VERBS: dict[str, Verb] = {
    "pause": _pause,
    "resume": _resume,
    "promote": _promote,
    "promote-all": _promote_all,
    "abort": _abort,
    "retry": _retry,
    "rollback": _rollback,
    "undo": _undo,
    "mark": _mark,
    RESTART: _restart,
}
