"""What records come to."""

import math
from dataclasses import replace

from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import BadSpan, Summary, bad_per_connection, losses, quantile, summarise

ANSWERED = Record(number=0, due=10.0, answered=10.002, kind=Kind.ANSWERED, connection=1, fresh=False, version="1")


def answered(**changes: object) -> Record:
    return replace(ANSWERED, **changes)  # type: ignore[arg-type]  # fields of any type


def test_a_summary_counts_kinds_versions_connections_and_spans() -> None:
    records = [
        answered(),
        answered(version="2", connection=2, fresh=True, due=10.0, answered=10.004),
        answered(kind=Kind.EXPECTED, answered=11.0, version=""),
        answered(kind=Kind.RESET, answered=12.5, version="", connection=3),
        answered(kind=Kind.NO_CONNECTION, answered=12.0, version="", connection=0, fresh=True),
    ]
    assert summarise(records) == Summary(
        requests=5,
        kinds={Kind.ANSWERED: 2, Kind.EXPECTED: 1, Kind.RESET: 1, Kind.NO_CONNECTION: 1},
        versions={"1": 1, "2": 1},
        lost=2,
        connections=3,
        p50_ms=records[0].latency_ms,
        p95_ms=records[1].latency_ms,
        p99_ms=records[1].latency_ms,
        fresh=BadSpan(12.0, 12.0, 1),
        kept=BadSpan(11.0, 12.5, 2),
    )
    assert losses(records) == records[3:]


def test_nothing_sent_comes_to_nothing() -> None:
    empty = summarise([])
    assert (empty.requests, empty.lost, empty.fresh, empty.kept) == (0, 0, None, None)
    assert math.isnan(empty.p95_ms)


def test_bad_answers_are_counted_per_connection_from_a_moment_on() -> None:
    bad = answered(kind=Kind.EXPECTED)
    records = [bad, replace(bad, due=20.0), replace(bad, due=21.0, connection=2), answered(due=22.0)]
    assert bad_per_connection(records, since=20.0) == {1: 1, 2: 1}


def test_a_quantile_is_a_value_that_was_seen() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    assert [quantile(values, share) for share in (0.0, 0.25, 0.5, 0.95, 1.0)] == [1.0, 1.0, 2.0, 4.0, 4.0]


def test_a_record_survives_its_way_through_json() -> None:
    record = answered(kind=Kind.CLOSED, words="the server ended")
    assert Record.from_json(record.to_json()) == record
