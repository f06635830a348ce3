"""Events and log lines."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from kube.apiserver import Direct
from shell.loops import rollout_object

from modelrollout.core.decision import Note
from modelrollout.events import AGAIN_SECONDS, SAME_SECONDS, Teller, event
from modelrollout.kube.errors import Forbidden
from modelrollout.kube.resources import EVENTS
from modelrollout.logs import JsonLines, PlainLines
from modelrollout.rollouts import parse

RAW = rollout_object()
ROLLOUT = parse({**RAW, "metadata": {**RAW["metadata"], "namespace": "default"}})
NOTE = Note("RolledBack", "canary churn-7f: 3 of 20 requests failed (limit 1)", warning=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def told(api: Direct, clock: Clock, *times: float, note: Note = NOTE) -> list[Any]:
    teller = Teller(api, clock)
    for clock.now in times:
        teller.tell(ROLLOUT, (note,))
    await teller.finish()
    return api.server.all(EVENTS)


async def test_a_note_is_told_once_and_again_only_after_minutes() -> None:
    note = Note("ScrapeFailing", "churn-7f gives no usable answer", warning=True)
    assert len(await told(Direct(), Clock(), 0, 1, SAME_SECONDS, note=note)) == 1
    assert len(await told(Direct(), Clock(), 0, 1, SAME_SECONDS + 2, note=note)) == 2


async def test_a_second_rejection_in_the_same_words_is_told_and_a_decision_taken_twice_is_not() -> None:
    assert len(await told(Direct(), Clock(), 0, 1, AGAIN_SECONDS)) == 1
    assert len(await told(Direct(), Clock(), 0, 30, 60)) == 3


async def test_an_event_that_cannot_be_written_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    api = Direct(faults={"create events": [Forbidden("events is forbidden")]})

    assert await told(api, Clock(), 0) == []
    assert [record.getMessage() for record in caplog.records] == [
        "default/churn: RolledBack: canary churn-7f: 3 of 20 requests failed (limit 1)",
        "default/churn: the Event RolledBack could not be written: events is forbidden",
    ]


def test_an_event_names_the_rollout_and_says_it_in_full() -> None:
    made = event(ROLLOUT, NOTE, datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC))
    name = made["metadata"].pop("name")

    assert name.startswith("churn.")
    assert made == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "default"},
        "involvedObject": {
            "apiVersion": "modelrollout.dev/v1alpha1",
            "kind": "ModelRollout",
            "namespace": "default",
            "name": "churn",
            "uid": "uid-churn",
        },
        "reason": "RolledBack",
        "message": "canary churn-7f: 3 of 20 requests failed (limit 1)",
        "type": "Warning",
        "source": {"component": "modelrollout"},
        "reportingComponent": "modelrollout",
        "reportingInstance": "modelrollout",
        "firstTimestamp": "2026-03-01T12:00:05Z",
        "lastTimestamp": "2026-03-01T12:00:05Z",
        "count": 1,
    }


def test_a_message_that_is_too_long_for_an_event_is_cut() -> None:
    made = event(ROLLOUT, Note("X", "x" * 5000), datetime(2026, 3, 1, tzinfo=UTC))

    assert (len(made["message"]), made["message"][-4:]) == (1024, "x...")


@pytest.mark.parametrize("lines", [JsonLines(), PlainLines("%(levelname)s: %(message)s")])
def test_what_others_said_steers_no_terminal_that_shows_events_or_logs(lines: logging.Formatter) -> None:
    words = "churn-0: \x1b[2J\x9b31m\u202eready\r\nERROR: all is lost"
    record = logging.LogRecord("modelrollout", logging.WARNING, __file__, 1, "%s", (words,), None)

    assert event(ROLLOUT, Note("X", words), datetime(2026, 3, 1, tzinfo=UTC))["message"].isprintable()
    assert lines.format(record).isprintable()


async def test_the_log_line_of_a_note_is_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    await told(Direct(), Clock(), 0)
    line = json.loads(JsonLines().format(caplog.records[0]))
    del line["time"]

    assert line == {
        "level": "warning",
        "logger": "modelrollout",
        "message": "default/churn: RolledBack: canary churn-7f: 3 of 20 requests failed (limit 1)",
        "rollout": "default/churn",
        "reason": "RolledBack",
    }


def test_an_exception_is_part_of_its_line() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        raise ZeroDivisionError("bug")
    info = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "broke on %s", ("churn",), info)
    line = json.loads(JsonLines().format(record))

    assert line["message"] == "broke on churn"
    assert line["exception"].endswith("ZeroDivisionError: bug")
