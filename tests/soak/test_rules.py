"""What a soak finds wrong, from what it sees."""

from typing import Any

import pytest
from soak import operators
from soak.notes import Notes
from soak.operators import Life, Look, Operators
from soak.patient import Patient
from soak.seen import Seen
from soak.tally import Tally, told

from modelrollout import names
from modelrollout.kube.errors import Unavailable
from modelrollout.kube.transport import Answer, Call
from modelrollout.traffic.connection import Target
from modelrollout.traffic.load import Load
from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.rows import Rows
from stage.endpoints import Sample
from stage.kube import ApiError, Cluster
from stage.rollout import Rollout

GOOD, BAD = "aaaaaaaa", "bbbbbbbb"
NOBODY: Any = None
"""Stands for an API server that nothing is asked of."""


def sample(selects: str = GOOD, **behind: int) -> Sample:
    return Sample(0.0, behind, {GOOD: 2}, {}, {names.REVISION_LABEL: selects})


def seen(*outcomes: tuple[str, str]) -> Seen:
    history = [{"revision": revision, "outcome": outcome} for revision, outcome in outcomes]
    obj = {"metadata": {"resourceVersion": "7"}, "status": {"history": history}}
    return Seen(Rollout(Cluster(NOBODY), "default", "churn"), obj, Notes())


def looked(one: Seen, *samples: Sample) -> list[str]:
    for each in samples:
        one._check(each)
    return [text.partition(": ")[2] for text in one._notes.wrong]


def test_a_service_without_ready_pods_is_wrong_and_said_once() -> None:
    wrong = looked(seen(), sample(aaaaaaaa=1), sample(aaaaaaaa=0), sample(), sample(aaaaaaaa=1))

    assert wrong == ["no ready pod behind the Service churn: pods {'aaaaaaaa': 2}"]


def test_a_rejected_revision_may_still_have_the_traffic_that_it_had() -> None:
    assert looked(seen((BAD, "Rejected")), sample(BAD, bbbbbbbb=1), sample(aaaaaaaa=2)) == []


@pytest.mark.parametrize("again", [sample(BAD, aaaaaaaa=2), sample(aaaaaaaa=2, bbbbbbbb=1)], ids=["selected", "behind"])
def test_a_rejected_revision_that_gets_traffic_again_is_wrong(again: Sample) -> None:
    wrong = looked(seen((BAD, "Rejected")), sample(aaaaaaaa=2), again)

    assert wrong == ["bbbbbbbb of churn was rejected, had no traffic, and has some again"]


def test_what_is_not_rejected_may_come_and_go() -> None:
    assert looked(seen((BAD, "Superseded")), sample(aaaaaaaa=2), sample(bbbbbbbb=2)) == []


def test_an_older_state_than_is_known_says_nothing() -> None:
    one = seen()
    one.take({"metadata": {"resourceVersion": "6"}, "status": {"phase": "Stable"}})
    assert one.status == {"history": []}
    one.take({"metadata": {"resourceVersion": "10"}, "status": {"phase": "Stable"}})
    assert one.status == {"phase": "Stable"}


def record(kind: Kind) -> Record:
    return Record(number=1, due=1.0, answered=1.5, kind=kind, connection=1, fresh=True, status=503, words="away")


def test_requests_are_counted_once_and_let_go() -> None:
    tally = Tally(Load(Target("127.0.0.1", 80), Rows([])))
    tally.load.records += [record(Kind.ANSWERED), record(Kind.EXPECTED), record(Kind.RESET)]

    assert [told(one) for one in tally.take()] == [
        "due at 00:00:01.000 UTC: reset on a fresh connection after 500 ms, status 503: away"
    ]
    assert tally.take() == []
    assert (tally.requests, tally.failed, tally.lost, tally.load.records) == (3, 1, 1, [])


def operator(uid: str, restarts: int) -> dict[str, Any]:
    ended = {"exitCode": 137, "reason": "OOMKilled", "message": "too large"}
    status = {"restartCount": restarts, "lastState": {"terminated": ended}}
    return {"metadata": {"name": f"operator-{uid}", "uid": uid}, "status": {"containerStatuses": [status]}}


def test_an_operator_that_restarts_by_itself_is_wrong_and_one_that_was_killed_is_not() -> None:
    notes = Notes()
    watched = Operators(Cluster(NOBODY), notes)
    watched.excused["killed"] += 1
    for pod in (operator("killed", 1), operator("other", 0), operator("other", 1), operator("other", 1)):
        watched._blame_restarts(pod)

    assert [text.partition(": ")[2] for text in notes.wrong] == [
        "operator-other restarted by itself: exit code 137, OOMKilled: too large"
    ]


def lives(grows_by: float, tasks: int) -> Operators:
    """One process that was looked at every minute for an hour; the tasks come one every ten minutes."""
    looks = [Look(float(minute), 90_000 + grows_by * minute, 40 + tasks * (minute // 10)) for minute in range(60)]
    return Operators(Cluster(NOBODY), Notes(), {Life("operator-1", 1.0, leads=True): looks})


def test_an_operator_that_grows_is_wrong() -> None:
    assert lives(grows_by=10, tasks=0).hoards() == []
    assert lives(grows_by=100, tasks=0).hoards() == ["the operator's memory grows by 100.00 KiB a minute"]
    assert lives(grows_by=0, tasks=3).hoards() == ["tasks of operator-1 grow: 40 at first, 55 at last"]


def test_four_numbers_are_read_of_a_page_of_metrics_and_nothing_of_another_page() -> None:
    told = {operators.BORN: 5.0, operators.MEMORY: 9e7, operators.TASKS: 41.0, operators.LEADS: 1.0}
    page = "".join(f"# TYPE {name} gauge\n{name} {value}\n" for name, value in told.items())

    assert operators.numbers(page + "# TYPE other gauge\nother 1\n") == told
    assert operators.numbers("error trying to reach service: connection refused") is None
    assert operators.numbers("") is None


class Moody:
    """A transport whose answers were laid out beforehand."""

    def __init__(self, *answers: Answer | Unavailable) -> None:
        self.left = list(answers)

    async def call(self, _: Call) -> Answer:
        answer = self.left.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer


async def test_an_api_server_that_is_away_is_asked_again() -> None:
    wire: Any = Moody(Unavailable("refused"), Answer(503, b""), Answer(200, b'{"kind":"Pod"}'))

    assert await Patient(wire).get("/api/v1/pods") == {"kind": "Pod"}


async def test_a_plain_no_is_an_answer() -> None:
    wire: Any = Moody(Answer(404, b"{}"), Answer(200, b"{}"))

    with pytest.raises(ApiError):
        await Patient(wire).get("/api/v1/pods")
    assert len(wire.left) == 1
