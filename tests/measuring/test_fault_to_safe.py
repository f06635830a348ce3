"""What a round of the benchmark saw, turned into its figures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.audit import Writes, writes_since
from bench.endings import signalled
from bench.measure import Seen, measured
from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import BadSpan
from stage.endpoints import Sample

GOOD = Record(number=0, due=10.0, answered=10.1, kind=Kind.ANSWERED, connection=1, fresh=False, process="p1")
BAD = replace(GOOD, kind=Kind.EXPECTED, process="", status=500)
FULL = Sample(time=20.0, behind={"stable": 4, "bad": 4}, pods={"stable": 4, "bad": 4}, selector={}, ending={})


def seen(*records: Record, samples: tuple[Sample, ...] = (FULL,), signals: dict[str, float] | None = None) -> Seen:
    return Seen(20.0, records, {"p1": "pod-1", "p2": "pod-2"}, signals or {}, samples, frozenset({"stable"}))


def bad(answered: float, connection: int = 1, *, fresh: bool = False) -> Record:
    return replace(BAD, due=answered - 0.1, answered=answered, connection=connection, fresh=fresh)


def test_without_a_bad_answer_there_are_no_figures() -> None:
    assert measured(seen(GOOD), 4) is None


def test_both_sorts_of_connections_count_from_the_first_bad_answer_of_all() -> None:
    spans = measured(seen(GOOD, bad(20.2, 7, fresh=True), bad(21.0, 8, fresh=True), bad(22.2)), 4)
    assert spans is not None
    assert (spans.first, spans.fresh, spans.kept) == (20.2, BadSpan(20.2, 21.0, 2), BadSpan(22.2, 22.2, 1))
    assert spans.fresh_seconds == pytest.approx(0.8)
    assert spans.kept_seconds == pytest.approx(2.0)
    assert (spans.failed, spans.requests, spans.lost) == (3, 3, 0)


def test_what_was_bad_before_the_fault_is_not_counted() -> None:
    spans = measured(seen(bad(19.0), bad(20.5)), 4)
    assert spans is not None
    assert (spans.first, spans.failed) == (20.5, 1)


def test_bad_answers_after_a_signal_are_those_asked_for_after_the_signal_of_the_connections_own_pod() -> None:
    other = replace(GOOD, connection=2, process="p2")
    records = (GOOD, other, bad(21.5), bad(21.9), bad(22.3), bad(21.5, 2), bad(21.9, 2))
    spans = measured(seen(*records, signals={"pod-1": 22.0, "pod-2": 21.6}), 4)
    assert spans is not None
    assert (spans.most_after_signal, spans.bad_connections, spans.unknown) == (1, 2, 0)
    assert spans.signals == (21.6, 22.0)


def test_for_a_connection_whose_pod_is_not_known_the_earliest_signal_counts() -> None:
    spans = measured(seen(bad(21.9, 5), bad(22.3, 5), signals={"pod-1": 23.0, "pod-2": 21.6}), 4)
    assert spans is not None
    assert (spans.most_after_signal, spans.unknown) == (2, 1)


def test_a_sample_with_fewer_or_more_ready_endpoints_of_stable_is_short() -> None:
    samples = (FULL, replace(FULL, behind={"stable": 3}), replace(FULL, behind={"stable": 5}))
    spans = measured(seen(bad(20.2), samples=samples), 4)
    assert spans is not None
    assert (spans.samples, spans.short_samples) == (3, 2)


def test_the_signal_is_read_from_the_servers_own_line() -> None:
    lines = [{"time": "2026-01-01T00:00:00.000Z", "message": "ready"}]
    assert signalled("\n".join(map(json.dumps, lines))) is None
    lines.append({"time": "1970-01-01T00:00:21.250Z", "message": "SIGTERM: unready, draining for 5 s"})
    assert signalled("\n".join(map(json.dumps, lines))) == 21.25
    assert signalled("SIGTERM, but no JSON") is None


def test_the_writes_of_a_rollback_are_those_around_the_first_move_of_the_selector(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    events = [
        event(19, "patch", "services"),
        event(20.5, "update", "modelrollouts", "status"),
        event(20.7, "update", "modelrollouts", "status"),
        event(20.8, "patch", "services", code=409),
        event(20.9, "patch", "services"),
        event(21.0, "update", "endpointslices"),
        event(21.1, "patch", "deployments"),
        event(21.2, "delete", "pods"),
        event(21.3, "update", "modelrollouts", "status"),
    ]
    log.write_text("cut off\n" + "\n".join(map(json.dumps, events)))
    assert writes_since(log, "bench-1", 20.0) == Writes(20.7, 20.9, 21.0, 21.1, 21.2)


def event(second: float, verb: str, resource: str, subresource: str = "", code: int = 200) -> dict[str, object]:
    ref = {"resource": resource, "namespace": "bench-1"} | ({"subresource": subresource} if subresource else {})
    return {
        "stage": "ResponseComplete",
        "verb": verb,
        "objectRef": ref,
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": f"1970-01-01T00:00:{second:09.6f}Z",
    }
